"""The distance of distributions: SciPy's where cells are numbers, bounds of it where not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from normcli.numerics.cells import Cells
from normcli.statistics.distance import Distance
from normcli.views.show import binned
from tests.conftest import Cli

rng = np.random.default_rng(15)
PAIRS = {
    "normal": (rng.normal(0, 1, 2000), rng.normal(0.3, 1.2, 1500)),
    "lognormal": (rng.lognormal(0, 2, 2000), rng.lognormal(0.1, 2, 100)),
    "ties": (rng.integers(0, 5, 900) * 1.0, rng.integers(1, 9, 500) * 1.0),
    "apart": (np.arange(50.0), np.arange(100.0, 120.0)),
    "same": (np.arange(50.0), np.arange(50.0)),
    "one value": (np.full(9, 3.0), np.full(5, 3.0)),
}
every_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
Pair = tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", ...]


@every_pair
def test_the_largest_difference_is_that_of_scipy_where_cells_are_numbers(pair: Pair) -> None:
    found = Distance.of(*map(Cells.of, pair))
    assert found.cdf == found.most == pytest.approx(ks_2samp(*pair).statistic, abs=1e-15)


@every_pair
@pytest.mark.parametrize("most", [(64, 64), (64, 500), (300, 100)])
def test_wider_cells_give_bounds_of_it(pair: Pair, most: tuple[int, int]) -> None:
    a, b = (Cells.of(x).limited(m) for x, m in zip(pair, most, strict=True))
    found, right = Distance.of(a, b), ks_2samp(*pair).statistic
    assert found.cdf - 1e-15 <= right <= found.most + 1e-15
    assert found.most - found.cdf < 0.1


def index(pair: Pair) -> float:
    """The population stability index over the deciles of the first."""
    edges = [np.sort(pair[0])[len(pair[0]) * i // 10 - 1] for i in range(1, 10)]
    p, q = (np.bincount(np.searchsorted(edges, x), minlength=10) / len(x) for x in pair)
    q = np.maximum(q, 0.5 / len(pair[1]))
    return float(((q - p) * np.log(q / p)).sum())


@pytest.mark.parametrize("name", ["normal", "lognormal", "apart", "same"])
def test_the_stability_index_is_that_of_the_fitted_deciles(name: str) -> None:
    pair = PAIRS[name]
    assert Distance.of(*map(Cells.of, pair)).psi == pytest.approx(index(pair), rel=1e-12, abs=1e-15)
    if name != "apart":
        wide = Distance.of(*(Cells.of(x).limited(256) for x in pair)).psi
        assert wide == pytest.approx(index(pair), abs=0.05)


def test_a_stability_index_by_hand() -> None:
    then, now = [0.0] * 5 + [1.0] * 5, [0.0] * 2 + [1.0] * 8
    found = Distance.of(Cells.of(np.array(then)), Cells.of(np.array(now)))
    assert found.psi == pytest.approx(0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5))


def test_a_histogram_for_people_is_that_of_numpy() -> None:
    x = np.concatenate([rng.normal(0, 1, 999), [-5.0, 5.0]])
    found = binned(Cells.of(x), (-5.0, 5.0), 10)
    right = np.histogram(x, 10, (-5, 5))[0] / len(x)
    np.testing.assert_allclose(found, right, atol=1e-12)
    wide = binned(Cells.of(x).limited(64), (-5.0, 5.0), 10)
    assert sum(wide) == pytest.approx(1)
    np.testing.assert_allclose(wide, right, atol=0.05)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """A table, and one whose x has the same mean and spread, but another distribution."""
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    x = np.random.default_rng(1).normal(0, 1, 1000)
    y = np.where(np.arange(1000) % 2, 1.0, -1.0) + np.random.default_rng(2).normal(0, 0.1, 1000)
    for path, values in ((old, x), (new, y)):
        path.write_text("x\n" + "\n".join(map(repr, values.tolist())) + "\n")
    return old, new


def test_check_finds_what_mean_and_spread_do_not_tell(
    normcli: Cli, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = tables
    stats = tmp_path / "s.json"
    assert normcli("fit", old, "-q", "-o", stats).code == 0
    assert normcli("check", new, "--stats", stats).code == 0  # there are no cells
    assert normcli("fit", old, "-q", "-o", stats, "--method", "robust").code == 0
    assert normcli("check", old, "--stats", stats).code == 0
    done = normcli("check", new, "--stats", stats)
    assert done.code == 3
    assert "x: stability index" in done.text
    assert normcli("check", new, "--stats", stats, "--max-psi", "off").code == 0
    options = ("--stats", stats, "--max-psi", "off", "--max-cdf-difference", "0.2", "--json")
    done = normcli("check", new, *options)
    assert done.code == 3
    (column,) = json.loads(done.text)["columns"]
    x, y = (np.loadtxt(path, skiprows=1) for path in tables)
    assert column["cdf_difference"] == pytest.approx(ks_2samp(x, y).statistic)
    assert list(column["faults"]) == ["cdf_difference"]


def test_sidecars_are_compared_by_their_cells(
    normcli: Cli, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    for path in tables:
        assert normcli("fit", path, "-q", "--method", "robust").code == 0
    old, new = (path.with_suffix(".stats.json") for path in tables)
    by_cells = json.loads(normcli("check", new, "--stats", old, "--json").text)["columns"][0]
    by_data = json.loads(normcli("check", tables[1], "--stats", old, "--json").text)["columns"][0]
    assert by_cells["psi"] == by_data["psi"]
    assert "psi" in json.loads(normcli("show", old, new, "--json").text)["changes"][0]


def test_few_rows_are_told_to_make_an_index_by_chance(
    normcli: Cli, tables: tuple[Path, Path]
) -> None:
    old = tables[0]
    assert normcli("fit", old, "-q", "--method", "robust").code == 0
    few = old.with_name("few.csv")
    few.write_text("\n".join(old.read_text().splitlines()[:40]) + "\n")
    done = normcli("check", few, "--stats", old.with_suffix(".stats.json"))
    assert "chance alone can make a stability index of 0.56" in done.text


def test_show_draws_the_distribution_and_has_the_quantiles(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "\n".join(["1"] * 6 + ["2"] * 3 + ["11"]) + "\n")
    assert normcli("fit", path, "-q", "--method", "robust").code == 0
    stats = path.with_suffix(".stats.json")
    head, row = normcli("show", stats).text.splitlines()[2:]
    assert head.split() == [
        "column",
        "count",
        "missing",
        "mean",
        "std",
        "min",
        *("25%", "50%", "75%"),
        "max",
    ]
    assert row.split()[6:9] == ["1", "1", "2"]
    assert "█ ▄                 ▂" in row or "# +                 :" in row
    entry = json.loads(normcli("show", stats, "--json").text)["columns"][0]
    assert entry["cells"]["counts"] == [6, 3, 1]
    assert entry["quantiles"]["at"]["0.75"] == [2, 2]
