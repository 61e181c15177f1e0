"""Parquet: what is read of a file, and written, is in `table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from normcli.errors import DataError
from normcli.formats.base import Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.columnar.typed import Typed

if TYPE_CHECKING:
    from normcli.formats.columnar.chunk import Groups
    from normcli.formats.parquet.table import ParquetTable
    from normcli.storage.sources import Source

MAGIC = b"PAR1"
ENCRYPTED = b"PARE"  # magic of a file with an encrypted footer


class ParquetFormat(Typed):
    """Apache Parquet."""

    name = "parquet"
    suffixes = (".parquet", ".pq")

    def sniff(self, head: bytes) -> bool:
        """Parquet files start with PAR1, or PARE where they are encrypted."""
        return head.startswith((MAGIC, ENCRYPTED))

    def open(self, source: Source, options: ReadOptions) -> ParquetTable:
        from normcli.formats.parquet.table import ParquetTable

        if source.head(4) == ENCRYPTED:
            raise DataError(f"{source.name}: is encrypted; normcli has no keys, decrypt it first")
        return ParquetTable.opened(source, options)

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Groups]:
        """Row groups of a plain file."""
        is_plain = source.path or source.object
        return self.open(source, options).ranges(size) if is_plain else []

    def open_piece(self, source: Source, options: ReadOptions, piece: Groups) -> ParquetTable:
        return replace(self.open(source, options), groups=piece)

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        from normcli.formats.parquet.table import encoder_for

        return encoder_for(table, replaced, style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        from normcli.formats.parquet.table import writer_of

        return writer_of(stream, encoder)


FORMATS = (ParquetFormat(),)
