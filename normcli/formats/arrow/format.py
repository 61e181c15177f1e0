"""Arrow IPC, as a file and as a stream; what is read and written is in `table`.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, ClassVar

from normcli.errors import DataError
from normcli.formats.base import Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.columnar.typed import Typed

if TYPE_CHECKING:
    from normcli.formats.arrow.table import IpcFile, IpcTable
    from normcli.formats.columnar.chunk import Groups
    from normcli.storage.sources import Source

FILE_MAGIC = b"ARROW1"
FEATHER_1_MAGIC = b"FEA1"
CONTINUATION = b"\xff\xff\xff\xff"  # opens every message, since Arrow 0.15


class ArrowFormat(Typed):
    """The Arrow IPC file format, which is Feather version 2 too."""

    name = "arrow"
    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".feather", ".ipc")
    is_file: ClassVar[bool] = True  # what it writes

    def sniff(self, head: bytes) -> bool:
        """Files start with ARROW1 (the first version of Feather, which is refused, with FEA1)."""
        return head.startswith((FILE_MAGIC, FEATHER_1_MAGIC))

    def open(self, source: Source, options: ReadOptions) -> IpcTable:
        """The table in `source`, whether it is an IPC file or a stream."""
        from normcli.formats.arrow.table import IpcFile, IpcStream

        head = source.head(len(FILE_MAGIC))
        if head.startswith(FEATHER_1_MAGIC):
            raise DataError(f"{source.name}: Feather version 1; convert it to version 2 first")
        kind = IpcFile if head == FILE_MAGIC else IpcStream
        return kind.opened(source, options)

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Groups]:
        """Record batches of a plain file; a stream has to be read from its start."""
        from normcli.formats.arrow.table import ranges

        is_file = source.head(len(FILE_MAGIC)) == FILE_MAGIC
        return ranges(source, size) if is_file and (source.path or source.object) else []

    def open_piece(self, source: Source, options: ReadOptions, piece: Groups) -> IpcFile:
        from normcli.formats.arrow.table import IpcFile

        return replace(IpcFile.opened(source, options), groups=piece)

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        from normcli.formats.arrow.table import encoder_for

        return encoder_for(table, replaced, style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        from normcli.formats.arrow.table import IpcWriter
        from normcli.formats.columnar.chunk import ArrowEncoder

        assert isinstance(encoder, ArrowEncoder)
        return IpcWriter(stream, encoder, is_file=self.is_file)


class ArrowStreamFormat(ArrowFormat):
    """The Arrow IPC streaming format."""

    name = "arrows"
    suffixes: ClassVar[tuple[str, ...]] = (".arrows",)
    is_file: ClassVar[bool] = False

    def sniff(self, head: bytes) -> bool:
        """Streams start with the continuation marker and the length of the schema."""
        return head[:4] == CONTINUATION and 0 < int.from_bytes(head[4:8], "little") < 1 << 30


FORMATS = (ArrowFormat(), ArrowStreamFormat())
