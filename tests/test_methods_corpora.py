"""The methods against scikit-learn, PyTorch's recorded outputs, and what other tests assert."""

import csv
import json
import math

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from normcli.methods.batch import Batch
from normcli.methods.minmax import MinMax
from normcli.methods.zscore import ZScore
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.running import Running
from tests.corpora import corpus


def columns_of(path, missing=("",), header=True, delimiter=","):
    """The columns of numbers of a small CSV file: name -> float64 with NaN where missing."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    names = rows.pop(0) if header else [str(i + 1) for i in range(len(rows[0]))]
    found = {}
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        try:
            found[name] = np.array([math.nan if c in missing else float(c) for c in cells])
        except ValueError:
            continue
    return found


def fitted(values, running=None):
    column = ColumnStatistics.of(Numbers(values[None]))
    more = {"running": running} if running else {}
    return ColumnStatistics({**column.values, **more})


def scaled(method, values, column=None):
    return method.mapping(column or fitted(values)).values(Numbers(values[None])).values


REAL = [
    ("iris.csv", {}),
    ("penguins.csv", {}),
    ("longley.csv", {}),
    ("sklearn_diabetes_raw_space.csv", {"delimiter": " "}),
    ("winequality_red_noheader.csv", {"header": False}),
    ("california_housing.csv", {}),
]


@pytest.mark.parametrize(("name", "dialect"), REAL)
def test_real_tables_are_scaled_as_scikit_learn_does_to_a_few_ulp(name, dialect):
    columns = columns_of(corpus("real") / name, **dialect)
    assert columns
    for values in columns.values():
        x = values[:, None]
        z = StandardScaler().fit_transform(x)[:, 0]
        # both center: an ulp of x is worth this much in units of the standard deviation
        grain = 4 * np.spacing(np.nanmax(np.abs(x))) / np.nanstd(x)
        np.testing.assert_allclose(scaled(ZScore(), values), z, rtol=1e-14, atol=grain)
        ours = scaled(MinMax((-1, 1)), values)
        theirs = MinMaxScaler((-1, 1)).fit_transform(x)[:, 0]
        grain = 4 * np.spacing(np.nanmax(np.abs(x))) / np.ptp(x[~np.isnan(x)])
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * np.spacing(1.0) + grain)


@pytest.mark.parametrize(
    "name", ["test_BatchNorm2d_eval", "test_BatchNorm3d_eval", "test_BatchNorm3d_momentum_eval"]
)
def test_prediction_gives_what_pytorch_recorded(name):
    folder = corpus("batchnorm_onnx")
    facts = json.loads((folder / "expected.json").read_text())[name]
    given = columns_of(folder / f"{name}.input.csv")
    expected = columns_of(folder / f"{name}.output.csv")
    for i, (channel, values) in enumerate(given.items()):
        method = Batch(
            gamma=facts["gamma"][i],
            beta=facts["beta"][i],
            eps=facts["epsilon"],
            mode="predict",
            running=True,
        )
        running = Running(facts["running_mean"][i], facts["running_var"][i], 1)
        y = scaled(method, values, fitted(values, running))
        np.testing.assert_allclose(y, expected[channel], rtol=0, atol=1.8e-7)


def _fact(name):
    folder = corpus("peer_facts")
    facts = json.loads((folder / "facts.json").read_text())["facts"]
    (fact,) = (f for f in facts if f["id"] == name)
    return columns_of(folder / fact["csv"]), fact


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("tft_z_ints", ZScore()),
        ("tft_z_zero_variance", ZScore()),
        ("tft_minmax_range", MinMax((-1, 1))),
        ("tft_minmax_constant", MinMax((0, 10))),
        ("mlpack_minmax", MinMax()),
        ("mlpack_standard", ZScore()),
        ("mlpack_zero_scale", MinMax()),
        ("sk_minmax_zero_var", MinMax()),
        ("sk_single_row", ZScore()),
        ("sk_single_row", MinMax()),
        ("sk_const_log1e-5", ZScore()),
        ("sk_const_1e-100", ZScore()),
        ("nvt_std_zero", ZScore()),
    ],
)
def test_what_the_tests_of_other_libraries_assert_holds(name, method):
    columns, fact = _fact(name)
    for column, expected in fact["expected"].items():
        values = columns[column]
        y = scaled(method, values)
        np.testing.assert_allclose(y, expected, rtol=0, atol=5e-9)
        back = method.mapping(fitted(values)).inverse().values(Numbers(y[None])).values
        np.testing.assert_allclose(back, values, rtol=1e-15, atol=1e-15)


def test_scikit_learns_ten_equal_logarithms_become_exactly_zero():
    for name in ("sk_const_log1e-5", "sk_const_1e-100"):
        columns, _ = _fact(name)
        assert scaled(ZScore(), columns["x"]).tolist() == [0.0] * 10


def test_clipping_holds_new_rows_in_the_range_of_iris():
    columns, fact = _fact("sk_minmax_clip")
    iris = columns_of(corpus("real") / "iris.csv")
    for name, expected in fact["expected"].items():
        assert scaled(MinMax(out_of_range="clip"), columns[name], fitted(iris[name])) == expected


def test_given_mean_and_variance_are_used_as_keras_uses_them():
    method = Batch(eps=5e-324, mode="predict", running=True)
    x = np.array([1.0, 2.0, 3.0])
    y = scaled(method, x, fitted(x, Running(3.0, 2.0, 1)))
    np.testing.assert_allclose(y, (x - 3) / math.sqrt(2), rtol=1e-15)
