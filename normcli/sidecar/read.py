"""The bytes of a sidecar as statistics; what is not consistent is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache, reduce
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from normcli.errors import LimitError, SidecarError, UsageError
from normcli.methods.base import Method
from normcli.methods.filled import missing_of
from normcli.methods.spelling import method_with
from normcli.numerics.total import LARGEST
from normcli.sidecar.model import GroupStatistics, Statistics
from normcli.sidecar.schema import FIRST, VERSION, schema
from normcli.statistics.base import Facts, FieldError, Group, Recipe, in_order, recipes
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import Moments
from normcli.storage.sources import source
from normcli.words import many, printable, short, shown

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError


MAX_BYTES = 64 << 20
MAX_DIGITS = 400  # of one number; the longest that a column can need is a decimal of 310
OPTIONS = ("null", "default_null", "missing", "by", "where", "weight", "share")  # at the top

Entry = Mapping[str, Any]
Place = Sequence[str | int]


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
    if data.startswith(b"PAR1"):
        from normcli.sidecar import parquet

        return parquet.loads(data, name, limit)
    try:
        document = parse(data)
        _validate(document)
        return _statistics(document)
    except SidecarError as error:
        raise SidecarError(f"{shown(name)}: {error}") from error


# Each step below raises SidecarError with the place in the file, `loads` says which file.
def parse(data: bytes) -> Any:
    """The JSON document, read strictly; a number that no sidecar can have becomes text."""
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
        return value if -LARGEST <= value <= LARGEST else text

    return parse


@cache
def _validator(version: int) -> Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema(version))


@cache
def _column_validator() -> Draft202012Validator:
    import jsonschema_rs

    whole = schema(VERSION)
    return jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/column", "$defs": whole["$defs"]})


def validate_column(entry: Any) -> None:
    """Raise SidecarError where the schema does not allow the entry of a column."""
    import jsonschema_rs

    try:
        _column_validator().validate(entry)
    except jsonschema_rs.ValidationError as error:
        raise SidecarError(_in_words(error)) from error


def _validate(document: Any) -> None:
    import jsonschema_rs

    version = document.get("normcli") if isinstance(document, dict) else None
    if type(version) is int and version > VERSION:
        raise SidecarError(
            f"made by a newer normcli: version {_shown(version)}; this one reads {VERSION}"
        )
    try:
        _validator(FIRST if version is not True and version == FIRST else VERSION).validate(
            document
        )
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
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a finite number",
    "object": "an object",
    "string": "a string",
}
_LIMITS = {
    "minimum": "is less than the minimum of {}",
    "exclusiveMinimum": "is not more than {}",
    "maximum": "is more than the maximum of {}",
    "minItems": "has fewer items than {}",
    "maxItems": "has more than {} items",
    "minProperties": "has fewer than {} fields",
    "maxLength": "is longer than {} characters",
}


def _where(place: Place) -> str:
    """``column 'age', field 'sum', item 2: `` for a path into the document."""
    words = []
    if place[:1] == ["groups"] and len(place) > 1:
        words.append(f"groups, item {int(place[1]) + 1}")
        place = place[2:]
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
    return short(json.dumps(value))


def _statistics(document: Entry) -> Statistics:
    method = _method(document["method"], [])
    ddof = Statistics(method=method).ddof
    if document["ddof"] != ddof:
        raise SidecarError(
            f"field 'ddof': {document['ddof']} does not match 'method': it must be {ddof}"
        )
    facts, entries = Facts(int(document["rows"]), ddof), document["columns"]
    own = {n: _method(e["method"], ["columns", n]) for n, e in entries.items() if "method" in e}
    columns = _columns(entries, facts, ["columns"], known=document["normcli"] > 1)
    groups = _groups(document, ddof)
    _refuse_other_sums(columns, groups)
    return Statistics(
        facts.rows,
        columns,
        method,
        own,
        groups,
        _options(document),
    )


def _options(document: Entry) -> dict[str, Any]:
    """How the rows were read and chosen, and what becomes of missing cells."""
    found = {key: document[key] for key in OPTIONS if key in document}
    if "missing" in found:
        try:
            found["missing"] = missing_of(found["missing"])
        except UsageError as error:
            raise SidecarError(
                f"field 'missing': {_shown(found['missing'])} is not valid"
            ) from error
    return found


def _groups(document: Entry, ddof: int) -> dict[Group, GroupStatistics]:
    """The groups by key, whose rows are those of the table."""
    found: dict[Group, GroupStatistics] = {}
    by = document.get("by", ())
    for i, entry in enumerate(document.get("groups", ())):
        key, place = tuple(entry["key"]), ("groups", i, "columns")
        if found and in_order(key) <= in_order(next(reversed(found))):
            raise SidecarError(f"{_where(['groups', i, 'key'])}the keys are not sorted")
        if len(key) != len(by):
            words = f"{many(len(key), 'text')}, but 'by' has {many(len(by), 'column')}"
            raise SidecarError(f"{_where(['groups', i, 'key'])}{words}")
        rows = int(entry["rows"])
        columns = _columns(entry["columns"], Facts(rows, ddof), place)
        if columns.keys() != document["columns"].keys():
            raise SidecarError(f"{_where(place)}the columns are not those of all rows")
        found[key] = GroupStatistics(rows, columns)
    if found and sum(group.rows for group in found.values()) != document["rows"]:
        raise SidecarError("field 'groups': their rows do not add up to 'rows'")
    return found


def _refuse_other_sums(
    columns: Mapping[str, ColumnStatistics], groups: Mapping[Group, GroupStatistics]
) -> None:
    """Raise SidecarError where the groups of a column are not those of all its rows."""
    for name, column in columns.items():
        if column.given or not groups:
            continue
        moments = [group.columns[name].moments for group in groups.values()]
        merged = reduce(Moments.merge, moments)
        for each in fields(Moments):
            if getattr(merged, each.name) != getattr(column.moments, each.name):
                place = _where(["columns", name, each.name])
                raise SidecarError(f"{place}the groups do not add up to what all rows have")


def _method(entry: Entry, place: Place) -> Method:
    parameters = dict(entry)
    name = parameters.pop("name")
    try:
        return method_with(name, parameters)
    except UsageError as error:
        raise SidecarError(f"{_where([*place, 'method'])}{short(error, 300)}") from error


def _columns(
    entries: Entry, facts: Facts, place: Place, *, known: bool = True
) -> dict[str, ColumnStatistics]:
    return {name: column(e, facts, [*place, name], known) for name, e in entries.items()}


def column(entry: Entry, facts: Facts, place: Place, known: bool = True) -> ColumnStatistics:
    """What is known of one column; raises SidecarError for the first fault."""
    values = {}
    for name, recipe in recipes().items():
        if name == "moments":  # whose section is the entry itself
            present = "given" not in entry
        else:
            present = any(field in entry for field in (recipe.fields if recipe.inline else [name]))
        if present:
            inline = recipe.inline or name == "moments"
            section, where = (entry, place) if inline else (entry[name], [*place, name])
            values[name] = _value(recipe, section, facts, where)
    if not known and "moments" in values:  # version 1 does not tell
        values["moments"] = replace(values["moments"], whole=None)
    given = {name: float(number) for name, number in entry.get("given", {}).items()}
    if given.get("min", -LARGEST) > given.get("max", LARGEST):
        raise SidecarError(f"{_where([*place, 'given'])}the min is greater than the max")
    return ColumnStatistics(values, given, _columns(entry.get("of", {}), facts, [*place, "of"]))


def _value(recipe: type[Recipe], section: Entry, facts: Facts, place: Place) -> Any:
    try:
        return recipe.load(section, facts)
    except FieldError as error:
        raise SidecarError(f"{_where([*place, error.field])}{error.fault}") from error
