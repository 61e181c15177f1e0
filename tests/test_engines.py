"""Every engine is an ordered map."""

import os
import threading
from contextlib import closing
from itertools import count

import pytest

from normcli.engines.local import Overlapped, Processes, Serial, Threads
from normcli.errors import DataError
from normcli.formats import open_table
from normcli.formats.base import ReadOptions
from normcli.methods import methods
from normcli.methods.spelling import Asked
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit
from normcli.storage.sources import sources

THREADS = Threads(2, lambda: True, Serial())
ENGINES = [Serial(), Overlapped(), Processes(2), THREADS]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda e: type(e).__name__)


def threefold(x):
    if x == 7:
        raise DataError("no sevens")
    return 3 * x


@every_engine
@pytest.mark.parametrize("n", [0, 1, 2, 5, 7])
def test_results_come_in_the_order_of_the_items(engine, n):
    assert list(engine.map(threefold, iter(range(n)))) == [3 * i for i in range(n)]


@every_engine
def test_an_error_comes_after_the_results_before_it(engine):
    got = []
    with pytest.raises(DataError, match="no sevens"):
        got.extend(engine.map(threefold, iter(range(12))))
    assert got == [0, 3, 6, 9, 12, 15, 18]


@every_engine
def test_an_error_of_what_makes_the_items_comes_after_the_results_before_it(engine):
    def items():
        yield from range(5)
        raise DataError("line 6 is bad")

    got = []
    with pytest.raises(DataError, match="line 6 is bad"):
        got.extend(engine.map(threefold, items()))
    assert got == [0, 3, 6, 9, 12]


@every_engine
def test_the_work_can_be_left_before_its_end(engine):
    threads = threading.active_count()
    with closing(engine.map(str, count())) as results:
        assert next(results) == "0"
    assert threading.active_count() == threads


def test_overlapped_work_is_read_done_and_used_at_the_same_time():
    read, done = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def items():
        for i, event in enumerate(read):
            event.set()
            yield i

    def work(i):
        assert i == 2 or read[i + 1].wait(10)  # the next is read while this is worked on
        done[i].set()
        return i

    for i in Overlapped().map(work, items()):
        assert i == 2 or done[i + 1].wait(10)  # the next is worked on while this is used


class Counting:
    """Counts the calls of its map."""

    maps = 0

    def map(self, work, items):
        self.maps += 1
        yield from map(work, items)


def test_the_same_workers_see_all_tables_of_a_kind(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.csv").write_text(f"x\n{i}\n{i + 0.5}\n")
    tables = (open_table(s, ReadOptions()) for s in sources([str(tmp_path)]))
    engine = Counting()
    statistics, summary = fit(tables, Choice(), Asked(methods()["zscore"]()), engine)
    assert statistics.columns["x"].mean == 2.25
    assert summary.rows == 10
    assert engine.maps == 1


def test_processes_go_on_where_the_work_of_threads_is_not_free_any_more():
    done = []

    def process(item):
        done.append(item)
        return os.getpid()

    engine = Threads(2, lambda: len(done) < 5, Processes(2))
    found = list(engine.map(process, iter(range(40))))
    assert found[:5] == [os.getpid()] * 5
    assert len(done) < 10
    assert len(set(found[10:]) - {os.getpid()}) == 2
