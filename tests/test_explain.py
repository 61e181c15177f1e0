"""--explain, the report of a run, and the bar: what people are told, and when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from normcli.files import Source
from normcli.formats.base import Table
from normcli.progress import Bar
from tests.conftest import Cli

TABLE = b"id,x,y,t\n007,1,10,a\n008,2,,b\n009,6,40,c\n"


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    assert normcli("fit", "-o", path, stdin=TABLE).code == 0
    return path


def test_fit_explains_which_columns_it_would_choose_and_saves_nothing(
    normcli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(TABLE)
    asked = ("--exclude", "y", "--column", "x=minmax", "--explain")
    for result in (normcli("fit", path, *asked), normcli("fit", *asked, stdin=TABLE)):
        assert result.text == (
            "column  is          because\n"
            "x       fitted      all cells are numbers or missing; method minmax\n"
            "y       left alone  excluded\n"
            "id      left alone  leading zeros: '007' at line 2\n"
            "t       left alone  text: 'a' at line 2\n"
        )
        assert result.err == ""
    assert list(tmp_path.iterdir()) == [path]


def test_transform_explains_every_column_by_its_formula(
    normcli: Cli, stats: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    asked = ("--column", "y=minmax:-1,1", "-o", out, "--explain")
    assert normcli("transform", "--stats", stats, *asked, stdin=TABLE).text == (
        "column  method  becomes\n"
        "id      -       as it is: not in the statistics\n"
        "x       zscore  (x - 3) / 2.160246899469287\n"
        "y       minmax  -1 + 2 * (x - 10) / 30\n"
        "t       -       as it is: not in the statistics\n"
    )
    assert not out.exists()


def test_inverse_explains_what_it_undoes(normcli: Cli, stats: Path) -> None:
    asked = ("-s", "x", "--explain")
    assert normcli("inverse", "--stats", stats, *asked, stdin=b"y,x\n1,2\n").text == (
        "column  method  undoes\n"
        "y       -       as it is: not selected\n"
        "x       zscore  (x - 3) / 2.160246899469287\n"
    )


def test_fit_transform_explains_both_of_its_steps(normcli: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    asked = ("--method", "minmax", "--exclude", "x", "--save-stats", saved, "--explain")
    assert normcli("fit-transform", *asked, stdin=TABLE).text == (
        "column  method  becomes\n"
        "id      -       as it is: leading zeros: '007' at line 2\n"
        "x       -       as it is: excluded\n"
        "y       minmax  0 + 1 * (x - 10) / 30\n"
        "t       -       as it is: text: 'a' at line 2\n"
    )
    assert not saved.exists()


def test_check_explains_what_it_would_let_pass(normcli: Cli, stats: Path) -> None:
    asked = ("--max-spread-ratio", "off", "--explain")
    assert normcli("check", "--stats", stats, *asked, stdin=b"x,new\nbad,1\n").text == (
        "column  numbers                   mean                std  missing\n"
        "x       at most 5% out of 1 to 6  1.91988 to 4.08012  any  0% to 5%\n"
        "y       there is no such column   -                   -    -\n"
        "new     -                         -                   -    -\n"
    )


def test_check_explains_the_comparison_of_sidecars_too(normcli: Cli, stats: Path) -> None:
    result = normcli("check", stats, "--stats", stats, "--explain")
    assert result.text.splitlines()[2].startswith(
        "y       at most 5% out of 10 to 40  17.5 to 32.5"
    )


def test_what_cannot_be_done_is_not_explained(normcli: Cli, stats: Path) -> None:
    result = normcli("transform", "--stats", stats, "--explain", stdin=b"x\n1\n")
    assert result.code == 1
    assert "no column 'y', which the statistics have" in result.err


# The report ----------------------------------------------------------------------------


def test_columns_that_were_not_asked_for_are_no_news(normcli: Cli) -> None:
    assert "left alone" not in normcli("fit", "-s", "x", stdin=TABLE).err
    result = normcli("fit", "--exclude", "x", stdin=TABLE)
    assert "left alone: id (leading zeros: '007' at line 2), t (text: 'a' at line 2)" in result.err


def test_short_runs_are_not_timed_for_people_but_for_programs(
    normcli: Cli, stats: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    result = normcli("transform", "--stats", stats, "--json-summary", told, stdin=TABLE)
    assert result.err == (
        "3 rows, scaled 2 columns: x, y\n1 cell missing, left as they were ('y')\n"
    )
    summary = json.loads(told.read_bytes())
    assert summary.pop("seconds") > 0
    assert summary == {
        "rows": 3,
        "columns": ["x", "y"],
        "left": {},
        "constant": [],
        "cells": {"missing": {"y": 1}},
        "bad_rows": {"count": 0, "first": []},
        "dropped_rows": 0,
        "bytes": len(TABLE),
    }


@pytest.mark.parametrize("command", ["fit", "transform", "inverse", "fit-transform", "check"])
def test_every_data_command_writes_its_summary(
    normcli: Cli, stats: Path, tmp_path: Path, command: str
) -> None:
    told = tmp_path / "told.json"
    given = [] if "fit" in command else ["--stats", stats]
    result = normcli(command, *given, "-q", "--json-summary", told, stdin=TABLE)
    assert (result.code, result.err) == (0, "")
    assert json.loads(told.read_bytes())["rows"] == 3


def test_a_run_of_seconds_tells_how_long_it_took_and_how_fast() -> None:
    from normcli.report import Summary, lines

    summary = Summary(rows=2, columns=["x"], seconds=2.0, bytes=150_000_000)
    assert list(lines(summary, "fitted")) == ["2 rows, fitted 1 column: x", "2.0 s, 75 MB/s"]


# The bar -------------------------------------------------------------------------------


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("normcli.progress.time.monotonic", found)
    return found


def opened(path: Path, rows: int | None = None) -> tuple[Source, Table]:
    class Known(Table):
        total_rows = rows

    path.write_bytes(b"x" * 1000)
    return Source(str(path), path), Known("csv", "t", ["x"], [0], {})


def test_a_bar_appears_after_a_second_and_is_drawn_ten_times_a_second(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(Bar, "_draw", lambda self, now: drawn.append(now))
    source, table = opened(tmp_path / "a")
    with Bar("fitting", [source]) as bar:
        bar.begin(source, table)
        for _ in range(200):
            clock.now += 0.01
            bar.summary.advance(1, [])
    assert [round(t, 2) for t in drawn] == [round(101 + i / 10, 2) for i in range(11)]
    assert bar.summary.rows == 200


def test_several_inputs_are_one_honest_total(clock: Clock, tmp_path: Path) -> None:
    (a, first), (b, second) = opened(tmp_path / "a"), opened(tmp_path / "b", rows=10)
    bar = Bar("fitting", [a, b])
    bar.begin(a, first)
    with a.open() as file:
        file.read(500)
        assert bar.done() == a.position() > 0
    bar.begin(b, second)
    bar.summary.advance(4, [])
    assert bar.done() == 1000 + 400  # Arrow reads files by itself; its rows tell
    clock.now += 10
    assert bar.words(1400, 10.0) == "4 rows  0.00014 MB/s  0:04 left"


def test_there_is_no_bar_without_a_terminal(normcli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("normcli.progress.DELAY", 0.0)
    assert "\x1b" not in normcli("fit", stdin=TABLE).err
