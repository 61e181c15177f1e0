"""Columns that label rows (an index of pandas, a first column without a name) are not scaled."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import normcli as library
from normcli.sidecar import load
from tests.conftest import Cli

FRAMES = {
    "a filtered frame": pd.DataFrame({"v": [1.0, 2, 3]}, index=[5, 6, 9]),
    "a named index": pd.DataFrame({"v": [1.0, 2, 3]}, index=pd.Index([5, 6, 9], name="id")),
    "two levels": pd.DataFrame({"a": [1, 1, 2], "b": [3, 4, 3], "v": [1.0, 2, 3]}).set_index(
        ["a", "b"]
    ),
    "an index that is not stored": pd.DataFrame({"v": [1.0, 2, 3]}),
    "categories": pd.DataFrame({"c": pd.Categorical([10, 20, 10]), "v": [1.0, 2, 3]}),
}


def written(frame: pd.DataFrame, path: Path) -> Path:
    (frame.to_feather if path.suffix == ".feather" else frame.to_parquet)(path)
    return path


@pytest.mark.parametrize("kind", FRAMES)
def test_pandas_reads_back_its_index_and_categories(
    kind: str, tmp_path: Path, normcli: Cli
) -> None:
    frame = FRAMES[kind]
    path, target = written(frame, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    saved = tmp_path / "s.json"
    normcli("fit-transform", path, "-o", target, "--save-stats", saved)
    scaled = pd.read_parquet(target)
    stored = pd.read_parquet(path)  # Parquet has no categories of numbers
    pd.testing.assert_frame_equal(scaled.drop(columns="v"), stored.drop(columns="v"))
    assert scaled["v"].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert list(load(saved).columns) == list(library.fit(frame).columns) == ["v"]
    normcli("transform", path, "--stats", saved, "-o", target)
    pd.testing.assert_index_equal(pd.read_parquet(target).index, frame.index)
    assert normcli("check", path, "--stats", saved, "-q").code == 0


def test_an_index_is_scaled_where_it_is_selected(tmp_path: Path, normcli: Cli) -> None:
    path = written(FRAMES["a named index"], tmp_path / "in.parquet")
    for selectors, columns in (
        (("-s", "id"), ["id"]),
        (("-s", "*"), ["v", "id"]),
        (("-s", "1-2"), ["v", "id"]),
        (("-s", "!v"), None),
        (("--exclude", "id"), ["v"]),
    ):
        done = normcli("fit", path, *selectors, "-o", tmp_path / "s.json")
        assert done.code == (columns is None)
        assert columns is None or list(load(tmp_path / "s.json").columns) == columns, selectors
        assert columns or "'id' (pandas index)" in done.err


def test_an_index_that_was_fitted_is_compared_and_scaled(tmp_path: Path, normcli: Cli) -> None:
    path, saved = written(FRAMES["a named index"], tmp_path / "in.parquet"), tmp_path / "s.json"
    normcli("fit", path, "-s", "id,v", "-o", saved)
    assert normcli("check", path, "--stats", saved, "-q").code == 0
    normcli("transform", path, "--stats", saved, "-o", tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").index.tolist()[0] < 0


def test_a_column_is_set_aside_whichever_input_says_that_it_is_an_index(
    tmp_path: Path, normcli: Cli
) -> None:
    frame = FRAMES["a named index"]
    one = written(frame, tmp_path / "one.parquet")
    other = written(frame.reset_index()[["v", "id"]], tmp_path / "other.parquet")
    for inputs in ((one, other), (other, one)):
        normcli("fit", *inputs, "-o", tmp_path / "s.json")
        assert list(load(tmp_path / "s.json").columns) == ["v"]


def test_a_method_for_an_index_says_why_it_is_left_alone(tmp_path: Path, normcli: Cli) -> None:
    path = written(FRAMES["a named index"], tmp_path / "in.parquet")
    done = normcli("fit", path, "--column", "id=minmax", "-o", "-")
    assert "'id': it is left alone (pandas index)" in done.err


@pytest.mark.parametrize(
    "note", [b"", b"[]", b'{"index_columns": 3}', b'{"columns": [1]}', b"[" * 5000, b"\xff"]
)
def test_a_note_of_pandas_that_makes_no_sense_sets_nothing_aside(
    note: bytes, tmp_path: Path, normcli: Cli
) -> None:
    table = pa.table({"v": [1, 2]}).replace_schema_metadata({b"pandas": note})
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as writer:
        writer.write_table(table)
    normcli("fit", tmp_path / "in.arrow", "-o", tmp_path / "s.json")
    assert list(load(tmp_path / "s.json").columns) == ["v"]


def test_a_first_column_without_a_name_is_left_alone(tmp_path: Path, normcli: Cli) -> None:
    path = tmp_path / "in.csv"
    path.write_text(pd.DataFrame({"v": [1.0, 2, 3]}, index=[5, 6, 9]).to_csv())
    done = normcli("fit-transform", path, "--method", "minmax")
    assert done.text == ",v\n5,0.0\n6,0.5\n9,1.0\n"
    assert "row labels" in done.err
    assert normcli("fit-transform", path, "-q", "-s", "1", "--method", "minmax").text == (
        ",v\n0.0,1.0\n0.25,2.0\n1.0,3.0\n"
    )
    path.write_text('""\n1\n2\n')  # there is nothing else in the table
    assert normcli("fit-transform", path, "-q", "--method", "minmax").text == '""\n0.0\n1.0\n'
