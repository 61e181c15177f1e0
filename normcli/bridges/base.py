"""Numbers that somebody else computed, on their way into a sidecar: they are `given` there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from normcli.errors import DataError, UsageError
from normcli.methods.base import Method
from normcli.methods.spelling import method_with
from normcli.sidecar.model import Statistics
from normcli.statistics.base import Value
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.running import Running
from normcli.words import did_you_mean, listed, many, printable

GIVEN = ("mean", "std", "var", "min", "max")  # what the sidecar keeps of a column
NUMBERS = (*GIVEN, "gamma", "beta")


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a file.

    columns: the names of its columns, in its order; of a file that has names itself, the ones
        that are wanted. Empty: all, by their own names.
    prefix: of the arrays of a layer. eps: what a layer adds to the variance; None: as usual.
    """

    columns: Sequence[str] = ()
    prefix: str | None = None
    eps: float | None = None


@dataclass(frozen=True)
class Imported:
    """Numbers of some columns.

    what: they are, for people: "layer 'bn1' of PyTorch".
    columns: for each, numbers by name (see `NUMBERS`); empty where there are none.
    names: of the columns, where the file has them.
    method: takes them, with these settings; "": zscore or minmax, as the numbers suit.
    batches: how many batches a layer was trained with; None where that is not told.
    notes: for people, about what was not brought along.
    """

    what: str
    columns: Sequence[Mapping[str, float]]
    names: Sequence[str] = ()
    method: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    batches: int | None = None
    notes: Sequence[str] = ()

    def statistics(self, wanted: Sequence[str]) -> Statistics:
        """The numbers of the wanted columns as given ones.

        Raises: UsageError where the names do not fit, DataError where a number is impossible.
        """
        columns = {name: numbers for name, numbers in self._named(wanted).items() if numbers}
        if not columns:
            raise DataError(f"{self.what} has no numbers of a column")
        for name, numbers in columns.items():
            _refuse_impossible(name, numbers)
        methods = {name: self._method(name, numbers, columns) for name, numbers in columns.items()}
        default = next(iter(methods.values()))
        known = {name: self._column(numbers) for name, numbers in columns.items()}
        return Statistics(columns=known, method=default, column_methods=methods)

    def _named(self, wanted: Sequence[str]) -> dict[str, Mapping[str, float]]:
        count = len(self.columns)
        if not count:
            raise DataError(f"{self.what} has no numbers of a column")
        refuse_twice(wanted or self.names)
        if not self.names and not wanted:
            raise UsageError(
                f"{self.what} has no names for its {many(count, 'column')}: give them in its "
                "order with --columns"
            )
        if not self.names and len(wanted) != count:
            raise UsageError(
                f"{self.what} has {many(count, 'column')}, and --columns has "
                f"{many(len(wanted), 'name')}"
            )
        found = dict(zip(self.names or wanted, self.columns, strict=True))
        for name in wanted:
            if name not in found:
                near = (
                    did_you_mean(name, found) or f" It has {listed([*map(printable, found)], 8)}."
                )
                raise UsageError(f"{self.what} has no column {printable(name)}.{near}")
        return {name: found[name] for name in wanted or found}

    def _column(self, numbers: Mapping[str, float]) -> ColumnStatistics:
        given = {name: numbers[name] for name in GIVEN if name in numbers}
        values: dict[str, Value] = {}
        if self.batches is not None:
            values["running"] = Running(given["mean"], given["var"], self.batches)
        return ColumnStatistics(values, given)

    def _method(
        self, name: str, numbers: Mapping[str, float], columns: Mapping[str, Mapping[str, float]]
    ) -> Method:
        if self.method == "batch":
            scales = {
                key: {name: each[key] for name, each in columns.items() if key in each}
                for key in ("gamma", "beta")
            }
            kept = {key: value for key, value in scales.items() if value}
            return method_with("batch", {**self.settings, **kept})
        if self.method:
            return method_with(self.method, self.settings)
        if "mean" in numbers and ("std" in numbers or "var" in numbers):
            return method_with("zscore", {})
        if "min" in numbers and "max" in numbers:
            return method_with("minmax", {})
        raise DataError(
            f"column {printable(name)} has {listed([*numbers])} only: mean and std (or var), or "
            "min and max are needed"
        )


def refuse_twice(names: Sequence[str]) -> None:
    """Raise UsageError for a column that is named twice, or not at all."""
    for name, count in Counter(names).items():
        if count > 1 or not name:
            raise UsageError(
                f"the column {printable(name)} is named twice"
                if name
                else "the name of a column is empty"
            )


def _refuse_impossible(name: str, numbers: Mapping[str, float]) -> None:
    for key, value in numbers.items():
        if not math.isfinite(value):
            raise DataError(
                f"column {printable(name)}: {key} is {value}, which is not a finite number"
            )
    if numbers.get("std", 1.0) <= 0:
        raise DataError(
            f"column {printable(name)}: std is {numbers['std']:g}, but must be greater than 0. "
            "For a constant column, write 1, or leave it out"
        )
    if numbers.get("var", 0.0) < 0:
        raise DataError(f"column {printable(name)}: the variance is negative: {numbers['var']:g}")
    if numbers.get("min", -math.inf) > numbers.get("max", math.inf):
        raise DataError(f"column {printable(name)}: the min is greater than the max")
