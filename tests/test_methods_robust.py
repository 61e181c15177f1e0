"""robust: known answers, scikit-learn on real tables, and what merged statistics allow."""

from __future__ import annotations

import csv
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import RobustScaler

from normcli.errors import UsageError
from normcli.methods.spelling import method_of
from normcli.statistics import quantiles as module
from tests.conftest import Cli
from tests.corpora import corpus
from tests.test_methods import floats, known, ulp

FIVE = (1.0, 2.0, 2.0, 3.0, 10.0)


def scaled(text: str, *values: float) -> list[float]:
    """The numbers scaled by their own statistics."""
    method, x = method_of(text), floats(*values)
    found: list[float] = method.mapping(known(method, x)).values(x).values.tolist()
    return found


@pytest.mark.parametrize(
    ("text", "values", "results"),
    [
        ("robust", FIVE, [-1, 0, 0, 1, 8]),
        ("robust:unit-variance", FIVE, [v / 0.741301109252801 for v in (-1, 0, 0, 1, 8)]),
        ("robust:range=10,90", FIVE, [v / 5.8 for v in (-1, 0, 0, 1, 8)]),
        ("robust:scale=mad", FIVE, [v / 1.482602218505602 for v in (-1, 0, 0, 1, 8)]),
        ("robust:no-center", FIVE, [1, 2, 2, 3, 10]),
        ("robust:no-scale", FIVE, [-1, 0, 0, 1, 8]),
        ("robust", (1, 2, 3, 4, 5), [-1, -0.5, 0, 0.5, 1]),  # this and the next: of Ray's docs
        ("robust", (13, 5, 14, 2, 8), [0.625, -0.375, 0.75, -0.75, 0]),
        # BigQuery takes quartiles of type 1, -1 and 4 here; its results are (x - 2) / 3.
        ("robust", (-3, 1, 2, 3, 4, 5), [-5.5 / 2.5, -0.6, -0.2, 0.2, 0.6, 1]),
        ("robust", (7, 7, 7), [0, 0, 0]),
        ("robust", (1, 1, 1, 1, 9), [0, 0, 0, 0, 8]),
    ],
)
def test_known_answers(text: str, values: tuple[float, ...], results: list[float]) -> None:
    assert scaled(text, *values) == pytest.approx(results, rel=1e-15)


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=40))
def test_every_result_is_rounded_once_by_quantiles_that_are(values: list[float]) -> None:
    method, x = method_of("robust"), floats(*values)
    quantiles = known(method, x).values["quantiles"]
    q = [quantiles.quantile(Fraction(i, 4)).middle for i in (1, 2, 3)]  # type: ignore[attr-defined]
    divisor = Fraction(q[2]) - Fraction(q[0]) or Fraction(1)
    for y, v in zip(scaled("robust", *values), values, strict=True):
        right = (Fraction(v) - Fraction(q[1])) / divisor
        if abs(right) < Fraction(2) ** 1023:
            assert abs(Fraction(y) - right) <= ulp(right) * Fraction(501, 1000)


def real_columns() -> list[tuple[str, list[float]]]:
    """The columns of numbers of real tables."""
    found = []
    for path in sorted(corpus("real").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        for i, name in enumerate(head):
            cells = [row[i] for row in rows if len(row) > i and row[i].strip() not in ("", "NA")]
            try:
                values = [float(cell) for cell in cells]
            except ValueError:
                continue
            if values and all(map(math.isfinite, values)):
                found.append((f"{path.stem}.{name}", values))
    return found


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("robust", {}),
        ("robust:range=5,95", {"quantile_range": (5, 95)}),
        ("robust:unit-variance", {"unit_variance": True}),
        ("robust:no-center", {"with_centering": False}),
        ("robust:no-scale", {"with_scaling": False}),
    ],
)
def test_results_on_real_tables_are_those_of_scikit_learn(
    text: str, options: dict[str, object]
) -> None:
    for name, values in real_columns():
        if text == "robust:unit-variance" and not np.subtract(*np.quantile(values, [0.75, 0.25])):
            continue  # theirs divides by 1 / 1.349 then
        theirs = RobustScaler(**options).fit_transform(np.array(values)[:, np.newaxis])[:, 0]
        size = np.abs(theirs).max()
        np.testing.assert_allclose(
            scaled(text, *values), theirs, rtol=4e-15, atol=4e-15 * size, err_msg=name
        )


@pytest.mark.parametrize(
    "text",
    [
        "robust:range=75,25",
        "robust:range=25",
        "robust:range=-1,50",
        "robust:range=x,50",
        "robust:scale=sd",
        "robust:range=0,100,unit-variance",
        "robust:scale=mad,unit-variance",
        "robust:range=1e999,50",
    ],
)
def test_arguments_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="robust"):
        method_of(text)


def test_a_range_of_0_is_told(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n1\n1\n1\n1\n9\n")
    done = normcli("fit-transform", table, "--method", "robust")
    assert done.text == "x\n0.0\n0.0\n0.0\n0.0\n8.0\n"
    assert "x: its range from 25% to 75% is 0; the differences are not divided" in done.err


@pytest.fixture
def halves(
    normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path, list[float]]:
    """A table, merged statistics of its halves with few cells, and its numbers."""
    monkeypatch.setattr(module, "KEPT", 64)
    values = np.random.default_rng(5).lognormal(2, 1, 1000).tolist()
    paths = [tmp_path / f"{i}.csv" for i in range(3)]
    for path, some in zip(paths, (values, values[::2], values[1::2]), strict=True):
        path.write_text("x\n" + "\n".join(map(repr, some)) + "\n")
        assert normcli("fit", path, "-q", "--method", "robust").code == 0
    merged = tmp_path / "merged.json"
    parts = [path.with_suffix(".stats.json") for path in paths[1:]]
    done = normcli("merge", *parts, "-o", merged)
    assert "x: quantiles not exact: median between" in done.err
    assert "for exact quantiles, fit all files together" in done.err
    return paths[0], merged, values


def test_merged_statistics_scale_by_the_middle_and_tell_how_far_it_may_be_off(
    normcli: Cli, halves: tuple[Path, Path, list[float]]
) -> None:
    table, merged, values = halves
    done = normcli("transform", table, "--stats", merged)
    assert "its range from 25% to 75% is not exact" in done.err
    limit = float(done.err.split("off by at most ")[1].split("%")[0]) / 100
    at = json.loads(merged.read_text())["columns"]["x"]["quantiles"]["at"]
    low, center, high = (sum(map(Fraction, pair)) / 2 for pair in at.values())
    y = list(map(float, done.text.split()[1:]))
    assert y == pytest.approx([float((Fraction(v) - center) / (high - low)) for v in values])
    right = np.subtract(*np.quantile(values, [0.75, 0.25]))
    assert 0 < abs(float(high - low) / right - 1) <= limit


def test_a_divisor_that_may_be_0_is_an_error_that_names_the_fit(
    normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 64)
    table, stats = tmp_path / "t.csv", tmp_path / "s.json"
    values = [*np.random.default_rng(1).lognormal(0, 200, 300), *(5 + np.arange(900) * 1e-9)]
    table.write_text("x\n" + "\n".join(map(repr, map(float, values))) + "\n")
    assert normcli("fit", table, "-q", "-o", stats, "--quantiles", "sketch", "--at", ".5").code == 0
    done = normcli("transform", table, "--stats", stats, "--method", "robust")
    assert done.code == 1
    assert "column 'x': its range from 25% to 75% may be 0" in done.err
    assert "Fit all data together, without --quantiles sketch" in done.err


def test_statistics_without_quantiles_name_the_fit(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n1\n2\n")
    assert normcli("fit", table, "-q").code == 0
    done = normcli("transform", table, "--stats", tmp_path / "t.stats.json", "--method", "robust")
    assert done.code == 2
    assert (
        "no quantiles, which robust needs. Fit them: normcli fit TABLE --method robust" in done.err
    )


def test_statistics_of_other_levels_serve_where_cells_are_the_numbers(
    normcli: Cli, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n" + "\n".join(map(str, FIVE)) + "\n")
    assert normcli("fit", table, "-q", "--at", "0.1").code == 0
    stats = tmp_path / "t.stats.json"
    done = normcli("transform", table, "--stats", stats, "--method", "robust", "-q")
    assert done.text == "x\n-1.0\n0.0\n0.0\n1.0\n8.0\n"


def test_mapped_numbers_have_quantiles_of_their_own(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    values = [1.0, 10.0, 100.0, 1000.0, 10.0]
    table.write_text("x\n" + "\n".join(map(repr, values)) + "\n")
    done = normcli("fit-transform", table, "-q", "--method", "log10+robust")
    assert list(map(float, done.text.split()[1:])) == [-1.0, 0.0, 1.0, 2.0, 0.0]
    back = tmp_path / "y.csv"
    back.write_text(done.text)
    assert normcli("fit", table, "-q", "--method", "log10+robust").code == 0
    done = normcli("inverse", back, "-q", "--stats", tmp_path / "t.stats.json")
    assert list(map(float, done.text.split()[1:])) == pytest.approx(values)


def test_what_is_fitted_and_scaled_at_once_is_saved_with_its_quantiles(
    normcli: Cli, tmp_path: Path
) -> None:
    table, saved, stats = tmp_path / "t.csv", tmp_path / "saved.json", tmp_path / "t.stats.json"
    table.write_text("x\n" + "\n".join(map(str, FIVE)) + "\n")
    options = ("--method", "robust:scale=mad", "-q")
    assert normcli("fit", table, *options).code == 0
    assert normcli("fit-transform", table, *options, "--save-stats", saved).code == 0
    assert saved.read_bytes() == stats.read_bytes()
    parts = ("--output-dir", tmp_path / "parts", "--fragment-bytes", "4")
    assert normcli("fit-transform", table, *options, "--save-stats", saved, *parts).code == 0
    assert saved.read_bytes() == stats.read_bytes()
