"""``normcli transform``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.scale import scale


@click.command("transform", cls=Command)
@opt.input_argument
@opt.stats_option
@opt.output_options
@opt.save_option
@mo.method_options()
@opt.column_options
@opt.read_options
@opt.explain_option
@opt.engine_options
@opt.run_options
def command(input_: str, **values: Any) -> None:
    """Scale columns by saved statistics; every other byte stays as it is.

    \b
    normcli transform test.csv --stats train.stats.json -o test.scaled.csv
    zcat new.csv.gz | normcli transform --stats train.stats.json > scaled.csv
    normcli transform new.csv --method batch --batch-size 256 --gamma 1.5

    Reads the input once and writes as it reads. Without --stats only batch normalization in
    training works: it takes the statistics of each batch. If it is not told which columns
    (--select), it then reads the input twice, to see which hold numbers only; a pipe is kept
    in a temporary file for that.
    """
    scale(input_, values)
