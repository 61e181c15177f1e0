"""New columns instead of changed ones (--suffix), and statistics of other columns (--as)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import normcli
from tests.conftest import Cli

HEAD = b'\xef\xbb\xbf# prices\r\nid,"price",n\r\n\r\n'
ROWS = [b'007,"10",4', b'"0,8",,5', b"# a comment", b'009,"NA",7', b"", b"010, 30 ,2"]
TABLE = HEAD + b"\r\n".join(ROWS)
OPTIONS = ("-q", "--comment", "#")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def stats(normcli: Cli, table: Path) -> Path:
    path = table.with_suffix(".json")
    assert normcli("fit", table, *OPTIONS, "-o", path).code == 0
    return path


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_cells_are_added_and_every_other_byte_stays(
    normcli: Cli, table: Path, stats: Path, chunk: int
) -> None:
    done = normcli(
        *("transform", table, *OPTIONS, "--stats", stats),
        *("--suffix", "_z", "--chunk-rows", str(chunk)),
    )
    added = [b",-1.0,-0.2773500981126146", b",,0.2773500981126146", b""]
    added += [b',"NA",1.386750490563073', b"", b",1.0,-1.386750490563073"]
    rows = [row + more for row, more in zip(ROWS, added, strict=True)]
    head = HEAD.replace(b'price",n', b'price",n,price_z,n_z')
    assert done.out == head + b"\r\n".join(rows)
    back = normcli("inverse", *OPTIONS, "--stats", stats, "--suffix", "_z", stdin=done.out)
    restored = [row + more for row, more in zip(ROWS, RESTORED, strict=True)]
    assert back.out == head + b"\r\n".join(restored)


RESTORED = [b",10,4", b",,5", b"", b',"NA",7', b"", b",30,2"]


def test_missing_cells_of_new_columns_are_filled_or_empty(
    normcli: Cli, table: Path, stats: Path
) -> None:
    asked = ("transform", table, *OPTIONS, "--stats", stats, "--suffix", "_z")
    filled = normcli(*asked, "--missing", "mean").text.splitlines()
    assert filled[4] == '"0,8",,5,0.0,0.2773500981126146'
    empty = normcli(*asked, "--missing", "null").text.splitlines()
    assert empty[6] == '009,"NA",7,,1.386750490563073'


def test_without_a_header_only_cells_are_added(normcli: Cli) -> None:
    done = normcli("fit-transform", "-q", "--no-header", "--suffix", "_z", stdin=b"1,a\n3,b\n")
    assert done.out == b"1,a,-1.0\n3,b,1.0\n"


@pytest.mark.parametrize(
    ("options", "table", "expected"),
    [
        (("--delimiter", ";", "--decimal", ","), b"a;b\n1,5;x\n2,5;y\n",
         b"a;b;a.z\n1,5;x;-1,0\n2,5;y;1,0\n"),
        (("--tabs",), b"a\tb\n1\tx\n3\ty\n", b"a\tb\ta.z\n1\tx\t-1.0\n3\ty\t1.0\n"),
        (("--quote", "'"), b"a,b\n'1',x\n3,'y'\n", b"a,b,a.z\n'1',x,-1.0\n3,'y',1.0\n"),
        ((), b"a\n1\n3\n", b"a,a.z\n1,-1.0\n3,1.0\n"),
        ((), b"a\n1\n\"\"\n3\n", b"a,a.z\n1,-1.0\n\"\",\"\"\n3,1.0\n"),
    ],
)  # fmt: skip
def test_dialects_are_kept(
    normcli: Cli, options: tuple[str, ...], table: bytes, expected: bytes
) -> None:
    done = normcli("fit-transform", "-q", "--suffix", ".z", *options, stdin=table)
    assert done.out == expected


def test_an_empty_table_gets_its_names(normcli: Cli, stats: Path) -> None:
    done = normcli("transform", *OPTIONS, "--stats", stats, "--suffix", "_z", stdin=b"id,price,n")
    assert done.out == b"id,price,n,price_z,n_z"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow"])
def test_a_name_that_exists_is_an_error(normcli: Cli, tmp_path: Path, form: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 3.0], "a_z": ["x", "y"]})
    path, target = tmp_path / f"t.{form}", tmp_path / "out"
    write(frame, path)
    done = normcli("fit-transform", path, "-s", "a", "--suffix", "_z", "-o", target)
    assert (done.code, target.exists()) == (2, False)
    assert f"{path}: there is a column 'a_z' already; choose another --suffix" in done.err


def write(frame: pd.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            frame.to_parquet(path)
        case ".arrow":
            frame.to_feather(path)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_csv(path, index=False)


FORMS = ("csv", "jsonl", "parquet", "arrow")


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_all_formats_get_new_fields_and_lose_none(
    normcli: Cli, tmp_path: Path, form: str, target: str
) -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "x": [1.0, None, 3.0], "n": [1, 2, 6]})
    path, stats, out = tmp_path / f"t.{form}", tmp_path / "s.json", tmp_path / f"out.{target}"
    write(frame, path)
    asked = ("--suffix", "_z", "--save-stats", stats, "-o", out)
    assert normcli("fit-transform", path, "-q", *asked).code == 0
    back = normcli("inverse", out, "-q", "--stats", stats, "--suffix", "_z", "--to", "csv").text
    rows = list(csv.reader(back.splitlines()))
    assert rows[0] == ["id", "x", "n", "x_z", "n_z"]
    assert [row[4] for row in rows[1:]] == ["1", "2", "6"]
    assert [row[3] for row in rows[1:]] == ["1", "", "3"]
    plain = normcli("transform", path, "-q", "--stats", stats, "--to", "csv").text
    scaled = normcli(
        "transform", path, "-q", "--stats", stats, "--suffix", "_z", "--to", "csv"
    ).text
    for before, after in zip(
        csv.DictReader(plain.splitlines()), csv.DictReader(scaled.splitlines()), strict=True
    ):
        assert (before["x"], before["n"]) == (after["x_z"], after["n_z"])


def test_parquet_keeps_types_groups_and_codecs(normcli: Cli, tmp_path: Path) -> None:
    path, out = tmp_path / "t.parquet", tmp_path / "out.parquet"
    table = pa.table({"x": pa.array([1, 2, 3, 4], pa.int16()), "t": ["a", "b", "c", "d"]})
    pq.write_table(table, path, row_group_size=2, compression={"x": "GZIP", "t": "SNAPPY"})
    assert normcli("fit-transform", path, "-q", "--suffix", "_z", "-o", out).code == 0
    found = pq.ParquetFile(out)
    assert found.schema_arrow.names == ["x", "t", "x_z"]
    assert found.schema_arrow.types == [pa.int16(), pa.string(), pa.float64()]
    assert found.num_row_groups == 2
    assert [found.metadata.row_group(1).column(i).compression for i in range(3)] == [
        *("GZIP", "SNAPPY", "GZIP")
    ]
    assert found.read().select(["x", "t"]).equals(table)


def test_json_lines_are_spaced_as_they_were(normcli: Cli) -> None:
    lines = b'{"a": 1, "b": "x"}\n{"a":3}\n{"b": {"a": 1} }\n\n{ }\n{"a":null}\r\n'
    done = normcli("fit-transform", "-q", "--from", "jsonl", "--suffix", "_z", stdin=lines)
    assert done.out == (
        b'{"a": 1, "b": "x", "a_z": -1.0}\n{"a":3,"a_z":1.0}\n{"b": {"a": 1} }\n\n{ }\n'
        b'{"a":null,"a_z":null}\r\n'
    )
    assert all(json.loads(line) is not None for line in done.out.split(b"\n") if line.strip())


def test_parts_get_new_columns_too(normcli: Cli, table: Path, stats: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    asked = ("--stats", stats, "--suffix", "_z")
    done = normcli(
        *("transform", table, *OPTIONS, *asked, "--output-dir", parts, "--fragment-bytes", "30")
    )
    assert done.code == 0
    files = sorted(parts.iterdir())
    whole = normcli("transform", table, *OPTIONS, *asked).out
    heads = [path.read_bytes().split(b"\r\n\r\n")[0] for path in files]
    assert set(heads) == {whole.split(b"\r\n\r\n")[0]}


def test_inverse_needs_a_column_with_the_suffix(normcli: Cli, table: Path, stats: Path) -> None:
    done = normcli("inverse", table, *OPTIONS, "--stats", stats, "--suffix", "_q")
    assert done.code == 1
    assert "no column has the name of one of the statistics and '_q' at the end" in done.err


def test_maps_work_both_ways_without_statistics(normcli: Cli) -> None:
    done = normcli("transform", "-q", "--column", "x=cbrt", "--suffix", ".c", stdin=b"x,y\n8,1\n")
    assert done.out == b"x,y,x.c\n8,1,2.0\n"
    back = normcli("inverse", "-q", "--column", "x=cbrt", "--suffix", ".c", stdin=done.out)
    assert back.out == b"x,y,x.c\n8,1,8.0\n"


def test_explain_names_the_new_columns(normcli: Cli, table: Path, stats: Path) -> None:
    done = normcli("transform", table, *OPTIONS, "--stats", stats, "--suffix", "_z", "--explain")
    assert "price_z = (x - 20) / 10" in done.text


# ------------------------------------------------------------------------------ --as


@pytest.mark.parametrize("verb", ["transform", "inverse"])
def test_a_column_is_scaled_by_the_statistics_of_another(
    normcli: Cli, stats: Path, verb: str
) -> None:
    given = b"id,y_pred\na,15.5\nb,\n" if verb == "transform" else b"id,y_pred\na,-0.45\nb,\n"
    asked = ("--stats", stats, "--as", "y_pred=price", "--exclude", "n")
    done = normcli(verb, "-q", *asked, stdin=given)
    value = b"-0.45" if verb == "transform" else b"15.5"
    assert done.out == b"id,y_pred\na," + value + b"\nb,\n"


def test_as_goes_beside_the_fitted_columns(normcli: Cli, stats: Path) -> None:
    table = b"price,n,y=hat\n10,2,30\n"
    done = normcli("transform", "-q", "--stats", stats, "--as", "y=hat=price", stdin=table)
    assert done.out == b"price,n,y=hat\n-1.0,-1.386750490563073,1.0\n"
    both = ("--as", "y=hat=price", "--suffix", "_z", "-s", "y=hat")
    done = normcli("transform", "-q", "--stats", stats, *both, stdin=table)
    assert done.out == b"price,n,y=hat,y=hat_z\n10,2,30,1.0\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y_pred=prize", "the statistics have no column 'prize'. Did you mean 'price'?"),
        ("y_pred", "--as takes COLUMN=FITTED, such as y_pred=price, not 'y_pred'"),
        ("y=price", "has no such column"),
    ],
)
def test_what_as_cannot_mean_is_refused(normcli: Cli, stats: Path, text: str, words: str) -> None:
    done = normcli("inverse", "--stats", stats, "--as", text, stdin=b"y_pred\n0\n")
    assert (done.code, words in done.err) == (2, True), done.err


def test_as_needs_statistics(normcli: Cli) -> None:
    done = normcli("transform", "--method", "log", "--as", "a=b", stdin=b"a\n1\n")
    assert (done.code, "--as needs --stats" in done.err) == (2, True)


def test_whole_predictions_become_whole(normcli: Cli, stats: Path) -> None:
    asked = ("--stats", stats, "--as", "y=n")
    scaled = normcli("transform", "-q", *asked, "-s", "y", stdin=b"y\n3\n6\n4.5\n").out
    assert normcli("inverse", "-q", *asked, stdin=scaled).out == b"y\n3\n6\n4.5\n"


def test_frames_too() -> None:
    frame = pd.DataFrame({"x": [1, 2, 6], "t": list("abc")}, index=[5, 6, 7])
    statistics = normcli.fit(frame)
    scaled = statistics.transform(frame, suffix="_z")
    pd.testing.assert_frame_equal(scaled[["x", "t"]], frame)
    np.testing.assert_array_equal(scaled["x_z"], statistics.transform(frame)["x"])
    back = statistics.inverse(scaled, suffix="_z", integers=True)
    assert back["x_z"].tolist() == [1, 2, 6]
    hats = pd.DataFrame({"hat": scaled["x_z"]})
    assert statistics.inverse(hats, as_={"hat": "x"})["hat"].tolist() == [1.0, 2.0, 6.0]
    assert statistics.transform(pa.table({"x": [3]}), suffix="_z").column_names == ["x", "x_z"]
    with pytest.raises(normcli.UsageError, match="no column 'y'"):
        statistics.transform(frame, as_={"x": "y"})


def test_a_name_that_needs_quotes_is_refused_where_there_are_none(normcli: Cli) -> None:
    asked = ("fit-transform", "-q", "--suffix", ",z")
    assert normcli(*asked, stdin=b"a\n1\n3\n").out == b'a,"a,z"\n1,-1.0\n3,1.0\n'
    done = normcli(*asked, "--no-quoting", stdin=b"a\n1\n3\n")
    assert (done.code, done.out) == (2, b"")
    assert "the name 'a,z' cannot be written without quotes" in done.err


@pytest.mark.parametrize("chunk", ["1", "100"])
def test_titles_and_units_stay_and_units_get_empty_cells(normcli: Cli, chunk: str) -> None:
    table = b"Prices, 2024\na,b\nEUR,m\n1,x\n3,y\n"
    asked = ("--skip-rows", "1", "--skip-after-header", "1", "--chunk-rows", chunk)
    done = normcli("fit-transform", "-q", *asked, "--suffix", "_z", stdin=table)
    assert done.out == b"Prices, 2024\na,b,a_z\nEUR,m,\n1,x,-1.0\n3,y,1.0\n"
