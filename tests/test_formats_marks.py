"""Marks of missing values: texts and numbers, in every format, kept in the sidecar."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli import fit
from normcli.formats.marks import Marks, number, spelled
from normcli.numerics.numbers import Numbers, without
from tests.conftest import Cli

SENTINEL = b"x,y,z\na,-99,100\nb,-99.0,200\nc,-9.9e1,300\nd,-99.000,400\ne,5,500\nf,7,NA\n"


def columns(sidecar: bytes) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(sidecar)["columns"]
    return found


def test_a_number_marks_missing_values_however_it_is_written(normcli: Cli) -> None:
    """https://github.com/pandas-dev/pandas/issues/59303"""
    done = normcli("fit", "--null", "-99", stdin=SENTINEL)
    y = columns(done.out)["y"]
    assert [y[key] for key in ("count", "missing", "mean", "std", "min")] == [2, 4, 6, 1, 5]
    assert columns(done.out)["z"]["missing"] == 1  # the default marks still hold
    frame = pd.read_csv(pd.io.common.BytesIO(SENTINEL), na_values=["-99"])
    assert frame["y"].mean() == 6


def test_the_default_marks_can_be_dropped(normcli: Cli) -> None:
    done = normcli("fit", "--null", "-99", "--no-default-null", stdin=SENTINEL)
    assert list(columns(done.out)) == ["y"]
    assert "z (text: 'NA' at line 7)" in done.err
    head = json.loads(done.out)
    assert (head["null"], head["default_null"]) == (["-99"], False)


def test_a_plain_fit_says_nothing_of_marks(normcli: Cli) -> None:
    assert set(json.loads(normcli("fit", stdin=b"x\n1\n").out)) == {
        *("normcli", "rows", "method", "ddof", "columns")
    }


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The same numbers in all formats; -999 and -999.1 mark missing values."""
    whole, real = [-999, 2, 4, 6], [1.5, -999.1, 2.5, 3.0]
    (tmp_path / "t.csv").write_text(
        "i,f\n" + "".join(f"{i},{f}\n" for i, f in zip(whole, real, strict=True))
    )
    rows = "".join(json.dumps({"i": i, "f": f}) + "\n" for i, f in zip(whole, real, strict=True))
    (tmp_path / "t.jsonl").write_text(rows)
    table = pa.table({"i": whole, "f": real})
    pq.write_table(table, tmp_path / "t.parquet")
    with pa.ipc.new_file(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    return tmp_path


FORMATS = ("csv", "jsonl", "parquet", "arrow")
MARKS = ("--null", "-999.0", "--null", "-999.1")


def test_a_number_marks_missing_values_in_every_format(normcli: Cli, tables: Path) -> None:
    found = {normcli("fit", tables / f"t.{f}", *MARKS, "-o", "-").out for f in FORMATS}
    (sidecar,) = found
    assert json.loads(sidecar)["null"] == ["-999", "-999.1"]
    assert columns(sidecar)["i"]["mean"] == 4
    assert columns(sidecar)["f"]["mean"] == pytest.approx(7 / 3)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_transform_knows_the_marks_of_the_fit_and_keeps_them(
    normcli: Cli, tables: Path, source: str, target: str
) -> None:
    stats, back = tables / "s.json", tables / f"back.{target}"
    normcli("fit", tables / f"t.{source}", *MARKS, "-o", stats)
    scaled = tables / f"scaled.{target}"
    done = normcli("transform", tables / f"t.{source}", "--stats", stats, "-o", scaled)
    assert done.code == 0, done.err
    rows = read(scaled)
    assert rows["i"][0] == -999
    assert rows["f"][1] == -999.1
    assert rows["i"][1:] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert normcli("inverse", scaled, "--stats", stats, "-o", back).code == 0
    assert read(back)["i"] == pytest.approx([-999, 2, 4, 6])
    assert normcli("check", tables / f"t.{source}", "--stats", stats).code == 0


def read(path: Path) -> dict[str, list[float]]:
    match path.suffix:
        case ".csv":
            return {k: list(v) for k, v in pd.read_csv(path).items()}
        case ".jsonl":
            return {k: list(v) for k, v in pd.read_json(path, lines=True).items()}
        case ".parquet":
            return pq.read_table(path).to_pydict()
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all().to_pydict()


@pytest.mark.parametrize(
    ("type_", "cells", "marks", "missing"),
    [
        (pa.float32(), [1.0, -999.1], ("-999.1",), [1]),
        (pa.float16(), [np.float16(1), np.float16(-999)], ("-999",), [1]),
        (pa.int8(), [1, -99], ("-99", "-999", "-99.5"), [1]),
        (pa.uint64(), [1, 2**64 - 1], ("18446744073709551615",), [1]),
        (pa.int64(), [-(2**63), -(2**63) + 1], ("-9223372036854775808",), [0]),
        (pa.decimal128(20, 2), [Decimal("1.00"), Decimal("-999.00")], ("-999",), [1]),
        (pa.decimal256(60, 3), [Decimal("0.125"), Decimal(10) ** 40], ("0.125",), [0]),
        (pa.float64(), [1.0, math.nan], ("nan",), [1]),
        (pa.float64(), [1.0, -math.inf], ("-inf",), [1]),
    ],
)
def test_a_mark_is_a_number_of_the_type_of_the_column(
    normcli: Cli,
    tmp_path: Path,
    type_: pa.DataType,
    cells: list[object],
    marks: tuple[str, ...],
    missing: list[int],
) -> None:
    path, stats, out = tmp_path / "t.arrow", tmp_path / "s.json", tmp_path / "o.arrow"
    table = pa.table({"x": pa.array([*cells, None], type_)})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    asked = [word for mark in marks for word in ("--null", mark)]
    done = normcli("fit", path, *asked, "-o", stats)
    assert done.code == 0, done.err
    assert columns(stats.read_bytes())["x"]["missing"] == 1 + len(missing)
    assert normcli("transform", path, "--stats", stats, "-o", out).code == 0
    kept = read(out)["x"]
    assert kept[2] is None
    for i in missing:
        assert kept[i] == pytest.approx(float(cells[i]), nan_ok=True)  # type: ignore[arg-type]


def test_a_text_marks_nothing_in_a_typed_format(normcli: Cli, tables: Path) -> None:
    done = normcli("fit", tables / "t.parquet", "--null", "n.d.")
    assert done.code == 2
    assert "--null must be a number here: " in done.err
    done = normcli("fit", tables / "t.parquet", tables / "t.csv", "--null", "n.d.", "-o", "-")
    assert done.code == 0


def test_other_marks_than_those_of_the_statistics_are_used_and_told(
    normcli: Cli, tables: Path
) -> None:
    stats = tables / "s.json"
    normcli("fit", tables / "t.csv", *MARKS, "-o", stats)
    told = "missing values are marked by --null 7; in the statistics, by --null -999 --null -999.1"
    for command in ("transform", "inverse"):
        done = normcli(command, tables / "t.csv", "--stats", stats, "--null", "7")
        assert told in done.err
        assert done.code == 0
        assert b"-999" not in done.out
    done = normcli("check", tables / "t.csv", "--stats", stats, "--null", "7")
    assert (done.code, told in done.err) == (3, True)
    same = normcli("transform", tables / "t.csv", "--stats", stats, "--null", "-999.10", *MARKS)
    assert "marked by" not in same.err
    assert b"\n-999," in same.out


@pytest.mark.parametrize("options", [[], ["--precision", "3"], ["--float32"], ["-j", 2]])
@pytest.mark.parametrize("rows", [[], ["--chunk-rows", 1]])
def test_a_scaled_number_is_never_taken_for_a_mark(
    normcli: Cli, tmp_path: Path, options: list[object], rows: list[object]
) -> None:
    """(0 - 1) / 1 is -1, the mark; the first such cell by row is told."""
    stats, path = tmp_path / "s.json", tmp_path / "t.csv"
    path.write_bytes(b"x,y\n1,0\n-1,2\n2,1\n0,0\n")
    normcli("fit", path, "--null", "-1", "-s", "y", "-o", stats)
    normcli("fit", "--null", "-1", "-o", stats, stdin=b"x,y\n0,0\n2,2\n")
    target = tmp_path / "out.csv"
    done = normcli("transform", path, "--stats", stats, *options, *rows, "-o", target)
    assert done.code == 1
    assert f"{path}: line 2, column 'y': '0' becomes -1, which marks a missing value" in done.err
    assert "add --missing null" in done.err
    assert not target.exists()
    done = normcli(
        "transform", path, "--stats", stats, *options, *rows, "-o", "-", "--missing", "null"
    )
    assert done.out == b"x,y\n0.0,-1.0\n,1.0\n1.0,0.0\n-1.0,-1.0\n"


def test_a_number_that_is_rounded_to_a_mark_is_one(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "--null", "-1", "-o", stats, "-s", "x", stdin=b"x\n0\n2\n")
    table = b"x\n0.0001\n"
    assert normcli("transform", "--stats", stats, stdin=table).out == b"x\n-0.9999\n"
    done = normcli("transform", "--stats", stats, "--precision", 2, stdin=table)
    assert "becomes -1, which marks" in done.err
    single = pa.table({"x": pa.array([1e-9], pa.float32())})
    pq.write_table(single, tmp_path / "t.parquet")
    done = normcli("transform", tmp_path / "t.parquet", "--stats", stats, "-o", tmp_path / "o.pq")
    assert "becomes -1, which marks" in done.err


def test_merging_demands_the_same_marks(normcli: Cli, tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    normcli("fit", "--null", "-99", "--null", "-", "-o", a, stdin=b"x\n1\n")
    normcli("fit", "--null", "-", "--null", "-99.0", "--null", "-99", "-o", b, stdin=b"x\n2\n")
    normcli("fit", "-o", c, stdin=b"x\n2\n")
    assert normcli("merge", a, b, "-o", "-").code == 0
    done = normcli("merge", a, c, "-o", "-")
    assert done.code == 1
    assert "null" in done.err


def test_strings_of_json_are_marked_by_the_texts_and_numbers_that_are_named(normcli: Cli) -> None:
    rows = b'{"x":1}\n{"x":"NA"}\n{"x":"-99.0"}\n{"x":-99}\n{"x":3}\n'
    found = normcli("fit", "--null", "NA", "--null", "-99", stdin=rows)
    assert (columns(found.out)["x"]["count"], columns(found.out)["x"]["missing"]) == (2, 3)
    assert b'"x"' not in normcli("fit", "--null", "-99", stdin=rows).out  # "NA" is a text


def test_the_python_interface_uses_the_marks_of_a_sidecar(normcli: Cli, tmp_path: Path) -> None:
    from normcli import load

    stats = tmp_path / "s.json"
    normcli("fit", "--null", "-99", "-o", stats, stdin=b"x\n1\n3\n-99\n")
    frame = pd.DataFrame({"x": [1.0, -99.0, 3.0]})
    assert load(stats).transform(frame)["x"].tolist() == [-1.0, -99.0, 1.0]
    assert fit(frame, null=[-99]).columns["x"].mean == 2
    assert fit(frame, null="-99.0").transform(frame)["x"].tolist() == [-1.0, -99.0, 1.0]


@pytest.mark.parametrize(
    ("text", "mark", "canonical"),
    [
        ("-999.00", -999, "-999"),
        ("+1e3", 1000, "1000"),
        ("-0.0", 0, "0"),
        ("9007199254740993", 2**53 + 1, "9007199254740993"),
        ("1e300", int(1e300), "1e+300"),
        ("0.1", 0.1, "0.1"),
        ("inf", math.inf, "inf"),
        ("1_000", None, None),
        ("n.d.", None, None),
        ("0x10", None, None),
    ],
)
def test_one_number_has_one_spelling(text: str, mark: object, canonical: str | None) -> None:
    found = number(text)
    assert found == mark
    if found is not None:
        assert spelled(found) == canonical
        assert number(spelled(found)) == found


@given(st.lists(st.integers(-(10**31) + 1, 10**31 - 1), min_size=1), st.integers(0, 5))
def test_marks_are_compared_exactly(values: list[int], place: int) -> None:
    mark = values[place % len(values)]
    high = np.array([float(v) for v in values])
    low = np.array([float(v - int(float(v))) for v in values])
    found = without(Numbers(np.stack([high, low])), (mark,))
    assert found.missing is not None
    assert found.missing.tolist() == [v == mark for v in values]


def test_marks_do_not_depend_on_their_order() -> None:
    assert Marks.of(["b", "-1", "a", "-1.0"]) == Marks.of(["-1", "a", "b"])
    assert Marks.kept(Marks.of(["-1", "a"], default=False).options) == Marks.of(
        ["a", "-1"], default=False
    )


def test_learning_from_a_target_knows_the_marks_of_the_fit(normcli: Cli, tmp_path: Path) -> None:
    stats, table = tmp_path / "s.json", tmp_path / "t.csv"
    rows = "1,2\n2,1\n3,5\n4,4\n5,9\n"
    table.write_text(f"x,t\n{rows}-999,3\n")
    normcli("fit", table, "--null", "-999", "-s", "x,t", "-o", stats)
    marked = normcli("learn", table, "--stats", stats, "--target", "t", "-o", "-")
    assert marked.code == 0, marked.err
    table.write_text(f"x,t\n{rows},3\n")
    assert normcli("learn", table, "--stats", stats, "--target", "t", "-o", "-").out == marked.out


def test_there_may_be_a_thousand_marks(normcli: Cli, tmp_path: Path) -> None:
    """A sidecar with more, which may come from anywhere, could take for ever."""
    stats = tmp_path / "s.json"
    marks = [word for i in range(1000) for word in ("--null", str(i + 10))]
    assert normcli("fit", *marks, "-o", stats, stdin=b"x\n1\n3\n").code == 0
    assert normcli("fit", *marks, "--null", "x", stdin=b"x\n1\n").code == 2
    document = json.loads(stats.read_bytes())
    document["null"].append("5")
    stats.write_text(json.dumps(document))
    refused = normcli("transform", "--stats", stats, stdin=b"x\n1\n")
    assert "field 'null': a list has more than 1000 items" in refused.err
