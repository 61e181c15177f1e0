"""The reference of all commands: what each says with ``--help``, and the formats."""

from __future__ import annotations

from collections.abc import Iterator

import click

from normcli.cli import COMMANDS, normcli
from normcli.cli.methods import described
from normcli.formats import formats
from normcli.methods import methods as all_methods
from normcli.storage.compression import SUFFIXES
from normcli.views import screen
from tools.sessions import ROOT

PAGE = ROOT / "docs" / "reference.md"
WIDTH = 88

HEAD = """\
# Reference

What every command says with `--help`. This page is made by `python -m tools`, from the program.
"""

FORMATS = """
The first bytes of an input decide where they are sure, then its suffix, then it is CSV. An output
has the format of its suffix, else that of the input. A further suffix ({compressions})
compresses the output; by what an input is compressed is seen from its first bytes.
"""

TAIL = """\
## Exit codes

| code | means |
|---|---|
| 0 | done; for `check`, the data fit. Also where the reader of a pipe has seen enough |
| 1 | the data, a file or the system stands in the way: stderr says what, where, what to try |
| 2 | the command makes no sense |
| 3 | `check` ran, and the data do not fit |
| 130 | interrupted with Ctrl-C |

A destination holds its old content or the complete new one, whatever the exit code.

## Environment

| variable | means |
|---|---|
| `NO_COLOR` | no colours |
| `PAGER` | shows what is longer than the screen. `cat` or nothing: no pager; not set: `less` |
| `COLUMNS` | the width of the terminal, instead of what it says itself |
| `NORMCLI_TRACEBACK` | if it is set, a bug shows where it is |
"""


def page() -> str:
    """The reference as Markdown."""
    return "\n".join([HEAD, *_commands(), *_methods(), *_formats(), TAIL])


def _commands() -> Iterator[str]:
    context = click.Context(normcli, info_name="normcli", terminal_width=WIDTH)
    yield _section("normcli", normcli.get_help(_context(normcli, "normcli")))
    for name in COMMANDS:
        command = normcli.get_command(context, name)
        assert command is not None
        yield _section(f"normcli {name}", command.get_help(_context(command, name, context)))


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    settings = {"help_option_names": ["--help"], "terminal_width": WIDTH}
    return click.Context(command, parent, name, **settings)  # type: ignore[arg-type]


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```\n"


def _methods() -> Iterator[str]:
    yield "## Methods\n"
    for method in all_methods().values():
        yield "\n".join(screen.markdown(described(method))) + "\n"


def _formats() -> Iterator[str]:
    yield "## Formats\n"
    yield "| `--from`, `--to` | suffixes |\n|---|---|"
    for name, each in formats().items():
        yield f"| `{name}` | {' '.join(f'`{suffix}`' for suffix in each.suffixes)} |"
    compressions = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
    yield FORMATS.format(compressions=compressions)
