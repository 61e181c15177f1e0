"""Parquet from Parquet: columns that are not scaled are copied, byte for byte."""

import io
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.errors import DataError, NormcliError
from normcli.formats.base import ReadOptions, Style
from normcli.formats.columnar.chunk import Groups
from normcli.formats.parquet import columns as parquet_columns
from normcli.formats.parquet.footer import read_footer
from normcli.formats.parquet.format import ParquetFormat
from normcli.formats.parquet.original import MISCOUNTING, OFFSET_INDEX, place_of
from normcli.formats.parquet.stitch import StitchedEncoder
from normcli.formats.parquet.table import ParquetTable
from normcli.formats.parquet.thrift import BINARY, I32, I64, STRUCT, Struct, read
from normcli.storage.sources import Source
from tests.arrow_tables import cells, many_types, numeric, opened, rewritten
from tests.corpora import CORPORA, corpus

PARQUET = ParquetFormat()
GOOD = sorted(str(p.relative_to(CORPORA)) for p in CORPORA.glob("parquet/*-testing/**/*.parquet"))
MOVED = (9, 10, 11, 14)  # fields of ColumnMetaData: where pages and a bloom filter are
NUMBERS = ["float64", "int8", "uint64", "float16", "decimal128", "short", "float32", "null", "id"]


def written(path: Path, table: pa.Table, *groups: int, **options) -> Path:
    """`table` at `path`, in row groups of so many rows."""
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        first = 0
        for rows in groups or (table.num_rows,):
            writer.write_table(table.slice(first, rows), max(rows, 1))
            first += rows
    return path


def positions(table: ParquetTable, names: list[str]) -> list[int]:
    return [table.columns.index(name) for name in names]


def footer(data: bytes) -> Struct:
    return read_footer(io.BytesIO(data))[0]


def chunks(data: bytes) -> dict[tuple[int, bytes], Struct]:
    """The ColumnChunks by row group and path."""
    groups = footer(data)[4]
    return {(i, b".".join(c[3][3])): c for i, group in enumerate(groups) for c in group[1]}


def pages(data: bytes, chunk: Struct) -> bytes:
    start, size = place_of(chunk[3])
    return data[start : start + size]


def is_stitched(table: ParquetTable, scaled: list[int], style: Style | None = None) -> bool:
    encoder = PARQUET.encoder(table, scaled, style or Style(), ReadOptions())
    return isinstance(encoder, StitchedEncoder)


@pytest.fixture
def many(tmp_path) -> Path:
    """Columns of every type in several codecs and encodings, with indexes and bloom filters."""
    codecs = {"text": "GZIP", "float64": "ZSTD", "list.list.element": "BROTLI", "id": "NONE"}
    return written(
        tmp_path / "many.parquet",
        many_types(),
        *(3, 0, 20, 17, 0),
        compression=codecs,
        use_dictionary=["text", "category", "int8", "date"],
        use_byte_stream_split=["float32"],
        write_page_index=True,
        write_page_checksum=True,
        bloom_filter_options={"text": {"ndv": 10}, "float64": {"ndv": 10}},
    )


@pytest.fixture
def old_way(monkeypatch):
    """A way to write the table anew, all of it by Arrow."""

    def write(table: ParquetTable, scaled: list[int]) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(ParquetTable, "stitched", lambda *_: None)
            return rewritten(PARQUET, table, scaled=scaled)

    return write


@pytest.mark.parametrize("chunk_rows", [None, 1, 7])
def test_bytes_of_columns_that_are_not_scaled_are_the_same(many, chunk_rows):
    table = opened(PARQUET, many, chunk_rows)
    before = many.read_bytes()
    after = rewritten(PARQUET, table, scaled=positions(table, NUMBERS))
    old, new = chunks(before), chunks(after)
    assert list(old) == list(new)
    for (group, path), chunk in old.items():
        if path.decode() not in NUMBERS:
            found = new[group, path]
            assert pages(before, chunk) == pages(after, found), path
            for meta in (chunk[3], found[3]):
                meta.drop(*MOVED)
            assert bytes(chunk[3]) == bytes(found[3])


def test_values_and_schema_are_those_that_arrow_writes(many, old_way):
    table = opened(PARQUET, many)
    scaled = positions(table, NUMBERS)
    new, old = (pq.ParquetFile(io.BytesIO(f)) for f in (
        rewritten(PARQUET, table, scaled=scaled), old_way(table, scaled)
    ))  # fmt: skip
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    assert cells(new.read()) == cells(old.read())
    assert new.metadata.num_rows == 40
    for i in range(new.num_row_groups):
        a, b = new.metadata.row_group(i), old.metadata.row_group(i)
        assert a.num_rows == b.num_rows
        parts = [a.column(j) for j in range(a.num_columns)]
        assert a.total_byte_size == sum(part.total_uncompressed_size for part in parts)


@pytest.mark.parametrize("name", GOOD or ["parquet"])
def test_files_of_other_writers_get_the_values_and_schema_that_arrow_writes(name, old_way):
    path = corpus(name)
    try:
        table = opened(PARQUET, path)
        scaled = numeric(table)
        old = old_way(table, scaled)
    except NormcliError:
        pytest.skip("cannot be read")
    if not scaled:
        pytest.skip("no numbers")
    new = rewritten(PARQUET, table, scaled=scaled)
    a, b = (pq.ParquetFile(io.BytesIO(f), page_checksum_verification=True) for f in (new, old))
    assert a.schema_arrow.equals(b.schema_arrow, check_metadata=True)
    assert a.read().equals(b.read()) or cells(a.read()) == cells(b.read())


def test_most_files_of_other_writers_are_copied():
    corpus("parquet")
    found = []
    for name in GOOD:
        try:
            table = opened(PARQUET, CORPORA / name)
            if scaled := numeric(table):
                found.append(is_stitched(table, scaled))
        except NormcliError:
            pass
    assert found.count(True) >= 30
    assert found.count(False) <= 4


def readers():
    def pandas(path):
        return pytest.importorskip("pandas").read_parquet(path)["x"].tolist()

    def polars(path):
        return pytest.importorskip("polars").read_parquet(path)["x"].to_list()

    def polars_lazily(path):
        pl = pytest.importorskip("polars")
        found = pl.scan_parquet(path).filter(pl.col("id") >= 50_000).select("x").collect()
        return [None] * 50_000 + found["x"].to_list()

    def duckdb(path):
        found = pytest.importorskip("duckdb").sql(f"select x from '{path}' order by id").fetchall()
        return [x for (x,) in found]

    def fastparquet(path):
        return pytest.importorskip("fastparquet").ParquetFile(str(path)).to_pandas()["x"].tolist()

    return [pandas, polars, polars_lazily, duckdb, fastparquet]


@pytest.mark.parametrize("codec", ["SNAPPY", "ZSTD", "LZ4", "GZIP", "NONE"])
@pytest.mark.parametrize("read_by", readers(), ids=lambda f: f.__name__)
def test_other_programs_read_the_same_values(tmp_path, monkeypatch, read_by, codec):
    monkeypatch.setattr(parquet_columns, "ROWS", 1 << 13)  # so that columns are of many parts
    rng = np.random.default_rng(5)
    x = rng.normal(size=60_000)
    table = pa.table({"id": range(60_000), "x": x, "text": rng.integers(0, 99, 60_000).astype(str)})
    path = written(
        tmp_path / "a.parquet", table, 40_000, 20_000,
        compression=codec, use_dictionary=["text"], write_page_index=True,
        bloom_filter_options={"text": {"ndv": 99}},
    )  # fmt: skip
    source = opened(PARQUET, path)
    assert is_stitched(source, [1])
    out = tmp_path / "out.parquet"
    out.write_bytes(rewritten(PARQUET, source, scaled=[1]))
    found = read_by(out)
    start = found.count(None)
    assert np.array(found[start:]).tobytes() == x[start:].tobytes()


@pytest.mark.parametrize("type_", [
    pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(),
    pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2),
    pa.decimal128(18, 4), pa.decimal128(38, 0), pa.decimal256(76, 30), pa.null(),
    pa.dictionary(pa.int32(), pa.int64()),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_columns_of_every_type_of_numbers_become_floats(tmp_path, type_, nulls, version):
    number = Decimal if pa.types.is_decimal(type_) else np.float16 if "half" in str(type_) else int
    values = [number(i % 7) for i in range(500)]
    if nulls or pa.types.is_null(type_):
        values = [
            None if i % 3 == 0 or pa.types.is_null(type_) else v for i, v in enumerate(values)
        ]
    flat = type_.value_type if pa.types.is_dictionary(type_) else type_
    array = pa.array(values, flat)
    array = array.dictionary_encode() if pa.types.is_dictionary(type_) else array
    table = pa.table({"x": array, "list": [[1, None], []] * 250, "s": [{"a": 1.5}] * 500})
    path = written(tmp_path / "a.parquet", table, data_page_version=version)
    source = opened(PARQUET, path)
    assert is_stitched(source, [0])
    out = pq.read_table(io.BytesIO(rewritten(PARQUET, source, scaled=[0])))
    assert out["x"].type == (pa.float32() if type_ == pa.float32() else pa.float64())
    expected = [None if v is None else pytest.approx(float(v), rel=1e-15) for v in values]
    assert out["x"].to_pylist() == expected
    assert out.drop("x").equals(pq.read_table(path).drop("x"))


def numbers(rows: int) -> pa.Table:
    """Numbers with NaN and nulls, some that repeat, and some columns without any number."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=rows)
    x[::17] = np.nan
    return pa.table({
        "x": pa.array(x, mask=rng.random(rows) < 0.1),
        "few": rng.integers(0, 9, rows) * 0.1,
        "nan": np.full(rows, np.nan),
        "null": pa.nulls(rows, pa.float64()),
        "single": x.astype(np.float32),
        "text": rng.integers(0, 9, rows).astype(str),
    })  # fmt: skip


@pytest.mark.parametrize("held", [0, 1 << 25])
@pytest.mark.parametrize("options", [{}, {"data_page_version": "2.0"}])
def test_parts_of_a_row_group_are_joined_as_arrow_writes_it_in_one_go(
    tmp_path, monkeypatch, held, options
):
    monkeypatch.setattr(parquet_columns, "ROWS", 1000)
    monkeypatch.setattr(parquet_columns, "HELD", held)
    table = numbers(5500)
    path = written(tmp_path / "a.parquet", table, write_page_checksum=True, **options)
    parts = []
    encode = parquet_columns.encoded
    monkeypatch.setattr(
        parquet_columns, "encoded", lambda t, r: parts.append(t.num_rows) or encode(t, r)
    )
    data = rewritten(PARQUET, opened(PARQUET, path), scaled=[0, 1, 2, 3, 4])
    assert set(parts) == {1000, 500, 5500}  # whole where there is a dictionary
    whole = pq.ParquetFile(path).metadata.row_group(0)
    file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
    joined = file.metadata.row_group(0)
    assert cells(file.read()) == cells(table)
    for i in range(5):
        a, b = joined.column(i), whole.column(i)
        assert a.num_values == b.num_values
        assert a.compression == b.compression
        assert a.statistics.null_count == b.statistics.null_count
        assert a.statistics.has_min_max == b.statistics.has_min_max
        if b.statistics.has_min_max:
            assert (a.statistics.min, a.statistics.max) == (b.statistics.min, b.statistics.max)
        assert a.total_compressed_size == len(
            pages(data, chunks(data)[0, b"%b" % table.column_names[i].encode()])
        )
    assert joined.column(1).has_dictionary_page  # values repeat
    assert not joined.column(0).has_dictionary_page  # they do not
    for chunk in chunks(data).values():
        assert_pages_add_up(data, chunk)


def assert_pages_add_up(data: bytes, chunk: Struct) -> None:
    """The headers of all pages say what the ColumnMetaData says."""
    meta = chunk[3]
    at, size = place_of(meta)
    stop, values, unpacked, kinds = at + size, 0, 0, {}
    while at < stop:
        head, after = read(data, at)
        page = head.get(5) or head.get(8)
        values += page[1] if page else 0
        unpacked += after - at + head[2]
        encoding = head[5][2] if 5 in head else head[8][4] if 8 in head else 0
        kinds[head[1] == 2, encoding] = kinds.get((head[1] == 2, encoding), 0) + 1
        at = after + head[3]
    assert (at, values, unpacked) == (stop, meta[5], meta[6])
    assert kinds == {(each[1] == 2, each[2]): each[3] for each in meta[13]}
    if 16 in meta and meta[16].get(3):
        assert sum(meta[16][3]) == values


@pytest.mark.parametrize("parts", [1000, 1 << 17])
def test_output_does_not_depend_on_chunks(tmp_path, monkeypatch, parts):
    monkeypatch.setattr(parquet_columns, "ROWS", parts)
    path = written(tmp_path / "a.parquet", numbers(5500), 5000, 0, 500)
    outs = {
        rewritten(PARQUET, opened(PARQUET, path, rows), scaled=[0, 1, 4])
        for rows in (None, 1, 999, 1000, 5500)
    }
    assert len(outs) == 1


def test_output_does_not_depend_on_jobs(tmp_path):
    path = written(tmp_path / "a.parquet", numbers(300_000), 200_000, 100_000)
    outs = set()
    for number, options in enumerate((["-j", "1"], ["-j", "3"], ["--chunk-rows", "7001"])):
        out = tmp_path / f"{number}.parquet"
        run("fit-transform", str(path), "-o", str(out), "--exclude", "null", *options)
        outs.add(out.read_bytes())
    assert len(outs) == 1


def run(*arguments: str, code: int = 0) -> str:
    """What it says."""
    done = subprocess.run(
        [sys.executable, "-m", "normcli", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize(("codec", "kept"), [("SNAPPY", False), ("ZSTD", True)])
def test_a_dictionary_is_kept_where_it_pays(tmp_path, codec, kept):
    rng = np.random.default_rng(1)
    rows = 100_000
    table = pa.table({
        "few": rng.integers(0, 99, rows) * 0.1,
        "hardly": rng.integers(0, 30_000, rows) * 0.1,
        "never": rng.normal(size=rows),
    })  # fmt: skip
    path = written(
        tmp_path / "a.parquet", table, compression=codec, dictionary_pagesize_limit=1 << 19
    )
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, opened(PARQUET, path), scaled=[0, 1, 2])))
    group = out.metadata.row_group(0)
    assert [group.column(i).has_dictionary_page for i in range(3)] == [True, kept, False]


def test_page_indexes_of_copied_columns_are_moved_and_of_scaled_ones_dropped(many):
    table = opened(PARQUET, many)
    before = many.read_bytes()
    after = rewritten(PARQUET, table, scaled=positions(table, ["float64"]))
    old, checked = chunks(before), 0
    for (group, path), chunk in chunks(after).items():
        if path == b"float64":
            assert not any(field in chunk for field in (4, 5, 6, 7))
            continue
        was = old[group, path]
        if 6 not in was:  # a row group without rows
            continue
        assert after[chunk[6] : chunk[6] + chunk[7]] == before[was[6] : was[6] + was[7]]
        index, _ = read(after, chunk[OFFSET_INDEX[0]])
        for page in index[1]:
            head, stop = read(after, page[1])
            assert stop - page[1] + head[3] == page[2]
            checked += 1
    assert checked > 30


def test_bloom_filters_of_copied_columns_are_kept(many):
    table = opened(PARQUET, many)
    before = many.read_bytes()
    after = rewritten(PARQUET, table, scaled=positions(table, ["float64"]))
    old, new = chunks(before)[2, b"text"][3], chunks(after)[2, b"text"][3]
    assert old[15] == new[15] > 32
    assert after[new[14] : new[14] + new[15]] == before[old[14] : old[14] + old[15]]
    assert 14 not in chunks(after)[2, b"float64"][3]


def test_bloom_filters_whose_length_is_not_told_are_kept():
    path = corpus("parquet/parquet-testing/data/data_index_bloom_encoding_stats.parquet")
    with path.open("rb") as file:
        meta = read_footer(file)[0][4][0][1][0][3]
    assert 14 in meta
    assert 15 not in meta


def with_footer(path: Path, change) -> Path:
    """The file with its FileMetaData changed."""
    data = path.read_bytes()
    meta, start = read_footer(io.BytesIO(data))
    change(meta)
    new = bytes(meta)
    path.write_bytes(data[:start] + new + len(new).to_bytes(4, "little") + b"PAR1")
    return path


def test_fields_that_nobody_knows_are_kept(tmp_path):
    def change(meta: Struct) -> None:
        meta.put(99, BINARY, b"of the future")
        meta[4][0].put(98, I64, -(2**40))
        meta[4][0][1][1].put(97, STRUCT, Struct({1: (I32, 5), 31: (7, 0.5)}))

    path = with_footer(written(tmp_path / "a.parquet", numbers(10)), change)
    after = footer(rewritten(PARQUET, opened(PARQUET, path), scaled=[0]))
    assert after[99] == b"of the future"
    assert after[4][0][98] == -(2**40)
    assert after[4][0][1][1][97][31] == 0.5


@pytest.mark.parametrize("name", GOOD or ["parquet"])
def test_a_footer_is_written_as_it_was_read(name):
    data = corpus(name).read_bytes()
    try:
        meta, start = read_footer(io.BytesIO(data))
    except ValueError:
        pytest.skip("no footer")
    assert bytes(meta) == data[start : start + len(bytes(meta))]
    assert len(data) - start - len(bytes(meta)) == 8


def test_rows_are_known_to_be_sorted_by_columns_before_the_first_scaled_one(tmp_path):
    sorting = [pq.SortingColumn(i) for i in (5, 0, 1)]
    path = written(tmp_path / "a.parquet", numbers(10), sorting_columns=sorting)
    source = opened(PARQUET, path)
    for scaled, kept in (([0], 1), ([1], 2), ([2], 3)):
        out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, source, scaled=scaled)))
        assert list(out.metadata.row_group(0).sorting_columns) == sorting[:kept]


def test_the_writer_of_the_file_is_named_as_before(tmp_path):
    """Readers go by it when they decide which statistics to believe."""
    path = with_footer(
        written(tmp_path / "a.parquet", numbers(10)),
        lambda meta: meta.put(6, BINARY, b"somebody version 1.2"),
    )
    out = rewritten(PARQUET, opened(PARQUET, path), scaled=[0])
    assert pq.ParquetFile(io.BytesIO(out)).metadata.created_by == "somebody version 1.2"


def test_a_file_without_an_arrow_schema_gets_none(tmp_path):
    path = written(tmp_path / "a.parquet", numbers(10), store_schema=False)
    out = rewritten(PARQUET, opened(PARQUET, path), scaled=[0])
    assert pq.ParquetFile(io.BytesIO(out)).metadata.metadata is None


def test_some_row_groups_of_a_file_are_a_file(tmp_path):
    table = numbers(100)
    path = written(tmp_path / "a.parquet", table, 30, 30, 0, 40)
    piece = PARQUET.open_piece(Source(str(path), path), ReadOptions(), Groups(1, 3))
    out = pq.ParquetFile(io.BytesIO(rewritten(PARQUET, piece, scaled=[0, 1])))
    assert out.metadata.num_rows == 30
    assert out.num_row_groups == 2
    assert cells(out.read()) == cells(table.slice(30, 30))


def set_field(chunk: int, field: int, kind: int, value: object):
    return lambda meta: meta[4][0][1][chunk].put(field, kind, value)


ODD = {
    "a column in another file": set_field(5, 1, BINARY, b"b.parquet"),
    "an encrypted column": set_field(5, 9, BINARY, b"secret"),
    "an old writer": lambda meta: meta.put(6, BINARY, b"parquet-mr version 1.2.8"),
    "an encrypted footer": lambda meta: meta.put(8, STRUCT, Struct()),
    "an unknown codec": lambda meta: meta[4][0][1][5][3].put(4, I32, 77),
    "too few values": lambda meta: meta[4][0][1][5][3].put(5, I64, 3),
    "chunks beyond the end": lambda meta: meta[4][0][1][5][3].put(7, I64, 1 << 40),
    "a chunk before the start": lambda meta: meta[4][0][1][5][3].put(9, I64, -5),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_files_in_which_something_is_odd_are_left_to_arrow(tmp_path, odd):
    path = written(tmp_path / "a.parquet", numbers(10))
    assert is_stitched(opened(PARQUET, path), [0])
    try:
        table = opened(PARQUET, with_footer(path, ODD[odd]))
    except DataError:
        return
    assert table.stitched([0], Style()) is None


def test_old_writers_that_miscounted_are_known():
    for name in (b"parquet-mr", b"parquet-mr version 1.2.8", b"parquet-mr version 1.0.0-t2"):
        assert MISCOUNTING.match(name)
    for name in (b"parquet-mr version 1.3.0", b"parquet-mr version 1.15.1", b"impala version 1.2",
                 b"parquet-mr version 2.0", b"", b"parquet-cpp version 1.0.0"):  # fmt: skip
        assert not MISCOUNTING.match(name)


def test_rows_that_are_dropped_are_dropped_from_all_columns(tmp_path):
    path = written(tmp_path / "a.parquet", numbers(25).select(["few", "text"]), 11, 11, 3)
    out = tmp_path / "out.parquet"
    batch = ["--method", "batch", "--batch-size", "10", "-o", str(out)]
    run("transform", str(path), *batch, "--last-batch", "drop", "-s", "few")
    assert pq.read_table(out)["text"].to_pylist() == numbers(25)["text"].to_pylist()[:20]
    run("transform", str(path), *batch, "--last-batch", "merge", "-s", "few")
    assert pq.read_table(out)["text"].equals(numbers(25)["text"])


def test_values_out_of_range_become_null_also_in_a_column_declared_without(tmp_path):
    schema = pa.schema([pa.field("x", pa.int64(), nullable=False), pa.field("y", pa.int8())])
    path = written(tmp_path / "a.parquet", pa.table({"x": range(10), "y": range(10)}, schema))
    stats, out = str(tmp_path / "s.json"), tmp_path / "out.parquet"
    run("fit", str(path), "-o", stats, "--method", "minmax")
    more = written(tmp_path / "b.parquet", pa.table({"x": range(0, 20, 2), "y": range(10)}, schema))
    run("transform", str(more), "--stats", stats, "-o", str(out), "--out-of-range", "null")
    assert pq.read_table(out)["x"].to_pylist()[-5:] == [None] * 5
    assert pq.read_table(out)["x"].to_pylist()[0] == 0.0


def test_columns_that_arrow_cannot_carry_are_copied(tmp_path):
    table = pa.table({"x": [1.5, 2.5], "shape": [b"a", b"b"]})

    def change(meta: Struct) -> None:
        geometry = Struct({17: (STRUCT, Struct())})
        meta[2][2].put(10, STRUCT, geometry)

    path = with_footer(written(tmp_path / "a.parquet", table, store_schema=False), change)
    assert pq.ParquetFile(path).schema.column(1).logical_type.type == "GEOMETRY"
    after = rewritten_columns(opened(PARQUET, path), [0])
    assert pq.ParquetFile(io.BytesIO(after)).schema.column(1).logical_type.type == "GEOMETRY"
    assert pq.read_table(io.BytesIO(after))["x"].to_pylist() == [1.5, 2.5]


def test_int96_timestamps_that_arrow_cannot_read_are_copied(tmp_path):
    times = pa.array([0, 2**62, None], pa.timestamp("us"))
    options = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    path = written(tmp_path / "a.parquet", pa.table({"t": times, "x": [1.0, 2.0, 3.0]}), **options)
    after = rewritten_columns(opened(PARQUET, path), [1])
    assert pages(path.read_bytes(), chunks(path.read_bytes())[0, b"t"]) == pages(
        after, chunks(after)[0, b"t"]
    )


def rewritten_columns(table: ParquetTable, scaled: list[int]) -> bytes:
    """As a run does it: only the columns that the encoder needs are read."""
    encoder = PARQUET.encoder(table, scaled, Style(), ReadOptions())
    out = io.BytesIO()
    writer = PARQUET.writer(out, encoder)
    from tests.arrow_tables import unscaled

    for chunk in table.chunks(encoder.needs):
        writer.write(encoder.encode(chunk, unscaled(chunk, scaled)))
    writer.close()
    return out.getvalue()


def test_it_is_the_same_whether_other_columns_are_read_or_not(many):
    table = opened(PARQUET, many)
    scaled = positions(table, NUMBERS)
    assert rewritten_columns(table, scaled) == rewritten(PARQUET, table, scaled=scaled)


def damaged(path: Path, column: bytes, by: int) -> Path:
    """The file with a byte of that column's pages changed."""
    data = bytearray(path.read_bytes())
    start, size = place_of(chunks(bytes(data))[0, column][3])
    data[start + size + by if by < 0 else start + by] ^= 0x40
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("by", [0, 2, -1, -9])
def test_damage_in_a_copied_column_is_told_and_the_output_is_left_alone(tmp_path, by):
    table = numbers(1000).select(["x", "text"])
    path = written(tmp_path / "a.parquet", table, write_page_checksum=True, use_dictionary=False)
    out = tmp_path / "out.parquet"
    out.write_text("as it was")
    damaged(path, b"text", by)
    said = run("fit-transform", str(path), "-o", str(out), "-s", "x", code=1)
    assert "row group 1, column 'text'" in said
    assert out.read_text() == "as it was"


@pytest.mark.parametrize(("values", "said"), [(3, "more values"), (5, "cut short")])
def test_a_copied_column_with_another_number_of_values_is_refused(tmp_path, values, said):
    table = pa.table({"x": [1.5, 2.5], "list": [[1, 2], [3, 4]]})
    path = with_footer(
        written(tmp_path / "a.parquet", table),
        lambda meta: meta[4][0][1][1][3].put(5, I64, values),
    )
    table = opened(PARQUET, path)
    with pytest.raises(DataError, match=rf"row group 1, column 'list.list.element': .*{said}"):
        rewritten_columns(table, [0])


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    path = written(tmp_path / "a.parquet", numbers(1000))
    data = path.read_bytes()
    for size in (0, 3, 8, 11, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(DataError):
            opened(PARQUET, path)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = written(tmp_path / "a.parquet", numbers(1000))
    table = opened(PARQUET, path)
    encoder = PARQUET.encoder(table, [0], Style(), ReadOptions())
    shutil.copyfile(path, tmp_path / "b.parquet")
    (tmp_path / "b.parquet").rename(path)
    with pytest.raises(NormcliError, match="was changed while being read"):
        list(table.chunks(encoder.needs))


HOSTILE = """
import sys
from normcli.errors import NormcliError
from tests.test_parquet_stitched import *
for name in sys.stdin.read().split("\\n"):
    try:
        table = opened(PARQUET, Path(name))
        rewritten_columns(table, numeric(table)[:3])
        print("ok")
    except NormcliError as e:
        assert str(e).isprintable() and len(str(e)) < 500, str(e)
        print(e)
"""


def test_no_hostile_file_gets_more_than_an_error(tmp_path):
    names = [str(p) for p in corpus("parquet").rglob("*") if p.is_file()]
    names += map(str, broken_footers(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], input="\n".join(names), capture_output=True, text=True,
        cwd=Path(__file__).parents[1], timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(names)


def broken_footers(folder: Path) -> list[Path]:
    """Files with a byte of the footer or of a page header changed."""
    data = written(folder / "a.parquet", numbers(50), write_page_index=True).read_bytes()
    rng = np.random.default_rng(3)
    paths = []
    for at in rng.choice(np.arange(4, len(data) - 8), 300, replace=False):
        broken = bytearray(data)
        broken[at] = rng.integers(0, 256)
        paths.append(folder / f"{at}.parquet")
        paths[-1].write_bytes(broken)
    return paths
