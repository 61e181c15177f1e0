"""The exceptions of normcli.

``str(error)`` is the whole message for the user: what happened, where, and what to
try, in one or two lines. `normcli.cli` turns exceptions into exit codes, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class NormcliError(Exception):
    """The data, a file or the operating system prevents the work (exit code 1)."""

    exit_code = 1


class UsageError(NormcliError):
    """The command is used incorrectly (exit code 2)."""

    exit_code = 2


class DataError(NormcliError):
    """The table is not valid; the message names the file, line and column."""


class CellError(DataError):
    """A number in a column cannot be scaled.

    row: its position in the given column, from 0. why: what is wrong with it.
    """

    row = 0
    why = ""

    @classmethod
    def at(cls, row: int, number: str, why: str) -> CellError:
        """The error for that row."""
        error = cls(f"{number} {why}")
        error.row, error.why = row, why
        return error


class SidecarError(NormcliError):
    """The statistics are not a valid sidecar; the message names the column and field."""


class LimitError(NormcliError):
    """An input exceeds a limit; the message names the limit and the option that raises it."""


def until_failure(items: Iterable[Item], failed: list[NormcliError]) -> Iterator[Item]:
    """The items before an error, which goes to `failed`: errors of earlier items come first."""
    try:
        yield from items
    except NormcliError as error:
        failed.append(error)
