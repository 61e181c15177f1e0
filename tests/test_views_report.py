"""The report of a run: what it says, and how it is wrapped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from normcli.pipeline.summary import Summary
from tests.conftest import Cli

TABLE = b"id,x,y,t\n007,1,10,a\n008,2,,b\n009,6,40,c\n"


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    assert normcli("fit", "-o", path, stdin=TABLE).code == 0
    return path


SECONDS = re.compile(r" in \d+\.\d+ s")


def test_a_run_tells_rows_seconds_and_how_many_of_the_columns_it_scaled(
    normcli: Cli, stats: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    result = normcli("transform", "--stats", stats, "--json-summary", told, stdin=TABLE)
    assert SECONDS.sub(" in 0 s", result.err, count=1) == (
        "3 rows in 0 s, scaled 2 of 4 columns: x, y\n1 cell missing, unchanged ('y')\n"
    )
    summary = json.loads(told.read_bytes())
    assert summary.pop("seconds") > 0
    assert summary == {
        "rows": 3,
        "columns": ["x", "y"],
        "left": {"id": "not in the statistics", "t": "not in the statistics"},
        "constant": [],
        "cells": {"missing": {"y": 1}},
        "bad_rows": {"count": 0, "first": []},
        "dropped_rows": 0,
        "nan_as_null": 0,
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


def test_the_rate_is_told_from_a_megabyte_on() -> None:
    from normcli.views.report import lines

    summary = Summary(rows=2, columns=["x"], seconds=2.0, bytes=150_000_000)
    assert list(lines(summary, "fitted")) == ["2 rows in 2.0 s (75 MB/s), fitted 1 column: x"]
    summary = Summary(rows=2, columns=["x"], seconds=0.05, bytes=999_999)
    assert list(lines(summary, "fitted")) == ["2 rows in 0.05 s, fitted 1 column: x"]


def test_verbose_tells_all_of_what_is_else_cut(normcli: Cli, tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(30)]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["1"] * 29 + [""]) + "\n")
    short = normcli("fit", path).err.splitlines()
    assert short[21].startswith("... and 10 more")
    assert short[22].endswith("c8, c9, and 20 more")
    told = normcli("fit", path, "-v", "--exclude", "c1").err
    lines = told.splitlines()
    assert lines[29].split()[:3] == ["c29", "0", "1"]
    assert lines[30] == f"read {path} as csv"
    assert lines[31].endswith("c27, c28, c29")
    assert lines[32] == "not fitted: c1 (excluded)"
    assert lines[34] == "missing in every row: 1 column: c29"
    assert lines[35] == "1 cell missing, unchanged ('c29': 1)"
    assert normcli("fit", path, "-v", "-q").err == ""


def test_verbose_makes_check_report_too(normcli: Cli, stats: Path) -> None:
    assert normcli("check", "--stats", stats, stdin=TABLE).err == ""
    told = normcli("check", "--stats", stats, "-v", stdin=TABLE).err.splitlines()
    assert told[0] == "read stdin as csv"
    assert SECONDS.sub("", told[1]) == "3 rows, compared 2 columns: x, y"


def test_reports_are_wrapped_between_words() -> None:
    from normcli.views.report import wrapped

    line = "3 rows, fitted 2 columns: a_long_name, another"
    assert list(wrapped([line, "x"], 30)) == [
        "3 rows, fitted 2 columns:",
        "  a_long_name, another",
        "x",
    ]
