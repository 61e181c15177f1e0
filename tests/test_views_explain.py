"""``--explain`` says what would be done, and does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

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
            "column  fitted  why\n"
            "x       yes     all cells are numbers or missing; method minmax\n"
            "y       no      excluded\n"
            "id      no      leading zeros: '007' at line 2\n"
            "t       no      text: 'a' at line 2\n"
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
        "id      -       unchanged: not in the statistics\n"
        "x       zscore  (x - 3) / 2.160246899469287\n"
        "y       minmax  -1 + 2 * (x - 10) / (40 - 10)\n"
        "t       -       unchanged: not in the statistics\n"
    )
    assert not out.exists()


def test_inverse_explains_the_way_back(normcli: Cli, stats: Path) -> None:
    asked = ("-s", "x", "--explain")
    assert normcli("inverse", "--stats", stats, *asked, stdin=b"y,x\n1,2\n").text == (
        "column  method  becomes\n"
        "y       -       unchanged: not selected\n"
        "x       zscore  y * 2.160246899469287 + 3, whole numbers restored\n"
    )


def test_fit_transform_explains_both_of_its_steps(normcli: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    asked = ("--method", "minmax", "--exclude", "x", "--save-stats", saved, "--explain")
    assert normcli("fit-transform", *asked, stdin=TABLE).text == (
        "column  method  becomes\n"
        "id      -       unchanged: leading zeros: '007' at line 2\n"
        "x       -       unchanged: excluded\n"
        "y       minmax  (x - 10) / (40 - 10)\n"
        "t       -       unchanged: text: 'a' at line 2\n"
    )
    assert not saved.exists()


def test_check_explains_what_it_would_let_pass(normcli: Cli, stats: Path) -> None:
    asked = ("--max-spread-ratio", "off", "--explain")
    assert normcli("check", "--stats", stats, *asked, stdin=b"x,new\nbad,1\n").text == (
        "column  95% within               mean                std  missing\n"
        "x       1 to 6                   1.91988 to 4.08012  any  0% to 5%\n"
        "y       there is no such column  -                   -    -\n"
        "new     not compared             -                   -    -\n"
    )


def test_check_explains_the_comparison_of_sidecars_too(normcli: Cli, stats: Path) -> None:
    result = normcli("check", stats, "--stats", stats, "--explain")
    assert result.text.splitlines()[2].startswith("y       10 to 40    17.5 to 32.5")


def test_a_range_that_does_not_matter_is_not_explained(normcli: Cli, stats: Path) -> None:
    result = normcli("check", stats, "--stats", stats, "--max-out-of-range", "off", "--explain")
    assert [line.split()[1] for line in result.text.splitlines()] == ["range", "any", "any"]


def test_batch_training_explains_which_columns_are_no_numbers(normcli: Cli) -> None:
    asked = ("--method", "batch", "--batch-size", 2, "--last-batch", "drop", "--explain")
    assert normcli("transform", *asked, stdin=TABLE).text.splitlines()[1:3] == [
        "id      -       unchanged: leading zeros: '007' at line 2",
        "x       batch   (x - mean_B) / sqrt(var_B + 1e-05)",
    ]


def test_a_column_that_was_fitted_on_no_number_is_explained_as_what_it_may_hold(
    normcli: Cli, tmp_path: Path
) -> None:
    path, table = tmp_path / "s.json", b"x\nNA\nNA\n"
    normcli("fit", "--allow-empty", "-o", path, stdin=table)
    for command in ("transform", "inverse"):
        told = normcli(command, "--stats", path, "--explain", stdin=table).text
        assert told.splitlines()[1] == (
            "x       zscore  missing cells stay unchanged; a number is an error, as none was fitted"
        )
    told = normcli("check", "--stats", path, "--explain", stdin=table).text
    assert told.splitlines()[1].split() == ["x", "none", "-", "-", "95%", "to", "100%"]


def test_what_cannot_be_done_is_not_explained(normcli: Cli, stats: Path) -> None:
    result = normcli("transform", "--stats", stats, "--explain", stdin=b"x\n1\n")
    assert result.code == 1
    assert "no column 'y', which the statistics have" in result.err


# The report ----------------------------------------------------------------------------


def test_columns_that_were_not_asked_for_are_no_news(normcli: Cli) -> None:
    assert "not fitted" not in normcli("fit", "-s", "x", stdin=TABLE).err
    result = normcli("fit", "--exclude", "x", stdin=TABLE)
    assert "not fitted: id (leading zeros: '007' at line 2), t (text: 'a' at line 2)" in result.err
