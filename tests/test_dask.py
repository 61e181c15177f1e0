"""The same bytes from a Dask cluster: a real scheduler and real workers, some of which die."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from normcli.engines import dask as dask_engine
from normcli.engines.fragments import fragments
from normcli.engines.local import Serial
from normcli.errors import NormcliError
from normcli.formats.base import ReadOptions
from normcli.methods import methods
from normcli.methods.spelling import Asked
from normcli.pipeline import Choice
from normcli.pipeline.fragmented import fit_fragments
from normcli.pipeline.summary import Summary
from normcli.sidecar.write import dumps
from normcli.storage.sources import sources
from tests.cluster import scheduler, workers
from tests.conftest import Cli
from tests.processes import PATIENCE, PYTHON_M, started, until
from tests.test_fragments import SMALL, WRITERS, parts_in, succeeds, write_csv
from tests.test_views_progress import drawn, on_terminal
from tools.sessions import FIGURE

pytest.importorskip("distributed", reason="the extra normcli[dask] is not installed")
from distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two workers."""
    with scheduler(tmp_path_factory.mktemp("cluster")) as (address, _), workers(address, 2):
        yield address


def timeless(report: str) -> list[str]:
    """The lines of a report without the parts that differ between runs."""
    return FIGURE.sub("0 ", report).splitlines()


@pytest.mark.parametrize("suffix", sorted(WRITERS))
def test_a_cluster_gives_the_bytes_that_one_process_gives(
    cluster: str, tmp_path: Path, normcli: Cli, suffix: str
) -> None:
    table = tmp_path / f"t.{suffix}"
    WRITERS[suffix](table)
    dask = ("--engine", "dask", "--scheduler", cluster)
    here, there = tmp_path / "here", tmp_path / "there"
    whole = succeeds(normcli("fit", table, "-o", tmp_path / "s.json"))
    fitted = succeeds(normcli("fit", table, "-o", tmp_path / "d.json", *dask, *SMALL))
    assert (tmp_path / "d.json").read_bytes() == (tmp_path / "s.json").read_bytes()
    assert timeless(fitted.err)[:4] == timeless(whole.err)[:4]

    arguments = ("transform", table, "--stats", tmp_path / "s.json", *SMALL, "--output-dir")
    local = succeeds(normcli(*arguments, here))
    remote = succeeds(normcli(*arguments, there, *dask))
    assert timeless(remote.err)[0] == timeless(local.err)[0]
    assert len(parts_in(there)) > 5
    assert [(p.name, p.read_bytes()) for p in parts_in(there)] == [
        (p.name, p.read_bytes()) for p in parts_in(here)
    ]


def test_an_error_in_the_data_is_told_as_by_one_process(
    cluster: str, tmp_path: Path, normcli: Cli
) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    table.write_bytes(table.read_bytes().replace(b"0300,plain,", b"0300,plain,oops"))
    arguments = ("fit", table, "-s", "x", "-o", tmp_path / "s.json")
    local = normcli(*arguments)
    remote = normcli(*arguments, "--engine", "dask", "--scheduler", cluster, *SMALL)
    assert remote.code == local.code == 1
    assert remote.err == local.err
    assert "line 452" in remote.err


def test_a_file_that_workers_cannot_see_is_named_with_the_place(
    cluster: str, tmp_path: Path, normcli: Cli
) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    with table.open() as file:  # of this process only
        seen = f"/proc/self/fd/{file.fileno()}"
        failed = normcli("fit", seen, "-o", "-", "--engine", "dask", "--scheduler", cluster)
    assert failed.code == 1
    assert f"normcli: {seen} " in failed.err
    assert socket.gethostname() in failed.err
    assert "Every worker must find the inputs under the same names" in failed.err


def fitted(table: Path, address: str, watch: Callable[[], None]) -> bytes:
    """The sidecar of a fit on the cluster, `watch` being called after every fragment."""
    found = fragments(sources([str(table)]), ReadOptions(), None, 100, Serial())
    zscore = Asked(methods()["zscore"].from_parameters({}))
    with dask_engine.dask(address, 1) as engine:
        return dumps(fit_fragments(found, Choice(), zscore, engine, Summary(watch=watch)))


def test_a_worker_that_dies_in_mid_run_changes_nothing(
    cluster: str, tmp_path: Path, normcli: Cli
) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    whole = succeeds(normcli("fit", table, "-o", "-")).out
    with workers(cluster, 1) as (third,):
        until(lambda: len(threads(cluster)) == 3)
        assert fitted(table, cluster, third.kill) == whole
        assert len(threads(cluster)) == 2


def threads(address: str) -> dict[str, int]:
    """The workers of a cluster, and how many threads each has."""
    with Client(address) as client:
        return client.nthreads()


def test_a_scheduler_that_dies_in_mid_run_is_an_error(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    with (
        scheduler(tmp_path) as (address, process),
        workers(address, 1),
        pytest.raises(NormcliError, match="the connection to the Dask scheduler was lost"),
    ):
        fitted(table, address, process.kill)


def group(pid: int) -> list[int]:
    """The processes of the session that `pid` leads, without it."""
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(pid)], capture_output=True, check=False)
    return [int(each) for each in found.stdout.split() if int(each) != pid]


@pytest.mark.parametrize(
    "way",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_ended_leaves_no_process(tmp_path: Path, way: signal.Signals) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    parts = tmp_path / "parts"
    options = ("--engine", "dask", "-j", 2, "--fragment-bytes", 60, "--output-dir", parts)
    command = ("normcli", "fit-transform", table, *options)
    with started(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        until(lambda: len(group(run.pid)) >= 3)  # one of them watches the others
        time.sleep(1)
        if way is signal.SIGINT:
            os.killpg(run.pid, way)  # as a terminal does
        else:
            run.send_signal(way)
        _, words = run.communicate(timeout=PATIENCE)
        until(lambda: not group(run.pid))
    assert run.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(way, -9)
    if way is not signal.SIGKILL:
        assert words.strip() == (b"normcli: interrupted" if way is signal.SIGINT else b"")
    assert not parts.exists()


def test_without_a_scheduler_workers_are_started_here(tmp_path: Path, normcli: Cli) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    whole = succeeds(normcli("fit", table, "-o", "-")).out
    done = subprocess.run(
        [*PYTHON_M, "normcli", "fit", table, "-o", "-", "--engine", "dask", "-j", "2", *SMALL],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == whole
    assert b"distributed" not in done.stderr


def test_a_worker_with_another_version_is_named(cluster: str, tmp_path: Path, normcli: Cli) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    other = tmp_path / "normcli-9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: normcli\nVersion: 9.9\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        with workers(cluster, 1):
            until(lambda: len(threads(cluster)) == 3)
            failed = normcli("fit", table, "--engine", "dask", "--scheduler", cluster)
    until(lambda: len(threads(cluster)) == 2)
    assert failed.code == 1
    assert re.match(r"normcli: tcp://\S+ has normcli 9\.9, but this machine has", failed.err)


def test_a_scheduler_that_does_not_answer_is_named_in_time(tmp_path: Path, normcli: Cli) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_engine, "ANSWER", 1)
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        failed = normcli("fit", table, "--engine", "dask", "--scheduler", address)
    assert failed.code == 1
    assert time.monotonic() - began < 15
    assert f"the Dask scheduler {address} does not answer" in failed.err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_an_invalid_address_is_a_usage_error(tmp_path: Path, normcli: Cli) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    refused = normcli("fit", table, "--engine", "dask", "--scheduler", "")
    assert refused.code == 2
    assert "--scheduler '' is not an address" in refused.err


def test_without_dask_the_command_that_installs_it_is_told(
    tmp_path: Path, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused = normcli("fit", table, "--engine", "dask")
    assert refused.code == 2
    assert "pip install 'normcli[dask]'" in refused.err


# -- the map itself ------------------------------------------------------------------------


def slow_square(x: int) -> int:
    time.sleep(0.001 if x % 20 else 0.1)
    return x * x


def deadly(x: int) -> int:
    if x == 3:
        os._exit(1)
    return x


def failing(x: int) -> int:
    if x >= 5:
        raise NormcliError(f"item {x}")
    return x


def wrong(x: int) -> float:
    return 1 / (x - 2)


def test_results_come_in_the_order_of_the_items(cluster: str) -> None:
    with dask_engine.dask(cluster, 1) as engine:
        assert list(engine.map(slow_square, range(100))) == [x * x for x in range(100)]
        assert list(engine.map(slow_square, [])) == []


def test_the_first_error_in_order_comes_after_the_results_before_it(cluster: str) -> None:
    seen = []
    with dask_engine.dask(cluster, 1) as engine, pytest.raises(NormcliError, match=r"^item 5$"):
        seen += engine.map(failing, range(40))
    with dask_engine.dask(cluster, 1) as engine:
        results = engine.map(failing, range(40))
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        results.close()


def test_a_bug_on_a_worker_is_shown_with_its_traceback(cluster: str) -> None:
    with dask_engine.dask(cluster, 1) as engine, pytest.raises(ZeroDivisionError) as bug:
        list(engine.map(wrong, range(5)))
    assert "return 1 / (x - 2)" in bug.value.__notes__[0]


def test_items_are_taken_as_they_are_needed(cluster: str) -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(10_000):
            taken.append(i)
            yield i

    with dask_engine.dask(cluster, 1) as engine:
        results = engine.map(slow_square, items())
        assert next(results) == 0
        assert len(taken) < 100
        results.close()


def test_time_passes_while_workers_do_the_work(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "LOOK", 0.01)
    looks: list[float] = []
    with dask_engine.dask(cluster, 1, lambda: looks.append(time.monotonic())) as engine:
        assert list(engine.map(slow_square, [20])) == [400]
    assert len(looks) > 2


IMPATIENT = """
from normcli.engines import dask as dask_engine
from normcli.views import progress
dask_engine.ANSWER = 60  # a busy machine is not a failure
dask_engine.LOOK = progress.DELAY = progress.INTERVAL = 0.001
"""


def test_a_bar_is_there_before_the_first_fragment_is_done(cluster: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    write_csv(table)
    options = ("-o", tmp_path / "s.json", "--engine", "dask", "--scheduler", cluster)
    seen = on_terminal(IMPATIENT, "fit", table, *options)
    assert seen.startswith(b"\r\x1b[Kwaiting for Dask\r\x1b[K")
    assert b"  0%  0:00 so far" in seen
    assert drawn(seen)[-1] == (100, 400)
    assert on_terminal(IMPATIENT, "fit", table, *options, "-q") == b""


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_named() -> None:
    with (
        dask_engine.dask(None, 2) as engine,
        pytest.raises(NormcliError, match=r"^3: the worker that had it"),
    ):
        list(engine.map(deadly, range(8)))


def test_no_worker_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_engine, "PATIENCE", 1)
    monkeypatch.setattr(dask_engine, "LOOK", 0.5)
    empty = LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0")
    with (
        empty,
        dask_engine.dask(empty.scheduler_address, 1) as engine,
        pytest.raises(NormcliError, match="no worker for 1 s"),
    ):
        list(engine.map(slow_square, range(3)))
