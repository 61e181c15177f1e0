"""Moments against exact fractions, as a monoid, and against the corpora."""

import csv
import json
import math
import pickle
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.numerics.numbers import Numbers
from normcli.numerics.sums import BLOCK
from normcli.numerics.total import Total, exact_value
from normcli.statistics.base import Folded, Rows
from normcli.statistics.moments import Moments, MomentsState
from tests.corpora import corpus
from tests.test_numerics_total import assert_nearest


def numbers(values, missing=None):
    """A float64 column; None is a missing cell."""
    values = list(values)
    gone = np.array([v is None for v in values], dtype=bool)
    x = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    return Numbers(x[None], gone if missing or gone.any() else None)


def of_integers(values, scale=0):
    """A column of integers or decimals of any size, in as many parts as they need."""
    parts, rest = [], list(values)
    while any(rest) or not parts:
        parts.append([float(v) for v in rest])
        rest = [v - int(p) for v, p in zip(rest, parts[-1], strict=True)]
    return Numbers(np.array(parts).reshape(len(parts), -1), None, scale)


def of(values):
    return Moments.of(numbers(values))


def state_of(columns, places=None):
    """The state of columns; `places`: their numbers."""
    places = range(len(columns)) if places is None else places
    return MomentsState.of(Rows(dict(zip(places, columns, strict=True))))


def of_columns(columns):
    return state_of(columns).moments()


def assert_exact(x, values):
    """Every statistic of x is the right one for the exact numbers `values`."""
    n = len(values)
    total = sum(values, Fraction(0))
    assert x.count == n
    assert x.sum.as_fraction() == total
    assert x.sum_of_squares.as_fraction() == sum((v * v for v in values), Fraction(0))
    assert (Fraction(x.min), Fraction(x.max)) == (min(values), max(values))
    assert x.constant == (len(set(values)) == 1)
    assert_nearest(x.mean, total / n)
    deviations = sum((v - total / n) ** 2 for v in values)
    for ddof in (0, 1):
        if n <= ddof:
            assert x.variance(ddof) is None
            assert x.std(ddof) is None
        else:
            assert_variance(x, ddof, deviations / (n - ddof))


def assert_variance(x, ddof, variance):
    if variance < 2**1024 - 2**970:
        assert_nearest(x.variance(ddof), variance)
    else:
        with pytest.raises(OverflowError):
            x.variance(ddof)
    if variance >= Fraction(2**1024 - 2**970) ** 2:
        with pytest.raises(OverflowError):
            x.std(ddof)
        return
    std = x.std(ddof)
    below, above = math.nextafter(std, 0), math.nextafter(std, math.inf)
    assert (Fraction(below) + Fraction(std)) ** 2 <= 4 * variance or std == 0
    if above < math.inf:
        assert 4 * variance <= (Fraction(above) + Fraction(std)) ** 2


finite = st.floats(allow_nan=False, allow_infinity=False)
cells = st.one_of(st.none(), st.floats(), st.floats(-1e3, 1e3), st.integers(-9, 9).map(float))

EDGES = {
    "largest": [1.79e308, 1.7e308, 1.6e308],
    "both ends": [1.7976931348623157e308, -1.7976931348623157e308],
    "subnormal": [5e-324, 1e-323, 1.5e-323],
    "squares underflow": [1e-200, 2e-200, 4e-200],
    "squares overflow": [1e200, -1e200, 3e200],
    "offset": [1e15 + i / 8 for i in range(50)],
    "one ulp": [1.0, math.nextafter(1, 2)],
    "one ulp of subnormals": [5e-324, 1e-323],
    "mixed": [1e-300, 1e300, -1e300, 1.0],
    "cancelling": [1e16, 1.0, -1e16, 1.0],
    "equal": [0.1] * 1000,
    "nearly equal": [0.1] * 1000 + [math.nextafter(0.1, 1)],
    "small range": [1e-20, 3e-20],
    "one": [-7.25],
    "zeros": [0.0, -0.0],
}


@pytest.mark.parametrize("values", EDGES.values(), ids=EDGES)
def test_statistics_are_correctly_rounded_at_the_edges(values):
    assert_exact(of(values), [Fraction(v) for v in values])


@given(st.lists(finite, min_size=1, max_size=30))
def test_statistics_are_correctly_rounded_for_any_floats(values):
    assert_exact(of(values), [Fraction(v) for v in values])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@given(data=st.data())
def test_statistics_are_correctly_rounded_for_narrow_floats(dtype, data):
    width = np.dtype(dtype).itemsize * 8
    floats = st.floats(allow_nan=False, allow_infinity=False, width=width)
    values = np.array(data.draw(st.lists(floats, min_size=1)), dtype=dtype)
    assert_exact(of(values), [Fraction(float(v)) for v in values])


@given(
    st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=30),
    st.integers(0, 9),
)
def test_statistics_are_correctly_rounded_for_integers_and_decimals(values, scale):
    x = Moments.of(of_integers(values, scale))
    assert_exact(x, [Fraction(v, 10**scale) for v in values])


@given(st.lists(st.integers(-(10**76), 10**76), min_size=1, max_size=20), st.integers(0, 76))
def test_statistics_are_correctly_rounded_for_wide_decimals(values, scale):
    x = Moments.of(of_integers(values, scale))
    assert_exact(x, [Fraction(v, 10**scale) for v in values])


def test_huge_integers_beside_tiny_floats_lose_nothing():
    parts = np.array([[2.0**60, 1e-300, 0.1], [1.0, 0.0, 0.0]])
    x = Moments.of(Numbers(parts))
    assert_exact(x, [Fraction(2**60 + 1), Fraction(1e-300), Fraction(0.1)])


@pytest.mark.parametrize("n", [8191, 65537, 300_000])
def test_long_columns_are_as_exact_as_short_ones(n):
    values = np.random.default_rng(n).normal(1e9, 1, n)
    scaled = [int(v) for v in values * 2.0**30]  # whole, because 1e9 has an ulp of 2**-23
    x = of(values)
    assert x.sum.as_fraction() == Fraction(sum(scaled), 2**30)
    assert x.sum_of_squares.as_fraction() == Fraction(sum(v * v for v in scaled), 2**60)


# ------------------------------------------------------------------ what is counted


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("place", range(9))
def test_a_signaling_nan_is_counted_without_a_warning(place):
    numbers = np.ones(9)
    numbers.view(np.uint64)[place] = 0x7FF0000000000001
    x = Moments.of(Numbers(numbers[None]))
    assert (x.count, x.nan, x.mean) == (8, 1, 1.0)


def test_missing_nan_and_infinite_cells_are_counted_and_left_out():
    x = of([1.0, None, math.nan, math.inf, 3.0, -math.inf, None])
    assert (x.count, x.missing, x.nan, x.inf) == (2, 2, 1, 2)
    assert (x.mean, x.min, x.max) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("values", [[], [None] * 3, [math.nan], [math.inf, None]])
def test_a_column_without_numbers_has_no_statistics_and_adds_none(values):
    x = of(values)
    assert x.count == 0
    assert (x.min, x.max, x.mean, x.variance(), x.std()) == (None,) * 5
    assert not x.constant
    some = of([1.0, 2.0])
    merged = some.merge(x)
    assert (merged.count, merged.mean, merged.std()) == (2, 1.5, 0.5)


def test_negative_zero_is_zero():
    x = of([-0.0, -0.0])
    assert math.copysign(1, x.min) == math.copysign(1, x.max) == math.copysign(1, x.mean) == 1
    assert x == of([0.0, 0.0])


def test_a_mean_that_rounds_to_zero_from_below_is_zero():
    assert math.copysign(1, of([-5e-324, 0.0, 0.0]).mean) == 1


def test_minimum_and_maximum_of_ids_beyond_2_to_the_53_are_exact():
    ids = [2**60 + i for i in (5, 1, 3, 900)]
    x = Moments.of(of_integers(ids))
    assert (x.min, x.max) == (2**60 + 1, 2**60 + 900)
    assert isinstance(x.min, int)


def test_extremes_of_several_parts_are_not_fooled_by_rounded_sums():
    # in float64, (2**53 + 1) + 1 is 2**53, below the other number; exactly, it is above
    x = Moments.of(Numbers(np.array([[2.0**53, 0.0], [1.0, 2.0**53 + 2], [1.0, -0.5]])))
    assert (x.min, x.max) == (Decimal(2**53) + Decimal("1.5"), 2**53 + 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(5, 2), 2.5),
        (Fraction(2**53), 2.0**53),
        (Fraction(2**53 + 1), 2**53 + 1),
        (Fraction(10**400), 10**400),
        (Fraction(1, 10), Decimal("0.1")),
        (Fraction(-(10**40) - 1, 1000), Decimal("-10000000000000000000000000000000000000.001")),
    ],
)
def test_one_number_has_one_form(value, expected):
    assert exact_value(value) == expected
    assert type(exact_value(value)) is type(expected)
    assert str(exact_value(value)) == str(expected)


def test_a_number_without_end_in_decimal_notation_is_refused():
    with pytest.raises(ValueError, match="no end"):
        exact_value(Fraction(1, 3))


def test_a_decimal_column_of_cents_has_exact_extremes():
    x = Moments.of(Numbers(np.array([[1999.0, 10.0, 250.0]]), None, 2))
    assert (x.min, x.max) == (Decimal("0.1"), Decimal("19.99"))
    assert str(x.min) == "0.1"


def test_a_variance_beyond_float64_is_an_error_where_the_std_is_none():
    x = of([1e200, -1e200])
    with pytest.raises(OverflowError):
        x.variance()
    assert x.std() == 1e200


# ------------------------------------------------------------------ the laws


@given(st.lists(cells, max_size=40), st.data())
def test_any_split_in_any_order_gives_the_same_statistics(values, data):
    whole = of(values)
    shuffled = data.draw(st.permutations(values))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    bounds = [0, *cuts, len(values)]
    shards = [of(shuffled[a:b]) for a, b in pairwise(bounds)]
    assert fold(shards) == whole
    assert same_bits(fold(data.draw(st.permutations(shards))), whole)


@given(*[st.lists(cells, max_size=8).map(of)] * 3)
def test_merging_is_a_commutative_monoid(a, b, c):
    assert same_bits(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same_bits(a.merge(b), b.merge(a))
    assert same_bits(a.merge(Moments()), a)
    assert same_bits(Moments().merge(a), a)


@given(st.lists(st.integers(-(2**64), 2**64), min_size=2, max_size=20), st.data())
def test_merging_integers_and_floats_keeps_one_form_of_every_number(values, data):
    cut = data.draw(st.integers(1, len(values) - 1))
    parts = [Moments.of(of_integers(v)) for v in (values[:cut], values[cut:])]
    assert same_bits(fold(parts), Moments.of(of_integers(values)))


def test_the_number_of_parts_does_not_matter():
    values = np.random.default_rng(1).normal(size=500)
    padded = Numbers(np.stack([values, np.zeros(500), np.zeros(500)]))
    assert same_bits(Moments.of(padded), of(values))


@pytest.mark.parametrize("n", [1, 500, 9000])
def test_many_columns_at_once_give_the_same_as_one_by_one(n):
    rng = np.random.default_rng(n)
    columns = [numbers(rng.normal(size=n) * 10.0**e) for e in (-250, 0, 3, 250)]
    columns += [numbers([None] * n), of_integers([2**60 + i for i in range(n)])]
    with_gaps = rng.normal(size=n)
    with_gaps[::3] = math.nan
    columns += [numbers(with_gaps), numbers(rng.integers(0, 9, n)), of_integers([n] * n, 2)]
    together = of_columns(columns)
    assert all(same_bits(a, Moments.of(b)) for a, b in zip(together, columns, strict=True))
    assert of_columns([]) == []


tables = st.integers(0, 3).flatmap(
    lambda m: st.lists(st.lists(st.tuples(*[cells] * m), max_size=6), min_size=1, max_size=4).map(
        lambda parts: (m, parts)
    )
)


def table(rows, m):
    return state_of([numbers([row[i] for row in rows]) for i in range(m)])


@given(tables)
def test_statistics_of_a_table_are_those_of_its_columns(drawn):
    m, parts = drawn
    rows = [row for part in parts for row in part]
    columns = [of([row[i] for row in rows]) for i in range(m)]
    whole = reduce(MomentsState.merge, [table(part, m) for part in parts])
    backwards = reduce(MomentsState.merge, [table(part, m) for part in parts[::-1]])
    sent = pickle.loads(pickle.dumps(whole))
    for found in (whole, backwards, sent, table(rows, m)):
        assert all(same_bits(a, b) for a, b in zip(found.moments(), columns, strict=True))


DECIMALS = [10**30 + 1, 7, 2**64]


@pytest.mark.parametrize(
    "parts",
    [
        [[of_integers([2**60 + 1, 5]), numbers([1.0, None])], [numbers([0.5]), numbers([2.0])]],
        [[of_integers(DECIMALS, 2)], [of_integers([-1], 2)], [of_integers(DECIMALS)]],
        [[of_integers(DECIMALS, 3)], [numbers([None])], [of_integers(DECIMALS, 3)]],
        [[numbers([1e300, 1e-300])], [numbers([-1e300, 5e-324])], [numbers([])], [numbers([0.1])]],
    ],
    ids=["integers and floats", "scales", "missing decimals", "magnitudes"],
)
def test_a_fold_adds_up_parts_however_unlike_they_are(parts):
    fold, expected = Folded(), [Moments()] * len(parts[0])
    for columns in parts * 2:
        part = state_of(columns)
        fold.add(part)
        expected = [a.merge(b) for a, b in zip(expected, part.moments(), strict=True)]
        expected_alone = [Moments.of(column) for column in columns]
        assert all(same_bits(a, b) for a, b in zip(part.moments(), expected_alone, strict=True))
    found = [fold.values()[(), i] for i in range(len(expected))]
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))
    assert fold.values() == fold.values()


def test_several_long_columns_are_each_added_to_their_own():
    x = np.random.default_rng(3).integers(-1000, 1000, (3, BLOCK + 1000))
    found = of_columns([numbers(column) for column in x])
    assert [c.sum.as_fraction() for c in found] == x.sum(axis=1).tolist()
    assert [c.sum_of_squares.as_fraction() for c in found] == (x * x).sum(axis=1).tolist()
    assert [(c.min, c.max) for c in found] == list(zip(x.min(axis=1), x.max(axis=1), strict=True))


def test_a_fold_takes_parts_that_have_only_some_of_the_columns():
    fold = Folded()
    fold.add(state_of([numbers([1.0]), numbers([2.0]), numbers([3.0])]))
    for places in ([0, 2], [0, 2], [2, 0]):
        fold.add(state_of([numbers([5.0]), numbers([6.0])], places))
    found = [fold.values()[(), i] for i in range(3)]
    assert [column.count for column in found] == [4, 1, 4]
    assert [column.mean for column in found] == [
        (1 + 5 + 5 + 6) / 4,
        2,
        (3 + 6 + 6 + 5) / 4,
    ]


def test_statistics_of_a_table_are_small_to_send():
    x = np.random.default_rng(0).normal(100, 10, (10, 1000))
    assert len(pickle.dumps(state_of([Numbers(column[None]) for column in x]))) < 2500


def test_counts_beyond_2_to_the_53_stay_exact():
    x = of([0.1, 0.1, 0.4])
    for _ in range(60):
        x = x.merge(x)
    assert x.count == 3 * 2**60
    assert (x.mean, x.std()) == (of([0.1, 0.1, 0.4]).mean, of([0.1, 0.1, 0.4]).std())


def test_a_billion_equal_values_have_that_mean_and_no_deviation():
    x = fold([of([0.1])] * 10)
    for _ in range(8):
        x = fold([x] * 10)
    assert (x.count, x.mean, x.std(), x.constant) == (10**9, 0.1, 0.0, True)


def test_the_state_stays_small_however_many_merges_made_it():
    x = of(np.random.default_rng(2).normal(size=1000))
    for _ in range(50):
        x = x.merge(x)
    assert len(x.sum.to_floats()) <= 3
    assert len(x.sum_of_squares.to_floats()) <= 5


def fold(shards):
    return reduce(Moments.merge, shards, Moments())


def same_bits(a, b):
    return a == b and repr(a) == repr(b)


# ------------------------------------------------------------------ what other formulas give


def naive(x):
    return math.sqrt(np.mean(x * x) - np.mean(x) ** 2) if np.mean(x * x) > np.mean(x) ** 2 else 0.0


def welford(x):
    mean = m2 = 0.0
    for k, v in enumerate(x.tolist(), 1):
        delta = v - mean
        mean += delta / k
        m2 += delta * (v - mean)
    return math.sqrt(m2 / len(x))


def pairwise_merge(x):
    """Chan, Golub and LeVeque's merge of the halves, down to single values."""

    def state(x):
        if len(x) == 1:
            return 1, x[0], 0.0
        (na, ma, qa), (nb, mb, qb) = state(x[: len(x) // 2]), state(x[len(x) // 2 :])
        n, delta = na + nb, mb - ma
        return n, ma + delta * nb / n, qa + qb + delta * delta * na * nb / n

    return math.sqrt(state(x.tolist())[2] / len(x))


@pytest.mark.parametrize("formula", [naive, welford, pairwise_merge])
def test_the_usual_formulas_fail_on_data_where_ours_is_exact(formula):
    x = np.random.default_rng(1).normal(1e9, 1, 2000)
    orders = [x, *(np.random.default_rng(i).permutation(x) for i in range(20))]
    assert_exact(of(x), [Fraction(v) for v in x.tolist()])
    assert formula(x) != of(x).std()
    assert len({formula(order) for order in orders}) > 1
    assert len({of(order) for order in orders}) == 1


# ------------------------------------------------------------------ the corpora


def columns_of(path, header=True, delimiter=","):
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    names = rows.pop(0) if header else [str(i) for i in range(len(rows[0]))]
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return dict(zip(names, columns, strict=True))


def read(cells, na=("",)):
    return of([None if c in na else float(c) for c in cells])


@pytest.mark.parametrize("name", ["PiDigits", "Lew", "Mavro", "NumAcc1", "NumAcc2", "NumAcc3"])
def test_nist_reference_data_give_the_float64_nearest_to_the_truth(name):
    folder = corpus("nist_strd")
    truth = json.loads((folder / "certified.json").read_text())[name]["exact_of_float64"]
    x = read(columns_of(folder / f"{name}.csv")["y"])
    assert x.mean == float(truth["mean"])
    assert x.std(1) == float(truth["sd_sample"])
    assert x.std(0) == float(truth["sd_population"])


def test_real_tables_give_what_exact_arithmetic_on_their_text_gives():
    folder = corpus("real")
    checked = 0
    for name, table in json.loads((folder / "truth.json").read_text()).items():
        if not (folder / name).exists():
            continue
        columns = columns_of(folder / name, table["header"], table["delimiter"])
        columns = list(columns.values())
        for truth in table["stats"].values():
            if truth.get("kind") != "non-numeric":
                x = read(columns[truth["index"]], {"", *table["na"]})
                assert_close(x, truth)
                checked += 1
    assert checked > 80


def assert_close(x, truth):
    """The expected values are those of the decimal text, ours those of the nearest float64."""
    assert (x.count, x.missing) == (truth["count"], truth["missing"])
    assert (x.min, x.max) == (float(truth["min"]), float(truth["max"]))
    scale = max(abs(x.min), abs(x.max))
    assert x.mean == pytest.approx(float(truth["mean"]), rel=0, abs=2.3e-16 * scale)
    assert x.std(0) == pytest.approx(float(truth["sd_pop"]), rel=1e-15, abs=2.3e-16 * scale)
    assert x.std(1) == pytest.approx(float(truth["sd_sample"]), rel=1e-15, abs=2.3e-16 * scale)


def test_crafted_traps_give_the_float64_nearest_to_the_truth():
    folder = corpus("crafted")
    checked = 0
    for name, truth in json.loads((folder / "expected.json").read_text()).items():
        if "sd_pop" in truth:
            column = next(iter(columns_of(folder / f"{name}.csv").values()))
            assert_truth(read(column), truth)
            checked += 1
    assert checked >= 8


def test_facts_of_other_test_suites_hold():
    folder = corpus("peer_facts")
    checked = 0
    for fact in json.loads((folder / "facts.json").read_text())["facts"]:
        columns = columns_of(folder / fact["csv"])
        for name, truth in fact.get("stats", {}).items():
            if truth.get("count"):
                assert_truth(read(columns[name]), truth)
                checked += 1
    assert checked > 20


def assert_truth(x, truth):
    """The expected value has 20 digits: enough to tell any float64 from its neighbours."""
    assert x.count == truth["count"]
    assert x.mean == float(truth["mean"])
    assert (x.min, x.max) == (float(truth["min"]), float(truth["max"]))
    for ddof, name in enumerate(("sd_pop", "sd_sample")):
        if truth.get(name) is not None:
            assert x.std(ddof) == float(truth[name])


def test_the_default_is_the_identity():
    assert Moments() == of([])
    assert Moments().sum == Total()
