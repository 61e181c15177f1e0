"""``normcli export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from normcli.bridges.export import names
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import FILE, Command, Number, argument, entry, group
from normcli.cli.completion import among

if TYPE_CHECKING:
    from normcli.pipeline.exporting import Comparison

FAILED = 3  # exit code


@click.command("export", cls=Command)
@argument("stats", "SIDECAR", "Statistics that fit has saved, or - for stdin.")
@group(
    "Target",
    entry(
        "--to TARGET",
        f"The program: {', '.join(names())}.",
        required=True,
        shell_complete=among(names),
    ),
    entry(
        "--dialect NAME",
        "Of sql: postgresql, duckdb, sqlite, bigquery, snowflake, mysql or sqlserver.",
        default="postgresql",
    ),
    entry(
        "--verify TABLE",
        "Run the export on this table too, beside transform, and tell the differences.",
        type=FILE,
    ),
    entry(
        "--tolerance-ulp N",
        "With --verify, the largest difference.  [default: 4; 16 with logarithms and powers]",
        type=Number(),
    ),
)
@opt.output_file("-, stdout")
@mo.method_options()
@opt.unseen_options
@opt.sidecar_options
@opt.column_options
@opt.read_options
@opt.report_options
def command(
    stats: str,
    to: str,
    dialect: str,
    verify: str | None,
    tolerance_ulp: float | None,
    **values: Any,
) -> int:
    """Write what statistics do to columns for another program.

    \b
    normcli export s.json --to sql --dialect duckdb -o scale.sql
    normcli export s.json --to python -o scale.py
    normcli export s.json --to js -o scale.mjs --verify test.csv

    Missing values, numbers out of range and groups are treated as transform does, with the same
    options; infinite numbers pass, as with --on-inf ignore. A method that the program cannot say
    is an error that names it. --verify prints how many cells of a table differ from what
    transform makes of it, and the largest difference in units of the last place (ulp); more than
    --tolerance-ulp is exit code 3. Its table is read with the options of transform.
    """
    from normcli.bridges.export import target_named
    from normcli.bridges.to_sql import dialect_named
    from normcli.cli.request import request_of
    from normcli.cli.scale import job_of
    from normcli.pipeline import exporting
    from normcli.storage import outputs
    from normcli.storage.sources import source
    from normcli.views import report
    from normcli.words import name

    target, dialect, output = target_named(to), dialect_named(dialect), values["output"] or "-"
    read = [source(stats), *([source(verify)] if verify else [])]
    outputs.refuse_replacing({"--output": output}, read)
    table = {"stats": stats, "inputs": (verify or "none",), "jobs": 1}
    request = request_of({**values, **table, "output": values["output"]})
    kept = request.statistics()
    request = request.with_marks_of(kept)
    job = job_of(request, kept)
    model = exporting.model_of(job, dialect)
    exported = target.export(model)
    found = None
    if verify:
        found = exporting.verify(job, model, target, exported, request.reading.open(read[1]))
    with outputs.output(output) as stream:
        stream.write(exported)
    told = [] if output == "-" else [f"saved {target.what}, in {name(output)}"]
    limit = model.tolerance if tolerance_ulp is None else tolerance_ulp
    if found:
        told += [_verdict(found, limit)]
    report.say(told if not values["quiet"] else [])
    return FAILED if found and found.ulp > limit else 0


def _verdict(found: Comparison, limit: float) -> str:
    from normcli.words import grouped, many, printable

    told = f"{found.by} and transform: {many(found.rows, 'row')}, "
    told += f"{grouped(found.differ)} of {many(found.cells, 'cell')} differ"
    if found.differ:
        told += f", by at most {found.ulp:.3g} ulp in column {printable(found.column)}"
    if found.ulp > limit:
        told += f"; {limit:g} are allowed"
    return told
