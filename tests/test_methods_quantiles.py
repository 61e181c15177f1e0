"""squash, quantile, winsorize and min-max of quantiles: known answers, and other libraries."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer

from normcli.errors import CellError, UsageError
from normcli.methods.spelling import method_of
from normcli.numerics import normal
from normcli.numerics.numbers import Numbers
from normcli.statistics import quantiles as module
from tests.conftest import Cli
from tests.test_methods import floats, known
from tests.test_methods_robust import FIVE, real_columns, scaled

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("text", "values", "results"),
    [
        ("squash", FIVE, [-0.9486832980505138, 0, 0, 0.9486832980505138, 2.8089875327071336]),
        # skrub, test_squashing_scaler_known_values
        ("squash", (-1, 0, 1), [-1 / math.sqrt(1 + 1 / 9), 0, 1 / math.sqrt(1 + 1 / 9)]),
        ("squash", (0, 0, 0, 0, 8), [0, 0, 0, 0, 2 / math.sqrt(1 + 4 / 9)]),  # 2 (x - m) / 8
        ("squash", (4, 4, 4), [0, 0, 0]),
        ("quantile:n=5", FIVE, [0, 0.375, 0.375, 0.75, 1]),
        (
            "quantile:n=5,normal",
            FIVE,
            [
                *(-5.199337582605575, -0.31863936396437514, -0.31863936396437514),
                *(0.6744897501960817, 5.19933758270342),
            ],
        ),
        ("quantile", FIVE, [0, 0.375, 0.375, 0.75, 1]),  # at most as many as there are numbers
        ("quantile", (4, 4, 4), [0, 0, 0]),
        ("quantile", (4,), [0]),
        ("winsorize:10%,90%", FIVE, [1.4, 2, 2, 3, 7.2]),
        ("winsorize:0%,100%", FIVE, FIVE),
        ("minmax:low=25%,high=75%", FIVE, [-1, 0, 0, 1, 8]),
        ("minmax:-1,1,low=10%,high=90%", FIVE, [2 * (v - 1.4) / 5.8 - 1 for v in FIVE]),
        ("minmax:high=75%,out-of-range=clip", FIVE, [0, 0.5, 0.5, 1, 1]),
    ],
)
def test_known_answers(
    text: str, values: tuple[float, ...], results: tuple[float, ...] | list[float]
) -> None:
    assert scaled(text, *values) == pytest.approx(list(results), rel=1e-15, abs=2e-16)


@pytest.mark.parametrize("output", ["uniform", "normal"])
@pytest.mark.parametrize("n", [10, 1000])
def test_quantile_is_that_of_scikit_learn_on_real_tables(output: str, n: int) -> None:
    for name, values in real_columns():
        x = np.array(values)[:, np.newaxis]
        theirs = QuantileTransformer(
            n_quantiles=min(n, len(values)), output_distribution=output, subsample=None
        ).fit(x)
        text = f"quantile:n={n}" + ",normal" * (output == "normal")
        ours = method_of(text).mapping(known(method_of(text), floats(*values)))
        table = theirs.quantiles_[:, 0]
        np.testing.assert_allclose(ours.table, table, rtol=1e-12, atol=1e-12 * max(abs(table)))  # type: ignore[attr-defined]
        # A quantile that NumPy rounds twice is beside the tie that it belongs to, in theirs.
        theirs.quantiles_[:, 0] = ours.table  # type: ignore[attr-defined]
        found, right = ours.values(floats(*values)).values, theirs.transform(x)[:, 0]
        far = abs(x[:, 0] - min(values)) > 1e-7 if output == "normal" else slice(None)
        np.testing.assert_allclose(found[far], right[far], rtol=1e-12, atol=1e-12, err_msg=name)


def test_the_normal_distribution_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.random(9999), 10.0 ** -rng.uniform(1, 300, 9999), [0.0, 1.0, 0.5]])
    np.testing.assert_allclose(normal.quantiles(p), norm.ppf(p), rtol=2e-15)
    np.testing.assert_allclose(normal.shares(norm.ppf(p)), p, rtol=1e-12)


@pytest.mark.parametrize("text", ["quantile:n=9", "quantile:n=9,normal", "squash"])
def test_the_inverse_leads_back(text: str) -> None:
    x = floats(*np.random.default_rng(2).lognormal(1, 1, 500))
    mapping = method_of(text).mapping(known(method_of(text), x))
    y = mapping.values(x).values
    back = mapping.inverse().values(Numbers(y[np.newaxis])).values
    np.testing.assert_allclose(back, x.parts[0], rtol=1e-9)


def test_numbers_outside_the_table_get_its_ends_and_are_counted() -> None:
    mapping = method_of("quantile").mapping(known(method_of("quantile"), floats(*FIVE)))
    done = mapping.values(floats(-7, 1, 11, NAN, INF))
    assert done.values[:3].tolist() == [0, 0, 1]
    assert done.keep is not None
    assert done.keep.tolist() == [False] * 3 + [True] * 2
    assert done.counts == {"out_of_range": 2, "clipped": 2}
    back = mapping.inverse().values(floats(-0.5, 0, 1, 1.5))
    assert back.values.tolist() == [1, 1, 10, 10]
    assert back.counts["out_of_range"] == 2


def test_a_table_wider_than_float64_works() -> None:
    mapping = method_of("quantile").mapping(known(method_of("quantile"), floats(-1.7e308, 1.7e308)))
    assert mapping.values(floats(-1.7e308, 0, 8.5e307)).values == pytest.approx([0, 0.5, 0.75])
    assert mapping.inverse().values(floats(0.25)).values.tolist() == [-8.5e307]


def test_squash_bounds_infinite_numbers_and_refuses_results_that_are_none() -> None:
    mapping = method_of("squash").mapping(known(method_of("squash"), floats(*FIVE)))
    done = mapping.values(floats(INF, -INF, NAN, 1e300))
    assert done.values[[0, 1, 3]].tolist() == [3, -3, 3]
    assert done.keep is not None
    assert done.keep.tolist() == [False, False, True, False]
    assert done.counts == {"inf": 0, "infinite_squashed": 2}
    with pytest.raises(CellError, match="is not between -3 and 3") as caught:
        mapping.inverse().values(floats(0, 3))
    assert caught.value.row == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "squash:bound=0",
            "squash:bound=inf",
            "quantile:n=1",
            "quantile:n=1e3",
            "quantile:n=99999",
        ),
        *("winsorize:99%,1%", "winsorize:5%", "winsorize:-1%,99%", "minmax:low=99%,high=1%"),
        *("minmax:low=x", "minmax:min=0,max=1,low=1%", "winsorize:1e999%,5%"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"squash|quantile|winsorize|minmax"):
        method_of(text)


def test_winsorize_counts_and_has_no_inverse(normcli: Cli, tmp_path: Path) -> None:
    table, stats = tmp_path / "t.csv", tmp_path / "t.stats.json"
    table.write_text("x\n" + "\n".join(map(str, FIVE)) + "\n")
    assert normcli("fit", table, "-q", "--method", "winsorize:10%,90%").code == 0
    done = normcli("transform", table, "--stats", stats)
    assert done.text.split()[1:] == ["1.4", "2.0", "2.0", "3.0", "7.2"]
    assert "2 cells clipped ('x')" in done.err
    done = normcli("inverse", table, "--stats", stats)
    assert done.code == 2
    assert "cannot be undone" in done.err


def test_a_table_is_kept_and_merged_by_its_cells(
    normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 64)
    x = np.random.default_rng(3).normal(size=1000).tolist()
    paths = [tmp_path / f"{i}.csv" for i in range(3)]
    for path, some in zip(paths, (x, x[:500], x[500:]), strict=True):
        path.write_text("x\n" + "\n".join(map(repr, some)) + "\n")
        assert normcli("fit", path, "-q", "--method", "quantile:n=11").code == 0
    whole, one, two = (path.with_suffix(".stats.json") for path in paths)
    sketch, merged = tmp_path / "sketch.json", tmp_path / "merged.json"
    options = ("--method", "quantile:n=11", "--quantiles", "sketch", "-q", "-o", sketch)
    assert normcli("fit", paths[0], *options).code == 0
    assert normcli("merge", "-q", one, two, "-o", merged).code == 0
    assert merged.read_bytes() == sketch.read_bytes()
    exact = normcli("transform", paths[0], "--stats", whole, "-q").text.split()[1:]
    done = normcli("transform", paths[0], "--stats", merged)
    assert "x: its median is only known to be between" in done.err
    difference = np.abs(np.array(done.text.split()[1:], float) - np.array(exact, float))
    assert 0 < difference.max() < 0.05


def test_more_tables_than_a_sidecar_keeps_are_refused(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = [f"c{i}" for i in range(2000)]
    path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    done = normcli("fit", path, "-q", "--method", "quantile")
    assert done.code == 1
    assert "1000 quantiles of each of 2000 columns" in done.err
    assert "quantile:n=524" in done.err
    assert normcli("fit", path, "-q", "--method", "quantile:n=524").code == 0


def test_quantiles_of_decimals_and_long_integers_are_of_the_nearest_float64() -> None:
    x = Numbers(np.array([[2.0**60, 1.0], [1.0, 0.0]]))
    mapping = method_of("winsorize:0%,100%").mapping(known(method_of("winsorize"), x))
    assert mapping.exactly(Fraction(2**60 + 1)) == 2**60
