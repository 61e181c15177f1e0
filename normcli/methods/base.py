"""What a method is: it says which statistics it needs, and makes mappings of them.

A method is one module in this package. It has a frozen dataclass derived from `Method`, and a
mapping of its own where none of `normcli.methods.mapping` fits, and ends with
``METHODS = (ItsClass,)``; nothing else is edited for the program to offer it. Modules here are
imported for `--help`: NumPy is imported inside functions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.base import Recipe
    from normcli.statistics.batching import Batching
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Option:
    """An argument of a method: ``NAME=VALUE`` in its spelling, and ``--name`` on the command line.

    kind: "float", "int", "flag", "off" (a flag that makes the field false), "range" (two
        floats), "per-column" (a number, NAME=NUMBER pairs, or @file.json), or a tuple of words
        to choose from.
    words: what a "float" option takes instead of a number.
    fits: the sidecar keeps it, and `fit` offers it.
    chooses: it says which numbers count, so that `fit` offers it, but is about a single run.
    spelled: it is only an argument in the spelling of the method, no option of the command line.
    """

    name: str
    kind: str | tuple[str, ...]
    help: str
    field: str
    inverts: bool = False  # True where `inverse` needs it, though it is not kept
    fits: bool = False
    chooses: bool = False
    default: str = ""  # as --help shows it
    words: tuple[str, ...] = ()
    spelled: bool = False


@dataclass(frozen=True)
class Method(ABC):
    """Base of all methods: policy, as frozen parameters.

    The fields of a method are its parameters, named as in the sidecar; ``__post_init__``
    refuses bad ones with a `UsageError`. The docstring opens with the definition.

    by_row: the numbers of a row are scaled together.
    givens: the numbers that can be given by hand, instead of a fit -> what they are.
    leads: the methods that can follow it in a chain though both are fitted; None: all.
    edges: what happens to constant columns and the like, for `normcli methods NAME`.
    examples: spellings of it: for people, and for the tests of the laws that all methods keep.
    weighed: may it be fitted to rows that have weights?
    given: the numbers that were given by hand.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    by_row: ClassVar[bool] = False
    givens: ClassVar[Mapping[str, str]] = {}
    leads: ClassVar[Sequence[str] | None] = ()
    edges: ClassVar[Sequence[str]] = ()
    examples: ClassVar[Sequence[str]] = ()
    weighed: ClassVar[bool] = True

    given: Mapping[str, float] = field(default_factory=dict, kw_only=True, hash=False)

    @abstractmethod
    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """What is done to a column of which this is known; `for_column` has been called.

        Raises: NormcliError where no mapping can be made of it, without the column's name.
        """

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The statistics of the column that `mapping` uses: by default its moments.

        Where numbers are given, nothing is needed.
        """
        from normcli.statistics.moments import MomentsRecipe

        return (MomentsRecipe(),)

    def leaves(self, column: str) -> tuple[Recipe, ...]:
        """The statistics that a run in training leaves for later runs; none by default."""
        return ()

    def needs_fit(self) -> bool:
        """Does it need anything that has to be fitted?"""
        return not self.given and bool(self.needs(""))

    @property
    def takes(self) -> tuple[str, ...]:
        """The numbers that it takes of a column for which numbers are given: all `givens`."""
        return tuple(self.givens)

    @property
    def before(self) -> tuple[Method, ...]:
        """The maps whose results `needs` is about; none where it is about the column itself."""
        return ()

    def stages(self, column: str) -> tuple[tuple[tuple[Method, ...], tuple[Recipe, ...]], ...]:
        """The recipes of what `mapping` uses, and the maps that they are about.

        Those of a second stage are about what a fitted method makes, by the first ones.
        """
        return ((self.before, self.needs(column)),)

    @property
    def spelling(self) -> str:
        """Its name in the sidecar, beside `parameters`."""
        return self.name

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The method with these (JSON) parameters; raises UsageError for a bad one."""
        known = [f.name for f in fields(cls) if f.name != "given"]
        for key in parameters:
            if key not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise UsageError(
                    f"{cls.name} has no parameter {printable(str(key))}: {has}."
                    + did_you_mean(str(key), known)
                )
        return cls(**parameters)

    def parameters(self) -> dict[str, Any]:
        """What the sidecar keeps, JSON-ready: the options that `fit` has, in their order.

        Policies of a single run (such as what is done out of range) are not among them.
        Arguments without an option of the command line are, where they are not the default.
        """
        defaults = {f.name: f.default for f in fields(self)}
        kept = (o for o in self.options if o.fits)
        found = {o: getattr(self, o.field) for o in kept}
        return {
            o.field: _jsonable(value)
            for o, value in found.items()
            if not (o.spelled and value == defaults[o.field])
        }

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """The method with other values of some fields."""
        return replace(self, **fields)

    def for_column(self, name: str) -> Self:
        """The method with the parameters of one column."""
        return self

    def with_statistics(self) -> Self:
        """The method with its defaults decided, for a run in which statistics are given."""
        return self

    @property
    def trains(self) -> bool:
        """Is every batch of rows scaled by its own statistics?"""
        return False

    def batching(self) -> Batching | None:
        """The rows that have to be scaled together; None where each is scaled by itself."""
        return None


def finite_number(value: Any, what: str) -> float:
    """`value` as a float; raises UsageError where it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise UsageError(f"{what} must be a finite number, not {printable(str(value))}.")
    return float(value)


def whole_number(value: Any, what: str) -> int:
    """`value` as an int; raises UsageError where it is not a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{what} must be a whole number, not {printable(str(value))}.")
    return value


def momentum_weight(value: Any, what: str) -> float | str:
    """`value`, a number above 0 and at most 1, or "cumulative"; raises UsageError."""
    if value == "cumulative":
        return "cumulative"
    if isinstance(value, str):
        raise UsageError(f"{what} must be a number or cumulative, not {printable(value)}.")
    number = finite_number(value, what)
    if not 0 < number <= 1:
        shown = repr(number).removesuffix(".0")
        raise UsageError(f"{what} must be above 0 and at most 1, not {shown}.")
    return number


def one_of(value: Any, choices: tuple[str, ...], what: str) -> str:
    """`value`, one of `choices`; raises UsageError where it is not."""
    if value not in choices:
        raise UsageError(
            f"{what} must be one of {', '.join(choices)}, not {printable(str(value))}."
            + did_you_mean(str(value), choices)
        )
    return str(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)}
    return list(value) if isinstance(value, tuple) else value


def given_numbers(method: Method, *wanted: str) -> Mapping[str, float]:
    """The numbers that were given by hand; raises UsageError unless they are the `wanted` ones."""
    if set(method.given) != set(wanted):
        has, needs = (" and ".join(names) or "none" for names in (method.given, wanted))
        raise UsageError(f"{method.name}: {has} given by hand, but it takes {needs} together.")
    return method.given
