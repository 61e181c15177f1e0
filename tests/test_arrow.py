"""Arrow IPC files and streams come back unchanged; truncated ones are refused."""

import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.errors import DataError
from normcli.formats.arrow.format import ArrowFormat, ArrowStreamFormat
from normcli.formats.arrow.messages import body_codec
from normcli.formats.base import ReadOptions, Style
from normcli.formats.parquet.format import ParquetFormat
from tests.arrow_tables import cells, many_types, numeric, opened, rewritten

FILE, STREAM, PARQUET = ArrowFormat(), ArrowStreamFormat(), ParquetFormat()
FORMATS = pytest.mark.parametrize("format_", [FILE, STREAM], ids=["file", "stream"])


def more_types(rows: int = 40) -> pa.Table:
    """`many_types` and those that Parquet lacks."""
    values = {
        "view": pa.array(["a long text that is not inlined", "x"] * (rows // 2), pa.string_view()),
        "interval": pa.array([(1, 2, 3)] * rows, pa.month_day_nano_interval()),
        "runs": pa.RunEndEncodedArray.from_arrays([rows], [7]),
        "union": pa.UnionArray.from_sparse(pa.array([0] * rows, pa.int8()), [pa.nulls(rows)]),
        "small": pa.array([1.5, None] * (rows // 2)).dictionary_encode().cast(
            pa.dictionary(pa.int8(), pa.float64())
        ),
    }  # fmt: skip
    table = many_types(rows)
    for name, array in values.items():
        table = table.append_column(name, array)
    return table


def written(path: Path, format_, batches: list[pa.RecordBatch], metadata=None, **options) -> Path:
    new = pa.ipc.new_file if format_ is FILE else pa.ipc.new_stream
    more = {"metadata": metadata} if metadata else {}
    options = pa.ipc.IpcWriteOptions(**options)
    with new(path, batches[0].schema, options=options, **more) as writer:
        for i, batch in enumerate(batches):
            writer.write_batch(batch, custom_metadata={"number": str(i)})
    return path


def cut(table: pa.Table, *rows: int) -> list[pa.RecordBatch]:
    """Record batches of this many rows."""
    starts = np.cumsum([0, *rows])
    whole = table.combine_chunks().to_batches()[0]
    return [whole.slice(int(s), n) for s, n in zip(starts, rows, strict=False)]


def read(data: bytes) -> list[tuple[pa.RecordBatch, dict | None]]:
    if data.startswith(b"ARROW1"):
        reader = pa.ipc.open_file(io.BytesIO(data))
        indexes = range(reader.num_record_batches)
        found = [reader.get_batch_with_custom_metadata(i) for i in indexes]
    else:
        found = list(pa.ipc.open_stream(io.BytesIO(data)).iter_batches_with_custom_metadata())
    return [(batch, metadata and dict(metadata)) for batch, metadata in found]


@FORMATS
@pytest.mark.parametrize("chunk_rows", [None, 1, 7, 100])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_record_batches_come_back_with_all_that_they_carry(
    tmp_path, format_, chunk_rows, compression
):
    batches = cut(more_types(), 3, 0, 20, 17, 0)
    path = written(tmp_path / "a", format_, batches, compression=compression)
    out = rewritten(format_, opened(format_, path, chunk_rows))
    before, after = read(path.read_bytes()), read(out)
    assert [b.num_rows for b, _ in after] == [3, 0, 20, 17, 0]
    for (old, old_metadata), (new, new_metadata) in zip(before, after, strict=True):
        assert new.schema.equals(old.schema, check_metadata=True)
        assert new_metadata == old_metadata
        assert repr(new.to_pylist()) == repr(old.to_pylist())
        new.validate(full=True)
    messages = io.BytesIO(out[8:] if format_ is FILE else out)
    assert body_codec(messages) == compression


def test_the_metadata_in_the_footer_of_a_file_stays(tmp_path):
    path = written(tmp_path / "a", FILE, cut(many_types(), 40), metadata={"made by": "hand"})
    out = pa.ipc.open_file(io.BytesIO(rewritten(FILE, opened(FILE, path))))
    assert dict(out.metadata) == {b"made by": b"hand"}


def growing() -> list[pa.RecordBatch]:
    """Batches whose dictionaries grow, shrink, differ and have nulls."""
    dictionaries = [["a", "b"], ["a", "b", "c"], ["c"], ["x", None, "a"]]
    return [
        pa.record_batch({"d": pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), d)})
        for d in dictionaries
    ]


@pytest.mark.parametrize("deltas", [False, True])
@pytest.mark.parametrize("into", [FILE, STREAM], ids=["file", "stream"])
def test_dictionaries_that_change_from_batch_to_batch_are_carried(tmp_path, deltas, into):
    path = written(tmp_path / "a", STREAM, growing(), emit_dictionary_deltas=deltas)
    out = read(rewritten(STREAM, opened(STREAM, path), into))
    assert [b.column(0).to_pylist() for b, _ in out] == [
        ["a", None], ["a", None], ["c", None], ["x", None]
    ]  # fmt: skip
    assert all(b.schema == growing()[0].schema for b, _ in out)


def test_dictionaries_that_change_become_one_column_of_parquet(tmp_path):
    path = written(tmp_path / "a", STREAM, growing()[:3])  # Parquet lacks null in a dictionary
    out = pq.read_table(io.BytesIO(rewritten(STREAM, opened(STREAM, path), PARQUET)))
    assert out["d"].to_pylist() == ["a", None, "a", None, "c", None]


@FORMATS
def test_parquet_and_arrow_of_the_same_table_give_the_same_numbers(tmp_path, format_):
    table = many_types()
    pq.write_table(table, tmp_path / "a.parquet")
    arrow = opened(format_, written(tmp_path / "a", format_, cut(table, 40)))
    parquet = opened(PARQUET, tmp_path / "a.parquet")
    assert arrow.others.keys() == parquet.others.keys()
    pairs = [next(iter(t.chunks(numeric(t)))).numbers(numeric(t)) for t in (arrow, parquet)]
    for x, y in zip(*pairs, strict=True):
        assert x.scale == y.scale
        np.testing.assert_array_equal(x.parts, y.parts)
        np.testing.assert_array_equal(x.missing, y.missing)


@FORMATS
@pytest.mark.parametrize("into", [FILE, STREAM, PARQUET], ids=["file", "stream", "parquet"])
def test_every_format_becomes_every_other(tmp_path, format_, into):
    table = many_types()
    path = written(tmp_path / "a", format_, cut(table, 30, 10))
    (tmp_path / "b").write_bytes(rewritten(format_, opened(format_, path), into))
    back = rewritten(into, opened(into, tmp_path / "b"), FILE)
    assert cells(pa.Table.from_batches([b for b, _ in read(back)])) == cells(table)


@FORMATS
def test_scaled_columns_become_floats_and_dictionaries_of_numbers_plain(tmp_path, format_):
    table = opened(format_, written(tmp_path / "a", format_, cut(more_types(), 40)))
    names = ["int64", "small", "null", "float32"]
    scaled = [table.columns.index(name) for name in names]
    ((batch, _),) = read(rewritten(format_, table, scaled=scaled))
    assert [str(batch.schema.field(n).type) for n in names] == ["double"] * 3 + ["float"]
    assert batch.column("small").to_pylist()[:4] == [1.5, None, 1.5, None]
    assert batch.column("null").null_count == 40
    assert batch.schema.field("int64").metadata == {b"unit": b"m/s"}
    assert batch.schema.metadata == {b"made by": b"hand"}


@FORMATS
def test_only_the_columns_that_are_asked_for_are_carried(tmp_path, format_):
    table = opened(format_, written(tmp_path / "a", format_, cut(more_types(), 30, 10)))
    x = table.columns.index("float64")
    chunks = list(table.chunks([x]))
    assert {s.table.num_columns for chunk in chunks for s in chunk.segments} == {1}
    assert sum(len(chunk.numbers([x])[0]) for chunk in chunks) == 40
    assert sum(chunk.rows for chunk in table.chunks([])) == 40
    assert sum(chunk.rows for chunk in table.chunks()) == 40


def test_a_large_batch_is_cut_into_chunks_and_comes_back_whole(tmp_path):
    table = pa.table({"x": np.arange(70_000.0)})
    path = written(tmp_path / "a", FILE, table.to_batches())
    assert [c.rows for c in opened(FILE, path).chunks()] == [32768, 32768, 4464]
    assert [b.num_rows for b, _ in read(rewritten(FILE, opened(FILE, path)))] == [70_000]


def test_a_stream_is_read_from_a_pipe_once_and_without_a_temporary_file(tmp_path):
    path = written(tmp_path / "a", STREAM, cut(many_types(), 30, 10))
    with pa.OSFile(str(path)) as inner:

        class Pipe:
            name, opened = "stdin", 0

            def head(self, n=4096):
                return path.read_bytes()[:n]

            def open(self):
                self.opened += 1
                return inner

        pipe = Pipe()
        table = FILE.open(pipe, ReadOptions())
        assert sum(chunk.rows for chunk in table.chunks()) == 40
        assert pipe.opened == 1


def observed(format_, path: Path) -> None:
    table = opened(format_, path)
    for chunk in table.chunks():
        chunk.observe(numeric(table))


def refused(format_, path: Path) -> str:
    with pytest.raises(DataError) as error:
        observed(format_, path)
    assert str(error.value).isprintable()
    return str(error.value)


@FORMATS
def test_a_table_cut_short_anywhere_is_an_error(tmp_path, format_):
    table = pa.table(
        {"x": [1, 2, None, 4], "d": pa.array(["a", "b", "a", "b"]).dictionary_encode()}
    )
    whole = written(tmp_path / "a", format_, cut(table, 2, 2)).read_bytes()
    for n in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:n])
        refused(format_, tmp_path / "cut")


def test_a_stream_without_its_end_or_with_more_after_it_is_an_error_that_says_so(tmp_path):
    path = written(tmp_path / "a", STREAM, cut(many_types(), 30, 10))
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    assert "it is cut short" in refused(STREAM, path)
    path.write_bytes(whole + whole)
    assert "something after the end" in refused(STREAM, path)


def test_a_batch_that_is_not_valid_is_an_error(tmp_path):
    table = pa.table({"text": pa.array(["find me"])})
    path = written(tmp_path / "a", STREAM, cut(table, 1))
    path.write_bytes(path.read_bytes().replace(b"find me", b"\xff\xfe\xfd\xfc..."))
    assert "UTF8" in refused(STREAM, path)


@FORMATS
def test_a_name_that_is_not_utf8_is_an_error_wherever_it_stands(tmp_path, format_):
    for type_ in (pa.int8(), pa.list_(pa.field("name", pa.int8()))):
        table = pa.table({"name" if type_ == pa.int8() else "x": pa.nulls(1, type_)})
        path = written(tmp_path / "a", format_, cut(table, 1))
        path.write_bytes(path.read_bytes().replace(b"name", b"\xff\xff\xff\xff"))
        assert "not UTF-8" in refused(format_, path)


def test_the_first_version_of_feather_is_refused_in_plain_words(tmp_path):
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(50))
    assert "Feather version 1" in refused(FILE, tmp_path / "a.feather")


def test_file_and_stream_are_known_by_their_first_bytes(tmp_path):
    for format_, other in [(FILE, STREAM), (STREAM, FILE)]:
        head = written(tmp_path / "a", format_, cut(many_types(), 40)).read_bytes()[:16]
        assert format_.sniff(head)
        assert not other.sniff(head)
        assert not format_.sniff(b"")


@FORMATS
def test_a_writer_that_is_not_closed_leaves_no_whole_table(tmp_path, format_):
    table = opened(format_, written(tmp_path / "a", format_, cut(many_types(), 30, 10)))
    encoder = format_.encoder(table, [], Style(), ReadOptions())
    out = io.BytesIO()
    writer = format_.writer(out, encoder)
    for chunk in table.chunks():
        writer.write(encoder.encode(chunk, {}))
    del writer
    (tmp_path / "b").write_bytes(out.getvalue())
    refused(format_, tmp_path / "b")


HOSTILE = """
import sys
from pathlib import Path
from normcli.errors import NormcliError
from normcli.formats.arrow.format import ArrowFormat
from tests.arrow_tables import numeric, opened, rewritten
done = 0
for name in sys.stdin.read().split("\\n"):
    print(name, file=sys.stderr)
    try:
        table = opened(ArrowFormat(), Path(name))
        for chunk in table.chunks(numeric(table)):
            chunk.observe(numeric(table))
        rewritten(ArrowFormat(), table)
    except NormcliError as e:
        assert str(e).isprintable() and len(str(e)) < 500, str(e)
    done += 1
print(done)
"""


def survived(paths: list[Path]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], input="\n".join(map(str, paths)), capture_output=True,
        text=True, cwd=Path(__file__).parents[1], timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


def mutants(folder: Path, whole: bytes, count: int, seed: int) -> list[Path]:
    """Files that differ from `whole` in a few bytes."""
    rng = random.Random(seed)
    paths = []
    for i in range(count):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] = rng.choice(
                [0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)]
            )
        paths.append(folder / f"{seed}-{i}")
        paths[-1].write_bytes(data)
    return paths


@FORMATS
@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_damaged_table_gets_more_than_an_error(tmp_path, format_, count):
    table = more_types(6).select(["float64", "text", "category", "list", "view", "small", "map"])
    whole = written(tmp_path / "a", format_, cut(table, 2, 4)).read_bytes()
    assert survived(mutants(tmp_path, whole, count, seed=count)) == count
