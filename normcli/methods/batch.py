"""Batch normalization of columns, in training and in prediction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from normcli.errors import CellError, UsageError
from normcli.methods.base import (
    Method,
    Option,
    finite_number,
    given_numbers,
    momentum_weight,
    one_of,
    whole_number,
)
from normcli.methods.mapping import (
    SMALL,
    Affine,
    AffineMapping,
    Unfitted,
    minus,
    no_inverse,
    over,
    plus,
    spelled,
    times,
)
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.zscore import center
from normcli.numerics.doubles import (
    blockwise,
    difference,
    in_units,
    inverse_root,
    nearest,
    not_finite,
    pair,
    product,
    root,
    scaled,
)
from normcli.numerics.numbers import Scaled
from normcli.numerics.total import Exact
from normcli.statistics.batching import Batching
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask, Numbers
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

MODES = ("train", "predict")
LAST_BATCH = ("keep", "merge", "drop", "error")


@dataclass(frozen=True)
class Normalized(AffineMapping):
    """x -> gamma * (x - mean) / deviation + beta, within 3 ulp of the larger of the two terms.

    deviation: sqrt(var + eps), to 127 bits; variance: var as a formula shows it.
    """

    mean: Exact
    variance: str
    deviation: Fraction
    eps: float
    gamma: float
    beta: float

    @classmethod
    def of(cls, column: ColumnStatistics, eps: float, gamma: float, beta: float) -> Self:
        """By the mean and the biased variance of a column."""
        try:
            variance = Fraction(column.variance() or 0.0)
            shown = spelled(variance)
        except OverflowError:
            std = column.std() or 0.0
            variance, shown = Fraction(std) ** 2, f"{spelled(std)}**2"
        return cls(center(column), shown, root(variance + Fraction(eps)), eps, gamma, beta)

    @cached_property
    def affine(self) -> Affine:  # made once: exact fractions take time
        """(x - mean) * (gamma / deviation) + beta."""
        slope = Fraction(self.gamma) / self.deviation
        return Affine(Fraction(self.mean), slope, Fraction(self.beta))

    def kernel(self, x: Numbers) -> Floats:
        """N numbers normalized; NaN where the slope is too small for float64."""
        import numpy as np

        slope = nearest(self.affine.slope / Fraction(10) ** x.scale)
        if self.gamma and abs(slope) < float_info.min:
            return np.full(len(x), math.nan)
        origin = in_units(self.affine.center, x.scale)

        def kernel(cells: slice) -> Floats:
            return scaled(difference(x.at(cells), origin), slope, self.beta)

        return blockwise(kernel, len(x))

    def inverse(self) -> ColumnMapping:
        """The way back; raises UsageError where gamma is 0."""
        if self.gamma == 0:
            raise no_inverse("gamma is 0: all its numbers became beta")
        return super().inverse()

    def formula(self, x: str = "x") -> str:
        """``1.5 * (x - 3.5) / sqrt(1.56 + 1e-05) + 0.1``."""
        root = f"sqrt({self.variance} + {spelled(self.eps)})"
        return f"{times(self.gamma)}({x}{minus(self.mean)}) / {root}{plus(self.beta)}"

    def inverse_formula(self) -> str:
        """``(y - 0.1) * sqrt(1.56 + 1e-05) / 1.5 + 3.5``."""
        y = f"({{}}{minus(self.beta)})" if self.beta else "{}"
        root = f"sqrt({self.variance} + {spelled(self.eps)})"
        return f"{y} * {root}{over(self.gamma)}{plus(self.mean)}"


@dataclass(frozen=True)
class NormalizedInBatches(ColumnMapping):
    """x -> gamma * (x - mean_B) / sqrt(var_B + eps) + beta, by each batch's own statistics."""

    batches: Batching
    eps: float
    gamma: float
    beta: float

    @property
    def batching(self) -> Batching:
        """Whole batches."""
        return self.batches

    def values(self, x: Numbers) -> Scaled:
        """N numbers normalized; x begins with a batch, and has its batches in full."""
        import numpy as np

        batches, table = self.batches.slices(len(x)), self.batches.statistics(x)
        rows = np.array([b.stop - b.start for b in batches], dtype=np.int64)
        slope = np.repeat(_slopes(table[:, 2], self.eps, self.gamma, x.scale), rows)
        mean = np.repeat(table[:, 1], rows)
        # Equal floats are their own mean. Equal integers beyond 2**53 or decimals may not be a
        # float64; those that are not equal differ so much that their variance is not 0.
        inexact = x.scale > 0 or len(x.parts) > 1
        slope[np.repeat((table[:, 2] == 0) & inexact, rows)] = 0.0

        def kernel(cells: slice) -> Floats:
            origin = in_units(mean[cells], x.scale)
            return scaled(difference(x.at(cells), origin), slope[cells], self.beta)

        values = blockwise(kernel, len(x))
        keep = not_finite(x)
        for b in _out_of_reach(values, keep, table, batches):
            values[b] = self._one_batch(x, b)
        return Scaled(values, keep)

    def _one_batch(self, x: Numbers, rows: slice) -> Floats:
        """One batch by its exact statistics, as if it were a data set to predict."""
        import numpy as np

        from normcli.statistics.column import ColumnStatistics

        alone = x.at(rows)
        column = ColumnStatistics.of(alone)
        if not column.count:
            return np.full(len(alone), np.nan)
        try:
            return Normalized.of(column, self.eps, self.gamma, self.beta).values(alone).values
        except CellError as error:
            error.row += rows.start
            raise

    def exactly(self, x: Fraction) -> NoReturn:
        """Refuse: it depends on the batch."""
        raise UsageError("what a number becomes in training depends on its batch")

    def expressions(self) -> NoReturn:
        """Refuse: it is no formula of single numbers."""
        raise UsageError(
            "in training every batch is scaled by its own statistics. Use --mode predict."
        )

    def inverse(self) -> NoReturn:
        """Refuse: there is no way back."""
        raise UsageError(
            "Batch normalization in training mode cannot be undone: every batch had its own "
            "mean and variance, which are not kept. Only --mode predict has an inverse."
        )

    def formula(self, x: str = "x") -> str:
        """``1.5 * (x - mean_B) / sqrt(var_B + 1e-05) + 0.1``."""
        root = f"sqrt(var_B + {spelled(self.eps)})"
        return f"{times(self.gamma)}({x} - mean_B) / {root}{plus(self.beta)}"


def _slopes(var: Floats, eps: float, gamma: float, scale: int) -> Floats:
    """``gamma / sqrt(var + eps) / 10**scale`` of every batch; NaN where it is not accurate."""
    import numpy as np

    with np.errstate(all="ignore"):
        slope = inverse_root(var, eps, gamma)
        if scale:
            slope = product(slope, pair(Fraction(10) ** -scale))
        accurate = (var + eps > SMALL) & (abs(slope.hi) > SMALL) & (abs(gamma) > SMALL)
    return np.where(accurate | (gamma == 0), slope.hi, math.nan)


def _out_of_reach(
    values: Floats, keep: Mask | None, table: Floats, batches: list[slice]
) -> Iterator[slice]:
    """The batches with numbers or a variance beyond the range of float64."""
    import numpy as np

    lost = ~np.isfinite(values)
    if keep is not None:
        lost &= ~keep
    cells = np.flatnonzero(lost)
    starts = [b.start for b in batches]
    found = set((np.searchsorted(starts, cells, side="right") - 1).tolist())
    found.update(np.flatnonzero(np.isinf(table[:, 2])).tolist())
    return (batches[i] for i in sorted(found))


@dataclass(frozen=True)
class Batch(Method):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta; var is the biased variance.

    In training, mean and var are those of each batch of `batch_size` consecutive rows. In
    prediction they are those of the fitted data set, or with `running` the running ones.
    Missing, NaN and infinite cells are kept; a batch in which a column has one number, or
    equal ones, makes them beta. See Ioffe and Szegedy, Batch normalization (2015).

    gamma, beta: one number, or column name -> number with 1 and 0 for all other columns.
    eps: added to the variance, greater than 0.
    momentum: the weight of the new batch in the running statistics, or "cumulative" for
        their plain average.
    last_batch: what becomes of the last rows, when they are fewer than `batch_size`. "merge"
        adds them to the batch before; "keep" makes them a batch. (Whoever hands out the
        rows leaves them out for "drop", and stops for "error".)
    """

    name: ClassVar[str] = "batch"
    weighed: ClassVar[bool] = False
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "mode",
            MODES,
            "train: every batch by its own statistics. predict: all by the fitted ones.",
            field="mode",
            default="predict where there are statistics, else train",
        ),
        Option("batch-size", "int", "Rows of a batch in training.", field="batch_size"),
        Option(
            "last-batch",
            LAST_BATCH,
            "What to do with a last batch that is short: keep it, merge it with the batch before, "
            "drop its rows, or stop with an error.",
            field="last_batch",
            default="keep",
        ),
        Option(
            "running",
            "flag",
            "Predict with the running mean and variance.",
            "running",
            inverts=True,
        ),
        Option("gamma", "per-column", "The scale of the result.", "gamma", fits=True, default="1"),
        Option("beta", "per-column", "The shift of the result.", "beta", fits=True, default="0"),
        Option("eps", "float", "Added to the variance.", "eps", fits=True, default="1e-05"),
        Option(
            "momentum",
            "float",
            "Weight of the new batch in the running statistics, or cumulative.",
            "momentum",
            fits=True,
            default="0.1",
            words=("cumulative",),
        ),
    )

    givens: ClassVar[Mapping[str, str]] = {
        "mean": "the mean, such as the running one of a trained layer",
        "var": "the variance, 0 or greater",
    }
    edges: ClassVar[Sequence[str]] = (
        "A batch in which a column has one number, or equal ones, becomes beta.",
        "Training needs no fit. Only prediction has an inverse.",
    )
    examples: ClassVar[Sequence[str]] = (
        *("batch:mode=predict", "batch:mode=predict,gamma=2.5,beta=-0.5"),
        *("batch:mode=predict,running", "batch:mode=predict,mean=2,var=3"),
    )

    gamma: float | Mapping[str, float] = 1.0
    beta: float | Mapping[str, float] = 0.0
    eps: float = 1e-5
    momentum: float | str = 0.1
    batch_size: int | None = None
    mode: str | None = None
    running: bool = False
    last_batch: str = "keep"

    def __post_init__(self) -> None:
        checked = {
            "gamma": _per_column(self.gamma, "--gamma"),
            "beta": _per_column(self.beta, "--beta"),
            "eps": finite_number(self.eps, "--eps"),
            "momentum": momentum_weight(self.momentum, "--momentum"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.eps <= 0:
            raise UsageError(f"--eps must be greater than 0, not {spelled(self.eps)}.")
        if self.batch_size is not None and whole_number(self.batch_size, "--batch-size") < 2:
            raise UsageError(
                f"--batch-size must be at least 2, not {self.batch_size}: "
                "a batch of one row has no variance, its result would be beta everywhere."
            )
        if self.mode is not None:
            one_of(self.mode, MODES, "--mode")
        one_of(self.last_batch, LAST_BATCH, "--last-batch")
        if not isinstance(self.running, bool):
            raise UsageError(f"--running must be true or false, not {self.running!r}.")
        if self.running and self.mode == "train":
            raise UsageError("--running is for --mode predict; training uses each batch's own.")
        if self.given and given_numbers(self, "mean", "var")["var"] < 0:
            raise UsageError("batch: var must be 0 or greater.")

    def for_column(self, name: str) -> Self:
        """The method with the gamma and beta of one column."""
        return replace(
            self, gamma=_of_column(self.gamma, name, 1.0), beta=_of_column(self.beta, name, 0.0)
        )

    def with_statistics(self) -> Self:
        """The method in prediction mode, if no mode was asked for."""
        return replace(self, mode=self.mode or "predict")

    @property
    def trains(self) -> bool:
        """In training mode, which is the default where nothing is fitted."""
        return self.mode == "train" or (self.mode is None and not (self.running or self.given))

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """Nothing in training; in prediction moments, or running statistics."""
        if self.trains:
            return ()
        return (self._recipe(None),) if self.running else super().needs(column)

    def leaves(self, column: str) -> tuple[Recipe, ...]:
        """Running statistics, in training."""
        return (self._recipe(self.batching()),) if self.trains else ()

    def _recipe(self, batching: Batching | None) -> Recipe:
        from normcli.statistics.running import RunningRecipe

        return RunningRecipe(batching, self.momentum)

    def batching(self) -> Batching | None:
        """Whole batches in training; raises UsageError where their size is not given."""
        if not self.trains:
            return None
        if self.batch_size is None:
            raise UsageError("--method batch in training mode needs --batch-size.")
        return Batching(self.batch_size, self.last_batch)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """By each batch's own statistics in training, else by those of the column."""
        gamma, beta = (_of_column(v, "", d) for v, d in ((self.gamma, 1.0), (self.beta, 0.0)))
        if batching := self.batching():
            return NormalizedInBatches(batching, self.eps, gamma, beta)
        if not (column.given or column.count):
            return Unfitted()
        if self.running and not column.given:
            return self._by_running(column.values["running"], gamma, beta)
        return Normalized.of(column, self.eps, gamma, beta)

    def _by_running(self, running: Any, gamma: float, beta: float) -> ColumnMapping:
        """By the running mean and variance of training, see `normcli.statistics.running`."""
        deviation = root(Fraction(running.var) + Fraction(self.eps))
        return Normalized(running.mean, spelled(running.var), deviation, self.eps, gamma, beta)


def _per_column(value: Any, what: str) -> float | dict[str, float]:
    if not isinstance(value, Mapping):
        return finite_number(value, what)
    return {
        str(name): finite_number(number, f"{what} of {printable(str(name))}")
        for name, number in sorted(value.items())
    }


def _of_column(value: float | Mapping[str, float], name: str, default: float) -> float:
    return value.get(name, default) if isinstance(value, Mapping) else value


METHODS = (Batch,)
