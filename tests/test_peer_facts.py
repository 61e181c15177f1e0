"""What the tests of other libraries assert, on the command line; at every chunk size."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.corpora import CORPORA, corpus

FACTS = CORPORA / "peer_facts" / "facts.json"
ALL = json.loads(FACTS.read_text())["facts"] if FACTS.exists() else []
OPERATIONS = {
    "zscore ddof=0": ["--method", "zscore", "--ddof", "0"],
    "zscore": ["--method", "zscore"],
    "minmax range -1 1": ["--method", "minmax", "--range", "-1", "1"],
    "minmax range 0 10": ["--method", "minmax", "--range", "0", "10"],
    "minmax 0 1, then inverse": ["--method", "minmax"],
}


def fact_of(name: str) -> tuple[dict[str, object], Path]:
    folder = corpus("peer_facts")
    (fact,) = (
        f for f in json.loads((folder / "facts.json").read_text())["facts"] if f["id"] == name
    )
    return fact, folder / fact["csv"]


def columns(text: str) -> dict[str, list[float]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return {key: [float(row[key]) for row in rows if row[key]] for key in rows[0]} if rows else {}


@pytest.mark.parametrize("name", [fact["id"] for fact in ALL])
def test_the_statistics_of_the_fact_are_exact(normcli: Cli, name: str, tmp_path: Path) -> None:
    fact, path = fact_of(name)
    allowed = ["--allow-empty"] if name == "recipes_zero_rows" else []
    whole = normcli("fit", path, "-o", "-", "-q", *allowed)
    assert whole.code == 0, whole.err
    found = json.loads(whole.out)["columns"]
    for column, exact in fact["stats"].items():
        if not exact or not exact.get("count"):
            continue
        assert found[column]["count"] == exact["count"]
        assert found[column]["mean"] == pytest.approx(float(exact["mean"]), rel=2.3e-16, abs=0)
        assert found[column]["std"] == pytest.approx(float(exact["sd_pop"]), rel=2.3e-16, abs=0)
    if path.stat().st_size < 20_000:
        for rows, jobs in ((1, 1), (2, 1), (7, 2)):
            options = ("--chunk-rows", rows, "-j", jobs, *allowed)
            assert normcli("fit", path, "-o", "-", "-q", *options).out == whole.out


@pytest.mark.parametrize("name", [f["id"] for f in ALL if f["operation"] in OPERATIONS])
def test_scaling_gives_what_the_fact_asserts(normcli: Cli, name: str, tmp_path: Path) -> None:
    fact, path = fact_of(name)
    options = OPERATIONS[str(fact["operation"])]
    saved = tmp_path / "s.json"
    scaled = normcli("fit-transform", path, *options, "--save-stats", saved)
    assert scaled.code == 0, scaled.err
    for column, expected in fact["expected"].items():
        result = columns(scaled.text)[column]
        if isinstance(expected, dict):  # the result's own mean and standard deviation
            mean = sum(result) / len(result)
            assert mean == pytest.approx(expected["mean_after"], abs=1e-15)
            square = sum((y - mean) ** 2 for y in result) / len(result)
            assert square**0.5 == pytest.approx(expected["sd_after"], rel=1e-15)
        else:
            assert result == pytest.approx(expected, abs=5e-9)
    back = normcli("inverse", "--stats", saved, *options, stdin=scaled.out)
    original = columns(path.read_text())
    for column, values in columns(back.text).items():
        assert values == pytest.approx(original[column], rel=1e-15, abs=1e-15)


def test_a_constant_column_becomes_the_low_end_of_any_range(normcli: Cli) -> None:
    _, path = fact_of("sk_minmax_zero_var")
    first_three = b"a,b,c\n0,0,0.5\n0,0,0\n0,0,1\n"
    result = normcli("fit-transform", "--method", "minmax", "--range", 1, 2, stdin=first_three)
    assert columns(result.text) == {"a": [1, 1, 1], "b": [1, 1, 1], "c": [1.5, 1, 2]}
    assert "constant: 2 columns: a, b" in result.err
    assert path.exists()


def test_clipped_rows_end_at_the_ends_of_iris(normcli: Cli, tmp_path: Path) -> None:
    fact, path = fact_of("sk_minmax_clip")
    saved = tmp_path / "iris.json"
    normcli("fit", corpus("real") / "iris.csv", "-o", saved, "--method", "minmax")
    result = normcli("transform", path, "--stats", saved, "--out-of-range", "clip")
    assert columns(result.text) == fact["expected"]
    assert "4 cells out of the fitted range" in result.err


def test_a_batch_of_one_row_is_an_error_never_nan(normcli: Cli) -> None:
    _, path = fact_of("torch_bn_one_value")
    result = normcli("transform", path, "--method", "batch", "--batch-size", 2)
    assert result.code == 1
    assert "the last batch has one row, which carries no information" in result.err
    assert b"nan" not in result.out.lower()


def test_saved_statistics_go_through_a_header_only_file(normcli: Cli, tmp_path: Path) -> None:
    _, path = fact_of("recipes_zero_rows")
    saved = tmp_path / "s.json"
    normcli("fit", "-o", saved, stdin=b"x\n1\n2\n")
    result = normcli("transform", path, "--stats", saved)
    assert (result.code, result.out) == (0, path.read_bytes())
