"""unit, layer and rms: every row by its own numbers."""

from __future__ import annotations

import csv
import json
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyarrow import feather
from sklearn.preprocessing import Normalizer

import normcli
from normcli.errors import UsageError
from normcli.methods.rows import RowMapping
from normcli.methods.spelling import method_of
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics
from tests.conftest import Cli
from tests.test_methods import ulp

METHODS = ("unit", "unit:l1", "unit:max", "layer", "rms", "layer:eps=1e-12")
EXACT = Context(prec=80, Emax=10**6, Emin=-(10**6))


def mapped(text: str, rows: np.ndarray) -> np.ndarray:
    mapping = method_of(text).mapping(ColumnStatistics())
    assert isinstance(mapping, RowMapping)
    done = mapping.rows([Numbers(column[np.newaxis]) for column in rows.T])
    return np.stack([each.values for each in done], axis=1)


def exactly(text: str, row: list[float]) -> list[Fraction]:
    """The definition, in fractions, with a root of 80 digits."""
    x = [Fraction(v) for v in row]
    if text == "unit:l1":
        return [v / sum(map(abs, x)) for v in x]
    if text == "unit:max":
        return [v / max(map(abs, x)) for v in x]
    eps, mean, n = Fraction(0), Fraction(0), len(x)
    if text.startswith("layer"):
        mean = sum(x, Fraction()) / n
    if text != "unit":
        eps = Fraction(1e-12 if "1e-12" in text else 1e-5)
    square = sum(((v - mean) ** 2 for v in x), Fraction()) / (1 if text == "unit" else n) + eps
    ratio = EXACT.divide(Decimal(square.numerator), Decimal(square.denominator))
    return [(v - mean) / Fraction(EXACT.sqrt(ratio)) for v in x]


sizes = st.sampled_from([1.0, 1e-9, 1e9, 1e200, 1e300, 1e-3])
rows = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.floats(-1, 1).filter(lambda v: v == 0 or abs(v) > 1e-3), min_size=n,
                       max_size=n)
)  # fmt: skip


@pytest.mark.parametrize("text", METHODS)
@given(rows, sizes)
def test_every_result_is_within_an_ulp(text: str, row: list[float], size: float) -> None:
    row = [v * size for v in row]
    assume(any(row))
    found = mapped(text, np.array([row]))[0]
    for value, right in zip(found.tolist(), exactly(text, row), strict=True):
        assert abs(Fraction(value) - right) <= ulp(right) * Fraction(51, 100)


def test_the_naive_norm_overflows_on_the_same_data() -> None:
    row = np.array([[3e200, -4e200, 0.0]])
    with np.errstate(over="ignore"):
        assert (row / np.sqrt((row * row).sum()) == 0).all()
    assert mapped("unit", row).tolist() == [[0.6, -0.8, 0.0]]


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_unit_is_the_normalizer_of_scikit_learn(norm: str) -> None:
    assert mapped(f"unit:{norm}", np.array([[3.0, -4.0, 0.0]])).tolist() == [
        {"l1": [3 / 7, -4 / 7, 0], "l2": [0.6, -0.8, 0], "max": [0.75, -1, 0]}[norm]
    ]
    table = np.random.default_rng(2).normal(0, 9, (500, 12))
    theirs = Normalizer(norm).fit_transform(table)
    np.testing.assert_allclose(mapped(f"unit:{norm}", table), theirs, rtol=5e-16)


def test_layer_and_rms_are_those_of_numpy() -> None:
    table = np.random.default_rng(3).normal(5, 2, (200, 7))
    center = table - table.mean(axis=1, keepdims=True)
    layer = center / np.sqrt(table.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(mapped("layer", table), layer, rtol=1e-13, atol=1e-15)
    rms = table / np.sqrt((table**2).mean(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(mapped("rms", table), rms, rtol=1e-15)


TABLE = "id,a,b,c\n007,3,-4,0\n008,0,0.0,0\n009,1,,5\n010,nan,1,2\n011,1,1,1\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize("chunk", ["1", "2", "100"])
def test_rows_that_are_not_scaled_stay_as_they_are_written(
    normcli: Cli, table: Path, chunk: str
) -> None:
    done = normcli("transform", table, "-s", "a,b,c", "--method", "unit", "--chunk-rows", chunk)
    third = 0.5773502691896257  # 1 / math.sqrt(3) is rounded twice
    assert done.text == (
        f"id,a,b,c\n007,0.6,-0.8,0.0\n008,0,0.0,0\n009,1,,5\n010,nan,1,2\n"
        f"011,{third},{third},{third}\n"
    )
    assert "4 cells in rows with a missing cell, unchanged (most in 'c': 2)" in done.err
    assert "3 cells in rows of zeros, unchanged" in done.err


def test_missing_cells_may_be_filled_first(normcli: Cli, table: Path) -> None:
    asked = ("-q", "-s", "a,b,c", "--method", "unit:max", "--missing", "0")
    done = normcli("transform", table, *asked)
    assert done.text.splitlines()[3:5] == ["009,0.2,0.0,1.0", "010,0.0,0.5,1.0"]


def test_the_row_is_made_of_the_columns_with_that_method(normcli: Cli, table: Path) -> None:
    table.write_text("a,b,c,d,e\n3,4,1,2,0\n")
    done = normcli("transform", table, "-q", "--column", "a,b=unit", "--column", "c,d=unit:l1")
    third = 1 / 3
    assert done.text == f"a,b,c,d,e\n0.6,0.8,{third},{2 * third},0\n"


def test_statistics_are_not_needed_but_may_be_kept(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".json")
    normcli("fit", table, "-q", "--exclude", "id", "-o", stats, "--method", "layer:eps=0.5")
    assert json.loads(stats.read_text())["method"] == {"name": "layer", "eps": 0.5}
    followed = normcli("transform", table, "-q", "--stats", stats)
    plain = normcli("transform", table, "-q", "-s", "a,b,c", "--method", "layer:eps=0.5")
    assert followed.out == plain.out
    option = normcli("transform", table, "-q", "-s", "a,b,c", "--method", "layer", "--eps", "0.5")
    assert option.out == plain.out


@pytest.mark.parametrize("form", ["jsonl", "parquet", "arrow"])
def test_all_formats_agree(normcli: Cli, table: Path, form: str) -> None:
    frame = pd.read_csv(table, dtype={"id": str})
    other = table.with_name(f"o.{form}")
    match form:
        case "jsonl":
            frame.to_json(other, orient="records", lines=True)
        case "parquet":
            frame.to_parquet(other)
        case _:
            frame.to_feather(other)
    asked = ("-q", "-s", "a,b,c", "--method", "rms")
    found = normcli("transform", other, *asked, "--to", "csv").text
    right = normcli("transform", table, *asked).text
    numbers = [
        [[float(cell or "nan") for cell in row[1:]] for row in csv.reader(text.splitlines()[1:])]
        for text in (found, right)
    ]
    np.testing.assert_array_equal(*numbers)


@pytest.mark.parametrize("text", ["unit", "layer", "rms"])
def test_there_is_no_way_back(normcli: Cli, table: Path, text: str) -> None:
    done = normcli("inverse", table, "-s", "a,b,c", "--method", text)
    assert (done.code, f"{text} loses the" in done.err) == (2, True)
    assert "cannot be undone" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unit:l3", "unit has no option 'l3'"),
        ("unit:norm=l3", "unit: norm must be one of l2, l1, max, not 'l3'"),
        ("layer:eps=0", "--eps must be greater than 0, not 0"),
        ("log1p+unit", "unit scales whole rows, and cannot be part of a chain"),
    ],
)
def test_bad_spellings_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        method_of(text)
    assert words in str(caught.value)


def test_explain_shows_the_formula_of_a_row(normcli: Cli, table: Path) -> None:
    done = normcli("transform", table, "-s", "a,b", "--method", "unit", "--explain")
    assert "x / sqrt(sum of the squares of the row), a row with a missing cell is" in done.text


def test_groups_and_new_columns(normcli: Cli, tmp_path: Path) -> None:
    table, stats = b"k,a,b\nx,3,4\ny,6,8\n", tmp_path / "s.json"
    normcli("fit", "-q", "--by", "k", "--method", "unit", "-o", stats, stdin=table)
    done = normcli("transform", "-q", "--stats", stats, "--suffix", "_u", stdin=table)
    assert done.text == "k,a,b,a_u,b_u\nx,3,4,0.6,0.8\ny,6,8,0.6,0.8\n"


def test_frames_too() -> None:
    frame = pd.DataFrame({"a": [3.0, 1], "b": [4.0, 0], "t": ["x", "y"]})
    done = normcli.fit(frame, method="unit").transform(frame)
    assert done[["a", "b"]].to_numpy().tolist() == [[0.6, 0.8], [1.0, 0.0]]
    table = pa.table({"a": pa.array([3, 1], pa.float32()), "b": pa.array([4, 0], pa.int8())})
    found = normcli.fit(table, method="unit", norm="l1").transform(table)
    assert found.schema.types == [pa.float32(), pa.float64()]
    assert found["b"].to_pylist() == [4 / 7, 0.0]


# --------------------------------------------------------------------- columns of lists

LISTS = pa.table(
    {
        "id": ["a", "b", "c", "d", "e"],
        "f": pa.array([[3, 4], [0, 0], None, [1, None], [6, 8]], pa.list_(pa.float32(), 2)),
        "l": pa.array([[3, 4], [], None, [-2], [1, 2, 2]], pa.list_(pa.int64())),
        "g": pa.array([[5, 0], [1], [2, 2], [], [0.5]], pa.large_list(pa.float64())),
    }
)
UNITS = {
    "f": [[0.6, 0.8], [0, 0], None, [1, None], [0.6, 0.8]],
    "l": [[0.6, 0.8], [], None, [-1], [1 / 3, 2 / 3, 2 / 3]],
    "g": [[1, 0], [1], [0.5**0.5, 0.5**0.5], [], [1]],
}


def close(found: list[object], right: list[object]) -> None:
    for a, b in zip(found, right, strict=True):
        if a is None or None in (b or [None]):  # type: ignore[operator]  # lists of numbers
            assert a == b
        else:
            np.testing.assert_allclose(a, b, rtol=1e-7)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("chunk", ["1", "2", "100"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_each_vector_of_a_list_column_is_a_row(
    normcli: Cli, tmp_path: Path, form: str, chunk: str
) -> None:
    path, out = tmp_path / f"t.{form}", tmp_path / f"out.{form}"
    save(LISTS, path)
    asked = ("-s", "f,l,g", "--method", "unit", "--chunk-rows", chunk, "-o", out)
    done = normcli("transform", path, *asked)
    assert done.code == 0, done.err
    found = pq.read_table(out) if form == "parquet" else feather.read_table(out)
    types = [t.value_type for t in found.schema.types[1:]]
    assert types == [pa.float32(), pa.float64(), pa.float64()]
    assert found.schema.field("f").type.list_size == 2
    for name, right in UNITS.items():
        close(found[name].to_pylist(), right)
    assert "1 cell in rows with a missing cell, unchanged ('f')" in done.err
    assert "2 cells in rows of zeros, unchanged ('f')" in done.err


def save(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        feather.write_feather(table, str(path), chunksize=2)


def test_lists_are_left_alone_unless_they_are_selected(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(LISTS.append_column("x", [[1.0, 2.0, 3.0, 4.0, 5.0]]), path)
    done = normcli("transform", path, "--method", "unit", "--to", "jsonl")
    assert json.loads(done.text.splitlines()[0]) == {
        "id": "a",
        "f": [3, 4],
        "l": [3, 4],
        "g": [5, 0],
        "x": 1.0,
    }
    other = normcli("transform", path, "-s", "f", "--method", "zscore:mean=1,std=2")
    assert (other.code, "is of type fixed_size_list" in other.err) == (1, True)


def test_new_and_filled_lists(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    save(LISTS, path)
    asked = ("--column", "f=unit", "--suffix", "_u", "--missing", "0", "--to", "jsonl")
    done = normcli("transform", path, "-q", *asked)
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert [row["f"] for row in rows] == LISTS["f"].to_pylist()
    assert [row["f_u"] for row in rows[1:4]] == [[0.0, 0.0], None, [1.0, 0.0]]


def test_an_infinite_element_is_told_with_its_row(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"e": [[1.0], [], [2.0, float("inf")]]}), path)
    done = normcli("transform", path, "-s", "e", "--method", "unit")
    assert done.code == 1
    assert "row 3, column 'e': [2.0, inf] has an infinite element" in done.err
    asked = ("-q", "-s", "e", "--method", "unit", "--on-inf", "ignore", "--to", "jsonl")
    assert '{"e":[2.0,1e999]}' in normcli("transform", path, *asked).text


def test_statistics_of_lists_are_not_saved(normcli: Cli, tmp_path: Path) -> None:
    path, stats = tmp_path / "t.parquet", tmp_path / "s.json"
    pq.write_table(LISTS, path)
    asked = ("-s", "f", "--method", "unit", "--save-stats", stats, "-o", tmp_path / "o.parquet")
    done = normcli("transform", path, *asked)
    assert (done.code, "--save-stats has no statistics of lists" in done.err) == (2, True)
    assert not (tmp_path / "o.parquet").exists()
