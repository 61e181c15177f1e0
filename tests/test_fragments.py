"""Inputs that are cut into fragments: the same rows, the same bytes, the same error messages."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import normcli as library
from normcli.engines.fragments import Fragment, fragments
from normcli.engines.local import Engine, Processes, Serial
from normcli.errors import NormcliError
from normcli.formats.base import ReadOptions
from normcli.formats.csv.records import Dialect, records
from normcli.formats.texts.cuts import Span, cut, even, look
from normcli.methods import methods
from normcli.methods.spelling import Asked
from normcli.pipeline.choice import Choice
from normcli.pipeline.fragmented import ScaleToPart, fit_fragments, scale_fragments
from normcli.pipeline.scaling import Job
from normcli.pipeline.summary import Summary
from normcli.sidecar.write import dumps
from normcli.storage.parts import parts
from normcli.storage.sources import sources
from normcli.views.progress import Bar
from tests.conftest import Cli, Outcome
from tests.s3_server import Store

HEAD = b"id,note,x,y\r\n"
NOTES = ["plain", '"a,b"', '"two\nlines"', '"say ""x,""\r\n"', '""', '"\r"']
ROWS = 400
SMALL = ("--fragment-bytes", "1000")


def csv_rows(rows: int = ROWS) -> list[str]:
    return [f"{i:04},{NOTES[i % 6]},{i * 37 % 101}.{i % 10},{i * 1e3}\r\n" for i in range(rows)]


def write_csv(path: Path) -> None:
    path.write_bytes(HEAD + "".join(csv_rows()).encode())


def write_jsonl(path: Path) -> None:
    """A table of which only the last range has all keys."""
    rows = [{"id": f"{i:04}", "x": i * 37 % 101 + 0.5} for i in range(ROWS)]
    rows[-1]["late"] = 7
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def arrow_table() -> pa.Table:
    x = [None if i == 17 else i * 37 % 101 / 7 for i in range(ROWS)]
    return pa.table({"id": [str(i) for i in range(ROWS)], "x": x})


def write_parquet(path: Path) -> None:
    pq.write_table(arrow_table(), path, row_group_size=30, compression="NONE")


def write_arrow(path: Path) -> None:
    with pa.ipc.new_file(path, arrow_table().schema) as writer:
        writer.write_table(arrow_table(), max_chunksize=30)


WRITERS: dict[str, Callable[[Path], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "arrow": write_arrow,
}


@pytest.fixture(params=sorted(WRITERS))
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"t.{request.param}"
    WRITERS[request.param](path)
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    write_csv(path)
    return path


def fragments_of(path: Path, size: int, options: ReadOptions | None = None) -> list[Fragment]:
    return fragments(sources([str(path)]), options or ReadOptions(), None, size, Serial())


def rows_in(path: Path) -> list[dict[str, object]]:
    """The rows of a file, read by another library."""
    if path.suffix == ".arrow":
        return pa.ipc.open_file(path).read_all().to_pylist()
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read().to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    text = path.read_bytes()
    return [{"record": text[r.start : r.end]} for r in records(text, Dialect())][1:]


def parts_in(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def succeeds(outcome: Outcome) -> Outcome:
    assert outcome.code == 0, outcome.err
    return outcome


# -- where text is cut ---------------------------------------------------------------------


def spans(path: Path, size: int, quote: bytes | None = b'"') -> list[Span]:
    (source,) = sources([str(path)])
    ranges = even(Span(0, source.size or 0), size)
    return cut(ranges, [look(source, each, quote) for each in ranges])


cells = st.sampled_from(["", "1", "ab", '"q"', '"a\nb"', '"\r\n"', '""', '"x""y"', '"\r"'])
line_ends = st.sampled_from(["\n", "\r\n", "\r"])


@given(
    st.lists(st.tuples(st.lists(cells, min_size=2, max_size=3), line_ends), min_size=1),
    st.integers(1, 40),
    st.integers(1, 9),
)
def test_wherever_text_is_cut_a_record_starts_and_its_line_is_known(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[list[str], str]],
    size: int,
    block: int,
) -> None:
    text = "".join(",".join(row) + end for row, end in rows).encode()
    path = tmp_path_factory.getbasetemp() / "cuts.csv"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("normcli.formats.texts.cuts.BLOCK", block)
        found = spans(path, size)
    starts = {record.start: record.line for record in records(text, Dialect())}
    assert [span.start for span in found][1:] == [span.stop for span in found][:-1]
    assert (found[0].start, found[-1].stop) == (0, len(text))
    assert all(starts[span.start] == span.line for span in found)


def test_large_text_is_cut_into_pieces_of_about_the_given_size(csv: Path) -> None:
    sizes = [span.stop - span.start for span in spans(csv, 1000)]
    assert len(sizes) == round(csv.stat().st_size / 1000)
    assert max(sizes) < 1100


def test_quotes_that_are_ordinary_characters_do_not_hide_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'5"\n' * 100)
    assert all(span.start == 3 * (span.line - 1) for span in spans(path, 10, None))
    assert len(spans(path, 10, None)) == 30


# -- fragments -----------------------------------------------------------------------------


def test_large_files_are_cut_and_small_ones_are_not(table: Path) -> None:
    assert len(fragments_of(table, 1000)) > 5
    (whole,) = fragments_of(table, 10**9)
    assert whole.piece is None


def test_the_statistics_of_fragments_are_those_of_the_whole(table: Path, normcli: Cli) -> None:
    whole = succeeds(normcli("fit", table, "-o", "-")).out
    zscore = Asked(methods()["zscore"].from_parameters({}))
    cut_ = fragments_of(table, 1000)
    summary = Summary()
    assert dumps(fit_fragments(cut_, Choice(), zscore, Serial(), summary)) == whole
    assert summary.rows == ROWS
    assert b'"x"' in whole


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (ReadOptions({"comment": "#"}), None),
        (ReadOptions(skip_bad_rows=True), None),
        (ReadOptions({"encoding": "latin-1"}), None),
        (ReadOptions(), gzip.compress(HEAD + "".join(csv_rows()).encode())),
    ],
    ids=["comments", "bad rows", "encoding", "compressed"],
)
def test_text_in_which_quotes_cannot_be_counted_stays_whole(
    csv: Path, options: ReadOptions, text: bytes | None
) -> None:
    csv.write_bytes(text or csv.read_bytes())
    assert len(fragments_of(csv, 1000, options)) == 1


def test_int96_whose_unit_all_rows_decide_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    times = pa.array([0] * ROWS, pa.timestamp("ns"))
    table = arrow_table().append_column("t", times)
    pq.write_table(table, path, row_group_size=30, use_deprecated_int96_timestamps=True)
    assert len(fragments_of(path, 1000)) == 1


def test_a_fragment_says_what_cannot_be_seen_where_it_is_opened(csv: Path) -> None:
    from normcli.errors import NormcliError

    fragment = fragments_of(csv, 1000)[3]
    csv.write_bytes(b"something else")
    with pytest.raises(NormcliError, match=r"t\.csv \(bytes \d+ to \d+\) was changed, or"):
        fragment.open()
    csv.unlink()
    with pytest.raises(NormcliError, match=r"t\.csv \(bytes \d+ to \d+\) cannot be opened on"):
        fragment.open()


def test_control_characters_in_places_of_fragments_are_escaped(tmp_path: Path) -> None:
    from normcli.errors import NormcliError

    path = tmp_path / "t\x1b[31m.csv"
    write_csv(path)
    (fragment, *_) = fragments_of(path, 1000)
    path.unlink()
    with pytest.raises(NormcliError) as error:
        fragment.open()
    assert "\x1b" not in str(error.value)


def test_a_file_that_shrinks_while_its_fragment_is_read_is_an_error(csv: Path) -> None:
    from normcli.errors import DataError

    table = fragments_of(csv, 1000)[-1].open()
    csv.write_bytes(csv.read_bytes()[:-50])
    with pytest.raises(DataError, match="has become shorter"):
        list(table.chunks())


# -- parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [None, Processes(2)])
def test_the_bar_runs_evenly_through_fragments(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine | None
) -> None:
    monkeypatch.setattr("normcli.views.progress.DELAY", 0.0)
    monkeypatch.setattr("normcli.views.progress.INTERVAL", 0.0)
    found: list[tuple[float, int]] = []
    monkeypatch.setattr(Bar, "_draw", lambda bar, _: found.append((bar.done(), bar.rows())))
    zscore, size = Asked(methods()["zscore"]()), table.stat().st_size
    statistics = library.fit(table)
    cut_ = fragments_of(table, 3000, ReadOptions(chunk_rows=7))
    bar = Bar("scaling", sources([str(table)]))
    work = ScaleToPart(Job(zscore, statistics), table.suffix[1:], engine, True, bar.begin)
    with parts(str(tmp_path / "parts"), table.suffix, len(cut_)) as targets:
        scale_fragments(cut_, targets, work, Serial(), bar.summary)
    assert len({rows for _, rows in found}) > 2 * len(cut_) > 4  # more often than once per fragment
    assert found == sorted(found)
    assert [rows for _, rows in found] == sorted(rows for _, rows in found)
    assert found[-1] == (pytest.approx(size, abs=len(cut_)), ROWS)
    assert found[-1][0] <= size


def test_parts_are_the_whole_output_cut_in_order(table: Path, tmp_path: Path, normcli: Cli) -> None:
    succeeds(normcli("fit", table, "-o", tmp_path / "s.json"))
    whole = tmp_path / f"whole{table.suffix}"
    succeeds(normcli("transform", table, "--stats", tmp_path / "s.json", "-o", whole))
    done = normcli(
        "transform", table, "--stats", tmp_path / "s.json", "--output-dir", tmp_path / "p", *SMALL
    )
    parts = parts_in(tmp_path / "p")
    told = succeeds(done).err.splitlines()
    assert told[0].startswith("400 rows in ")
    assert told[-1] == f"{len(parts)} parts saved in {tmp_path / 'p'}"
    assert len(parts) > 5
    assert [part.name for part in parts] == [
        f"part-{i:05}{table.suffix}" for i in range(len(parts))
    ]
    assert [row for part in parts for row in rows_in(part)] == rows_in(whole)


def test_fit_takes_a_directory_of_parts(csv: Path, tmp_path: Path, normcli: Cli) -> None:
    succeeds(normcli("fit-transform", csv, "-o", tmp_path / "whole.csv", "--method", "minmax"))
    parts = tmp_path / "parts"
    succeeds(normcli("fit-transform", csv, "--output-dir", parts, "--method", "minmax", *SMALL))
    whole = succeeds(normcli("fit", tmp_path / "whole.csv", "-o", "-")).out
    assert succeeds(normcli("fit", parts, "-o", "-")).out == whole


def test_inverse_of_parts_gives_the_numbers_back(csv: Path, tmp_path: Path, normcli: Cli) -> None:
    stats = tmp_path / "s.json"
    scaled, back = tmp_path / "scaled", tmp_path / "back"
    normcli("fit-transform", csv, "--output-dir", scaled, "--save-stats", stats, *SMALL)
    succeeds(normcli("inverse", scaled, "--stats", stats, "--output-dir", back))
    assert len(parts_in(scaled)) == len(parts_in(back))
    first = back / "part-00000.csv"
    assert first.read_bytes().startswith(HEAD + b"0000,plain,")
    assert float(first.read_text().splitlines()[1].split(",")[2]) == pytest.approx(0, abs=1e-12)


def test_save_stats_of_parts_are_those_of_the_rows_that_were_read(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts = tmp_path / "parts"
    succeeds(normcli("fit-transform", csv, "--output-dir", parts, "--save-stats", "-", *SMALL))
    saved = normcli("fit-transform", csv, "--output-dir", parts, "--save-stats", "-", *SMALL).out
    assert saved == normcli("fit", csv, "-o", "-").out


def test_parts_have_the_format_that_is_asked_for(csv: Path, tmp_path: Path, normcli: Cli) -> None:
    parts = tmp_path / "parts"
    succeeds(normcli("fit-transform", csv, "--output-dir", parts, "--to", "parquet", *SMALL))
    found = parts_in(parts)
    assert {part.suffix for part in found} == {".parquet"}
    assert sum(pq.read_metadata(part).num_rows for part in found) == ROWS


def test_parts_of_inputs_in_different_formats_need_a_format(tmp_path: Path, normcli: Cli) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    pq.write_table(pa.table({"x": [1.0, 2.0]}), inputs / "a.parquet")
    (inputs / "b.csv").write_bytes(b"x\n1\n4\n")
    arguments = ("fit-transform", inputs, "--output-dir", tmp_path / "parts")
    refused = normcli(*arguments)
    assert refused.code == 2
    assert "b.csv is csv, and what comes before it is parquet" in refused.err
    succeeds(normcli(*arguments, "--to", "csv"))
    assert len(parts_in(tmp_path / "parts")) == 2


def test_a_rerun_leaves_no_part_of_the_run_before(csv: Path, tmp_path: Path, normcli: Cli) -> None:
    parts = tmp_path / "parts"
    arguments = ("fit-transform", csv, "--output-dir", parts)
    succeeds(normcli(*arguments, *SMALL))
    (parts / "notes.txt").write_text("not ours")
    (parts / "part-00003.parquet").write_text("ours, of a run with --to")
    succeeds(normcli(*arguments, "--fragment-bytes", "5000"))
    assert [part.name for part in parts_in(parts)] == [
        "notes.txt",
        "part-00000.csv",
        "part-00001.csv",
    ]


def test_links_in_the_directory_are_replaced_or_removed_and_never_followed(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts, precious = tmp_path / "parts", tmp_path / "precious"
    parts.mkdir()
    precious.write_text("precious")
    for name in ("part-00000.csv", "part-00077.csv"):
        (parts / name).symlink_to(precious)
    succeeds(normcli("fit-transform", csv, "--output-dir", parts))
    assert [(each.name, each.is_symlink()) for each in parts_in(parts)] == [
        ("part-00000.csv", False)
    ]
    assert precious.read_text() == "precious"


def test_directories_with_names_of_parts_are_refused_before_all_else_or_left(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts = tmp_path / "parts"
    (parts / "part-00001.csv").mkdir(parents=True)
    (parts / "part-00000.csv").write_text("old")
    (parts / "part-00099.csv").mkdir()
    refused = normcli("fit-transform", csv, "--output-dir", parts, *SMALL, "-s", "x")
    assert refused.code == 1
    assert "part-00001.csv is a directory" in refused.err
    assert (parts / "part-00000.csv").read_text() == "old"
    (parts / "part-00001.csv").rmdir()
    succeeds(normcli("fit-transform", csv, "--output-dir", parts, *SMALL, "-s", "x"))
    assert (parts / "part-00099.csv").is_dir()


def test_parts_for_which_there_is_no_room_leave_the_directory_as_it_was(
    csv: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part-00000.csv").write_text("old")
    python = [sys.executable, "-B"]  # half of a compiled module would be taken for a complete one
    command = [*python, "-m", "normcli", "fit-transform", csv, "--output-dir", parts]
    limit = 3000  # bytes of a file; the first parts are smaller, the last is not
    csv.write_bytes(csv.read_bytes() + b"9," + b"n" * 5000 + b",1,1\r\n")
    failed = subprocess.run(
        [*command, *SMALL, "-j", "1", "-q"],
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert failed.returncode == 1, failed.stderr
    assert b"File too large" in failed.stderr
    assert [(part.name, part.read_text()) for part in parts_in(parts)] == [
        ("part-00000.csv", "old")
    ]


def test_a_run_that_is_killed_leaves_a_hidden_directory_which_the_next_one_removes(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part-00000.csv").write_text("old")
    kill = (
        "import os, signal, sys\n"
        "from normcli import __main__\n"
        "from normcli.pipeline import fragmented\n"
        "write, written = fragmented.ScaleToPart.__call__, []\n"
        "def killed(self, task):\n"
        "    written.append(write(self, task))\n"
        "    if len(written) == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return written[-1]\n"
        "fragmented.ScaleToPart.__call__ = killed\n"
        "__main__.run(sys.argv[1:])\n"
    )
    arguments = ["fit-transform", csv, "--output-dir", parts, *SMALL, "-q"]
    ended = subprocess.run([sys.executable, "-c", kill, *arguments])
    assert ended.returncode == -signal.SIGKILL
    old, hidden = sorted(parts.iterdir(), reverse=True)
    assert (old.name, old.read_text()) == ("part-00000.csv", "old")
    assert hidden.name.startswith(".normcli-")
    succeeds(normcli(*arguments))
    fitted = succeeds(normcli("fit", parts, "-s", "x", "-o", "-"))
    assert json.loads(fitted.out)["rows"] == ROWS
    assert not hidden.exists()


def test_partitions_that_the_parts_lose_are_reported(tmp_path: Path, normcli: Cli) -> None:
    for value in ("%00", "b=c", "", "\x1b[31m"):
        (tmp_path / "in" / f"a={value}").mkdir(parents=True)
        write_csv(tmp_path / "in" / f"a={value}" / "t.csv")
    done = normcli("fit-transform", tmp_path / "in", "--output-dir", tmp_path / "out", "-v")
    assert succeeds(done).err.count("a (partition, not in the parts)") == 1
    assert "\x1b" not in done.err
    assert len(parts_in(tmp_path / "out")) == 4


def test_a_run_that_fails_leaves_the_directory_as_it_was(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts = tmp_path / "parts"
    arguments = ("fit-transform", csv, "--output-dir", parts, *SMALL, "-s", "x")
    succeeds(normcli(*arguments))
    before = {part: part.read_bytes() for part in parts_in(parts)}
    csv.write_bytes(csv.read_bytes().replace(b"0399,", b"0399,extra,"))
    failed = normcli(*arguments)
    assert failed.code == 1
    assert {part: part.read_bytes() for part in parts_in(parts)} == before
    assert normcli(*arguments[:3], tmp_path / "new", *SMALL).code == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "bad",
    [b"0200,p,1,2,3", b"0200,p,five,2", b'0200,p"q,1,2', b'0200,"p"q,1,2', b'0200,"p,1,2', b"\xff"],
    ids=["ragged", "text", "quote", "after quote", "open quote", "no text"],
)
def test_what_is_wrong_in_a_fragment_is_told_as_in_the_whole(
    csv: Path, tmp_path: Path, normcli: Cli, bad: bytes
) -> None:
    good = csv_rows()[200].encode()
    assert good.startswith(b"0200,")
    csv.write_bytes(csv.read_bytes().replace(good, bad + b"\r\n"))
    whole = normcli("fit-transform", csv, "-s", "x", "-o", tmp_path / "out.csv")
    cut_ = normcli("fit-transform", csv, "-s", "x", "--output-dir", tmp_path / "p", *SMALL)
    assert whole.code == cut_.code == 1
    assert cut_.err == whole.err


def test_text_in_a_late_fragment_is_told_with_its_line(
    tmp_path: Path, normcli: Cli, csv: Path
) -> None:
    good = csv_rows()[300].encode()
    csv.write_bytes(csv.read_bytes().replace(good, b"0300,n,oops,1\r\n"))
    whole = normcli("fit", csv, "-o", tmp_path / "s.json").err
    cut_ = normcli("fit-transform", csv, "--output-dir", tmp_path / "p", *SMALL).err
    line = next(line for line in whole.splitlines() if "oops" in line)
    assert line.replace("not fitted", "not scaled") in cut_.splitlines()


def test_a_line_of_json_that_is_wrong_is_told_with_its_number(tmp_path: Path, normcli: Cli) -> None:
    path = tmp_path / "t.jsonl"
    write_jsonl(path)
    path.write_text(path.read_text().replace('{"id": "0300"', '{"id"; "0300"'))
    whole = normcli("fit-transform", path, "-o", tmp_path / "out.jsonl")
    cut_ = normcli("fit-transform", path, "--output-dir", tmp_path / "p", *SMALL)
    assert (whole.code, cut_.code) == (1, 1)
    assert "line 301" in whole.err
    assert cut_.err == whole.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "out.csv", "--output-dir", "p"), "--output and --output-dir"),
        (("--engine", "dask"), "name it with --output-dir"),
        (("--scheduler", "tcp://h:1"), "add --engine dask"),
        (("--fragment-bytes", "9"), "--fragment-bytes needs"),
        (("--engine", "dask", "--scheduler", "x:1", "-j", "2", "--output-dir", "p"), "--jobs"),
        (("--output-dir", "p", "--method", "batch", "--batch-size", "9"), "batches are counted"),
        (("--output-dir", "."), "contains the input"),
        (("--output-dir", ""), "--output-dir is empty"),
        (("--output-dir", "p", "--save-stats", "p/part-00000.csv"), "has the name of a part"),
        (("--output-dir", "p", "--json-summary", "./p/part-00009.csv"), "has the name of a part"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    csv: Path,
    tmp_path: Path,
    normcli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = normcli("fit-transform", "t.csv", *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_pipe_cannot_be_cut(tmp_path: Path, normcli: Cli) -> None:
    refused = normcli("fit-transform", "--output-dir", tmp_path / "p", stdin=b"x\n1\n")
    assert refused.code == 2
    assert "stdin (-) cannot be cut into fragments" in refused.err


def test_reading_text_to_cut_it_tells_how_far_it_is(csv: Path, tmp_path: Path) -> None:
    whole = tmp_path / "small.csv"
    whole.write_bytes(HEAD)
    told: list[tuple[int, int]] = []
    inputs = sources([str(whole), str(csv)])
    found = fragments(inputs, ReadOptions(), None, 1000, Serial(), lambda *far: told.append(far))
    size = sum(fragment.bytes for fragment in found[1:])  # small inputs are not read
    assert told == [(size * i // len(told), size) for i in range(1, len(told) + 1)]
    assert len(told) > 5


def test_a_file_is_not_accepted_as_a_directory_of_parts(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for name in ("file", "link"):
        refused = normcli("fit-transform", csv, "--output-dir", tmp_path / name)
        assert refused.code == 1
        assert f"cannot write parts to {tmp_path / name}: it is not a directory" in refused.err
    assert (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "absent").exists()


def test_a_sidecar_that_would_be_taken_for_a_part_is_refused(
    csv: Path, tmp_path: Path, normcli: Cli
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    sidecar = parts / "part-00005.json"
    succeeds(normcli("fit", csv, "-o", sidecar))
    refused = normcli("transform", csv, "--stats", sidecar, "--output-dir", parts)
    assert refused.code == 2
    assert sidecar.exists()
    sidecar.rename(parts / "s.json")
    succeeds(normcli("transform", csv, "--stats", parts / "s.json", "--output-dir", parts))


def test_a_directory_that_cannot_be_made_is_named(csv: Path, tmp_path: Path, normcli: Cli) -> None:
    failed = normcli("fit-transform", csv, "--output-dir", tmp_path / "no" / "such")
    assert failed.code == 1
    assert "cannot write parts to" in failed.err


# -- in a store ----------------------------------------------------------------------------


def test_objects_are_cut_like_files(
    table: Path, tmp_path: Path, normcli: Cli, store: Store
) -> None:
    there = store.put(f"in/{table.name}", table.read_bytes())
    parts, cut_ = tmp_path / "parts", ("--fragment-bytes", "2000")
    succeeds(normcli("fit-transform", table, "--output-dir", parts, *cut_))
    store.put("out/part-00000.txt", b"of an earlier run")
    store.put("out/part-00999.csv", b"of an earlier run")
    store.put("out/notes.txt", b"not ours")
    succeeds(normcli("fit-transform", there, "--output-dir", "s3://bucket/out", *cut_))
    expected = {f"out/{part.name}": part.read_bytes() for part in parts_in(parts)}
    assert len(expected) >= 5
    written = {key: store.get(key) for key in store.keys() if key.startswith("out/")}  # noqa: SIM118  # no dict
    written.pop("out/", None)  # Arrow's marker for a directory
    assert written == {**expected, "out/notes.txt": b"not ours"}


def test_a_fragment_of_an_object_asks_for_its_bytes_only(table: Path, store: Store) -> None:
    key = f"big.{table.suffix}"
    location = store.put(key, table.read_bytes())
    (source,) = sources([location])
    last = fragments([source], ReadOptions(), None, 3000, Serial())[-1].open()
    assert last.source.object  # its first bytes show that it is not compressed
    store.requests.clear()
    assert sum(chunk.rows for chunk in last.chunks()) > 0
    assert store.asked(key) < table.stat().st_size * 0.7
    assert all(request.first > 0 for request in store.requests if request.method == "GET")


def test_an_object_that_is_replaced_before_its_fragment_is_opened_is_an_error(
    csv: Path, store: Store
) -> None:
    data = csv.read_bytes()
    (fragment,) = fragments(
        sources([store.put("t.csv", data)]), ReadOptions(), None, 1 << 30, Serial()
    )
    assert fragment.open().columns
    store.put("t.csv", data[:-2] + b"7\n")  # perhaps within the same second
    with pytest.raises(NormcliError, match=r"t\.csv was replaced since the run began"):
        fragment.open()


@pytest.mark.parametrize("machine", ["this one", "another"])
def test_a_file_that_is_replaced_before_its_fragment_is_opened_is_an_error(
    csv: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    (fragment, *_) = fragments_of(csv, 1000)
    assert fragment.open().columns
    times = csv.stat()
    csv.with_name("new").write_bytes(csv.read_bytes())
    csv.with_name("new").rename(csv)
    if machine == "another":  # there, files have other numbers
        monkeypatch.setattr("os.uname", lambda: SimpleNamespace(nodename="another"))
    else:
        os.utime(csv, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(NormcliError, match=r"was replaced since the run began"):
        fragment.open()
    os.utime(csv, ns=(times.st_atime_ns, times.st_mtime_ns))
    if machine == "another":  # a copy with the same time
        assert fragment.open().columns


def test_an_input_in_the_store_of_the_parts_is_refused(
    csv: Path, normcli: Cli, store: Store
) -> None:
    there = store.put("data/t.csv", csv.read_bytes())
    refused = normcli("fit-transform", there, "--output-dir", "s3://bucket/data/")
    assert refused.code == 2
    assert "contains the input" in refused.err
