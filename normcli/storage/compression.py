"""Compressed streams: read strictly, written with the same bytes every time.

Several members (frames, streams) in a row are read as one file, as the tools of these formats
do. Data that are truncated, damaged, or followed by garbage are refused; the standard library's
readers of bzip2 and xz silently drop garbage. Everything streams, so a decompression bomb takes
time, but no memory.
"""

from __future__ import annotations

import io
import zlib
from pathlib import PurePath
from types import SimpleNamespace
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from normcli.errors import DataError, LimitError

if TYPE_CHECKING:
    from bz2 import BZ2Decompressor
    from lzma import LZMADecompressor

    from _typeshed import ReadableBuffer, WriteableBuffer

    _Member: TypeAlias = "BZ2Decompressor | LZMADecompressor | _GzipMember"

SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz", ".lz4": "lz4"}

_BLOCK = 1 << 16  # bytes read at a time: `unused_data` is copied once for every member in it
_PIECE = 1 << 20  # bytes decompressed at a time, which limits memory
_XZ_MEMORY = 256 << 20  # `xz -9` needs 65 MiB; a hostile header may ask for 4 GiB

# Higher levels are not worth it for tables of numbers: they take two to three times as long
# (gzip 6) or ten times (xz 6) to save 2 to 8 % of the size.
_GZIP_LEVEL = 4
_XZ_PRESET = 1

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    **{bytes([0x50 + i]) + b"\x2a\x4d\x18": "zstd" for i in range(16)},  # a skippable frame
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    # "BZh9" alone could begin a line of text: require the magic of the block, or of the end.
    **{b"BZh%d1AY&SY" % i: "bzip2" for i in range(1, 10)},
    **{b"BZh%d\x17\x72\x45\x38\x50\x90" % i: "bzip2" for i in range(1, 10)},
}
MAGIC_BYTES = max(map(len, _MAGIC))


def split_suffix(name: str) -> tuple[str, str | None]:
    """The suffix that indicates the format, in lower case, and the compression.

    >>> split_suffix("a.csv.gz"), split_suffix("b.Parquet"), split_suffix("c.gz")
    (('.csv', 'gzip'), ('.parquet', None), ('', 'gzip'))
    """
    path = PurePath(name)
    compression = SUFFIXES.get(path.suffix.lower())
    if compression is not None:
        path = path.with_suffix("")
    return path.suffix.lower(), compression


def detect(head: bytes) -> str | None:
    """The compression that the first `MAGIC_BYTES` of a file indicate, or None.

    >>> detect(b"BZh91AY&SY..."), detect(b"BZh9,weight")
    ('bzip2', None)
    """
    return next((codec for magic, codec in _MAGIC.items() if head.startswith(magic)), None)


def decompressed(stream: io.RawIOBase, compression: str, name: str) -> io.RawIOBase:
    """The decompressed content of `stream`; closing it closes `stream`.

    Reading raises DataError, whose message begins with `name`, if the data are truncated,
    damaged or followed by other data, and LimitError if they need too much memory.
    """
    kind = _Members if compression in ("gzip", "bzip2", "xz") else _ArrowReader
    return kind(stream, compression, name)


def compressed(stream: BinaryIO, compression: str | None) -> BinaryIO:
    """A stream that writes to `stream` compressed; closing it leaves `stream` open."""
    writer: object  # typeshed does not consider these classes a BinaryIO
    match compression:
        case None:
            return stream
        case "gzip":
            import gzip

            # No name and no time of day: the same data give the same bytes.
            writer = gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0)
        case "bzip2":
            import bz2

            writer = bz2.BZ2File(stream, "wb")
        case "xz":
            import lzma

            writer = lzma.LZMAFile(stream, "wb", preset=_XZ_PRESET)  # noqa: SIM115  # given away
        case _:
            writer = _ArrowWriter(stream, compression)
    return cast(BinaryIO, writer)


class _GzipMember:
    """A decoder of a gzip member with the interface of those in `bz2` and `lzma`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail or data, max_length)


def _new_member(codec: str) -> _Member:
    """A decoder of one member of a compressed file."""
    if codec == "gzip":
        return _GzipMember()
    if codec == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of a stream, which `_some` reads."""

    def __init__(self, stream: io.RawIOBase, codec: str, name: str) -> None:
        self._stream, self._codec, self._name = stream, codec, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._some(min(len(view), _PIECE)) if view else b""
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """The next bytes, at most `size`; empty only at the end."""
        raise NotImplementedError

    def _truncated(self) -> DataError:
        return DataError(f"{self._name}: the {self._codec} data end too early: truncated?")

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self._name}: damaged {self._codec} data ({error})")

    def _too_much_memory(self, limit: int) -> LimitError:
        return LimitError(
            f"{self._name}: decompressing it needs more than the limit of {limit >> 20} MiB of "
            f"memory\nIf you trust the file, decompress it with {self._codec} itself and pipe it "
            "in."
        )

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Members(_Decompressed):
    """All members of a compressed stream as one stream."""

    def __init__(self, stream: io.RawIOBase, codec: str, name: str) -> None:
        super().__init__(stream, codec, name)
        self._member = _new_member(codec)
        self._rest = b""  # what the previous member did not use
        self._said = False  # has this member produced any data?
        self._later = False  # is this a later member than the first?

    def _some(self, size: int) -> bytes:
        while not self._member.eof or self._next_member():
            asked = self._member.needs_input
            fresh = self._read() if asked else b""
            data = self._decompress(fresh, size)
            if data:
                return data
            if asked and not fresh and not self._member.eof:
                raise self._truncated()
        return b""

    def _next_member(self) -> bool:
        """Is there another member? gzip and xz files may be padded with zeros."""
        padding = b"" if self._codec == "bzip2" else b"\0"
        rest = self._member.unused_data.lstrip(padding)
        while not rest and (more := self._stream.read(_BLOCK)):
            rest = more.lstrip(padding)
        if rest:
            self._member, self._rest = _new_member(self._codec), rest
            self._said, self._later = False, True
        return bool(rest)

    def _read(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or self._stream.read(_BLOCK) or b""

    def _decompress(self, fresh: bytes, size: int) -> bytes:
        try:
            data = self._member.decompress(fresh, size)
        except Exception as error:  # zlib.error, LZMAError; bz2 raises OSError or ValueError
            raise self._explained(error) from error
        self._said = self._said or bool(data)
        return data

    def _explained(self, error: Exception) -> DataError | LimitError:
        if "memory usage limit" in str(error).lower():
            return self._too_much_memory(_XZ_MEMORY)
        if self._later and not self._said:
            return DataError(f"{self._name}: there is other data after the {self._codec} data")
        return self._damaged(error)


class _ArrowReader(_Decompressed):
    """zstd and lz4, which the standard library lacks, as Arrow reads them."""

    def __init__(self, stream: io.RawIOBase, codec: str, name: str) -> None:
        import pyarrow as pa

        super().__init__(stream, codec, name)
        self._arrow = pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec)

    def _some(self, size: int) -> bytes:
        try:
            # Not `readinto`: Arrow's does not fill the buffer that io.BufferedReader passes to it.
            data: bytes = self._arrow.read(size)
        except OSError as error:  # errors of `stream` itself are already NormcliErrors
            raise self._explained(error) from error
        return data

    def _explained(self, error: OSError) -> DataError | LimitError:
        reason = str(error).lower()
        if "too much memory" in reason:
            return self._too_much_memory(128 << 20)
        return self._truncated() if "truncated" in reason else self._damaged(error)


class _ArrowWriter(io.RawIOBase):
    """zstd and lz4 as Arrow writes them."""

    def __init__(self, stream: BinaryIO, codec: str) -> None:
        import pyarrow as pa

        borrowed = SimpleNamespace(write=stream.write, close=lambda: None, closed=False)
        self._arrow = pa.CompressedOutputStream(pa.PythonFile(borrowed, "w"), codec)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        self._arrow.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._arrow.close()
