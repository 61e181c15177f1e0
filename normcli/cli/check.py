"""``normcli check``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("check", cls=Command)
@opt.inputs_argument
@opt.stats_option
@opt.check_group_option
@opt.limit_options
@opt.table_options
@opt.data_options
def command(**values: Any) -> int:
    """Check whether data fit saved statistics: exit code 0 if they do, 3 if not.

    \b
    normcli check new.csv --stats train.stats.json
    normcli check -q new.csv --stats s.json --max-mean-shift 0.2 || echo drift
    normcli check today.stats.json --stats train.stats.json

    Compares, column by column: which are missing, new or no longer numeric, the share of
    numbers outside the fitted range, the mean, the spread, and the share of missing cells.
    Reads the inputs, which are one table, once. An input that is itself a sidecar is compared
    without its data; only the share out of range that its min and max prove is known then.
    -q prints nothing; see the exit code.
    """
    from normcli.cli.checking import check, limits_of
    from normcli.cli.request import request_of

    limits, form = limits_of(values), opt.form_of(values)
    by_group, html = values["by_group"], values["html"]
    return check(request_of(values), limits, form, by_group=by_group, html=html)
