"""Objects in stores: found, read by range, written as a whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from normcli.errors import NormcliError, UsageError
from normcli.storage import stores
from normcli.storage.outputs import output, write_atomic
from normcli.storage.sources import source, sources
from tests.conftest import Cli
from tests.corpora import corpus
from tests.s3_server import Request, Store
from tests.test_hostile import Case, faults, run_all
from tools.sessions import ROOT, fenced

CSV = b"id,x\n" + b"".join(b"%03d,%d.5\n" % (i, i * i) for i in range(1000))
OLD = b"what was there before"


def table(rows: int = 1000) -> pa.Table:
    x = np.random.default_rng(5).normal(size=rows)
    return pa.table({"id": [f"{i:05}" for i in range(rows)], "x": x, "y": np.arange(rows) / 7})


def encoded(form: str, data: pa.Table) -> bytes:
    sink = io.BytesIO()
    if form.startswith("parquet"):
        pq.write_table(data, sink, row_group_size=300)
    elif form.startswith("arrow"):
        new = pa.ipc.new_file if form == "arrow" else pa.ipc.new_stream
        with new(sink, data.schema) as writer:
            writer.write_table(data, 300)
    else:
        pa.csv.write_csv(data, sink)
    return gzip.compress(sink.getvalue()) if form.endswith(".gz") else sink.getvalue()


FORMS = ["csv", "csv.gz", "parquet", "arrow", "arrows", "parquet.gz"]


# -- the same as with files ----------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_objects_give_the_bytes_that_files_give(
    store: Store, normcli: Cli, tmp_path: Path, form: str
) -> None:
    here, there = tmp_path / f"t.{form}", store.put(f"t.{form}", encoded(form, table()))
    here.write_bytes(store.get(f"t.{form}"))
    for name, folder in ((str(here), str(tmp_path)), (there, "s3://bucket")):
        assert normcli("fit", "-q", name, "-o", f"{folder}/s.json").code == 0
        line = ("transform", "-q", name, "--stats", f"{folder}/s.json", "-o", f"{folder}/o.{form}")
        assert normcli(*line).code == 0
    assert store.get("s.json") == (tmp_path / "s.json").read_bytes()
    assert store.get(f"o.{form}") == (tmp_path / f"o.{form}").read_bytes()


def test_sidecars_and_summaries_may_be_objects_in_every_command(store: Store, normcli: Cli) -> None:
    data = store.put("t.csv", CSV)
    line = ("fit-transform", data, "-o", "s3://bucket/o.csv", "--save-stats", "s3://bucket/s.json")
    assert normcli(*line, "--json-summary", "s3://bucket/summary.json").code == 0
    assert normcli("fit", data, "-o", "-").out == store.get("s.json")
    assert b'"rows": 1000' in store.get("summary.json")
    merged = normcli("merge", "s3://bucket/s.json", "s3://bucket/s.json", "-o", "s3://bucket/m")
    assert merged.code == 0
    assert "2 000 rows" in normcli("show", "s3://bucket/m").text
    assert normcli("check", data, "--stats", "s3://bucket/m").code == 0
    restored = normcli("inverse", "s3://bucket/o.csv", "--stats", "s3://bucket/s.json")
    assert restored.out.splitlines()[1].startswith(b"000,0.5000000")


def test_work_in_several_processes_gives_the_same_bytes(store: Store) -> None:
    rows = (f"{i:07},{i % 977}.25,text {i}\n" for i in range(500_000))
    data = store.put("t.csv", ("id,x,t\n" + "".join(rows)).encode())
    for jobs in ("1", "2"):
        line = ("fit-transform", "-q", data, "-j", jobs, "-o", f"s3://bucket/{jobs}.csv")
        line += ("--save-stats", f"s3://bucket/{jobs}.json")
        subprocess.run([sys.executable, "-m", "normcli", *line], check=True, timeout=60)
    assert store.get("1.csv") == store.get("2.csv")
    assert store.get("1.json") == store.get("2.json")
    assert store.get("1.csv").count(b"\n") == 500_001


def test_an_object_is_read_in_order_whatever_comes_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "RANGE", 10_000)
    chance = random.Random(1)
    data = chance.randbytes(stores.HEAD + 234_567)
    store.fault = lambda request: time.sleep(chance.random() / 50)
    opened = source(store.put("t", data))
    with opened.open() as stream:
        assert stream.read() == data
    store.requests.clear()
    for start, stop in ((0, 7), (0, 70_000), (50_000, 250_000), (290_000, 300_000), (9, 9)):
        with opened.between(start, stop) as stream:
            assert stream.read() == data[start:stop]
    assert store.asked("t") < 300_000


def test_a_source_is_found_again_by_its_location(store: Store, tmp_path: Path) -> None:
    store.put("a b/t 100%.csv", CSV)
    [found] = sources(["s3://bucket/a b/"])
    assert found.name == "s3://bucket/a b/t 100%25.csv"
    assert source(found.location).open().read() == CSV
    (tmp_path / "x y.csv").write_bytes(CSV)
    [found] = sources([(tmp_path / "x y.csv").as_uri()])
    assert source(found.location).open().read() == CSV


# -- which objects -------------------------------------------------------------------------

TREE = (
    "t/day=2/part-0.csv",
    "t/day=10/part-1.csv",
    "t/day=10/part-0.csv",
    "t/top.csv",
    "t/_SUCCESS",
    "t/_delta_log/0.csv",
    "t/.hidden/0.csv",
    "t/top.stats.json",
    "t/wild[1]*.csv",
    "other/day=2/part-0.csv",
)
PATTERNS = (
    "t",
    "t/",
    "t/day=10",
    "t/day=*",
    "t/day=*/part-*.csv",
    "t/day=*/part-0.csv",
    "t/day=[0-4]/*",
    "*/day=2/*.csv",
    "**/part-0.csv",
    "t/*",
    "t/.h*/*",
    "t/_*",
    "t/t*",
    "t/top.stats.json",
    "t/wild[1]*.csv",
    "**",
)


@pytest.fixture(scope="module")
def tree(server: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tree of files; the same is in the bucket "tree"."""
    root = tmp_path_factory.mktemp("tree")
    server.client.create_bucket(Bucket="tree")
    for key in TREE:
        server.put(key, CSV, bucket="tree")
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(CSV)
    return root


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_uri_stands_for_the_objects_that_a_path_would_stand_for(
    tree: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(tree)
    here = [(os.path.normpath(each.name), each.part) for each in sources([pattern])]
    there = [(each.location, each.part) for each in sources([f"s3://tree/{pattern}"])]
    assert [(name.removeprefix("s3://tree/"), part) for name, part in there] == here


@pytest.mark.usefixtures("tree")
def test_a_glob_lists_no_more_than_the_levels_it_names(store: Store) -> None:
    store.requests.clear()
    assert sources(["s3://tree/t/day=*/part-0.csv"])
    assert len(store.requests) < 12


@pytest.mark.parametrize("key", ["a b.csv", "100%.csv", "a+b&c=d.csv", "ü/日本.csv", "a#b.csv"])
def test_any_key_can_be_written_and_read(store: Store, key: str) -> None:
    uri = "s3://bucket/" + key.replace("%", "%25")
    with output(uri) as stream:
        stream.write(CSV)
    assert store.keys() == [key]
    assert source(uri).open().read() == CSV


def test_the_endpoint_may_be_in_the_uri(
    store: Store, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("t/1.csv", CSV)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    address = store.url.removeprefix("http://")
    options = f"?endpoint_override={address}&scheme=http"
    assert (
        normcli("fit", f"s3://bucket/t/{options}", "-o", f"s3://bucket/s.json{options}").code == 0
    )
    assert normcli("fit", f"s3://bucket/t/*.csv{options}", "-o", "-").out == store.get("s.json")


def test_the_endpoint_of_s3_goes_before_that_of_all_services(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
    assert source(store.put("t.csv", CSV)).size == len(CSV)


def test_file_uris_are_files(normcli: Cli, tmp_path: Path) -> None:
    data, target = tmp_path / "a b.csv", tmp_path / "s t.json"
    data.write_bytes(CSV)
    assert normcli("fit", data.as_uri(), "-o", target.as_uri()).code == 0
    assert normcli("fit", data, "-o", "-").out == target.read_bytes()
    same = normcli("fit", data.as_uri(), "-o", data.as_uri())
    assert same.code == 2
    assert "would replace the input" in same.err


# -- ranges --------------------------------------------------------------------------------


def wide_parquet() -> bytes:
    """4 row groups; one column of numbers beside text that is twenty times as large."""
    chance, sink = random.Random(3), io.BytesIO()
    texts = [chance.randbytes(90).hex() for _ in range(20_000)]
    data = pa.table({"t": texts, "x": np.arange(20_000) / 3, "u": texts})
    plain = {"use_dictionary": False, "compression": "NONE", "data_page_size": 1 << 15}
    pq.write_table(data, sink, row_group_size=5_000, **plain)
    return sink.getvalue()


def test_of_parquet_only_the_ranges_of_the_wanted_columns_are_asked_for(
    store: Store, normcli: Cli
) -> None:
    data = wide_parquet()
    uri = store.put("t.parquet", data)
    store.requests.clear()
    assert normcli("fit", uri, "-o", "-").code == 0
    assert store.asked("t.parquet") < len(data) / 10
    gets = [each for each in store.requests if each.method == "GET"]
    assert len(gets) < 12


def test_columns_that_follow_each_other_are_fetched_in_one_go(store: Store, normcli: Cli) -> None:
    uri = store.put("t.parquet", wide_parquet())
    store.requests.clear()
    assert normcli("fit-transform", "-q", uri, "-o", os.devnull).code == 0
    large = [each for each in store.requests if (each.length or 0) > stores.HEAD]
    assert len(large) == 5  # t and u are copied; behind u comes the t of the next row group


def test_a_large_row_group_is_read_bit_by_bit(
    store: Store, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normcli.formats.parquet.table.BUFFERS", 100_000)
    monkeypatch.setattr("normcli.formats.parquet.original.REQUEST", 100_000)
    uri = store.put("t.parquet", wide_parquet())
    store.requests.clear()
    assert normcli("fit-transform", "-q", uri, "-o", "s3://bucket/o.parquet").code == 0
    longest = max(each.length or 0 for each in store.requests if each.key == "t.parquet")
    assert longest < 200_000  # a row group has two columns of 900,000
    scaled = pq.read_table(io.BytesIO(store.get("o.parquet")))
    assert scaled["t"].equals(pq.read_table(io.BytesIO(store.get("t.parquet")))["t"])


def test_of_an_arrow_file_only_the_ranges_of_the_wanted_columns_are_asked_for(
    store: Store, normcli: Cli
) -> None:
    data, sink = pq.read_table(io.BytesIO(wide_parquet())), io.BytesIO()
    pyarrow.feather.write_feather(data, sink, compression="uncompressed", chunksize=5_000)
    uri = store.put("t.arrow", sink.getvalue())
    store.requests.clear()
    assert normcli("fit", uri, "-o", "-").code == 0
    assert store.asked("t.arrow") < len(sink.getvalue()) / 10


def test_the_head_of_an_object_is_fetched_once(store: Store) -> None:
    opened = source(store.put("t.csv", CSV * 100))
    store.requests.clear()
    for _ in range(3):
        opened.head()
    assert store.asked("t.csv") == stores.HEAD


# -- partitions ----------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [False, True])
def test_partition_columns_are_reported_and_stay_in_the_path(
    store: Store, normcli: Cli, tmp_path: Path, remote: bool
) -> None:
    keys = ["all/year=2026/month=11/a.csv", "all/year=2026/month=12/a.csv"]
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True)
        (tmp_path / key).write_bytes(CSV)
        store.put(key, CSV)
    root = "s3://bucket" if remote else str(tmp_path)
    fitted = normcli("fit", f"{root}/", "-o", "-")
    assert "not fitted: year (partition), month (partition), id" in fitted.err
    assert [each.part for each in sources([f"{root}/"])] == keys
    globbed = normcli("fit", f"{root}/all/year=2026/month=*/*.csv", "-o", "-")
    assert "not fitted: month (partition), id" in globbed.err
    assert globbed.out == fitted.out
    single = normcli("fit-transform", f"{root}/{keys[0]}")
    assert "partition" not in single.err
    assert single.out.startswith(b"id,x\n")


def test_a_column_that_is_in_the_file_too_is_that_of_the_file(store: Store, normcli: Cli) -> None:
    store.put("x=1/a.csv", CSV)
    assert "partition" not in normcli("fit", "s3://bucket/", "-o", "-").err


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fit", "s3://bucket/absent.csv"), "no such object: s3://bucket/absent.csv"),
        (("fit", "s3://absent/t.csv"), "cannot read s3://absent/t.csv: there is no bucket absent"),
        (("fit", "s3://bucket/*.csv.xz"), "no object matches s3://bucket/*.csv.xz"),
        (("show", "s3://bucket/s.json"), "no such object: s3://bucket/s.json"),
        (("fit", "s3://bucket/t.csv", "-o", "s3://absent/s"), "there is no such bucket"),
        (("fit", "s3://bucket/t.csv", "-o", "s3://bucket/"), "it is a directory"),
        (("fit", "s3://bucket/t.csv", "-o", "s3://bucket"), "it is a directory"),
        (("fit", "s3://bucket/t.csv?speed=1"), "no option speed; it has endpoint_override"),
        (("fit", "s3://a:b@bucket/t.csv"), "a URI must not contain a password"),
        (("fit", "s3:///t.csv"), "an s3 URI must name a bucket"),
        (("fit", "-", "-o", "abfs://c@a.dfs.core.windows.net/s"), "before they are complete"),
        (("fit", "nfs://bucket/t.csv"), "cannot open nfs://bucket/t.csv: Protocol not known: nfs"),
        (("fit", "file://host/t.csv"), "a file URI has the form file:///PATH, on this machine"),
        (("fit", "s3://bucket/t.csv", "-o", "s3://bucket/t%2Ecsv"), "would replace the input"),
        (("fit", "s3://bucket/bad.gz", "-o", "-"), "s3://bucket/bad.gz: this is not gzip data"),
        (("fit", "s3://bucket/bad.parquet", "-o", "-"), "s3://bucket/bad.parquet: "),
    ],
)
def test_impossible_requests_are_refused_in_a_line_or_two(
    store: Store, normcli: Cli, arguments: tuple[str, ...], words: str
) -> None:
    store.put("t.csv", CSV)
    store.put("bad.gz", CSV)
    store.put("bad.parquet", encoded("parquet", table())[:-100])
    outcome = normcli(*arguments)
    assert outcome.code in (1, 2)
    assert words in outcome.err
    assert outcome.err.startswith("normcli: ")
    assert outcome.err.count("\n") <= 2
    assert store.get("t.csv") == CSV


@pytest.mark.parametrize("option", ["-o", "--json-summary"])
@pytest.mark.parametrize("secret", ["secret", "sec/ret", "sec%2Fret"])
def test_a_secret_in_a_uri_is_not_repeated(normcli: Cli, secret: str, option: str) -> None:
    uri = f"s3://key:{secret}@bucket/"
    for line in (("fit", uri), ("show", uri), ("fit", "-", option, uri)):
        outcome = normcli(*line, stdin=CSV)
        assert "a URI must not contain a password" in outcome.err
        assert "sec" not in outcome.err


@pytest.mark.parametrize("keys", ["wrong", "none"])
def test_whoever_is_denied_access_is_told_where_credentials_come_from(
    store: Store, normcli: Cli, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    settings = pytest.importorskip("moto.settings")
    from moto.core.authorization import ActionAuthenticatorMixin

    store.put("t.csv", CSV)
    if keys == "none":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    started = time.monotonic()
    read = normcli("fit", "s3://bucket/t.csv")
    written = (
        normcli("fit", "-", "-o", "s3://bucket/s.json", stdin=CSV) if keys == "wrong" else read
    )
    for outcome in (read, written):
        assert outcome.code == 1
        assert "denies access" in outcome.err
        assert "AWS_ACCESS_KEY_ID" in outcome.err.splitlines()[1]
    assert time.monotonic() - started < 10
    (documented,) = fenced("text").findall((ROOT / "docs" / "stores.md").read_text())
    assert read.err == documented


def test_a_store_that_is_not_there_is_told_soon(
    store: Store, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        started = time.monotonic()
        outcome = normcli("fit", "s3://bucket/t.csv")
    assert outcome.code == 1
    assert "cannot read s3://bucket/t.csv: the store does not answer (Failed to" in outcome.err
    assert time.monotonic() - started < 20


@pytest.mark.slow
def test_a_store_that_says_nothing_is_left_within_half_a_minute(
    store: Store, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        outcome = normcli("fit", "s3://bucket/t.csv")
    assert "the store does not answer" in outcome.err
    assert time.monotonic() - started < 30


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are not retried, because Arrow waits before each retry."""
    from pyarrow import fs

    once = fs.AwsStandardS3RetryStrategy(max_attempts=1)
    monkeypatch.setattr(fs, "S3FileSystem", partial(fs.S3FileSystem, retry_strategy=once))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_a_store_that_goes_away_while_it_is_read_is_an_error_and_the_target_stays(
    store: Store, normcli: Cli, form: str
) -> None:
    uri = store.put(f"t.{form}", encoded(form, table(10_000)))
    store.put(f"o.{form}", OLD)

    def vanish(request: Request) -> None:
        if request.method == "GET" and request.key == f"t.{form}" and request.length != stores.HEAD:
            raise ConnectionAbortedError

    store.fault = vanish
    outcome = normcli("fit-transform", "-q", uri, "-o", f"s3://bucket/o.{form}")
    store.fault = None
    assert outcome.code == 1
    assert uri in outcome.err
    assert "the store does not answer" in outcome.err
    assert outcome.err.count("\n") == 1
    assert store.get(f"o.{form}") == OLD


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_an_object_that_is_replaced_while_it_is_read_is_an_error(
    store: Store, normcli: Cli, form: str
) -> None:
    data = encoded(form, table(10_000))
    uri, middle = store.put(f"t.{form}", data), len(data) // 2
    other = data[:middle] + b"3" + data[middle + 1 :]
    if form == "parquet":  # where a page would be damaged
        other = data.replace(b"parquet-cpp", b"parquet-cpq")

    def replace(request: Request) -> None:
        if request.method == "GET" and request.length != stores.HEAD:
            store.fault = None
            store.put(f"t.{form}", other)  # of the same length, perhaps in the same second

    store.fault = replace
    outcome = normcli("fit", uri, "-o", "-")
    assert (outcome.code, outcome.out) == (1, b"")
    assert f"{uri} was replaced while being read" in outcome.err


# -- old or complete -----------------------------------------------------------------------

LARGE = 12_000_000  # bytes: more than one part of an upload


def interrupted(uri: str, data: bytes) -> None:
    """Begin to write `data`, then be interrupted."""
    with output(uri) as stream:
        stream.write(data)
        raise KeyboardInterrupt


def test_bad_data_leave_the_old_object(store: Store, normcli: Cli) -> None:
    store.put("o.csv", OLD)
    good, bad = store.put("t.csv", CSV), store.put("bad.csv", CSV + b"1,2,3\n")
    assert normcli("fit", good, "-o", "s3://bucket/s.json").code == 0
    line = ("transform", bad, "--stats", "s3://bucket/s.json", "-o", "s3://bucket/o.csv")
    outcome = subprocess.run(
        [sys.executable, "-m", "normcli", *line], capture_output=True, timeout=60, check=False
    )
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(b"normcli: s3://bucket/bad.csv: line 1002: 3 cells")
    assert store.get("o.csv") == OLD


def test_a_store_that_goes_away_while_it_is_written_is_an_error_and_the_old_object_stays(
    store: Store,
) -> None:
    store.put("o", OLD)

    def vanish(request: Request) -> None:
        if request.method == "PUT":
            raise ConnectionAbortedError

    store.fault = vanish
    with pytest.raises(NormcliError, match="cannot write s3://bucket/o: the store does not"):
        write_atomic("s3://bucket/o", bytes(LARGE))
    store.fault = None
    assert store.get("o") == OLD


def test_a_table_may_take_the_place_of_its_input(store: Store, normcli: Cli) -> None:
    uri = store.put("t.csv", CSV)
    expected = normcli("fit-transform", "-q", uri).out
    assert normcli("fit-transform", "-q", uri, "-o", uri).code == 0
    assert store.get("t.csv") == expected


WRITE = """
import signal, sys, time
from normcli.signals import unwind_on_signals
from normcli.storage.outputs import output
unwind_on_signals()
with output("s3://bucket/o") as stream:
    stream.write(bytes(int(sys.argv[1])))
    print("sent", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_the_old_object(
    store: Store, number: signal.Signals, size: int
) -> None:
    store.put("o", OLD)
    store.requests.clear()
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(size)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"sent\n"
        while size == LARGE and not [each for each in store.requests if each.method == "PUT"]:
            time.sleep(0.01)  # a part is on its way
        process.send_signal(number)
        try:
            _, words = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode in (-number, 128 + number)
    assert b"arrow" not in words.lower()
    assert store.get("o") == OLD


# -- fsspec --------------------------------------------------------------------------------


@pytest.fixture
def memory() -> Iterator[None]:
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").store.clear()
    yield
    fsspec.filesystem("memory").store.clear()


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("form", FORMS)
def test_what_fsspec_knows_is_read_and_written(normcli: Cli, tmp_path: Path, form: str) -> None:
    here = tmp_path / f"t.{form}"
    here.write_bytes(encoded(form, table()))
    for day in (1, 2):
        with output(f"memory://t/day={day}/a b.{form}", compression=None) as stream:
            stream.write(
                gzip.decompress(here.read_bytes()) if form[-3:] == ".gz" else here.read_bytes()
            )
    fitted = normcli("fit", f"memory://t/day=*/*.{form}", "-o", "memory://s.json")
    assert "not fitted: day (partition), id" in fitted.err
    twin = tmp_path / f"u.{form}"
    twin.write_bytes(here.read_bytes())
    assert normcli("fit", here, twin, "-o", "-").out == source("memory://s.json").open().read()
    there = normcli(
        "transform",
        "-q",
        f"memory://t/day=1/a b.{form}",
        "--stats",
        "memory://s.json",
        "--to",
        "csv",
    )
    assert there.code == 0


@pytest.mark.usefixtures("memory")
def test_what_fails_is_discarded_by_fsspec() -> None:
    with output("memory://o") as stream:
        stream.write(OLD)
    with pytest.raises(KeyboardInterrupt):
        interrupted("memory://o", CSV)
    assert source("memory://o").open().read() == OLD
    with pytest.raises(KeyboardInterrupt):
        interrupted("memory://new", CSV)
    with pytest.raises(NormcliError, match="no such object: memory://new"):
        source("memory://new")


def test_without_fsspec_its_extra_is_named(normcli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    outcome = normcli("fit", "ftp://host/t.csv")
    assert outcome.code == 1
    assert "pip install 'normcli[fsspec]'" in outcome.err


# -- other file systems --------------------------------------------------------------------


@pytest.fixture
def renaming(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """hdfs:// leads to a local directory, which is written in the same way as HDFS."""
    from pyarrow import fs

    local = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())

    class Hdfs:
        type_name = "hdfs"

        def __getattr__(self, name: str) -> Any:
            return getattr(local, name)

        def move(self, path: str, target: str) -> None:
            assert not local.get_file_info([target])[0].is_file
            local.move(path, target)

    monkeypatch.setattr(stores, "_connected", lambda scheme, host, key, options: (Hdfs(), key))
    return tmp_path


def test_where_objects_do_not_appear_whole_they_are_renamed(renaming: Path) -> None:
    for data in (OLD, CSV):
        with output("hdfs://host/o.csv") as stream:
            stream.write(data)
            assert not (renaming / "o.csv").exists() or (renaming / "o.csv").read_bytes() == OLD
    assert [path.name for path in renaming.iterdir()] == ["o.csv"]
    with pytest.raises(KeyboardInterrupt):
        interrupted("hdfs://host/o.csv", OLD)
    assert [path.name for path in renaming.iterdir()] == ["o.csv"]
    assert source("hdfs://host/o.csv").open().read() == CSV
    assert [each.location for each in sources(["hdfs://host/*.csv"])] == ["hdfs://host/o.csv"]


def test_a_windows_drive_is_not_a_scheme() -> None:
    assert not stores.is_uri("c://t.csv")
    with pytest.raises(UsageError):
        stores.local_path("file://elsewhere/t.csv")


# -- hostile -------------------------------------------------------------------------------


def test_hostile_parquet_in_a_store_gets_no_more_than_an_error(store: Store) -> None:
    files = sorted(corpus("parquet/arrow-fuzz").rglob("*fuzz*"))
    chosen = random.Random(6).sample([path for path in files if path.is_file()], 40)
    cases = []
    for i, path in enumerate(chosen):
        cases.append(
            Case(("fit-transform", "-q", store.put(f"{i}", path.read_bytes()), "-o", os.devnull))
        )
    found = [(case.arguments, fault) for case, o in run_all(cases) for fault in faults(case, o)]
    # The peak memory of a child includes that of this process, and the server runs in it.
    assert [each for each in found if not each[1].endswith("MB")] == []
