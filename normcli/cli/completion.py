"""``normcli completion``, and what the shells complete."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from normcli.cli.command import Command

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

SHELLS = ("bash", "zsh", "fish")

# Fixes of click's scripts. bash splits words at = and : too, and replaces only such a part, so
# `Bash` gets the whole line and that part; its answers are not patterns, and keep backslashes.
# zsh has compdef only after compinit, which not every ~/.zshrc runs. In fish only the first comma
# separates the kind of a word from the word and its description.
ZSH_STARTS = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"
FIXES = {
    'COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD': (
        'COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORD="${COMP_WORDS[COMP_CWORD]}"'
    ),
    "read type value": "read -r type value",
    "COMPREPLY+=($value)": 'COMPREPLY+=("$value")',
    "    compdef ": f"    {ZSH_STARTS}\n    compdef ",
    "(string split ": "(string split -m 1 ",
}


class Bash(BashComplete):
    """Completion in bash of words with blanks, quotes, = and : in them."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that it stands in."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        starts = split_arg_string(f"{line}x") == [*words, "x"]
        incomplete = "" if starts else words.pop()
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """What takes the place of `COMP_WORD`, quoted as that is."""
        items = super().get_completions(args, incomplete)
        word = os.environ["COMP_WORD"]
        if word.startswith(("'", '"')):
            return items
        before = incomplete.removesuffix("".join(split_arg_string(word.lstrip("=:"))))
        for item in items:
            if item.type == "plain":
                rest = str(item.value).removeprefix(before)
                item.value = re.sub(r"([^\w@%+,./~-])", r"\\\1", rest)
        return items


add_completion_class(Bash)


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell: commands, options, and the columns of --stats.

    \b
    eval "$(normcli completion bash)"               # in ~/.bashrc
    eval "$(normcli completion zsh)"                # in ~/.zshrc
    normcli completion fish > ~/.config/fish/completions/normcli.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(ctx.find_root().command, {}, "normcli", "_NORMCLI_COMPLETE").source()
    for wrong, right in FIXES.items():
        source = source.replace(wrong, right)
    click.echo(source)


def columns(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The columns of --stats whose names begin with what was typed, after commas too."""
    from normcli.errors import NormcliError
    from normcli.sidecar.read import load

    path = ctx.params.get("stats")
    if not path or path == "-":
        return []
    try:
        names = list(load(path).columns)
    except NormcliError:
        return []  # the command will say what is wrong
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name) for name in names if name.startswith(last)]


def among(names: Callable[[], Iterable[str]]) -> Completer:
    """Completes one of some names."""
    return lambda ctx, parameter, incomplete: [
        CompletionItem(name) for name in names() if name.startswith(incomplete)
    ]


def column_methods(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The columns that begin with what was typed; after ``COLUMN=`` the methods."""
    from normcli.methods import methods

    column, equals, method = incomplete.partition("=")
    if not equals:
        return columns(ctx, parameter, incomplete)
    found = among(methods)(ctx, parameter, method)
    return [CompletionItem(f"{column}={each.value}") for each in found]
