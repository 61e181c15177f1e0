"""What was measured, as JSON: later runs can add to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cases import JOBS
from benchmarks.cost import Cost
from benchmarks.measure import Run
from benchmarks.report import Results
from benchmarks.run import Case, Measured
from benchmarks.tables import TABLES


def save(results: Results, path: Path) -> None:
    """Write `results`."""
    document = {
        "costs": [asdict(cost) for cost in results.costs],
        "cases": [_document(case) for case in results.cases],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Results:
    """What `save` wrote."""
    document = json.loads(path.read_text())
    costs = [Cost(**cost) for cost in document["costs"]]
    return Results([_case(each) for each in document["cases"]], costs)


def _document(case: Case) -> dict[str, Any]:
    tools = {name: asdict(measured) for name, measured in case.tools.items()}
    return {"table": case.table.name, "job": case.job.name, "size": case.size, "tools": tools}


def _case(document: dict[str, Any]) -> Case:
    tools = {name: _measured(**measured) for name, measured in document["tools"].items()}
    return Case(TABLES[document["table"]], JOBS[document["job"]], document["size"], tools)


def _measured(runs: list[dict[str, Any]], **rest: Any) -> Measured:
    return Measured([Run(**run) for run in runs], **rest)
