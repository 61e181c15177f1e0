"""Options that several text formats share."""

from __future__ import annotations

from normcli.errors import LimitError, UsageError
from normcli.formats.base import Option, ReadOptions
from normcli.formats.marks import MOST, TOKENS, Marks
from normcli.formats.texts.notation import (
    DECIMAL,
    LOOSE,
    STRIP,
    THOUSANDS,
    Notation,
    notation_of,
)
from normcli.words import grouped

NULL = Option[tuple[str, ...]](
    "null",
    (),
    "Another mark of missing values; a number marks them however it is written, and in every "
    f"format; repeatable.  In CSV, these are marks too: {', '.join(TOKENS[1:])}",
    "TOKEN",
)
NO_DEFAULT = Option("no-default-null", False, "Only what --null names marks missing values in CSV.")

STRINGS = Option("number-strings", False, 'Read strings of JSON such as "1.5" as numbers.')
ENCODING = Option("encoding", "utf-8", "Of CSV text.  [default: utf-8]", "NAME")
MAX_RECORD = Option(
    "max-record-bytes",
    64 << 20,
    "Longest record of a text file, and largest page of Parquet or Arrow that a small file may "
    "decode to.  [default: 64 MiB]",
    "BYTES",
)


def too_long(what: str, limit: int, hint: str) -> LimitError:
    """The error that a record is longer than `limit` bytes; `hint`: what else may be wrong."""
    return LimitError(
        f"{what} is longer than {grouped(limit)} bytes; {hint}\n"
        f"If this is intended, raise the limit with --{MAX_RECORD.name}"
    )


def marks_of(options: ReadOptions) -> Marks:
    """The marks that the options name, else those of the statistics that are used."""
    if NULL.name not in options.given and NO_DEFAULT.name not in options.given:
        return options.marks or Marks()
    tokens: tuple[str, ...] = options[NULL]
    if len(tokens) > MOST:
        raise UsageError(f"--{NULL.name} can be given at most {MOST} times, not {len(tokens)}")
    plain = notation_of(options).plain
    return Marks.of(tokens, default=not options[NO_DEFAULT], plain=plain)


def strings_of(options: ReadOptions) -> Notation | None:
    """The notation of numbers in strings of JSON; None where strings are text."""
    asked = (STRINGS, DECIMAL, THOUSANDS, STRIP, LOOSE)
    return notation_of(options) if any(each.name in options.given for each in asked) else None
