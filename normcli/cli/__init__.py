"""The command line: one file per command, which parses options and calls the library."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from normcli.cli.command import usage_in_words
from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

# The commands in the order of the work, and what each does. Here, and short, so that the list
# of them needs none of their modules and is cut on no terminal.
COMMANDS = {
    "fit": "Save exact statistics of the columns of numbers.",
    "transform": "Scale columns by saved statistics.",
    "fit-transform": "Compute the statistics of a table and scale it by them.",
    "inverse": "Bring scaled columns back to their original units.",
    "merge": "Join the statistics of parts into those of the whole.",
    "show": "Show statistics as a table, or what changed in them.",
    "check": "Tell whether data fit saved statistics.",
    "completion": "Print completions for bash, zsh or fish.",
}


class Commands(click.Group):
    """The commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"normcli.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; where a shell asks for completions, give them in our way."""
        if "_NORMCLI_COMPLETE" in os.environ:
            importlib.import_module("normcli.cli.completion")  # adds what bash lacks
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments up to the command, --help included."""
        with _quietly():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the command; raises UsageError."""
        if not args:
            return super().parse_args(ctx, args)  # which shows the help
        with usage_in_words(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _quietly():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; raises UsageError with the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(
                f"no command {printable(args[0])}.{did_you_mean(args[0], COMMANDS)} "
                "See normcli --help"
            )
        return super().resolve_command(ctx, args)


@contextmanager
def _quietly() -> Iterator[None]:
    """Whoever stops reading our output ends the program; click would make it exit code 1."""
    try:
        yield
    except BrokenPipeError:
        # Python flushes stdout at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise click.exceptions.Exit(0) from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="normcli", message="%(prog)s %(version)s")
def normcli() -> None:
    """Scale the numeric columns of tables: fit once, apply anywhere, leave the rest alone.

    \b
    normcli fit train.csv                   # writes train.stats.json
    normcli transform test.csv --stats train.stats.json -o test.scaled.csv
    zcat new.csv.gz | normcli transform --stats train.stats.json > scaled.csv

    Data goes to stdout, words to stderr; - is stdin or stdout. Exit codes: 0 done, 1 data or
    I/O error, 2 usage, 3 check found that data do not fit, 130 interrupted.
    """
