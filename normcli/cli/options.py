"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from normcli.cli.command import FILE, F, Limit, Whole, argument, file_option, group, option
from normcli.cli.completion import columns, formats
from normcli.errors import UsageError
from normcli.formats.base import ReadOptions, Style

if TYPE_CHECKING:
    from normcli.engines.local import Engine
    from normcli.pipeline import Choice
    from normcli.pipeline.check import Limits

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


def _null() -> str:
    from normcli.formats.texts.read import NULL

    return (
        "A text that marks a missing value, as the empty cell always does; repeatable, "
        f"instead of the default: {', '.join(NULL[1:])}"
    )


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

read_options = group(
    "Input",
    option(
        "--from",
        "from_",
        metavar="FORMAT",
        shell_complete=formats,
        help=_formats,
    ),
    option("-d", "--delimiter", metavar="CHAR", help="Between CSV cells.  [default: ,]"),
    option("-t", "--tabs", is_flag=True, help="Cells are separated by tabs."),
    option("--no-header", is_flag=True, help="No header line: columns are 1, 2, ..."),
    option(
        "--null",
        multiple=True,
        metavar="TOKEN",
        help=_null,
    ),
    option("--comment", metavar="CHAR", help="Lines that start so are no rows."),
    option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="Of CSV text."),
    option(
        "--decimal",
        default=".",
        show_default=True,
        metavar="CHAR",
        help="Decimal mark in CSV: . or ,",
    ),
    option("--no-quoting", is_flag=True, help="Quotes are characters like all others."),
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
        help="Rows with too many or too few cells, or text for a number: stop, or skip and tell.",
    ),
    option(
        "--max-record-bytes",
        type=Whole(),
        default=64 << 20,
        metavar="BYTES",
        help="Longest record of a text file.  [default: 64 MiB]",
    ),
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
)

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
        max_columns=values["max_columns"],
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
