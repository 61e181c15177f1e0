"""What `transform`, `inverse` and `fit-transform` have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import click

from normcli.cli import method_options as mo
from normcli.cli.fitting import fit_tables
from normcli.cli.request import Request, needs_stats
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.formats import format_of_suffix, formats
from normcli.formats.base import Table
from normcli.methods import DEFAULT
from normcli.methods.spelling import Asked, method_of
from normcli.pipeline import files
from normcli.pipeline.fitting import fit, refuse_absent, refuse_roles
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import is_parquet
from normcli.storage.sources import Source, sources
from normcli.views import report
from normcli.words import did_you_mean, printable, shown

# Suffixes of formats that people would find out about in the program that opens them.
PROMISES = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb"), "Excel workbooks"),
    ".ods": "OpenDocument sheets",
    ".avro": "Avro files",
    ".orc": "ORC files",
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), "HDF5 files"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "pickles"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "databases"),
    **dict.fromkeys((".npy", ".npz"), "NumPy files"),
    **dict.fromkeys((".sav", ".dta", ".sas7bdat"), "files of statistics packages"),
}

Fit = Callable[[Asked], tuple[Statistics, Summary]]


def scale(request: Request, *, inverse: bool = False) -> None:
    """Scale or restore the input, by --stats or by the statistics of its batches."""
    kept = request.statistics()
    request = request.with_marks_of(kept)
    job = replace(job_of(request, kept, inverse=inverse), inverse=inverse)
    run = _begun(request)
    if request.is_cut:
        from normcli.cli import fragments

        fragments.scale(run, job)
        return
    table = files.open_for(job, run.sources[0], request.reading, request.writing)
    job, left = chosen(job, table, partial(_fit_once, run, table))
    _write(run, table, job, left)


def fit_and_scale(request: Request) -> None:
    """Scale the input by its own statistics."""
    saves = request.writing.saves
    request = request.for_json() if saves and not is_parquet(saves) else request
    asked = mo.methods_of(request.methods)
    refuse_roles(request.choice.roles, asked)
    job, run = _job_of(request, asked), _begun(request)
    if request.is_cut:
        from normcli.cli import fragments

        fragments.fit_and_scale(run, asked, job)
        return
    table = request.reading.open(run.sources[0])
    refuse_absent(table, request.choice, asked)
    run.sources[0].spooled()
    statistics, seen = fit_tables(run, asked, table)
    _write(run, table, fitted(job, statistics), seen.left, seen.unselected_rows)


def chosen(job: Job, table: Table, fit: Fit) -> tuple[Job, dict[str, str] | None]:
    """The job for the columns that it is about, and why others are left, if that was looked at.

    Where there are no statistics, these are the columns with a method of their own, or all of
    numbers.

    table: one of the tables of the job. fit: reads all of them.
    """
    if job.statistics is not None:
        return job, None
    refuse_absent(table, job.choice, job.asked)
    if job.asked.only:
        return _of_columns(job, job.methods(table.columns).own), None
    if job.choice.select:
        return job, None
    statistics, seen = fit(Asked(method_of(DEFAULT)))
    return _of_columns(job, statistics.columns), seen.left


def _of_columns(job: Job, names: Iterable[str]) -> Job:
    return replace(job, choice=replace(job.choice, select=tuple(names), exclude=()))


def fitted(job: Job, statistics: Statistics) -> Job:
    """The job with the statistics of its input, for the columns that these have."""
    return replace(_of_columns(job, statistics.columns), statistics=statistics, own=True)


def job_of(request: Request, kept: Statistics | None, *, inverse: bool = False) -> Job:
    """The job with the methods and statistics that are asked for; raises UsageError."""
    asked = mo.methods_of(request.methods, kept)
    if kept is not None:
        return _job_of(request, asked.with_statistics(), kept)
    asked = replace(asked, only=bool(asked.columns) and not request.methods["method"])
    if any(method.needs_fit() for method in asked.all()):
        verb = "inverse" if inverse else "transform"
        raise UsageError(
            needs_stats(verb, request.inputs)
            + ("" if inverse else "\nTo fit and scale the same table at once, use fit-transform")
        )
    return _job_of(request, asked)


def _job_of(request: Request, asked: Asked, statistics: Statistics | None = None) -> Job:
    """What is to be done to a table; raises UsageError where fragments do not allow it."""
    if request.is_cut and any(method.batching() for method in asked.all()):
        raise UsageError(
            "batches are counted over all rows of the input, and fragments would cut them\n"
            "Leave out --engine and --output-dir, or use the statistics of a fit: --mode predict"
        )
    writing = request.writing
    saves = writing.saves is not None
    known = statistics.columns if statistics else None
    return Job(
        asked,
        statistics,
        alias=dict(_alias(text, known) for text in request.alias),
        choice=request.choice,
        style=writing.style,
        observes=saves,
        policy=request.seen,
    )


def _alias(text: str, known: Collection[str] | None) -> tuple[str, str]:
    """COLUMN=FITTED; names may have equals signs: what follows the one that is meant is fitted."""
    pairs = [(text[: m.start()], text[m.end() :]) for m in re.finditer("=", text)]
    if not any(column and fitted for column, fitted in pairs):
        raise UsageError(f"--as takes COLUMN=FITTED, such as y_pred=price, not {printable(text)}")
    if known is None:
        raise UsageError("--as needs --stats, which have the statistics of the fitted column")
    for column, fitted in pairs:
        if column and fitted in known:
            return column, fitted
    fitted = pairs[0][1]
    raise UsageError(
        f"--as {printable(text)}: the statistics have no column {printable(fitted)}."
        + did_you_mean(fitted, known)
    )


def _begun(request: Request) -> Run:
    """A run that writes a table or parts; raises UsageError for several inputs of one table."""
    if len(request.inputs) > 1:
        raise UsageError(
            f"{click.get_current_context().info_name} takes one INPUT, not {len(request.inputs)}\n"
            "For several files, give a directory, or a glob in quotes, and --output-dir"
        )
    found, writing = sources(request.inputs), request.writing
    _refuse_suffix(writing)
    targets = {"--save-stats": writing.saves}
    if request.is_cut:
        _refuse_files_in_directory(request, found)
    elif len(found) > 1:
        raise UsageError(
            f"{request.inputs[0]} is {len(found)} files; give one at a time, or all with "
            "--output-dir"
        )
    else:
        targets = {"--output": writing.target, **targets}
    return Run(request, found, targets, table=True)


def _refuse_files_in_directory(request: Request, found: Sequence[Source]) -> None:
    """Raise UsageError where parts would replace an input, or another file of the command."""
    from normcli.storage.parts import refuse_inputs_in, refuse_names_of_parts

    directory = request.writing.directory
    refuse_inputs_in(directory, [source.location for source in found])
    others = {
        "--stats": request.stats,
        "--save-stats": request.writing.saves,
        "--json-summary": request.reporting.json_summary,
    }
    refuse_names_of_parts(directory, {option: name for option, name in others.items() if name})


def _fit_once(run: Run, table: Table, asked: Asked) -> tuple[Statistics, Summary]:
    """The statistics of the only source of a run, which is kept for another pass."""
    source = run.sources[0].spooled()
    with run.bar("choosing") as bar:
        return fit([bar.begin(source, table)], run.request.choice, asked, summary=bar.summary)


def _write(
    run: Run,
    table: Table,
    job: Job,
    left: Mapping[str, str] | None = None,
    unselected_rows: int = 0,
) -> None:
    """Scale the one source of a run, and report.

    left: why columns were left alone, if the table was read for that before.
    unselected_rows: that were left out of the statistics then.

    Raises: NormcliError where it has changed since then.
    """
    request, (source,) = run.request, run.sources
    format_ = request.writing.format_for(table.format)
    scaling = Scaling.prepare(table, job, format_, request.reading.options)
    if run.explains(scaling, left or {}):
        return
    replaced = _replaced(source, request.writing.target)
    with run.bar("restoring" if job.inverse else "scaling") as bar:
        scaling.summary = bar.summary
        bar.begin(source, table)
        engine, again = request.work.engine(), left is not None
        files.write(scaling, source, request.writing, engine, again=again)
    scaling.summary.left.update(left or {})
    scaling.summary.unselected_rows = unselected_rows
    after = _unknown_suffix(scaling, request.writing) + replaced
    if job.statistics and not job.inverse:
        after += report.scaled_already(job.statistics, [plan.name for plan in scaling.plans])
    run.report(scaling.summary, "restored" if job.inverse else "scaled", after=after)


def _unknown_suffix(scaling: Scaling, writing: files.Writing) -> list[str]:
    """A line that names the format that was written, where a suffix seems to promise another."""
    suffix = writing.suffix
    if not suffix or writing.format or format_of_suffix(suffix):
        return []
    near = did_you_mean(suffix, [each for f in formats().values() for each in f.suffixes])
    told = f"written as {scaling.format.name}, because no format has the suffix {printable(suffix)}"
    return [told + (near and f".{near}")]


def _refuse_suffix(writing: files.Writing) -> None:
    """Raise UsageError for a suffix that promises a format which is not written."""
    promised = PROMISES.get(writing.suffix.lower())
    if promised and not (writing.format or format_of_suffix(writing.suffix)):
        raise UsageError(
            f"{shown(writing.target)}: {promised} are not written, only {', '.join(formats())}\n"
            "Choose another suffix, or name the format with --to"
        )


def _replaced(source: Source, target: str) -> list[str]:
    """A line that says so where the input was replaced."""
    return [f"the input {source.name} was replaced"] if source.is_target(target) else []
