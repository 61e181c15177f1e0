"""``normcli check``: does a table fit the statistics of another?"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.numerics.doubles import count_outside
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics
from tests.conftest import Cli, Outcome

SAMPLE = Path(__file__).parents[1] / "sample_data"
TRAIN = b"id,x,y,t\n" + b"".join(b"%d,%d,%d,a\n" % (i, i % 10, 100 + i % 7) for i in range(1, 141))


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "train.json"
    assert normcli("fit", "-s", "x,y", "-o", path, stdin=TRAIN).code == 0
    return path


def faults(outcome: Outcome) -> dict[str, dict[str, str]]:
    """Column -> what does not fit, of --json."""
    return {c["column"]: c["faults"] for c in json.loads(outcome.out)["columns"] if c["faults"]}


def test_data_fit_their_own_statistics(normcli: Cli, stats: Path) -> None:
    result = normcli("check", "--stats", stats, stdin=TRAIN)
    assert result.code == 0
    assert result.text == (
        f"stdin fits {stats}: 140 rows, 2 columns\n"
        "\n"
        "column  fits  missing        mean   spread   out of range\n"
        "x       ok         0%   +0.00 std    x1.00             0%\n"
        "y       ok         0%   +0.00 std    x1.00             0%\n"
        "\n"
        "not compared, because not in the statistics: id\n"
    )
    assert result.err == ""


def test_a_file_and_a_pipe_get_the_same_answer(normcli: Cli, stats: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes(TRAIN.replace(b",100,", b",900,"))
    piped = normcli("check", "--stats", stats, "--json", stdin=path.read_bytes())
    named = normcli("check", path, "--stats", stats, "--json")
    assert (named.code, named.out) == (3, piped.out)
    for rows in (1, 7, 1000):
        chunked = normcli("check", path, "--stats", stats, "--json", "--chunk-rows", rows)
        assert chunked.out == named.out


def changed(old: bytes, new: bytes) -> bytes:
    assert old in TRAIN
    return TRAIN.replace(old, new)


def shifted(by: float) -> bytes:
    rows = [f"{i % 10 + by},{100 + i % 7}\n" for i in range(1, 141)]
    return ("x,y\n" + "".join(rows)).encode()


@pytest.mark.parametrize(
    ("data", "found", "lifted"),
    [
        (
            shifted(1.5),
            {"mean_shift": "mean +0.522 std, more than 0.5", "out_of_range": "20% out of"},
            ["--max-mean-shift", "0.6", "--max-out-of-range", "20%"],
        ),
        (
            b"x,y\n" + b"".join(b"%d,%d\n" % (4 + i % 2, 100 + i % 7) for i in range(140)),
            {"spread_ratio": "spread x0.174, less than x0.5"},
            ["--max-spread-ratio", "off"],
        ),
        (
            changed(b",0,", b",,"),
            {"missing_change": "missing +10 points, more than 5%"},
            ["--max-missing-change", "0.1"],
        ),
        (
            changed(b",9,", b",9e3,"),
            {
                "out_of_range": "10% out of 0 to 9, more than 5%",
                "mean_shift": "mean +",
                "spread_ratio": "spread x",
            },
            ["--max-mean-shift=off", "--max-spread-ratio=off", "--max-out-of-range=off"],
        ),
        (
            changed(b",9,", b",nine,"),
            {"retyped": "no longer numbers: text: 'nine' at line 10"},
            ["--on-retyped-column", "tell"],
        ),
        (
            changed(b",x,", b",xx,"),
            {"missing": "there is no such column"},
            ["--on-missing-column", "tell"],
        ),
    ],
)
def test_what_does_not_fit_is_told_and_each_limit_can_be_lifted(
    normcli: Cli, stats: Path, data: bytes, found: dict[str, str], lifted: list[str]
) -> None:
    strict = normcli("check", "--stats", stats, "--json", stdin=data)
    assert strict.code == 3
    told = faults(strict)
    assert list(told) == ["x"]
    assert sorted(told["x"]) == sorted(found)
    for what, words in found.items():
        assert told["x"][what].startswith(words)
    assert normcli("check", "--stats", stats, *lifted, stdin=data).code == 0


def test_a_number_on_a_limit_is_within_it(normcli: Cli, stats: Path) -> None:
    data = changed(b",0,", b",,")  # a tenth is missing now, and nothing was
    for limit, code in (("0.1", 0), ("10%", 0), ("0.0999999", 3)):
        result = normcli("check", "--stats", stats, "--max-missing-change", limit, stdin=data)
        assert result.code == code


def test_an_extra_column_of_numbers_fails_only_if_asked(normcli: Cli, stats: Path) -> None:
    result = normcli("check", "--stats", stats, "--on-extra-column", "fail", stdin=TRAIN)
    assert result.code == 3
    assert "id      extra" in result.text
    assert "t  " not in result.text  # a column of text is none that fit would have chosen


def test_selected_columns_alone_are_compared(normcli: Cli, stats: Path) -> None:
    data = changed(b",9,", b",9e3,")
    assert normcli("check", "--stats", stats, "-s", "y", stdin=data).code == 0
    assert normcli("check", "--stats", stats, "--exclude", "x", stdin=data).code == 0
    assert normcli("check", "--stats", stats, "-s", "x", stdin=data).code == 3
    assert normcli("check", "--stats", stats, "-s", "x", stdin=b"a\n1\n").code == 3


def test_infinities_are_faults_or_out_of_range(normcli: Cli, stats: Path) -> None:
    data = TRAIN + b"1,inf,100,a\n"
    strict = normcli("check", "--stats", stats, "--json", stdin=data)
    assert list(faults(strict)["x"]) == ["infinite"]
    ignoring = ("check", "--stats", stats, "--json", "--on-inf", "ignore")
    ignored = normcli(*ignoring, stdin=data)
    assert ignored.code == 0
    assert json.loads(ignored.out)["columns"][0]["out_of_range"] == 1 / 141


def test_numbers_are_what_transform_would_take(normcli: Cli, stats: Path) -> None:
    """Leading zeros keep fit from choosing a column, but not from scaling a chosen one."""
    data = TRAIN.replace(b",9,", b",09,")
    assert normcli("transform", "--stats", stats, stdin=data).code == 0
    assert normcli("check", "--stats", stats, stdin=data).code == 0


def test_few_rows_get_a_warning_and_no_row_fits(normcli: Cli, stats: Path) -> None:
    few = normcli("check", "--stats", stats, stdin=b"x,y\n4,103\n5,102\n")
    assert few.text.endswith("\nwith so few rows, chance alone can move a mean by 2.1 std\n")
    none = normcli("check", "--stats", stats, stdin=b"x,y\n")
    assert (none.code, none.text.splitlines()[-1]) == (3, "there are no rows to compare")
    assert none.text.startswith("stdin cannot be checked against ")
    assert (
        json.loads(normcli("check", "--json", "--stats", stats, stdin=b"x,y\n").out)["fits"]
        is False
    )


def test_quiet_says_nothing_and_the_exit_code_tells(normcli: Cli, stats: Path) -> None:
    for data, code in ((TRAIN, 0), (changed(b",9,", b",9e3,"), 3)):
        assert normcli("check", "--stats", stats, "-q", stdin=data) == Outcome(code, b"", "")


def test_those_that_do_not_fit_come_first(normcli: Cli, stats: Path) -> None:
    result = normcli("check", "--stats", stats, stdin=changed(b",100,", b",900,"))
    assert result.text.splitlines()[0] == (
        f"stdin does not fit {stats}: 140 rows, 1 of 2 columns failed"
    )
    assert result.text.splitlines()[3].startswith("y       NO  ")
    assert "14.3%!" in result.text


def test_a_column_of_no_number_must_stay_so(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", "-o", path, stdin=b"x,y\n1,\n2,\n")
    assert normcli("check", "--stats", path, stdin=b"x,y\n1,\n2,\n").code == 0
    result = normcli("check", "--stats", path, "--json", stdin=b"x,y\n1,7\n2,8\n")
    assert "count" in faults(result)["y"]


def test_a_constant_column_that_moves_does_not_fit(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", "-o", path, stdin=b"x\n5\n5\n")
    assert normcli("check", "--stats", path, stdin=b"x\n5\n5\n").code == 0
    result = normcli("check", "--stats", path, "--json", stdin=b"x\n5\n6\n")
    found = json.loads(result.out)["columns"][0]
    assert (found["mean_shift"], found["spread_ratio"]) == ("inf", "inf")
    assert set(found["faults"]) == {"mean_shift", "spread_ratio", "out_of_range"}


def test_two_sidecars_are_compared_without_data(normcli: Cli, stats: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.json"
    normcli("fit", "-s", "x,y", "-o", new, stdin=shifted(1.5))
    result = normcli("check", new, "--stats", stats, "--json")
    assert result.code == 3
    column = json.loads(result.out)["columns"][0]
    assert list(column["faults"]) == ["mean_shift"]
    assert column["out_of_range"] == 1 / 140  # the maximum is out of range, and maybe others
    piped = normcli("check", "--stats", stats, "--json", stdin=new.read_bytes())
    assert piped.out == result.out
    forced = normcli("check", new, "--from", "sidecar", "--stats", stats, "--json")
    assert forced.out == result.out
    assert normcli("check", stats, "--stats", stats).code == 0
    certain = normcli("check", new, "--stats", stats, "--max-mean-shift=9", "--max-out-of-range=0")
    assert certain.code == 3


def test_several_inputs_are_one_table(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", SAMPLE / "penguins.csv", "-o", path)
    both = normcli("check", SAMPLE / "train.csv", SAMPLE / "test.csv", "--stats", path, "--json")
    assert both.code == 0
    one = normcli("check", SAMPLE / "penguins.csv", "--stats", path, "--json")
    assert json.loads(both.out) == json.loads(one.out)


def test_typed_columns_are_retyped_by_their_type(normcli: Cli, tmp_path: Path) -> None:
    path, data = tmp_path / "s.json", tmp_path / "t.parquet"
    normcli("fit", "-o", path, stdin=b"x,y\n1,2\n2,3\n")
    pq.write_table(pa.table({"x": [True, False], "y": [Decimal("2.5"), Decimal("3.5")]}), data)
    result = normcli("check", data, "--stats", path, "--json")
    found = {c["column"]: c for c in json.loads(result.out)["columns"]}
    assert found["x"]["state"] == "retyped"
    assert "bool" in found["x"]["remark"]
    assert found["y"]["out_of_range"] == 0.5


def test_repeated_names_are_refused_where_they_are_compared(normcli: Cli, stats: Path) -> None:
    result = normcli("check", "--stats", stats, stdin=b"x,x,y\n1,2,100\n")
    assert result.code == 1
    assert "2 columns are named 'x'" in result.err
    assert normcli("check", "--stats", stats, stdin=b"x,y,t,t\n1,101,a,b\n").code in (0, 3)


def test_the_summary_for_programs_counts_the_cells_of_each_kind(
    normcli: Cli, stats: Path, tmp_path: Path
) -> None:
    told = tmp_path / "summary.json"
    data = b"x,y\n9e3,\nNA,\ninf,1\n"
    normcli("check", "--stats", stats, "--json-summary", told, stdin=data)
    assert json.loads(told.read_bytes())["cells"] == {
        "missing": {"x": 1, "y": 2},
        "inf": {"x": 1},
        "out_of_range": {"x": 2, "y": 1},
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["check"],
            2,
            "normcli: check needs --stats, a file that fit writes: normcli fit train.csv",
        ),
        (["check", "--stats", "-"], 2, "normcli: stdin (-) can be read only once: as INPUT or as"),
        (
            ["check", "--max-mean-shift", "-1"],
            2,
            "normcli: --max-mean-shift must be 0 or more, a percentage, or 'off', not -1. "
            "See normcli check --help\n",
        ),
        (
            ["check", "--max-spread-ratio", "nan"],
            2,
            "must be 1 or more, a percentage, or 'off', not 'nan'",
        ),
        (
            ["check", "--max-spread-ratio", ".5"],
            2,
            "must be 1 or more, a percentage, or 'off', not '.5'",
        ),
        (["check", "--max-mean-shit", "1"], 2, "Did you mean '--max-mean-shift'?"),
    ],
)
def test_wrong_words_are_answered(
    normcli: Cli, arguments: list[str], code: int, words: str
) -> None:
    result = normcli(*arguments, stdin=TRAIN)
    assert result.code == code
    assert words in result.err


numbers = st.floats(allow_nan=False, allow_infinity=True) | st.sampled_from([0.0, -0.0, 5e-324])
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, max_size=30), finite, finite)
def test_what_is_outside_is_counted_exactly(values: list[float], a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    x = Numbers(np.array([values], dtype=float).reshape(1, -1))
    assert count_outside(x, low, high) == sum(v < low or v > high for v in values)


@given(
    st.lists(st.integers(-(2**63), 2**63), max_size=20),
    st.integers(-(2**63), 2**63),
    st.integers(-(2**63), 2**63),
)
def test_integers_and_decimals_are_compared_exactly(values: list[int], a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    parts = np.array([[float(v) for v in values], [float(v - int(float(v))) for v in values]])
    expected = sum(v < low or v > high for v in values)
    assert count_outside(Numbers(parts), low, high) == expected
    cents: Any = [Decimal(end).scaleb(-2) for end in (low, high)]
    assert count_outside(Numbers(parts, scale=2), *cents) == expected


def test_exactly_the_extremes_are_inside() -> None:
    x = Numbers(np.array([[0.1, 0.3, math.nan]]))
    c = ColumnStatistics.of(x)
    assert c.min is not None
    assert c.max is not None
    assert count_outside(x, c.min, c.max) == 0
    assert count_outside(x, math.nextafter(0.1, 1), c.max) == 1
    assert Fraction(c.min) == Fraction(0.1)


FAR = 2**60  # where neighbouring float64 are 256 apart


@pytest.mark.parametrize(
    ("then", "now", "shift", "code"),
    [
        ([127] * 51 + [129] * 49, [127] * 49 + [129] * 51, 0.04, 0),
        (list(range(101)), [20] * 5 + [100] * 15, 1.03, 3),
        ([1, 1], [90, 90], math.inf, 3),
        ([1, 1], [1, 1, 1], 0.0, 0),
        ([1, 1], [0], -math.inf, 3),
    ],
)
def test_the_shift_of_a_mean_is_exact_far_from_zero(
    normcli: Cli, tmp_path: Path, then: list[int], now: list[int], shift: float, code: int
) -> None:
    """The float64 nearest to these means are the same, or one unit in the last place apart."""
    before, after = tmp_path / "then.json", tmp_path / "now.json"
    table = "".join(f"{FAR + k}\n" for k in now)
    normcli("fit", "-o", before, stdin=("x\n" + "".join(f"{FAR + k}\n" for k in then)).encode())
    normcli("fit", "-o", after, stdin=("x\n" + table).encode())
    out = ["--max-out-of-range", "off"]
    done = normcli("check", "--stats", before, "--json", *out, stdin=("x\n" + table).encode())
    assert done.code == code
    exact = Fraction(sum(now), len(now)) - Fraction(sum(then), len(then))
    assert exact == 0 or math.copysign(1, shift) == (1 if exact > 0 else -1)
    for found in (done.out, normcli("check", after, "--stats", before, "--json", *out).out):
        column = json.loads(found)["columns"][0]
        assert float(column["mean_shift"]) == pytest.approx(shift, abs=0.005)
    pair = normcli("show", before, after, "--json")
    assert pair.code == 0
    (told,) = re.findall(r'"mean_shift": "?([-.\w]+)', pair.text)
    assert float(told) == pytest.approx(shift, abs=0.005)
