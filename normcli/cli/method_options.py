"""The options of the methods, made from what these declare, and the methods made from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import completion
from normcli.cli.command import Entry, F, Number, Whole, entry, group
from normcli.errors import NormcliError, UsageError
from normcli.methods import DEFAULT, methods
from normcli.methods.base import Option
from normcli.methods.filled import LEFT, WORDS, fills, missing_of, recipes_for
from normcli.methods.levels import levels_of
from normcli.methods.spelling import Asked, column_method, method_of
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.sidecar.model import Statistics


def method_options(
    *, fits: bool = False, inverts: bool = False, keeps: bool = True
) -> Callable[[F], F]:
    """--method, --column, and the options of all methods.

    fits: only those of what the statistics keep; inverts: and those that an inverse needs.
    keeps: there is a --stats, whose method is the default.
    """
    found: dict[str, list[tuple[str, Option]]] = {}
    for method, option in _all_options():
        takes = option.fits or (inverts and option.inverts) or (fits and option.chooses)
        if takes or not (fits or inverts):
            found.setdefault(option.name, []).append((method, option))
    default = "that of --stats" if keeps else DEFAULT
    options = [
        entry(
            "--method METHOD[:ARGS]",
            "How to scale, such as minmax:-1,1 or log1p+zscore; normcli methods lists all.  "
            f"[default: {default}]",
            shell_complete=completion.among(methods),
        ),
        entry(
            "--column NAMES=METHOD[:ARGS]",
            "Another method for some columns: a name, or names and globs separated by commas, "
            "such as age,q*=minmax:-1,1.",
            multiple=True,
            shell_complete=completion.column_methods,
        ),
    ]
    words = "|".join(LEFT if inverts else [*WORDS, "NUMBER"])
    fill = "." if inverts else ", or fill them, before anything else, with one of the others."
    options.append(
        entry(
            f"--missing {words}",
            f"Missing cells: keep them as they are written, write them all empty (null){fill}  "
            f"[default: {'keep' if inverts or not keeps else 'as --stats says, else keep'}]",
        )
    )
    options += [_method_option(owners) for owners in found.values()]
    if not keeps:
        options += [
            entry(
                "--quantiles [exact|sketch]",
                "Compute quantiles exactly, for which a large file is read twice, or tell from "
                "one pass what they are between.",
                default="exact",
            )
        ]
    if fits:
        options += [
            entry(
                "--at LEVELS",
                "Save these quantiles of all columns too, such as 0.05,0.5,95%.",
                multiple=True,
            )
        ]
    return group("Method", *options)


def _method_option(owners: list[tuple[str, Option]]) -> Entry:
    """One option of the command line, which several methods may have: each checks its value."""
    _, option = owners[0]
    kinds: dict[str | tuple[str, ...], dict[str, Any]] = {
        "float": {"metavar": "NUMBER"},
        "int": {"type": Whole(least=0), "metavar": "N"},
        "flag": {"is_flag": True, "default": None},
        "range": {"type": Number(), "nargs": 2, "metavar": "LOW HIGH"},
        "per-column": {"multiple": True, "metavar": "NUMBER|NAME=NUMBER|@FILE"},
    }
    words = dict.fromkeys(word for _, each in owners for word in each.kind)
    kind = kinds.get(option.kind) or {"type": click.Choice(list(words))}
    told = [f"{', '.join(names)}: {text}" for text, names in _by_help(owners).items()]
    return (f"--{option.name}",), {"help": "  ".join(told), **kind}


def _by_help(owners: list[tuple[str, Option]]) -> dict[str, list[str]]:
    """What --help says of an option -> the methods that it says it of."""
    found: dict[str, list[str]] = {}
    for method, option in owners:
        default = f"  [default: {option.default}]" if option.default else ""
        found.setdefault(option.help + default, []).append(method)
    return found


def methods_of(values: dict[str, Any], kept: Statistics | None = None) -> Asked:
    """The method for all columns and those of single ones: as asked for, else as kept.

    What the command line says goes before what the statistics say; a --method there puts
    the kept methods of single columns aside too.
    """
    given = _given(values)
    spelling = values["method"]
    method = kept.method if kept else method_of(DEFAULT)
    if spelling not in (None, method.spelling):
        method = method_of(spelling)
    changes = {}
    for option_name, value in given.items():
        fields = {option.name: option for option in method.options}
        if option_name not in fields:
            owners = [owner for owner, option in _all_options() if option.name == option_name]
            single = f". For --column, write NAME={owners[0]}:{option_name}=VALUE"
            raise UsageError(
                f"--{option_name} belongs to --method {' or '.join(owners)}; "
                f"the method here is {method.spelling}" + (single if values["column"] else "")
            )
        changes[fields[option_name].field] = _value(fields[option_name], value)
    own = dict(kept.column_methods) if kept and not spelling else {}
    method = method.changed(changes) if changes else method
    columns = [column_method(text) for text in values["column"]]
    exact = values.get("quantiles") != "sketch"
    missing = _missing(values, kept)
    more = (*levels_of(values.get("at") or ()), *recipes_for(missing))
    return Asked(method, columns, own, more=more, exact=exact, missing=missing)


def _missing(values: dict[str, Any], kept: Statistics | None) -> str:
    """What becomes of missing cells: as asked for, else as kept; `inverse` fills none."""
    if (given := values.get("missing")) is not None:
        missing = missing_of(given)
        if fills(missing) and click.get_current_context().info_name == "inverse":
            raise UsageError("inverse takes --missing keep or null; it does not fill cells")
        return missing
    return str(kept.options.get("missing", "keep")) if kept else "keep"


def _all_options() -> list[tuple[str, Option]]:
    """The options that are given by their names, each with its method."""
    return [(m.name, o) for m in methods().values() for o in m.options if not o.spelled]


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The options of methods that were given."""
    names = sorted({option.name for _, option in _all_options()})
    found = {name: values.get(name.replace("-", "_")) for name in names}
    return {name: value for name, value in found.items() if value not in (None, ())}


def _value(option: Option, value: Any) -> Any:
    """The value of an option as the method takes it; raises UsageError."""
    if option.kind == "float":
        return value if value in option.words else _number(value, option)
    if option.kind == "per-column":
        return _per_column(value, option)
    return list(value) if option.kind == "range" else value


def _number(text: str, option: Option) -> float:
    try:
        return float(text)
    except ValueError:
        words = "".join(f" or {word}" for word in option.words)
        raise UsageError(f"--{option.name} is a number{words}, not {printable(text)}") from None


def _per_column(texts: tuple[str, ...], option: Option) -> float | dict[str, float]:
    """A number for all columns, or NAME=NUMBER pairs and files of such."""
    if len(texts) == 1 and "=" not in texts[0] and not texts[0].startswith("@"):
        return _number(texts[0], option)
    pairs: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        if text.startswith("@"):
            pairs.update(_from_file(Path(text[1:]), option))
        elif equals:
            pairs[name] = _number(number, option)
        else:
            raise UsageError(f"--{option.name} is either one number or NAME=NUMBER pairs, not both")
    return pairs


def _from_file(path: Path, option: Option) -> dict[str, float]:
    """A JSON object of numbers."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(16 << 20))
    except OSError as error:
        raise NormcliError(f"cannot read {printable(str(path))}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--{option.name}: {printable(str(path))} is not JSON") from error
    if not isinstance(found, dict) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in found.values()
    ):
        raise UsageError(
            f"--{option.name}: {printable(str(path))} is not a JSON object of NAME: NUMBER"
        )
    return found
