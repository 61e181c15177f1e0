"""``normcli learn``."""

from __future__ import annotations

from sys import float_info
from typing import Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command, Number, entry, group
from normcli.cli.completion import columns


class Penalty(Number):
    """A number that is not negative."""

    words, least, most = "0 or a positive number", 0.0, float_info.max


@click.command("learn", cls=Command)
@opt.inputs_argument
@opt.stats_option
@group(
    "Learning",
    entry(
        "--target COLUMN",
        "The column that the others should explain: text is classes, numbers are numbers.",
        shell_complete=columns,
    ),
    entry("--classes", "Numbers in the target are classes too."),
    entry(
        "--l2 NUMBER",
        "Penalty on the squared coefficients, alpha of scikit-learn's Ridge.",
        type=Penalty(),
        default=1.0,
    ),
)
@opt.output_file("-, stdout")
@opt.data_options
def command(output: str | None, target: str, classes: bool, l2: float, **values: Any) -> None:
    """Learn gamma for the columns from a target, for --method batch --gamma @FILE.

    \b
    normcli learn train.csv --stats s.json --target species -o gamma.json
    normcli transform new.csv --stats s.json --method batch --gamma @gamma.json

    Gamma is the ridge coefficient of the standardized column, so that columns that say nothing
    about the target become small. This helps models that measure distances among many useless
    columns: on iris with 10 columns of noise, the accuracy of k nearest neighbours rises from 0.79
    to 0.97. It does not help where most columns are useful (breast cancer: 0.965 without, 0.946
    with gamma) or models such as linear ones and trees, which weigh the columns themselves.

    The inputs are one table, whose rows with a missing cell are left out. Columns are standardized
    by --stats, which is not changed; the root mean square of all gamma is 1, and that of a
    constant column 0. The result is the same, byte for byte, for any order of the rows.
    """
    from normcli.cli.learning import learn
    from normcli.cli.request import request_of
    from normcli.errors import UsageError

    request = request_of(values)
    if not target:
        raise UsageError("learn needs --target, the column that the others should explain")
    learn(request, output or "-", target, l2=l2, classes=classes)
