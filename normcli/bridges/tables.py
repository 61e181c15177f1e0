"""Numbers by hand: CSV, and JSON in the forms that people and programs write.

column,mean,std              {"x": {"mean": 1, "std": 2}}       {"mean": [1, 5], "std": [2, 3]}
x,1,2                        {"mean": {"x": 1}, "std": {"x": 2}}
y,5,3                        [{"column": "x", "mean": 1, "std": 2}]       [[1, 5], [2, 3]]
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.bridges import layers
from normcli.bridges.base import NUMBERS, Imported, Wanted
from normcli.errors import DataError, UsageError
from normcli.words import did_you_mean, listed, many, printable, short

if TYPE_CHECKING:
    from numpy.typing import NDArray

LISTS = {2: ("mean", "std"), 4: ("gamma", "beta", "mean", "var")}


def from_csv(text: str) -> Imported:
    """A table with the columns ``column`` and some of `NUMBERS`; empty cells are left out."""
    try:
        rows = [row for row in csv.reader(text.splitlines(), strict=True) if row]
    except csv.Error as error:
        raise DataError(f"it is not a table of numbers: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    known = ("column", *NUMBERS)
    if "column" not in header or len(header) < 2:
        raise DataError(
            "import does not read such a file. A table of numbers begins with a line such as "
            "column,mean,std or column,min,max"
        )
    for name in header:
        if name not in known:
            near = did_you_mean(name, known)
            raise DataError(
                f"the table has a column {printable(name)}: {listed(known)} are read.{near}"
            )
    if len(set(header)) < len(header):
        raise DataError("the table has a column twice in its first line")
    return _by_name([_row(header, row, line) for line, row in enumerate(rows[1:], 2)])


def _row(header: Sequence[str], row: Sequence[str], line: int) -> dict[str, Any]:
    if len(row) != len(header):
        raise DataError(f"row {line} of the table has {many(len(row), 'cell')}, not {len(header)}")
    return {
        name: cell if name == "column" else _number(cell, name, line)
        for name, cell in zip(header, row, strict=True)
        if cell.strip()
    }


def _number(cell: str, name: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DataError(
            f"row {line} of the table: {name} is {printable(cell)}, not a number"
        ) from None


def _by_name(entries: Sequence[Mapping[str, Any]]) -> Imported:
    names = [entry.get("column", "") for entry in entries]
    if not all(isinstance(name, str) for name in names):
        raise DataError("the names of columns must be texts")
    numbers = [
        _checked({k: v for k, v in e.items() if k != "column"}, n)
        for n, e in zip(names, entries, strict=True)
    ]
    scales = any({"gamma", "beta"} & each.keys() for each in numbers)
    return Imported("the table", numbers, names, method="batch" if scales else "")


def _checked(numbers: Mapping[str, Any], name: str) -> dict[str, float]:
    for key, value in numbers.items():
        if key not in NUMBERS:
            near = did_you_mean(key, NUMBERS)
            raise DataError(
                f"column {printable(name)} has {printable(key)}: {listed(NUMBERS)} are read.{near}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"column {printable(name)}: {key} is {short(value)}, not a number")
    return {key: float(value) for key, value in numbers.items()}


def from_json(text: str, wanted: Wanted) -> Imported:
    """One of the forms above."""
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is not valid JSON: {short(error)}") from error
    if isinstance(document, dict) and "normcli" in document:
        raise UsageError("this is a sidecar already: give it to --stats as it is")
    if isinstance(document, dict):
        return _from_object(document, wanted)
    if document and all(isinstance(each, dict) for each in document):
        return _by_name(document)
    return from_lists([_array(each) for each in document], wanted)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError("a name occurs twice in one object of the JSON")
    return found


def _from_object(document: Mapping[str, Any], wanted: Wanted) -> Imported:
    values = list(document.values())
    if values and all(isinstance(value, dict) for value in values):
        if document.keys() <= set(NUMBERS):  # by number, then by column
            names = list(dict.fromkeys(name for each in values for name in each))
            document = {n: {k: e[n] for k, e in document.items() if n in e} for n in names}
        return _by_name([{**entry, "column": name} for name, entry in document.items()])
    if values and all(isinstance(value, list | int) for value in values):
        return layers.imported({n: _array(v) for n, v in document.items()}, wanted)
    raise DataError(
        'the JSON is neither {"x": {"mean": 1, "std": 2}} nor {"mean": [1], "std": [2]}, nor a '
        "list of one of these"
    )


def _array(values: Any) -> Callable[[], NDArray[Any]]:
    numbers = values if isinstance(values, list) else [values]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
        raise DataError(f"a list in the JSON holds more than numbers: {short(values)}")
    try:
        array = np.array(values, np.int64 if isinstance(values, int) else np.float64)
    except OverflowError as error:
        raise DataError("an integer in the JSON is too large") from error
    return partial(np.copy, array)


def from_lists(rows: Sequence[Callable[[], NDArray[Any]]], wanted: Wanted) -> Imported:
    """Means and standard deviations; or gamma, beta, means and variances of a layer.

    The latter is what ``layer.get_weights()`` of Keras is, and the order of PyTorch.
    """
    if len(rows) not in LISTS:
        raise DataError(
            f"there are {many(len(rows), 'list')}: 2 are read, mean and std, or 4, gamma, beta, "
            "mean and variance of a layer"
        )
    what = f"the {len(rows)} lists"
    columns = layers.columns(dict(zip(LISTS[len(rows)], rows, strict=True)), what)
    if len(rows) == 2:
        return Imported(what, columns)
    if wanted.eps is None:
        raise UsageError(
            "the file does not say what the layer adds to the variance: give --eps, 1e-5 in "
            "PyTorch and 1e-3 in Keras unless it was set"
        )
    return Imported(what, columns, method="batch", settings={"eps": wanted.eps})
