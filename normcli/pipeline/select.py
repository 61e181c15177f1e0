"""Selecting columns by name, position, glob or pattern, for ``-s/--select`` and ``--exclude``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence

from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

Places = Mapping[str, set[int]]  # name -> positions of the columns that have it


def select(selectors: Sequence[str], names: Sequence[str]) -> list[int]:
    """The positions (from 0, ascending) of the columns that the selectors name.

    A selector is a name; a position ``3`` or range ``3-7``, ``3-``, ``-7``, counted from 1;
    a glob (``temp_*``); a pattern ``/regex/``, searched anywhere in the name; or any of these
    after ``!``, to leave columns out again. One text may contain several, separated by commas.
    A selector that is the exact name of a column always means that column. If all selectors
    leave columns out, they start from all columns.

    Raises UsageError if a selector matches no column.

    >>> select(["a", "x_*", "!x_2"], ["id", "a", "x_1", "x_2"])
    [1, 2]
    >>> select(["2-3"], ["id", "a", "b"])
    [1, 2]
    """
    places = _places(names)
    words = select_words(selectors, places)
    chosen: set[int] = set()
    if only_leave_out(selectors, names):
        chosen.update(range(len(names)))
    for word in words:
        if _is_negated(word, places):
            chosen -= _matches(word[1:], names, places)
        else:
            chosen |= _matches(word, names, places)
    return sorted(chosen)


def only_leave_out(selectors: Sequence[str], names: Sequence[str]) -> bool:
    """Do the selectors, if any, name only columns that are left out?"""
    places = _places(names)
    return all(_is_negated(word, places) for text in selectors for word in _words(text, places))


def are_names(selectors: Sequence[str], names: Collection[str]) -> bool:
    """Is each selector the name of a column? More columns do not change its meaning then."""
    return all(word in names for word in select_words(selectors, names))


def select_words(selectors: Sequence[str], names: Collection[str]) -> list[str]:
    """All selectors, one by one."""
    return [word for text in selectors for word in _words(text, names)]


def possible_names(selectors: Sequence[str]) -> tuple[str, ...]:
    """What may be names of columns among the selectors, before any table is known."""
    return tuple(dict.fromkeys([*selectors, *select_words(selectors, ())]))


def _places(names: Sequence[str]) -> Places:
    places: dict[str, set[int]] = {}
    for i, name in enumerate(names):
        places.setdefault(name, set()).add(i)
    return places


def _words(text: str, names: Collection[str]) -> list[str]:
    """The selectors in one text: separated by commas, unless the whole text is one."""
    whole = text in names or text.lstrip("!") in names or text.lstrip("!").startswith("/")
    return [text] if whole else [word.strip() for word in text.split(",")]


def _is_negated(word: str, names: Collection[str]) -> bool:
    return word.startswith("!") and word not in names


def _matches(word: str, names: Sequence[str], places: Places) -> set[int]:
    """The columns that one selector means; raises UsageError if there are none."""
    found = (
        places.get(word) or _ranged(word, names) or _patterned(word, names) or _globbed(word, names)
    )
    if not found:
        near = did_you_mean(word, names) or f" The table has {in_words(names)}."
        raise UsageError(f"no column {printable(word)}.{near}")
    return found


def _ranged(word: str, names: Sequence[str]) -> set[int]:
    """Positions from 1: ``3``, ``3-7``, ``3-``, ``-7``."""
    match = re.fullmatch(r"(\d{1,9})|(\d{0,9})-(\d{0,9})", word, re.ASCII)
    if match is None or word == "-":
        return set()
    one, low, high = match.groups()
    first, last = (int(one),) * 2 if one else (int(low or 1), int(high or len(names)))
    if not 1 <= first <= last <= len(names):
        what = f"is no column {word}" if one else f"are no columns {word}"
        raise UsageError(f"there {what}: the table has columns 1 to {len(names)}")
    return set(range(first - 1, last))


def _patterned(word: str, names: Sequence[str]) -> set[int]:
    if len(word) < 3 or not (word.startswith("/") and word.endswith("/")):
        return set()
    try:
        pattern = re.compile(word[1:-1])
    except re.error as error:
        raise UsageError(f"{printable(word)} is not a regular expression: {error}") from error
    return {i for i, name in enumerate(names) if pattern.search(name)}


def _globbed(word: str, names: Sequence[str]) -> set[int]:
    if not any(mark in word for mark in "*?["):
        return set()
    return {i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, word)}


def in_words(names: Sequence[str], most: int = 8) -> str:
    """The names, for a message."""
    if not names:
        return "no columns"
    shown = ", ".join(printable(name, 30) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
