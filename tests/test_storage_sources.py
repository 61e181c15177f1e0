"""Inputs are found and read: files, directories of parts, globs and stdin."""

from __future__ import annotations

import gc
import gzip
import os
import pickle
import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.errors import DataError, NormcliError, UsageError
from normcli.formats import open_table
from normcli.formats.base import ReadOptions, Style
from normcli.storage import files
from normcli.storage.compression import SUFFIXES
from normcli.storage.files import MOST_HELD
from normcli.storage.outputs import output
from normcli.storage.sources import Source, source, sources
from tests.storage import OLD, descriptors, linux, names, python, run

# -- which files ---------------------------------------------------------------------------


def listed(*inputs: str) -> list[str]:
    return [source.name for source in sources(inputs)]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A directory of parts such as programs write, as the current directory."""
    for name in (
        "day=2/part-0.csv",
        "day=10/part-1.csv",
        "day=10/part-0.csv.gz",
        "top.csv",
        "_SUCCESS",
        ".part-0.csv.crc",
        "_delta_log/0.csv",
        ".hidden/0.csv",
        "top.stats.json",
        "empty/_x",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(b"a\n1\n") if name.endswith(".gz") else b"a\n1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PARTS = ["day=10/part-0.csv.gz", "day=10/part-1.csv", "day=2/part-0.csv", "top.csv"]


def test_a_directory_is_all_its_parts_in_the_order_of_their_paths(tree):
    assert listed(".") == [f"./{part}" for part in PARTS]
    assert listed("day=10", "day=2/") == PARTS[:3]


def test_the_order_of_parts_is_that_of_path_components_not_of_characters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/z.csv", "a-b/z.csv", "a.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert listed(".") == ["./a/z.csv", "./a-b/z.csv", "./a.csv"]


def test_a_glob_is_what_it_matches_in_order_without_sidecars(tree):
    assert listed("*/part-*.csv*") == PARTS[:3]
    assert listed("**/t*.csv", "d*/**/*.csv") == ["top.csv", *PARTS[1:3]]
    assert listed("top*") == ["top.csv"]
    assert listed("day=?") == ["day=2/part-0.csv"]


def test_no_file_is_read_twice_when_a_glob_matches_its_directory_too(tree):
    assert listed("day=*/**") == PARTS[:3]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tree):
    Path("top[1].csv").touch()
    Path("top1.csv").touch()
    assert listed("top[1].csv") == ["top[1].csv"]


def test_a_sidecar_that_is_named_is_read(tree):
    assert listed("top.stats.json") == ["top.stats.json"]


def test_links_are_followed_to_files_but_not_round_in_circles(tree):
    Path("day=2/loop").symlink_to(tree)
    Path("day=2/link.csv").symlink_to("../top.csv")
    assert listed("day=2") == ["day=2/link.csv", "day=2/part-0.csv"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tpo.csv", r"no such file: tpo\.csv\. Did you mean 'top\.csv'\?"),
        ("nowhere/top.csv", r"no such file: nowhere/top\.csv\."),
        ("top.csv/x", r"no such file: top\.csv/x"),
        ("x*.csv", r"no file matches x\*\.csv"),
        ("empty", r"no file to read in the directory empty"),
        ("a\x1b.csv", r"no such file: 'a\\x1b\.csv'"),
        ("x" * 300, r"cannot read x+: File name too long"),
        ("", "no such file"),
    ],
)
def test_a_missing_input_has_its_own_message(tree, name, words):
    with pytest.raises(NormcliError, match=words) as caught:
        sources(["top.csv", name])
    assert len(str(caught.value).splitlines()) == 1


def test_stdin_cannot_be_named_twice():
    with pytest.raises(UsageError, match="only once"):
        sources(["-", "-"])


# -- reading files -------------------------------------------------------------------------


def test_a_plain_file_gives_its_path_size_and_bytes_again_and_again(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(OLD)
    source = Source("t.csv", path)
    assert (source.path, source.size, source.suffix) == (path, len(OLD), ".csv")
    assert source.head(9) == OLD[:9]
    for _ in range(2):
        with source.open() as stream:
            assert stream.read() == OLD
    assert source.spooled() is source
    assert source.seekable() == path


def test_a_compressed_file_has_no_path_until_it_is_spooled(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(OLD))
    [source] = sources([str(path)])
    assert source.path is None
    assert source.head() == OLD[:4096]
    assert source.spooled().path is None  # it can be opened many times as it is
    assert source.seekable().read_bytes() == OLD
    assert source.path == source.seekable()
    assert source.name == str(path)
    assert [source.open().read() for _ in range(2)] == [OLD, OLD]


def test_a_spooled_file_that_holds_compressed_data_is_not_decompressed_twice(tmp_path):
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(gzip.compress(OLD)))
    [source] = sources([str(path)])
    source.seekable()
    assert source.open().read() == gzip.compress(OLD)


def test_the_position_counts_bytes_of_the_file_not_of_the_table(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(OLD))
    [source] = sources([str(path)])
    assert source.position() == 0
    with source.open() as stream:
        stream.read()
    assert source.position() == source.size == path.stat().st_size


@linux
def test_nothing_stays_open(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(OLD))
    gc.collect()  # files that earlier tests left open
    before = descriptors()
    [source] = sources([str(path)])
    assert source.path is None
    source.head()
    with source.open() as stream:
        stream.read(1)
    path.write_bytes(b"not compressed")
    with pytest.raises(DataError):
        source.open()
    del source  # as long as it lives, it holds its file
    gc.collect()
    assert descriptors() == before


def test_a_fifo_is_read_once_like_stdin(tmp_path):
    fifo = tmp_path / "t.csv"
    os.mkfifo(fifo)
    with python("open(sys.argv[1], 'wb').write(b'a,b\\n1,2\\n')", fifo):
        [source] = sources([str(fifo)])
        assert source.path is source.size is None
        assert source.head(2) == b"a,"
        assert source.open().read() == b"a,b\n1,2\n"
    with pytest.raises(NormcliError, match="only once"):
        source.open()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_disk_while_spooling_is_an_error_with_its_own_words(tmp_path, monkeypatch):
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(OLD))
    full = (open("/dev/full", "wb"), path)  # noqa: SIM115  # closed by its Source
    monkeypatch.setattr("normcli.storage.sources._temporary_file", lambda: full)
    with pytest.raises(NormcliError, match=r"cannot spool .*TMPDIR.*No space left on device"):
        sources([str(path)])[0].seekable()


# -- stdin, in real processes --------------------------------------------------------------

COPY = """
source = sources(["-"])[0]
head = source.head()
sys.stdout.buffer.write(source.open().read())
assert source.path is None and source.size is None, (source.path, source.size)
"""


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_stdin_is_decompressed_by_its_first_bytes(tmp_path, suffix):
    with output(str(tmp_path / f"t{suffix}")) as stream:
        stream.write(OLD)
    assert run(COPY, input=(tmp_path / f"t{suffix}").read_bytes()) == (0, OLD, "")


def test_a_pipe_that_dribbles_is_read_to_its_end():
    with python(COPY, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        packed = gzip.compress(OLD)
        for at in range(0, len(packed), 7):
            process.stdin.write(packed[at : at + 7])
            process.stdin.flush()
        process.stdin.close()
        assert process.stdout.read() == OLD


def test_spooled_stdin_can_be_opened_again_and_by_other_processes():
    script = """
import subprocess
source = sources(["-"])[0]
assert source.head(3) == b"the"
assert source.spooled() is source and source.name == "stdin"
for _ in range(2):
    sys.stdout.buffer.write(source.open().read())
sys.stdout.flush()
subprocess.run(["cat", source.path], check=True, stdin=subprocess.DEVNULL)
"""
    assert run(script, input=OLD) == (0, OLD * 3, "")


@linux
def test_the_spool_file_is_gone_even_after_kill_9(tmp_path):
    script = """
source = sources(["-"])[0].spooled()
sys.stdout.write("ready\\n"), sys.stdout.flush()
time.sleep(60)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with python(script, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(OLD)
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        assert names(tmp_path) == []
        process.kill()
    assert names(tmp_path) == []


@linux
def test_a_file_redirected_to_stdin_is_read_like_a_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(OLD)
    script = """
source = sources(["-"])[0]
assert source.size == os.stat(sys.argv[1]).st_size and source.seekable() == source.path
for _ in range(2):
    sys.stdout.buffer.write(source.open().read())
"""
    with path.open("rb") as stdin:
        assert run(script, path, stdin=stdin) == (0, OLD * 2, "")


def test_a_redirected_file_of_which_the_shell_read_some_is_read_from_there(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(OLD)
    with path.open("rb") as stdin:
        os.lseek(stdin.fileno(), 14, os.SEEK_SET)
        assert run(COPY, stdin=stdin) == (0, OLD[14:], "")


def closed_stdin() -> None:
    os.close(0)


def test_a_closed_stdin_has_its_own_words():
    code, _, words = run("sources(['-'])", stdin=None, preexec_fn=closed_stdin)
    assert (code, words) == (
        1,
        "normcli.errors.NormcliError: stdin is closed: name an INPUT file, or pipe the data in",
    )


def test_a_directory_as_stdin_is_refused_by_python_itself(tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    with python("sources(['-'])", stdin=directory) as process:
        _, err = process.communicate()
    os.close(directory)
    assert (process.returncode, b"<stdin> is a directory" in err) == (1, True)


def test_a_terminal_as_stdin_has_its_own_words():
    main, terminal = os.openpty()
    _, _, words = run("sources(['-'])", stdin=terminal)
    os.close(main)
    os.close(terminal)
    assert "UsageError: stdin is a terminal" in words


def test_an_empty_stdin_is_left_to_the_formats():
    assert run(COPY, input=b"") == (0, b"", "")


def test_a_pipe_that_would_block_is_an_error_not_the_end_of_the_data():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    _, _, words = run(COPY, stdin=reading)
    os.close(reading)
    os.close(writing)
    assert words.endswith("cannot read stdin: Resource temporarily unavailable")


# -- inputs that are replaced --------------------------------------------------------------

KINDS = ("csv", "csv.gz", "jsonl", "tsv", "arrow", "parquet", "latin.csv")


def tables_of(path: Path) -> tuple[bytes, bytes]:
    """Two tables of the same size, in the format of the path."""
    found = []
    for word in ("old", "new"):
        data = pa.table({"x": [0.5, 1.5] * 50_000, "t": [word] * 100_000})
        if path.suffix == ".parquet":
            pq.write_table(data, path, row_group_size=10_000)
        elif path.suffix == ".arrow":
            with pa.ipc.new_file(path, data.schema) as writer:
                writer.write_table(data, max_chunksize=10_000)
        else:
            line = {".jsonl": '{"x": 0.5, "t": "%s"}\n'}.get(path.suffix, "0.5\t%s\n")
            line = line.replace("\t", "," if "csv" in path.name else "\t")
            head = "" if path.suffix == ".jsonl" else line.replace("0.5", "x") % "t"
            raw = (head + line % word * 400_000).encode()
            path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
        found.append(path.read_bytes())
    return found[0], found[1]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("when", ["before its rows", "among its rows"])
def test_an_input_that_is_replaced_while_it_is_read_is_all_old_or_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, held: bool, when: str
) -> None:
    if not held:  # as where there is no /proc
        monkeypatch.setattr(files, "path_of", lambda descriptor: None)
    path, other = tmp_path / f"t.{name}", tmp_path / "other"
    old, new = tables_of(path)
    path.write_bytes(old)
    given = {"encoding": "latin-1"} if "latin" in name else {}
    table = open_table(source(str(path)), ReadOptions(given, chunk_rows=20_000))
    chunks = table.chunks()
    seen = [] if when.startswith("before") else [next(chunks)]
    other.write_bytes(new)
    other.rename(path)
    try:
        seen += chunks
        read = [pickle.loads(pickle.dumps(chunk)).to_arrow({}, Style()) for chunk in seen]
    except NormcliError as error:
        assert not held or name == "parquet"
        words = f"{path} was (replaced|changed) while being read; try again"
        assert re.fullmatch(words, str(error))  # noqa: PT017
    else:
        assert set(pa.concat_tables(read)["t"].to_pylist()) == {"old"}


def test_a_file_that_is_held_is_not_taken_for_a_later_one_of_its_number(tmp_path: Path) -> None:
    """Without the hold, the third file would often have the inode of the first."""
    path = tmp_path / "t"
    path.write_bytes(OLD)
    found = source(str(path))
    assert found.head() == OLD
    inode = path.stat().st_ino
    for _ in range(20):
        (tmp_path / "new").write_bytes(b"the new")
        (tmp_path / "new").rename(path)
        assert path.stat().st_ino != inode
    assert found.open().read() == OLD


def test_many_inputs_do_not_use_up_the_descriptors(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(3 * MOST_HELD)]
    for path in paths:
        path.write_bytes(OLD)
    before = descriptors()
    found = [source(str(path)) for path in paths]
    assert {each.head() for each in found} == {OLD}
    assert descriptors() <= before + MOST_HELD
    del found
    gc.collect()
    assert descriptors() <= before
