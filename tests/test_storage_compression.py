"""Compressed input is read whole or refused; compressed output is the same every time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from normcli.errors import DataError, LimitError, NormcliError
from normcli.storage.compression import SUFFIXES, compressed, decompressed, detect, split_suffix
from normcli.storage.sources import sources

from .corpora import corpus

CODECS = sorted(SUFFIXES.values())
SUFFIX = {codec: suffix for suffix, codec in SUFFIXES.items()}
TABLE = random.Random(1).randbytes(100) + b"a,b\n1,2\n" * 120
UNCHECKED = ("zstd", "lz4")  # Arrow writes them without a checksum of the content

every_codec = pytest.mark.parametrize("codec", CODECS)


def pack(codec: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    writer = compressed(stream, codec)
    writer.write(data)
    writer.close()
    return stream.getvalue()


def unpack(codec: str, data: bytes) -> bytes:
    return io.BufferedReader(decompressed(io.BytesIO(data), codec, "t.csv")).read()


def read(path: Path) -> bytes:
    [source] = sources([str(path)])
    with source.open() as stream:
        return stream.read()


@pytest.fixture
def packed(tmp_path, codec):
    """The path of a new file that has these bytes and the codec's suffix."""

    def write(data: bytes) -> Path:
        path = tmp_path / f"t.csv{SUFFIX[codec]}"
        path.write_bytes(data)
        return path

    return write


@every_codec
def test_what_was_compressed_comes_back(codec, packed):
    assert read(packed(pack(codec, TABLE))) == TABLE
    assert read(packed(pack(codec, b""))) == b""


@pytest.mark.parametrize(
    ("codec", "others"),
    [("gzip", gzip.decompress), ("bzip2", bz2.decompress), ("xz", lzma.decompress)],
)
def test_others_can_read_what_is_written(codec, others):
    assert others(pack(codec, TABLE)) == TABLE


@every_codec
def test_several_members_are_read_whole(codec, packed):
    members = pack(codec, TABLE) + pack(codec, b"") + pack(codec, b"end\n") * 50
    assert read(packed(members)) == TABLE + b"end\n" * 50


@every_codec
def test_the_same_data_give_the_same_bytes_at_any_time_under_any_name(codec, monkeypatch):
    now = pack(codec, TABLE)
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert pack(codec, TABLE) == now


@every_codec
@pytest.mark.parametrize("members", [0, 1], ids=["first member", "second member"])
def test_truncation_is_refused_wherever_it_is(codec, members):
    whole = pack(codec, TABLE)
    for end in range(1, len(whole)):
        with pytest.raises(DataError, match=r"t\.csv: .* too early"):
            unpack(codec, whole * members + whole[:end])


@every_codec
def test_truncation_is_refused_at_the_edges_of_the_blocks_that_are_read(codec, packed):
    whole = pack(codec, random.Random(2).randbytes(300_000))
    for edge in (1 << 16, 1 << 17, 1 << 18):
        for end in range(edge - 2, edge + 3):
            with pytest.raises(DataError, match="too early"):
                read(packed(whole[:end]))


@every_codec
def test_members_may_end_at_the_edges_of_the_blocks_that_are_read(codec, packed):
    first = pack(codec, random.Random(2).randbytes(65_000))
    for edge in range(len(first) - 3, len(first) + 4):
        filler = pack(codec, b"")
        data = first + filler * ((2 * edge) // len(filler))
        assert len(read(packed(data))) == 65_000


@every_codec
@pytest.mark.parametrize("rubbish", [b"x", b"PK\n", b"a,b\n1,2\n3,4\n", b"\0\0\0\1more rubbish"])
def test_rubbish_after_the_end_is_refused(codec, packed, rubbish):
    with pytest.raises(DataError, match=r"t\.csv"):
        read(packed(pack(codec, TABLE) + rubbish))


@pytest.mark.parametrize("codec", ["bzip2", "xz"])
def test_the_standard_library_drops_that_rubbish_in_silence(codec, packed):
    opener = {"bzip2": bz2.open, "xz": lzma.open}[codec]
    with opener(packed(pack(codec, TABLE) + b"a,b\n1,2\n3,4\n")) as stream:
        assert stream.read() == TABLE


@pytest.mark.parametrize("codec", ["gzip", "xz"])
def test_zeros_after_the_end_are_padding(codec, packed):
    assert (
        read(packed(pack(codec, TABLE) + bytes(8) + pack(codec, TABLE) + bytes(512))) == TABLE * 2
    )


@every_codec
def test_a_flipped_bit_never_gives_an_error_of_another_kind(codec):
    whole = pack(codec, TABLE[:40])
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            data = unpack(codec, bytes(damaged))
        except NormcliError:
            continue
        assert data == TABLE[:40] or codec in UNCHECKED


@every_codec
def test_the_name_may_hide_the_compression(codec, tmp_path):
    path = tmp_path / "plain.csv"
    path.write_bytes(pack(codec, TABLE))
    assert read(path) == TABLE


def test_the_first_bytes_decide_the_compression_not_the_name(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(pack("zstd", TABLE))
    assert read(path) == TABLE


@every_codec
@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n"])
def test_a_name_that_promises_compression_requires_it(codec, packed, data):
    with pytest.raises(DataError, match=f"this is not {codec} data"):
        read(packed(data))


def test_text_that_begins_like_a_magic_number_is_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"BZh9,height\n1,2\n")
    assert read(path) == b"BZh9,height\n1,2\n"


def test_suffixes_are_split_without_regard_to_case():
    assert split_suffix("dir.gz/A.CSV.GZ") == (".csv", "gzip")
    assert split_suffix("t.stats.json") == (".json", None)
    assert split_suffix("-") == ("", None)
    assert split_suffix(".gz") == ("", None)


# -- memory --------------------------------------------------------------------------------

MEASURE = """
import sys
import pyarrow
from normcli.storage.sources import sources
from tests.sweep import peak
before, size = peak(), 0
with sources([sys.argv[1]])[0].open() as stream:
    while piece := stream.read(1 << 20):
        size += len(piece)
print(size, round(peak() - before))
"""


def measure(path: Path) -> tuple[int, int]:
    """Bytes that `path` decompresses to, and MiB of memory that it took."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    size, memory = map(int, run.stdout.split())
    return size, memory


def zeros(codec: str, size: int) -> bytes:
    stream = io.BytesIO()
    writer = compressed(stream, codec)
    for _ in range(size >> 20):
        writer.write(bytes(1 << 20))
    writer.close()
    return stream.getvalue()


@pytest.mark.parametrize(("codec", "size"), [(c, 64 << 20) for c in CODECS if c != "bzip2"])
def test_a_decompression_bomb_takes_no_memory(codec, size, packed):
    assert measure(packed(zeros(codec, size))) == (size, pytest.approx(15, abs=15))


@pytest.mark.parametrize("codec", ["bzip2"])
def test_a_bomb_of_many_bzip2_streams_takes_no_memory(codec, packed):
    assert measure(packed(zeros(codec, 4 << 20) * 16)) == (64 << 20, pytest.approx(15, abs=15))


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["gzip"])
def test_a_gigabyte_from_a_megabyte_takes_no_memory(codec, packed):
    deflate = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(1 << 10)) + deflate.flush()
    assert len(bomb) < 1 << 20
    assert measure(packed(bomb)) == (1 << 30, pytest.approx(15, abs=15))


@pytest.mark.parametrize("codec", ["gzip"])
def test_a_bomb_of_empty_members_is_read_in_reasonable_time(codec, packed):
    assert read(packed(pack(codec, b"") * 50_000)) == b""


@pytest.mark.parametrize("codec", ["xz"])
def test_an_xz_dictionary_beyond_the_limit_is_refused_before_it_is_made(codec, packed):
    greedy = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    block = bytearray(lzma.compress(TABLE, filters=greedy))
    properties = block.index(b"\x21\x01", 12) + 2  # the LZMA2 filter's dictionary size
    block[properties] = 37  # 1 GiB
    header = block[12 : 12 + 4 * (block[12] + 1)]
    block[12 : 12 + len(header)] = header[:-4] + zlib.crc32(header[:-4]).to_bytes(4, "little")
    with pytest.raises(LimitError, match="limit of 256 MiB"):
        read(packed(bytes(block)))


# -- outside material ----------------------------------------------------------------------


# RFC 1952 says that members with a reserved flag bit must be refused; Python accepts them.
RESERVED_FLAGS = (
    "7ba43036adf30b911290c778a75e1c64475b9de8-18",
    "a5eb6e389298948f3cf6b173888736449d8f4f5f-9",
)


def test_every_damaged_gzip_file_is_refused_or_read_as_python_reads_it(tmp_path):
    copy, outcomes = tmp_path / "t.gz", []
    for path in sorted(corpus("compressed/go-fuzz-gzip").iterdir()):
        if path.name == "SOURCE.txt" or path.name in RESERVED_FLAGS:
            continue
        copy.write_bytes(path.read_bytes())
        try:
            expected = gzip.decompress(path.read_bytes()) if path.stat().st_size else None
        except (OSError, EOFError, zlib.error):
            expected = None
        try:
            found = read(copy)
        except DataError:
            found = None
        assert found == expected, path.name
        outcomes.append(found is not None)
    assert True in outcomes
    assert False in outcomes


def test_odd_but_valid_zstd_frames_are_read():
    folder = corpus("compressed/zstd-golden/golden-decompression")
    sizes = {path.name: len(read(path)) for path in folder.iterdir()}
    assert sizes == {"block-128k.zst": 131068, "empty-block.zst": 0, "zeroSeq_2B.zst": 13}


def test_invalid_zstd_frames_are_refused():
    for path in corpus("compressed/zstd-golden/golden-decompression-errors").iterdir():
        with pytest.raises(NormcliError):
            read(path)


@pytest.mark.parametrize("name", ["test/bgzf.gz", "test/concat.gz", "lineitem1k.tbl.gz"])
def test_gzip_files_of_other_programs_are_read_whole(name):
    path = corpus(f"csv/duckdb/{name}")
    assert read(path) == gzip.decompress(path.read_bytes())


def test_every_magic_number_is_recognised():
    assert [detect(pack(codec, TABLE)) for codec in CODECS] == CODECS
    assert detect(pack("bzip2", b"")) == "bzip2"
