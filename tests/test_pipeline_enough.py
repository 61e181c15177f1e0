"""A run that has read too little is an error: nothing is never a success."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from normcli import fit
from normcli.errors import DataError
from tests.conftest import Cli

SKIP = ("--on-bad-row", "skip")
GOOD, BAD = b"1,2\n", b"3\n"
HEADER = b"x,y\n"


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    assert normcli("fit", "-q", "-o", path, stdin=HEADER + b"1,2\n3,5\n").code == 0
    return path


def with_bad(good: int, bad: int) -> bytes:
    return HEADER + GOOD * good + BAD * bad


@pytest.mark.parametrize(
    ("good", "bad", "limit", "code"),
    [
        (1, 1, (), 0),
        (1, 10, (), 0),  # as many as any table may have
        (1, 11, (), 1),
        (989, 11, (), 1),
        (1089, 11, (), 0),  # exactly 1%
        (1088, 11, (), 1),
        (50, 3, ("--max-bad-rows", "3"), 0),
        (50, 4, ("--max-bad-rows", "3"), 1),
        (9999, 1, ("--max-bad-rows", "0"), 1),
        (90, 10, ("--max-bad-rows", "10%"), 0),
        (89, 10, ("--max-bad-rows", "10%"), 1),
        (1, 500, ("--max-bad-rows", "off"), 0),
        (0, 1, ("--max-bad-rows", "off"), 1),  # skipping may not leave nothing
    ],
)
def test_bad_rows_are_skipped_up_to_a_limit(
    normcli: Cli, stats: Path, good: int, bad: int, limit: tuple[str, ...], code: int
) -> None:
    table = with_bad(good, bad)
    for command in (("fit", "-o", "-"), ("transform", "--stats", stats), ("fit-transform",)):
        done = normcli(*command, *SKIP, *limit, stdin=table)
        assert done.code == code, (command, done.err)
        if code:
            assert "the first is line " in done.err
    checked = normcli("check", "--stats", stats, *SKIP, *limit, stdin=table)
    assert (checked.code == 1) == (code == 1)


@pytest.mark.parametrize("options", [("--chunk-rows", 1), ("--chunk-rows", 7, "-j", 2), ("-j", 1)])
def test_the_limit_is_of_all_inputs_whatever_the_chunks(
    normcli: Cli, tmp_path: Path, options: tuple[object, ...]
) -> None:
    """The first table has too many, both together do not; nothing is written before that."""
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_bytes(with_bad(9, 12))
    good.write_bytes(with_bad(1191, 0))
    assert normcli("fit", bad, good, "-o", "-", *SKIP, *options).code == 0
    good.write_bytes(with_bad(1100, 0))
    done = normcli("fit", bad, good, "-o", tmp_path / "s.json", *SKIP, *options)
    assert done.code == 1
    assert "too many bad rows, 12 of 1 121 (1.1%); the first is line 11: 1 cell" in done.err
    assert not (tmp_path / "s.json").exists()


def test_files_and_parts_are_not_replaced(normcli: Cli, stats: Path, tmp_path: Path) -> None:
    table, target, parts = tmp_path / "t.csv", tmp_path / "o.csv", tmp_path / "parts"
    table.write_bytes(with_bad(5, 12))
    target.write_bytes(b"old")
    assert normcli("transform", table, "--stats", stats, "-o", target, *SKIP).code == 1
    assert target.read_bytes() == b"old"
    cut = ("--output-dir", parts, "--fragment-bytes", 20)
    assert normcli("transform", table, "--stats", stats, *cut, *SKIP).code == 1
    assert not parts.exists()


@pytest.mark.parametrize("table", [HEADER, HEADER + b",\nNA,\n"])
def test_a_fit_of_no_number_is_an_error_that_can_be_allowed(normcli: Cli, table: bytes) -> None:
    for command in ("fit", "fit-transform"):
        done = normcli(command, stdin=table)
        assert done.code == 1
        assert done.err.startswith("normcli: stdin: there is no ")
        assert normcli(command, "--allow-empty", stdin=table).code == 0
    assert normcli("fit-transform", "--allow-empty", stdin=table).out == table


def test_a_header_is_enough_in_transform_and_beside_others(
    normcli: Cli, stats: Path, tmp_path: Path
) -> None:
    empty, full, saved = tmp_path / "empty.csv", tmp_path / "full.csv", tmp_path / "e.json"
    empty.write_bytes(HEADER)
    full.write_bytes(HEADER + b"1,2\n3,5\n")
    alone = normcli("fit", full, "-o", "-").out
    assert normcli("fit", empty, full, "-o", "-").out == alone
    assert normcli("fit", empty, "--allow-empty", "-o", saved).code == 0
    assert normcli("merge", saved, stats, "-o", "-").out == stats.read_bytes() == alone
    for options in (("--stats", stats), ("--method", "batch:batch-size=2"), ("--method", "log1p")):
        assert normcli("transform", empty, *options).out == HEADER
    missing = b"x,y\n,NA\n"
    assert normcli("transform", "--stats", stats, stdin=missing).out == missing


def test_a_check_of_no_rows_fails(normcli: Cli, stats: Path, tmp_path: Path) -> None:
    saved = tmp_path / "e.json"
    normcli("fit", "--allow-empty", "-o", saved, stdin=HEADER)
    for now in (
        normcli("check", "--stats", stats, stdin=HEADER),
        normcli("check", saved, "--stats", stats),
    ):
        assert now.code == 3
        assert now.text.endswith("there are no rows to compare\n")
    found = normcli("check", "--json", "--stats", stats, stdin=HEADER)
    assert json.loads(found.out)["fits"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-bad-rows", "5"), "--max-bad-rows needs --on-bad-row skip"),
        ((*SKIP, "--max-bad-rows", "few"), "--max-bad-rows must be a number, a percentage or"),
        ((*SKIP, "--max-bad-rows", "101%"), "--max-bad-rows must be a number, a percentage or"),
        ((*SKIP, "--max-bad-rows", "-1"), "--max-bad-rows must be a number, a percentage or"),
    ],
)
def test_a_wrong_limit_is_a_usage_error(normcli: Cli, options: tuple[str, ...], words: str) -> None:
    done = normcli("fit", *options, stdin=b"")
    assert done.code == 2
    assert words in done.err


def test_the_python_interface_has_the_same_rules(tmp_path: Path) -> None:
    empty = pd.DataFrame({"x": [None, None]}, dtype=float)
    with pytest.raises(DataError, match="there is no number in 2 rows"):
        fit(empty)
    assert fit(empty, allow_empty=True).rows == 2
    path = tmp_path / "t.csv"
    path.write_bytes(with_bad(5, 12))
    with pytest.raises(DataError, match="too many bad rows, 12 of 17"):
        fit(path, on_bad_row="skip")
    with pytest.warns(UserWarning, match="12 bad rows skipped"):
        assert fit(path, on_bad_row="skip", max_bad_rows="off").rows == 5
