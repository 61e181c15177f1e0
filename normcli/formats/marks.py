"""What marks a missing value, beside the empty cell of text and null."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TOKENS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>")
MOST = 1000  # marks: each takes a look at every number
WHOLE = r"[+-]?[0-9]{1,31}"

Mark = int | float


@dataclass(frozen=True)
class Marks:
    """What marks a missing value.

    texts: as they are written. numbers: however they are written, in every format.
    default: do the usual texts in CSV (`TOKENS`) mark one too?
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[Mark, ...] = ()
    default: bool = True

    @classmethod
    def of(
        cls, tokens: Iterable[str], *, default: bool = True, plain: Callable[[str], str] = str
    ) -> Marks:
        """The marks that some tokens are; `plain` writes numbers of their table plainly."""
        given = sorted({token.strip() for token in tokens} - {""})
        numbers = {token: number(token, plain) for token in given}
        texts = tuple(token for token in given if numbers[token] is None)
        found = {spelled(mark): mark for mark in numbers.values() if mark is not None}
        return cls(texts, tuple(found[text] for text in sorted(found)), default)

    @classmethod
    def kept(cls, options: Mapping[str, Any]) -> Marks:
        """Those that the top of a sidecar tells."""
        return cls.of(options.get("null", ()), default=options.get("default_null", True))

    @property
    def options(self) -> dict[str, Any]:
        """What the top of a sidecar says of them; nothing of those that always hold."""
        found: dict[str, Any] = {} if self.default else {"default_null": False}
        return found | ({"null": list(self.tokens)} if self.tokens else {})

    @property
    def tokens(self) -> tuple[str, ...]:
        """All of them, as texts."""
        return tuple(sorted((*self.texts, *map(spelled, self.numbers))))

    def __contains__(self, text: str) -> bool:
        """Does a text mark a missing value, as its number if it is one?"""
        return text in self.texts or (bool(self.numbers) and number(text) in self.numbers)

    def __str__(self) -> str:
        words = [f"--null {token}" for token in self.tokens]
        return " ".join([*words, *([] if self.default else ["--no-default-null"])])


def number(text: str, plain: Callable[[str], str] = str) -> Mark | None:
    """The number that a text is, exactly; None where it is not one.

    >>> number("-999.00"), number("1e400"), number("n.d.")
    (-999, inf, None)
    """
    for each in dict.fromkeys((plain(text), text)):
        if re.fullmatch(WHOLE, each):
            return int(each)
        try:
            value = float(each) if "_" not in each else None
        except ValueError:
            value = None
        if value is not None:
            return int(value) if math.isfinite(value) and value == int(value) else value
    return None


def spelled(mark: Mark) -> str:
    """A mark as text, always the same for one number."""
    if isinstance(mark, int) and re.fullmatch(WHOLE, str(mark)):
        return str(mark)
    return repr(float(mark))
