"""``normcli show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.sidecar.model import Statistics
    from normcli.views.screen import Line


@click.command("show", cls=Command)
@opt.sidecars_argument("SIDECAR [SIDECAR]")
@opt.table_options
@opt.bare_option
@opt.sidecar_options
def command(sidecars: tuple[str, ...], max_sidecar: int, quiet: bool, **values: Any) -> None:
    """Show saved statistics as a table, or two of them and their differences.

    \b
    normcli show train.stats.json
    normcli show monday.stats.json tuesday.stats.json
    normcli show train.stats.json --json | jq '.columns[] | {column, mean}'

    The drawing shows where the mean and one standard deviation lie between min and max. A
    column is called nearly empty if fewer than one cell in twenty has a number. Output that is
    longer than the screen goes through $PAGER. In a pipe there are no colours, and nothing is
    cut; --json has all digits.
    """
    from normcli.sidecar.read import load
    from normcli.storage.outputs import output
    from normcli.views import groups, screen, show

    form = opt.form_of(values)
    if len(sidecars) > 2:
        raise UsageError(f"show takes one sidecar or two, not {len(sidecars)}")
    found = [load(path, max_sidecar) for path in sidecars]
    if target := values["html"]:
        _write_page(target, sidecars, found)
        return
    if form == "json":
        document = json.dumps(_document(sidecars, found), ensure_ascii=False, indent=2)
        with output("-") as stream:
            stream.write(f"{document}\n".encode())
        return
    pair = len(found) == 2
    grid = show.pair_grid(*found) if pair else show.grid(found[0])
    notes = show.pair_notes(*found) if pair else groups.notes(found[0])
    notes = show.without_columns(*found) or notes
    if form == "markdown":
        screen.write_text("\n".join(screen.markdown(grid, notes)) + "\n")
    elif quiet:
        screen.write(grid)
    else:
        screen.write(grid, _head(sidecars, found), notes, page=True)


def _write_page(target: str, paths: tuple[str, ...], found: list[Statistics]) -> None:
    """The page of one sidecar; raises UsageError for two, or where it would replace one."""
    from normcli.storage.outputs import refuse_replacing, write_atomic
    from normcli.storage.sources import sources
    from normcli.views import page, show
    from normcli.words import shown

    if len(found) > 1:
        raise UsageError("--html shows one sidecar; for what has changed, use check --html")
    refuse_replacing({"--html": target}, sources(paths))
    head = "".join(text for text, _ in show.heading("", found[0])).lstrip("': ")
    title = f"Statistics in {shown(paths[0])}"
    write_atomic(target, page.of_statistics(title, head, show.grid(found[0]), found[0]).encode())


def _document(paths: tuple[str, ...], found: list[Statistics]) -> dict[str, Any]:
    """One sidecar, or two, for programs."""
    from normcli.views import show

    if len(found) == 1:
        return show.as_json(paths[0], found[0])
    return show.pair_json((paths[0], paths[1]), *found)


def _head(paths: tuple[str, ...], found: list[Statistics]) -> list[Line]:
    """What stands above the table: a line for each sidecar."""
    from normcli.views import show

    heads = [show.heading(path, each) for path, each in zip(paths, found, strict=True)]
    if len(heads) == 1:
        return heads
    return [[(f"{side} ", "bold"), *head] for side, head in zip("AB", heads, strict=True)]
