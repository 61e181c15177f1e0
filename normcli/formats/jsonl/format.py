"""JSON Lines: what is read of a file, and written, is in `table`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from functools import reduce
from typing import IO, TYPE_CHECKING, ClassVar

from normcli.errors import DataError, UsageError
from normcli.formats.base import DivisibleText, Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.texts import cuts as text_cuts
from normcli.formats.texts.cuts import Span
from normcli.formats.texts.notation import DECIMAL, LOOSE, STRIP, THOUSANDS
from normcli.formats.texts.options import ENCODING, MAX_RECORD, NULL, STRINGS
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.formats.jsonl.table import JsonLinesTable, Lines, Piece
    from normcli.storage.sources import Source

ARRAY = re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*\{")  # of objects


class JsonLines(DivisibleText):
    """One JSON object a line (jsonlines.org, ndjson), UTF-8."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    options = (NULL, STRINGS, DECIMAL, THOUSANDS, STRIP, LOOSE, ENCODING, MAX_RECORD)

    def sniff(self, head: bytes) -> bool:
        """An object opens the file."""
        return re.match(rb'(\xef\xbb\xbf)?\s*\{[ \t]*["}]', head) is not None

    def open(self, source: Source, options: ReadOptions) -> JsonLinesTable:
        """Find the columns: those that are named, or by reading all rows (a pipe is spooled).

        Raises: DataError for the first line that is not an object, if it is read ahead.
        """
        from normcli.formats.jsonl.table import JsonLinesTable, keys_of

        _check_encoding(options[ENCODING])
        if not source.head(1):
            raise DataError(f"{source.name}: there is no row in it")
        if ARRAY.match(source.head()):
            raise DataError(f"{source.name}: is an array of objects: read it with --from json")
        keys = keys_of(source.spooled(), options) if options.columns is None else None
        return JsonLinesTable.of(source, options, keys)

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Span]:
        """Even spans of a plain file."""
        _check_encoding(options[ENCODING])
        if not (source.path or source.object):
            return []
        return text_cuts.even(Span(0, source.size or 0), size)

    def look(self, source: Source, options: ReadOptions, range_: Span) -> Lines:
        """The lines that start in a span, and their keys if these are not known."""
        from normcli.formats.jsonl.table import lines_of

        return lines_of(source, options, range_)

    def cut(self, ranges: Sequence[Span], looked: Sequence[Lines]) -> list[Piece]:
        """Spans of whole lines; all keys of all of them are columns of each."""
        from normcli.formats.jsonl.table import Keys, Piece

        keys = [each.keys for each in looked if each.keys is not None]
        known = reduce(Keys.join, keys) if keys else None
        line, pieces = 1, []
        for each in looked:
            if each.start < each.stop:
                pieces.append(Piece(Span(each.start, each.stop, line), known))
            line += each.count
        return pieces

    def open_piece(self, source: Source, options: ReadOptions, piece: Piece) -> JsonLinesTable:
        """The rows of a span, with the columns of the whole."""
        from normcli.formats.jsonl.table import JsonLinesTable

        if piece.keys is not None:
            piece.keys.refuse_data(source.name)
        return JsonLinesTable.of(source, options, piece.keys, piece.span)

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        """For JSON Lines: the same bytes but for the numbers; for another table: plain objects.

        Raises: DataError for a column whose type, or whose name, JSON objects cannot carry.
        """
        from normcli.formats.jsonl.table import JsonLinesTable

        encoder = self.encoder_of(style)
        if isinstance(table, JsonLinesTable):
            return encoder
        if len(set(table.columns)) < len(table.columns):
            twice = next(name for name in table.columns if table.columns.count(name) > 1)
            raise DataError(
                f"{table.name}: two columns are named {printable(twice)}: "
                "JSON objects cannot keep them apart"
            )
        from normcli.formats.jsonl.text import rows

        rows(table.schema(replaced, style).empty_table(), {}, style)
        return encoder

    def encoder_of(self, style: Style) -> Encoder:
        """The encoder, for any table."""
        from normcli.formats.jsonl.table import JsonLinesEncoder

        return JsonLinesEncoder(style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        from normcli.formats.jsonl.table import JsonLinesWriter

        return JsonLinesWriter(stream)


def _check_encoding(name: str) -> None:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known not in ("utf-8", "utf-8-sig", "ascii"):
        raise UsageError(
            f"--encoding {printable(name)}: JSON Lines are always UTF-8 (RFC 8259); "
            "convert the file first"
        )


class JsonArray(JsonLines):
    """One JSON array of objects, which are the rows."""

    name: ClassVar[str] = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def sniff(self, head: bytes) -> bool:
        """An array of an object opens the file."""
        return ARRAY.match(head) is not None

    def open(self, source: Source, options: ReadOptions) -> JsonLinesTable:
        from normcli.formats.jsonl.array import JsonArrayTable
        from normcli.formats.jsonl.table import keys_of

        _check_encoding(options[ENCODING])
        if not source.head(1):
            raise DataError(f"{source.name}: there is no row in it")
        keys = None
        if options.columns is None:
            keys = keys_of(source.spooled(), options, kind=JsonArrayTable)
        return JsonArrayTable.of(source, options, keys)

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Span]:
        """None: an array has to be read from its start."""
        return []

    def encoder_of(self, style: Style) -> Encoder:
        from normcli.formats.jsonl.array import JsonArrayEncoder

        return JsonArrayEncoder(style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        from normcli.formats.jsonl.array import JsonArrayWriter

        return JsonArrayWriter(stream)


FORMATS = (JsonLines(), JsonArray())
