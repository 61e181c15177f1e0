"""What is measured: jobs, and the tools that do them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import CODEC, SIZES, Table

NORMCLI = [sys.executable, "-m", "normcli"]
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Job:
    name: str
    verb: str
    source: str = ".csv"
    target: str = ".csv"
    pipe: bool = False

    def suits(self, table: Table) -> bool:
        if table.name == "tiny":
            return self.name in ("help", "fit-csv")
        if table.name in SIZES:
            return self.name != "help"  # those of quantiles, too: 1m fits in memory, 10m does not
        return self.name in ("fit-csv", "transform-csv", "fit-transform-csv")


JOBS = {
    job.name: job
    for job in (
        Job("help", "--help"),
        Job("fit-csv", "fit"),
        Job("fit-robust-csv", "fit-robust"),
        Job("fit-quantile-csv", "fit-quantile"),
        Job("fit-power-csv", "fit-yeojohnson"),
        Job("transform-csv", "transform"),
        Job("fit-transform-csv", "fit-transform"),
        Job("inverse-csv", "inverse"),
        Job("batch-csv", "batch"),
        Job("fit-parquet", "fit", ".parquet"),
        Job("transform-parquet", "transform", ".parquet", ".parquet"),
        Job("fit-transform-parquet", "fit-transform", ".parquet", ".parquet"),
        Job("transform-csv-to-parquet", "transform", ".csv", ".parquet"),
        Job("transform-pipe", "transform", pipe=True),
    )
}


@dataclass(frozen=True)
class Task:
    """One run of a tool: paths are of files, or ``-``."""

    verb: str
    source: str
    target: str
    stats: str


@dataclass(frozen=True)
class Tool:
    """module: what has to be installed. suits: which jobs it can do, on which tables.

    own_text: it reads its own kind of text, and writes it to stdout.
    """

    name: str
    command: Callable[[Task], list[str]]
    module: str = ""
    suits: Callable[[Job, Table], bool] = lambda job, _: job.verb != "--help"
    peer: bool = True
    own_text: bool = False

    @property
    def here(self) -> bool:
        if self.own_text:
            return shutil.which(self.name) is not None
        return not self.module or importlib.util.find_spec(self.module) is not None


def normcli(task: Task, *more: str) -> list[str]:
    stats, output = ["--stats", task.stats], ["-o", task.target]
    options = {
        "--help": ["--help"],
        "fit": ["fit", task.source, "-o", task.stats],
        **{f"fit-{name}": _fitted(task, name) for name in ("robust", "quantile", "yeojohnson")},
        "transform": ["transform", task.source, *stats, *output],
        "fit-transform": ["fit-transform", task.source, *output],
        "inverse": ["inverse", task.source, *stats, *output],
        "batch": [
            *("transform", task.source, *output, "--select", "x*"),
            *("--method", "batch", "--batch-size", "256"),
        ],
    }[task.verb]
    return [*NORMCLI, *options, *([] if task.verb == "--help" else ["--quiet"]), *more]


def _fitted(task: Task, method: str) -> list[str]:
    return ["fit", task.source, "-o", task.stats, "--method", method]


def script(name: str, *more: str) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        path = str(PEERS / f"{name}.py")
        return [sys.executable, path, task.verb, task.source, task.target, task.stats, *more]

    return command


def svm_scale(task: Task) -> list[str]:
    kept = ["-r" if task.verb == "transform" else "-s", task.stats]
    return ["svm-scale", "-l", "0", "-u", "1", *kept, task.source]


def _grows(job: Job, table: Table) -> bool:
    return job.name in ("fit-csv", "transform-csv", "fit-transform-csv") and table.name in SIZES


def _has_moments(job: Job, table: Table) -> bool:
    return (job.verb != "--help" and not job.verb.startswith("fit-")) or job.verb == "fit-transform"


def _has_quantiles(job: Job, table: Table) -> bool:
    return _has_moments(job, table) or job.verb in ("fit-robust", "fit-quantile")


def _has_powers(job: Job, table: Table) -> bool:
    if job.verb in ("fit-quantile", "fit-yeojohnson"):  # which take minutes
        return table.name in ("100k", "1m")
    return _has_quantiles(job, table)


def _keeps_parquet(job: Job, table: Table) -> bool:
    return job.source == job.target == ".parquet"


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("normcli", normcli, suits=lambda *_: True, peer=False),
        Tool("normcli -j 1", lambda t: normcli(t, "-j", "1"), suits=_grows, peer=False),
        Tool("normcli -j 2", lambda t: normcli(t, "-j", "2"), suits=_grows, peer=False),
        Tool("polars", script("with_polars"), "polars", suits=_has_quantiles),
        Tool(
            f"polars {CODEC}", script("with_polars", CODEC), "polars", suits=_keeps_parquet
        ),  # the input's codec, which normcli keeps
        Tool("duckdb", script("with_duckdb"), "duckdb", suits=_has_quantiles),
        Tool("pandas-sklearn", script("with_pandas_sklearn"), "sklearn", suits=_has_powers),
        Tool("numpy-pyarrow", script("with_numpy_pyarrow"), suits=_has_moments),
        Tool(
            "svm-scale",
            svm_scale,
            suits=lambda job, table: _grows(job, table) and job.verb != "fit",
            own_text=True,
        ),
    )
}
