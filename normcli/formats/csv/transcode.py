"""Text in any encoding, read as UTF-8 and written in that encoding again."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

from normcli.errors import DataError, UsageError
from normcli.words import printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from normcli.storage.sources import Source

BLOCK = 4 << 20  # bytes decoded at a time
FOR_HOSTS = ("idna", "punycode")  # encodings of names, not of a stream of text
BYTE_ORDERS = {"utf-16": codecs.BOM_UTF16_BE, "utf-32": codecs.BOM_UTF32_BE}


def known_encoding(name: str) -> str:
    """An encoding of text as Python calls it; raises UsageError for an unknown one."""
    try:
        known = codecs.lookup(name).name
        decoder = codecs.getincrementaldecoder(known)()
        if known in FOR_HOSTS or not isinstance(decoder.decode(b""), str):
            raise LookupError("not an encoding of text")
        codecs.getincrementalencoder(known)().encode("")
    except (LookupError, TypeError, ValueError) as error:
        words = f"--encoding {printable(name)} is not known; try utf-8, latin-1, cp1252 or utf-16"
        raise UsageError(words) from error
    return known


def encoding_of(source: Source, name: str) -> str:
    """The encoding of that `name`, its byte order taken from the first bytes of the source.

    In "utf-16-be" the mark for the byte order is a character like others, which comes back
    as it was; so does its absence.
    """
    known = known_encoding(name)
    if known in BYTE_ORDERS:
        return known + ("-be" if source.head(4).startswith(BYTE_ORDERS[known]) else "-le")
    return "utf-8" if known == "utf-8-sig" else known


def first_text(
    source: Source, encoding: str, size: int, *, more: bool
) -> tuple[bytes, DataError | None, bool]:
    """The first bytes as UTF-8, the error that follows them, and whether they are all.

    size, more: of `Source.head`.
    """
    raw = source.head(size, more=more)
    whole = len(raw) < size and not source.paused
    if encoding == "utf-8":
        return raw, None, whole
    text, error = _Decoder(encoding, source.name).decode(raw, whole)
    return text, error, whole


def open_text(source: Source, encoding: str, skip: int) -> io.BufferedReader | io.RawIOBase:
    """The bytes of a source as UTF-8, but for the first `skip`; it may read fewer at once."""
    stream = source.open()
    text = stream if encoding == "utf-8" else _Utf8(source, stream, encoding)
    while skip and (read := text.read(skip)):
        skip -= len(read)
    return text


class _Decoder:
    """Turns bytes into UTF-8, some at a time.

    Text that would not come back as the same bytes is refused: the output is written in the
    same encoding, and what is not scaled has to be the input's.
    """

    def __init__(self, encoding: str, name: str) -> None:
        self.encoding, self.name = encoding, name
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.encoder = codecs.getincrementalencoder(encoding)()
        self.consumed = 0

    def decode(self, raw: bytes, final: bool) -> tuple[bytes, DataError | None]:
        """The text up to the first error, and the error."""
        before = self.decoder.getstate()
        try:
            text, error = self.decoder.decode(raw, final), None
        except UnicodeDecodeError as bad:
            error = self._refused(bad)
            self.decoder.setstate(before)
            text = self.decoder.decode(raw[: max(0, bad.start - len(before[0]))])
        whole = before[0] + raw
        done = len(whole) - len(self.decoder.getstate()[0])
        try:
            if error is None and self.encoder.encode(text, final) != whole[:done]:
                return b"", self._no_way_back()
            utf8 = text.encode()
        except UnicodeEncodeError:
            return b"", self._no_way_back()
        self.consumed += done
        return utf8, error

    def _refused(self, error: UnicodeDecodeError) -> DataError:
        byte, place = error.object[error.start], self.consumed + error.start
        return DataError(
            f"{self.name}: byte 0x{byte:02x} at offset {place} is not {self.encoding}\n"
            "If the file is in another encoding, name it with --encoding"
        )

    def _no_way_back(self) -> DataError:
        return DataError(
            f"{self.name}: this text would not come back as the same {self.encoding} bytes\n"
            "Convert the file to UTF-8 first"
        )


class _Utf8(io.RawIOBase):
    """A stream in another encoding, read as UTF-8; an error comes after the text before it."""

    def __init__(self, source: Source, stream: io.BufferedReader, encoding: str) -> None:
        self.source, self.stream = source, stream
        self.decoder = _Decoder(encoding, source.name)
        self.buffer = memoryview(bytearray(BLOCK))
        self.ready = memoryview(b"")
        self.error: DataError | None = None
        self.done = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read at most as many bytes as `buffer` takes; none at the end."""
        while not self.ready and not self.done:
            if self.error:
                raise self.error
            raw = bytes(self.buffer[: self.source.fill(self.stream, self.buffer)])
            text, self.error = self.decoder.decode(raw, final=not raw)
            self.ready = memoryview(text)
            self.done = not raw and self.error is None
        room = memoryview(buffer)
        size = min(len(room), len(self.ready))
        room[:size], self.ready = self.ready[:size], self.ready[size:]
        return size

    def close(self) -> None:
        """Close the stream below too."""
        self.stream.close()
        super().close()
