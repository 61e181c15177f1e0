"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from normcli.cli.command import Entry, F, Whole, argument, entry, group
from normcli.cli.completion import among, columns
from normcli.errors import UsageError
from normcli.formats import formats, options
from normcli.formats.base import ReadOptions

if TYPE_CHECKING:
    from normcli.formats.base import Option

Values = dict[str, Any]  # the options of a command, as click has parsed them


input_argument = argument(
    "inputs",
    "[INPUT]",
    "A file, or - for stdin; with --output-dir also a directory of parts, or a glob.  [default: -]",
    nargs=-1,
)
inputs_argument = argument(
    "inputs",
    "[INPUT]...",
    "A file, a directory of parts, a glob, or - for stdin; several are one table.  [default: -]",
    nargs=-1,
)


def sidecars_argument(metavar: str) -> Callable[[F], F]:
    """All sidecars."""
    help_ = "Statistics that fit has saved, or - for stdin."
    return argument("sidecars", metavar, help_, nargs=-1, required=True)


column_options = group(
    "Columns",
    entry(
        "-s, --select COLUMNS",
        "Use only these columns: names, positions (3 or 3-7), globs (temp_*), /regex/, or !NAME "
        "for all but one; several with commas; in JSON a.b, the number b in the object a.  "
        "[default: all numeric columns]",
        multiple=True,
        shell_complete=columns,
    ),
    entry(
        "--exclude COLUMNS",
        "Leave these columns as they are.",
        multiple=True,
        shell_complete=columns,
    ),
)


def read_options(function: F) -> F:
    """The options of the input: those of all formats, and those that the formats declare."""
    declared = [_declared(each) for each in options()]
    limits = [each for each in declared if each[0][-1].startswith("--max-")]
    return group(
        "Input",
        entry(
            "from_ --from FORMAT",
            f"Format of the input: {', '.join(formats())}.  "
            "[default: by its first bytes, or its suffix]",
            shell_complete=among(formats),
        ),
        *(each for each in declared if each not in limits),
        entry(
            "--on-inf [error|ignore]",
            "Infinite numbers: stop, or leave them out and as they are.",
            default="error",
        ),
        entry(
            "--on-bad-row [error|skip|keep]",
            "Rows with too many or too few cells, or text for a number: stop, or skip and tell; "
            "keep those with too many or too few cells as they are.",
            default="error",
        ),
        entry(
            "--max-bad-rows N|P%|off",
            "Fail if more rows than this are skipped as bad.  "
            "[default: more than 10, and more than 1%]",
        ),
        *limits,
        entry("--max-columns N", "Most columns of a table.  [default: 32768]", default=1 << 15),
        entry("--chunk-rows N", "Rows worked on at a time.  [default: a few MB]"),
    )(function)


def _declared(declared: Option[Any]) -> Entry:
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
    return (*names, f"--{declared.name}"), settings


daily_options = group(
    "Statistics",
    entry(
        "--update FILE",
        "Add the rows to the statistics in this file, whose methods and options are used. It is "
        "made if it is not there.",
    ),
    entry(
        "--each",
        "Fit each input by itself: NAME.stats.json beside it, or in the directory of --output.",
    ),
)
without_option = group(
    "Statistics",
    entry(
        "--without SIDECAR",
        "Take the rows of this part out of the statistics again.",
        multiple=True,
    ),
)
_max_sidecar = entry(
    "--max-sidecar BYTES",
    "Refuse larger files of statistics.  [default: 64 MiB]",
    default=64 << 20,
)
sidecar_options = group("Statistics", _max_sidecar)
stats_option = group(
    "Statistics",
    entry("--stats FILE", "Use the statistics that fit has saved in this file; - is stdin."),
    _max_sidecar,
)
save_option = group(
    "Statistics", entry("--save-stats FILE", "Save the statistics of the input in this file.")
)


share_option = group(
    "Method",
    entry(
        "--share NAMES",
        "Give these columns one scale together: names and globs separated by commas, such as q*.",
        multiple=True,
        shell_complete=columns,
    ),
)
by_options = group(
    "Groups",
    entry(
        "--by KEY[,KEY]",
        "Compute statistics for each group of rows with the same text in these columns, and for "
        "all rows.",
        multiple=True,
        shell_complete=columns,
    ),
    entry("--max-groups N", "Stop where there are more groups.", default=1_000_000),
)
row_options = group(
    "Rows",
    entry(
        "--weight COLUMN", "Weigh each row by the number in this column.", shell_complete=columns
    ),
    entry(
        "--weight-kind [frequency|reliability]",
        "What weights are: how often each row occurs, or how much it counts. They differ only in "
        "--ddof 1 and in quantiles.",
        default="reliability",
    ),
    entry(
        "--where CONDITION",
        "Compute statistics of these rows only, such as \"split == 'train' and age >= 18\".",
    ),
)
check_group_option = group(
    "Groups",
    entry("--by-group", "Compare each group, too, where the statistics are by groups."),
)
unseen_options = group(
    "Groups",
    entry(
        "--unseen [error|global|keep|null]",
        "Rows of a group that the statistics do not have: stop, scale them by the statistics of "
        "all rows, leave them as they are, or make their numbers missing.",
        default="error",
    ),
    entry(
        "--min-group N",
        "Treat groups that were fitted on fewer rows as unseen.  [default: 1]",
        default=1,
    ),
)


def output_file(default: str) -> Callable[[F], F]:
    """-o/--output of something that is not a table."""
    help_ = f"Write to this file; - is stdout.  [default: {default}]"
    return group("Output", entry("-o, --output FILE", help_))


output_options = group(
    "Output",
    entry("-o, --output FILE", "Write to this file; - is stdout.  [default: -]"),
    entry(
        "--to FORMAT",
        "Format of the output; see --from.  [default: by its suffix, else as the input]",
        shell_complete=among(formats),
    ),
    entry(
        "--output-dir DIR",
        "Write parts to this directory, one for each fragment of the input: part-00000.csv, "
        "part-00001.csv and so on.",
    ),
    entry(
        "--suffix TEXT",
        "Leave the columns as they are, and add the scaled ones, with this at the end of their "
        "names, such as _z; inverse restores those.",
        default="",
    ),
    entry("--float32", "Round scaled numbers to float32."),
    entry(
        "--precision DIGITS",
        "Significant digits of scaled numbers in text.  [default: as many as are needed]",
    ),
)

as_option = group(
    "Columns",
    entry(
        "as_ --as COLUMN=FITTED",
        "Use the statistics of another column, as in y_pred=price.",
        multiple=True,
    ),
)

integers_option = group(
    "Output",
    entry(
        "--integers",
        "Round all results to whole numbers, which Parquet and Arrow store as int64.",
    ),
)

_messages = (
    entry("-q, --quiet", "Print errors only."),
    entry("-v, --verbose", "Report all columns, and how the inputs were read."),
)
empty_option = group(
    "Input",
    entry("--allow-empty", "Fit a table that has no number, or no row, which is an error else."),
)
report_options = group("Run", *_messages)
run_options = group(
    "Run",
    entry("--explain", "Print what would be done to each column, and why, and stop."),
    entry(
        "-j, --jobs N",
        "Number of worker processes for large text files.  [default: one per core]",
    ),
    entry("--json-summary FILE", "Write a report on the run to this file, as JSON."),
    *_messages,
)


def data_options(function: F) -> F:
    """The options of all commands that read tables."""
    return column_options(read_options(run_options(function)))


engine_options = group(
    "Run",
    entry(
        "--engine [local|dask]",
        "Work with processes on this machine, or with the workers of a Dask cluster.",
        default="local",
    ),
    entry(
        "--scheduler ADDRESS",
        "Address of the Dask cluster, such as tcp://HOST:8786.  [default: start one here]",
    ),
    entry(
        "--fragment-bytes BYTES",
        "Size of the fragments that large inputs are cut into.  [default: 128 MiB]",
    ),
)

table_options = group(
    "Output",
    entry("--json", "Print JSON, for programs, with all digits."),
    entry("--markdown", "Print a Markdown table, for a page or an issue."),
    entry(
        "--html FILE",
        "Write a page to this file, with pictures of the distributions; it needs no network.",
    ),
)
bare_option = group("Output", entry("-q, --quiet", "Print only the table, without a pager."))

limit_options = group(
    "Limits (off: no limit)",
    entry(
        "--max-out-of-range SHARE",
        "Largest share of numbers outside the fitted minimum and maximum.",
        default="5%",
    ),
    entry(
        "--max-mean-shift STDS",
        "Largest distance between the means, in fitted standard deviations.",
        default="0.5",
    ),
    entry(
        "--max-spread-ratio RATIO",
        "Largest ratio of the standard deviations, the greater to the smaller.",
        default="2",
    ),
    entry(
        "--max-missing-change SHARE",
        "Largest difference between the shares of missing cells.",
        default="5%",
    ),
    entry(
        "--max-psi INDEX",
        "Largest population stability index over the fitted deciles, where the statistics have "
        "cells.",
        default="0.25",
    ),
    entry(
        "--max-cdf-difference SHARE",
        "Largest difference of the cumulative distributions, where the statistics have cells.",
        default="off",
    ),
    entry(
        "--on-missing-column [fail|tell]",
        "A column of the statistics that the data do not have: fail, or only report it.",
        default="fail",
    ),
    entry(
        "--on-retyped-column [fail|tell]",
        "A numeric column that has other cells now: fail, or only report it.",
        default="fail",
    ),
    entry(
        "--on-extra-column [fail|tell]",
        "A numeric column that the statistics do not have: fail, or only report it.",
        default="tell",
    ),
)


def form_of(values: Values) -> Literal["json", "markdown", "table"]:
    """How a table is printed."""
    if values["json"] and values["markdown"]:
        raise UsageError(either("--json", "--markdown"))
    return "json" if values["json"] else "markdown" if values["markdown"] else "table"


def either(one: str, other: str) -> str:
    """The message for two options that were both given."""
    return f"{one} and {other} exclude each other; give one of them"


def read_options_of(values: Values) -> ReadOptions:
    """The options of the input; of those of formats, the ones that are not the default."""
    declared = [(each, values[each.name.replace("-", "_")]) for each in options()]
    return ReadOptions(
        {each.name: value for each, value in declared if value != each.default},
        skip_bad_rows=values["on_bad_row"] == "skip",
        keep_bad_rows=values["on_bad_row"] == "keep",
        chunk_rows=values["chunk_rows"],
        max_columns=values["max_columns"],
    )
