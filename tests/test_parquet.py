"""Parquet comes back unchanged, and no Parquet file crashes the process."""

import gc
import io
import json
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.errors import DataError
from normcli.formats.arrow.format import ArrowFormat
from normcli.formats.base import NotNumbers, ReadOptions, Style
from normcli.formats.columnar.numbers import numbers_of
from normcli.formats.parquet.footer import first_row_group
from normcli.formats.parquet.format import ParquetFormat
from normcli.numerics.numbers import Scaled
from normcli.statistics.column import ColumnStatistics
from normcli.storage.sources import Source
from tests.arrow_tables import cells, many_types, numeric, opened, rewritten
from tests.corpora import CORPORA, corpus

PARQUET, ARROW = ParquetFormat(), ArrowFormat()


def written(path: Path, table: pa.Table, groups: tuple[int, ...] = (), **options) -> Path:
    """`table` at `path`, in row groups of so many rows."""
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        first = 0
        for rows in groups or (table.num_rows,):
            writer.write_table(table.slice(first, rows), max(rows, 1))
            first += rows
    return path


def row_groups(file: pq.ParquetFile) -> list[int]:
    return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def assert_same(before: pq.ParquetFile, after: pq.ParquetFile) -> None:
    new_table, old_table = after.read(), before.read()
    assert new_table.schema.equals(old_table.schema, check_metadata=True)
    assert new_table.equals(old_table) or cells(new_table) == cells(old_table)
    assert row_groups(after) == row_groups(before)
    for i in range(before.num_row_groups):
        for j in range(before.metadata.num_columns):
            old, new = (f.metadata.row_group(i).column(j) for f in (before, after))
            assert new.physical_type == old.physical_type
            # "UNKNOWN" is Hadoop's LZ4, of which LZ4_RAW is the successor.
            assert new.compression == old.compression or old.compression in ("LZ4", "UNKNOWN")


@pytest.mark.parametrize("chunk_rows", [None, 1, 7, 100])
def test_what_is_not_scaled_comes_back_with_types_metadata_row_groups_and_codecs(
    tmp_path, chunk_rows
):
    codecs = {"text": "GZIP", "float64": "ZSTD", "list.list.element": "BROTLI", "id": "NONE"}
    path = written(
        tmp_path / "a.parquet",
        many_types(),
        (3, 0, 20, 17, 0),
        compression=codecs,
        use_dictionary=["text", "category", "int8"],
    )
    after = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path, chunk_rows))))
    before = pq.ParquetFile(path)
    assert_same(before, after)
    for j in range(before.metadata.num_columns):
        old, new = (set(f.metadata.row_group(2).column(j).encodings) for f in (before, after))
        assert ("RLE_DICTIONARY" in old) == ("RLE_DICTIONARY" in new)


GOOD = sorted(
    str(p.relative_to(CORPORA))
    for p in CORPORA.glob("parquet/*-testing/**/*.parquet")
    if not {"corrupt", "GH-4", "GH-6", "1481", "incorrect", "geospatial", "from_spark"}
    & {
        word
        for word in ("corrupt", "GH-4", "GH-6", "1481", "incorrect", "geospatial", "from_spark")
        if word in p.name
    }
)


@pytest.mark.parametrize("name", GOOD or ["parquet"])
def test_files_of_other_writers_come_back_as_they_were(name):
    path = corpus(name)
    assert_same(
        pq.ParquetFile(path), pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path))))
    )


def test_statistics_are_those_that_the_reference_files_are_known_to_have():
    folder = corpus("parquet/parquet-testing")
    checked = 0
    for name, facts in json.loads((folder / "manifest.json").read_text()).items():
        if facts["read"] != "ok" or "corrupt-checksum" in name:
            continue
        table = opened(PARQUET, folder / name)
        for column, known in facts.get("numeric", {}).items():
            if known["inf"]:
                continue
            position = table.columns.index(column)
            total = ColumnStatistics()
            for chunk in table.chunks([position]):
                total = total.merge(ColumnStatistics.of(chunk.numbers([position])[0]))
            assert (total.count, total.missing, total.nan) == (
                known["count"] - known["nan"],
                known["nulls"],
                known["nan"],
            ), (name, column)
            if total.count:
                assert total.min == type(total.min)(known["finite_min"])
                assert total.max == type(total.max)(known["finite_max"])
                assert total.mean == pytest.approx(float(known["finite_mean"]), rel=1e-15)
                assert total.std() == pytest.approx(float(known["finite_sd_pop"]), rel=1e-14)
            checked += 1
    assert checked > 100


def exact(column: pa.ChunkedArray) -> list[Fraction | None]:
    """What `numbers_of` says, in exact arithmetic."""
    x = numbers_of(column)
    missing = np.zeros(len(x), bool) if x.missing is None else x.missing
    return [
        None if missing[i] else sum(map(Fraction, x.parts[:, i].tolist())) / Fraction(10) ** x.scale
        for i in range(len(x))
    ]


EXTREMES = {
    pa.int8(): [-128, 127], pa.int32(): [-(2**31), 2**31 - 1], pa.uint32(): [2**32 - 1],
    pa.int64(): [-(2**63), 2**63 - 1, 2**53 + 1, -(2**53) - 1, 2**53, -1],
    pa.uint64(): [2**64 - 1, 2**63, 2**53 + 1, 1],
    pa.float16(): [np.float16(0.1), np.float16(6e-8)], pa.float32(): [1e-45, 0.5],
    pa.float64(): [5e-324, 1.7976931348623157e308, 0.1],
    pa.decimal32(9, 2): [Decimal("-9999999.99"), Decimal("0.01")],
    pa.decimal64(18, 4): [Decimal("-99999999999999.9999"), Decimal("12.3400")],
    pa.decimal128(10, 2): [Decimal("-99999999.99"), Decimal("0.01")],
    pa.decimal128(38, 0): [Decimal(10**38 - 1), Decimal(1 - 10**38), Decimal(-1), Decimal(2**95)],
    pa.decimal256(76, 30): [Decimal("-1e-30"), Decimal("1e45"), Decimal(2**64), Decimal(-(2**64))],
    pa.decimal128(5, -3): [Decimal("12000"), Decimal("-99999000")],
}  # fmt: skip


@pytest.mark.parametrize("type_", EXTREMES, ids=str)
def test_every_number_is_read_exactly_whatever_stands_around_it(type_):
    cells = [None, *EXTREMES[type_], None, EXTREMES[type_][0], None]
    expected = [
        None
        if v is None
        else Fraction(
            v
            if isinstance(v, Decimal)
            else Fraction(float(v))
            if isinstance(v, (float, np.floating))
            else v
        )
        for v in cells
    ]
    if pa.types.is_float32(type_):
        expected = [None if v is None else Fraction(float(np.float32(v))) for v in cells]
    array = pa.array(cells, type_)
    assert exact(pa.chunked_array([array])) == expected
    assert exact(pa.chunked_array([array]).slice(2, 3)) == expected[2:5]
    assert exact(pa.chunked_array([array.slice(1), array.slice(0, 0), array])) == (
        expected[1:] + expected
    )
    if type_ not in (pa.float16(), pa.decimal32(9, 2), pa.decimal64(18, 4)):  # Arrow cannot
        encoded = pa.chunked_array([pa.array(cells, type_).dictionary_encode()])
        assert exact(encoded) == expected


@pytest.mark.parametrize("n", [2**53, -(2**53)])
def test_integers_need_a_second_part_just_where_float64_ends(n):
    parts = [numbers_of(pa.chunked_array([[n + k * (n > 0) - k * (n < 0)]])).parts for k in (0, 1)]
    assert [p.shape for p in parts] == [(1, 1), (2, 1)]
    assert sum(map(int, parts[1][:, 0])) == n + (1 if n > 0 else -1)


@pytest.mark.parametrize("type_", [pa.int64(), pa.decimal128(38, 2), pa.float64()], ids=str)
def test_what_stands_under_a_null_is_not_looked_at(type_):
    under = np.full(4, -1, np.int64).view(np.uint8)
    under[:15] = 0x7F
    array = pa.Array.from_buffers(type_, 2, [pa.py_buffer(b"\0"), pa.py_buffer(under.tobytes())])
    good = pa.array([Decimal(1) if pa.types.is_decimal(type_) else 1], type_)
    x = numbers_of(pa.chunked_array([array, good]))
    assert x.parts.shape == (1, 3)
    assert x.missing.tolist() == [True, True, False]
    assert np.isnan(x.parts[0]).tolist() == [True, True, False]


def test_nan_is_not_missing_and_null_is_and_neither_has_other_parts():
    x = numbers_of(pa.chunked_array([pa.array([float("nan"), None, 1.0, float("-inf")])]))
    assert x.missing.tolist() == [False, True, False, False]
    assert np.isnan(x.parts[0]).tolist() == [True, True, False, False]
    y = numbers_of(pa.chunked_array([pa.array([2**60 + 1, None])]))
    assert np.isnan(y.parts[0, 1])
    assert y.parts[1, 1] == 0
    assert numbers_of(pa.chunked_array([pa.nulls(2)])).missing.tolist() == [True, True]


def test_a_float64_column_without_nulls_is_not_copied():
    array = pa.array(np.arange(5.0))
    parts = numbers_of(pa.chunked_array([array])).parts
    assert parts.__array_interface__["data"][0] == array.buffers()[1].address


def test_only_types_of_numbers_are_candidates_and_the_others_say_their_type(tmp_path):
    table = opened(PARQUET, written(tmp_path / "a.parquet", many_types()))
    names = [table.columns[i] for i in numeric(table)]
    assert names == [
        *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        "float16", "float32", "float64", "decimal128", "decimal256", "short", "null", "id",
    ]  # fmt: skip
    assert table.others[table.columns.index("date")] == "date32[day]"
    (chunk,) = table.chunks()
    text = table.columns.index("text")
    assert chunk.observe([text]) == [NotNumbers("string")]
    with pytest.raises(DataError, match="column 'text' is of type string"):
        chunk.numbers([text])


def test_columns_that_are_not_asked_for_are_not_read(tmp_path):
    table = pa.table({"x": [1.5, 2.5], "text": ["find me" * 9] * 2, "y": [1, 2]})
    path = written(tmp_path / "a.parquet", table, compression="NONE", write_page_checksum=True)
    path.write_bytes(path.read_bytes().replace(b"find me", b"FIND ME", 1))
    damaged = opened(PARQUET, path)
    (chunk,) = damaged.chunks([2, 0])
    x, y = pickle.loads(pickle.dumps(chunk)).numbers([0, 2])
    assert x.parts.tolist() == [[1.5, 2.5]]
    assert y.parts.tolist() == [[1.0, 2.0]]
    with pytest.raises(DataError, match=r"row group 1: .*CRC"):
        list(damaged.chunks())


def test_a_column_that_lacks_rows_is_an_error_also_where_it_is_read_alone():
    table = opened(PARQUET, corpus("parquet/parquet-testing/bad_data/ARROW-GH-41317.parquet"))
    with pytest.raises(DataError, match="row group 1: it lacks 3 of its rows"):
        list(table.chunks([18]))


def test_asked_for_no_column_the_rows_are_still_counted(tmp_path):
    path = written(tmp_path / "a.parquet", many_types(), (10, 30))
    assert sum(chunk.rows for chunk in opened(PARQUET, path).chunks([])) == 40


def test_chunks_have_exactly_the_rows_that_are_asked_for_across_row_groups(tmp_path):
    path = written(tmp_path / "a.parquet", many_types(), (3, 0, 20, 17))
    assert [c.rows for c in opened(PARQUET, path, 16).chunks()] == [16, 16, 8]


def test_a_slice_of_joined_chunks_is_the_rows_and_keeps_their_row_groups(tmp_path):
    path = written(tmp_path / "a.parquet", many_types(), (3, 0, 20, 17))
    chunks = list(opened(PARQUET, path, 9).chunks())
    whole = type(chunks[0]).concat(chunks)
    for start, stop in [(0, 40), (2, 25), (5, 5), (39, 40)]:
        part = whole.slice(start, stop)
        assert part.rows == stop - start
        assert cells(part.to_arrow({}, Style())) == cells(many_types().slice(start, stop - start))
    assert [g for g, _ in groupby(s.group for s in whole.slice(2, 25).segments)] == [0, 2, 3]


def test_a_pickled_slice_does_not_carry_what_it_was_cut_from(tmp_path):
    path = written(tmp_path / "a.parquet", pa.table({"x": np.arange(30_000.0)}))
    (chunk,) = opened(PARQUET, path).chunks()
    assert len(pickle.dumps(chunk.slice(10, 20))) < 3000


def test_scaled_columns_get_no_dictionary_that_was_too_small_for_them_before(tmp_path):
    x = np.random.default_rng(1).normal(size=140_000)  # their dictionary is larger than 1 MiB
    table = pa.table({"many": x, "few": x.round(), "left": x})
    path = written(tmp_path / "a.parquet", table)
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path), scaled=[0, 1])))
    columns = [out.metadata.row_group(0).column(i) for i in range(3)]
    assert [column.has_dictionary_page for column in columns] == [False, True, True]
    assert out.read().column("left").to_numpy().tobytes() == x.tobytes()


def test_double_names_survive_where_they_are_not_scaled(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array([1, 2]), pa.array(["a", "b"]), pa.array([0.5, 1.5])], ["x", "x", "y"]
    )
    path = written(tmp_path / "a.parquet", table)
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path), scaled=[2])))
    assert out.schema_arrow == table.schema
    batch = next(out.iter_batches())
    assert [c.to_pylist() for c in batch.columns] == [[1, 2], ["a", "b"], [0.5, 1.5]]


def test_scaled_columns_become_floats_and_the_rest_of_their_fields_stays(tmp_path):
    table = many_types()
    path = written(tmp_path / "a.parquet", table)
    source = opened(PARQUET, path)
    names = ("float32", "float64", "int8", "short", "float16", "id")
    scaled = [source.columns.index(name) for name in names]
    after = pq.read_table(io.BytesIO(rewritten(PARQUET, source, scaled=scaled)))
    assert after.schema.equals(source.schema(scaled, Style()), check_metadata=True)
    for name in names:
        field = after.schema.field(name)
        assert field.type == (pa.float32() if name == "float32" else pa.float64())
        old = table.schema.field(name)
        assert (field.nullable, field.metadata) == (old.nullable, old.metadata)
        expected = [None if v is None else float(v) for v in table[name].to_pylist()]
        assert after[name].to_pylist() == expected
    narrow = rewritten(PARQUET, source, scaled=scaled[2:], style=Style(float32=True))
    schema = pq.read_schema(io.BytesIO(narrow))
    assert {schema.field(name).type for name in names[2:]} == {pa.float32()}


def scaled_chunk(tmp_path, array: pa.Array, scaled: Scaled, style=None, nullable=True):
    schema = pa.schema([pa.field("x", array.type, nullable)])
    path = written(tmp_path / "a.parquet", pa.Table.from_arrays([array], schema=schema))
    (chunk,) = opened(PARQUET, path).chunks()
    return chunk.to_arrow({0: scaled}, style or Style())["x"]


def test_kept_cells_stay_null_nan_or_infinite_and_null_cells_become_null(tmp_path):
    array = pa.array([None, float("nan"), float("-inf"), 4.0, 5.0])
    keep = np.array([True, True, True, False, False])
    null = np.array([False, False, False, True, False])
    column = scaled_chunk(tmp_path, array, Scaled(np.full(5, 9.0), keep, null))
    assert repr(column.to_pylist()) == "[None, nan, -inf, None, 9.0]"


def test_what_does_not_fit_in_float32_is_an_error_that_names_the_column(tmp_path):
    values = Scaled(np.array([1e39]))
    with pytest.raises(DataError, match=r"column 'x': 1e\+39 is too large for float32"):
        scaled_chunk(tmp_path, pa.array([1.0], pa.float32()), values)
    ignored = Scaled(np.array([1e39]), null=np.array([True]))
    assert scaled_chunk(tmp_path, pa.array([1.0], pa.float32()), ignored).to_pylist() == [None]


def test_a_column_without_nulls_takes_some_only_where_that_is_announced(tmp_path):
    some = Scaled(np.array([1.0]), null=np.array([True]))
    with pytest.raises(DataError, match="column 'x' is declared without nulls"):
        scaled_chunk(tmp_path, pa.array([1.0]), some, nullable=False)
    column = scaled_chunk(tmp_path, pa.array([1.0]), some, Style(nulls=True), nullable=False)
    assert column.to_pylist() == [None]


def test_notes_of_other_programs_on_the_types_stay_true(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"i": [1, 2], "f": np.float32([1, 2]), "n": pd.array([1, None], "Int64")})
    frame.index = ["a", "b"]
    notes = {
        "org.apache.spark.sql.parquet.row.metadata": {
            "type": "struct",
            "fields": [{"name": "i", "type": "long", "nullable": True, "metadata": {}}],
        },
        "parquet.avro.schema": {
            "type": "record",
            "fields": [{"name": "i", "type": ["null", "long"]}, {"name": "f", "type": "float"}],
        },
        "huggingface": {"info": {"features": {"i": {"dtype": "int64", "_type": "Value"}}}},
        "not json": "{",
    }
    table = pa.Table.from_pandas(frame)
    metadata = {k: v if isinstance(v, str) else json.dumps(v) for k, v in notes.items()}
    table = table.replace_schema_metadata({**table.schema.metadata, **metadata})
    path = written(tmp_path / "a.parquet", table)
    source = opened(PARQUET, path)
    after = pq.read_table(io.BytesIO(rewritten(PARQUET, source, scaled=[0, 1, 2])))
    found = {k.decode(): v for k, v in after.schema.metadata.items()}
    columns = json.loads(found["pandas"])["columns"][:3]
    assert [(c["pandas_type"], c["numpy_type"]) for c in columns] == [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float64", "float64"),
    ]
    read = after.to_pandas()
    assert list(read.index) == ["a", "b"]
    assert [str(t) for t in read.dtypes] == ["float64", "float32", "float64"]
    spark, avro = (json.loads(found[k]) for k in list(notes)[:2])
    assert spark["fields"][0]["type"] == "double"
    assert [f["type"] for f in avro["fields"]] == [["null", "double"], "float"]
    assert json.loads(found["huggingface"])["info"]["features"]["i"]["dtype"] == "float64"
    assert found["not json"] == b"{"


def test_int96_timestamps_stay_int96_to_the_nanosecond(tmp_path):
    times = pa.array([0, -1, 1_700_000_000_123_456_789, None], pa.timestamp("ns"))
    table = pa.table({"t": times, "x": [1.0, 2.0, 3.0, 4.0]})
    path = written(tmp_path / "a.parquet", table, use_deprecated_int96_timestamps=True)
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path), scaled=[1])))
    assert out.schema.column(0).physical_type == "INT96"
    assert out.read()["t"].equals(table["t"])


def test_int96_timestamps_beyond_the_range_of_nanoseconds_are_kept_in_microseconds(tmp_path):
    year_9999 = 253402225200_000000
    table = pa.table({"t": pa.array([year_9999, 0, -1, None], pa.timestamp("us"))})
    path = written(tmp_path / "a.parquet", table, use_deprecated_int96_timestamps=True)
    assert pq.read_table(path)["t"].cast("int64")[0].as_py() != year_9999 * 1000  # garbled
    out = io.BytesIO(rewritten(PARQUET, opened(PARQUET, path)))
    file = pq.ParquetFile(out, coerce_int96_timestamp_unit="us")
    assert file.schema.column(0).physical_type == "INT96"
    assert file.read()["t"].equals(table["t"])


def test_int96_timestamps_that_arrow_cannot_read_are_refused_unless_only_others_are_read():
    table = opened(PARQUET, corpus("parquet/parquet-testing/data/int96_from_spark.parquet"))
    assert sum(chunk.rows for chunk in table.chunks([])) == 6
    with pytest.raises(DataError, match="column 'a' has INT96 timestamps"):
        PARQUET.encoder(table, [], Style(), ReadOptions())
    with pytest.raises(DataError, match="column 'a' has INT96 timestamps"):
        list(table.chunks())


def test_a_column_that_cannot_be_carried_is_refused_by_name_before_anything_is_written(tmp_path):
    geospatial = opened(
        PARQUET, corpus("parquet/parquet-testing/data/geospatial/geospatial.parquet")
    )
    with pytest.raises(DataError, match="'geometry' is of the Parquet type GEOMETRY"):
        PARQUET.encoder(geospatial, [], Style(), ReadOptions())
    path = tmp_path / "a.arrow"
    table = pa.table({"ok": [1], "when": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="column 'when' cannot be Parquet"):
        PARQUET.encoder(opened(ARROW, path), [0], Style(), ReadOptions())


def test_decimals_that_are_stored_as_integers_stay_so():
    path = corpus("parquet/parquet-testing/data/int64_decimal.parquet")
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path))))
    assert out.schema.column(0).physical_type == "INT64"


def test_pages_have_checksums(tmp_path):
    table = pa.table({"text": ["find me" * 9] * 2})
    path = written(tmp_path / "a.parquet", table, compression="NONE")
    out = rewritten(PARQUET, opened(PARQUET, path)).replace(b"find me", b"FIND ME", 1)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(io.BytesIO(out), page_checksum_verification=True).read()


def test_a_writer_that_is_not_closed_leaves_no_whole_file(tmp_path):
    table = opened(PARQUET, written(tmp_path / "a.parquet", many_types(), (3, 37)))
    encoder = PARQUET.encoder(table, [], Style(), ReadOptions())
    out = io.BytesIO()
    writer = PARQUET.writer(out, encoder)
    for chunk in table.chunks():
        writer.write(encoder.encode(chunk, {}))
    del writer
    gc.collect()
    assert len(out.getvalue()) > 100
    with pytest.raises(pa.ArrowInvalid):
        pq.ParquetFile(out)


def test_an_error_of_the_stream_reaches_the_caller_and_ends_the_writing(tmp_path):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    table = opened(PARQUET, written(tmp_path / "a.parquet", many_types()))
    encoder = PARQUET.encoder(table, [], Style(), ReadOptions())
    with pytest.raises(OSError, match="No space left"):
        PARQUET.writer(Full(), encoder)


def test_rows_from_elsewhere_get_the_same_row_groups_however_they_are_cut(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"x": np.arange(300_000.0), "y": np.arange(300_000) % 7})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, 1000)
    outs = [
        rewritten(ARROW, opened(ARROW, path, rows), PARQUET) for rows in (None, 70_001, 300_000)
    ]
    assert outs[0] == outs[1] == outs[2]
    assert row_groups(pq.ParquetFile(io.BytesIO(outs[0]))) == [131072, 131072, 37856]
    assert pq.read_table(io.BytesIO(outs[0])).equals(table)


@pytest.mark.parametrize("chunk_rows", [None, 5])
def test_a_row_group_too_large_to_hold_comes_back_whole(tmp_path, monkeypatch, chunk_rows):
    monkeypatch.setattr("normcli.formats.columnar.chunk.HELD", 1000)
    path = written(tmp_path / "a.parquet", many_types(), (33, 7))
    out = io.BytesIO(rewritten(PARQUET, opened(PARQUET, path, chunk_rows)))
    assert_same(pq.ParquetFile(path), pq.ParquetFile(out))


def test_a_table_without_rows_or_columns_comes_back(tmp_path):
    for table in (many_types(0), pa.table({})):
        for groups in ((), (0, 0)):
            path = written(tmp_path / "a.parquet", table, groups)
            out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path))))
            assert_same(pq.ParquetFile(path), out)


def test_an_encrypted_file_is_refused_in_plain_words():
    folder = corpus("parquet/parquet-testing/data")
    for path in folder.rglob("*.encrypted"):
        with pytest.raises(DataError, match="is encrypted"):
            opened(PARQUET, path)


def test_the_footer_reader_agrees_with_arrow_and_survives_what_ends_the_process_in_arrow():
    for path in corpus("parquet/parquet-testing/data").glob("*.parquet"):
        if path.name == "incorrect_map_schema.parquet":
            continue
        group = pq.ParquetFile(path).metadata.row_group(0)
        with path.open("rb") as file:
            layouts = first_row_group(file)
        for j, layout in enumerate(layouts):
            column = group.column(j)
            arrow = column.compression.replace("UNCOMPRESSED", "NONE").replace("UNKNOWN", "LZ4")
            assert layout.codec == arrow
            assert layout.int96 == (column.physical_type == "INT96")
            assert layout.dictionary == any("DICTIONARY" in e for e in column.encodings)
            assert not layout.falls_back or layout.dictionary
    refused = 0
    for path in corpus("parquet/arrow-fuzz").rglob("*fuzz*"):
        if path.is_file():
            try:
                with path.open("rb") as file:
                    first_row_group(file)
            except ValueError:
                refused += 1
    assert refused > 20


HOSTILE = """
import sys
from normcli.errors import NormcliError
from normcli.formats.parquet.format import ParquetFormat
from tests.arrow_tables import numeric, opened, rewritten
from pathlib import Path
for name in sys.stdin.read().split("\\n"):
    try:
        table = opened(ParquetFormat(), Path(name))
        for chunk in table.chunks(numeric(table)):
            chunk.observe(numeric(table))
        rewritten(ParquetFormat(), table)
        print("ok")
    except NormcliError as e:
        assert str(e).isprintable() and len(str(e)) < 500, str(e)
        print(e)
"""


def test_no_hostile_file_gets_more_than_an_error():
    folder = corpus("parquet")
    names = sorted(str(p) for p in folder.rglob("*") if p.is_file())
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], input="\n".join(names), capture_output=True, text=True,
        cwd=Path(__file__).parents[1], timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == len(names)
    assert outcomes.count("ok") < 60


def test_parquet_is_known_by_its_first_bytes():
    assert PARQUET.sniff(b"PAR1\x15")
    assert PARQUET.sniff(b"PARE")
    assert not PARQUET.sniff(b"PAR2")


def test_what_is_no_parquet_is_said_to_be_none(tmp_path):
    for content in (b"", b"PAR1", b"a,b\n1,2\n" * 9):
        (tmp_path / "a\x1b.parquet").write_bytes(content)
        path = tmp_path / "a\x1b.parquet"
        with pytest.raises(DataError) as error:
            PARQUET.open(Source(str(path), path), ReadOptions())
        assert str(error.value).isprintable()
