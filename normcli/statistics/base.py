"""What a statistic is: a recipe collects states from rows, states become values.

A statistic is one module of this package. It has three classes, derived from those here, and
ends with ``RECIPE = ItsRecipe``; nothing else is edited for a method to ask for it, for `fit` to
collect it and for the sidecar to keep it. The design is that of the combiners of TensorFlow
Transform (make, merge, extract, cache), with states that hold many columns at once.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import DataError, LimitError, UsageError
from normcli.numerics.numbers import Numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Group = tuple[str | None, ...]  # the key of a group of rows; () means all rows
MOST_REPEATED = 1 << 27
Key = tuple[Group, int]  # a group, and the number of a column


def in_order(group: Group) -> tuple[tuple[bool, str], ...]:
    """What groups are sorted by: text by code points, after that which is missing."""
    return tuple((text is not None, text or "") for text in group)


@dataclass(frozen=True, eq=False)
class Labels:
    """The group of every row: row i belongs to ``groups[codes[i]]``."""

    groups: Sequence[Group]
    codes: NDArray[np.int64]

    def places(self) -> Iterator[tuple[Group, NDArray[np.int64]]]:
        """Each group, and its rows in their order."""
        import numpy as np

        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.groups)))
        yield from zip(self.groups, np.split(order, ends[:-1]), strict=True)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some consecutive rows.

    columns: the number of a column -> its cells, one for each row.
    labels: the groups of the rows; None where there is only that of all rows.
    weights: of the rows, greater than 0; None where all have the weight 1.
    left_out: how many other rows, with the weight 0, there are in each group of the labels, or
        in all; None where there are no weights.
    """

    columns: Mapping[int, Numbers]
    labels: Labels | None = None
    weights: Numbers | None = None
    left_out: NDArray[np.int64] | None = None

    def repeated(self) -> Rows:
        """The same rows, each as often as its weight says, which is a whole number.

        Raises: LimitError where that is more than `MOST_REPEATED` rows.
        """
        if self.weights is None:
            return self
        import numpy as np

        times = self.weights.parts.sum(axis=0) / 10.0**self.weights.scale
        if times.sum() > MOST_REPEATED:
            raise LimitError(
                f"quantiles of weights that add up to more than {MOST_REPEATED} in one chunk of "
                "rows need too much memory; divide the weights by a common factor"
            )
        rows = np.repeat(np.arange(len(times)), times.astype(np.int64))
        labels = self.labels and Labels(self.labels.groups, self.labels.codes[rows])
        return Rows({i: x.at(rows) for i, x in self.columns.items()}, labels)

    def cells(self) -> Iterator[tuple[Key, Numbers]]:
        """The cells of every column, and those of every group in it."""
        for column, x in self.columns.items():
            yield ((), column), x
        if self.labels is not None:
            for group, places in self.labels.places():
                for column, x in self.columns.items():
                    yield (group, column), x.at(places)


@dataclass(frozen=True)
class Facts:
    """What the top of a sidecar says about all columns, or about those of one group."""

    rows: int
    ddof: int


@dataclass(frozen=True)
class Means:
    """What a fit allows its recipes.

    memory: how many numbers their states may hold, all together.
    spools: the input can be read only once, so numbers that are needed again go to a file.
    exact: is what could be approximated to be exact?
    """

    memory: int = 0
    spools: bool = False
    exact: bool = True


class FieldError(ValueError):
    """A field of a sidecar is wrong: `field` is its name, and `fault` says why."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(fault)
        self.field, self.fault = field, fault


class Value(ABC):
    """What is known of one column (and group) through one recipe: immutable and exact.

    inline: it dumps fields of the column's entry, not those of a section of its own.
    """

    inline: ClassVar[bool] = False

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """The value for the rows of both; raises DataError where there is none."""

    def ends(self) -> tuple[float, float] | None:
        """The smallest and the largest number, if it tells them exactly."""
        return None

    def without(self, other: Self) -> Self:
        """The value for these rows but those of `other`, which are among them.

        Raises: DataError where they cannot be among them, or where the value does not tell.
        """
        raise DataError(f"rows cannot be taken out of {type(self).__name__.lower()} statistics")

    @abstractmethod
    def dump(self, facts: Facts) -> dict[str, Any]:
        """Its section of the sidecar: JSON values by field.

        Raises: DataError where the value cannot be written.
        """

    def then(self, later: Value) -> Value:
        """What is known after another pass, which found `later`: by default only that."""
        return later

    def kept(self, among: int) -> Value:
        """What statistics keep of it, if so many columns and groups with numbers have one."""
        return self

    def note(self) -> str:
        """What `show` says of it beside the moments; nothing by default."""
        return ""


class State(ABC):
    """What some rows hold in many columns (and groups), as arrays that merge at little cost."""

    @abstractmethod
    def alike(self, other: Self) -> bool:
        """Can `merge` take the other? If not, both become values first."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """The state of these rows and of those that follow."""

    @abstractmethod
    def values(self) -> dict[Key, Value]:
        """The value of every column and group."""

    @property
    def groups(self) -> Sequence[Group]:
        """The groups, beside all rows."""
        return ()

    @property
    def infinities(self) -> list[int] | None:
        """How many infinite numbers every column has in all rows; None where it does not count."""
        return None


class Recipe(ABC):
    """How a statistic is collected, kept and checked. Subclasses are frozen and picklable.

    name: of its section in the sidecar. The section of moments is the column's entry itself.
    inline: its `fields` are fields of the column's entry, which `load` gets whole.
    passes: how often the input is read for it, at most.
    fields: JSON Schema (draft 2020-12) of the fields of its section.
    required: those of `fields` that are always there.
    shares: are the values of two columns, merged, the value of both?
    """

    name: ClassVar[str]
    inline: ClassVar[bool] = False
    passes: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, Any]] = {}
    required: ClassVar[Sequence[str]] = ()
    shares: ClassVar[bool] = False

    def weighs(self, kind: str) -> bool:
        """Can it be made of rows that have weights of this kind?"""
        return False

    @abstractmethod
    def of(self, rows: Rows) -> State:
        """The state of some rows."""

    def prepared(self, means: Means) -> Recipe:
        """The recipe for a fit with these means; by default they change nothing."""
        return self

    def refuse(self, x: Numbers) -> None:  # noqa: B027  # by default all are allowed
        """Raise CellError for the first number of a column that the statistic does not allow."""

    def also(self, other: Self) -> Self:
        """The recipe for what this one and another of the same name are needed for."""
        return other

    @classmethod
    @abstractmethod
    def load(cls, entry: Mapping[str, Any], facts: Facts) -> Value:
        """The value that `Value.dump` wrote; the entry has the fields of the schema.

        Raises: FieldError where no rows can have this value.
        """

    def lacking(self, maps: str, method: str) -> UsageError:
        """The error that statistics do not have what `method` takes, of what `maps` make."""
        of = f" of {maps}" if maps else ""
        return UsageError(
            f"the statistics have no {self.name}{of}, which {method} needs. "
            f"Fit them: normcli fit TABLE --method {method}"
        )

    def after(self, known: Mapping[str, Value]) -> Recipe:
        """The recipe for rows that follow others, of which the values of a column are known."""
        return self

    def next(self, known: Mapping[Key, Value]) -> Recipe | None:
        """What has to be collected in another pass, given the values of this one."""
        return None


@dataclass
class Folded:
    """States of consecutive rows, merged as arrays while they are alike, as values elsewhere."""

    state: State | None = None
    settled: dict[Key, Value] = field(default_factory=dict)

    def add(self, state: State) -> None:
        """Add the state of the rows that follow."""
        if self.state is not None and self.state.alike(state):
            self.state = self.state.merge(state)
        else:
            self._settle()
            self.state = state

    def join(self, other: Folded) -> None:
        """Add what was folded of the rows that follow."""
        if other.settled:
            self._settle()
            self._merge(other.settled)
        if other.state is not None:
            self.add(other.state)

    def values(self) -> dict[Key, Value]:
        """The value of every column and group."""
        self._settle()
        return self.settled

    def _settle(self) -> None:
        if self.state is not None:
            self._merge(self.state.values())
        self.state = None

    def _merge(self, values: Mapping[Key, Value]) -> None:
        for key, value in values.items():
            known = self.settled.get(key)
            self.settled[key] = value if known is None else known.merge(value)


@cache
def recipes() -> dict[str, type[Recipe]]:
    """All recipes by the name of their section: those of the modules here that have a RECIPE."""
    import normcli.statistics as package

    modules = (
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    )
    found = (module.RECIPE for module in modules if hasattr(module, "RECIPE"))
    return {recipe.name: recipe for recipe in found}
