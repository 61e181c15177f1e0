"""The estimators: what scikit-learn demands of its own, and its results."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing as theirs
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.utils.estimator_checks import check_estimator

import normcli
from normcli import sklearn as ours

PAIRS = [
    (ours.StandardScaler(), theirs.StandardScaler()),
    (ours.StandardScaler(with_mean=False), theirs.StandardScaler(with_mean=False)),
    (ours.StandardScaler(with_std=False), theirs.StandardScaler(with_std=False)),
    (ours.MinMaxScaler((-1, 3)), theirs.MinMaxScaler((-1, 3))),
    (ours.MinMaxScaler(clip=True), theirs.MinMaxScaler(clip=True)),
    (ours.MaxAbsScaler(), theirs.MaxAbsScaler()),
    (ours.RobustScaler(), theirs.RobustScaler()),
    (
        ours.RobustScaler(quantile_range=(10, 90), unit_variance=True, with_centering=False),
        theirs.RobustScaler(quantile_range=(10, 90), unit_variance=True, with_centering=False),
    ),
]
ALL = [*(pair[0] for pair in PAIRS), ours.Scaler("asinh+zscore:ddof=1")]


def table(rows: int = 60) -> np.ndarray:
    x = np.random.default_rng(7).normal(3, 5, (rows, 3))
    x[::7, 1] = np.nan
    return x


@pytest.mark.parametrize("estimator", ALL, ids=str)
def test_every_check_of_scikit_learn_passes(estimator: object) -> None:
    # What is called "Scaler" is taken for a class that had with_mean, before scikit-learn 0.17.
    expected = {"check_estimator_sparse_array": "with_mean", "check_estimator_sparse_matrix": ""}
    expected = expected if isinstance(estimator, ours.Scaler) else {}
    checks = check_estimator(estimator, on_fail=None, expected_failed_checks=expected)
    failed = [c for c in checks if c["status"] == "failed"]
    assert not failed, [(c["check_name"], c["exception"]) for c in failed]


@pytest.mark.parametrize(("mine", "other"), PAIRS, ids=str)
def test_results_are_those_of_scikit_learn(mine: object, other: object) -> None:
    x, new = table(), table(9) * 2
    mine, other = clone(mine).fit(x), clone(other).fit(x)
    np.testing.assert_allclose(mine.transform(new), other.transform(new), rtol=1e-12, atol=1e-14)
    back = mine.inverse_transform(mine.transform(x))
    np.testing.assert_allclose(back, x, rtol=1e-12, atol=1e-13)
    for name in ("mean_", "var_", "scale_", "data_min_", "data_max_", "max_abs_"):
        if name in dir(type(mine)) and getattr(other, name) is None:
            assert getattr(mine, name) is None
        elif name in dir(type(mine)):
            np.testing.assert_allclose(getattr(mine, name), getattr(other, name), rtol=1e-13)


def test_parts_in_any_order_give_the_same_statistics() -> None:
    x = table() * 1e9 + 1e9
    whole = ours.StandardScaler().fit(x).statistics_
    for parts in (np.array_split(x, 7), np.array_split(x, 3)[::-1]):
        scaler = ours.StandardScaler()
        for part in parts:
            scaler.partial_fit(part)
        assert scaler.statistics_ == whole


def test_sidecars_go_both_ways(tmp_path: Path) -> None:
    frame = pd.DataFrame(table(), columns=["a,b", "__proto__", "🧮"])
    scaler = ours.MinMaxScaler((-1, 1)).fit(frame)
    scaler.save(tmp_path / "s.json")
    loaded = ours.MinMaxScaler((-1, 1)).load(tmp_path / "s.json")
    assert np.array_equal(loaded.transform(frame), scaler.transform(frame), equal_nan=True)
    assert list(loaded.get_feature_names_out()) == list(frame)
    known = normcli.load(tmp_path / "s.json").transform(frame)
    assert np.array_equal(known, scaler.transform(frame), equal_nan=True)


def test_they_are_parts_of_pipelines() -> None:
    frame = pd.DataFrame(table(), columns=["a", "b", "c"]).assign(id="x")
    scaler = ours.Scaler("yeojohnson")
    both = ColumnTransformer([("s", scaler, ["a", "c"])], remainder="passthrough")
    both.set_output(transform="pandas")
    assert list(both.fit_transform(frame)) == ["s__a", "s__c", "remainder__b", "remainder__id"]
    assert pickle.loads(pickle.dumps(both)).transform(frame).equals(both.transform(frame))


def test_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="no method 'zscroe'"):
        ours.Scaler("zscroe").fit(table())
    with pytest.raises(ValueError, match="outside the domain of log"):
        ours.Scaler("log").fit_transform(-np.ones((3, 1)))
    with pytest.raises(ValueError, match="LOW must be less than HIGH"):
        ours.MinMaxScaler((1, 0)).fit(table())
    with pytest.raises(ValueError, match="methods of rows"):
        ours.Scaler("unit").fit_transform(table())
