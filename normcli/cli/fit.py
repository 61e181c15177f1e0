"""``normcli fit``."""

from __future__ import annotations

from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command


@click.command("fit", cls=Command)
@opt.inputs_argument
@opt.output_file("FILE.stats.json beside a single file, else stdout")
@mo.method_options(fits=True, keeps=False)
@opt.share_option
@opt.by_options
@opt.row_options
@opt.daily_options
@opt.empty_option
@opt.data_options
@opt.engine_options
def command(output: str | None, update: str | None, each: bool, **values: Any) -> None:
    """Compute and save statistics of the numeric columns.

    \b
    normcli fit train.csv               # writes train.stats.json
    zcat train.csv.gz | normcli fit -o s.json
    normcli fit 'part-*.parquet' -o s.json --method minmax --range -1 1
    normcli fit today.csv --update s.json
    normcli fit 'day-*.csv' --each      # writes day-1.stats.json and so on

    Reads all inputs once: files, globs, directories of parts, or stdin. One fit serves every
    method: transform uses the method given here, unless it is given another.

    Day by day, --update adds new rows to statistics, exactly as if all had been fitted together.
    """
    from normcli.cli.fitting import fit
    from normcli.cli.request import request_of

    request = request_of(values)
    if update is not None or each:
        from normcli.cli import daily

        daily.refuse_conflicts(output, update, each=each, summary=request.reporting.json_summary)
        if update is not None:
            daily.update(request, update)
        else:
            daily.each(request, output)
        return
    target = output or default_output(request.inputs)
    fit(request, target, default=not output and target != "-")


def default_output(inputs: tuple[str, ...]) -> str:
    """``data.stats.json`` for ``data.csv.gz``; stdout unless there is a single file."""
    from pathlib import Path

    from normcli.storage.sources import split_suffix

    path = Path(inputs[0])
    if len(inputs) > 1 or inputs[0] == "-" or not path.is_file():
        return "-"
    suffix, compression = split_suffix(path.name)
    stem = path.with_suffix("") if compression else path
    return str(stem.with_suffix("") if suffix else stem) + ".stats.json"
