"""``normcli check``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.run import Run
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.pipeline.check import Verdict
    from normcli.sidecar.model import Statistics
    from normcli.storage.sources import Source

FAILED = 3  # exit code


@click.command("check", cls=Command)
@opt.inputs_argument("; or one sidecar")
@opt.stats_option
@opt.limit_options
@opt.column_options
@opt.table_options
@opt.read_options
@opt.explain_option
@opt.run_options
def command(inputs: tuple[str, ...], **values: Any) -> int:
    """Tell whether data fit saved statistics: exit code 0 if so, 3 if not.

    \b
    normcli check new.csv --stats train.stats.json
    normcli check -q new.csv --stats s.json --max-mean-shift 0.2 || echo drift
    normcli check today.stats.json --stats train.stats.json

    Compares, column by column, what is missing, extra or no longer numbers, the share of
    numbers out of the fitted range, mean, spread and the share of missing cells. Reads the
    inputs, which count as one table, once. An input that is itself a sidecar is compared
    without its data; its share out of range is then what its min and max prove. -q prints
    nothing: the exit code tells.
    """
    from normcli.sidecar.read import load
    from normcli.storage.sources import sources

    opt.refuse_two_forms(values)
    if not values["stats"]:
        raise UsageError("check needs --stats, which fit makes: normcli fit train.csv -o s.json")
    found = sources(inputs or ("-",))
    if values["stats"] == "-" and "-" in (inputs or ("-",)):
        raise UsageError("stdin (-) can be read only once: as INPUT or as --stats")
    statistics = load(values["stats"], values["max_sidecar"])
    silent = values["quiet"] and not (values["json"] or values["markdown"])
    run = Run(values, found, "" if silent else "the verdict")
    if values["explain"]:
        _explain(found, statistics, values)
        return 0
    verdict = _verdict(found, statistics, values, run)
    _write(", ".join(source.name for source in found[:3]), verdict, values)
    return 0 if verdict.fits else FAILED


def _verdict(found: list[Source], statistics: Statistics, values: opt.Values, run: Run) -> Verdict:
    from normcli.formats import open_table
    from normcli.pipeline.check import check, compare

    choice, limits = opt.choice_of(values), opt.limits_of(values)
    if _is_sidecar(found[0], values["from_"]):
        return compare(_only_sidecar(found, values), statistics, choice, limits)
    read = opt.read_options_of(values)
    with run.bar("checking") as bar:
        tables = (bar.begin(s, open_table(s, read, values["from_"])) for s in found)
        engine = opt.engine_of(values)
        verdict = check(tables, statistics, choice, limits, engine, bar.summary)
    if values["verbose"]:
        run.report(bar.summary, "compared")
    else:
        run.finish(bar.summary)
    return verdict


def _is_sidecar(source: Source, forced: str | None) -> bool:
    """Is it by --from, or by its first bytes, which are those of no table?"""
    if forced is not None:
        return forced == "sidecar"
    return re.match(rb'\s*{\s*"normcli":\s*\d+\s*,', source.head(64)) is not None


def _only_sidecar(found: list[Source], values: opt.Values) -> Statistics:
    from normcli.sidecar.read import loads

    if len(found) > 1:
        raise UsageError("check compares one sidecar at a time; normcli merge joins several")
    with found[0].open() as file:
        limit = values["max_sidecar"]
        return loads(file.read(limit + 1), found[0].name, limit)


def _write(title: str, verdict: Verdict, values: opt.Values) -> None:
    """The verdict on stdout."""
    from normcli.views import check, screen

    if values["json"]:
        document = json.dumps(verdict.as_json(), ensure_ascii=False, allow_nan=False, indent=2)
        screen.write_text(document + "\n")
    elif values["markdown"]:
        lines = screen.markdown(check.grid(verdict), check.notes(verdict))
        screen.write_text("\n".join(lines) + "\n")
    elif not values["quiet"]:
        head = [check.heading(title, values["stats"], verdict)]
        screen.write(check.grid(verdict), head, check.notes(verdict), page=True)


def _explain(found: list[Source], statistics: Statistics, values: opt.Values) -> None:
    from normcli.formats import open_table
    from normcli.views import explain, screen

    if _is_sidecar(found[0], values["from_"]):
        columns = list(_only_sidecar(found, values).columns)
    else:
        columns = open_table(found[0], opt.read_options_of(values), values["from_"]).columns
    choice, limits = opt.choice_of(values), opt.limits_of(values)
    screen.write(explain.check(columns, statistics, choice, limits))
