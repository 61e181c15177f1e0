"""``normcli merge``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from normcli import words
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.errors import DataError
from normcli.words import shown

MOST = 5  # columns that are told one by one

if TYPE_CHECKING:
    from normcli.sidecar.model import Statistics


@click.command("merge", cls=Command)
@opt.sidecars_argument("SIDECAR...")
@opt.output_file("-, stdout")
@opt.without_option
@opt.sidecar_options
@opt.report_options
def command(
    sidecars: tuple[str, ...],
    without: tuple[str, ...],
    output: str | None,
    max_sidecar: int,
    quiet: bool,
    verbose: bool,
) -> None:
    """Combine the statistics of parts into those of the whole, exactly.

    \b
    normcli merge monday.stats.json tuesday.stats.json -o week.stats.json
    normcli merge window.json day31.json --without day1.json -o window.json

    The result is, byte for byte, what fit writes for all the data at once. The order in which
    the parts are given, or merged before, does not matter. For quantiles, as of robust, the result
    is what fit --quantiles sketch writes: they stay exact where the sidecar has all the distinct
    numbers of a column, or only one part has numbers in it; else it tells what they are between.

    --without takes the rows of a part out again, so that the last thirty days need one sidecar a
    day and no second reading. Sums and counts are exact. If the part has the minimum or maximum of
    the whole, that is not known afterwards, unless the sidecar has all distinct numbers.
    """
    from normcli.sidecar.read import load
    from normcli.sidecar.write import dumps
    from normcli.storage import outputs
    from normcli.views import report, show

    target = output or "-"
    merged = _merged(sidecars, [load(path, max_sidecar) for path in sidecars])
    for path in without:
        merged = _without(merged, path, load(path, max_sidecar))
    with outputs.output(target) as stream:
        stream.write(dumps(merged, target))
    if not quiet:
        counts = f"{words.many(merged.rows, 'row')}, merged {words.many(len(sidecars), 'sidecar')}"
        counts += f", took out {words.many(len(without), 'sidecar')}" if without else ""
        saved = [f"saved in {words.name(target)}"] if target != "-" else []
        table = show.without_columns(merged) or report.table(merged, verbose=verbose)
        report.say([*table, *_doubts(merged, verbose=verbose), counts, *saved])


def _doubts(merged: Statistics, *, verbose: bool) -> list[str]:
    """What is not exact, and how it becomes so."""
    notes = {
        words.name(n): value.note()
        for n, column in merged.columns.items()
        for each in (column, *column.mapped.values())
        for value in each.values.values()
        if value.note()
    }
    told = [f"{n}: {note}" for n, note in list(notes.items())[: None if verbose else MOST]]
    more = [f"and {len(notes) - len(told)} more; -v shows all"] if len(told) < len(notes) else []
    return [*told, *more, "for exact quantiles, fit all files together"] if notes else []


def _without(merged: Statistics, path: str, part: Statistics) -> Statistics:
    try:
        return merged.without(part)
    except DataError as error:
        message = f"--without {shown(path)}: this is not a part of the whole: {error}"
        raise DataError(message) from error


def _merged(paths: Sequence[str], parts: Sequence[Statistics]) -> Statistics:
    """The statistics of the whole; raises DataError that names the first that does not fit."""
    merged, *rest = parts
    for path, part in zip(paths[1:], rest, strict=True):
        try:
            merged = merged.merge(part)
        except DataError as error:
            raise DataError(f"{shown(path)} and those before it: {error}") from error
    return merged
