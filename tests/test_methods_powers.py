"""boxcox and yeojohnson: SciPy's lambdas and values, merging, and the edges."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from sklearn.preprocessing import PowerTransformer

from normcli.errors import CellError, DataError, UsageError
from normcli.methods.spelling import method_of
from normcli.numerics.cells import Cells
from normcli.numerics.numbers import Numbers
from normcli.statistics import quantiles as module
from normcli.statistics.power import exponent, limits
from tests.conftest import Cli
from tests.test_methods import floats, known
from tests.test_methods_robust import FIVE, real_columns

KINDS = ("boxcox", "yeojohnson")
# Yeo and Johnson's example, from the tests of scikit-learn and SciPy: Darwin's maize.
DARWIN = [6.1, -8.4, 1.0, 2.0, 0.7, 2.9, 3.5, 5.1, 1.8, 3.6, 7.0, 3.0, 9.3, 7.5, -6.0]


def test_known_lambdas() -> None:
    five = Cells.of(np.array(FIVE))
    assert exponent("boxcox", five) == pytest.approx(-0.4651718317689, abs=1e-6)
    assert exponent("yeojohnson", five) == pytest.approx(-0.9476997061783, abs=1e-6)
    assert exponent("yeojohnson", Cells.of(np.array(DARWIN))) == pytest.approx(1.305, abs=5e-4)


def likelihood(kind: str, values: list[float], power: float) -> Decimal:
    """The log-likelihood in 40 digits, as float64 has too few."""
    with localcontext(prec=40):
        p, y, j = Decimal(power), [], Decimal(0)
        for v in map(Decimal, values):
            sign = -1 if kind == "yeojohnson" and v < 0 else 1
            log = v.ln() if kind == "boxcox" else (1 + abs(v)).ln()
            k = p if sign > 0 else 2 - p
            y.append(sign * ((log * k).exp() - 1) / k)
            j += sign * log
        mean = sum(y) / len(y)
        var = sum((each - mean) ** 2 for each in y) / len(y)
        return -len(y) * var.ln() / 2 + (p - 1) * j


@pytest.mark.parametrize("kind", KINDS)
def test_lambdas_on_real_tables_are_those_of_scipy_or_better(kind: str) -> None:
    for name, values in real_columns():
        x = np.array(values)
        if x.min() == x.max() or (kind == "boxcox" and x.min() <= 0):
            continue
        cells, off = Cells.of(x).limited(4096), 1e-6 if len(set(values)) <= 4096 else 1e-4
        found = exponent(kind, cells)
        theirs = (
            stats.boxcox_normmax(x, method="mle") if kind == "boxcox" else stats.yeojohnson(x)[1]
        )
        if found != pytest.approx(theirs, abs=off, rel=off):
            assert off == 1e-6, name
            ours = likelihood(kind, values, found)
            assert ours > likelihood(kind, values, float(theirs)), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [-2.5, -0.5, 0.0, 0.5, 1.0, 2.0, 3.25])
def test_values_are_those_of_scipy(kind: str, power: float) -> None:
    x = np.random.default_rng(4).lognormal(1, 2, 500)
    if kind == "yeojohnson":
        x = np.concatenate([x, -x, [0.0]])
    mapping = method_of(f"{kind}:lambda={power}").mapping(
        known(method_of(f"{kind}:lambda={power}"), floats(1))
    )
    y = mapping.values(floats(*x)).values
    right = special.boxcox(x, power) if kind == "boxcox" else stats.yeojohnson(x, power)
    np.testing.assert_allclose(y, right, rtol=4e-15)
    kept = abs(y) < (0.99 / abs(power) if power else math.inf)  # beyond, digits are lost
    kept &= abs(y) < (0.99 / abs(2 - power) if power != 2 else math.inf)
    back = mapping.inverse().values(Numbers(y[np.newaxis])).values
    np.testing.assert_allclose(back[kept], x[kept], rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_results_on_real_tables_are_those_of_scikit_learn(kind: str) -> None:
    for name, values in real_columns():
        x = np.array(values)
        if x.min() == x.max() or (kind == "boxcox" and x.min() <= 0) or len(set(values)) > 4096:
            continue
        method = method_of(kind)
        mapping = method.mapping(known(method, floats(*values)))
        theirs = PowerTransformer(
            "box-cox" if kind == "boxcox" else "yeo-johnson", standardize=False
        ).fit(x[:, np.newaxis])
        theirs.lambdas_[0] = mapping.power  # type: ignore[attr-defined]
        right = theirs.transform(x[:, np.newaxis])[:, 0]
        np.testing.assert_allclose(
            mapping.values(floats(*values)).values, right, rtol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "x",
    [
        [2003.0, 1950.0, 1997.0, 2000.0, 2009.0],  # SciPy #19016: overflows without a cap
        (1e9 + np.random.default_rng(1).normal(size=300)).tolist(),
        (1e-9 * np.random.default_rng(1).random(300)).tolist(),
        [1e-300, 1e300, 1.0],
        [1.7e308, 1.6e308, 1.0],
        [5e-324, 1e-320],
        [1.0, 1.0 + 2**-52],
    ],
    ids=str,
)
def test_lambda_is_capped_where_results_would_leave_float64_or_be_equal(
    kind: str, x: list[float]
) -> None:
    method = method_of(kind)
    column = known(method, floats(*x))
    mapping = method.mapping(column)
    y = mapping.values(floats(*x)).values
    assert np.isfinite(y).all()
    assert abs(y).max() <= 1.1e304
    assert len(set(y.tolist())) > 1 or kind == "yeojohnson"  # 1 + 1e-320 is 1
    low, high = limits(kind, Cells.of(np.array(x)))
    assert low - 1e-6 <= mapping.power <= high + 1e-6  # type: ignore[attr-defined]
    if x[0] == 2003.0:
        assert "its lambda is capped at 92.0" in mapping.warning


def test_a_constant_column_keeps_its_differences() -> None:
    for kind, results in (("boxcox", [3.0, 4.0]), ("yeojohnson", [4.0, 5.0])):
        mapping = method_of(kind).mapping(known(method_of(kind), floats(4, 4, 4)))
        assert mapping.values(floats(4, 5)).values == pytest.approx(results)


def test_numbers_that_have_no_power_are_told_where_they_are(normcli: Cli, tmp_path: Path) -> None:
    good, bad, stats_ = tmp_path / "good.csv", tmp_path / "bad.csv", tmp_path / "good.stats.json"
    good.write_text("id,x\n1,3\n2,4\n")
    bad.write_text("id,x\n1,3\n2,0\n")
    options = ("--method", "boxcox", "-q", "--exclude", "id")
    done = normcli("fit", bad, *options)
    assert done.code == 1
    assert "line 3, column 'x'" in done.err
    assert "is not greater than 0, as boxcox needs" in done.err
    assert normcli("fit", good, *options).code == 0
    done = normcli("transform", bad, "--stats", stats_, "-q")
    assert done.code == 1
    assert "line 3, column 'x'" in done.err
    assert normcli("fit", bad, "-q", "--exclude", "id", "--method", "yeojohnson").code == 0
    done = normcli("transform", bad, "--stats", tmp_path / "bad.stats.json", "--method", "boxcox")
    assert "column 'x': its minimum is 0, and boxcox needs numbers greater than 0" in done.err


def test_what_is_no_result_of_a_power_is_refused_on_the_way_back() -> None:
    method = method_of("boxcox:lambda=-1")
    back = method.mapping(known(method, floats(1))).inverse()
    assert back.values(floats(0.5)).values.tolist() == [2.0]
    with pytest.raises(CellError, match="is no result of boxcox"):
        back.values(floats(0.5, 1.5))


def test_merging_gives_the_lambda_of_the_whole(
    normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 256)
    x = np.random.default_rng(6).lognormal(2, 0.5, 2000).tolist()
    paths = [tmp_path / f"{i}.csv" for i in range(4)]
    for path, some in zip(paths, (x, x[:700], x[700:900], x[900:]), strict=True):
        path.write_text("x\n" + "\n".join(map(repr, some)) + "\n")
        assert normcli("fit", path, "-q", "--method", "yeojohnson").code == 0
    whole, *parts = (path.with_suffix(".stats.json") for path in paths)
    merged = tmp_path / "merged.json"
    assert normcli("merge", "-q", *parts[::-1], "-o", merged).code == 0
    assert merged.read_bytes() == whole.read_bytes()
    cells = json.loads(whole.read_text())["columns"]["x"]["cells"]
    assert cells["yeojohnson"] == pytest.approx(stats.yeojohnson(x)[1], abs=2e-3)


def test_a_given_lambda_needs_no_fit_and_a_wrong_one_is_refused(normcli: Cli) -> None:
    done = normcli("transform", "-q", "--column", "x=boxcox:lambda=0.5", stdin=b"x\n4\n9\n")
    assert list(map(float, done.text.split()[1:])) == pytest.approx([2.0, 4.0])
    with pytest.raises(UsageError):
        method_of("boxcox:lambda=x")


def test_boxcox_of_statistics_below_0_is_refused() -> None:
    with pytest.raises(DataError, match="its minimum is -1"):
        method_of("boxcox").mapping(known(method_of("boxcox"), floats(-1, 1)))
