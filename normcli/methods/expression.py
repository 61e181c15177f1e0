"""Mappings as expressions of a number x, which `normcli export` writes in other languages.

An expression is a tree of few operations, each of which a language can write or not. The tests
compare every export with what `transform` makes of the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from normcli.numerics.doubles import expansion, nearest

if TYPE_CHECKING:
    from normcli.numerics.total import Exact

CURVED = frozenset(("ln", "log1p", "expm1", "log2", "log10", "cbrt", "asinh", "tanh", "sqrt"))
LARGEST = 2.0**1021  # a difference of larger numbers may overflow


@dataclass(frozen=True)
class Expression:
    """An operation and what it is done to.

    op: "x", the number; "number", with its value; "missing", no number; "refused", with the
        reason; "+", "-", "*", "/", "abs" and the functions in `CURVED`; "<", "<=", "="; "where",
        of a comparison and two expressions; "table", of an expression and points (x, low, high):
        between two of them a straight line from high to low, and at each the mean of its two.
    """

    op: str
    args: tuple[Expression, ...] = ()
    value: float = 0.0
    text: str = ""
    points: tuple[tuple[float, float, float], ...] = ()

    def __add__(self, other: Expression | float) -> Expression:
        if isinstance(other, Expression):
            return Expression("+", (self, other))
        if not other:
            return self
        return Expression("+" if other > 0 else "-", (self, number(abs(other))))

    def __sub__(self, other: Expression | float) -> Expression:
        return Expression("-", (self, other)) if isinstance(other, Expression) else self + -other

    def __mul__(self, other: Expression | float) -> Expression:
        return self if _is(other, 1.0) else Expression("*", (self, number(other)))

    def __truediv__(self, other: Expression | float) -> Expression:
        return self if _is(other, 1.0) else Expression("/", (self, number(other)))

    def __lt__(self, other: Expression | float) -> Expression:
        return Expression("<", (self, number(other)))

    def __gt__(self, other: Expression | float) -> Expression:
        return Expression("<", (number(other), self))

    def __le__(self, other: Expression | float) -> Expression:
        return Expression("<=", (self, number(other)))

    def __ge__(self, other: Expression | float) -> Expression:
        return Expression("<=", (number(other), self))

    def equals(self, other: float) -> Expression:
        """Is it this number?"""
        return Expression("=", (self, number(other)))

    def operations(self) -> Iterator[str]:
        """The operations in it."""
        yield self.op
        for each in self.args:
            yield from each.operations()


X = Expression("x")
MISSING = Expression("missing")


def _is(value: Expression | float, number: float) -> bool:
    return not isinstance(value, Expression) and value == number


def number(value: Expression | float) -> Expression:
    """A number as an expression; an expression as it is."""
    return value if isinstance(value, Expression) else Expression("number", value=float(value))


def refused(why: str) -> Expression:
    """What stops the program."""
    return Expression("refused", text=why)


def f(name: str, of: Expression) -> Expression:
    """A function of an expression."""
    return Expression(name, (of,))


def where(condition: Expression, yes: Expression | float, no: Expression | float) -> Expression:
    """The one or the other."""
    return Expression("where", (condition, number(yes), number(no)))


def clipped(x: Expression, low: float, high: float) -> Expression:
    """X between two numbers."""
    return where(x < low, low, where(x > high, high, x))


def distance(x: Expression, center: Exact | Fraction, divisor: Fraction) -> Expression:
    """``(x - center) / divisor``; of halves where the difference might overflow."""
    center = Fraction(center)
    if abs(center) > LARGEST or abs(divisor) > LARGEST:
        return difference(x * 0.5, center / 2) / nearest(divisor / 2)
    return difference(x, center) / nearest(divisor)


def difference(x: Expression, center: Fraction) -> Expression:
    """``x - center``, where center may have more digits than a float64."""
    for term in expansion(center, 2):
        x = x - term
    return x


def table(of: Expression, numbers: tuple[float, ...]) -> Expression:
    """The share of ordered numbers that are below x, from 0 to 1; see `Expression`."""
    points: list[tuple[float, float, float]] = []
    for i, at in enumerate(numbers):
        share = i / (len(numbers) - 1)
        low = points.pop()[1] if points and points[-1][0] == at else share
        points.append((at, low, share))
    return Expression("table", (of,), points=tuple(points))
