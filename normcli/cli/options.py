"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from normcli.cli.command import FILE, F, Limit, Whole, argument, file_option, group, option
from normcli.cli.completion import columns, formats
from normcli.errors import UsageError
from normcli.formats.base import ReadOptions, Style

if TYPE_CHECKING:
    from normcli.engines.local import Engine
    from normcli.formats.base import Option
    from normcli.pipeline import Choice
    from normcli.pipeline.check import Limits
    from normcli.storage.sources import Source

Values = dict[str, Any]


def _only_one(ctx: click.Context, parameter: click.Parameter, inputs: tuple[str, ...]) -> str:
    """The input, stdin where there is none; raises UsageError for several."""
    if len(inputs) > 1:
        raise UsageError(
            f"{ctx.info_name} takes one INPUT, not {len(inputs)}\n"
            "For many files give a directory, or a glob in quotes, and --output-dir"
        )
    return inputs[0] if inputs else "-"


input_argument = argument(
    "input_",
    "[INPUT]",
    "A file, or - for stdin; with --output-dir also a directory of parts, or a glob.  [default: -]",
    nargs=-1,
    callback=_only_one,
)


def inputs_argument(more: str = "") -> Callable[[F], F]:
    """All inputs, which are one table; `more`: what else an input may be."""
    help_ = f"A file, a directory of parts, a glob, or - for stdin; several are one table{more}."
    return argument("inputs", "[INPUT]...", f"{help_}  [default: -]", nargs=-1)


def sidecars_argument(metavar: str) -> Callable[[F], F]:
    """All sidecars."""
    help_ = "The statistics that fit has saved, or - for stdin."
    return argument("sidecars", metavar, help_, nargs=-1, required=True)


def _formats() -> str:
    from normcli.formats import formats as all_formats

    known = ", ".join(all_formats())
    return f"Format of the input: {known}.  [default: by its first bytes, or its suffix]"


column_options = group(
    "Columns",
    option(
        "-s",
        "--select",
        multiple=True,
        metavar="COLUMNS",
        shell_complete=columns,
        help="Only these: names, positions (3 or 3-7), globs (temp_*), /regex/, or !not; several "
        "with commas.  [default: all columns of numbers]",
    ),
    option(
        "--exclude",
        multiple=True,
        metavar="COLUMNS",
        shell_complete=columns,
        help="Leave these alone.",
    ),
)


def read_options(function: F) -> F:
    """The options of the input: those of all formats, and those that the formats declare."""
    from normcli.formats import options

    declared = [_declared(each) for each in options()]
    limits = [each for each in declared if each[0][-1].startswith("--max-")]
    return group(
        "Input",
        option("--from", "from_", metavar="FORMAT", shell_complete=formats, help=_formats),
        *(each for each in declared if each not in limits),
        option(
            "--on-inf",
            type=click.Choice(["error", "ignore"]),
            default="error",
            show_default=True,
            help="Infinite numbers: stop, or leave them out and as they are.",
        ),
        option(
            "--on-bad-row",
            type=click.Choice(["error", "skip"]),
            default="error",
            show_default=True,
            help="Rows with too many or too few cells, or text for a number: stop, or skip and "
            "tell.",
        ),
        *limits,
        option(
            "--max-columns",
            type=Whole(),
            default=1 << 15,
            metavar="N",
            help="Most columns of a table.  [default: 32768]",
        ),
        option(
            "--chunk-rows",
            type=Whole(),
            metavar="N",
            help="Rows worked on at a time.  [default: a few MB]",
        ),
    )(function)


def _declared(declared: Option[Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """An option that a format declares, for `group`."""
    names = [f"-{declared.letter}"] if declared.letter else []
    settings: dict[str, Any] = {"default": declared.default}
    match declared.default:
        case bool():
            settings["is_flag"] = True
        case int():
            settings["type"] = Whole(least=min(1, declared.default))
        case tuple():
            settings["multiple"] = True
    settings |= {"help": declared.help, "metavar": declared.metavar}
    return option(*names, f"--{declared.name}", **settings)


_max_sidecar = option(
    "--max-sidecar",
    type=Whole(),
    default=64 << 20,
    metavar="BYTES",
    help="Largest file of statistics that is read.  [default: 64 MiB]",
)

sidecar_options = group("Statistics", _max_sidecar)

stats_option = group(
    "Statistics",
    file_option("--stats", help="The statistics that fit has saved; - is stdin."),
    _max_sidecar,
)

save_option = group(
    "Statistics",
    file_option("--save-stats", help="Save the statistics of the input here."),
)


def output_file(default: str) -> Callable[[F], F]:
    """-o/--output of something that is no table."""
    return group(
        "Output",
        file_option("-o", "--output", help=f"Write here.  [default: {default}]"),
    )


output_options = group(
    "Output",
    file_option("-o", "--output", default="-", help="Write here.  [default: -, stdout]"),
    option(
        "--to",
        metavar="FORMAT",
        shell_complete=formats,
        help="Format of the output, as --from.  [default: its suffix, or as read]",
    ),
    option(
        "--output-dir",
        type=FILE,
        metavar="DIR",
        help="Write parts here, one for each fragment of INPUT: part-00000.csv, ...",
    ),
    option("--float32", is_flag=True, help="Write scaled numbers as float32."),
    option(
        "--precision",
        type=Whole(17),
        metavar="DIGITS",
        help="Significant digits of scaled numbers in text.  [default: all that matter]",
    ),
)

_quiet = option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
_verbose = option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Leave nothing out, and tell how inputs were read.",
)
report_options = group("Run", _quiet, _verbose)

run_options = group(
    "Run",
    option(
        "-j",
        "--jobs",
        type=Whole(),
        metavar="N",
        help="Worker processes for large text files.  [default: one a core]",
    ),
    file_option(
        "--json-summary",
        help="Write here, as JSON, what was done: rows, columns, cells of each kind, seconds.",
    ),
    _quiet,
    _verbose,
)

engine_options = group(
    "Run",
    option(
        "--engine",
        type=click.Choice(["local", "dask"]),
        default="local",
        show_default=True,
        help="Who does the work: processes on this machine, or the workers of a Dask cluster.",
    ),
    option(
        "--scheduler",
        metavar="ADDRESS",
        help="Of the Dask cluster, such as tcp://HOST:8786.  [default: one on this machine]",
    ),
    option(
        "--fragment-bytes",
        type=Whole(),
        metavar="BYTES",
        help="Size of the fragments in which large inputs are cut.  [default: 128 MiB]",
    ),
)

explain_option = group(
    "Run",
    option(
        "--explain",
        is_flag=True,
        help="Print what would be done to each column, and why, and write nothing else.",
    ),
)

table_options = group(
    "Output",
    option("--json", is_flag=True, help="For programs, with all digits."),
    option("--markdown", is_flag=True, help="A table for a page or an issue."),
)


def refuse_two_forms(values: Values) -> None:
    """Raise UsageError where a table is asked for in two forms."""
    if values["json"] and values["markdown"]:
        raise UsageError("--json and --markdown say two things; give one of them")


bare_option = group(
    "Output", option("-q", "--quiet", is_flag=True, help="Only the table: no heading, no pager.")
)


def _on(what: str, default: str, help_: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What a column that is not the same means for `check`."""
    kind = click.Choice(["fail", "tell"])
    return option(f"--on-{what}-column", type=kind, default=default, show_default=True, help=help_)


limit_options = group(
    "Limits (off: none)",
    option(
        "--max-out-of-range",
        type=Limit(),
        default="5%",
        show_default=True,
        metavar="SHARE",
        help="Of numbers outside the fitted minimum and maximum.",
    ),
    option(
        "--max-mean-shift",
        type=Limit(),
        default="0.5",
        show_default=True,
        metavar="STDS",
        help="Distance of the means in fitted standard deviations.",
    ),
    option(
        "--max-spread-ratio",
        type=Limit(1.0),
        default="2",
        show_default=True,
        metavar="RATIO",
        help="Of the standard deviations, the greater to the less.",
    ),
    option(
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


def read_options_of(values: Values) -> ReadOptions:
    """The options of the input."""
    return ReadOptions(
        _given(values),
        skip_bad_rows=values["on_bad_row"] == "skip",
        chunk_rows=values["chunk_rows"],
        max_columns=values["max_columns"],
    )


def _given(values: Values) -> dict[str, Any]:
    """The values of the options of formats that are not the default, by name."""
    from normcli.formats import options

    values_of = {each: values[each.name.replace("-", "_")] for each in options()}
    return {each.name: value for each, value in values_of.items() if value != each.default}


def refuse_unused_options(values: Values, sources: Sequence[Source]) -> None:
    """Raise UsageError for an option that the formats of input and output do not have."""
    from normcli import formats
    from normcli.storage.sources import split_suffix

    output = None
    if "to" in values:  # else the output is not a table
        suffix = split_suffix(values["output"] or "")[0]
        to = values["to"]
        output = formats.format_named(to) if to else formats.format_of_suffix(suffix)
    formats.refuse_unused_options(_given(values), sources, values["from_"], output)


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
    from normcli.engines.local import engine

    return engine(jobs_of(values))


def jobs_of(values: Values) -> int:
    """How many worker processes there are to be."""
    return values["jobs"] or len(os.sched_getaffinity(0))


def limits_of(values: Values) -> Limits:
    """What `check` lets pass."""
    from normcli.pipeline.check import Limits

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
