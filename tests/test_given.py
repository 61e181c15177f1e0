"""Numbers that are given by hand in place of a fit, from the command line to the bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli

TABLE = "id,x,y\n007,46000,1\n008,58000,2\n009,,4\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


def fitted(normcli: Cli, table: Path, *options: str) -> Path:
    """The sidecar of the table."""
    target = table.with_suffix(f".{len(options)}.json")
    done = normcli("fit", table, "-q", "-o", target, *options)
    assert done.code == 0, done.err
    return target


GIVEN = ("--column", "x=zscore:mean=50000,std=8000")


def test_they_transform_without_statistics_and_touch_nothing_else(
    normcli: Cli, table: Path
) -> None:
    done = normcli("transform", table, "-q", *GIVEN)
    assert done.text == "id,x,y\n007,-0.5,1\n008,1.0,2\n009,,4\n"


def test_they_transform_a_pipe_in_one_pass(normcli: Cli) -> None:
    done = normcli("transform", "-q", "--column", "x=minmax:min=0,max=65536", stdin=TABLE.encode())
    assert done.text.splitlines()[1] == "007,0.701904296875,1"  # 46000 / 65536, exactly


def test_the_sidecar_keeps_them_in_place_of_statistics(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN)
    columns = json.loads(stats.read_text())["columns"]
    assert columns["x"]["given"] == {"mean": 50000, "std": 8000}
    assert "count" not in columns["x"]
    assert columns["y"]["count"] == 3
    done = normcli("transform", table, "-q", "--stats", stats, "--select", "x")
    assert done.text == "id,x,y\n007,-0.5,1\n008,1.0,2\n009,,4\n"
    explained = normcli("transform", table, "--stats", stats, "--explain")
    assert "(x - 50000) / 8000" in explained.text


def test_inverse_leads_back(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN)
    scaled = normcli("transform", table, "-q", "--stats", stats, "--select", "x").out
    back = normcli("inverse", "-q", "--stats", stats, "--select", "x", stdin=scaled)
    assert back.text == "id,x,y\n007,46000.0,1\n008,58000.0,2\n009,,4\n"


def test_show_says_given_and_counts_no_cells(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN)
    (line,) = (each for each in normcli("show", stats).text.splitlines() if each[:2] == "x ")
    assert line.split() == ["x", "-", "-", "50000", "8000", "-", "-", "given"]
    (x, _) = json.loads(normcli("show", stats, "--json").text)["columns"]
    assert x["given"] == {"mean": 50000, "std": 8000}


def test_the_report_of_fit_counts_no_cells(normcli: Cli, table: Path) -> None:
    done = normcli("fit", table, "-o", table.with_suffix(".json"), *GIVEN)
    (line,) = (each for each in done.err.splitlines() if each[:2] == "x ")
    assert line.split() == ["x", "-", "-", "50000", "8000", "-", "-"]


def test_check_compares_what_they_tell(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN)
    done = normcli("check", table, "--stats", stats, "--json")
    x = json.loads(done.text)["columns"][0]
    assert x["mean_shift"] == 0.25  # (52000 - 50000) / 8000
    assert x["spread_ratio"] == 0.75  # 6000 / 8000
    ends = fitted(normcli, table, "--column", "x=minmax:min=0,max=50000", "--select", "x")
    done = normcli("check", table, "--stats", ends, "--json")
    assert done.code == 3
    x = json.loads(done.text)["columns"][0]
    assert x["out_of_range"] == 0.5
    assert (x["mean_shift"], x["spread_ratio"]) == (None, None)


def test_merge_keeps_equal_ones_and_refuses_others(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN)
    merged = json.loads(normcli("merge", "-q", stats, stats).text)
    assert merged["columns"]["x"]["given"] == {"mean": 50000, "std": 8000}
    assert merged["columns"]["y"]["count"] == 6
    other = table.with_suffix(".other.json")
    other.write_text(stats.read_text().replace('"mean": 50000', '"mean": 50001', 1))
    done = normcli("merge", stats, other)
    assert (done.code, done.out) == (1, b"")
    assert "column 'x': the given numbers differ" in done.err


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        ("zscore:mean=1", "takes mean and std together"),
        ("zscore:mean=1,std=0", "std must be greater than 0"),
        ("zscore:mean=1,std=nan", "std must be a finite number"),
        ("minmax:min=2,max=1", "min must not be greater than max"),
        ("batch:mean=1,var=-1", "var must be 0 or greater"),
    ],
)
def test_numbers_that_make_no_method_are_refused(
    normcli: Cli, table: Path, spelling: str, words: str
) -> None:
    done = normcli("transform", table, "--column", f"x={spelling}")
    assert (done.code, done.out) == (2, b"")
    assert words in done.err


ENDS = ("--column", "x=minmax:min=40000,max=60000", "-s", "x")


def test_another_method_takes_the_same_numbers(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table, *GIVEN, "-s", "x")
    options = ("--stats", stats, "--method", "batch", "--eps", "1e-9")
    done = normcli("transform", table, "-q", *options)
    assert done.text == "id,x,y\n007,-0.5,1\n008,1.0,2\n009,,4\n"
    done = normcli("transform", table, "-q", "--stats", stats, "--method", "zscore:no-center")
    assert done.text.splitlines()[1] == "007,5.75,1"


@pytest.mark.parametrize(
    ("given", "method", "words"),
    [
        (GIVEN, "minmax", "minmax takes min, max, and the statistics have only mean, std"),
        (GIVEN, "maxabs", "maxabs takes max, and the statistics have only mean, std"),
        (GIVEN, "decimal", "decimal takes no given numbers"),
        (ENDS, "zscore", "zscore takes mean, std, and the statistics have only min, max"),
        (ENDS, "batch", "batch takes mean, var, and the statistics have only min, max"),
        (GIVEN, "log1p+zscore", "are about the numbers as they are, which log1p+zscore does not"),
        (("--column", "x=log1p+zscore:mean=9,std=2"), "zscore", "are about numbers of log1p"),
    ],
)
def test_a_method_that_takes_other_numbers_is_refused(
    normcli: Cli, table: Path, given: tuple[str, ...], method: str, words: str
) -> None:
    stats = fitted(normcli, table, *given)
    done = normcli("transform", table, "--stats", stats, "-s", "x", "--method", method)
    assert (done.code, done.out) == (2, b"")
    assert "column 'x': " in done.err
    assert words in done.err
