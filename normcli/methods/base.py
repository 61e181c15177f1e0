"""What a method is: numbers and statistics in, scaled numbers out.

A method is one module in this package. It has a frozen dataclass derived from `Method`
and ends with ``METHOD = ItsClass``; nothing else has to be edited for the program to
offer it. Modules here are imported for `--help`: NumPy is imported inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask, Numbers
    from normcli.statistics.moments import ColumnStatistics


Made = TypeVar("Made")


@dataclass(frozen=True)
class Option:
    """A command-line option of a method: ``--name``; the value fills the field `field`.

    kind: "float", "int", "flag", "range" (two floats), "per-column" (a number,
        NAME=NUMBER pairs, or @file.json), or a tuple of words to choose from.
    words: what a "float" option takes instead of a number.
    """

    name: str
    kind: str | tuple[str, ...]
    help: str
    field: str
    inverts: bool = False  # True where `inverse` needs it, though it is not kept
    fits: bool = False  # True where `fit` offers it too, because it is kept in the sidecar
    default: str = ""  # as --help shows it
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """Running mean and (unbiased) variance of a column, as batch normalization keeps them.

    batches: how many batches made them.
    """

    mean: float
    var: float
    batches: int


@dataclass(frozen=True)
class Batching:
    """Rows that have to be scaled together: batches of `size`, and what becomes of a short last.

    last: "keep" or "merge" (the method's matter), "drop" or "error" (the pipeline's).
    """

    size: int
    last: str


@dataclass(frozen=True)
class Fitted:
    """What is known about a column when it is scaled."""

    name: str
    statistics: ColumnStatistics
    running: Running | None = None
    _made: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """`make()`, made once: exact constants take longer than the few rows of a wide chunk."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made


@dataclass(frozen=True, eq=False)
class Scaled:
    """What a method made of n numbers.

    values: float64, shape (n,). Whatever stands in `keep` or `null` cells is ignored.
    keep: cells that come back as they were written (missing, NaN, passed-through
        infinities), or None for none.
    null: cells that become missing (out-of-range policy), or None for none.
    counts: what the report tells -> number of cells, such as "out_of_range".
    batches: for batch training, one row (count, mean, biased var) a batch, in order:
        float64, shape (b, 3); mean and var are NaN where count is 0.
    """

    values: Floats
    keep: Mask | None = None
    null: Mask | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    batches: Floats | None = None


@dataclass(frozen=True)
class Method:
    """Base of all methods: frozen parameters, two directions.

    The fields of a method are its parameters, named as in the sidecar; ``__post_init__``
    refuses bad ones with a `UsageError`.

    Raises (in both directions): `normcli.errors.CellError` for the first number that would
    become infinite or NaN, or any where the column was fitted on no number at all.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The method with these (JSON) parameters; raises UsageError for a bad one."""
        known = [f.name for f in fields(cls)]
        for key in parameters:
            if key not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise UsageError(
                    f"{cls.name} has no parameter {printable(str(key))}: {has}."
                    + did_you_mean(str(key), known)
                )
        return cls(**parameters)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The method from its arguments in one word: ``-1,1``, ``ddof=1``, ``gamma=2,beta=1``.

        Arguments are KEY=VALUE with the names of the options, separated by commas; two bare
        numbers fill the one option that is a range. Raises UsageError for anything else.
        """
        parameters: dict[str, Any] = {}
        bare: list[Any] = []
        for argument in text.split(",") if text else []:
            key, equals, value = (part.strip() for part in argument.partition("="))
            if not equals:
                bare.append(_value(key))
                continue
            parameter = cls._field(key)
            if parameter in parameters:
                raise UsageError(f"{cls.name}: {key} is given twice in {printable(text)}.")
            parameters[parameter] = _value(value)
        if bare:
            parameters[cls._range_field(bare, text)] = bare
        return cls.from_parameters(parameters)

    @classmethod
    def _field(cls, key: str) -> str:
        names = {option.name: option.field for option in cls.options}
        spelled = key.replace("_", "-")
        if spelled not in names:
            raise UsageError(
                f"{cls.name} has no option {printable(key)}: it has {', '.join(names)}."
                + did_you_mean(spelled, names)
            )
        return names[spelled]

    @classmethod
    def _range_field(cls, bare: list[Any], text: str) -> str:
        ranges = [option.field for option in cls.options if option.kind == "range"]
        if not ranges:
            example = cls.options[0].name
            raise UsageError(
                f"{cls.name} takes KEY=VALUE pairs such as {example}=..., not {printable(text)}."
            )
        if len(bare) != 2:
            raise UsageError(f"{cls.name} takes two numbers, LOW,HIGH, not {printable(text)}.")
        return ranges[0]

    def parameters(self) -> dict[str, Any]:
        """What the sidecar keeps, JSON-ready: the fields whose options `fit` has, in their order.

        Policies of a single run (such as what is done out of range) are not among them.
        """
        return {o.field: _jsonable(getattr(self, o.field)) for o in self.options if o.fits}

    def for_column(self, name: str) -> Self:
        """The method with the parameters of one column."""
        return self

    def with_statistics(self, given: bool) -> Self:
        """The method with the defaults that fit, for those that depend on statistics."""
        return self

    @property
    def needs_statistics(self) -> bool:
        """Does `transform` take anything from the statistics of the column?"""
        return True

    @property
    def makes_missing(self) -> bool:
        """May `transform` make cells missing that hold numbers?"""
        return False

    def batching(self) -> Batching | None:
        """Which rows `transform` has to be given together; None where that is no matter."""
        return None

    def fold(self, running: Running | None, batches: Floats, name: str) -> Running | None:
        """Running statistics after some more `Scaled.batches` of the column `name`."""
        raise NotImplementedError

    def transform(self, x: Numbers, column: Fitted) -> Scaled:
        """`x` scaled."""
        raise NotImplementedError

    def inverse(self, y: Numbers, column: Fitted) -> Scaled:
        """`y` in original units."""
        raise NotImplementedError

    def formula(self, column: Fitted) -> str:
        """The formula with this column's numbers, on one line, for `--explain`."""
        raise NotImplementedError

    def inverse_formula(self, column: Fitted) -> str:
        """The same of `inverse`, from y; raises UsageError where there is no inverse."""
        raise NotImplementedError


def finite_number(value: Any, what: str) -> float:
    """`value` as a float; raises UsageError where it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise UsageError(f"{what} must be a finite number, not {printable(str(value))}.")
    return float(value)


def whole_number(value: Any, what: str) -> int:
    """`value` as an int; raises UsageError where it is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{what} must be a whole number, not {printable(str(value))}.")
    return value


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


def _value(text: str) -> Any:
    """A number, true, false or a word, as JSON would have it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: value[key] for key in sorted(value)}
    return list(value) if isinstance(value, tuple) else value
