"""Whole numbers come back whole from `inverse`, and nothing else is rounded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import normcli
from normcli.formats.base import Style
from normcli.formats.texts.write import format_rows
from normcli.methods.spelling import method_of
from normcli.methods.whole import Restored
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics
from tests.conftest import Cli
from tests.test_methods import fitted, floats

METHODS = (
    *("zscore", "zscore:ddof=1", "minmax", "minmax:-3,7.5", "maxabs", "mean", "decimal"),
    *("batch:mode=predict", "batch:mode=predict,gamma=2.5,beta=-0.5", "cbrt", "asinh", "symlog"),
)
counts = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=9)


def there_and_back(text: str, column: ColumnStatistics, x: Numbers) -> tuple[np.ndarray, Numbers]:
    """What x becomes, and what is restored of that."""
    mapping = method_of(text).mapping(column)
    y = Numbers(mapping.values(x).values[np.newaxis])
    done = Restored(mapping.inverse(), mapping).values(y)
    assert done.whole is not None
    return np.where(done.whole, done.values, np.nan), y


@pytest.mark.parametrize("text", METHODS)
@given(counts, counts)
def test_integers_come_back_and_so_do_those_of_new_rows(
    text: str, values: list[int], new: list[int]
) -> None:
    column = fitted(floats(*values))
    assert there_and_back(text, column, floats(*values))[0].tolist() == values
    assert there_and_back(text, column, floats(*new))[0].tolist() == new


def test_the_plain_inverse_loses_integers_on_the_same_data() -> None:
    x = floats(1, 2, 7)
    mapping = method_of("zscore").mapping(fitted(x))
    y = Numbers(mapping.values(x).values[np.newaxis])
    assert mapping.inverse().values(y).values.tolist() != [1, 2, 7]


@pytest.mark.parametrize("text", METHODS)
@given(counts, st.floats(-1e3, 1e3).filter(lambda f: abs(f - round(f)) > 1e-6))
def test_a_prediction_keeps_its_fraction(text: str, values: list[int], new: float) -> None:
    column = fitted(floats(*values))
    assert np.isnan(there_and_back(text, column, floats(new))[0]).all()


@pytest.mark.parametrize("text", ["log", "log1p", "sqrt", "logit"])
def test_the_end_of_a_domain_is_not_made_up(text: str) -> None:
    mapping = method_of(text).mapping(ColumnStatistics())
    far = {"log": -50.0, "log1p": -50.0, "sqrt": 1e-9, "logit": 50.0}[text]
    done = Restored(mapping.inverse(), mapping).values(floats(far, far))
    expected = mapping.inverse().values(floats(far)).values[0]
    assert done.values.tolist() == [expected, expected]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "id": [f"{i:04}" for i in range(300)],
            "count": rng.integers(-500, 500, 300),
            "large": rng.integers(0, 2**53, 300),
            "price": rng.normal(50, 9, 300).round(2),
        }
    )
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("method", ["zscore", "minmax", "mean"])
def test_a_table_comes_back_as_it_was(normcli: Cli, table: Path, method: str) -> None:
    """Case 28: counts and ids come back as 1 2 7, not 1.0 1.9999999999999998 7.0."""
    stats = table.with_suffix(".json")
    asked = ("--method", method, "-s", "count,large")
    scaled = normcli("fit-transform", table, "-q", *asked, "--save-stats", stats)
    back = normcli("inverse", "-q", "--stats", stats, stdin=scaled.out)
    assert back.out == table.read_bytes()
    by_rows = normcli("inverse", "-q", "--stats", stats, "--chunk-rows", "7", stdin=scaled.out)
    assert by_rows.out == back.out


def test_all_formats_agree(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".json")
    scaled = normcli("fit-transform", table, "-q", "--save-stats", stats).out
    back = normcli("inverse", "-q", "--stats", stats, stdin=scaled).text
    for form in ("jsonl", "parquet", "arrow"):
        other = table.with_suffix(f".{form}")
        normcli("transform", table, "-q", "--stats", stats, "-o", other)
        found = normcli("inverse", other, "-q", "--stats", stats, "--to", "csv").text
        assert list(csv.reader(found.splitlines())) == list(csv.reader(back.splitlines()))
    lines = normcli("inverse", table.with_suffix(".jsonl"), "-q", "--stats", stats).text
    rows = [json.loads(line) for line in lines.splitlines()]
    assert {type(row["count"]) for row in rows} == {int}
    assert [str(row["count"]) for row in rows] == [
        r["count"] for r in csv.DictReader(back.splitlines())
    ]


def test_integers_are_stored_as_int64(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".json")
    for form in ("parquet", "arrow"):
        scaled = table.with_suffix(f".{form}")
        normcli("fit-transform", table, "-q", "-o", scaled, "--save-stats", stats)
        target = table.with_name(f"back.{form}")
        asked = ("--integers", "-s", "count,large")
        done = normcli("inverse", scaled, "-q", "--stats", stats, "-o", target, *asked)
        assert done.code == 0
        found = pd.read_parquet(target) if form == "parquet" else pd.read_feather(target)
        right = pd.read_csv(table, dtype={"id": str})
        pd.testing.assert_frame_equal(
            found[["id", "count", "large"]], right[["id", "count", "large"]]
        )
        assert found["price"].dtype == float


def test_integers_round_and_missing_cells_stay(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n1.5\nNA\n4.25\n-7\n")
    stats = tmp_path / "s.json"
    scaled = normcli("fit-transform", table, "-q", "--save-stats", stats).out
    assert "-6.999" in normcli("inverse", "-q", "--stats", stats, stdin=scaled).text
    done = normcli("inverse", "-q", "--stats", stats, "--integers", stdin=scaled)
    assert done.text.split() == ["x", "2", "NA", "4", "-7"]


def test_nan_and_what_is_too_large_are_no_integers(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", "-o", stats, stdin=b"x\n1\n2\n7\n")
    path, target = tmp_path / "t.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"x": [0.5, float("nan")]}), path)
    done = normcli("inverse", path, "--stats", stats, "--integers", "-o", target)
    assert (done.code, "column 'x' has nan, which no integer can be" in done.err) == (1, True)
    assert not target.exists()
    asked = ("--integers", "--missing", "null", "-o", target)
    assert normcli("inverse", path, "-q", "--stats", stats, *asked).code == 0
    assert pq.read_table(target)["x"].to_pylist() == [5, None]
    large = normcli("inverse", "--stats", stats, "--integers", stdin=b"x\n1e300\n")
    assert large.code == 1
    assert "line 2, column 'x': '1e300' becomes 2.62467e+300, which is too large" in large.err


@pytest.mark.parametrize("other", [("--float32",), ("--precision", "3")])
def test_integers_are_not_shortened(normcli: Cli, table: Path, other: tuple[str, ...]) -> None:
    done = normcli("inverse", table, "--stats", "s.json", "--integers", *other)
    assert (done.code, "exclude each other" in done.err) == (2, True)


def test_sidecars_of_version_1_do_not_know_what_is_whole(normcli: Cli, tmp_path: Path) -> None:
    stats = Path(__file__).with_name("version_1.stats.json")
    name = next(iter(json.loads(stats.read_text())["columns"]))
    done = normcli("inverse", "-q", "--stats", stats, stdin=f"{name}\n0\n".encode())
    assert "." in done.text.split()[1]


def test_explain_says_so(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", "-o", stats, stdin=b"x\n1\n3\n")
    ask = ("--stats", stats, "--explain")
    assert "y + 2, whole numbers restored" in normcli("inverse", *ask, stdin=b"x\n0\n").text
    done = normcli("inverse", *ask, "--integers", stdin=b"x\n0\n")
    assert "round(y + 2)" in done.text


def test_frames_too() -> None:
    frame = pd.DataFrame({"n": [1, 2, 7]})
    statistics = normcli.fit(frame)
    scaled = statistics.transform(frame)
    assert statistics.inverse(scaled)["n"].tolist() == [1.0, 2.0, 7.0]
    pd.testing.assert_frame_equal(statistics.inverse(scaled, integers=True), frame)


@pytest.mark.parametrize("decimal", [".", ","])
def test_texts_of_whole_numbers_have_no_fraction(decimal: str) -> None:
    values = np.array([[3.0], [3.5], [-(2.0**63)], [1e16], [2.0**63], [1e20], [-0.0], [4.0]])
    whole = np.array([True, False, True, True, True, True, True, False])
    expected = ["3", "3.5", "-9223372036854775808", "10000000000000000"]
    expected += ["9.223372036854776e+18", "1e+20", "0", "4.0"]
    for rows in (slice(0, 2), slice(None), slice(2, 4), slice(4, 7)):
        style = Style(whole=whole[rows])
        found = format_rows(values[rows], style, b";", decimal)
        texts = [
            found.buffer[a:b].tobytes().decode()
            for a, b in zip(found.starts, found.ends, strict=True)
        ]
        assert texts == [text.replace(".", decimal) for text in expected[rows]]
