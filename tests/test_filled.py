"""Missing cells filled with the mean, the median or a number, in units of the column."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import normcli
from tests.conftest import Cli

TABLE = "id,x,y\n007,1.5,2\n008,,4\n009,NA,8\n010,7.25,\n011,nan,3\n"
STRATEGIES = {"mean": "mean", "median": "median", "-2.5": "constant"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def stats(normcli: Cli, table: Path) -> Path:
    path = table.with_suffix(".json")
    assert normcli("fit", table, "-q", "-s", "x,y", "--missing", "median", "-o", path).code == 0
    return path


@pytest.mark.parametrize("missing", STRATEGIES)
def test_a_missing_cell_is_filled_and_then_scaled_like_all_others(
    normcli: Cli, table: Path, stats: Path, missing: str
) -> None:
    frame = pd.read_csv(table, index_col="id")
    imputer = SimpleImputer(strategy=STRATEGIES[missing], fill_value=-2.5).fit(frame)
    filled = pd.DataFrame(imputer.transform(frame), columns=["x", "y"])
    expected = (filled - frame.mean()) / frame.std(ddof=0)  # of the numbers that were there
    done = normcli("transform", table, "--stats", stats, "--missing", missing)
    found = pd.read_csv(pd.io.common.StringIO(done.text), index_col="id")
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
    told = {"mean": "the mean", "median": "the median"}.get(missing, missing)
    assert f"4 cells missing, filled with {told} (most in 'x': 3)" in done.err


def test_the_mean_becomes_0_exactly(normcli: Cli, table: Path, stats: Path) -> None:
    done = normcli("transform", table, "-q", "--stats", stats, "--missing", "mean")
    assert [row.split(",")[1] for row in done.text.splitlines()[2:4]] == ["0.0", "0.0"]


def test_transform_does_what_fit_was_told_unless_it_is_told_otherwise(
    normcli: Cli, table: Path, stats: Path
) -> None:
    assert json.loads(stats.read_text())["missing"] == "median"
    followed = normcli("transform", table, "-q", "--stats", stats)
    told = normcli("transform", table, "-q", "--stats", stats, "--missing", "median")
    both = normcli("fit-transform", table, "-q", "-s", "x,y", "--missing", "median")
    assert followed.out == told.out == both.out
    kept = normcli("transform", table, "-q", "--stats", stats, "--missing", "keep")
    assert [row.split(",")[1] for row in kept.text.splitlines()[2:4]] == ["", "NA"]


def test_a_plain_fit_says_nothing_of_missing_cells(normcli: Cli, table: Path) -> None:
    plain = normcli("fit", table, "-q", "-s", "x,y", "-o", "-")
    asked = normcli("fit", table, "-q", "-s", "x,y", "-o", "-", "--missing", "keep")
    assert plain.out == asked.out
    assert '"missing": "' not in plain.text


def test_the_median_has_to_be_fitted(normcli: Cli, table: Path) -> None:
    path = table.with_suffix(".json")
    normcli("fit", table, "-q", "-s", "x,y", "-o", path)
    done = normcli("transform", table, "--stats", path, "--missing", "median")
    assert done.code == 2
    assert "column 'x': the statistics have no median to fill missing cells with" in done.err
    assert "normcli fit TABLE --missing median" in done.err


@pytest.mark.parametrize("method", ["log1p+zscore", "minmax", "robust", "maxabs"])
def test_the_fill_comes_before_any_map(normcli: Cli, table: Path, method: str) -> None:
    filled = table.with_name("filled.csv")
    filled.write_text(TABLE.replace(",,4", ",3,4").replace("NA", "3").replace("nan", "3"))
    path = table.with_suffix(".json")
    normcli("fit", table, "-q", "-s", "x", "-o", path, "--method", method)
    done = normcli("transform", table, "-q", "--stats", path, "--missing", "3")
    right = normcli("transform", filled, "-q", "--stats", path)
    assert done.out == right.out


def test_maps_without_a_fit_are_filled_with_numbers_only(normcli: Cli, table: Path) -> None:
    done = normcli("transform", table, "-q", "--column", "x=log1p", "--missing", "0")
    assert [row.split(",")[1] for row in done.text.splitlines()[2:4]] == ["0.0", "0.0"]
    refused = normcli("transform", table, "--column", "x=log1p", "--missing", "mean")
    assert (refused.code, "have no mean to fill missing cells with" in refused.err) == (2, True)


def test_a_fill_that_a_map_refuses_is_told_with_its_place(normcli: Cli, table: Path) -> None:
    done = normcli("transform", table, "--column", "x=log", "--missing", "0")
    assert done.code == 1
    assert "line 3, column 'x': '' is missing, and filled with 0, which is outside the" in done.err


@pytest.mark.parametrize("form", ["parquet", "arrow", "jsonl", "tsv"])
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_all_formats_and_chunks_agree(
    normcli: Cli, table: Path, stats: Path, form: str, chunk: int
) -> None:
    other = table.with_name(f"other.{form}")
    zero = ("--missing", "median", "--chunk-rows", str(chunk))
    frame = pd.read_csv(table, dtype={"id": str})
    if form == "parquet":
        frame.to_parquet(other)
    elif form == "arrow":
        frame.to_feather(other)
    elif form == "jsonl":
        frame.to_json(other, orient="records", lines=True)
    else:
        frame.to_csv(other, index=False, sep="\t")
    done = normcli("transform", other, "-q", "--stats", stats, "--to", "csv", *zero)
    assert done.out == normcli("transform", table, "-q", "--stats", stats).out


def test_a_key_that_an_object_lacks_is_added(normcli: Cli, tmp_path: Path) -> None:
    lines = b'{"a": 1, "b": 2}\n{"b": 4}\n{}\n\n{"a":null}\n{ "b":3,"a":[7][0] }\n'.replace(
        b"[7][0]", b"7"
    )
    asked = ("--from", "jsonl", "--missing", "4")
    done = normcli("fit-transform", "-q", "-s", "a", *asked, stdin=lines)
    assert done.text.splitlines() == [
        '{"a": -1.0, "b": 2}',
        '{"b": 4, "a": 0.0}',
        '{"a":0.0}',
        "",
        '{"a":0.0}',
        '{ "b":3,"a":1.0 }',
    ]


def test_infinite_cells_stay_beside_filled_ones(normcli: Cli, tmp_path: Path) -> None:
    path, target = tmp_path / "t.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"x": [1.0, None, float("nan"), float("inf"), 3.0]}), path)
    asked = ("--on-inf", "ignore", "--missing", "mean", "-o", target)
    assert normcli("fit-transform", path, "-q", *asked).code == 0
    assert pq.read_table(target)["x"].to_pylist() == [-1.0, 0.0, 0.0, float("inf"), 1.0]


def test_int64_and_decimals_are_filled_in_their_own_units(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {
        "n": pa.array([2**60 + 1, None, 2**60 + 3]),
        "d": pa.array(["1.10", None, "1.30"]).cast(pa.decimal128(5, 2)),
    }
    pq.write_table(pa.table(columns), path)
    done = normcli("fit-transform", path, "-q", "--missing", "mean", "--to", "csv")
    n, d = zip(*(row.split(",") for row in done.text.splitlines()[1:]), strict=True)
    assert (n[1], d[1]) == ("0.0", "0.0")


def test_groups_are_filled_with_their_own_means(normcli: Cli, tmp_path: Path) -> None:
    table = b"k,x\na,1\na,\na,3\nb,10\nb,\nb,30\n"
    done = normcli("fit-transform", "-q", "--by", "k", "--missing", "mean", stdin=table)
    assert [row.split(",")[1] for row in done.text.splitlines()[1:]] == [
        *("-1.0", "0.0", "1.0", "-1.0", "0.0", "1.0")
    ]


def test_a_column_that_was_empty_stays_empty(normcli: Cli, tmp_path: Path) -> None:
    done = normcli("fit-transform", "--missing", "mean", stdin=b"x,y\n1,\n3,\n")
    assert done.text.split() == ["x,y", "-1.0,", "1.0,"]
    assert "missing in every row: 1 column: y" in done.err


def test_inverse_says_that_it_cannot_tell_filled_cells(
    normcli: Cli, table: Path, stats: Path
) -> None:
    scaled = normcli("transform", table, "-q", "--stats", stats).out
    back = normcli("inverse", "--stats", stats, stdin=scaled)
    assert back.code == 0
    assert "missing cells had been filled with the median, and come back as numbers" in back.err
    assert [float(row.split(",")[1]) for row in back.text.splitlines()[2:4]] == [4.375, 4.375]
    refused = normcli("inverse", "--stats", stats, "--missing", "mean", stdin=scaled)
    assert (refused.code, "inverse takes --missing keep or null" in refused.err) == (2, True)


@pytest.mark.parametrize("text", ["men", "nan", "inf", "1e999", "", "1,5"])
def test_what_is_no_fill_is_refused(normcli: Cli, table: Path, text: str) -> None:
    done = normcli("fit-transform", table, "--missing", text)
    assert done.code == 2
    assert "--missing must be keep, null, mean, median or a number, not" in done.err


def test_merging_demands_the_same_fill(normcli: Cli, table: Path, stats: Path) -> None:
    other = table.with_name("other.json")
    normcli("fit", table, "-q", "-s", "x,y", "-o", other)
    done = normcli("merge", stats, other)
    assert done.code == 1
    assert "fitted with missing" in done.err


def test_a_sidecar_with_another_fill_is_refused(normcli: Cli, table: Path, stats: Path) -> None:
    stats.write_text(stats.read_text().replace('"missing": "median"', '"missing": "exec()"'))
    done = normcli("transform", table, "--stats", stats)
    assert (done.code, "field 'missing': 'exec()' is not valid" in done.err) == (1, True)


def test_frames_are_filled_too() -> None:
    frame = pd.DataFrame({"x": [1.0, None, 3.0, 8.0]})
    theirs = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    filled = frame.fillna(3.0)
    statistics = normcli.fit(frame, missing="median")
    expected = (filled - frame.mean()) / frame.std(ddof=0)
    np.testing.assert_allclose(statistics.transform(frame), expected, rtol=1e-15)
    assert statistics.transform(frame, missing="keep")["x"].isna().sum() == 1
    assert theirs.fit_transform(frame).shape == (4, 1)
    fitted = normcli.fit(filled)  # of filled numbers, as a pipeline of scikit-learn does it
    np.testing.assert_allclose(fitted.transform(filled), theirs.transform(frame), rtol=1e-14)


def test_batches_in_training_are_not_filled(normcli: Cli) -> None:
    asked = ("--method", "batch", "--batch-size", "2", "--missing", "0")
    done = normcli("transform", *asked, stdin=b"a\n1\n2\n")
    assert (done.code, "in training every batch has its own statistics" in done.err) == (2, True)
