"""Range files of svm-scale, of LIBSVM (https://github.com/cjlin1/libsvm, svm-scale.c)."""

from __future__ import annotations

from normcli.bridges.base import Imported
from normcli.errors import DataError
from normcli.words import printable

MOST_FEATURES = 100_000


def is_range_file(text: str) -> bool:
    """Is its first line that of such a file?"""
    return text.partition("\n")[0].strip() in ("x", "y")


def from_range_file(text: str) -> Imported:
    """The minimum and maximum of every feature, and the range that they become.

    ``x``, a line with the range, then lines with index, minimum and maximum. Features that were
    constant are not in the file: they have no numbers here. What a file has before ``x``, from
    ``y`` on, is about the target.
    """
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip() == "x"), None)
    if start is None:
        raise DataError("the range file has no line x, after which the features come")
    low, high = _numbers(lines, start + 1, 2)
    found: dict[int, dict[str, float]] = {}
    for i in range(start + 2, len(lines)):
        if lines[i].strip():
            index, least, most = _numbers(lines, i, 3)
            if index != int(index) or not 1 <= index <= MOST_FEATURES or int(index) in found:
                raise DataError(
                    f"line {i + 1} of the range file: {index:g} is not the number of a new feature"
                )
            found[int(index)] = {"min": least, "max": most}
    columns = [found.get(index, {}) for index in range(1, max(found, default=0) + 1)]
    return Imported("the range file", columns, method="minmax", settings={"range": [low, high]})


def _numbers(lines: list[str], i: int, count: int) -> list[float]:
    words = lines[i].split() if i < len(lines) else []
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        text = printable(lines[i]) if i < len(lines) else "missing"
        raise DataError(f"line {i + 1} of the range file must have {count} numbers: {text}")
    return numbers
