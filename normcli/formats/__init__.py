"""The formats, by name: a folder here with a module `format`, which ends with FORMATS."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, UsageError
from normcli.formats.base import Divisible, Format, Option, ReadOptions, Table
from normcli.formats.texts.options import NULL, marks_of
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.storage.sources import Source

ZIP = b"PK\x03\x04"  # CSV would call it text in a wrong encoding


@cache
def formats() -> dict[str, Format]:
    """All formats by their name."""
    found = sorted(
        {file.parent.name for path in __path__ for file in Path(path).glob("*/format.py")}
    )
    modules = (importlib.import_module(f"{__name__}.{folder}.format") for folder in found)
    return {each.name: each for module in modules for each in module.FORMATS}


def options() -> list[Option[Any]]:
    """All options that formats declare, each once."""
    return list(dict.fromkeys(each for known in formats().values() for each in known.options))


def refuse_unused_options(
    given: Mapping[str, Any], sources: Sequence[Source], forced: str | None, output: Format | None
) -> None:
    """Raise UsageError for a given option that neither the inputs' formats nor `output` use.

    forced: the format of the inputs, if the user names it. output: the format of the output,
        if it may be another; None also where the output is not a table.
    """
    written = {each.name for each in output.output_options} if output else set()
    for name, value in given.items():
        used = (input_format(source, forced).uses(name, value) for source in sources)
        if name not in written and not any(used):
            users = [n for n, each in formats().items() if name in {o.name for o in each.options}]
            of = "for reading" if output and output.name in users else "of"
            known = f"{', '.join(users[:-1])} and {users[-1]}" if users[1:] else users[0]
            first = f"{sources[0].name} is {input_format(sources[0], forced).name}"
            if name == NULL.name:
                words = f"{first}, whose columns of numbers hold no text"
                raise UsageError(f"--{NULL.name} must be a number here: {words}")
            raise UsageError(f"--{name} is an option {of} {known}, but {first}")


def refuse_text_options(
    on_bad_row: str | None, precision: int | None, first: Format, output: Format
) -> None:
    """Raise UsageError for what is asked of text where there are typed formats only.

    on_bad_row: what becomes of bad rows, if not an error. first: the format of the inputs.
    """
    if on_bad_row and first.typed:
        raise UsageError(
            f"--on-bad-row {on_bad_row} is for rows of text; {first.name} has no bad rows"
        )
    if precision and output.typed:
        raise UsageError(f"--precision shortens numbers of text; in {output.name}, add --float32")


def format_named(name: str) -> Format:
    """The format of that name; raises UsageError for an unknown one."""
    known = formats()
    if name not in known:
        names = ", ".join(known)
        near = did_you_mean(name, known, familiar=True)
        raise UsageError(f"no format {printable(name)}: choose one of {names}.{near}")
    return known[name]


def format_of_suffix(suffix: str) -> Format | None:
    """The format of files that end so (``.csv``), or None."""
    return next((each for each in formats().values() if suffix.lower() in each.suffixes), None)


def format_of(source: Source) -> Format:
    """The format of an input: what its first bytes prove, else its suffix, else CSV."""
    head = source.head()
    if head.startswith(ZIP):
        raise DataError(
            f"{source.name}: this is an Excel workbook or another zip archive\n"
            "Save the sheet as CSV, or unpack the archive, and use that file"
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
    if isinstance(format_, Divisible) and piece is not None:
        table = format_.open_piece(source, options, piece)
    else:
        table = format_.open(source, options)
    table.marks = marks_of(options)
    table.partition = tuple(name for name in source.partition if name not in table.columns)
    count, limit = len(table.columns), options.max_columns
    if count > limit:
        raise LimitError(
            f"{table.name}: {count} columns are more than the limit of {limit}\n"
            "If this is intended, raise the limit with --max-columns"
        )
    return table


def input_format(source: Source, forced: str | None = None) -> Format:
    """The `forced` format, or the one that `source` seems to have."""
    return format_named(forced) if forced else format_of(source)


def output_format(suffix: str, read: str, forced: str | None = None) -> Format:
    """The format to write: the `forced` one, else the suffix's, else that which is `read`."""
    if forced:
        return format_named(forced)
    if (suffix, read) == (".json", "jsonl"):  # many programs call JSON Lines so, too
        return format_named(read)
    return format_of_suffix(suffix) or format_named(read)
