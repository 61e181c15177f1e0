"""Columns that have one scale together (--share)."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from tests.conftest import Cli

RNG = np.random.default_rng(18)
FRAME = pd.DataFrame(
    {
        "shop": RNG.choice(["a", "b"], 60),
        "q1": np.round(RNG.normal(10, 2, 60), 2),
        "q2": np.round(RNG.normal(50, 9, 60), 2),
        "z": np.round(RNG.normal(0, 1, 60), 2),
    }
)
DATA = FRAME.to_csv(index=False).encode()


@pytest.mark.parametrize(
    ("method", "scaler"), [("zscore", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test_they_are_scaled_as_one_column(
    normcli: Cli, method: str, scaler: StandardScaler | MinMaxScaler
) -> None:
    done = normcli("fit-transform", "--share", "q*", "--method", method, "-q", stdin=DATA)
    found = pd.read_csv(io.BytesIO(done.out))
    both = FRAME[["q1", "q2"]].to_numpy()
    expected = scaler.fit(both.reshape(-1, 1)).transform(both.reshape(-1, 1)).reshape(both.shape)
    np.testing.assert_allclose(found[["q1", "q2"]], expected, rtol=1e-13, atol=1e-13)
    alone = normcli("fit-transform", "-s", "z", "--method", method, "-q", stdin=DATA)
    assert found["z"].equals(pd.read_csv(io.BytesIO(alone.out))["z"])


def test_the_sidecar_keeps_the_statistics_of_each_column(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert normcli("fit", "--share", "q2,q1", "-q", "-o", path, stdin=DATA).code == 0
    document = json.loads(path.read_text())
    assert document.pop("share") == [["q1", "q2"]]
    assert document == json.loads(normcli("fit", "-q", stdin=DATA).out)
    assert "shares its scale with q2" in normcli("show", path).text
    scaled = normcli("transform", "--stats", path, "-q", stdin=DATA)
    assert scaled.out == normcli("fit-transform", "--share", "q*", "-q", stdin=DATA).out
    back = pd.read_csv(io.BytesIO(normcli("inverse", "--stats", path, "-q", stdin=scaled.out).out))
    np.testing.assert_allclose(back[["q1", "q2", "z"]], FRAME[["q1", "q2", "z"]], rtol=1e-13)


def test_a_column_can_be_scaled_without_the_others(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert normcli("fit", "--share", "q*", "-q", "-o", path, stdin=DATA).code == 0
    whole = pd.read_csv(io.BytesIO(normcli("transform", "--stats", path, "-q", stdin=DATA).out))
    alone = FRAME[["q1"]].to_csv(index=False).encode()
    found = normcli("transform", "--stats", path, "-s", "q1", "-q", stdin=alone)
    assert pd.read_csv(io.BytesIO(found.out))["q1"].equals(whole["q1"])


def test_it_holds_within_each_group(normcli: Cli) -> None:
    done = normcli("fit-transform", "--share", "q*", "--by", "shop", "-q", stdin=DATA)
    found = pd.read_csv(io.BytesIO(done.out))
    for shop in "ab":
        own = FRAME["shop"] == shop
        alone = FRAME[own].to_csv(index=False).encode()
        expected = normcli("fit-transform", "--share", "q*", "-q", stdin=alone)
        there = pd.read_csv(io.BytesIO(expected.out))
        assert (
            found[own][["q1", "q2"]].to_numpy().tolist() == there[["q1", "q2"]].to_numpy().tolist()
        )


def test_it_goes_with_weights(normcli: Cli) -> None:
    weights = RNG.integers(1, 5, 60)
    data = FRAME.assign(w=weights).to_csv(index=False).encode()
    done = normcli("fit-transform", "--share", "q*", "--weight", "w", "-q", stdin=data)
    both = FRAME[["q1", "q2"]].to_numpy()
    scaler = StandardScaler().fit(both.reshape(-1, 1), sample_weight=np.repeat(weights, 2))
    expected = scaler.transform(both.reshape(-1, 1)).reshape(both.shape)
    found = pd.read_csv(io.BytesIO(done.out))[["q1", "q2"]]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--share", "p*"], "no column 'p*'"),
        (["--share", "q1"], "'q1' is the only column of numbers that it names"),
        (["--share", "q*", "--share", "q1,z"], "'q1' is named twice"),
        (
            ["--share", "q*", "--column", "q1=minmax"],
            "q2' have different methods, minmax and zscore",
        ),
        (["--share", "q*", "--method", "robust"], "--share does not go with robust"),
    ],
)
def test_refusals(normcli: Cli, options: list[str], words: str) -> None:
    done = normcli("fit", *options, stdin=DATA)
    assert (done.code, words in done.err) == (2, True), done.err


def test_merge_demands_the_same_lists(normcli: Cli, tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, options in zip(paths, (["--share", "q*"], []), strict=True):
        assert normcli("fit", *options, "-q", "-o", path, stdin=DATA).code == 0
    assert "cannot merge: fitted with share" in normcli("merge", *paths).err
