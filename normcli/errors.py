"""What can go wrong, in words for the person who reads them.

``str(error)`` is the whole message: what happened, where, and what to try, in
one or two lines. Errors are made at the library's border, `from` their cause;
`normcli.cli` turns them into exit codes, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class NormcliError(Exception):
    """The data, a file or the system stands in the way (exit code 1)."""

    exit_code = 1


class UsageError(NormcliError):
    """The command asks for something that makes no sense (exit code 2)."""

    exit_code = 2


class DataError(NormcliError):
    """The table is not what it has to be: says which file, line and column."""


class CellError(DataError):
    """A number of a column cannot be scaled.

    row: its place in the column that was given, from 0. why: what is wrong with it.
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
    """The statistics are not a valid sidecar: says which column and field."""


class LimitError(NormcliError):
    """An input is larger than a limit: says which one, and the option that lifts it."""


def until_failure(items: Iterable[Item], failed: list[NormcliError]) -> Iterator[Item]:
    """The items before the one that fails; its error is kept: what fails before comes first."""
    try:
        yield from items
    except NormcliError as error:
        failed.append(error)
