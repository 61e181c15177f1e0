"""``normcli check``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.options import Values
from normcli.cli.request import form_of, request_of
from normcli.cli.run import Run
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.pipeline.check import Limits, Verdict
    from normcli.sidecar.model import Statistics

FAILED = 3  # exit code


@click.command("check", cls=Command)
@opt.inputs_argument("; or one sidecar")
@opt.stats_option
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
    from normcli.storage.sources import sources

    form, limits, request = form_of(values), _limits(values), request_of(values)
    if not request.stats:
        raise UsageError(
            "check needs --stats, a file that fit writes: normcli fit train.csv -o s.json"
        )
    found, statistics = sources(request.inputs), request.statistics()
    assert statistics is not None
    silent = request.telling.quiet and form == "table"
    run = Run(request, found, {} if silent else {"the verdict": "-"})
    if request.telling.explain:
        _explain(run, statistics, limits)
        return 0
    verdict = _verdict(run, statistics, limits)
    if not silent:
        _write(verdict, form, ", ".join(source.name for source in found[:3]), request.stats)
    return 0 if verdict.fits else FAILED


def _limits(values: Values) -> Limits:
    from normcli.pipeline.check import Limits

    shares = ("out_of_range", "mean_shift", "spread_ratio", "missing_change")
    kinds = ("missing", "extra", "retyped")
    passes = {f"{kind}_column": values[f"on_{kind}_column"] == "tell" for kind in kinds}
    return Limits(**{name: values[f"max_{name}"] for name in shares}, **passes)


def _verdict(run: Run, statistics: Statistics, limits: Limits) -> Verdict:
    from normcli.pipeline.check import check, compare

    request = run.request
    choice, reading = request.choice, request.reading
    if (sidecar := _sidecar(run)) is not None:
        return compare(sidecar, statistics, choice, limits)
    with run.bar("checking") as bar:
        tables = (bar.begin(source, reading.open(source)) for source in run.sources)
        verdict = check(tables, statistics, choice, limits, request.work.engine(), bar.summary)
    if request.telling.verbose:
        run.report(bar.summary, "compared")
    else:
        run.finish(bar.summary)
    return verdict


def _sidecar(run: Run) -> Statistics | None:
    """The statistics that the input is, by --from or by its first bytes; None for a table."""
    from normcli.sidecar.read import loads

    source, limit = run.sources[0], run.request.max_sidecar
    begins = re.compile(rb'\s*{\s*"normcli":\s*\d+\s*,')  # as no table does
    if (run.request.reading.format or "sidecar") != "sidecar":
        return None
    if run.request.reading.format is None and not begins.match(source.head(64)):
        return None
    if len(run.sources) > 1:
        raise UsageError("check compares one sidecar at a time; to combine several, use merge")
    with source.open() as file:
        return loads(file.read(limit + 1), source.name, limit)


def _write(verdict: Verdict, form: str, inputs: str, stats: str) -> None:
    """The verdict on stdout."""
    from normcli.views import check, screen

    if form == "json":
        document = json.dumps(verdict.as_json(), ensure_ascii=False, allow_nan=False, indent=2)
        screen.write_text(document + "\n")
    elif form == "markdown":
        lines = screen.markdown(check.grid(verdict), check.notes(verdict))
        screen.write_text("\n".join(lines) + "\n")
    else:
        head = [check.heading(inputs, stats, verdict), []]
        notes: list[screen.Line] = [[(note, "")] for note in check.notes(verdict)]
        screen.write(head, check.grid(verdict), [[], *notes] if notes else [], page=True)


def _explain(run: Run, statistics: Statistics, limits: Limits) -> None:
    from normcli.views import explain, screen

    columns = list((_sidecar(run) or run.request.reading.open(run.sources[0])).columns)
    screen.write([], explain.check(columns, statistics, run.request.choice, limits), page=False)
