"""The spelling of names, numbers and counts in messages and tables."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal


def printable(text: str, limit: int = 60) -> str:
    r"""`text` quoted for a message: control characters escaped, long text cut.

    >>> printable("a\x1b[31m")
    "'a\\x1b[31m'"
    """
    shown = repr(text if len(text) <= limit else text[: limit - 1] + "…")
    return shown if shown.isprintable() else ascii(text[:limit])


def shown(name: str) -> str:
    """`name` of a file for a message: quoted if it contains control characters."""
    return name if name and name.isprintable() else printable(name, limit=200)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A sentence that suggests the most similar of `names`, or nothing.

    >>> did_you_mean("heigth", ["height", "weight"])
    " Did you mean 'height'?"
    """
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean {printable(near[0])}?" if near else ""


def many(count: int, what: str) -> str:
    """A count with its noun, in the singular or plural.

    >>> many(1, "row"), many(12345, "row")
    ('1 row', '12 345 rows')
    """
    return f"{count} {what}" if count == 1 else f"{grouped(count)} {what}s"


def grouped(count: int) -> str:
    """A count with its digits in groups of three."""
    return f"{count:,}".replace(",", " ")


def listed(words: Sequence[str], most: int | None = 10) -> str:
    """The first `most` words (None: all), and how many more there are."""
    shown = ", ".join(words[:most])
    if most is None or len(words) <= most:
        return shown
    return f"{shown}, and {grouped(len(words) - most)} more"


def name(text: str) -> str:
    """A name as it is if it cannot be misread, else quoted."""
    return text if text.isprintable() and text.strip() == text != "" else printable(text)


def number(value: float | Decimal | None, spread: float | None = None) -> str:
    """A number with six digits; more if `spread` is relatively small, or the number is an integer.

    >>> number(42.387209302), number(1_000_000_001.5), number(1_000_000_001.5, spread=0.25)
    ('42.3872', '1e+09', '1000000001.5')
    >>> number(3_999_999), number(999_999.9)
    ('3999999', '1000000')
    """
    if value is None:
        return "-"
    digits = 6
    if value and spread:
        digits = 2 + math.floor(math.log10(abs(float(value)))) - math.floor(math.log10(spread))
    text = f"{value:.{min(max(digits, 6), 17)}g}"
    return f"{value:.0f}" if "e+" in text and abs(float(value)) < 1e9 else text


def percent(share: float) -> str:
    """A share as a percentage; 0% and 100% only where they are exact.

    >>> percent(0.0), percent(0.00001), percent(0.0345), percent(0.99999)
    ('0%', '<0.1%', '3.5%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def points(share: float) -> str:
    """The difference of two shares, in percentage points.

    >>> points(0.123), points(-0.02)
    ('+12.3 points', '-2 points')
    """
    sign = "-" if share < 0 else "+"
    return f"{sign}{percent(abs(share)).removesuffix('%')} points"


def short(value: object, length: int = 60) -> str:
    """A value for a message, cut where it is long."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
