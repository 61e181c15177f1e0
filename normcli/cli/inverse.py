"""``normcli inverse``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("inverse", cls=Command)
@opt.input_argument
@opt.stats_option
@opt.output_options
@opt.integers_option
@opt.as_option
@mo.method_options(inverts=True)
@opt.unseen_options
@opt.data_options
@opt.engine_options
def command(**values: Any) -> None:
    """Convert scaled columns back to their original units.

    \b
    normcli inverse scaled.csv --stats train.stats.json -o original.csv
    cat predictions.csv | normcli inverse --stats train.stats.json --select price

    Give the method and options that transform was given. The input need not have all columns
    of the statistics. If all fitted numbers of a column were whole, so are those that are
    restored; results that were not whole before, such as predictions, keep their fractions.
    """
    from normcli.cli.request import request_of
    from normcli.cli.scale import scale

    scale(request_of(values), inverse=True)
