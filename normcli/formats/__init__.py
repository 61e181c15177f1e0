"""The formats, by name: a folder here with a module `format`, which ends with FORMATS."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, UsageError
from normcli.formats.base import Format, ReadOptions, Table
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.storage.sources import Source

ZIP = b"PK\x03\x04"  # would be text in a wrong encoding, going by what CSV has to say of it


@cache
def formats() -> dict[str, Format]:
    """All formats by their name."""
    modules = (
        importlib.import_module(name)
        for folder in pkgutil.iter_modules(__path__, f"{__name__}.")
        if folder.ispkg and find_spec(name := f"{folder.name}.format")
    )
    return {each.name: each for module in modules for each in module.FORMATS}


def format_named(name: str) -> Format:
    """The format of that name; raises UsageError where there is none."""
    known = formats()
    if name not in known:
        raise UsageError(
            f"no format {printable(name)}: there is {', '.join(known)}.{did_you_mean(name, known)}"
        )
    return known[name]


def format_of_suffix(suffix: str) -> Format | None:
    """The format of files that end so (``.csv``), or None."""
    return next((each for each in formats().values() if suffix.lower() in each.suffixes), None)


def format_of(source: Source) -> Format:
    """The format of an input: what its first bytes say for sure, else its suffix, else CSV."""
    head = source.head()
    if head.startswith(ZIP):
        raise DataError(
            f"{source.name}: this is an Excel workbook or another zip archive\n"
            "Save the sheet as CSV, or unpack the archive, and give that"
        )
    sure = next((each for each in formats().values() if each.sniff(head)), None)
    return sure or format_of_suffix(source.suffix) or format_named("csv")


def open_table(
    source: Source, options: ReadOptions, forced: str | None = None, piece: Any = None
) -> Table:
    """`source` as a table, in the `forced` format or in the one it seems to have.

    piece: of its rows, as the format has cut them; None: all rows.
    """
    format_ = input_format(source, forced)
    if piece is None:
        table = format_.open(source, options)
    else:
        table = format_.open_piece(source, options, piece)
    table.partition = tuple(name for name in source.partition if name not in table.columns)
    if len(table.columns) > options.max_columns:
        raise LimitError(
            f"{table.name}: {len(table.columns)} columns are more than {options.max_columns}\n"
            "If they are meant so, raise the limit with --max-columns"
        )
    return table


def input_format(source: Source, forced: str | None = None) -> Format:
    """The `forced` format, or the one that `source` seems to have."""
    return format_named(forced) if forced else format_of(source)


def output_format(suffix: str, read: str, forced: str | None = None) -> Format:
    """The format to write: the `forced` one, else the suffix's, else that which is `read`."""
    if forced:
        return format_named(forced)
    return format_of_suffix(suffix) or format_named(read)
