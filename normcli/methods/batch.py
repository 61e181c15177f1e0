"""Batch normalization of columns, in training and in prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import CellError, DataError, UsageError
from normcli.methods.affine import (
    SMALL,
    Affine,
    AffineMethod,
    center,
    finished,
    kept,
    minus,
    over,
    plus,
    shown,
    times,
    unchanged,
)
from normcli.methods.base import (
    Batching,
    Fitted,
    Option,
    Running,
    Scaled,
    finite_number,
    one_of,
    whole_number,
)
from normcli.numerics.doubles import (
    blockwise,
    difference,
    in_units,
    inverse_root,
    not_finite,
    pair,
    part,
    product,
    root,
    scaled,
)
from normcli.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normcli.numerics.numbers import Floats, Mask, Numbers
    from normcli.numerics.total import Exact
    from normcli.statistics.moments import ColumnStatistics

MODES = ("train", "predict")
LAST_BATCH = ("keep", "merge", "drop", "error")


@dataclass(frozen=True)
class Batch(AffineMethod):
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
            "momentum": _momentum(self.momentum),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.eps <= 0:
            raise UsageError(f"--eps must be greater than 0, not {shown(self.eps)}.")
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

    def for_column(self, name: str) -> Self:
        """The method with the gamma and beta of one column."""
        return replace(
            self, gamma=_of_column(self.gamma, name, 1.0), beta=_of_column(self.beta, name, 0.0)
        )

    def with_statistics(self, given: bool) -> Self:
        """The method in prediction mode if statistics are given and no mode was asked for."""
        return replace(self, mode="predict") if given and self.mode is None else self

    @property
    def needs_statistics(self) -> bool:
        """Prediction does, training takes nothing but the rows."""
        return not self._trains

    @property
    def _trains(self) -> bool:
        return self.mode == "train" or (self.mode is None and not self.running)

    def batching(self) -> Batching | None:
        """Whole batches in training; raises UsageError where their size is not given."""
        return Batching(self._size, self.last_batch) if self._trains else None

    @property
    def _size(self) -> int:
        if self.batch_size is None:
            raise UsageError("--method batch in training mode needs --batch-size.")
        return self.batch_size

    def batches(self, rows: int) -> list[slice]:
        """The batches of `rows` consecutive rows that begin with a batch.

        All have `batch_size` rows but the last one: that is shorter, or with "merge" longer.
        """
        starts = list(range(0, rows, self._size))
        if self.last_batch == "merge" and rows % self._size and len(starts) > 1:
            starts.pop()
        return [slice(a, b) for a, b in pairwise([*starts, rows])]

    def transform(self, x: Numbers, column: Fitted) -> Scaled:
        """`x` normalized; in training `x` begins with a batch, and has its batches in full."""
        if self._trains:
            return self._train(x, column)
        return self._predict(x, column)

    def inverse(self, y: Numbers, column: Fitted) -> Scaled:
        """`y` in original units, by the statistics that prediction uses."""
        self._refuse_inverse(column)
        return super().inverse(y, column)

    def _refuse_inverse(self, column: Fitted) -> None:
        """Raise UsageError where nothing leads back."""
        if self._trains:
            raise UsageError(
                "Batch normalization in training mode cannot be undone: every batch had its own "
                "mean and variance, which are not kept. Only --mode predict has an inverse."
            )
        if self.for_column(column.name).gamma == 0:
            raise UsageError(
                f"column {printable(column.name)}: gamma is 0, so all its numbers became beta; "
                "that cannot be undone."
            )

    def affine(self, column: Fitted) -> Affine:
        """(x - mean) * (gamma / sqrt(var + eps)) + beta, for prediction."""
        gamma, beta = self._gamma_beta(column)
        mean, deviation = self._moments(column)
        return Affine(mean, Fraction(gamma) / deviation, Fraction(beta))

    def formula(self, column: Fitted) -> str:
        """``1.5 * (x - 3.5) / sqrt(1.56 + 1e-05) + 0.1``."""
        gamma, beta = self._gamma_beta(column)
        if self._trains:
            return f"{times(gamma)}(x - mean_B) / sqrt(var_B + {shown(self.eps)}){plus(beta)}"
        if self._is_empty(column):
            return "x"
        mean, var = self._shown_moments(column)
        return f"{times(gamma)}(x{minus(mean)}) / sqrt({var} + {shown(self.eps)}){plus(beta)}"

    def inverse_formula(self, column: Fitted) -> str:
        """``(y - 0.1) * sqrt(1.56 + 1e-05) / 1.5 + 3.5``."""
        self._refuse_inverse(column)
        if self._is_empty(column):
            return "y"
        gamma, beta = self._gamma_beta(column)
        mean, var = self._shown_moments(column)
        y = f"(y{minus(beta)})" if beta else "y"
        return f"{y} * sqrt({var} + {shown(self.eps)}){over(gamma)}{plus(mean)}"

    def _is_empty(self, column: Fitted) -> bool:
        """Is there nothing to predict with?"""
        return column.statistics.count == 0 and not self.running

    def _shown_moments(self, column: Fitted) -> tuple[Exact, str]:
        """Mean, and variance as it stands in a formula."""
        if self.running:
            running = self._running(column)
            return running.mean, shown(running.var)
        return center(column.statistics), _shown_variance(column.statistics)

    def fold(self, running: Running | None, batches: Floats, name: str) -> Running | None:
        """Running statistics after some more batches, as PyTorch's BatchNorm1d keeps them.

        running = (1 - m) * running + m * batch, from mean 0 and variance 1; m is `momentum`,
        or one divided by the number of batches so far if that is "cumulative". The variance
        of a batch is the unbiased one here. A batch with fewer than two numbers has none, and
        is left out.

        batches: rows (count, mean, biased variance) in the order of the table, shape (b, 3).

        Returns: None as long as no batch counted.

        Raises: DataError naming the column where the variance is beyond float64.

        >>> Batch().fold(None, [(4, 2.5, 1.25)], "x")
        Running(mean=0.25, var=1.0666666666666667, batches=1)
        """
        for count, mean, var in batches:
            if count >= 2:
                running = self._folded(running, float(mean), float(var * (count / (count - 1))))
        if running and not math.isfinite(running.var):
            raise DataError(
                f"column {printable(name)}: its running variance is larger than the largest "
                "float64 (1.8e308). Leave the column out (--exclude), or do without --save-stats."
            )
        return running

    def _folded(self, running: Running | None, mean: float, var: float) -> Running:
        old = running or Running(0.0, 1.0, 0)
        seen = old.batches + 1
        m = 1 / seen if isinstance(self.momentum, str) else self.momentum
        return Running((1 - m) * old.mean + m * mean, (1 - m) * old.var + m * var, seen)

    def _predict(self, x: Numbers, column: Fitted) -> Scaled:
        keep = kept(x, column)
        if column.statistics.count == 0:
            return unchanged(x, keep)
        to = self.known_affine(column)
        return Scaled(finished(to.quickly(x), x, keep, column, to), keep)

    def _train(self, x: Numbers, column: Fitted) -> Scaled:
        import numpy as np

        gamma, beta = self._gamma_beta(column)
        batches = self.batches(len(x))
        table = self._statistics(x, batches)
        rows = np.array([b.stop - b.start for b in batches], dtype=np.int64)
        slope = np.repeat(_slopes(table[:, 2], self.eps, gamma, x.scale), rows)
        mean = np.repeat(table[:, 1], rows)
        # equal floats are their own mean; equal integers beyond 2**53 or decimals may not be a
        # float64, but as they differ by at least 10**-76 otherwise, their variance tells
        inexact = x.scale > 0 or len(x.parts) > 1
        slope[np.repeat((table[:, 2] == 0) & inexact, rows)] = 0.0

        def kernel(cells: slice) -> Floats:
            origin = in_units(mean[cells], x.scale)
            return scaled(difference(part(x, cells), origin), slope[cells], beta)

        values = blockwise(kernel, len(x))
        keep = not_finite(x)
        for b in self._out_of_reach(values, keep, table, batches):
            try:
                values[b] = self._one_batch(part(x, b), column)
            except CellError as error:
                error.row += b.start
                raise
        return Scaled(values, keep, batches=table)

    def _statistics(self, x: Numbers, batches: list[slice]) -> Floats:
        """Count, mean and biased variance of each batch: shape (b, 3)."""
        import numpy as np

        from normcli.statistics.batches import batch_statistics

        cut = batches[-1].start if batches else 0
        regular = batch_statistics(part(x, slice(0, cut)), self._size)
        last = batch_statistics(part(x, slice(cut, None)), max(1, len(x) - cut))
        return np.concatenate([np.stack(regular, axis=1), np.stack(last, axis=1)])

    def _out_of_reach(
        self, values: Floats, keep: Mask | None, table: Floats, batches: list[slice]
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

    def _one_batch(self, x: Numbers, column: Fitted) -> Floats:
        """One batch by its exact statistics, as if it were a data set to predict."""
        from normcli.statistics.moments import ColumnStatistics

        alone = Fitted(column.name, ColumnStatistics.of(x))
        return replace(self, mode="predict", running=False).transform(x, alone).values

    def _gamma_beta(self, column: Fitted) -> tuple[float, float]:
        return _of_column(self.gamma, column.name, 1.0), _of_column(self.beta, column.name, 0.0)

    def _moments(self, column: Fitted) -> tuple[Fraction, Fraction]:
        """Mean and sqrt(var + eps), for prediction; var is a float64 unless it is beyond."""
        eps = Fraction(self.eps)
        if self.running:
            running = self._running(column)
            return Fraction(running.mean), root(Fraction(running.var) + eps)
        statistics = column.statistics
        try:
            var = Fraction(statistics.variance() or 0.0)
        except OverflowError:
            var = Fraction(statistics.std() or 0.0) ** 2
        return Fraction(center(statistics)), root(var + eps)

    def _running(self, column: Fitted) -> Running:
        if column.running is None:
            raise UsageError(
                f"column {printable(column.name)}: the statistics hold no running mean and "
                "variance. Save them with --mode train --save-stats, or leave --running out."
            )
        return column.running


def _shown_variance(statistics: ColumnStatistics) -> str:
    try:
        return shown(statistics.variance() or 0.0)
    except OverflowError:
        return f"{shown(statistics.std() or 0.0)}**2"


def _slopes(var: Floats, eps: float, gamma: float, scale: int) -> Floats:
    """``gamma / sqrt(var + eps) / 10**scale`` of every batch; NaN where it is not accurate."""
    import numpy as np

    with np.errstate(all="ignore"):
        slope = inverse_root(var, eps, gamma)
        if scale:
            slope = product(slope, pair(Fraction(10) ** -scale))
        accurate = (var + eps > SMALL) & (abs(slope.hi) > SMALL) & (abs(gamma) > SMALL)
    return np.where(accurate | (gamma == 0), slope.hi, math.nan)


def _momentum(value: Any) -> float | str:
    if value == "cumulative":
        return "cumulative"
    if isinstance(value, str):
        raise UsageError(f"--momentum must be a number or cumulative, not {printable(value)}.")
    momentum = finite_number(value, "--momentum")
    if not 0 < momentum <= 1:
        raise UsageError(f"--momentum must be above 0 and at most 1, not {shown(momentum)}.")
    return momentum


def _per_column(value: Any, what: str) -> float | dict[str, float]:
    if not isinstance(value, Mapping):
        return finite_number(value, what)
    return {
        str(name): finite_number(number, f"{what} of {printable(str(name))}")
        for name, number in sorted(value.items())
    }


def _of_column(value: float | Mapping[str, float], name: str, default: float) -> float:
    return value.get(name, default) if isinstance(value, Mapping) else value


METHOD = Batch
