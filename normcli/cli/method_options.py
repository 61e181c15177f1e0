"""The options of the methods, made from what these declare, and the methods made from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import completion
from normcli.cli.command import F, Number, Whole, group
from normcli.cli.command import option as option_of
from normcli.errors import NormcliError, UsageError
from normcli.methods import DEFAULT, methods
from normcli.methods.base import Method, Option
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.pipeline import Choice
    from normcli.sidecar.model import Statistics

Asked = tuple[Method, dict[str, Method]]  # for all columns, and for single ones


def method_options(
    *, fits: bool = False, inverts: bool = False, keeps: bool = True
) -> Callable[[F], F]:
    """--method, --column, and the options of all methods.

    fits: only those of what the statistics keep; inverts: and those that an inverse needs.
    keeps: there is a --stats, whose method is the default.
    """
    found = [
        (method, option)
        for method in methods().values()
        for option in method.options
        if option.fits or not (fits or inverts) or (inverts and option.inverts)
    ]
    default = "that of --stats" if keeps else DEFAULT
    options = [
        option_of(
            "--method",
            metavar="METHOD",
            shell_complete=completion.methods,
            help=f"How to scale: {', '.join(methods())}.  [default: {default}]",
        ),
        option_of(
            "--column",
            "column",
            multiple=True,
            metavar="NAME=METHOD[:ARGS]",
            shell_complete=completion.column_methods,
            help="Another method for one column, such as age=minmax:-1,1.",
        ),
    ]
    options += [_method_option(method.name, option) for method, option in found]
    return group("Method", *options)


def _method_option(method: str, option: Option) -> tuple[tuple[str, ...], dict[str, Any]]:
    kinds: dict[str | tuple[str, ...], dict[str, Any]] = {
        "float": {"metavar": "NUMBER"},
        "int": {"type": Whole(least=0), "metavar": "N"},
        "flag": {"is_flag": True, "default": None},
        "range": {"type": Number(), "nargs": 2, "metavar": "LOW HIGH"},
        "per-column": {"multiple": True, "metavar": "NUMBER|NAME=NUMBER|@FILE"},
    }
    kind = kinds.get(option.kind) or {"type": click.Choice(option.kind)}
    default = f"  [default: {option.default}]" if option.default else ""
    return option_of(f"--{option.name}", help=f"{method}: {option.help}{default}", **kind)


def methods_of(values: dict[str, Any], kept: Statistics | None = None) -> Asked:
    """The method for all columns and those of single ones: as asked for, else as kept.

    What the command line says goes before what the statistics say; a --method there puts
    the kept methods of single columns aside too.
    """
    given = _given(values)
    name = values["method"]
    default = kept.method if kept else methods()[DEFAULT].from_parameters({})
    kind = _method_named(name) if name else type(default)
    parameters = default.parameters() if isinstance(default, kind) else {}
    for option_name, value in given.items():
        fields = {option.name: option for option in kind.options}
        if option_name not in fields:
            owners = [
                m.name for m in methods().values() if option_name in {o.name for o in m.options}
            ]
            raise UsageError(
                f"--{option_name} belongs to --method {' or '.join(owners)}; "
                f"the method here is {kind.name}"
            )
        parameters[fields[option_name].field] = _value(fields[option_name], value)
    own = dict(kept.column_methods) if kept and not name else {}
    own.update(_column_method(text) for text in values["column"])
    if kept:
        _refuse_unfitted(own, kept.columns)
    return kind.from_parameters(parameters), own


def _refuse_unfitted(own: Collection[str], fitted: Collection[str]) -> None:
    """Raise UsageError for a --column that the statistics do not have."""
    for name in own:
        if name not in fitted:
            near = did_you_mean(name, fitted)
            raise UsageError(
                f"--column {printable(name)}: the statistics have no such column.{near}"
            )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The options of methods that were given."""
    names = {option.name for method in methods().values() for option in method.options}
    found = {name: values.get(name.replace("-", "_")) for name in sorted(names)}
    return {name: value for name, value in found.items() if value not in (None, ())}


def _method_named(name: str) -> type[Method]:
    if name not in methods():
        raise UsageError(
            f"no method {printable(name)}: there is {', '.join(methods())}."
            + did_you_mean(name, methods())
        )
    return methods()[name]


def _column_method(text: str) -> tuple[str, Method]:
    """``NAME=METHOD[:ARGS]``; a name may itself hold an equals sign."""
    name, equals, rest = text.rpartition("=") if ":" not in text else _split_column(text)
    method, _, arguments = rest.partition(":")
    if not equals or not method:
        raise UsageError(f"--column takes NAME=METHOD[:ARGS], not {printable(text)}")
    return name, _method_named(method).from_text(arguments)


def _split_column(text: str) -> tuple[str, str, str]:
    """Split at the equals sign before the name of a method."""
    for name in methods():
        before, equals, after = text.rpartition(f"={name}:")
        if equals:
            return before, "=", f"{name}:{after}"
    return text.partition("=")


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


def refuse_absent_columns(
    table: Table, choice: Choice, method: Method, own: Mapping[str, Method]
) -> None:
    """Raise UsageError for a column that is asked for and is not in the table."""
    choice.wanted(table.columns)
    for each in (method, *own.values()):
        refuse_unknown_columns(each, table.columns)
    for name in own:
        if name not in table.columns:
            near = did_you_mean(name, table.columns)
            raise UsageError(f"--column {printable(name)}: there is no such column.{near}")


def refuse_unknown_columns(method: Method, columns: Collection[str]) -> None:
    """Raise UsageError where a parameter of `method` names a column that there is not."""
    for field, value in vars(method).items():
        for name in value if isinstance(value, Mapping) else ():
            if name not in columns:
                raise UsageError(
                    f"--{field.replace('_', '-')}: no column {printable(name)} is scaled."
                    + did_you_mean(name, columns)
                )
