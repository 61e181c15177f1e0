"""What a file of statistics does to columns, for other programs; each target is one module.

The module of the target NAME is ``to_NAME``, and ends with ``TARGET = ItsClass()``; nothing else is
edited for `normcli export` to offer it. Heavy libraries are imported inside functions.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import normcli.bridges
from normcli.errors import DataError, UsageError
from normcli.methods.expression import CURVED, Expression, X
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.methods.mapping import AffineMapping
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.base import Group

Cells = Sequence[float | None]  # of a column; None: missing


@dataclass(frozen=True)
class Formula:
    """What is done to the cells of a column.

    steps: to finite numbers, one after the other. infinite, missing: what the other cells become;
        x: they stay as they are.
    """

    steps: tuple[Expression, ...] = ()
    infinite: Expression = X
    missing: Expression = X

    def operations(self) -> Iterator[str]:
        """All operations in it."""
        for step in (*self.steps, self.infinite, self.missing):
            yield from step.operations()

    @property
    def is_plain(self) -> bool:
        """Do arithmetic rules alone keep missing and infinite cells as they are?"""
        plain = {"x", "number", "+", "-", "*", "/"}
        return self.infinite == self.missing == X and plain >= set(self.operations())


@dataclass(frozen=True)
class Column:
    """What is done to a column, and to its cells in the rows of groups.

    mapping: what `transform` does in all rows. formula: the same, or for rows of groups that
    are not in `groups`.
    method: its spelling, for people.
    """

    name: str
    method: str
    mapping: ColumnMapping
    formula: Formula
    groups: Mapping[Group, Formula] = field(default_factory=dict)

    @property
    def formulas(self) -> list[Formula]:
        """All of them."""
        return [self.formula, *self.groups.values()]


@dataclass(frozen=True)
class Model:
    """What is exported: columns, and the columns whose texts are the keys of groups.

    dialect: of SQL.
    """

    columns: Sequence[Column]
    by: Sequence[str] = ()
    dialect: str = ""

    @property
    def groups(self) -> list[Group]:
        """All groups."""
        return list(dict.fromkeys(group for column in self.columns for group in column.groups))

    @property
    def tolerance(self) -> float:
        """How many ulp its results may be off: more where it has logarithms or powers."""
        formulas = (formula for column in self.columns for formula in column.formulas)
        curved = CURVED - {"sqrt"}
        return 16.0 if any(curved & set(each.operations()) for each in formulas) else 4.0


@dataclass(frozen=True)
class Rows:
    """Some rows to run an export on: the cells of the columns, and the group of each row."""

    columns: Sequence[Cells]
    keys: Sequence[Group] = ()


@dataclass(frozen=True)
class Results:
    """What an export made of the cells of the columns, and the program that ran it."""

    columns: Sequence[Cells]
    by: str


class Target(ABC):
    """A program that statistics go to.

    what: it is, for people. bits: of its floating-point numbers.
    """

    what: ClassVar[str]
    bits: ClassVar[int] = 64

    @abstractmethod
    def export(self, model: Model) -> bytes:
        """The file; raises UsageError for a column that it cannot say."""

    @abstractmethod
    def run(self, exported: bytes, model: Model, rows: Rows) -> Results:
        """What the file makes of rows.

        Raises: UsageError where the program is not here, DataError where it stops.
        """


def names() -> list[str]:
    """The names of all targets; imports none of them."""
    modules = pkgutil.iter_modules(normcli.bridges.__path__)
    found = (m.name.removeprefix("to_") for m in modules if m.name.startswith("to_"))
    return sorted(name.replace("_", "-") for name in found)


def target_named(name: str) -> Target:
    """The target; raises UsageError where there is none."""
    if name not in names():
        raise UsageError(
            f"--to is one of {', '.join(names())}, not {printable(name)}."
            + did_you_mean(name, names())
        )
    module = importlib.import_module(f"normcli.bridges.to_{name.replace('-', '_')}")
    target: Target = module.TARGET
    return target


def affine_of(column: Column, what: str) -> AffineMapping:
    """The mapping of a column that only multiplies and adds; raises UsageError for others.

    what: the program that can say no more than that.
    """
    from normcli.methods.mapping import AffineMapping

    mapping, operations = column.mapping, set(column.formula.operations())
    where = f"column {printable(column.name)}, {column.method}: "
    if column.groups:
        raise UsageError(f"{where}{what} cannot scale groups, each in its own way.")
    if {column.formula.infinite, column.formula.missing} != {X}:
        raise UsageError(f"{where}{what} cannot change missing cells: use --missing keep.")
    if not isinstance(mapping, AffineMapping):
        raise UsageError(f"{where}{what} can only multiply and add.")
    slope = mapping.affine.slope or Fraction(1)
    far = mapping.affine.center + 10**9 / slope
    if operations & {"missing", "refused"} or mapping.exactly(far) != mapping.affine.exactly(far):
        raise UsageError(f"{where}{what} keeps numbers out of range: use --out-of-range keep.")
    return mapping


def lacking(what: str, library: str, extra: str = "") -> UsageError:
    """The error that a library is missing.

    extra: of this package, that brings it.
    """
    package = f"'normcli[{extra}]'" if extra else library
    return UsageError(f"{what} needs {library}: pip install {package}")


def stopped(what: str, why: str) -> DataError:
    """The error that an export stopped when it was run."""
    return DataError(f"{what} stopped: {why.strip()}")
