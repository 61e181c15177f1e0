"""The Python functions give the numbers of the command line and change nothing else."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import normcli

SAMPLE = Path(__file__).parents[1] / "sample_data"


@pytest.fixture
def penguins() -> pd.DataFrame:
    return pd.read_csv(SAMPLE / "penguins.csv")


def test_a_dataframe_a_table_and_a_file_have_the_same_statistics(
    penguins: pd.DataFrame, tmp_path: Path
) -> None:
    from_file = normcli.fit(SAMPLE / "penguins.csv")
    from_frame = normcli.fit(penguins)
    from_table = normcli.fit(pa.Table.from_pandas(penguins))
    assert from_frame == from_file == from_table
    for i, statistics in enumerate((from_file, from_frame, from_table)):
        statistics.save(tmp_path / f"{i}.json")
    assert len({(tmp_path / f"{i}.json").read_bytes() for i in range(3)}) == 1
    assert normcli.load(tmp_path / "0.json") == from_file


def test_a_dataframe_keeps_index_order_and_the_types_of_the_rest(penguins: pd.DataFrame) -> None:
    frame = penguins.set_index(penguins.index * 10)
    frame["when"] = datetime.date(2020, 1, 1)
    frame["kind"] = frame["species"].astype("category")
    before = frame.copy()
    scaled = normcli.fit(frame).transform(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert list(scaled.columns) == list(frame.columns)
    pd.testing.assert_index_equal(scaled.index, frame.index)
    untouched = ["species", "island", "sex", "when", "kind"]
    pd.testing.assert_frame_equal(scaled[untouched], frame[untouched])
    assert scaled["bill_length_mm"].isna().sum() == 2


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("int64", "float64"),
        ("Int64", "Float64"),
        ("Float32", "Float32"),
        ("int64[pyarrow]", "double[pyarrow]"),
    ],
)
def test_scaled_columns_are_of_the_same_kind(dtype: str, expected: str) -> None:
    frame = pd.DataFrame({"x": pd.array([1, 2, 6], dtype=dtype)})
    scaled = normcli.fit(frame).transform(frame)
    assert str(scaled["x"].dtype) == expected
    assert scaled["x"].astype(float).to_numpy()[2] == pytest.approx(3 / np.sqrt(14 / 3))


def test_transform_agrees_with_scikit_learn(penguins: pd.DataFrame) -> None:
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    frame = penguins[columns]
    statistics = normcli.fit(frame)
    z = statistics.transform(frame).to_numpy()
    np.testing.assert_allclose(z, StandardScaler().fit_transform(frame), rtol=0, atol=2e-14)
    unit = statistics.with_method("minmax").transform(frame).to_numpy()
    np.testing.assert_allclose(unit, MinMaxScaler().fit_transform(frame), rtol=0, atol=5e-16)


def test_inverse_undoes_transform_for_a_subset(penguins: pd.DataFrame) -> None:
    statistics = normcli.fit(penguins, select="*_mm")
    scaled = statistics.transform(penguins)
    back = statistics.inverse(scaled[["bill_depth_mm"]])
    np.testing.assert_allclose(back["bill_depth_mm"], penguins["bill_depth_mm"], rtol=1e-15)


def test_merging_two_halves_is_fitting_the_whole(penguins: pd.DataFrame) -> None:
    first, second = penguins[::2], penguins[1::2]
    merged = normcli.fit(first).merge(normcli.fit(second))
    assert isinstance(merged, normcli.Statistics)
    assert merged == normcli.fit(penguins)


def test_files_are_transformed_to_files(tmp_path: Path, penguins: pd.DataFrame) -> None:
    statistics = normcli.fit(SAMPLE / "train.csv", method="minmax", range=(-1, 1))
    statistics.transform(SAMPLE / "train.csv", tmp_path / "scaled.parquet")
    scaled = pd.read_parquet(tmp_path / "scaled.parquet")
    assert scaled["body_mass_g"].min() == -1.0
    assert scaled["body_mass_g"].max() == 1.0
    with pytest.raises(normcli.UsageError, match="need the path of the output"):
        statistics.transform(SAMPLE / "train.csv")  # type: ignore[call-overload]


def test_mixed_objects_and_equal_names_are_no_trouble_unless_chosen() -> None:
    frame = pd.DataFrame([[1.0, "a", None], [2.0, 3, None]], columns=["x", "o", "o"])
    scaled = normcli.fit(frame, exclude=["o"]).transform(frame)
    assert scaled.iloc[:, 0].tolist() == [-1.0, 1.0]
    assert scaled.iloc[1, 1] == 3
    with pytest.raises(normcli.DataError, match="2 columns are named 'n'"):
        normcli.fit(pd.DataFrame([[1, 2]], columns=["n", "n"]))


def test_errors_name_the_column() -> None:
    statistics = normcli.fit(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(normcli.DataError, match="none of its columns is in the stat"):
        statistics.transform(pd.DataFrame({"y": [1.0]}))
    with pytest.raises(normcli.DataError, match="not numbers"):
        statistics.transform(pd.DataFrame({"x": ["a"]}))
    with pytest.raises(normcli.UsageError, match="no method 'zz'"):
        normcli.fit(pd.DataFrame({"x": [1.0]}), method="zz")


def test_bad_rows_are_skipped_on_request_and_a_warning_tells_of_them(tmp_path: Path) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text("id,x\na,1\nb\nc,five\nd,3\n")
    with pytest.raises(normcli.DataError, match="line 3: 1 cell where the header has 2"):
        normcli.fit(path, select="x")
    with pytest.warns(UserWarning, match="2 bad rows skipped:\n  line 3: 1 cell") as told:
        statistics = normcli.fit(path, select="x", on_bad_row="skip")
    assert statistics.rows == 2
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="line 4: column 'x': 'five' is not a number") as told:
        statistics.transform(path, out, on_bad_row="skip")
    assert out.read_text() == "id,x\na,-1.0\nd,1.0\n"
    assert told[0].filename == __file__
    with pytest.raises(normcli.UsageError, match="on_bad_row must be one of error, skip"):
        normcli.fit(path, on_bad_row="ignore")


def test_infinite_numbers_are_left_out_on_request() -> None:
    frame = pd.DataFrame({"x": [1.0, np.inf, 3.0]})
    with pytest.raises(normcli.DataError, match="the DataFrame: row 2, column 'x': inf is inf"):
        normcli.fit(frame)
    statistics = normcli.fit(frame, on_inf="ignore")
    assert statistics.columns["x"].inf == 1
    assert statistics.transform(frame, on_inf="ignore")["x"].tolist() == [-1.0, np.inf, 1.0]
    with pytest.raises(normcli.DataError, match="row 2"):
        statistics.inverse(frame)


def test_a_name_with_nul_is_an_error_of_ours(tmp_path: Path) -> None:
    statistics = normcli.fit(pd.DataFrame({"x": [1.0, 2.0]}))
    for call in (lambda: normcli.fit("a\0.csv"), lambda: statistics.save("a\0.json")):
        with pytest.raises(normcli.UsageError, match="a file name cannot contain NUL"):
            call()
