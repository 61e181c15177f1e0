"""``normcli transform``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("transform", cls=Command)
@opt.input_argument
@opt.stats_option
@opt.output_options
@opt.as_option
@opt.save_option
@mo.method_options()
@opt.unseen_options
@opt.data_options
@opt.engine_options
def command(**values: Any) -> None:
    """Scale columns with saved statistics; every other byte stays as it is.

    \b
    normcli transform test.csv --stats train.stats.json -o test.scaled.csv
    zcat new.csv.gz | normcli transform --stats train.stats.json > scaled.csv
    normcli transform new.csv --method batch --batch-size 256 --gamma 1.5

    Reads the input once, and writes while it reads. Methods that need no fit work without
    --stats: maps such as log1p, numbers given by hand, and batch normalization in training
    mode. Unless --select or --column names the columns, the input is then read twice, to find
    the numeric ones; a pipe is copied to a temporary file for that.
    """
    from normcli.cli.request import request_of
    from normcli.cli.scale import scale

    scale(request_of(values))
