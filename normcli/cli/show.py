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


@click.command("show", cls=Command)
@opt.sidecars_argument("SIDECAR [SIDECAR]")
@opt.table_options
@opt.bare_option
@opt.sidecar_options
def command(sidecars: tuple[str, ...], **values: Any) -> None:
    """Show saved statistics as a table, or two of them and what changed.

    \b
    normcli show train.stats.json
    normcli show monday.stats.json tuesday.stats.json
    normcli show train.stats.json --json | jq '.columns[] | {column, mean}'

    The drawing shows where the mean and one standard deviation lie between min and max. A
    column is nearly empty where less than one cell in twenty has a number. What is longer
    than the screen goes through $PAGER. In a pipe there are no colours, and nothing is cut;
    --json has all digits.
    """
    from normcli.sidecar.read import load

    opt.refuse_two_forms(values)
    if len(sidecars) > 2:
        raise UsageError(f"show takes one sidecar or two, not {len(sidecars)}")
    found = [load(path, values["max_sidecar"]) for path in sidecars]
    if len(found) == 1:
        _show_one(sidecars[0], found[0], values)
    else:
        _show_two(sidecars, found, values)


def _show_one(path: str, statistics: Statistics, values: opt.Values) -> None:
    from normcli.views import screen, show

    if values["json"]:
        _write_json(show.as_json(path, statistics))
    elif values["markdown"]:
        screen.write_text("\n".join(screen.markdown(show.grid(statistics))) + "\n")
    else:
        quiet = values["quiet"]
        head = [] if quiet else [show.heading(path, statistics)]
        screen.write(show.grid(statistics), head, page=not quiet)


def _show_two(paths: tuple[str, ...], found: list[Statistics], values: opt.Values) -> None:
    from normcli.views import screen, show

    a, b = found
    notes = show.pair_notes(a, b)
    if values["json"]:
        _write_json(show.pair_json((paths[0], paths[1]), a, b))
    elif values["markdown"]:
        screen.write_text("\n".join(screen.markdown(show.pair_grid(a, b), notes)) + "\n")
    else:
        quiet = values["quiet"]
        heads = [show.heading(path, s) for path, s in zip(paths, found, strict=True)]
        sides = [[(f"{side} ", "bold"), *head] for side, head in zip("AB", heads, strict=True)]
        head, tail = ([], []) if quiet else (sides, notes)
        screen.write(show.pair_grid(a, b), head, tail, page=not quiet)


def _write_json(document: dict[str, Any]) -> None:
    from normcli.storage.outputs import output

    with output("-") as stream:
        stream.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2).encode())
        stream.write(b"\n")
