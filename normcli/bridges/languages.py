"""Formulas in the words of a language: a template for each operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from normcli.bridges.export import Formula
from normcli.errors import UsageError
from normcli.methods.expression import Expression

ARITHMETIC = {
    **{sign: f"({{0}} {sign} {{1}})" for sign in ("+", "-", "*", "/", "<", "<=", "=")},
    "x": "{x}",
    "parameter": "{value}",
}


class Language:
    """Writes expressions.

    name: of the language, for messages. words: operation -> template of its arguments.
    """

    def __init__(self, name: str, words: Mapping[str, str]) -> None:
        self.name, self.words = name, {**ARITHMETIC, **words}

    def number(self, value: float) -> str:
        """A number, with all its digits."""
        return repr(value)

    def text(self, text: str) -> str:
        """A text in quotes."""
        raise NotImplementedError

    def table(self, of: str, points: Sequence[tuple[float, float, float]]) -> str:
        """A table; see `Expression`."""
        raise NotImplementedError

    def write(self, e: Expression, x: str = "x", parameters: Sequence[str] = ()) -> str:
        """The expression of the number that is called `x`; raises UsageError where it cannot."""
        if e.op == "number":
            return self.number(e.value)
        if e.op == "parameter":
            return parameters[int(e.value)]
        arguments = [self.write(each, x, parameters) for each in e.args]
        if e.op == "table":
            return self.table(arguments[0], e.points)
        if e.op not in self.words:
            raise UsageError(f"{self.name} has no function for {e.op}.")
        why = self.text(e.text.partition(". ")[0].removesuffix(".")) if e.text else ""
        return self.words[e.op].format(*arguments, x=x, why=why)


def bare(text: str) -> str:
    """An expression without the parentheses around all of it."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return text[1:-1] if text[:1] == "(" and i == len(text) - 1 else text
    return text


@dataclass
class Shapes:
    """Formulas without their numbers, so that many groups share one.

    found: each, in the order in which they were met -> its place.
    """

    found: dict[Formula, int] = field(default_factory=dict)

    def of(self, formula: Formula) -> tuple[int, list[float]]:
        """The place of its shape, and its numbers."""
        numbers: list[float] = []
        shape = Formula(
            tuple(_without(step, numbers) for step in formula.steps),
            _without(formula.infinite, numbers),
            _without(formula.missing, numbers),
        )
        return self.found.setdefault(shape, len(self.found)), numbers


def _without(e: Expression, numbers: list[float]) -> Expression:
    if e.op == "number":
        numbers.append(e.value)
        return Expression("parameter", value=float(len(numbers) - 1))
    return replace(e, args=tuple(_without(each, numbers) for each in e.args))


def parameters(shape: Formula) -> list[str]:
    """Names for the numbers that a shape is without."""
    found = (e for step in (*shape.steps, shape.infinite, shape.missing) for e in _all(step))
    count = sum(e.op == "parameter" for e in found)
    return [f"p{i}" for i in range(count)]


def _all(e: Expression) -> Iterator[Expression]:
    yield e
    for each in e.args:
        yield from _all(each)
