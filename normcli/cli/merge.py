"""``normcli merge``."""

from __future__ import annotations

from functools import reduce
from typing import Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("merge", cls=Command)
@opt.sidecars_argument("SIDECAR...")
@opt.output_file("-, stdout")
@opt.sidecar_options
@opt.report_options
def command(sidecars: tuple[str, ...], **values: Any) -> None:
    """Join the statistics of parts into those of the whole, exactly.

    \b
    normcli merge monday.stats.json tuesday.stats.json -o week.stats.json

    The result is, byte for byte, what fit gives for all the data at once, in whatever order
    and grouping the parts are merged.
    """
    from normcli import report
    from normcli.files import output
    from normcli.model import Statistics
    from normcli.sidecar import dumps, load

    merged = reduce(Statistics.merge, [load(path, values["max_sidecar"]) for path in sidecars])
    with output(values["output"] or "-") as stream:
        stream.write(dumps(merged))
    if not values["quiet"]:
        counts = (
            f"{report.many(merged.rows, 'row')}, merged {report.many(len(sidecars), 'sidecar')}"
        )
        target = values["output"] or "-"
        saved = [f"saved in {report.name(target)}"] if target != "-" else []
        report.say([*report.table(merged, verbose=values["verbose"]), counts, *saved])
