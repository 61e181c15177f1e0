"""Gamma that a target teaches: coefficients of a ridge regression on standardized columns.

The rows are scaled and written like those of `transform`, but to sums of their products.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, ClassVar

import numpy as np

from normcli.engines.local import Engine
from normcli.errors import DataError, UsageError
from normcli.formats.base import (
    BadRowError,
    Chunk,
    Encoder,
    NotNumbers,
    Output,
    ReadOptions,
    Style,
    Table,
    Writer,
)
from normcli.methods.chain import spelling
from normcli.methods.mapping import either
from normcli.methods.spelling import Asked, method_of
from normcli.numerics.numbers import Numbers, Scaled
from normcli.pipeline.choice import Choice, refuse_infinite, refuse_repeated
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.cross import LARGEST, LARGEST_TARGET, CrossMoments
from normcli.words import did_you_mean, many, printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask

MOST_COLUMNS = 2000
MOST_CLASSES = 1000


class TextTargetError(DataError):
    """The target has a cell that is not a number: it is a class, in all rows."""


@dataclass(frozen=True)
class Lesson:
    """What gamma is learned from.

    statistics: by these the columns are standardized.
    target: the name of a column. classes: its texts are classes; else it has numbers.
    l2: the penalty on the squares of the coefficients, alpha of scikit-learn's Ridge.
    """

    statistics: Statistics
    target: str
    l2: float = 1.0
    classes: bool = False
    choice: Choice = field(default_factory=Choice)

    def job(self) -> Job:
        """Standardizes the columns; where their methods begin with maps, what these make."""
        columns = {
            name: column
            for name, column in self.statistics.columns.items()
            if name != self.target and (column.count or column.given)
        }
        if not columns:
            raise UsageError("the statistics have no column of numbers but the target")
        own = {name: method_of(self._standardizing(name, c)) for name, c in columns.items()}
        zscore = method_of("zscore")
        statistics = Statistics(self.statistics.rows, columns, zscore, own)
        return Job(Asked(zscore, kept=own), statistics, choice=self.choice)

    def _standardizing(self, name: str, column: ColumnStatistics) -> str:
        if column.mean is None or column.std() is None:
            raise UsageError(
                f"the statistics have no mean and standard deviation of column {printable(name)}, "
                "which learn needs. Leave it out: --exclude"
            )
        maps = spelling(self.statistics.method_for(name).before)
        return f"{maps}+zscore" if maps else "zscore"


@dataclass(frozen=True)
class Learned:
    """Gamma by column, and what it was learned from.

    rows: those that have a number in every column, and a target; `left` of them have not.
    classes: how many; None where the target has numbers.
    """

    gamma: Mapping[str, float]
    rows: int
    left: int
    classes: int | None


def learn(
    tables: Iterable[Table],
    lesson: Lesson,
    options: ReadOptions,
    engine: Engine | None = None,
    summary: Summary | None = None,
) -> Learned:
    """Gamma for the columns of the statistics: their ridge coefficients, of root mean square 1.

    Columns that are constant get 0. Of several classes it is the norm of the coefficients of
    all. The sums that it is made of are exact, so that neither the order of the rows nor the
    chunks or the engine make a difference.

    Raises: TextTargetError where the target turns out to be a class.
    """
    lessons = JointRows(lesson)
    for table in tables:
        scaling = prepare(table, lesson, options, lessons)
        scaling.summary = summary or scaling.summary
        scaling.run(None, engine)  # type: ignore[arg-type]  # nothing is written to a stream
    return lessons.learned()


def prepare(
    table: Table, lesson: Lesson, options: ReadOptions, output: JointRows | None = None
) -> Scaling:
    """How a table is standardized; raises NormcliError where it cannot be."""
    return Scaling.prepare(table, lesson.job(), output or JointRows(lesson), options)


@dataclass(frozen=True, eq=False)
class Joint:
    """Rows of a chunk that lack nothing.

    z: standardized, shape (m, n). target: n numbers, or the text of n classes.
    left: how many other rows there are. text: the first cell of the target that is no number.
    """

    z: Floats
    target: Floats | list[str]
    left: int
    text: NotNumbers | None = None


@dataclass(frozen=True)
class JointEncoder(Encoder):
    """Makes `Joint` rows of a chunk and its standardized columns.

    columns: positions of the columns; target: that of the target. constant: whether each column
        is, so that it does not count.
    """

    columns: tuple[int, ...]
    constant: tuple[bool, ...]
    target: int
    classes: bool
    choice: Choice

    @property
    def needs(self) -> Sequence[int]:
        """The columns, and the target."""
        return sorted((*self.columns, self.target))

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Joint:
        """The rows that lack nothing."""
        target = self._target(chunk)
        if isinstance(target, NotNumbers):
            return Joint(np.empty((len(self.columns), 0)), [], 0, target)
        missing = (
            [text is None for text in target] if isinstance(target, list) else np.isnan(target)
        )
        gone = np.array(missing, np.bool_)
        z = np.empty((len(self.columns), chunk.rows))
        for i, (position, constant) in enumerate(zip(self.columns, self.constant, strict=True)):
            scaled = replaced[position]
            lacking = either(scaled.keep, scaled.null)
            gone = gone if lacking is None else gone | lacking
            z[i] = 0.0 if constant else scaled.values
        whole = ~gone
        z = z[:, whole]
        self._refuse_distant(chunk, z, whole)
        if isinstance(target, list):
            return Joint(z, [text for text in target if text is not None], int(gone.sum()))
        return Joint(z, target[whole], int(gone.sum()))

    def _target(self, chunk: Chunk) -> Floats | list[str | None] | NotNumbers:
        if self.classes:
            return chunk.texts(self.target).cells(chunk.null)
        (x,) = chunk.observe([self.target])
        if isinstance(x, NotNumbers):
            return x
        infinite = np.isinf(x.parts[0])
        refuse_infinite(chunk, {self.target: x}, [int(infinite.sum())], self.choice)
        y = _as_float64(x)
        if (large := np.abs(y) > LARGEST_TARGET).any():
            row = int(large.argmax())
            why = "is too large to learn from: scale the target down"
            raise BadRowError.at(row, f"{chunk.place(row, self.target)} {why}")
        return y

    def _refuse_distant(self, chunk: Chunk, z: Floats, whole: Mask) -> None:
        distant = np.abs(z) > LARGEST
        if distant.any():
            row, column = np.argwhere(distant.T)[0]
            at = int(np.flatnonzero(whole)[row])
            raise BadRowError.at(
                at,
                f"{chunk.place(at, self.columns[column])} is {abs(z[column, row]):.1g} standard "
                "deviations from the mean\nAre these the statistics of another table?",
            )


def _missing(target: Floats | list[str | None]) -> Mask:
    if isinstance(target, list):
        return np.array([text is None for text in target], np.bool_)
    return np.isnan(target)


def _as_float64(x: Numbers) -> Floats:
    """The nearest float64; NaN where there is no finite number."""
    plain = method_of("zscore:mean=0,std=1").mapping(ColumnStatistics(given={"mean": 0, "std": 1}))
    scaled = plain.values(x)
    return scaled.values if scaled.keep is None else np.where(scaled.keep, np.nan, scaled.values)


class JointWriter(Writer):
    """Adds up products of `Joint` rows.

    classes: text -> the number of its row in the target, where it has classes.
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson, self.sums = lesson, CrossMoments()
        self.classes: dict[str, int] = {}
        self.left = 0

    def write(self, payload: Joint) -> None:
        """Add the rows; raises TextTargetError where the target is text."""
        if payload.text:
            text, where = printable(payload.text.text), payload.text.where
            raise TextTargetError(f"the target has a text, {text} ({where}): add --classes")
        target = payload.target
        y = self._one_hot(target) if isinstance(target, list) else target[np.newaxis]
        self.left += payload.left
        self.sums.add(payload.z, y)

    def _one_hot(self, texts: list[str]) -> Floats:
        """1 in the row of the class, else 0."""
        for text in dict.fromkeys(texts):
            self.classes.setdefault(text, len(self.classes))
        if len(self.classes) > MOST_CLASSES:
            raise DataError(
                f"the target {printable(self.lesson.target)} has more than {MOST_CLASSES} "
                "different texts. Is it a name or an id, not a class?"
            )
        y = np.zeros((len(self.classes), len(texts)))
        y[[self.classes[text] for text in texts], np.arange(len(texts))] = 1.0
        return y


class JointRows(Output):
    """The sums that a `Lesson` needs, of all tables that are written to it.

    columns: those that are learned, in the order of the statistics.
    """

    name: ClassVar[str] = "sums"

    def __init__(self, lesson: Lesson) -> None:
        self.lesson, self.written = lesson, JointWriter(lesson)
        self.columns: list[str] = []

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> JointEncoder:
        """Of a table; raises NormcliError where it lacks the target or is unlike those before."""
        lesson, target = self.lesson, _position(table, self.lesson.target)
        if target in table.others and not lesson.classes:
            raise TextTargetError(f"the target is of type {table.others[target]}: add --classes")
        positions = {table.columns[i]: i for i in replaced}
        known = lesson.statistics.columns
        columns = [name for name in known if name in positions]
        if self.columns not in ([], columns):
            raise DataError(f"{table.name}: other columns are chosen than in the tables before")
        if len(columns) > MOST_COLUMNS:
            raise UsageError(
                f"the most columns to learn from are {MOST_COLUMNS}, not {len(columns)}. "
                "Choose some with --select"
            )
        self.columns = columns
        places = tuple(positions[name] for name in columns)
        constant = tuple(known[name].constant for name in columns)
        return JointEncoder(places, constant, target, lesson.classes, lesson.choice)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> JointWriter:
        """The one that has the rows of the tables before; `stream` is not used."""
        return self.written

    def learned(self) -> Learned:
        """Gamma; raises DataError where the rows tell nothing."""
        written, sums = self.written, self.written.sums
        if sums.rows < 2:
            raise DataError(
                f"only {sums.rows} of {many(sums.rows + written.left, 'row')} have a number in "
                "every column and a target, which is too few to learn from\n"
                "Leave out columns that are mostly missing: --exclude"
            )
        gamma = self._gamma(sums)
        classes = len(written.classes) if self.lesson.classes else None
        named = dict(zip(self.columns, gamma.tolist(), strict=True))
        return Learned(named, sums.rows, written.left, classes)

    def _gamma(self, sums: CrossMoments) -> Floats:
        scatter, target = sums.scatter(), sums.scatter_with_target()
        varies = scatter.diagonal() > 0
        if not target[varies].any():
            raise DataError(
                f"no column says anything about the target {printable(self.lesson.target)}: it is "
                "the same in all rows, or no column is correlated with it"
            )
        if self.lesson.classes:  # in the order of their texts, not in that in which they came
            target = target[:, [place for _, place in sorted(self.written.classes.items())]]
        gamma: Floats = np.zeros(len(scatter))
        gamma[varies] = self._ridge(scatter[np.ix_(varies, varies)], target[varies])
        rms = float(_norms(gamma[np.newaxis])[0]) / math.sqrt(len(gamma))
        return gamma / rms + 0.0  # no -0.0

    def _ridge(self, scatter: Floats, target: Floats) -> Floats:
        """The coefficient of every column, or the norm of those of all classes."""
        matrix = scatter + self.lesson.l2 * np.eye(len(scatter))
        if not _is_regular(matrix):
            raise DataError(
                "some columns follow from others, so that their coefficients are not determined\n"
                f"Give a larger --l2 than {self.lesson.l2:g}, or leave some out with --exclude"
            )
        found: Floats = np.linalg.solve(matrix, target).astype(np.float64, copy=False)
        return _norms(found) if self.lesson.classes else found[:, 0]


def _norms(rows: Floats) -> Floats:
    found: Floats = np.hypot.reduce(rows, axis=1)
    return found


def _is_regular(matrix: Floats) -> bool:
    """Is it positive definite, by more than rounding may cost?"""
    try:
        pivots = np.linalg.cholesky(matrix).diagonal() ** 2
    except np.linalg.LinAlgError:
        return False
    return bool((pivots > len(matrix) * np.finfo(float).eps * matrix.diagonal()).all())


def _position(table: Table, target: str) -> int:
    if target not in table.columns:
        near = did_you_mean(target, table.columns)
        raise UsageError(f"{table.name}: no column {printable(target)} for --target.{near}")
    refuse_repeated(table.name, table.columns, [target])
    return table.columns.index(target)
