"""Options that several text formats share."""

from __future__ import annotations

from normcli.errors import LimitError
from normcli.formats.base import Option
from normcli.words import grouped

TOKENS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>")

NULL = Option[tuple[str, ...]](
    "null",
    (),
    "A text that marks a missing value, as the empty cell always does; repeatable, "
    f"instead of the default: {', '.join(TOKENS[1:])}",
    "TOKEN",
)
ENCODING = Option("encoding", "utf-8", "Of CSV text.  [default: utf-8]", "NAME")
MAX_RECORD = Option(
    "max-record-bytes",
    64 << 20,
    "Longest record of a text file.  [default: 64 MiB]",
    "BYTES",
)


def too_long(what: str, limit: int, hint: str) -> LimitError:
    """The error that a record is longer than `limit` bytes; `hint`: what else may be wrong."""
    return LimitError(
        f"{what} is longer than {grouped(limit)} bytes; {hint}\n"
        f"If this is intended, raise the limit with --{MAX_RECORD.name}"
    )
