"""The command line: a file for each command, which parses options and calls the library."""

from __future__ import annotations

import importlib

import click

from normcli.cli.command import Helpful
from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

# The commands in the order of the work, and what each does: here, so that the list of them
# needs none of their modules, and short, so that it fits every terminal.
COMMANDS = {
    "fit": "Compute and save statistics of the numeric columns.",
    "transform": "Scale columns with saved statistics.",
    "fit-transform": "Compute the statistics of a table and scale it with them.",
    "inverse": "Convert scaled columns back to their original units.",
    "merge": "Combine the statistics of parts into those of the whole.",
    "show": "Show statistics as a table, or compare two of them.",
    "check": "Check whether data fit saved statistics.",
    "export": "Write what statistics do for SQL, Python, JavaScript and others.",
    "import": "Bring the numbers of another program into a file of statistics.",
    "learn": "Learn gamma for the columns from a target.",
    "methods": "List the methods, or describe one of them.",
    "completion": "Print a completion script for bash, zsh or fish.",
}
# The options that -h shows; other commands have so few that it shows all of them.
COMMON = {
    "fit": "output method column range select exclude delimiter no_header null on_bad_row explain "
    "quiet",
    "transform": "stats output method select exclude delimiter null out_of_range precision "
    "output_dir explain quiet",
    "fit-transform": "output save_stats method column range select exclude delimiter null "
    "precision explain quiet",
    "inverse": "stats output method select exclude delimiter no_header null precision "
    "output_dir explain quiet",
    "export": "to dialect verify tolerance_ulp output method out_of_range select exclude delimiter "
    "null quiet",
    "learn": "stats target classes l2 output select exclude delimiter null on_inf explain quiet",
    "check": "stats max_out_of_range max_mean_shift max_spread_ratio max_missing_change select "
    "exclude delimiter null json explain quiet",
}


class Commands(Helpful, click.Group):
    """The commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
        module = importlib.import_module(f"normcli.cli.{name}")
        command: Helpful = module.command
        command.common = COMMON.get(cmd_name, "").split()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_common(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what -h lists: the commands."""
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; raises UsageError with the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(
                f"no command {printable(args[0])}.{did_you_mean(args[0], COMMANDS, familiar=True)} "
                "See normcli --help"
            )
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    """Print the version, and what reads text here."""
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    from normcli.kernel import library

    reader = "the compiled kernel" if library() else "NumPy"
    click.echo(f"normcli {version('normcli')}\nPlain CSV is read and written by {reader}.")
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and what reads and writes plain CSV, and exit.",
)
def normcli() -> None:
    """Scale the numeric columns of tables: fit once, apply anywhere, keep all else as it is.

    \b
    normcli fit train.csv                   # writes train.stats.json
    normcli transform test.csv --stats train.stats.json -o test.scaled.csv
    zcat new.csv.gz | normcli transform --stats train.stats.json > scaled.csv

    Data goes to stdout, messages to stderr; - is stdin or stdout. Exit codes: 0 success, 1 data
    or I/O error, 2 usage error, 3 check found data that do not fit, 130 interrupted.
    """
