"""The bytes of a sidecar as statistics, believed only as far as they are consistent."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from normcli.errors import LimitError, SidecarError, UsageError
from normcli.methods import methods
from normcli.methods.base import Method, Running
from normcli.numerics.total import Exact, Total, exact_value
from normcli.sidecar.model import Statistics
from normcli.statistics.moments import ColumnStatistics
from normcli.storage.sources import source
from normcli.words import did_you_mean, printable, shown

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError


VERSION = 1
MAX_BYTES = 64 << 20
MAX_DIGITS = 400  # of one number; the longest that a column can need is a decimal of 310
_LARGEST = sys.float_info.max
Entry = Mapping[str, Any]


def _ddof(method: Method) -> int:
    """The ddof of every std in a sidecar: that of the default method, or 0 if it has none."""
    return int(method.parameters().get("ddof", 0))


def load(path: str | PathLike[str], limit: int = MAX_BYTES) -> Statistics:
    """The statistics in the sidecar at a path or URI; ``"-"`` is stdin.

    Raises: NormcliError where it cannot be read, and what `loads` raises.
    """
    opened = source(fspath(path))
    with opened.open() as file:
        return loads(file.read(limit + 1), opened.name, limit)


def loads(data: bytes, name: str = "sidecar", limit: int = MAX_BYTES) -> Statistics:
    """The statistics in the bytes of a sidecar; `name` says in errors which one it is.

    Raises: SidecarError naming column and field, LimitError if it has more than `limit` bytes.
    """
    if len(data) > limit:
        raise LimitError(
            f"{shown(name)}: the sidecar has more than {limit} bytes; "
            "if you trust it, allow more with --max-sidecar"
        )
    try:
        document = _parse(data)
        _validate(document)
        return _statistics(document)
    except SidecarError as error:
        raise SidecarError(f"{shown(name)}: {error}") from error


# Each step below raises SidecarError with the place in the file, `loads` says which file.
def _parse(data: bytes) -> Any:
    """The JSON document, strictly; numbers that are none of ours come as text."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SidecarError(f"not UTF-8 text (byte {error.start})") from error
    if text.startswith("\ufeff"):
        raise SidecarError("starts with a byte order mark; a sidecar is UTF-8 without one")
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=str,  # NaN and infinities: text, which the schema refuses by field
            parse_float=_number(float),
            parse_int=_number(int),
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        hint = "" if text.lstrip()[:1] == "{" else "\nTo make one from a table: normcli fit TABLE"
        raise SidecarError(
            f"not a sidecar: it is not valid JSON: {error.msg} ({where}){hint}"
        ) from error
    except RecursionError as error:
        raise SidecarError("nested too deeply to be a sidecar") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key in counts if counts[key] > 1)
        raise SidecarError(f"the name {printable(twice)} occurs twice in one object")
    return found


def _number(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of numbers that gives text for those that are too long or beyond float64."""

    def parse(text: str) -> Any:
        if len(text) > MAX_DIGITS:
            return text
        value = kind(text)
        return value if -_LARGEST <= value <= _LARGEST else text

    return parse


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a sidecar, as it ships in the package."""
    from importlib import resources

    text = resources.files("normcli.sidecar").joinpath("schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _validator() -> Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema())


def _validate(document: Any) -> None:
    import jsonschema_rs

    version = document.get("normcli") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise SidecarError(
            f"made by a newer normcli: version {_shown(version)}; this one reads {VERSION}"
        )
    try:
        _validator().validate(document)
    except jsonschema_rs.ValidationError as error:
        raise SidecarError(_in_words(error)) from error
    except UnicodeEncodeError as error:
        raise SidecarError(
            "it contains text that is not valid Unicode: half of a surrogate pair"
        ) from error
    except ValueError as error:
        raise SidecarError("nested too deeply to be a sidecar") from error


def _in_words(error: ValidationError) -> str:
    """What the schema has against a sidecar, and where."""
    kind, value = error.kind, _shown(error.instance)
    place = list(error.instance_path)
    match kind.as_dict():
        case {"property": missing}:
            return f"{_where(place)}the field {printable(missing)} is missing"
        case {"unexpected": [unknown, *_]}:
            return f"{_where(place)}unknown field {printable(unknown)}"
        case {"types": types}:
            wanted = " or ".join(_TYPES[t] for t in sorted(types, reverse=True))
            return f"{_where(place)}{value} is not {wanted}"
        case {"pattern": _}:
            return f"{_where(place)}{value} is not a number"
        case {"limit": limit}:
            return f"{_where(place)}{value} {_LIMITS[kind.name].format(limit)}"
        case {"expected_value": expected}:
            return f"{_where(place)}{value} is not {expected}"
    return f"{_where(place)}{value} is not valid"


_TYPES = {
    "array": "a list",
    "integer": "an integer",
    "null": "null",
    "number": "a finite number",
    "object": "an object",
    "string": "a string",
}
_LIMITS = {
    "minimum": "is less than the minimum of {}",
    "maximum": "is more than the maximum of {}",
    "maxItems": "has more than {} items",
    "maxLength": "is longer than {} characters",
}


def _where(place: Sequence[str | int]) -> str:
    """``column 'age', field 'sum', item 2: `` for a path into the document."""
    words = []
    if place[:1] == ["columns"] and len(place) > 1:
        words.append(f"column {printable(str(place[1]))}")
        place = place[2:]
    names = [str(step) for step in place if isinstance(step, str)]
    words += [f"field {printable('.'.join(names))}"] if names else []
    words += [f"item {step + 1}" for step in place if isinstance(step, int)]
    return ", ".join(words) + ": " if words else ""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return _cut(json.dumps(value), 60)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _statistics(document: Entry) -> Statistics:
    method = _method(document["method"], [])
    ddof = _ddof(method)
    if document["ddof"] != ddof:
        raise SidecarError(
            f"field 'ddof': {document['ddof']} does not match 'method': it must be {ddof}"
        )
    rows = int(document["rows"])
    entries = document["columns"].items()
    return Statistics(
        rows,
        {name: _column(name, entry, rows, ddof) for name, entry in entries},
        method,
        {n: _method(e["method"], ["columns", n]) for n, e in entries if "method" in e},
        {n: _running(e["running"]) for n, e in entries if "running" in e},
    )


def _method(entry: Entry, place: list[str]) -> Method:
    parameters = dict(entry)
    name = parameters.pop("name")
    known = methods()
    if name not in known:
        hint = did_you_mean(name, known) or f" The methods are {', '.join(known)}."
        raise SidecarError(
            f"{_where([*place, 'method', 'name'])}unknown method {printable(name)}.{hint}"
        )
    try:
        return known[name].from_parameters(parameters)
    except UsageError as error:
        raise SidecarError(f"{_where([*place, 'method'])}{_cut(str(error), 300)}") from error


def _running(entry: Entry) -> Running:
    return Running(float(entry["mean"]), float(entry["var"]), int(entry["batches"]))


def _column(name: str, entry: Entry, rows: int, ddof: int) -> ColumnStatistics:
    """The statistics of one column, or the first reason not to believe them."""
    count, missing, nan, inf = (int(entry[field]) for field in ("count", "missing", "nan", "inf"))
    low, high = (_exact(entry, name, field) for field in ("min", "max"))
    total, squares = (_total(entry, name, field) for field in ("sum", "sum_of_squares"))
    column = ColumnStatistics(count, missing, nan, inf, low, high, total, squares)
    for field, fault in _faults(column, entry, rows, ddof):
        raise SidecarError(f"{_where(['columns', name, field])}{fault}")
    return column


def _exact(entry: Entry, name: str, field: str) -> Exact | None:
    if entry[field] is None:
        return None
    value = Fraction(entry[field])
    if abs(value) > _LARGEST:
        raise SidecarError(
            f"{_where(['columns', name, field])}{_shown(entry[field])} is beyond the largest "
            "float64, about 1.8e308"
        )
    return exact_value(value)


def _total(entry: Entry, name: str, field: str) -> Total:
    try:
        return Total.from_floats(entry[field], int(entry.get(f"{field}_scale", 0)))
    except ValueError as error:
        raise SidecarError(f"{_where(['columns', name, field])}{error}") from error


def _faults(
    column: ColumnStatistics, entry: Entry, rows: int, ddof: int
) -> Iterator[tuple[str, str]]:
    """(field, what is wrong), the first one first: what follows a fault may not make sense.

    No numbers at all can have statistics that fail here. The bounds on the variance are
    those of Szokefalvi Nagy (1918) and of Bhatia and Davis, "A better bound on the variance",
    American Mathematical Monthly 107(4), 2000.
    """
    c, n = column, column.count
    cells = n + c.missing + c.nan + c.inf
    if cells != rows:
        yield (
            "count",
            f"count, missing, nan and inf add up to {_shown(cells)} cells, "
            f"but there are {_shown(rows)} rows",
        )
    if n == 0:
        for field, value in (("min", c.min), ("max", c.max)):
            if value is not None:
                yield field, "must be null in a column with count 0"
        for field, total in (("sum", c.sum), ("sum_of_squares", c.sum_of_squares)):
            if total != Total():
                yield field, "must be [] in a column with count 0"
    elif c.min is None or c.max is None:
        yield ("min" if c.min is None else "max"), f"null in a column with count {n}"
    else:
        yield from _impossible(n, c.sum, c.sum_of_squares, Fraction(c.min), Fraction(c.max))
    yield from _edited("mean", entry["mean"], c.mean)
    yield from _edited("std", entry["std"], c.std(ddof))


def _impossible(
    n: int, total: Total, squares: Total, low: Fraction, high: Fraction
) -> Iterator[tuple[str, str]]:
    """What n numbers from low to high, both among them, cannot have."""
    if low > high:
        yield "min", "the min is greater than the max"
    s = total.as_fraction()
    if not n * low <= s <= n * high:
        yield "sum", "it gives a mean that is not between min and max"
    variance = n * squares.as_fraction() - s * s  # times n**2
    if not n * (high - low) ** 2 <= 2 * variance <= 2 * (n * high - s) * (s - n * low):
        yield "sum_of_squares", "no numbers with this count, min, max and sum can have it"


def _edited(field: str, found: float | None, exact: float | None) -> Iterator[tuple[str, str]]:
    if found != exact:
        yield (
            field,
            f"{_shown(found)} does not match the exact sums, which give {_shown(exact)}: "
            "was it edited? To change the statistics, fit again",
        )
