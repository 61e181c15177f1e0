"""What `check` does: it compares tables, or a sidecar, with saved statistics."""

from __future__ import annotations

import json

from normcli.cli.options import Values
from normcli.cli.request import Request, begins_sidecar, needs_stats
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.pipeline import check as pipeline
from normcli.pipeline.check import Limits, Verdict
from normcli.sidecar.model import Statistics
from normcli.sidecar.read import loads
from normcli.storage.sources import sources
from normcli.views import check as view
from normcli.views import report, screen
from normcli.words import shown

FAILED = 3  # exit code


def limits_of(values: Values) -> Limits:
    """What `check` accepts."""
    shares = (
        *("out_of_range", "mean_shift", "spread_ratio", "missing_change"),
        *("psi", "cdf_difference"),
    )
    kinds = ("missing", "extra", "retyped")
    passes = {f"{kind}_column": values[f"on_{kind}_column"] == "tell" for kind in kinds}
    return Limits(**{name: values[f"max_{name}"] for name in shares}, **passes)


def check(
    request: Request,
    limits: Limits,
    form: str,
    *,
    by_group: bool = False,
    html: str | None = None,
) -> int:
    """Compare, print the verdict, write it to the page `html`, and return the exit code."""
    stats = request.stats
    if not stats:
        raise UsageError(needs_stats("check", request.inputs))
    found, statistics = sources(request.inputs), request.statistics()
    assert statistics is not None
    if by_group and "by" not in statistics.options:
        raise UsageError(f"--by-group: the statistics in {shown(stats)} have no groups")
    request = request.with_marks_of(statistics)
    silent = request.reporting.quiet and form == "table"
    run = Run(request, found, {**({} if silent else {"the verdict": "-"}), "--html": html})
    if request.reporting.explain:
        _explain(run, statistics, limits)
        return 0
    verdict = _verdict(run, statistics, limits, by_group)
    inputs = ", ".join(source.name for source in found[:3])
    if not silent:
        _write(verdict, form, inputs, stats)
    if html:
        _write_page(html, verdict, inputs, stats)
    return 0 if verdict.fits else FAILED


def _verdict(run: Run, statistics: Statistics, limits: Limits, by_group: bool) -> Verdict:
    request = run.request
    choice, reading = request.choice, request.reading.knowing(statistics)
    if (sidecar := _sidecar(run)) is not None:
        return pipeline.compare(sidecar, statistics, choice, limits, by_group=by_group)
    with run.bar("checking") as bar:
        tables = (bar.begin(source, reading.open(source)) for source in run.sources)
        verdict = pipeline.check(
            tables,
            statistics,
            choice,
            limits,
            request.work.engine(),
            bar.summary,
            by_group=by_group,
        )
    if request.reporting.verbose:
        run.report(bar.summary, "compared")
    else:
        run.finish(bar.summary)
        run.say_notes()
        if not request.reporting.quiet:
            report.say(report.notes(bar.summary))
    return verdict


def _sidecar(run: Run) -> Statistics | None:
    """The statistics that the input is, by --from or by its first bytes; None for a table."""
    source, forced = run.sources[0], run.request.reading.format
    parquet = source.name.endswith(".stats.parquet")
    begun = parquet or begins_sidecar(source.head(64))
    if forced not in (None, "sidecar") or not (forced or begun):
        return None
    if len(run.sources) > 1:
        raise UsageError("check compares one sidecar at a time; to combine several, use merge")
    limit = run.request.max_sidecar
    with source.open() as file:
        return loads(file.read(limit + 1), source.name, limit)


def _write(verdict: Verdict, form: str, inputs: str, stats: str) -> None:
    """The verdict on stdout."""
    if form == "json":
        document = json.dumps(verdict.as_json(), ensure_ascii=False, allow_nan=False, indent=2)
        screen.write_text(document + "\n")
    elif form == "markdown":
        lines = screen.markdown(view.grid(verdict), view.notes(verdict))
        screen.write_text("\n".join(lines) + "\n")
    else:
        head = [view.heading(inputs, stats, verdict)]
        screen.write(view.grid(verdict), head, view.notes(verdict), page=True)


def _write_page(target: str, verdict: Verdict, inputs: str, stats: str) -> None:
    """The verdict as a page."""
    from normcli.storage.outputs import write_atomic
    from normcli.views import page

    title = "".join(text for text, _ in view.heading(inputs, stats, verdict))
    found = page.of_verdict(title, view.notes(verdict)[-1:], view.grid(verdict), verdict)
    write_atomic(target, found.encode(errors="xmlcharrefreplace"))


def _explain(run: Run, statistics: Statistics, limits: Limits) -> None:
    from normcli.views import explain

    columns = list((_sidecar(run) or run.request.reading.open(run.sources[0])).columns)
    screen.write(explain.check(columns, statistics, run.request.choice, limits))
