"""CSV and TSV: what is read of a file, and written, is in `table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, ClassVar

from normcli.formats.base import DivisibleText, Encoder, ReadOptions, Style, Table
from normcli.formats.csv.head import (
    COMMENT,
    DELIMITER,
    ESCAPE,
    HEADER,
    NO_HEADER,
    NO_QUOTING,
    QUOTE,
    SKIP_AFTER_HEADER,
    SKIP_ROWS,
    TABS,
    dialect_of,
    read_head,
    widened,
)
from normcli.formats.csv.records import Dialect
from normcli.formats.csv.transcode import encoding_of, known_encoding
from normcli.formats.marks import TOKENS
from normcli.formats.texts import cuts as text_cuts
from normcli.formats.texts.cuts import Span
from normcli.formats.texts.notation import DECIMAL, LOOSE, STRIP, THOUSANDS
from normcli.formats.texts.options import ENCODING, MAX_RECORD, NO_DEFAULT, NULL

if TYPE_CHECKING:
    from normcli.formats.csv.table import CsvEncoder, CsvTable, CsvWriter
    from normcli.storage.sources import Source


class Csv(DivisibleText):
    """Comma-separated values, RFC 4180 and its neighbours."""

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".txt", ".data")
    delimiter: ClassVar[str] = ","
    keeps_lines: ClassVar[bool] = True
    options = (
        DELIMITER,
        TABS,
        HEADER,
        NO_HEADER,
        SKIP_ROWS,
        SKIP_AFTER_HEADER,
        NULL,
        NO_DEFAULT,
        COMMENT,
        ENCODING,
        DECIMAL,
        THOUSANDS,
        STRIP,
        LOOSE,
        QUOTE,
        NO_QUOTING,
        ESCAPE,
        MAX_RECORD,
    )
    output_options = (DELIMITER, TABS, NO_HEADER, ENCODING, DECIMAL)

    def open(self, source: Source, options: ReadOptions) -> CsvTable:
        """Read the header (or the first row); raises DataError where there is nothing to read."""
        from normcli.formats.csv.table import CsvTable, Layout
        from normcli.formats.texts.read import Reading

        encoding = encoding_of(source, options[ENCODING])
        reading = Reading.of(options, TOKENS)
        head = read_head(source, encoding, options, self.delimiter, reading.is_number)
        return CsvTable(
            format=self.name,
            name=source.name,
            columns=list(head.names),
            layout=Layout(
                source.name, head.names, head.dialect, reading, encoding, head.opening, head.units
            ),
            source=source,
            options=options,
            head=head.raw,
            lines=head.lines,
            extra_lines=options[SKIP_ROWS] + options[SKIP_AFTER_HEADER],
            begin=head.begin,
            hint=head.hint,
            notes=head.notes,
            set_aside=head.set_aside,
        )

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Span]:
        """Even spans of a plain file; quotes and line ends that need not count leave it whole."""
        dialect = dialect_of(options, self.delimiter)
        is_utf8 = encoding_of(source, options[ENCODING]) == "utf-8"
        odd_quotes = dialect.quote and (dialect.comment or options.skip_bad_rows)
        if odd_quotes or dialect.escape or not is_utf8 or not (source.path or source.object):
            return []
        line, start = self.open(source, options).first
        return text_cuts.even(Span(start, source.size or 0, line), size)

    def look(self, source: Source, options: ReadOptions, range_: Span) -> text_cuts.Looked:
        """Quotes, line ends and the first record of a span."""
        return text_cuts.look(source, range_, dialect_of(options, self.delimiter).quote)

    def cut(self, ranges: Sequence[Span], looked: Sequence[text_cuts.Looked]) -> list[Span]:
        return text_cuts.cut(ranges, looked)

    def open_piece(self, source: Source, options: ReadOptions, piece: Span) -> CsvTable:
        """Read the header, for the rows of a span."""
        return replace(self.open(source, options), span=piece)

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> CsvEncoder:
        """For a table of this format: its own header and bytes; for another: plain RFC 4180."""
        from normcli.formats.columnar.added import schema_of
        from normcli.formats.csv.table import CsvEncoder, CsvTable, header

        if isinstance(table, CsvTable) and table.format == self.name:
            layout, head = table.layout, table.head
            if style.suffix and not options[NO_HEADER]:
                added = [f"{table.columns[i]}{style.suffix}" for i in replaced]
                after = len(table.lines[1])
                head = widened(head, table.begin, after, layout.dialect, added)
            return CsvEncoder(head, layout.dialect, layout.encoding, style)
        dialect = Dialect(self.delimiter.encode())
        if not isinstance(table, CsvTable):  # the options cannot mean the input
            table.schema(replaced, style)  # which raises where a column cannot be carried
            dialect = Dialect(dialect_of(options, self.delimiter).delimiter)
        bare = options[NO_HEADER]
        head = b"" if bare else header(schema_of(table, replaced, style).names, dialect)
        if isinstance(table, CsvTable):
            head = table.lines[0] + head + table.lines[1]
        encoding = known_encoding(options[ENCODING])
        return CsvEncoder(head, dialect, encoding, style, options[DECIMAL])

    def writer(self, stream: IO[bytes], encoder: Encoder) -> CsvWriter:
        """A writer; the header is written at once."""
        from normcli.formats.csv.table import CsvEncoder, CsvWriter

        assert isinstance(encoder, CsvEncoder)
        return CsvWriter(stream, encoder)


class Tsv(Csv):
    """Tab-separated values: CSV with a tab."""

    name: ClassVar[str] = "tsv"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".tab")
    delimiter: ClassVar[str] = "\t"


FORMATS = (Csv(), Tsv())
