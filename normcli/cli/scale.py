"""What `transform`, `inverse` and `fit-transform` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.pipeline import Job, Scaling
    from normcli.pipeline.files import Writing
    from normcli.sidecar.model import Statistics


def scale(request: Request, *, inverse: bool = False) -> None:
    """Scale or restore the input, by --stats or by the statistics of its batches."""
    job = replace(_job(request, inverse=inverse), inverse=inverse)
    run = begun(request)
    if request.is_cut:
        by_fragments.scale(run, job)
    else:
        _scale_one(run, job)


def _job(request: Request, *, inverse: bool) -> Job:
    """The job with the methods and statistics that are asked for; raises UsageError."""
    kept = request.statistics()
    method, own = mo.methods_of(request.methods, kept)
    if kept is not None:
        own = {name: each.with_statistics(True) for name, each in own.items()}
        return job_of(request, (method.with_statistics(True), own), kept)
    if inverse or any(each.needs_statistics for each in (method, *own.values())):
        verb = "inverse" if inverse else "transform"
        raise UsageError(
            f"{verb} needs --stats, a file that fit writes: normcli fit train.csv -o s.json"
            + ("" if inverse else "\nTo fit and scale the same table at once, use fit-transform")
        )
    return job_of(request, (method, own), None)


def job_of(request: Request, asked: mo.Asked, statistics: Statistics | None) -> Job:
    """What is to be done to a table; raises UsageError where fragments do not allow it."""
    from normcli.pipeline import Job

    if request.is_cut:
        by_fragments.refuse_training(*asked)
    writing = request.writing
    saves = writing.saves is not None
    return Job(*asked, statistics, choice=request.choice, style=writing.style, observes=saves)


def begun(request: Request) -> Run:
    """A run that writes a table or parts; raises UsageError for several inputs of one table."""
    from normcli.storage.sources import sources

    found, writing = sources(request.inputs), request.writing
    targets = {"--save-stats": writing.saves}
    if request.is_cut:
        by_fragments.refuse_files_in_directory(request, found)
    elif len(found) > 1:
        raise UsageError(
            f"{request.inputs[0]} is {len(found)} files; give one at a time, or all with "
            "--output-dir"
        )
    else:
        targets = {"--output": writing.target, **targets}
    return Run(request, found, targets, table=True)


def _scale_one(run: Run, job: Job) -> None:
    from normcli.pipeline.files import open_for

    table = open_for(job, run.sources[0], run.request.reading, run.request.writing)
    left: dict[str, str] | None = None
    if job.statistics is None:
        mo.refuse_absent_columns(table, job.choice, job.method, job.column_methods)
        if not job.choice.select:
            job, left = _numbers_only(run, table, job)
    write(run, table, job, left)


def _numbers_only(run: Run, table: Table, job: Job) -> tuple[Job, dict[str, str]]:
    """The job for the columns that hold numbers only, and why the others are left alone.

    The input is read for that.
    """
    from normcli.pipeline import fit

    source = run.sources[0].spooled()
    with run.bar("choosing") as bar:
        tables = [bar.begin(source, table)]
        statistics, seen = fit(tables, job.choice, job.method, {}, summary=bar.summary)
    choice = replace(job.choice, select=tuple(statistics.columns))
    return replace(job, choice=choice), seen.left


def write(run: Run, table: Table, job: Job, left: Mapping[str, str] | None = None) -> None:
    """Scale the one source of a run, and report.

    left: why columns were left alone, if the table was read for that before.

    Raises: NormcliError where it has changed since then.
    """
    from normcli.pipeline import files

    request, (source,) = run.request, run.sources
    scaling = files.prepare(table, job, request.reading, request.writing)
    if run.explains(scaling, left or {}):
        return
    with run.bar("restoring" if job.inverse else "scaling") as bar:
        scaling.summary = bar.summary
        bar.begin(source, table)
        engine, again = request.work.engine(), left is not None
        files.write(scaling, source, request.writing, engine, again=again)
    scaling.summary.left.update(left or {})
    after = _unknown_suffix(scaling, request.writing)
    run.report(scaling.summary, "restored" if job.inverse else "scaled", after=after)


def _unknown_suffix(scaling: Scaling, writing: Writing) -> list[str]:
    """A line that names the format that was written, where a suffix seems to promise another."""
    from normcli.formats import format_of_suffix, formats

    suffix = writing.suffix
    if not suffix or writing.format or format_of_suffix(suffix):
        return []
    near = did_you_mean(suffix, [each for f in formats().values() for each in f.suffixes])
    told = f"written as {scaling.format.name}, because no format has the suffix {printable(suffix)}"
    return [told + (near and f".{near}")]
