"""How people write numbers: with thousands separators, units, a decimal comma, other signs.

A notation turns texts into plain ones in a few steps, each a regular expression that RE2 (for
whole columns) and Python (for one text) understand alike. What is not a number in it is not one
afterwards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

from normcli.errors import UsageError
from normcli.formats.base import Option, ReadOptions
from normcli.words import printable

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^(?i:[+-]?(nan|inf|infinity))$"
MINUS = "\N{MINUS SIGN}"
BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
SEPARATORS = (",", ".", "'", " ", "\N{RIGHT SINGLE QUOTATION MARK}")  # of thousands, that are tried

DECIMAL = Option("decimal", ".", "Decimal mark in CSV: . or ,  [default: .]", "CHAR")
THOUSANDS = Option(
    "thousands",
    "",
    "Read 1,234 as a number if CHAR separates thousands: , . ' or a blank, also a no-break one.",
    "CHAR",
)
STRIP = Option(
    "strip", "", "Take these characters off both ends of numbers, such as $€%; 5% is 5.", "CHARS"
)
LOOSE = Option(
    "loose-numbers", False, "Read the exponent of 1.5D+03 and the minus sign U+2212, too."
)


@dataclass(frozen=True)
class Step:
    """In texts that match `gate` (empty: in all), what matches `pattern` becomes `new`."""

    pattern: str
    new: str
    gate: str = ""

    def of(self, text: str) -> str:
        """One text after this step."""
        if self.gate and not re.search(self.gate, text):
            return text
        return re.sub(self.pattern, self.new, text)

    def of_all(self, texts: pa.Array) -> pa.Array:
        """Texts after this step."""
        import pyarrow.compute as pc

        new = pc.replace_substring_regex(texts, self.pattern, self.new)
        if not self.gate:
            return new
        return pc.if_else(pc.match_substring_regex(texts, self.gate), new, texts)


@dataclass(frozen=True)
class Notation:
    """How numbers are written, beside the plain way.

    thousands: the separator, between groups of three digits (of two also, as in 12,34,567).
    strip: characters that may stand at either end, and behind the sign.
    loose: Fortran's exponents and the minus sign U+2212 are read too.
    """

    decimal: str = "."
    thousands: str = ""
    strip: str = ""
    loose: bool = False

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps that make numbers plain."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[Step]:
        sign = f"[+{MINUS}-]" if self.loose else "[+-]"
        if self.strip:
            ends = f"[{re.escape(self.strip)}{BLANKS}\\t]*"
            yield Step(f"^{ends}({sign}?){ends}(.*?){ends}$", r"\1\2")
        if self.loose:
            yield Step(f"^{MINUS}", "-")
            yield Step(f"([eEdD]){MINUS}([0-9]+)$", r"\1-\2")
            yield Step("^([+-]?[0-9.,]+)[dD]([+-]?[0-9]+)$", r"\1e\2")
        mark = re.escape(self.decimal)
        if self.thousands:
            between = BLANKS if self.thousands in BLANKS else self.thousands
            between = f"[{re.escape(between)}]"
            groups = f"({between}[0-9]{{3}})+"
            if self.thousands == ",":
                groups += f"|({between}[0-9]{{2}})+{between}[0-9]{{3}}"
            whole = f"^[+-]?[0-9]{{1,3}}({groups})"
            yield Step(between, "", f"{whole}({mark}[0-9]*)?([eE][+-]?[0-9]+)?$")
        if self.decimal != ".":
            yield Step(r"\.", "?")  # not a mark here: the text is not a number
            yield Step(mark, ".")

    def plain(self, text: str) -> str:
        """A text as plain numbers are written, if it is a number; else it is not one then."""
        if self.decimal == "." and re.fullmatch(NUMBER, text):
            return text
        for step in self.steps:
            text = step.of(text)
        return text

    def plain_texts(self, texts: pa.Array) -> pa.Array:
        """`plain` of each text."""
        from normcli.formats.texts import kernels

        if not self.steps:
            return texts
        new = texts
        for step in self.steps:
            new = step.of_all(new)
        if self.decimal != ".":
            return new
        import pyarrow.compute as pc

        return pc.if_else(kernels.matches(texts, NUMBER), texts, new)

    def takes(self, text: str) -> bool:
        """Is a text a number?"""
        return re.fullmatch(NUMBER, self.plain(text)) is not None

    def options(self, base: Notation) -> str:
        """The options of the command line that are needed beside those of `base`."""
        found = []
        if self.decimal != base.decimal:
            found.append(f"--{DECIMAL.name} {self.decimal}")
        if self.thousands != base.thousands:
            found.append(f"--{THOUSANDS.name} {_shell(self.thousands)}")
        if self.strip != base.strip:
            found.append(f"--{STRIP.name} {_shell(self.strip)}")
        if self.loose != base.loose:
            found.append(f"--{LOOSE.name}")
        return " ".join(found)


def _shell(text: str) -> str:
    import shlex

    return f'"{text}"' if text == "'" else shlex.quote(text)


def needed(text: str, base: Notation) -> list[str]:
    """The options with which a text is a number: those that need the fewest beside `base`.

    >>> needed("1.234,50", Notation())
    ['--decimal , --thousands .']
    >>> needed("1,234", Notation())
    ['--decimal ,', '--thousands ,']
    >>> needed("abc", Notation())
    []
    """
    if len(text) > 60 or not re.search("[0-9]", text):
        return []
    ends = "".join(dict.fromkeys(base.strip + _ends(text)))
    choices = product(
        dict.fromkeys((base.decimal, ".", ",")),
        dict.fromkeys((base.thousands, "", *SEPARATORS)),
        dict.fromkeys((base.strip, ends)),
        (base.loose, True),
    )
    tried = (Notation(*each) for each in choices if each[0] != each[1])
    found = {each.options(base): each for each in tried if each.takes(text)}
    fewest = min((options.count("--") for options in found), default=0)
    return sorted(options for options in found if options.count("--") == fewest and options)


def _ends(text: str) -> str:
    """What stands around a number that is not of it: symbols, and a unit behind it."""
    inner = re.fullmatch(
        rf"[+{MINUS}-]?(\D*?)\s*[+{MINUS}-]?[0-9.,](?:.*[0-9.,])?\s*([^\d.,]*)", text, re.DOTALL
    )
    if inner is None:
        return ""
    before, after = inner.groups()
    marks = f"().,'{MINUS}" + "\N{RIGHT SINGLE QUOTATION MARK}" + "+-"
    symbols = [c for c in before + after if not c.isspace()]
    if any(c in marks or unicodedata.category(c)[0] in "CN" for c in symbols) or len(after) > 5:
        return ""
    if any(c.isalnum() for c in before):  # A12 is a name, not a number with a unit
        return ""
    return "".join(symbols)


def notation_of(options: ReadOptions) -> Notation:
    """The notation that the options describe; raises UsageError for an impossible one."""
    decimal, thousands, strip = options[DECIMAL], options[THOUSANDS], options[STRIP]
    if decimal not in (".", ","):
        raise UsageError(f"--decimal must be . or , not {printable(decimal)}")
    if thousands == decimal:
        raise UsageError(
            f"--thousands and the decimal mark are both {printable(decimal)}; "
            f"add --decimal {',' if decimal == '.' else '.'}"
        )
    of_numbers = thousands.isalnum() or thousands in f'+-{MINUS}"\r\n\0'
    if thousands and (len(thousands) > 1 or of_numbers):
        raise UsageError(
            "--thousands must be one character that numbers do not contain, "
            f"not {printable(thousands)}"
        )
    if bad := [c for c in strip if c.isdigit() or c in f'+-{MINUS}().,"\r\n\0' or c == thousands]:
        raise UsageError(
            f"--strip cannot take off {printable(bad[0])}: numbers are written with it"
        )
    return Notation(decimal, thousands, strip, options[LOOSE])
