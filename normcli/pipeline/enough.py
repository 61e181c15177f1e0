"""Whether what a run has read is enough to be a success: nothing is not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from normcli.errors import DataError, UsageError
from normcli.pipeline.summary import Summary
from normcli.statistics.column import ColumnStatistics
from normcli.words import grouped, listed, many, percent, printable


@dataclass(frozen=True)
class MostBad:
    """How many bad rows may be skipped: a run fails that has more than both of these.

    rows: their number. share: of all rows.
    """

    rows: float = 10
    share: float = 0.01

    @classmethod
    def of(cls, text: str) -> MostBad:
        """The limit that a number, a percentage or "off" spells; raises UsageError."""
        if re.fullmatch(r"[0-9]{1,18}", text):
            return cls(int(text), 0)
        if re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,18})?%|100%", text):
            return cls(0, float(text[:-1]) / 100)
        if text != "off":
            raise UsageError(f"must be a number, a percentage or 'off', not {printable(text)}")
        return cls(math.inf, 1)

    def refuse(self, summary: Summary) -> None:
        """Raise DataError where too many rows were skipped, or so many that none is left."""
        bad = summary.skipped_rows
        rows = summary.rows + summary.dropped_rows + bad
        if not bad:
            return
        if bad == rows:
            what = "all rows are bad, and skipping them leaves none"
            hint = "Fix the lines, or see --delimiter and --from"
        elif bad > self.rows and bad > self.share * rows:
            what = f"too many bad rows, {grouped(bad)} of {grouped(rows)} ({percent(bad / rows)})"
            hint = "Fix the lines, or allow more with --max-bad-rows (a number, 5% or off)"
        else:
            return
        line, why = summary.bad_rows[0]
        raise DataError(f"{_inputs(summary)}: {what}; the first is line {line}: {why}\n{hint}")


def refuse_no_number(summary: Summary, columns: Iterable[ColumnStatistics]) -> None:
    """Raise DataError where the columns of all inputs together hold no number."""
    if any(column.count for column in columns):
        return
    what = "there is no row after the header" if not summary.rows else _no_number(summary)
    raise DataError(
        f"{_inputs(summary)}: {what}, so there is nothing to fit\n"
        "To save statistics of nothing all the same, add --allow-empty"
    )


def _no_number(summary: Summary) -> str:
    return f"there is no number in {many(summary.rows, 'row')}"


def refuse_absent_columns(summary: Summary, *, inverse: bool) -> None:
    """Raise DataError where a column was in no row at all; an inverse needs only one that was.

    A column whose cells are all missing is there.
    """
    absent = [name for name in summary.columns if name not in summary.present]
    if not summary.rows or not absent or (inverse and len(absent) < len(summary.columns)):
        return
    names = listed([printable(name, 30) for name in absent], 5)
    no_row = "no row has a field" if len(absent) == 1 else "no row has any of the fields"
    raise DataError(
        f"{_inputs(summary)}: {no_row} {names}, which the statistics have\n"
        "Check the names; to do without such a column, --exclude it"
    )


def _inputs(summary: Summary) -> str:
    return listed([name for name, _ in summary.inputs], 3)
