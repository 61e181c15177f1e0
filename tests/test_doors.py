"""A method, a map, a statistic and a format are one new file each: here they are added.

The files are those of CONTRIBUTING.md. They are put into a directory that the packages find;
nothing else is told of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
FILES = dict(
    re.findall(r"<!-- file: (.*?) -->\n```python\n(.*?)```$", PAGE, re.DOTALL | re.MULTILINE)
)

RUN = """
import sys
import normcli.formats, normcli.methods, normcli.statistics
for package in ("formats", "methods", "statistics"):
    sys.modules[f"normcli.{package}"].__path__.append(f"{sys.argv[1]}/{package}")
from normcli.__main__ import run
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a file for each new thing."""
    folder = tmp_path_factory.mktemp("doors")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def normcli(doors: Path, *arguments: object) -> str:
    """What a run with the new things prints on stdout."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, doors, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("id,x,y\n007,1,5\n008,2,6\n009,6,7\n010,,9\n")
    return path


def test_a_method_with_a_statistic_of_its_own_fits_in_two_passes(
    doors: Path, table: Path, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    normcli(doors, "fit", table, "-q", "--method", "steady", "-o", stats)
    entry = json.loads(stats.read_text())["columns"]["x"]
    assert entry["spread"] == {"count": 3, "total": "9", "deviations": "6"}
    assert entry["mean"] == 3  # raw moments are always kept
    scaled = normcli(doors, "transform", table, "-q", "--stats", stats)
    assert [line.split(",")[1] for line in scaled.splitlines()] == ["x", "-1.0", "-0.5", "1.5", ""]
    explained = normcli(doors, "transform", table, "--stats", stats, "--explain")
    assert "(x - 3.0) / 2.0" in explained
    assert "spread 2" in normcli(doors, "show", stats)
    back = tmp_path / "scaled.csv"
    back.write_text(scaled)
    assert normcli(doors, "inverse", back, "-q", "--stats", stats).startswith("id,x,y\n007,1,5")


def test_a_pipe_is_kept_for_the_second_pass(doors: Path, table: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, doors, "fit", "-q", "--method", "steady", "-o", "-"],
        input=table.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["columns"]["x"]["spread"]["deviations"] == "6"


def test_statistics_of_parts_merge_into_those_of_the_whole(
    doors: Path, table: Path, tmp_path: Path
) -> None:
    """By the law of the statistic itself: this one needs the mean of all rows first."""
    header, *rows = table.read_text().splitlines()
    stats = []
    for i, part in enumerate((rows[:2], rows[2:])):
        path = tmp_path / f"{i}.csv"
        path.write_text("\n".join([header, *part]) + "\n")
        stats.append(tmp_path / f"{i}.json")
        normcli(doors, "fit", path, "-q", "--method", "steady", "-o", stats[-1])
    merged = json.loads(normcli(doors, "merge", "-q", *stats))
    whole = json.loads(normcli(doors, "fit", table, "-q", "-o", "-", "--method", "steady"))
    for entry in (*merged["columns"].values(), *whole["columns"].values()):
        entry.pop("spread")
    assert merged == whole


def test_a_hostile_section_of_a_new_statistic_is_refused_by_its_own_check(
    doors: Path, table: Path, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    normcli(doors, "fit", table, "-q", "--method", "steady", "-o", stats)
    stats.write_text(
        stats.read_text().replace('"spread": {"count": 3', '"spread": {"count": 99', 1)
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, doors, "show", stats], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "column 'x', field 'spread.count': more numbers than rows" in done.stderr


def test_a_map_stands_alone_and_in_chains(doors: Path, table: Path, tmp_path: Path) -> None:
    scaled = normcli(doors, "transform", table, "-q", "--column", "x=twice")
    assert scaled == "id,x,y\n007,2.0,5\n008,4.0,6\n009,12.0,7\n010,,9\n"
    stats = tmp_path / "s.json"
    normcli(doors, "fit", table, "-q", "--column", "x=twice+steady", "-o", stats)
    entry = json.loads(stats.read_text())["columns"]["x"]
    assert entry["mean"] == 3
    assert entry["of"]["twice"]["mean"] == 6
    assert entry["of"]["twice"]["spread"]["deviations"] == "12"
    chained = normcli(doors, "transform", table, "-q", "--stats", stats, "--select", "x")
    values = [float(line.split(",")[1]) for line in chained.splitlines()[1:4]]
    np.testing.assert_allclose(values, [-1, -0.5, 1.5], rtol=1e-15)
    explained = normcli(doors, "transform", table, "--stats", stats, "--explain")
    assert "(2 * x - 6.0) / 4.0" in explained


def test_an_option_that_two_methods_have_goes_to_the_one_that_is_used(
    doors: Path, table: Path, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    normcli(doors, "fit", table, "-q", "--method", "steady", "-o", stats)
    for method, value in (("steady", "error"), ("minmax", "clip")):
        options = ("--method", method, "--out-of-range", value)
        normcli(doors, "transform", table, "-q", "--stats", stats, *options)


def test_a_new_format_is_read_and_written_beside_the_others(
    doors: Path, table: Path, tmp_path: Path
) -> None:
    stats, orc = tmp_path / "s.json", tmp_path / "t.orc"
    normcli(doors, "fit", table, "-q", "-o", stats)
    normcli(doors, "transform", table, "-q", "--stats", stats, "-o", orc)
    assert orc.read_bytes().startswith(b"ORC")
    back = normcli(doors, "inverse", orc, "-q", "--stats", stats, "--to", "csv")
    rows = [line.split(",") for line in back.splitlines()]
    assert [row[0] for row in rows] == ["id", "007", "008", "009", "010"]
    assert [float(row[2]) for row in rows[1:]] == [5, 6, 7, 9]
    fitted = json.loads(normcli(doors, "fit", orc, "-q", "-o", "-"))
    assert fitted["columns"]["y"]["count"] == 4


def test_an_option_that_a_format_does_not_have_is_an_error(doors: Path, tmp_path: Path) -> None:
    orc = tmp_path / "t.orc"
    csv = tmp_path / "t.csv"
    csv.write_text("x\n1\n3\n")
    stats = tmp_path / "s.json"
    normcli(doors, "fit", csv, "-q", "-o", stats)
    normcli(doors, "transform", csv, "-q", "--stats", stats, "-o", orc)
    done = subprocess.run(
        [sys.executable, "-c", RUN, doors, "fit", orc, "--delimiter", ";"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--delimiter is an option of csv and tsv, but" in done.stderr
    assert "is orc" in done.stderr
