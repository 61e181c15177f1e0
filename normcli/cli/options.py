"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from normcli.errors import NormcliError, UsageError, did_you_mean, printable
from normcli.formats.base import ReadOptions, Style
from normcli.formats.csv_cells import NULL
from normcli.methods import methods
from normcli.methods.base import Method, Option

if TYPE_CHECKING:
    from normcli.check import Limits
    from normcli.engines import Engine
    from normcli.formats.base import Table
    from normcli.model import Statistics
    from normcli.pipeline import Choice

F = TypeVar("F", bound=Callable[..., Any])
Values = dict[str, Any]


class Limit(click.ParamType):  # type: ignore[type-arg]  # as below
    """A number from `least` on, a percentage, or "off" for no limit."""

    name = "limit"

    def __init__(self, least: float = 0.0) -> None:
        self.least = least

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number that `value` spells; infinity for "off"."""
        if value == "off":
            return math.inf
        text = str(value)
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if not number >= self.least:
            words = f"a number from {self.least:g} on, a percentage, or off"
            self.fail(f"{printable(text)} is not {words}", param, ctx)
        return number


class Whole(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A whole number from 1 on, perhaps up to a largest one."""

    name = "number"

    def __init__(self, most: int | None = None) -> None:
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that `value` spells."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1 or (self.most is not None and number > self.most):
            upto = f" to {self.most}" if self.most else " on"
            self.fail(f"{printable(str(value))} is no whole number from 1{upto}", param, ctx)
        return number


def _in_words(message: str) -> str:
    """A message of click as the beginning of one of ours: one line that starts small."""
    line = " ".join(message.split())
    return line[:1].lower() + line[1:].removesuffix(".") + "."


class Grouped(click.Option):
    """An option that is listed under a heading."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class Command(click.Command):
    """A command that lists its options in groups, and tells of wrong ones in our words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; raises UsageError."""
        see = f"See {ctx.command_path} --help"
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [name for parameter in self.get_params(ctx) for name in parameter.opts]
            near = did_you_mean(error.option_name, known)
            raise UsageError(f"no option {printable(error.option_name)}.{near} {see}") from error
        except click.UsageError as error:
            raise UsageError(f"{_in_words(error.format_message())} {see}") from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", "Run"), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _group(title: str, *options: tuple[tuple[str, ...], dict[str, Any]]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for names, settings in reversed(options):
            function = click.option(*names, cls=Grouped, group=title, **settings)(function)
        return function

    return decorate


def _option(*names: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return names, settings


column_options = _group(
    "Columns",
    _option(
        "-s",
        "--select",
        multiple=True,
        metavar="COLUMNS",
        help="Only these: names, positions (3 or 3-7), globs (temp_*), /regex/, or !not; several "
        "with commas.  [default: all columns of numbers]",
    ),
    _option("--exclude", multiple=True, metavar="COLUMNS", help="Leave these alone."),
)

read_options = _group(
    "Input",
    _option("--from", "from_", metavar="FORMAT", help="Format of the input, whatever its name."),
    _option("-d", "--delimiter", metavar="CHAR", help="Between CSV cells.  [default: ,]"),
    _option("-t", "--tabs", is_flag=True, help="Cells are separated by tabs."),
    _option("--no-header", is_flag=True, help="No header line: columns are 1, 2, ..."),
    _option(
        "--null",
        multiple=True,
        metavar="TOKEN",
        help="A text that marks a missing value; repeatable, instead of the default: the empty "
        f"cell, {', '.join(NULL[1:])}",
    ),
    _option("--comment", metavar="CHAR", help="Lines that start so are no rows."),
    _option("--encoding", default="utf-8", show_default=True, help="Of CSV text."),
    _option("--decimal", default=".", show_default=True, help="Decimal mark in CSV: . or ,"),
    _option("--no-quoting", is_flag=True, help="Quotes are characters like all others."),
    _option(
        "--on-inf",
        type=click.Choice(["error", "ignore"]),
        default="error",
        show_default=True,
        help="Infinite numbers: stop, or leave them out and as they are.",
    ),
    _option(
        "--on-bad-row",
        type=click.Choice(["error", "skip"]),
        default="error",
        show_default=True,
        help="Rows with too many or too few cells, or text for a number: stop, or skip and tell.",
    ),
    _option(
        "--max-record-bytes",
        type=Whole(),
        default=64 << 20,
        metavar="BYTES",
        help="Longest record of a text file.  [default: 64 MiB]",
    ),
    _option(
        "--chunk-rows",
        type=Whole(),
        metavar="N",
        help="Rows worked on at a time.  [default: a few MB]",
    ),
)

_max_sidecar = _option(
    "--max-sidecar",
    type=Whole(),
    default=64 << 20,
    metavar="BYTES",
    help="Largest file of statistics that is read.  [default: 64 MiB]",
)

sidecar_options = _group("Statistics", _max_sidecar)

stats_option = _group(
    "Statistics",
    _max_sidecar,
    _option("--stats", metavar="FILE", help="The statistics that fit has saved; - is stdin."),
)

save_option = _group(
    "Statistics",
    _option("--save-stats", metavar="FILE", help="Save the statistics of the input here."),
)


def output_file(default: str) -> Callable[[F], F]:
    """-o/--output of something that is no table."""
    return _group(
        "Output",
        _option("-o", "--output", metavar="FILE", help=f"Write here.  [default: {default}]"),
    )


output_options = _group(
    "Output",
    _option(
        "-o", "--output", default="-", metavar="FILE", help="Write here.  [default: -, stdout]"
    ),
    _option(
        "--to", metavar="FORMAT", help="Format of the output.  [default: its suffix, or as read]"
    ),
    _option("--float32", is_flag=True, help="Write scaled numbers as float32."),
    _option(
        "--precision",
        type=Whole(17),
        metavar="DIGITS",
        help="Significant digits of scaled numbers in text.  [default: all that matter]",
    ),
)

run_options = _group(
    "Run",
    _option(
        "-j",
        "--jobs",
        type=Whole(),
        metavar="N",
        help="Worker processes for large text files.  [default: one a core]",
    ),
    _option(
        "--json-summary",
        metavar="FILE",
        help="Write here, as JSON, what was done: rows, columns, cells of each kind, seconds.",
    ),
    _option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)

explain_option = _group(
    "Run",
    _option(
        "--explain",
        is_flag=True,
        help="Print what would be done to each column, and why, and write nothing else.",
    ),
)

table_options = _group(
    "Output",
    _option("--json", is_flag=True, help="For programs, with all digits."),
    _option("--markdown", is_flag=True, help="A table for a page or an issue."),
)


def _on(what: str, default: str, help_: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What a column that is not the same means for `check`."""
    kind = click.Choice(["fail", "tell"])
    return _option(f"--on-{what}-column", type=kind, default=default, show_default=True, help=help_)


limit_options = _group(
    "Limits (off: none)",
    _option(
        "--max-out-of-range",
        type=Limit(),
        default="5%",
        show_default=True,
        metavar="SHARE",
        help="Of numbers outside the fitted minimum and maximum.",
    ),
    _option(
        "--max-mean-shift",
        type=Limit(),
        default="0.5",
        show_default=True,
        metavar="STDS",
        help="Distance of the means in fitted standard deviations.",
    ),
    _option(
        "--max-spread-ratio",
        type=Limit(1.0),
        default="2",
        show_default=True,
        metavar="RATIO",
        help="Of the standard deviations, the greater to the less.",
    ),
    _option(
        "--max-missing-change",
        type=Limit(),
        default="5%",
        show_default=True,
        metavar="SHARE",
        help="Difference of the shares of missing cells.",
    ),
    _on("missing", "fail", "A column of the statistics that the data lack."),
    _on("retyped", "fail", "A column that holds what is no number now."),
    _on("extra", "tell", "A column of numbers that the statistics do not have."),
)


def quiet_option(help_: str = "Say nothing but errors.") -> Callable[[F], F]:
    """-q/--quiet of a command that has no other option of a run."""
    return _group("Run", _option("-q", "--quiet", is_flag=True, help=help_))


def method_options(*, fits: bool) -> Callable[[F], F]:
    """--method, --column, and the options of all methods (with `fits`: of what is kept)."""
    found = [
        (method, option)
        for method in methods().values()
        for option in method.options
        if option.fits or not fits
    ]
    options = [
        _option(
            "--method",
            metavar="METHOD",
            help=f"How to scale: {', '.join(methods())}.  [default: zscore, or as in --stats]",
        ),
        _option(
            "--column",
            "column",
            multiple=True,
            metavar="NAME=METHOD[:ARGS]",
            help="Another method for one column, such as age=minmax:-1,1.",
        ),
    ]
    options += [_method_option(method.name, option) for method, option in found]
    return _group("Method", *options)


def _method_option(method: str, option: Option) -> tuple[tuple[str, ...], dict[str, Any]]:
    kinds: dict[str | tuple[str, ...], dict[str, Any]] = {
        "float": {"metavar": "NUMBER"},
        "int": {"type": int, "metavar": "N"},
        "flag": {"is_flag": True, "default": None},
        "range": {"type": float, "nargs": 2, "metavar": "LOW HIGH"},
        "per-column": {"multiple": True, "metavar": "NUMBER|NAME=NUMBER|@FILE"},
    }
    kind = kinds.get(option.kind) or {"type": click.Choice(option.kind)}
    default = f"  [default: {option.default}]" if option.default else ""
    return _option(f"--{option.name}", help=f"{method}: {option.help}{default}", **kind)


def read_options_of(values: Values) -> ReadOptions:
    """The options of the input."""
    if values["tabs"] and values["delimiter"]:
        raise UsageError("--tabs and --delimiter say two things; give one of them")
    return ReadOptions(
        delimiter="\t" if values["tabs"] else values["delimiter"],
        header=not values["no_header"],
        null=values["null"] or None,
        comment=values["comment"],
        encoding=values["encoding"],
        decimal=values["decimal"],
        quoting=not values["no_quoting"],
        skip_bad_rows=values["on_bad_row"] == "skip",
        chunk_rows=values["chunk_rows"],
        max_record=values["max_record_bytes"],
    )


def choice_of(values: Values) -> Choice:
    """The choice of columns, and the policies for what is in the way."""
    from normcli.pipeline import Choice

    return Choice(
        tuple(values["select"]),
        tuple(values["exclude"]),
        ignore_infinite=values["on_inf"] == "ignore",
        skip_bad_rows=values["on_bad_row"] == "skip",
    )


def engine_of(values: Values) -> Engine:
    """The engine for the work on one table."""
    from normcli.engines import engine

    return engine(values["jobs"] or len(os.sched_getaffinity(0)))


def limits_of(values: Values) -> Limits:
    """What `check` lets pass."""
    from normcli.check import Limits

    return Limits(
        values["max_out_of_range"],
        values["max_mean_shift"],
        values["max_spread_ratio"],
        values["max_missing_change"],
        values["on_missing_column"] == "tell",
        values["on_extra_column"] == "tell",
        values["on_retyped_column"] == "tell",
    )


def style_of(values: Values) -> Style:
    """How numbers are written."""
    return Style(values["float32"], values["precision"])


def methods_of(values: Values, kept: Statistics | None = None) -> tuple[Method, dict[str, Method]]:
    """The method for all columns and those of single ones: as asked for, else as kept.

    What the command line says goes before what the statistics say; a --method there puts
    the kept methods of single columns aside too.
    """
    given = _given(values)
    name = values["method"]
    default = kept.method if kept else methods()["zscore"].from_parameters({})
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
    return kind.from_parameters(parameters), own


def _given(values: Values) -> Values:
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
        raise UsageError(f"--{option.name}: {printable(str(path))} is not JSON: {error}") from error
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
