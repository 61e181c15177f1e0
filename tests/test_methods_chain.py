"""Chains and numbers given by hand, on the command line: which statistics are used, and kept."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli

X = [30000.0, 50000.0, 1200000.0, 41000.0]
TABLE = "id,x\n" + "".join(f"{i:03},{x:.0f}\n" for i, x in enumerate(X))
GIVEN = "zscore:mean=50000,std=8000"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(TABLE)
    return path


def fitted(normcli: Cli, data: Path, method: str) -> Path:
    """The sidecar of a fit for a method."""
    path = data.with_name("stats.json")
    assert normcli("fit", data, "-q", "--method", method, "-o", path).code == 0
    return path


def test_a_chain_keeps_the_statistics_of_what_it_scales_apart_from_those_of_the_column(
    normcli: Cli, data: Path
) -> None:
    plain = json.loads(fitted(normcli, data, "zscore").read_bytes())["columns"]["x"]
    chain = json.loads(fitted(normcli, data, "log1p+zscore").read_bytes())["columns"]["x"]
    logarithms = [Fraction(float(y)) for y in np.log1p(X)]
    mapped = chain.pop("of")["log1p"]
    assert chain == plain
    assert mapped["mean"] == float(sum(logarithms) / 4)
    assert (mapped["min"], mapped["max"]) == (float(min(logarithms)), float(max(logarithms)))


def test_a_chain_scales_by_the_statistics_of_the_mapped_numbers(normcli: Cli, data: Path) -> None:
    stats = fitted(normcli, data, "log1p+zscore")
    lines = normcli("transform", data, "-q", "--stats", stats).text.splitlines()[1:]
    y = np.log1p(X)
    found = [float(line.partition(",")[2]) for line in lines]
    np.testing.assert_allclose(found, (y - y.mean()) / y.std(), rtol=1e-12)


@pytest.mark.parametrize("method", ["zscore", "minmax", "log1p+minmax", "minmax+sqrt"])
def test_a_sidecar_of_a_chain_gives_other_methods_the_statistics_that_they_need(
    normcli: Cli, data: Path, method: str
) -> None:
    chain = fitted(normcli, data, "log1p+zscore")
    by_chain = normcli("transform", data, "-q", "--stats", chain, "--method", method)
    own = normcli("transform", data, "-q", "--stats", fitted(normcli, data, method))
    assert by_chain.code == own.code == 0
    assert by_chain.out == own.out


def test_a_chain_is_not_scaled_by_the_statistics_of_other_numbers(normcli: Cli, data: Path) -> None:
    plain = fitted(normcli, data, "zscore")
    result = normcli("transform", data, "--stats", plain, "--method", "log1p+zscore")
    assert (result.code, result.out) == (2, b"")
    assert "normcli fit TABLE --method log1p+zscore" in result.err


def test_a_chain_is_undone_step_by_step(normcli: Cli, data: Path) -> None:
    stats, scaled = fitted(normcli, data, "log1p+zscore+tanh"), data.with_name("scaled.csv")
    assert normcli("transform", data, "-q", "--stats", stats, "-o", scaled).code == 0
    back = normcli("inverse", scaled, "-q", "--stats", stats).text.splitlines()[1:]
    for line, x in zip(back, X, strict=True):
        assert math.isclose(float(line.partition(",")[2]), x, rel_tol=1e-12)


def test_given_numbers_need_no_fit_and_give_the_same_with_one(normcli: Cli, data: Path) -> None:
    alone = normcli("transform", data, "-q", "--method", GIVEN)
    assert alone.text == "id,x\n000,-2.5\n001,0.0\n002,143.75\n003,-1.125\n"
    stats = fitted(normcli, data, GIVEN)
    assert json.loads(stats.read_bytes())["columns"] == {
        "x": {"given": {"mean": 50000.0, "std": 8000.0}}
    }
    assert normcli("transform", data, "-q", "--stats", stats).out == alone.out
    back = normcli("inverse", "-q", "--stats", stats, stdin=alone.out)
    assert back.text == TABLE.replace("00\n", "00.0\n")
