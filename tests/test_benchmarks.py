"""The benchmark runs, notices wrong results, and reports what it measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

from benchmarks import record  # noqa: E402  # found by the line above, as those below
from benchmarks.cases import JOBS  # noqa: E402
from benchmarks.check import Sample, compare, wrote  # noqa: E402
from benchmarks.cost import Cost  # noqa: E402
from benchmarks.measure import Run, RunError, run  # noqa: E402
from benchmarks.report import Results, case_section  # noqa: E402
from benchmarks.run import Case, Measured  # noqa: E402
from benchmarks.tables import TABLES, Table  # noqa: E402


def benchmark(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "--cache", str(folder), "-o", "-"]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_command_measures_normcli_beside_a_peer(tmp_path):
    said = benchmark(
        tmp_path, "--tables", "tiny", "--jobs", "fit-csv", "--peers", "numpy-pyarrow",
        "--rounds", "1",
    )  # fmt: skip
    assert "## fit-csv, table tiny" in said
    assert "| fit-csv, tiny: wall s | at most 0.4 |" in said
    assert "| numpy-pyarrow | 1 |" in said
    assert "failed" not in said


def test_results_are_kept_and_a_case_that_is_measured_again_is_replaced(tmp_path):
    def case(job: str, wall: float) -> Case:
        runs = [Run(wall, 2 * wall)]
        tools = {"normcli": Measured(runs, 5 << 20), "polars": Measured([], None, "failed: no")}
        return Case(TABLES["1m"], JOBS[job], 100, tools)

    results = Results(costs=[Cost("uniform", {"a long column": 5.0}, 1.5)])
    for each in (case("fit-parquet", 1.0), case("fit-csv", 3.0), case("fit-csv", 2.0)):
        results.add(each)
    record.save(results, tmp_path / "r.json")
    assert record.load(tmp_path / "r.json") == results
    assert [(c.job.name, c.tools["normcli"].wall) for c in results.cases] == [
        ("fit-csv", 2.0),
        ("fit-parquet", 1.0),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_sample_tells_a_wrong_number_a_wrong_text_and_a_lost_row(tmp_path, suffix):
    sample = Sample.of(Table("t", 5, quoted=True).file(tmp_path, suffix))
    assert sample.rows == 5
    assert sample.first[4][0] == "000000004"
    compare(sample, sample)
    wrong = [list(row) for row in sample.first]
    wrong[1][1] += 1e-3
    lost = [list(row) for row in sample.first]
    lost[0][0] = "0"
    for other in (Sample(5, wrong), Sample(5, lost), Sample(4, sample.first[:4])):
        with pytest.raises(RunError, match="wrong"):
            compare(sample, other)


def test_csv_and_parquet_of_a_table_hold_the_same_rows(tmp_path):
    table = Table("t", 1000)
    csv, parquet = (Sample.of(table.file(tmp_path, suffix)) for suffix in (".csv", ".parquet"))
    assert csv.first == parquet.first


def test_a_failing_command_is_an_error_with_its_last_line():
    with pytest.raises(RunError, match="out of luck"):
        run([sys.executable, "-c", "raise SystemExit('once\\nout of luck')"])


def test_memory_is_that_of_all_processes_together():
    child = "import subprocess, sys, time; x = b'x' * 50_000_000; time.sleep(0.3)"
    parent = f"{child}; subprocess.run([sys.executable, '-c', {child!r}])"
    alone = run([sys.executable, "-c", child], memory=True).peak
    both = run([sys.executable, "-c", parent], memory=True).peak
    assert alone is not None
    assert both is not None
    assert alone > 50_000_000
    assert both > 100_000_000


def test_what_a_tool_wrote_is_told_where_it_is_parquet(tmp_path):
    path = Table("t", 5).file(tmp_path, ".parquet")
    assert wrote(path).startswith("SNAPPY, 0.0 MB")
    assert wrote(Table("t", 5).file(tmp_path, ".csv")) == ""
    tools = {"polars snappy": Measured([Run(1.0, 1.0)], None, "", "SNAPPY, 8.5 MB")}
    said = case_section(Case(TABLES["1m"], JOBS["transform-parquet"], 100, tools))
    assert "| wrote |" in said
    assert said.rstrip().endswith("| SNAPPY, 8.5 MB |")
    assert "wrote" not in case_section(Case(TABLES["1m"], JOBS["fit-parquet"], 100, tools))
