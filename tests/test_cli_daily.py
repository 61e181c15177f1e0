"""Statistics that grow: ``fit --update`` and ``fit --each``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from normcli.storage import stores
from tests.conftest import Cli


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{day}.csv" for day in range(6)]
    for day, path in enumerate(paths):
        rows = (f"{day + i / 7},{(i * 37) % 101},{'ab'[i % 2]}" for i in range(40))
        path.write_text("x,y,g\n" + "\n".join(rows) + "\n")
    return paths


@pytest.mark.parametrize(
    "options", [(), ("--method", "minmax:-1,1"), ("--by", "g"), ("--where", "y > 20"),
                ("--weight", "y"), ("--method", "log1p+zscore"), ("--null", "17"),
                ("--exclude", "y"), ("--ddof", "1")],
)  # fmt: skip
def test_updates_give_the_bytes_of_one_fit_of_all(
    normcli: Cli, days: list[Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    sidecar = tmp_path / "s.json"
    assert normcli("fit", days[0], "--update", sidecar, "-q", *options).code == 0
    for i in (3, 1):
        assert normcli("fit", *days[i : i + 2], "--update", sidecar, "-q").code == 0
    whole = normcli("fit", *days[:5], "-o", "-", "-q", *options)
    assert sidecar.read_bytes() == whole.out


def test_updates_at_once_lose_nothing(normcli: Cli, days: list[Path], tmp_path: Path) -> None:
    sidecar = tmp_path / "s.json"
    command = [sys.executable, "-m", "normcli", "fit", "--update", str(sidecar), "-q"]
    running = [subprocess.Popen([*command, str(day)]) for day in days]
    assert [each.wait() for each in running] == [0] * len(days)
    assert sidecar.read_bytes() == normcli("fit", *days, "-o", "-", "-q").out


def test_an_object_that_somebody_else_changes_is_not_overwritten(
    normcli: Cli, days: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = f"file://{tmp_path}/s.json"
    assert normcli("fit", days[0], "--update", uri, "-q").code == 0
    versions = iter("abcd")
    monkeypatch.setattr(stores, "local_path", lambda target: target)
    monkeypatch.setattr(stores, "version_of", lambda uri: next(versions))
    before = (tmp_path / "s.json").read_bytes()
    refused = normcli("fit", days[1], "--update", uri)
    assert refused.code == 1
    assert "was changed by somebody else meanwhile; run this again" in refused.err
    assert (tmp_path / "s.json").read_bytes() == before


@pytest.mark.parametrize(
    "option", [("--method", "minmax"), ("--column", "x=minmax"), ("--select", "x"), ("--by", "g"),
               ("--null", "17"), ("--ddof", "1"), ("--quantiles", "sketch")],
)  # fmt: skip
def test_what_the_statistics_say_cannot_be_said_again(
    normcli: Cli, days: list[Path], tmp_path: Path, option: tuple[str, str]
) -> None:
    sidecar = tmp_path / "s.json"
    normcli("fit", days[0], "--update", sidecar)
    before = sidecar.read_bytes()
    refused = normcli("fit", days[1], "--update", sidecar, *option)
    assert refused.code == 2
    assert f"leave out {option[0]}" in refused.err
    assert sidecar.read_bytes() == before


def test_rows_that_are_all_that_was_there_are_told(
    normcli: Cli, days: list[Path], tmp_path: Path
) -> None:
    sidecar = tmp_path / "s.json"
    assert "added before?" not in normcli("fit", days[0], "--update", sidecar).err
    assert "were they added before?" in normcli("fit", days[0], "--update", sidecar).err
    assert "added before?" not in normcli("fit", days[1], "--update", sidecar).err


def test_a_table_of_other_columns_is_refused_and_changes_nothing(
    normcli: Cli, days: list[Path], tmp_path: Path
) -> None:
    sidecar, other = tmp_path / "s.json", tmp_path / "other.csv"
    normcli("fit", days[0], "--update", sidecar)
    before = sidecar.read_bytes()
    other.write_text("x,y,g\n1,two,a\n")
    refused = normcli("fit", other, "--update", sidecar)
    assert refused.code == 1
    assert f"cannot add to {sidecar}: column 'y' has" in refused.err
    other.write_text("a,b\n1,2\n")
    assert normcli("fit", other, "--update", sidecar).code in (1, 2)
    assert sidecar.read_bytes() == before


def test_one_file_named_twice_is_refused(normcli: Cli, days: list[Path], tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.hardlink_to(days[0])
    for second in (days[0], link, f"{tmp_path}/./0.csv"):
        refused = normcli("fit", days[0], second)
        assert refused.code == 2
        assert "would count twice" in refused.err


def test_each_input_is_fitted_by_itself(normcli: Cli, days: list[Path], tmp_path: Path) -> None:
    assert normcli("fit", *days, "--each").code == 0
    assert normcli("fit", *days, "--each", "-q", "-o", tmp_path / "new" / "out").code == 0
    for day in days:
        alone = normcli("fit", day, "-o", "-", "-q").out
        assert (tmp_path / f"{day.stem}.stats.json").read_bytes() == alone
        assert (tmp_path / "new" / "out" / f"{day.stem}.stats.json").read_bytes() == alone


def test_each_refuses_what_would_be_lost(normcli: Cli, days: list[Path], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    twin = tmp_path / "sub" / "0.csv"
    twin.write_bytes(days[1].read_bytes())
    both = normcli("fit", days[0], twin, "--each", "-o", tmp_path / "out")
    assert both.code == 2
    assert "both make" in both.err
    assert not (tmp_path / "out").exists()
    assert "stdin (-) has no name" in normcli("fit", "--each", stdin=b"x\n1\n").err
    assert normcli("fit", days[0], "--each", "--update", "s.json").code == 2
    assert normcli("fit", days[0], "-o", "t.json", "--update", "s.json").code == 2
    assert "cannot be read" in normcli("fit", days[0], "--update", "-").err
    twin.write_text("x,y,g\n")
    assert normcli("fit", twin, "--each").code == 1
    assert normcli("fit", twin, "--each", "--allow-empty").code == 0
