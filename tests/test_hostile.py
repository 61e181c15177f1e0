"""Every file gives success or an error of one or two lines, whatever is in it.

Each sweep runs in its own process, so that a crash caused by a hostile file is noticed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.formats import formats
from tests.conftest import Cli
from tests.corpora import corpus

SECONDS, MEGABYTES = 10, 500
OLD = b"what was there before"


@dataclass(frozen=True)
class Case:
    """A command line; `target` is the file that it writes if, and only if, it succeeds."""

    arguments: tuple[str, ...]
    target: Path | None = None
    stdin: Path | None = None


def run_all(cases: Iterable[Case]) -> Iterator[tuple[Case, dict[str, Any]]]:
    """Every case with its outcome, from a new process; a crash of that process is an error."""
    cases = list(cases)
    work = [[case.arguments, case.stdin and str(case.stdin)] for case in cases]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sweep"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "NORMCLI_TRACEBACK": "1"},
    )
    answers, words = process.communicate(json.dumps(work), timeout=600)
    outcomes = [json.loads(line) for line in answers.splitlines()]
    if len(outcomes) < len(cases):
        fatal = cases[len(outcomes)].arguments
        pytest.fail(f"the process ended ({process.returncode}) in {fatal}: {words[-1000:]}")
    yield from zip(cases, outcomes, strict=True)


def faults(case: Case, outcome: dict[str, Any]) -> Iterator[str]:
    """The faults in the outcome of a case."""
    code, err = outcome["code"], outcome["err"]
    if code not in (0, 1):
        yield f"exit code {code}"
    if code and not (err.startswith("normcli: ") and 1 <= err.count("\n") <= 2):
        yield "not an error of one or two lines"
    if "Traceback" in err or "a bug in normcli" in err:
        yield "a bug"
    if not all(c.isprintable() or c == "\n" for c in err):
        yield "control characters in what it says"
    if outcome["seconds"] > SECONDS:
        yield f"{outcome['seconds']:.0f} s"
    if outcome["memory"] > MEGABYTES:
        yield f"{outcome['memory']:.0f} MB"
    if case.target and code and case.target.read_bytes() != OLD:
        yield "the old file is not whole"


def assert_harmless(cases: Iterable[Case]) -> dict[int, int]:
    """Counts of exit codes; asserts that every case ends well. Targets contain OLD before."""
    codes = {0: 0, 1: 0}
    found = []
    cases = list(cases)
    for case in cases:
        if case.target:
            case.target.write_bytes(OLD)
    for case, outcome in run_all(cases):
        found += [(case.arguments, fault, outcome["err"][-300:]) for fault in faults(case, outcome)]
        codes[outcome["code"]] = codes.get(outcome["code"], 0) + 1
    assert found == []
    folders = {case.target.parent for case in cases if case.target}
    assert not [path for folder in folders for path in folder.glob(".normcli-*")]
    return codes


def commands_on(files: Iterable[Path], folder: Path, *, piped: bool = True) -> Iterator[Case]:
    """The commands that run on every hostile table."""
    for i, path in enumerate(files):
        for command in ("fit", "fit-transform"):
            target = folder / f"{i}.{command}"
            yield Case((command, str(path), "-o", str(target), "-q", "--allow-empty"), target)
        if piped:
            yield Case(("fit", "-o", "-"), stdin=path)


def files_of(*names: str) -> list[Path]:
    """The tables of some corpora."""
    found = (path for name in names for path in corpus(name).rglob("*") if path.is_file())
    return sorted(path for path in found if path.name not in ("SOURCE.txt", "manifest.json"))


def some(files: list[Path], share: int) -> list[Path]:
    """One in `share` of the files, always the same ones."""
    return sorted(random.Random(4).sample(files, -(-len(files) // share)))


# -- tables --------------------------------------------------------------------------------

CORPORA = [("csv", 12), ("parquet", 3), ("compressed", 12), ("jsonl", 4), ("crafted", 3)]


@pytest.mark.parametrize(("name", "share"), CORPORA)
def test_a_hostile_table_gets_no_more_than_an_error(name: str, share: int, tmp_path: Path) -> None:
    codes = assert_harmless(commands_on(some(files_of(name), share), tmp_path, piped=False))
    assert codes[0]
    assert codes[1] or name == "crafted"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in CORPORA])
def test_every_hostile_table_gets_no_more_than_an_error(name: str, tmp_path: Path) -> None:
    codes = assert_harmless(commands_on(files_of(name), tmp_path))
    assert codes[0]
    assert codes[1]


@pytest.mark.slow
@pytest.mark.parametrize("format_", formats())
def test_every_hostile_table_taken_for_any_format_gets_no_more_than_an_error(
    format_: str, tmp_path: Path
) -> None:
    files = some(files_of("csv", "parquet", "compressed", "jsonl"), 4)
    flags = ("--from", format_, "--to", format_, "--select", "1")
    cases = [
        Case(("fit-transform", str(path), "-o", str(tmp_path / str(i)), *flags), tmp_path / str(i))
        for i, path in enumerate(files)
    ]
    # --select 1 may be a usage error, which is found when the table is open
    outcomes = list(run_all(cases))
    for case, outcome in outcomes:
        outcome["code"] = min(outcome["code"], 1)
        case.target.exists() or case.target.write_bytes(OLD)
        assert list(faults(case, outcome)) == [], (case, outcome)


@pytest.mark.slow
def test_hostile_tables_are_skipped_over_and_batched_without_harm(tmp_path: Path) -> None:
    ways = (
        ("fit-transform", "--on-bad-row", "skip", "--on-inf", "ignore"),
        ("transform", "--method", "batch", "--batch-size", "2", "--chunk-rows", "50"),
    )
    files = files_of("csv", "jsonl", "parquet")
    cases = [(path, *way) for path in files for way in ways]
    assert_harmless(
        Case((command, str(path), "-o", str(target := tmp_path / str(i)), *flags), target)
        for i, (path, command, *flags) in enumerate(cases)
    )


# -- statistics ----------------------------------------------------------------------------


def test_a_hostile_sidecar_is_refused_by_every_command_that_reads_one(tmp_path: Path) -> None:
    table, target = tmp_path / "t.csv", tmp_path / "out.csv"
    table.write_bytes(b"x,y\n1,2\n")
    hostile = some(files_of("json_hostile"), 2)
    codes = assert_harmless(
        case
        for path in hostile
        for case in (
            Case(("transform", str(table), "--stats", str(path), "-o", str(target)), target),
            Case(("merge", str(path), str(path), "-o", str(target)), target),
            Case(("show", str(path))),
            Case(("check", str(table), "--stats", str(path))),
        )
    )
    assert codes == {0: 0, 1: 4 * len(hostile)}


# -- names and words -----------------------------------------------------------------------


def naughty() -> list[str]:
    """The naughty strings, without those that no file or argument can contain."""
    strings: list[str] = json.loads((corpus("naughty_strings") / "blns.json").read_text("utf-8"))
    return [text for text in strings if text and "\0" not in text]


def quoted(text: str) -> bytes:
    return b'"' + text.replace('"', '""').encode(errors="surrogatepass") + b'"'


def test_naughty_strings_as_names_and_cells_of_csv_come_back_byte_for_byte(
    normcli: Cli, tmp_path: Path
) -> None:
    names = [text for text in dict.fromkeys(naughty()) if not text.isdigit()]
    table = b"x," + b",".join(map(quoted, names)) + b"\n"
    table += b"7," + b",".join(map(quoted, reversed(names))) + b"\n"
    result = normcli("fit-transform", "-s", "/^x$/", "--save-stats", tmp_path / "s", stdin=table)
    assert result.code == 0, result.err
    assert result.out == table.replace(b"\n7,", b"\n0.0,")


def test_naughty_strings_as_scaled_columns_go_through_sidecar_and_back(
    normcli: Cli, tmp_path: Path
) -> None:
    names = list(dict.fromkeys(naughty()))
    head = b",".join(map(quoted, names)) + b"\n"
    table = head + b",".join(b"%d" % i for i in range(len(names))) + b"\n"
    saved = tmp_path / "s.json"
    result = normcli("fit-transform", "--save-stats", saved, stdin=table)
    assert result.out == head + b",".join([b"0.0"] * len(names)) + b"\n"
    assert list(json.loads(saved.read_bytes())["columns"]) == names
    assert normcli("inverse", "--stats", saved, stdin=result.out).out == table
    shown = normcli("show", saved)
    assert shown.code == 0
    assert all(c.isprintable() or c == "\n" for c in shown.text)


def test_naughty_strings_in_messages_are_escaped(tmp_path: Path) -> None:
    cases = []
    for i, text in enumerate(naughty()[::6]):
        path = tmp_path / f"{i}.csv"
        path.write_bytes(b"x," + quoted(text) + b"\n1,2\n" + quoted(f"z{text}") + b",3\n")
        cases.append(Case(("fit", str(path), "-s", "x", "-o", "-")))
        cases.append(Case(("fit", str(path), "-o", "-")))
        cases.append(Case(("fit", f"{tmp_path}/no/{text}")))
    codes = assert_harmless(cases)
    assert codes[0]
    assert codes[1]


def test_naughty_strings_are_fine_as_names_of_files(tmp_path: Path) -> None:
    cases = []
    for text in naughty()[::6]:
        path = tmp_path / f"{text.replace('/', '_')[:60]}.csv"
        path.write_bytes(b"x,y\n1,2\n3,4\n")
        cases.append(
            Case(("fit-transform", str(path), "-o", str(path), "--save-stats", f"{path}.s"))
        )
    assert_harmless(cases)
    outputs = {Path(case.arguments[1]).read_bytes() for case in cases}
    assert outputs == {b"x,y\n-1.0,-1.0\n1.0,1.0\n"}


def test_formulas_of_spreadsheets_pass_through_untouched(normcli: Cli) -> None:
    table = b"x,note\n1,=cmd|'/c calc'!A1\n3,\"@SUM(1+1)*cmd|' /C calc'!A0\"\n"
    expected = table.replace(b"\n1,", b"\n-1.0,").replace(b"\n3,", b"\n1.0,")
    assert normcli("fit-transform", stdin=table).out == expected


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_control_characters_never_reach_the_terminal(
    normcli: Cli, tmp_path: Path, format_: str
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\n\u202e\x9b31m"
    path = tmp_path / f"{'e' + chr(27) + '[31m'}.{format_}"
    rows = {evil: [1, 2], "x": ["1", evil]}
    if format_ == "csv":
        lines = zip(*([name, *values] for name, values in rows.items()), strict=True)
        path.write_bytes(
            b"".join(b",".join(quoted(str(c)) for c in line) + b"\n" for line in lines)
        )
    elif format_ == "jsonl":
        lines = zip(*rows.values(), strict=True)
        path.write_text(
            "".join(json.dumps(dict(zip(rows, line, strict=True))) + "\n" for line in lines)
        )
    else:
        pq.write_table(pa.table(rows), path)
    saved = tmp_path / "s"
    results = [
        normcli("fit", path, "-o", saved),
        normcli("fit", path, "-s", "x", "-o", "-"),
        normcli("fit", path, "-s", evil, "--column", f"{evil}z=minmax", "-o", "-"),
        normcli("transform", path, "--stats", saved, "-o", tmp_path / "o", "--explain"),
        normcli("show", saved),
        normcli("check", path, "--stats", saved),
        normcli("fit", f"{path}\x1b"),
        normcli("fit\x1b[0m"),
        normcli("fit", "--\x1b[0m"),
    ]
    assert [result.code for result in results[:3]] == [0, 1, 2]
    for result in results:
        said = result.err + result.text
        assert not [c for c in said if not c.isprintable() and c != "\n"], said


# -- size ----------------------------------------------------------------------------------


def peak_of(arguments: tuple[str, ...], stdin: Path) -> tuple[int, str, float]:
    """Exit code, message and MB of one command in its own process."""
    ((_, outcome),) = run_all([Case(arguments, stdin=stdin)])
    assert outcome["seconds"] < SECONDS
    return outcome["code"], outcome["err"], outcome["memory"]


@pytest.mark.parametrize(
    ("suffix", "head", "fill"),
    [("csv", b"a,b\n1,", b"x"), ("csv", b'a,b\n1,"', b"\n"), ("jsonl", b'{"a": 1, "b": "', b"x")],
)
def test_a_cell_beyond_the_limit_is_refused_by_the_name_of_its_option(
    tmp_path: Path, suffix: str, head: bytes, fill: bytes
) -> None:
    path = tmp_path / f"long.{suffix}"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(70):
            file.write(fill * ((1 << 20) // len(fill)))
    code, err, memory = peak_of(("fit", "-o", "-", "--from", suffix), path)
    assert code == 1
    assert "--max-record-bytes" in err
    assert memory < 0.7 * MEGABYTES  # the limit is 64 MiB


def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.zst"
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(b"a,b\n")
        for _ in range(100):
            stream.write(b"1" * (1 << 20))
    assert path.stat().st_size < 100_000
    code, err, memory = peak_of(("fit", "-o", "-"), path)
    assert code == 1
    assert "--max-record-bytes" in err
    assert memory < MEGABYTES


def wide(path: Path, columns: int) -> Path:
    names = ",".join(f"column_{i}" for i in range(columns))
    path.write_text(names + "\n" + ",".join(["1"] * columns) + "\n")
    return path


def test_more_columns_than_the_limit_are_refused_by_the_name_of_its_option(tmp_path: Path) -> None:
    code, err, memory = peak_of(("fit", "-o", "-"), wide(tmp_path / "w.csv", 100_000))
    assert code == 1
    assert "--max-columns" in err
    assert memory < MEGABYTES


@pytest.mark.parametrize(
    "suffix",
    [
        "csv",
        pytest.param("jsonl", marks=pytest.mark.slow),
        pytest.param("parquet", marks=pytest.mark.slow),
    ],
)
def test_thousands_of_columns_take_seconds_not_their_square(tmp_path: Path, suffix: str) -> None:
    path = wide(tmp_path / "w.csv", 10_000)
    target = str(tmp_path / f"w.{suffix}")
    code, err, memory = peak_of(("fit-transform", "-o", target, "-q"), path)
    assert (code, err) == (0, "")
    assert memory < MEGABYTES
    code, err, _ = peak_of(("fit", "-o", "-", "-s", "colunm_7"), path)
    assert code == 2
    assert "no column 'colunm_7'. Did you mean 'column_7'?" in err
