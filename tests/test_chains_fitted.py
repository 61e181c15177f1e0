"""Chains of two methods that are fitted: winsorize and another one, a power and zscore."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import PowerTransformer

from normcli.errors import UsageError
from normcli.methods.spelling import method_of
from normcli.statistics import quantiles as module
from tests.conftest import Cli

ROWS = 2000


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rng = np.random.default_rng(8)
    x, y = rng.lognormal(3, 1, ROWS), rng.normal(0, 1, ROWS)
    lines = (
        f"k{i % 2},{a!r},{b!r}" for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True))
    )
    path.write_text("\n".join(["key,x,y", *lines]) + "\n")
    return path


def read(text: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([line.split(",")[1:] for line in text.splitlines()[1:]], float)


def test_the_second_method_is_fitted_on_what_the_first_makes(normcli: Cli, table: Path) -> None:
    x = read(table.read_text())
    ends = np.quantile(x, [0.05, 0.95], axis=0)
    clipped = np.clip(x, *ends)
    done = normcli("fit-transform", table, "-q", "--method", "winsorize:5%,95%+zscore")
    right = (clipped - clipped.mean(axis=0)) / clipped.std(axis=0)
    np.testing.assert_allclose(read(done.text), right, atol=1e-11)
    done = normcli("fit-transform", table, "-q", "--method", "winsorize:5%,95%+robust")
    q = np.quantile(clipped, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(read(done.text), (clipped - q[1]) / (q[2] - q[0]), atol=1e-11)


@pytest.mark.parametrize(
    ("text", "name"), [("yeojohnson+zscore", "yeo-johnson"), ("boxcox+zscore", "box-cox")]
)
def test_a_power_and_zscore_are_those_of_scikit_learn(
    normcli: Cli, table: Path, text: str, name: str
) -> None:
    x = read(table.read_text())[:, :1]
    done = normcli("fit-transform", table, "-q", "--method", text, "--select", "x")
    theirs = PowerTransformer(name).fit_transform(x)
    np.testing.assert_allclose(read(done.text)[:, :1], theirs, atol=2e-5)  # by its lambda


def test_the_power_is_that_of_the_cells_that_are_kept(
    normcli: Cli, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 64)
    done = normcli("fit-transform", table, "-q", "--method", "yeojohnson+zscore")
    found = read(done.text)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-13)


@pytest.mark.parametrize("text", ["winsorize+zscore", "log1p+winsorize+minmax", "boxcox+zscore"])
def test_the_sidecar_is_the_same_for_files_pipes_chunks_and_jobs(
    normcli: Cli, table: Path, text: str
) -> None:
    if text.startswith(("log", "box")):
        table.write_text(
            "\n".join(line.rpartition(",")[0] for line in table.read_text().splitlines())
        )
    stats = table.with_suffix(".stats.json")
    assert normcli("fit", table, "-q", "--method", text).code == 0
    whole = stats.read_bytes()
    options = ("--method", text, "-q", "-o", stats)
    assert normcli("fit", table, *options, "--chunk-rows", "99", "--jobs", "2").code == 0
    assert stats.read_bytes() == whole
    assert normcli("fit", *options, stdin=table.read_bytes()).code == 0
    assert stats.read_bytes() == whole
    assert json.loads(whole)["columns"]["x"]["of"]


def test_the_inverse_leads_back_where_nothing_was_lost(
    normcli: Cli, table: Path, tmp_path: Path
) -> None:
    stats, scaled = table.with_suffix(".stats.json"), tmp_path / "scaled.csv"
    assert normcli("fit", table, "-q", "--method", "yeojohnson+zscore").code == 0
    assert normcli("transform", table, "-q", "--stats", stats, "-o", scaled).code == 0
    back = read(normcli("inverse", scaled, "-q", "--stats", stats).text)
    np.testing.assert_allclose(back, read(table.read_text()), rtol=1e-10)
    assert normcli("fit", table, "-q", "--method", "winsorize+zscore").code == 0
    done = normcli("inverse", scaled, "-q", "--stats", stats)
    assert done.code == 2
    assert "cannot be undone" in done.err


def test_what_needs_all_rows_twice_is_refused_by_name(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".stats.json")
    assert normcli("fit", table, "-q", "--column", "y=winsorize+zscore").code == 0
    done = normcli("merge", stats, stats)
    assert done.code == 1
    assert "cannot merge: winsorize+zscore was fitted in two passes" in done.err
    done = normcli("fit", table, "-q", "--method", "winsorize+zscore", "--by", "key")
    assert done.code == 2
    assert "winsorize before another method cannot be fitted by groups" in done.err


def test_statistics_of_the_second_method_are_asked_for(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".stats.json")
    assert normcli("fit", table, "-q", "--method", "winsorize").code == 0
    done = normcli("transform", table, "-q", "--stats", stats, "--method", "winsorize+zscore")
    assert done.code == 2
    assert "no moments of winsorize" in done.err
    assert "normcli fit TABLE --method winsorize+zscore" in done.err


@pytest.mark.parametrize(
    "text",
    [
        *("zscore+robust", "robust+zscore", "winsorize+log1p+zscore", "boxcox+minmax"),
        *("winsorize+winsorize+zscore", "boxcox:lambda=0.5+zscore:mean=0,std=1"),
    ],
)
def test_other_pairs_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a chain has one method that is fitted"):
        method_of(text)
