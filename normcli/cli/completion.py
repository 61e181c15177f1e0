"""``normcli completion``, and the words that are completed."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from normcli.cli.command import Command

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print completions for a shell: commands, options, and columns of --stats.

    \b
    eval "$(normcli completion bash)"               # in ~/.bashrc
    eval "$(normcli completion zsh)"                # in ~/.zshrc
    normcli completion fish > ~/.config/fish/completions/normcli.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "normcli", "_NORMCLI_COMPLETE").source())


def columns(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The columns of the statistics on the command line that begin so."""
    from normcli.errors import NormcliError
    from normcli.sidecar import load

    path = ctx.params.get("stats")
    if not path or path == "-":
        return []
    try:
        names = list(load(path).columns)
    except NormcliError:
        return []  # what is wrong is told when the command runs
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
