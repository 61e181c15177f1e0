"""Measure normcli and its peers side by side, and write benchmarks/RESULTS.md.

    python -m benchmarks                                            everything: hours
    python -m benchmarks --tables tiny 100k --jobs 'fit-*' help --rounds 1 -o -     a minute
    python -m benchmarks --tables 10m --jobs transform-csv --peers polars --add     one more

Needs the extra: pip install 'normcli[bench]'. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmarks import record
from benchmarks.cases import JOBS, TOOLS, Tool
from benchmarks.cost import costs
from benchmarks.report import Results, case_section, markdown
from benchmarks.run import Bench
from benchmarks.tables import CACHE, TABLES

RESULTS = Path(__file__).with_name("RESULTS.md")
DEFAULT_TABLES = ("tiny", "1m", "10m", "wide", "quoted")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tables", nargs="+", default=DEFAULT_TABLES, choices=TABLES, help=" ".join(TABLES))
    add("--jobs", nargs="+", default=["*"], metavar="GLOB", help=" ".join(JOBS) + ", statistics")
    peers = [name for name, tool in TOOLS.items() if tool.peer]
    add("--peers", nargs="*", default=peers, choices=peers, help="these, beside normcli")
    add("--rounds", type=int, default=5, help="timed rounds [5]")
    add(
        "--slow",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="a tool that takes longer is run in two rounds only [30]",
    )
    add("--cache", type=Path, default=CACHE, metavar="FOLDER", help=f"for tables [{CACHE}]")
    add("-o", "--output", default=str(RESULTS), metavar="FILE", help=f"[{RESULTS}]; - is stdout")
    add(
        "--add",
        action="store_true",
        help="keep what was measured here of other tables and jobs: in the .json beside FILE",
    )
    chosen = parser.parse_args(arguments)
    if chosen.add and chosen.output == "-":
        parser.error("--add needs a file, not stdout")
    return chosen


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def tools(peers: Iterable[str]) -> list[Tool]:
    """normcli and the peers that are here."""
    wanted = [tool for tool in TOOLS.values() if not tool.peer or tool.name in peers]
    for tool in wanted:
        if not tool.here:
            say(f"{tool.name} is not installed: left out")
    return [tool for tool in wanted if tool.here]


def write(results: Results, output: str) -> None:
    if output != "-":
        Path(output).write_text(markdown(results))
        record.save(results, Path(output).with_suffix(".json"))


def main() -> None:
    chosen = options()
    results = record.load(Path(chosen.output).with_suffix(".json")) if chosen.add else Results()
    bench = Bench(chosen.cache, chosen.rounds, chosen.slow, say)
    here = tools(chosen.peers)
    if any(fnmatch("statistics", glob) for glob in chosen.jobs):
        results.costs = costs(chosen.rounds)
    for table in (TABLES[name] for name in chosen.tables):
        for job in JOBS.values():
            if job.suits(table) and any(fnmatch(job.name, glob) for glob in chosen.jobs):
                say(f"{job.name}, {table.name}")
                able = [tool for tool in here if tool.suits(job, table)]
                case = bench.measure(table, job, able)
                results.add(case)
                say("\n" + case_section(case))
                write(results, chosen.output)  # what there is, should the rest be interrupted
    print(markdown(results))
    write(results, chosen.output)


if __name__ == "__main__":
    main()
