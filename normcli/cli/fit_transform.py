"""``normcli fit-transform``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("fit-transform", cls=Command)
@opt.input_argument
@opt.output_options
@opt.save_option
@mo.method_options(keeps=False)
@opt.share_option
@opt.by_options
@opt.row_options
@opt.unseen_options
@opt.empty_option
@opt.data_options
@opt.engine_options
def command(**values: Any) -> None:
    """Compute the statistics of a table and scale it with them.

    \b
    normcli fit-transform data.csv -o scaled.csv --save-stats data.stats.json
    normcli fit-transform data.parquet --method minmax --range -1 1 -o out.parquet
    cat data.csv | normcli fit-transform > scaled.csv

    Reads the input twice; a pipe is copied to a temporary file for that.
    """
    from normcli.cli.request import request_of
    from normcli.cli.scale import fit_and_scale

    fit_and_scale(request_of(values))
