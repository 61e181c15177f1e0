"""Running mean and variance of batches, as batch normalization in training keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from normcli.errors import DataError, UsageError
from normcli.statistics.base import Facts, Key, Recipe, Rows, State, Value
from normcli.words import number

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats
    from normcli.statistics.batching import Batching


@dataclass(frozen=True)
class Running(Value):
    """Running mean and (unbiased) variance of a column.

    batches: how many batches made them.
    """

    mean: float = 0.0
    var: float = 1.0
    batches: int = 0

    def folded(self, batches: Floats, momentum: float | str) -> Running:
        """After some more batches, as PyTorch's BatchNorm1d keeps them.

        running = (1 - m) * running + m * batch, from mean 0 and variance 1; m is `momentum`,
        or one divided by the number of batches so far if that is "cumulative". The variance
        of a batch is the unbiased one here. A batch with fewer than two numbers has none, and
        is left out.

        batches: rows (count, mean, biased variance) in the order of the table, shape (b, 3).

        >>> Running().folded([(4, 2.5, 1.25)], 0.1)
        Running(mean=0.25, var=1.0666666666666667, batches=1)
        """
        mean, var, seen = self.mean, self.var, self.batches
        for count, batch_mean, batch_var in batches:
            if count >= 2:
                seen += 1
                m = 1 / seen if isinstance(momentum, str) else momentum
                mean = (1 - m) * mean + m * float(batch_mean)
                var = (1 - m) * var + m * float(batch_var * (count / (count - 1)))
        return Running(mean, var, seen)

    def merge(self, other: Running) -> NoReturn:
        """Refuse: the order of the batches of both is not known."""
        raise DataError(
            "a running mean and variance depend on the order of the batches, so they cannot be "
            "merged; train on all the data, or merge statistics that `fit` made"
        )

    def dump(self, facts: Facts) -> dict[str, Any]:
        """Mean, variance and number of batches; raises DataError where float64 has none."""
        if not math.isfinite(self.var):
            raise DataError(
                "its running variance is larger than the largest float64 (1.8e308). Leave the "
                "column out (--exclude), or do without --save-stats"
            )
        return {"mean": self.mean, "var": self.var, "batches": self.batches}

    def note(self) -> str:
        """Mean and variance."""
        return f"running mean {number(self.mean)}, var {number(self.var)}"


@dataclass(frozen=True, eq=False)
class RunningState(State):
    """Batches of many columns, in the order of the rows, and what those before them made.

    known: what the batches before made of each column.
    batches: rows (count, mean, biased variance), one a batch: float64, shape (b, 3).
    """

    momentum: float | str
    batches: Mapping[Key, Floats]
    known: Mapping[Key, Running] = field(default_factory=dict)

    def alike(self, other: RunningState) -> bool:
        """All are: they are of one run."""
        return True

    def merge(self, other: RunningState) -> RunningState:
        """Fold these batches, so that those that follow are next."""
        return RunningState(self.momentum, other.batches, self._folded())

    def _folded(self) -> dict[Key, Running]:
        return {
            key: self.known.get(key, Running()).folded(batches, self.momentum)
            for key, batches in self.batches.items()
        }

    def values(self) -> dict[Key, Value]:
        """Of the columns that had a batch that counts."""
        return {key: value for key, value in self._folded().items() if value.batches}


@dataclass(frozen=True)
class RunningRecipe(Recipe):
    """Running mean and variance of batches of consecutive rows."""

    batching: Batching | None = None  # None: it is only read
    momentum: float | str = 0.1
    start: Running = Running()  # of the batches before

    name: ClassVar[str] = "running"
    required: ClassVar[Sequence[str]] = ("mean", "var", "batches")
    fields: ClassVar[Mapping[str, Any]] = {
        "mean": {"type": "number"},
        "var": {"type": "number", "minimum": 0},
        "batches": {
            "description": "How many batches made them.",
            "type": "integer",
            "minimum": 0,
        },
    }

    def of(self, rows: Rows) -> RunningState:
        """The batches of some rows, which begin with a batch."""
        batching = self.batching
        if batching is None:
            raise UsageError(
                "a fit makes no running statistics; training does: normcli transform --method "
                "batch --mode train --save-stats"
            )
        batches = {key: batching.statistics(x) for key, x in rows.cells()}
        return RunningState(self.momentum, batches, dict.fromkeys(batches, self.start))

    def after(self, known: Mapping[str, Value]) -> RunningRecipe:
        """Go on from the running statistics that are known, as a second epoch does."""
        start = known.get(self.name)
        return replace(self, start=start) if isinstance(start, Running) else self

    def lacking(self, maps: str, method: str) -> UsageError:
        """Only training makes them."""
        return UsageError(
            "the statistics have no running mean and variance. Save them with --mode train "
            "--save-stats, or leave out --running."
        )

    @classmethod
    def load(cls, entry: Mapping[str, Any], facts: Facts) -> Running:
        """The running statistics in a section."""
        return Running(float(entry["mean"]), float(entry["var"]), int(entry["batches"]))


RECIPE = RunningRecipe
