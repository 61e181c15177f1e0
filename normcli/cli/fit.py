"""``normcli fit``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.run import Run

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.methods.spelling import Asked
    from normcli.pipeline.summary import Summary
    from normcli.sidecar.model import Statistics
    from normcli.storage.sources import Source


@click.command("fit", cls=Command)
@opt.inputs_argument()
@opt.output_file("FILE.stats.json beside a single file, else stdout")
@mo.method_options(fits=True, keeps=False)
@opt.column_options
@opt.read_options
@opt.explain_option
@opt.engine_options
@opt.run_options
def command(inputs: tuple[str, ...], **values: Any) -> None:
    """Compute exact statistics of the columns of numbers, and save them.

    \b
    normcli fit train.csv               # writes train.stats.json
    zcat train.csv.gz | normcli fit -o s.json
    normcli fit 'part-*.parquet' -o s.json --method minmax --range -1 1

    Reads all inputs once: files, globs, directories of parts, or stdin. One fit serves every
    method: the method given here is what transform uses if it is told no other.
    """
    from normcli.sidecar.write import dumps
    from normcli.storage.outputs import output
    from normcli.storage.sources import sources
    from normcli.views import report
    from normcli.words import name

    fragmented = by_fragments.are_wanted(values, inputs or ("-",))
    found = sources(inputs or ("-",))
    target = values["output"] = values["output"] or _default_output(inputs)
    run, asked = Run(values, found), mo.methods_of(values)
    fit = _fit_fragments if fragmented else fit_sources
    if values["explain"]:
        _explain(*fit(found, asked, values, run))
        return
    with output(target, inputs=found) as stream:
        statistics, summary = fit(found, asked, values, run)
        stream.write(dumps(statistics))
    saved = [f"saved in {name(target)}"] if target != "-" else []
    columns = report.table(statistics, verbose=values["verbose"])
    run.report(summary, "fitted", columns, saved)


def fit_sources(
    found: Sequence[Source], asked: Asked, values: opt.Values, run: Run
) -> tuple[Statistics, Summary]:
    """The statistics of all sources, by the processes of this machine."""
    from normcli.formats import open_table
    from normcli.pipeline import Tables, fit

    read = opt.read_options_of(values)

    def opened() -> Iterator[Table]:
        return (bar.begin(s, open_table(s, read, values["from_"])) for s in found)

    if asked.passes > 1:
        for source in found:
            source.spooled()
    with run.bar("fitting") as bar:
        return fit(Tables(opened), opt.choice_of(values), asked, opt.engine_of(values), bar.summary)


def _fit_fragments(
    found: Sequence[Source], asked: Asked, values: opt.Values, run: Run
) -> tuple[Statistics, Summary]:
    with by_fragments.dask_of(values, run) as dask:
        assert dask, "fit works on fragments only where others do it"
        fragments = by_fragments.cut(found, opt.read_options_of(values), values, run, dask)
        return by_fragments.fit(fragments, asked, values, run, dask)


def _explain(statistics: Statistics, summary: Summary) -> None:
    from normcli.views import explain, screen

    screen.write(explain.fit(statistics, summary.left))


def _default_output(inputs: tuple[str, ...]) -> str:
    """``data.stats.json`` for ``data.csv.gz``; stdout where there is no single file."""
    from pathlib import Path

    from normcli.storage.sources import split_suffix

    if len(inputs) != 1 or not Path(inputs[0]).is_file():
        return "-"
    path = Path(inputs[0])
    suffix, compression = split_suffix(path.name)
    stem = path.with_suffix("") if compression else path
    return str(stem.with_suffix("") if suffix else stem) + ".stats.json"
