"""Conditions on rows, for --where: a small grammar, evaluated column by column in three values.

    condition  = both { "or" both }
    both       = one { "and" one }
    one        = "not" one | "(" condition ")" | column test
    test       = ("==" | "=" | "!=" | "<" | "<=" | ">" | ">=") literal
               | ["not"] "in" "(" literal { "," literal } ")"
               | "is" ["not"] "null"
    literal    = a number, or a text in single quotes, in which '' is a quote
    column     = a name, or any text in backticks, in which `` is a backtick

A number is compared as a number, exactly; a text is compared with the text of the cell, byte for
byte. A comparison with a cell that is missing, or with NaN, is unknown, as in SQL: `not` leaves it
unknown, and only rows for which the condition is true are selected. Nothing is ever run as code.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from normcli.errors import UsageError
from normcli.formats.base import BadRowError
from normcli.numerics.doubles import in_units, rounded_difference
from normcli.words import printable, short

if TYPE_CHECKING:
    import numpy as np

    from normcli.formats.base import Chunk
    from normcli.numerics.numbers import Mask, Numbers

MAX_DIGITS = 31  # of integers that are read exactly
DEPTH = 50  # of parentheses and "not"
WORDS = ("and", "or", "not", "in", "is", "null")
BLANKS = str.maketrans("\n\r\t", "   ")
TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>`(?:[^`]|``)+`)
    |(?P<operator>==|!=|<=|>=|[=<>(),])
    |(?P<word>[^\W\d]\w*)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Number:
    """A number, as it was written."""

    text: str


Literal = str | Number
_TextTest = Callable[[str | None], bool]
COMPARISONS: Mapping[str, Callable[[Any], Any]] = {  # of a difference with 0
    "==": lambda d: d == 0,
    "=": lambda d: d == 0,
    "!=": lambda d: d != 0,
    "<": lambda d: d < 0,
    "<=": lambda d: d <= 0,
    ">": lambda d: d > 0,
    ">=": lambda d: d >= 0,
}


class Known(NamedTuple):
    """For each row: is it true, and is it false? Neither, where it is unknown."""

    true: Mask
    false: Mask


class Test(ABC):
    """A condition, or a part of one."""

    @abstractmethod
    def of(self, rows: _Rows) -> Known:
        """What it is for each row; raises BadRowError where a cell is no number, but has to be."""

    @abstractmethod
    def columns(self) -> Iterator[str]:
        """The columns that it is about."""


class _Rows:
    """The rows of a chunk, whose columns are read when they are asked for."""

    def __init__(self, chunk: Chunk, positions: Mapping[str, int]) -> None:
        self.chunk, self.positions = chunk, positions
        self._numbers: dict[str, Numbers] = {}

    def numbers(self, column: str) -> Numbers:
        """The cells of a column as numbers."""
        if column not in self._numbers:
            try:
                (self._numbers[column],) = self.chunk.numbers([self.positions[column]])
            except BadRowError as error:
                first = str(error).split("\n")[0]
                raise BadRowError.at(
                    error.row, f"{first}\n--where compares this column with a number"
                ) from error
        return self._numbers[column]

    def missing(self, column: str) -> Mask:
        """Where there is nothing, or a mark of a missing value."""
        return self.where(column, lambda text: text is None)

    def where(self, column: str, test: _TextTest) -> Mask:
        """The rows whose text passes a test; what is missing is None."""
        import numpy as np

        texts, null = self.chunk.texts(self.positions[column]), self.chunk.null
        values = [None if text in null else text for text in texts.values]
        found: Mask = np.array([test(text) for text in values], np.bool_)[texts.codes]
        return found


@dataclass(frozen=True)
class Compare(Test):
    """A column compared with a literal."""

    column: str
    operator: str
    literal: Literal

    def of(self, rows: _Rows) -> Known:
        """Unknown where the cell is missing."""
        if isinstance(self.literal, str):
            literal, compare = self.literal, COMPARISONS[self.operator]
            missing = rows.missing(self.column)
            true = rows.where(self.column, lambda t: t is not None and compare(_order(t, literal)))
            return Known(true, ~true & ~missing)
        x = rows.numbers(self.column)
        difference = rounded_difference(x, in_units(_as_read(self.literal, x.scale), x.scale))
        import numpy as np

        true = COMPARISONS[self.operator](np.nan_to_num(difference)) & ~np.isnan(difference)
        return Known(true, ~true & ~np.isnan(difference))

    def columns(self) -> Iterator[str]:
        """The one column."""
        yield self.column


@dataclass(frozen=True)
class IsNull(Test):
    """Is the cell missing? That is always known."""

    column: str

    def of(self, rows: _Rows) -> Known:
        """Known everywhere."""
        missing = rows.missing(self.column)
        return Known(missing, ~missing)

    def columns(self) -> Iterator[str]:
        """The one column."""
        yield self.column


@dataclass(frozen=True)
class Not(Test):
    """The opposite."""

    test: Test

    def of(self, rows: _Rows) -> Known:
        """Unknown where the test is."""
        true, false = self.test.of(rows)
        return Known(false, true)

    def columns(self) -> Iterator[str]:
        """Those of the test."""
        yield from self.test.columns()


@dataclass(frozen=True)
class All(Test):
    """True if all tests are, false if one is."""

    tests: tuple[Test, ...]

    def of(self, rows: _Rows) -> Known:
        """Unknown where no test is false, and one unknown."""
        import numpy as np

        found = [test.of(rows) for test in self.tests]
        return Known(
            np.logical_and.reduce([known.true for known in found]),
            np.logical_or.reduce([known.false for known in found]),
        )

    def columns(self) -> Iterator[str]:
        """Those of all tests."""
        for test in self.tests:
            yield from test.columns()


def any_of(tests: Sequence[Test]) -> Test:
    """True if one test is, false if all are."""
    return tests[0] if len(tests) == 1 else Not(All(tuple(map(Not, tests))))


@dataclass(frozen=True)
class Condition:
    """A condition, as it was written.

    columns: those that it is about, each once.
    """

    text: str
    test: Test = field(compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return tuple(dict.fromkeys(self.test.columns()))

    def selected(self, chunk: Chunk, positions: Mapping[str, int]) -> np.ndarray:
        """Which rows of a chunk fulfil it."""
        return self.test.of(_Rows(chunk, positions)).true


def _as_read(literal: str | Number, scale: int) -> Fraction:
    """The number that a cell with this text would be: a float64, or exact in a decimal column."""
    assert isinstance(literal, Number)
    digits = literal.text.lstrip("+-")
    if scale or (digits.isdecimal() and len(digits) <= MAX_DIGITS):
        return Fraction(literal.text)
    return Fraction(float(literal.text))


def _order(a: str, b: str) -> int:
    """-1, 0 or 1: the order of code points is that of UTF-8 bytes."""
    return (a > b) - (a < b)


# -- the text --------------------------------------------------------------------------------


def condition(text: str) -> Condition:
    """The condition that is written so; raises UsageError with the place of what is wrong."""
    parser = _Parser(text)
    test = parser.condition(0)
    parser.end()
    return Condition(text.strip(), test)


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


class _Parser:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.tokens = list(self._tokens())

    def _tokens(self) -> Iterator[_Token]:
        place = 0
        while place < len(self.text):
            match = TOKEN.match(self.text, place)
            if match is None:
                raise self._error(place, self._odd(place))
            kind, text = str(match.lastgroup), match[0]
            if kind != "space":
                yield _Token(text.lower() if text.lower() in WORDS else kind, text, place)
            place = match.end()
        yield _Token("end", "", len(self.text))

    def _odd(self, place: int) -> str:
        """Why no token begins at a place."""
        mark = self.text[place]
        if mark in "'`":
            return f"this {mark} is never closed"
        if mark == '"':
            return "write texts in single quotes, and odd names in backticks"
        return f"{printable(mark)} does not belong here"

    def _error(self, place: int, why: str) -> UsageError:
        return UsageError(f"--where, character {place + 1}: {why}\n  {self._near(place)}")

    def _near(self, place: int) -> str:
        """The text before and after a place."""
        start = max(0, place - 30)
        before = self.text[start:place].translate(BLANKS)
        after = self.text[place : place + 30].translate(BLANKS)
        return f"{before} <-- HERE {after}"

    def _is(self, kind: str, text: str = "") -> bool:
        token = self.tokens[self.at]
        return token.kind == kind and (not text or token.text == text)

    def _take(self, kind: str, text: str = "") -> bool:
        found = self._is(kind, text)
        self.at += found
        return found

    def _demand(self, kind: str, text: str, what: str) -> _Token:
        token = self.tokens[self.at]
        if not self._take(kind, text):
            found = printable(short(token.text)) if token.text else "the end"
            raise self._error(token.place, f"expected {what}, not {found}")
        return token

    def condition(self, depth: int) -> Test:
        """Tests, separated by `or`."""
        tests = [self._both(depth)]
        while self._take("or"):
            tests.append(self._both(depth))
        return any_of(tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._take("and"):
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else All(tuple(tests))

    def _one(self, depth: int) -> Test:
        if depth > DEPTH:
            raise self._error(self.tokens[self.at].place, f"nested deeper than {DEPTH} levels")
        if self._take("not"):
            return Not(self._one(depth + 1))
        if self._take("operator", "("):
            test = self.condition(depth + 1)
            self._demand("operator", ")", "a closing parenthesis")
            return test
        return self._test(self._column())

    def _column(self) -> str:
        if self._is("quoted"):
            return self._demand("quoted", "", "").text[1:-1].replace("``", "`")
        return self._demand("word", "", "the name of a column").text

    def _test(self, column: str) -> Test:
        if self._take("is"):
            negated = self._take("not")
            self._demand("null", "", "null")
            return Not(IsNull(column)) if negated else IsNull(column)
        negated = self._take("not")
        if negated or self._is("in"):
            self._demand("in", "", "in")
            found = any_of([Compare(column, "==", literal) for literal in self._list()])
            return Not(found) if negated else found
        operator = self.tokens[self.at]
        if operator.text not in COMPARISONS:
            self._demand("operator", "==", "a comparison such as ==")
        self.at += 1
        return Compare(column, operator.text, self._literal())

    def _list(self) -> list[Literal]:
        self._demand("operator", "(", "an opening parenthesis")
        found = [self._literal()]
        while self._take("operator", ","):
            found.append(self._literal())
        self._demand("operator", ")", "a comma or a closing parenthesis")
        return found

    def _literal(self) -> Literal:
        if self._is("text"):
            return self._demand("text", "", "").text[1:-1].replace("''", "'")
        token = self._demand("number", "", "a number, or a text in single quotes")
        _, _, exponent = token.text.lower().partition("e")
        if len(token.text) > 400 or len(exponent) > 4 or math.isinf(float(token.text)):
            raise self._error(token.place, f"{short(token.text)} is beyond float64")
        return Number(token.text)

    def end(self) -> None:
        """Raise UsageError where something follows."""
        self._demand("end", "", "and, or, or the end")
