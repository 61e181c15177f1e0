"""The messages of Arrow IPC: what record batches take in memory, and how they are compressed.

Source: https://github.com/apache/arrow/tree/main/format
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from normcli.formats.arrow.format import CONTINUATION
from normcli.formats.columnar.flatbuffers import FlatTable, number
from normcli.formats.columnar.limits import refuse_held

if TYPE_CHECKING:
    import pyarrow as pa

HEADER = 1 << 26  # bytes of a message's header that are read, at most
DICTIONARY_BATCH, RECORD_BATCH = 2, 3  # MessageHeader
CODECS = {0: "lz4", 1: "zstd"}  # CompressionType
TAIL = 10  # bytes at the end of a file: the length of the footer, and the magic
BLOCK = "<qiiq"  # where a message is, and how long its header (with padding) and its body are


@dataclass(frozen=True)
class Batch:
    """The header of a record batch, or of a dictionary.

    stored: bytes of its body. buffers: where in the body they are.
    """

    rows: int
    stored: int
    compressed: bool
    codec: str | None
    buffers: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, header: bytes) -> Batch | None:
        """The batch that a flatbuffer is about; None for another message, or a damaged one."""
        try:
            message = FlatTable.root(header)
            kind, batch = message.number("<B", 1), message.table(2)
            if kind == DICTIONARY_BATCH and batch:
                batch = batch.table(1)
            if batch is None or kind not in (DICTIONARY_BATCH, RECORD_BATCH):
                return None
            compression = batch.table(3)
            buffers = tuple((at, size) for at, size in batch.structs(2, "<qq"))
            codec = CODECS.get(compression.number("<B", 0)) if compression else None
            stored = message.number("<q", 3)
            return cls(batch.number("<q", 0), stored, compression is not None, codec, buffers)
        except struct.error:
            return None

    def refuse_held(self, where: str, read: Callable[[int, int], bytes], limit: int) -> None:
        """Raise LimitError where its buffers are too large for memory when decompressed.

        read: gives so many bytes of the body, from such a one on: before each buffer is its size.
        """
        if self.compressed:
            heads = (read(8, at) for at, size in self.buffers if size >= 8)
            sizes = (number("<q", head, 0) for head in heads if len(head) == 8)
            refuse_held(where, sum(size for size in sizes if size > 0), max(self.stored, 0), limit)


def body_codec(messages: BinaryIO | pa.BufferedInputStream) -> str | None:
    """The codec of the first record batch (or dictionary) of messages; None for none.

    Also None where no batch is found or the messages are damaged, which Arrow will report.
    """
    with suppress(struct.error):
        while header := _header(messages):
            if batch := Batch.of(header):
                return batch.codec
    return None


def _header(stream: BinaryIO | pa.BufferedInputStream) -> bytes:
    """The flatbuffer that heads the next message; empty at the end."""
    length = stream.read(4)
    if length == CONTINUATION:
        length = stream.read(4)
    return stream.read(max(0, min(number("<i", length, 0), HEADER)))


class Blocks:
    """The messages that the footer of a file lists."""

    def __init__(self, file: pa.NativeFile) -> None:
        """Raises: ValueError where the footer cannot be read."""
        self._file = file
        size = file.size()
        try:
            length = number("<i", file.read_at(TAIL, size - TAIL), 0)
            footer = FlatTable.root(file.read_at(length, size - TAIL - length))
            self.dictionaries = list(footer.structs(2, BLOCK))
            self.batches = list(footer.structs(3, BLOCK))
        except (struct.error, OverflowError) as e:
            raise ValueError("the footer is damaged") from e

    def dictionary_batches(self) -> Iterator[tuple[Batch, Callable[[int, int], bytes]]]:
        """All dictionaries, and what reads of their bodies."""
        return (found for block in self.dictionaries if (found := self._found(block)))

    def record_batch(self, i: int) -> tuple[Batch, Callable[[int, int], bytes]] | None:
        """A record batch, and what reads of its body."""
        return self._found(self.batches[i]) if i < len(self.batches) else None

    def _found(self, block: tuple[int, ...]) -> tuple[Batch, Callable[[int, int], bytes]] | None:
        start, length = block[:2]
        if not (0 <= start <= self._file.size() and 0 < length <= HEADER):
            return None  # which Arrow reports
        message = self._file.read_at(length, start)
        header = message[8:] if message.startswith(CONTINUATION) else message[4:]
        batch = Batch.of(header)

        def read(size: int, at: int) -> bytes:
            return bytes(
                self._file.read_at(size, max(0, min(start + length + at, self._file.size())))
            )

        return (batch, read) if batch else None
