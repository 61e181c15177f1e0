"""Maps: functions of single numbers, which need no fit. They stand alone, or in chains.

The functions are NumPy's. They give the same bits however a column is cut; between machines the
last digit may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from normcli.errors import CellError
from normcli.methods.base import Method, Option, one_of
from normcli.methods.expression import MISSING, Expression, X, f, number, refused, where
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import spelled
from normcli.numerics.doubles import fraction, not_finite
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

POLICIES = ("error", "null")  # for numbers outside the domain

ON_DOMAIN = Option(
    "on-domain",
    POLICIES,
    "Numbers outside the domain, such as 0 for log: stop with an error, or make them missing.",
    field="on_domain",
    inverts=True,
    chooses=True,
    default="error",
)

Function = Callable[[Any, Any], Any]  # of NumPy and an array: an array


@dataclass(frozen=True)
class Elementwise(ColumnMapping):
    """x -> f(x), of the float64 nearest to x.

    function, back: the names of f and of its inverse among `FUNCTIONS`.
    nulls: numbers outside the domain become missing, and are counted.
    """

    function: str
    back: str
    nulls: bool = False

    @property
    def makes_missing(self) -> bool:
        """With `nulls`."""
        return self.nulls

    def values(self, x: Numbers) -> Scaled:
        """The function of n numbers; raises CellError for the first outside the domain of f."""
        import numpy as np

        keep, numbers = not_finite(x), nearest_floats(x)
        f = FUNCTIONS[self.function]
        inside = f.has(numbers)
        with np.errstate(all="ignore"):
            values = f.of(np, numbers)
        bad = ~(inside & np.isfinite(values))
        if keep is not None:
            bad &= ~keep
        null = bad & ~inside if self.nulls and bad.any() else None
        if null is not None:
            bad &= inside
        if bad.any():
            raise self._refusal(x, int(bad.argmax()), bool(inside[bad.argmax()]))
        return Scaled(
            values, keep, null, {"outside_domain": 0 if null is None else int(null.sum())}
        )

    def _refusal(self, x: Numbers, cell: int, inside: bool) -> CellError:
        return CellError.at(cell, spelled(fraction(x, cell)), self._refusal_of(inside=inside))

    def _refusal_of(self, *, inside: bool) -> str:
        if inside:
            why = "becomes larger than the largest float64 (1.8e308)."
        else:
            why = f"is outside the domain of {self.function}, which is {self._domain()}."
        hint = "Use another method for the column, or leave it out (--exclude)."
        if not inside:
            hint = f"--on-domain null makes such numbers missing. {hint}"
        return f"{why} {hint}"

    def _domain(self) -> str:
        f = FUNCTIONS[self.function]
        low, high = (
            f"{sign}{'=' * f.closed} {end:g}" for sign, end in ((">", f.low), ("<", f.high))
        )
        ends = [text for text, end in ((low, f.low), (high, f.high)) if math.isfinite(end)]
        return " and ".join(ends)

    def exactly(self, x: Fraction) -> Fraction:
        """The function of one number, as NumPy rounds it."""
        import numpy as np

        return Fraction(float(self.values(Numbers(np.array([[float(x)]]))).values[0]))

    def expressions(self) -> tuple[Expression, ...]:
        """The function where it is defined."""
        function = FUNCTIONS[self.function]
        expression = WRITTEN[self.function](X) if self.function in WRITTEN else None
        if expression is None:
            return super().expressions()
        otherwise = MISSING if self.nulls else refused(self._refusal_of(inside=False))
        for end, bad in ((function.low, function.low > X), (function.high, function.high < X)):
            if math.isfinite(end):
                allowed = bad if function.closed else Expression("<=", bad.args)
                expression = where(allowed, otherwise, expression)
        return (expression,)

    def inverse(self) -> ColumnMapping:
        """The inverse function."""
        return Elementwise(self.back, self.function, self.nulls)

    def formula(self, x: str = "x") -> str:
        """``log1p(x)``."""
        return FUNCTIONS[self.function].text.format(x)

    def note(self) -> str:
        """``missing where log is not defined``."""
        limited = FUNCTIONS[self.function].is_limited
        return f"missing where {self.function} is not defined" if self.nulls and limited else ""


def nearest_floats(x: Numbers) -> Floats:
    """The float64 nearest to each number, up to the rounding of the sum of its parts."""
    total: Floats = x.parts.sum(axis=0) if len(x.parts) > 1 else x.parts[0]
    return total / 10.0**x.scale if x.scale else total


@dataclass(frozen=True)
class F:
    """A function of numbers from `low` to `high`; `closed`: these belong to its domain."""

    of: Function
    text: str
    low: float = -math.inf
    high: float = math.inf
    closed: bool = False

    @property
    def is_limited(self) -> bool:
        """Are there numbers outside of its domain?"""
        return math.isfinite(self.low)

    def has(self, x: Floats) -> Any:
        """Which numbers are in the domain."""
        if self.closed:
            return (x >= self.low) & (x <= self.high)
        return (x > self.low) & (x < self.high)


def _logit(np: Any, x: Any) -> Any:
    """log(x / (1 - x)); around 0.5, where that cancels, by arctanh."""
    return np.where(abs(x - 0.5) < 0.25, 2 * np.arctanh(2 * x - 1), np.log(x / (1 - x)))


FUNCTIONS = {
    "log": F(lambda np, x: np.log(x), "log({})", low=0.0),
    "exp": F(lambda np, x: np.exp(x), "exp({})"),
    "log1p": F(lambda np, x: np.log1p(x), "log1p({})", low=-1.0),
    "expm1": F(lambda np, x: np.expm1(x), "expm1({})"),
    "log2": F(lambda np, x: np.log2(x), "log2({})", low=0.0),
    "exp2": F(lambda np, x: np.exp2(x), "2^({})"),
    "log10": F(lambda np, x: np.log10(x), "log10({})", low=0.0),
    "exp10": F(lambda np, x: np.power(10.0, x), "10^({})"),
    "sqrt": F(lambda np, x: np.sqrt(x), "sqrt({})", low=0.0, closed=True),
    "square": F(lambda np, x: x * x, "({})^2", low=0.0, closed=True),
    "cbrt": F(lambda np, x: np.cbrt(x), "cbrt({})"),
    "cube": F(lambda np, x: x * x * x, "({})^3"),
    "asinh": F(lambda np, x: np.arcsinh(x), "asinh({})"),
    "sinh": F(lambda np, x: np.sinh(x), "sinh({})"),
    "symlog": F(lambda np, x: np.copysign(np.log1p(abs(x)), x), "sign({0}) * log1p(|{0}|)"),
    "symexp": F(lambda np, x: np.copysign(np.expm1(abs(x)), x), "sign({0}) * expm1(|{0}|)"),
    "logit": F(_logit, "logit({})", low=0.0, high=1.0),
    "expit": F(lambda np, x: 1 / (1 + np.exp(-x)), "1 / (1 + exp(-({})))"),
    "tanh": F(lambda np, x: np.tanh(x), "tanh({})"),
    "atanh": F(lambda np, x: np.arctanh(x), "atanh({})", low=-1.0, high=1.0),
}


def _logit_of(x: Expression) -> Expression:
    """`_logit`; 2 artanh(2x - 1) is log1p((2x - 1) / (1 - x))."""
    rest = number(1.0) - x
    near = f("log1p", (x * 2.0 - 1.0) / rest)
    return where(f("abs", x - 0.5) < 0.25, near, f("ln", x / rest))


# Functions -> how `normcli export` writes them; "log" is the natural logarithm everywhere.
WRITTEN: dict[str, Callable[[Expression], Expression]] = {
    "log": lambda x: f("ln", x),
    "log1p": lambda x: f("log1p", x),
    "log2": lambda x: f("log2", x),
    "log10": lambda x: f("log10", x),
    "sqrt": lambda x: f("sqrt", x),
    "cbrt": lambda x: f("cbrt", x),
    "asinh": lambda x: f("asinh", x),
    "symlog": lambda x: where(x < 0.0, f("log1p", x * -1.0) * -1.0, f("log1p", x)),
    "logit": _logit_of,
    "tanh": lambda x: f("tanh", x),
}


@dataclass(frozen=True)
class Map(Method):
    """A function of single numbers, and the one that undoes it."""

    back: ClassVar[str]

    on_domain: str = "error"

    def __post_init__(self) -> None:
        one_of(self.on_domain, POLICIES, "--on-domain")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """Nothing."""
        return ()

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The function."""
        return Elementwise(self.name, self.back, self.on_domain == "null")


def _map(name: str, back: str, doc: str) -> type[Map]:
    """The method of one function."""
    edges: list[str] = [f"Its inverse is {back}."]
    options: tuple[Option, ...] = ()
    if FUNCTIONS[name].is_limited or FUNCTIONS[back].is_limited:
        edges.append("A number outside the domain is an error, or becomes missing and is counted.")
        options = (ON_DOMAIN,)
    return type(
        name.capitalize(),
        (Map,),
        {"name": name, "back": back, "__doc__": doc, "__module__": __name__}
        | {"edges": edges, "options": options, "examples": (name, f"{name}+zscore")},
    )


Log = _map("log", "exp", "y = ln(x), for x > 0.")
Log1p = _map("log1p", "expm1", "y = ln(1 + x), for x > -1.")
Log2 = _map("log2", "exp2", "y = log2(x), for x > 0.")
Log10 = _map("log10", "exp10", "y = log10(x), for x > 0.")
Sqrt = _map("sqrt", "square", "y = sqrt(x), for x >= 0.")
Cbrt = _map("cbrt", "cube", "y = the cube root of x.")
Asinh = _map("asinh", "sinh", "y = asinh(x) = ln(x + sqrt(x^2 + 1)).")
Symlog = _map("symlog", "symexp", "y = sign(x) * ln(1 + |x|).")
Logit = _map("logit", "expit", "y = ln(x / (1 - x)), for 0 < x < 1.")
Tanh = _map("tanh", "atanh", "y = tanh(x).")

METHODS = (Log, Log1p, Log2, Log10, Sqrt, Cbrt, Asinh, Symlog, Logit, Tanh)
