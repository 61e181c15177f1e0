"""The commands, from argv to outcome; each for a file and for stdin."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli import formats
from normcli.cli import COMMANDS, COMMON
from normcli.formats import format_of
from normcli.formats.base import Format
from normcli.storage.compression import SUFFIXES
from normcli.storage.sources import Source
from tests.conftest import Cli
from tests.corpora import corpus

SAMPLE = Path(__file__).parents[1] / "sample_data"
TABLE = b"id,x,y\n007,1,10\n008,2,\n009,6,40\n"
NORMCLI = [sys.executable, "-m", "normcli"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    return path


def test_fit_writes_the_sidecar_beside_a_single_file(normcli: Cli, data: Path) -> None:
    result = normcli("fit", data)
    assert result.code == 0
    assert result.out == b""
    columns = json.loads((data.parent / "data.stats.json").read_bytes())["columns"]
    assert list(columns) == ["x", "y"]
    assert columns["x"]["mean"] == 3.0
    assert columns["y"]["missing"] == 1
    assert "not fitted: id (leading zeros: '007' at line 2)" in result.err


def test_fit_of_a_pipe_writes_the_same_sidecar_to_stdout(normcli: Cli, data: Path) -> None:
    normcli("fit", data)
    piped = normcli("fit", stdin=TABLE)
    assert piped.out == (data.parent / "data.stats.json").read_bytes()


def test_transform_changes_the_chosen_cells_only(normcli: Cli, data: Path) -> None:
    normcli("fit", data, "--method", "minmax", "--range", "-1", "1")
    stats = data.parent / "data.stats.json"
    expected = b"id,x,y\n007,-1.0,-1.0\n008,-0.6,\n009,1.0,1.0\n"
    assert normcli("transform", data, "--stats", stats).out == expected
    assert normcli("transform", "--stats", stats, stdin=TABLE).out == expected


def test_fit_transform_is_fit_and_then_transform(normcli: Cli, data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    both = normcli("fit-transform", data, "--save-stats", saved)
    normcli("fit", data, "-o", tmp_path / "fit.json")
    assert saved.read_bytes() == (tmp_path / "fit.json").read_bytes()
    assert both.out == normcli("transform", data, "--stats", saved).out
    assert both.out == normcli("fit-transform", stdin=TABLE).out


def test_inverse_gives_back_the_original_numbers(normcli: Cli, data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "s.json"
    scaled = normcli("fit-transform", data, "--save-stats", saved).out
    back = normcli("inverse", "--stats", saved, stdin=scaled).text
    rows = list(csv.DictReader(io.StringIO(back)))
    assert [float(row["x"]) for row in rows] == pytest.approx([1, 2, 6], rel=1e-15)
    assert [row["y"] for row in rows][1] == ""


def test_inverse_needs_only_the_columns_that_are_there(
    normcli: Cli, data: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", data, "-o", saved, "--method", "minmax")
    result = normcli("inverse", "--stats", saved, stdin=b"prediction,y\na,0.0\nb,1.0\n")
    assert result.out == b"prediction,y\na,10\nb,40\n"


def test_merging_two_halves_equals_fitting_the_whole(normcli: Cli, tmp_path: Path) -> None:
    for name in ("train", "test", "penguins"):
        normcli("fit", SAMPLE / f"{name}.csv", "-o", tmp_path / f"{name}.json")
    merged = normcli("merge", tmp_path / "train.json", tmp_path / "test.json")
    assert merged.out == (tmp_path / "penguins.json").read_bytes()
    swapped = normcli("merge", tmp_path / "test.json", tmp_path / "train.json")
    assert swapped.out == merged.out


def test_several_inputs_are_one_table(normcli: Cli, tmp_path: Path) -> None:
    whole = normcli("fit", SAMPLE / "penguins.csv", "-o", "-").out
    assert normcli("fit", SAMPLE / "train.csv", SAMPLE / "test.csv").out == whole
    assert normcli("fit", SAMPLE / "t*.csv").out == whole


def test_one_fit_serves_every_method_and_column_mixes_them(
    normcli: Cli, data: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", data, "-o", saved)
    minmax = normcli("transform", data, "--stats", saved, "--method", "minmax").out
    assert minmax == b"id,x,y\n007,0.0,0.0\n008,0.2,\n009,1.0,1.0\n"
    mixed = normcli("transform", data, "--stats", saved, "--column", "x=minmax:0,10").text
    assert [row.split(",")[1] for row in mixed.splitlines()[1:]] == ["0.0", "2.0", "10.0"]
    assert [row.split(",")[2] for row in mixed.splitlines()[1:]] == ["-1.0", "", "1.0"]


def test_batches_are_normalized_by_their_own_statistics(normcli: Cli) -> None:
    rows = b"x\n1\n2\n3\n4\n5\n6\n7\n8\n"
    z = ["-1.34163542", "-0.44721181", "0.44721181", "1.34163542"]
    for chunk in (1, 3, 8):
        result = normcli(
            "transform", "--method", "batch", "--batch-size", 4, "--chunk-rows", chunk, stdin=rows
        )
        assert [f"{float(v):.8f}" for v in result.text.split()[1:]] == z + z


def test_training_saves_exact_and_running_statistics(normcli: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "s.json"
    stdin = b"x\n1\n2\n3\n4\n"
    normcli(
        *("transform", "--method", "batch", "--batch-size", 4, "--save-stats", saved), stdin=stdin
    )
    column = json.loads(saved.read_bytes())["columns"]["x"]
    assert column["mean"] == 2.5
    assert column["running"]["mean"] == 0.25
    assert column["running"]["var"] == pytest.approx(1.0666667, abs=1e-7)
    predicted = normcli("transform", "--stats", saved, stdin=stdin).text
    assert float(predicted.split()[1]) == pytest.approx(-1.34163542, abs=1e-8)
    running = normcli("transform", "--stats", saved, "--running", stdin=stdin).text
    assert float(running.split()[1]) == pytest.approx((1 - 0.25) / (1.0666667 + 1e-5) ** 0.5)


@pytest.mark.parametrize(
    ("policy", "rows", "code"),
    [("keep", 1, 1), ("merge", 5, 0), ("drop", 4, 0), ("error", 5, 1), ("keep", 2, 0)],
)
def test_the_last_batch_follows_its_policy(normcli: Cli, policy: str, rows: int, code: int) -> None:
    extra = 1 if rows in (1, 4, 5) else 2
    table = b"x\n" + b"".join(b"%d\n" % i for i in range(4 + extra))
    result = normcli(
        *("transform", "--method", "batch", "--batch-size", 4, "--last-batch", policy), stdin=table
    )
    assert result.code == code
    if code:
        assert "the last batch has" in result.err
    else:
        assert len(result.out.splitlines()) == 1 + (4 if policy == "drop" else 4 + extra)


def test_a_batch_size_of_one_is_a_usage_error(normcli: Cli) -> None:
    result = normcli("transform", "--method", "batch", "--batch-size", 1, stdin=TABLE)
    assert result.code == 2
    assert "--batch-size must be at least 2" in result.err


CONVERSIONS = [each.suffixes[0].removeprefix(".") for each in formats.formats().values()]
CONVERSIONS += [f"csv{suffix}" for suffix in SUFFIXES]


@pytest.mark.parametrize("source", CONVERSIONS)
@pytest.mark.parametrize("target", CONVERSIONS)
def test_any_format_goes_to_any_format_with_the_same_numbers(
    normcli: Cli, tmp_path: Path, source: str, target: str
) -> None:
    saved, first = tmp_path / "s.json", tmp_path / f"in.{source}"
    normcli("fit", SAMPLE / "penguins.csv", "-o", saved, "-s", "bill_length_mm,body_mass_g")
    none = ("--stats", saved, "--method", "minmax", "--range", "0", "1")
    # scaled and brought back: a table of the same content in the format `source`
    assert normcli("transform", SAMPLE / "penguins.csv", *none, "-o", first).code == 0
    second = tmp_path / f"out.{target}"
    result = normcli("inverse", first, *none, "-o", second)
    assert result.code == 0, result.err
    again = normcli("fit", second, "-s", "bill_length_mm,body_mass_g", "-o", "-")
    assert again.code == 0, again.err
    found = json.loads(again.out)["columns"]
    expected = json.loads(saved.read_bytes())["columns"]
    for name, column in expected.items():
        assert found[name]["count"] == column["count"]
        assert found[name]["missing"] == column["missing"]
        assert found[name]["mean"] == pytest.approx(column["mean"], rel=1e-15)
        assert found[name]["min"] == pytest.approx(column["min"], rel=1e-15)


def test_all_formats_of_a_table_have_the_same_sidecar(normcli: Cli, tmp_path: Path) -> None:
    table = pa.table({"a": [1.5, None, -2.0], "n": [1, 2**60 + 1, 3], "t": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "t.parquet")
    with (
        pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as file,
    ):
        file.write_table(table)
    (tmp_path / "t.csv").write_text(f"a,n,t\n1.5,1,x\n,{2**60 + 1},y\n-2.0,3,z\n")
    lines = [{"a": 1.5, "n": 1, "t": "x"}, {"n": 2**60 + 1, "t": "y"}, {"a": -2, "n": 3, "t": "z"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    sidecars = {
        kind: normcli("fit", tmp_path / f"t.{kind}", "-o", "-").out
        for kind in ("csv", "csv.gz", "parquet", "arrow", "jsonl")
    }
    assert len(set(sidecars.values())) == 1
    piped = normcli("fit", stdin=(tmp_path / "t.parquet").read_bytes()).out
    assert piped == sidecars["csv"]
    assert json.loads(piped)["columns"]["n"]["max"] == 2**60 + 1


@pytest.mark.parametrize("verb", ["transform", "inverse"])
@pytest.mark.parametrize(
    "choice", ["-s 2", "-s 1-2", "-s x", "-s t", "-s !y,!t", "--exclude 1", "--exclude t,y"]
)
def test_all_formats_understand_a_choice_of_columns_alike(
    normcli: Cli, tmp_path: Path, verb: str, choice: str
) -> None:
    table, saved = tmp_path / "t.csv", tmp_path / "s.json"
    table.write_text("t,x,y\na,1,5\nb,3,9\n")
    (tmp_path / "t.jsonl").write_text('{"t":"a","x":1,"y":5}\n{"t":"b","x":3,"y":9}\n')
    assert normcli("fit", table, "-o", saved).code == 0
    scale = (verb, "--stats", saved, *choice.split(), "-q")
    whole = normcli(*scale, table)
    lines, parts = tmp_path / "out.jsonl", tmp_path / "parts"
    for out, target in (
        (lines, ("-o", lines)),
        (parts / "part-00000.jsonl", ("--output-dir", parts, "--to", "jsonl")),
    ):
        result = normcli(*scale, tmp_path / "t.jsonl", *target)
        assert result.code == whole.code
        assert result.err == whole.err.replace(".csv", ".jsonl")
        if result.code == 0:
            rows = [json.loads(line) for line in out.read_text().splitlines()]
            cells = [[str(cell) for cell in row.values()] for row in rows]
            assert cells == list(csv.reader(io.StringIO(whole.text)))[1:]


def test_a_header_only_table_passes_through(normcli: Cli, data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", data, "-o", saved)
    result = normcli("transform", "--stats", saved, stdin=b"id,x,y\n")
    assert (result.code, result.out) == (0, b"id,x,y\n")


def test_a_late_type_change_leaves_the_column_alone_or_is_an_error(
    normcli: Cli, tmp_path: Path
) -> None:
    rows = 300_000
    late = b"x,y\n" + b"1,2\n" * rows + b"abc,3\n"
    by_default = normcli("fit", "-j", 1, stdin=late)
    assert by_default.code == 0
    assert list(json.loads(by_default.out)["columns"]) == ["y"]
    assert f"x (text: 'abc' at line {rows + 2})" in by_default.err
    chosen = normcli("fit", "-s", "x", stdin=late)
    assert chosen.code == 1
    assert f"stdin: line {rows + 2}, column 'x': 'abc' is not a number" in chosen.err
    widened = normcli("fit", stdin=b"x\n" + b"1\n" * rows + b"3.5\n")
    assert json.loads(widened.out)["columns"]["x"]["max"] == 3.5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["transform"],
            2,
            "transform needs --stats, a file that fit writes: normcli fit train.csv",
        ),
        (["transfrom"], 2, "no command 'transfrom'. Did you mean 'transform'?"),
        (["fit", "-s", "xx"], 2, "no column 'xx'."),
        (["fit", "--method", "zscores"], 2, "Did you mean 'zscore'?"),
        (["fit", "--range", "0", "1"], 2, "--range belongs to --method minmax"),
        (["fit", "--column", "x"], 2, "--column takes NAMES=METHOD[:ARGS]"),
        (["fit", "-d", ";;"], 2, "--delimiter must be one ASCII character"),
        (["fit", "--from", "xls"], 2, "no format 'xls'"),
        (["fit", "-o", "no/such/dir/s.json"], 1, "no/such/dir"),
        (["merge", "absent.json"], 1, "absent.json"),
    ],
)
def test_bad_commands_say_what_to_try(
    normcli: Cli, arguments: list[str], code: int, words: str
) -> None:
    result = normcli(*arguments, stdin=TABLE)
    assert result.code == code
    assert words in result.err
    assert result.err.startswith("normcli: ")
    assert result.err.count("\n") <= 2


def test_too_many_columns_are_a_limit_that_can_be_raised(normcli: Cli) -> None:
    wide = b",".join(b"c%d" % i for i in range(40_000)) + b"\n" + b",".join([b"1"] * 40_000)
    refused = normcli("fit", stdin=wide)
    assert refused.code == 1
    assert refused.err == (
        "normcli: stdin: 40000 columns are more than the limit of 32768\n"
        "If this is intended, raise the limit with --max-columns\n"
    )
    assert normcli("fit", "--max-columns", 3, stdin=TABLE).code == 0
    assert normcli("fit", "--max-columns", 2, stdin=TABLE).code == 1


def test_duplicate_names_are_refused_for_chosen_columns_only(normcli: Cli, data: Path) -> None:
    twice = b"x,t,t\n1,a,b\n2,c,d\n"
    assert normcli("fit", stdin=twice).code == 0
    numbers = normcli("fit", stdin=b"x,n,n\n1,2,3\n")
    assert numbers.code == 1
    assert "2 columns are named 'n'" in numbers.err
    positions = normcli("fit", "--exclude", "n", stdin=b"x,n,n\n1,2,3\n")
    assert positions.code == 0


def test_results_do_not_depend_on_jobs(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    line = b"%d,%d.%d,text\n"
    path.write_bytes(b"a,b,c\n" + b"".join(line % (i, i % 97, i) for i in range(900_000)))
    assert path.stat().st_size > 3 * (4 << 20)
    one = normcli("fit", path, "-o", "-", "-j", 1).out
    assert normcli("fit", path, "-o", "-", "-j", 3).out == one
    saved = tmp_path / "s.json"
    saved.write_bytes(one)
    scaled = [normcli("transform", path, "--stats", saved, "-j", jobs).out for jobs in (1, 3)]
    assert scaled[0] == scaled[1]


def test_a_reader_that_leaves_early_ends_the_work_quietly(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(b"x\n" + b"1.5\n2.5\n" * 3_000_000)
    saved = tmp_path / "s.json"
    normcli("fit", "-o", saved, stdin=b"x\n1.5\n2.5\n")
    command = f'"{sys.executable}" -m normcli transform {path} --stats {saved} | head -n 1'
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=20, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"x\n", b"")


def test_help_imports_neither_arrow_nor_pandas_nor_numpy() -> None:
    code = (
        "import sys; from normcli.__main__ import run; run(['fit', '--help']); "
        "print(sorted({'numpy', 'pyarrow', 'pandas', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stderr == b"[]\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*NORMCLI, "fit-transform", "-"],
            input=TABLE,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert result.returncode == 1
    assert b"No space left on device" in result.stderr


def test_real_tables_have_the_exact_statistics_of_the_truth(normcli: Cli) -> None:
    folder = corpus("real")
    for name, truth in json.loads((folder / "truth.json").read_text()).items():
        if not (folder / name).exists():
            continue
        flags = [] if truth["header"] else ["--no-header"]
        nulls = [flag for token in truth["na"] for flag in ("--null", token)]
        result = normcli(
            "fit", folder / name, "-o", "-", "-q", "-d", truth["delimiter"], *flags, *nulls
        )
        assert result.code == 0, result.err
        found = json.loads(result.out)["columns"]
        for column, expected in truth["stats"].items():
            key = column if truth["header"] else str(expected["index"] + 1)
            if expected.get("kind") == "non-numeric":
                assert key not in found, (name, key)
                continue
            assert found[key]["count"] == expected["count"], (name, key)
            assert found[key]["missing"] == expected["missing"]
            for field, value in (("mean", "mean"), ("std", "sd_pop"), ("min", "min")):
                assert found[key][field] == pytest.approx(float(expected[value]), rel=4e-15)


@pytest.mark.parametrize(
    ("command", "table", "excluded", "out"),
    [
        ("transform", b"x\n1\n3\n", "y", b"x\n-1.0\n1.0\n"),
        ("transform", b"x,y,z\n1,2,3\n3,4,5\n", "z", b"x,y,z\n-1.0,-1.0,3\n1.0,1.0,5\n"),
        ("inverse", b"x\n-1\n1\n", "y", b"x\n1\n3\n"),
    ],
)
def test_a_column_may_be_excluded_that_only_the_table_or_only_the_statistics_have(
    normcli: Cli, tmp_path: Path, command: str, table: bytes, excluded: str, out: bytes
) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", "-o", saved, stdin=b"x,y\n1,2\n3,4\n")
    result = normcli(command, "--stats", saved, "--exclude", excluded, stdin=table)
    assert (result.code, result.out) == (0, out)
    misspelt = normcli(command, "--stats", saved, "--exclude", "q", stdin=table)
    assert misspelt.code == 2


def test_infinite_cells_that_pass_are_counted_by_every_command(
    normcli: Cli, tmp_path: Path
) -> None:
    table, saved = b"x\n1\ninf\n-inf\n3\n", tmp_path / "s.json"
    ignore = ("--on-inf", "ignore")
    results = [
        normcli("fit", "-o", saved, *ignore, stdin=table),
        normcli("transform", "--stats", saved, *ignore, stdin=table),
        normcli("fit-transform", *ignore, stdin=table),
        normcli("inverse", "--stats", saved, *ignore, stdin=table),
    ]
    for result in results:
        assert "2 cells infinite, unchanged ('x')" in result.err


def test_skipped_rows_are_counted_and_the_first_are_told(normcli: Cli, tmp_path: Path) -> None:
    table = b"x,y\n" + b"1,2\n3\n" * 1000
    summary = tmp_path / "summary.json"
    result = normcli(
        *("fit", "-o", "-", "--on-bad-row", "skip", "--json-summary", summary),
        *("--max-bad-rows", "off"),
        stdin=table,
    )
    assert result.code == 0
    assert "1 000 bad rows skipped:\n  line 3: " in result.err
    assert "and 990 more" in result.err
    found = json.loads(summary.read_bytes())["bad_rows"]
    assert found["count"] == 1000
    assert [row["line"] for row in found["first"]] == list(range(3, 23, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--helpp"], "no option '--helpp'. Did you mean '--help'? See normcli --help"),
        (["fit", "--selct", "x"], "no option '--selct'. Did you mean '--select'?"),
        (["fit", "-j", "0"], "--jobs must be a positive integer, not 0"),
    ],
)
def test_wrong_options_are_told_in_one_line(normcli: Cli, arguments: list[str], words: str) -> None:
    result = normcli(*arguments)
    assert result.code == 2
    assert result.err.startswith(f"normcli: {words}")
    assert result.err.count("\n") == 1


def test_any_number_of_jobs_is_taken(normcli: Cli) -> None:
    assert normcli("fit", "-j", "9" * 30, stdin=TABLE).code == 0


@pytest.mark.parametrize("encoding", ["punycode", "idna", "unicode_escape", "utf-7"])
def test_an_odd_encoding_is_read_or_refused(normcli: Cli, encoding: str) -> None:
    result = normcli("fit", "-o", "-", "--encoding", encoding, stdin=TABLE + b"a\xe9..b,1,2\n")
    assert result.code in (1, 2)
    assert result.err.count("\n") <= 2


def test_a_table_without_columns_is_an_error_of_the_data(normcli: Cli) -> None:
    result = normcli("fit", "--from", "jsonl", "--on-bad-row", "skip", stdin=b"rubbish\nmore\n")
    assert (result.code, result.err) == (1, "normcli: stdin: there is no column in it\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.foo", "written as csv, because no format has the suffix '.foo'\n"),
        (
            "out.parqet",
            "written as csv, because no format has the suffix '.parqet'. "
            "Did you mean '.parquet'?\n",
        ),
        ("out", ""),
        ("out.tsv", ""),
        ("out.csv.gz", ""),
    ],
)
def test_a_suffix_that_tells_of_no_format_is_told(
    normcli: Cli, data: Path, tmp_path: Path, name: str, said: str
) -> None:
    told = normcli("fit-transform", data, "-o", tmp_path / name).err
    assert told.endswith(said)
    assert ("written as" in told) is bool(said)


@pytest.mark.parametrize(
    "suffix", [".xlsx", ".xls", ".XLS", ".ods", ".avro", ".orc", ".h5", ".pkl", ".db", ".csv.xlsx"]
)
def test_a_suffix_that_promises_another_format_is_refused_unless_the_format_is_named(
    normcli: Cli, data: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out{suffix}"
    refused = normcli("fit-transform", data, "-o", target)
    assert refused.code == 2
    assert "are not written, only arrow," in refused.err
    assert not target.exists()
    assert normcli("fit-transform", data, "-o", target, "--to", "csv").code == 0
    assert target.read_bytes() == normcli("fit-transform", data, "--from", "csv").out


def test_scaling_what_is_scaled_already_and_replacing_the_input_are_told(
    normcli: Cli, data: Path, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    first = normcli("fit-transform", data, "--save-stats", stats, "-o", data)
    assert f"the input {data} was replaced\n" in first.err
    assert "as if scaled already" not in first.err
    assert (
        "was replaced"
        not in normcli("transform", data, "--stats", stats, "-o", stats.parent / "o").err
    )
    again = normcli("fit", data, "-o", stats)
    told = "mean 0 and std 1 before scaling, as if scaled already: "
    assert told in again.err
    assert told in normcli("transform", data, "--stats", stats, "-o", tmp_path / "o").err
    assert told not in normcli("inverse", data, "--stats", stats, "-o", tmp_path / "o").err


WITHOUT_COLUMNS = (
    '{"normcli": 2, "rows": 3, "method": {"name": "zscore", "ddof": 0}, "ddof": 0, "columns": {}}'
)


@pytest.mark.parametrize("command", ["show", "merge"])
def test_statistics_without_columns_are_told(normcli: Cli, tmp_path: Path, command: str) -> None:
    stats = tmp_path / "s.json"
    stats.write_text(WITHOUT_COLUMNS)
    result = normcli(command, stats, stats)
    assert result.code == 0
    assert "no columns, so nothing can be scaled; fit a table" in result.out.decode() + result.err


@pytest.mark.parametrize("command", ["check", "transform", "inverse"])
def test_statistics_without_columns_are_refused(
    normcli: Cli, data: Path, tmp_path: Path, command: str
) -> None:
    stats = tmp_path / "s.json"
    stats.write_text(WITHOUT_COLUMNS)
    result = normcli(command, data, "--stats", stats)
    assert result.code == 1
    assert "s.json: the statistics have no columns, so nothing can be" in result.err


@pytest.mark.parametrize("command", ["check", "transform", "inverse"])
def test_statistics_that_are_given_as_an_input_are_noticed(
    normcli: Cli, data: Path, tmp_path: Path, command: str
) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", data, "-o", stats)
    result = normcli(command, data, stats)
    assert result.code == 2
    assert f"{stats} has statistics, which are given with --stats: " in result.err
    assert f"normcli {command} {data} --stats {stats}\n" in result.err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns_and_says_what_inputs_are(
    normcli: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = normcli(*command.split(), "--help")
    lines = result.text.splitlines()
    assert [line for line in lines if len(line) > 80 or "..." in line.removesuffix("...")] == []
    assert [line for line in lines if line.endswith(("[default:", "[default: 64"))] == []
    if command not in ("", "completion"):
        assert "Arguments:" in lines


def test_the_list_of_commands_needs_none_of_them() -> None:
    code = (
        "import sys; from normcli.__main__ import run; run(['--help']); "
        "print([name for name in sys.modules if name.startswith('normcli.')], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert (
        result.stderr
        == "['normcli.errors', 'normcli.signals', 'normcli.__main__', 'normcli.words', "
        "'normcli.cli.command', 'normcli.cli']\n"
    )


def test_a_small_run_imports_no_more_of_arrow_and_numpy_than_it_needs(data: Path) -> None:
    code = (
        "import sys; from normcli.__main__ import _WithoutPandas, run; "
        "sys.meta_path.insert(0, _WithoutPandas()); "
        f"run(['fit-transform', '-q', {str(data)!r}]); "
        "heavy = {'pyarrow.compute', 'numpy.ma', 'multiprocessing', 'rich', 'secrets'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stderr == b"[]\n"


# The command line itself ---------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_shows_the_dozen_options_that_most_people_use(
    normcli: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short, whole = (normcli(*command.split(), asked) for asked in ("-h", "--help"))
    assert (short.code, short.err) == (0, "")
    lines = short.text.splitlines()
    path = f"normcli {command}".strip()
    assert lines[0].startswith(f"Usage: {path} ")
    assert lines[0] == whole.text.splitlines()[0]
    assert lines[-1] == f"All options: {path} --help"
    options = [line.split("  ")[1] for line in lines if line.startswith("  -")]
    assert len(options) <= 12
    assert all(f"\n  {option}" in whole.text for option in options)
    assert len(lines) <= 40
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name in COMMON])
def test_h_leaves_out_what_only_help_shows(normcli: Cli, command: str) -> None:
    assert "--max-record-bytes" not in normcli(command, "-h").text
    assert "--max-record-bytes" in normcli(command, "--help").text
    assert len(re.findall(r"(?m)^  -", normcli(command, "-h").text)) == 12


def test_a_message_reaches_stderr_in_one_write(data: Path) -> None:
    """Each write to a socket of datagrams is a datagram of its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for command in (["fit", "absent.csv"], ["fit", str(data), "-o", os.devnull]):
            subprocess.run([*NORMCLI, *command], stderr=theirs, check=False)
            message = ours.recv(1 << 16)
            assert message.endswith(b"\n")
            assert message.count(b"\n") > 1 or b"no such file" in message
            with pytest.raises(BlockingIOError):
                ours.recv(1, socket.MSG_DONTWAIT)


@pytest.mark.parametrize("command", ["fit", "transform", "inverse", "fit-transform", "check"])
def test_the_format_of_an_input_is_looked_up_once(
    normcli: Cli, data: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    stats, looked = data.with_suffix(".stats.json"), []
    normcli("fit", data)

    def counted(source: Source) -> Format:
        looked.append(source.name)
        return format_of(source)

    monkeypatch.setattr(formats, "format_of", counted)
    given = [] if "fit" in command else ["--stats", stats]
    assert normcli(command, data, *given, "-q").code == 0
    assert looked == [str(data)]
    assert normcli(command, data, *given, "-q", "--from", "csv").code == 0
    assert looked == [str(data)]


@pytest.mark.parametrize("target", ["csv", "jsonl"])
def test_missing_cells_are_kept_as_they_are_written_or_written_empty(
    normcli: Cli, target: str
) -> None:
    table = b'a,b\n1,x\nNA,y\n,z\n"NaN",t\n3,u\n'
    kept = {"csv": b'a,b\n-1.0,x\nNA,y\n,z\n"NaN",t\n1.0,u\n'}
    empty = {
        "csv": b'a,b\n-1.0,x\n,y\n,z\n"",t\n1.0,u\n',
        "jsonl": b'{"a":-1.0,"b":"x"}\n{"a":null,"b":"y"}\n{"a":null,"b":"z"}\n'
        b'{"a":null,"b":"t"}\n{"a":1.0,"b":"u"}\n',
    }
    done = normcli("fit-transform", "--to", target, stdin=table)
    assert done.out == (kept | {"jsonl": empty["jsonl"]})[target]
    assert "3 cells missing, unchanged" in done.err
    done = normcli("fit-transform", "--to", target, "--missing", "null", stdin=table)
    assert done.out == empty[target]
    assert "3 cells missing, written empty" in done.err


def test_in_a_typed_format_nan_and_null_become_null(normcli: Cli, tmp_path: Path) -> None:
    """NaN is a number that is missing; a column declared without nulls may have some then."""
    field = pa.field("x", pa.float64(), nullable=False)
    table = pa.table([[1.0, float("nan"), 3.0]], schema=pa.schema([field]))
    pq.write_table(table, tmp_path / "in.parquet")
    done = normcli(
        "fit-transform", tmp_path / "in.parquet", "-o", tmp_path / "out.arrow", "--missing", "null"
    )
    assert done.code == 0, done.err
    with pa.OSFile(str(tmp_path / "out.arrow")) as file:
        assert pa.ipc.open_file(file).read_all()["x"].to_pylist() == [-1.0, None, 1.0]
