"""Statistics that grow: ``fit --update`` and ``fit --each``."""

from __future__ import annotations

import os
from dataclasses import replace

import click
from click.core import ParameterSource

from normcli.cli import method_options as mo
from normcli.cli.fit import default_output
from normcli.cli.fitting import fit, fitted, inputs_of
from normcli.cli.options import either
from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.errors import DataError, NormcliError, UsageError
from normcli.pipeline import fitting
from normcli.pipeline.roles import Roles
from normcli.pipeline.where import condition
from normcli.sidecar.model import Statistics
from normcli.sidecar.read import loads
from normcli.sidecar.write import dumps, is_parquet
from normcli.storage.locks import Old, changing
from normcli.views import report
from normcli.words import many, name, shown

# What the statistics say, so that --update takes it from them: options beside those of methods.
KEPT = (
    "by",
    "where",
    "weight",
    "weight_kind",
    "share",
    "null",
    "default_null",
    "select",
    "exclude",
)


def refuse_conflicts(
    output: str | None, update: str | None, *, each: bool, summary: str | None
) -> None:
    """Raise UsageError for options that do not go together."""
    if update == "-":
        raise UsageError("--update - is stdout, which cannot be read; name a file")
    for given, option in ((output, "--output"), (each, "--each")):
        if update is not None and given:
            raise UsageError(either("--update", option))
    if each and summary:
        raise UsageError(either("--each", "--json-summary"))


def update(request: Request, target: str) -> None:
    """Add the rows of the inputs to the statistics in a file, and report."""
    known = _loaded(Old.of(target), target)
    if known is not None:
        _refuse_given(target)
        request = _like(request, known)
    request = request if is_parquet(target) else request.for_json()
    run, asked = (
        Run(request, inputs_of(request), {"--update": target}),
        mo.methods_of(request.methods),
    )
    if known is not None:
        asked = replace(mo.methods_of(request.methods, known), missing="keep")
    fitting.refuse_roles(request.choice.roles, asked)
    statistics, summary = fitted(run, asked)
    with changing(target) as old:
        before = _loaded(old, target)
        old.replace(dumps(_sum(before, statistics, target), target))
    same = before is not None and before.columns == statistics.columns
    doubt = (
        ["these rows have the statistics that were there: were they added before?"] if same else []
    )
    saved = [f"added to {name(target)}" if before else f"saved in {name(target)}", *doubt]
    columns = report.table(statistics, verbose=request.reporting.verbose)
    run.report(summary, "fitted", columns, saved)


def _loaded(old: Old, target: str) -> Statistics | None:
    return None if old.content is None else loads(old.content, target)


def _sum(before: Statistics | None, new: Statistics, target: str) -> Statistics:
    try:
        return new if before is None else before.merge(replace(new, options=before.options))
    except DataError as error:
        why = str(error).removeprefix("cannot merge: ")
        raise DataError(f"cannot add to {shown(target)}: {why}") from error


def _refuse_given(target: str) -> None:
    """Raise UsageError for an option that the statistics answer."""
    context = click.get_current_context()
    for parameter in context.command.params:
        kept = parameter.name in KEPT or getattr(parameter, "group", None) == "Method"
        source = context.get_parameter_source(parameter.name or "")
        if kept and source is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--update takes the columns, methods and options from {shown(target)}; leave out "
                f"{max(parameter.opts, key=len)}"
            )


def _like(request: Request, known: Statistics) -> Request:
    """The request, with the columns and options of statistics that are there."""
    options, weight = known.options, known.options.get("weight") or {}
    roles = Roles(
        tuple(options.get("by", ())),
        request.choice.roles.max_groups,
        where=condition(options["where"]) if "where" in options else None,
        weight=weight.get("column"),
        weight_kind=weight.get("kind", "reliability"),
    )
    choice = replace(request.choice, roles=roles, only=frozenset(known.columns))
    return replace(request, choice=choice).with_marks_of(known)


def each(request: Request, directory: str | None) -> None:
    """Fit each input by itself, and report each."""
    if "-" in request.inputs:
        raise UsageError("--each needs files; stdin (-) has no name for its statistics")
    targets: dict[str, str] = {}
    for source in inputs_of(request):
        target = default_output((source.name,))
        if directory is not None:
            target = os.path.join(directory, os.path.basename(target))
        first = targets.setdefault(target, source.name)
        if first != source.name:
            raise UsageError(f"{first} and {source.name} both make {shown(target)}")
    if directory is not None:
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise NormcliError(f"cannot make {shown(directory)}: {error.strerror}") from error
    for target, path in targets.items():
        fit(replace(request, inputs=(path,)), target, default=True)
    if not request.reporting.quiet:
        report.say([f"fitted {many(len(targets), 'input')}, each by itself"])
