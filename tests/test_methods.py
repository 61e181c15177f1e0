"""The methods against exact fractions, and the laws that all of them keep."""

import contextlib
import json
import math
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from normcli.errors import DataError, UsageError
from normcli.methods import methods
from normcli.methods.batch import Batch
from normcli.methods.mapping import AffineMapping
from normcli.methods.minmax import MinMax
from normcli.methods.spelling import method_of
from normcli.methods.zscore import ZScore
from normcli.numerics.numbers import Numbers
from normcli.statistics.base import Facts, Rows
from normcli.statistics.batching import Batching
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import Moments
from normcli.statistics.running import Running

BIG = 1.7e308
NAN, INF = math.nan, math.inf


def floats(*values):
    return Numbers(np.array([values], dtype=np.float64))


def integers(*values):
    """An int64 column: a rounded part and the rest."""
    high = [float(v) for v in values]
    return Numbers(np.array([high, [float(v - int(h)) for v, h in zip(values, high, strict=True)]]))


def decimals(*texts, scale):
    """A decimal column, in parts of 48 bits."""
    unscaled = [int(Decimal(t).scaleb(scale)) for t in texts]
    parts = [[float((abs(u) >> s & (1 << 48) - 1) << s) for u in unscaled] for s in (96, 48, 0)]
    signs = [-1.0 if u < 0 else 1.0 for u in unscaled]
    return Numbers(np.array(parts) * signs, scale=scale)


def fitted(x, running=None):
    values = {"moments": Moments.of(x)} | ({"running": running} if running else {})
    return ColumnStatistics(values)


def scaled(method, x, column):
    return method.for_column("price").mapping(column).values(x)


def restored(method, y, column):
    return method.for_column("price").mapping(column).inverse().values(y)


def formula(method, column):
    return method.for_column("price").mapping(column).formula()


def inverse_formula(method, column):
    return method.for_column("price").mapping(column).inverse().formula("y")


def exact(x):
    return [sum(map(Fraction, p)) / 10**x.scale for p in x.parts.T.tolist()]


def ulp(value):
    """The distance of float64 numbers around the exact `value`."""
    value = abs(value)
    if value < Fraction(2) ** -1022:
        return Fraction(2) ** -1074
    down = math.frexp(float(value))[1] - 1
    down -= value < Fraction(2) ** down  # float() may have rounded up to a power of two
    return Fraction(2) ** (down - 52)


def assert_close(values, expected, ulps, of=0):
    """Every value is within `ulps` of the exact one, in units of max(|expected|, of)."""
    for value, right in zip(values.tolist(), expected, strict=True):
        assert abs(Fraction(value) - right) <= ulps * ulp(max(abs(right), abs(of))), (value, right)


finite = st.floats(allow_nan=False, allow_infinity=False)
near_1e12 = st.integers(0, 1000).map(lambda i: 1e12 + i / 8)
extreme = st.sampled_from([BIG, -BIG, 1.7976931348623157e308, -1.7976931348623157e308, 0.0, 1.0])
subnormal = st.integers(-9, 9).map(lambda i: i * 5e-324)
usual = st.floats(-1e6, 1e6)
one_ulp = st.sampled_from([1.0, math.nextafter(1, 2), math.nextafter(1, 0)])
magnitudes = st.one_of(finite, usual, near_1e12, extreme, subnormal, one_ulp)
tables = st.one_of(
    *(
        st.lists(s, min_size=2, max_size=9).map(lambda v: floats(*v))
        for s in (finite, usual, near_1e12, extreme, subnormal, one_ulp, magnitudes)
    ),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=9).map(lambda v: integers(*v)),
    st.lists(st.integers(2**62, 2**62 + 9), min_size=2, max_size=9).map(lambda v: integers(*v)),
    st.lists(st.integers(-(10**37), 10**37), min_size=2, max_size=9).map(
        lambda v: (
            decimals(*(Decimal(i).scaleb(-5) if abs(i) < 10**27 else i for i in v), scale=5)
            if max(map(abs, v)) < 10**32
            else decimals(*v, scale=0)
        )
    ),
    st.lists(st.integers(-999, 999), min_size=2, max_size=9).map(
        lambda v: decimals(*(Decimal(i).scaleb(-2) for i in v), scale=2)
    ),
)
ranges = st.sampled_from(
    [(0, 1), (-1, 1), (-5, 2.5), (0.1, 0.3), (1e12, 1e12 + 1), (-BIG, BIG), (-1e-300, 2e-300)]
)
ddofs = st.sampled_from([0, 1])


# ------------------------------------------------------------------------- z-score


@given(tables, ddofs)
def test_every_z_is_within_an_ulp_of_the_exact_quotient(x, ddof):
    column = fitted(x)
    assume(not column.constant)
    try:
        z = scaled(ZScore(ddof), x, column).values
    except DataError:
        assert_no_float_holds_the_std(column, ddof)
        return
    mean, std = (Fraction(v) for v in (column.mean, column.std(ddof)))
    assert_close(z, [(v - mean) / std for v in exact(x)], 1)


def assert_no_float_holds_the_std(statistics, ddof):
    with contextlib.suppress(OverflowError):
        assert statistics.std(ddof) == 0


@given(tables, tables)
def test_new_data_are_scaled_as_well_as_the_fitted_ones(x, new):
    column = fitted(x)
    assume(not column.constant)
    assume(column.std() != 0)
    mean, std = Fraction(column.mean), Fraction(column.std())
    right = [(v - mean) / std for v in exact(new)]
    if any(abs(r) >= Fraction(2) ** 1024 - Fraction(2) ** 970 for r in right):
        with pytest.raises(DataError, match=r"becomes larger"):
            scaled(ZScore(), new, column)
    else:
        assert_close(scaled(ZScore(), new, column).values, right, 1)


def test_the_naive_quotient_is_further_off_than_an_ulp_on_the_same_data():
    rng = np.random.default_rng(3)
    x = Numbers(rng.normal(1e9, 1e9, (1, 2000)))
    column = fitted(x)
    mean, std = column.mean, column.std()
    right = [(v - Fraction(mean)) / Fraction(std) for v in exact(x)]
    with pytest.raises(AssertionError):
        assert_close((x.parts[0] - mean) / std, right, 1)
    assert_close(scaled(ZScore(), x, column).values, right, 1)


def test_a_difference_that_overflows_is_scaled_all_the_same():
    x = floats(-BIG, -BIG, -BIG, BIG)
    column = fitted(x)
    z = scaled(ZScore(), x, column).values
    assert z == pytest.approx(
        [-0.57735026918962576, -0.57735026918962576, -0.57735026918962576, 3**0.5]
    )


def test_z_is_within_an_ulp_where_quotients_underflow():
    column = fitted(floats(1e300, -1e300, 1e-8))
    mean, std = Fraction(column.mean), Fraction(column.std())
    rng = np.random.default_rng(2)
    x = Numbers(rng.uniform(-1e-7, 1e-7, (1, 2000)))
    assert_close(scaled(ZScore(), x, column).values, [(v - mean) / std for v in exact(x)], 1)


@pytest.mark.parametrize(
    "x",
    [
        floats(0.1, 0.1, 0.1),
        integers(2**53 + 1, 2**53 + 1),
        integers(-(2**63) + 1),
        decimals("0.1", "0.1", scale=1),
        decimals("12345678901234567890.12", scale=2),
        floats(5e-324),
        floats(-0.0, 0.0),
    ],
)
def test_a_constant_column_becomes_0_or_the_low_end_or_beta(x):
    column = fitted(x)
    n = len(x)
    assert scaled(ZScore(1), x, column).values.tolist() == [0.0] * n
    assert scaled(MinMax((-1, 1)), x, column).values.tolist() == [-1.0] * n
    predicted = scaled(Batch(beta=0.5, mode="predict"), x, column)
    assert predicted.values.tolist() == [0.5] * n
    assert scaled(Batch(beta=0.5, batch_size=2), x, column).values.tolist() == [0.5] * n


def test_other_numbers_in_a_constant_column_keep_their_distance():
    column = fitted(floats(3, 3))
    assert scaled(ZScore(), floats(3, 5.5), column).values.tolist() == [0, 2.5]
    assert scaled(MinMax((-1, 1)), floats(3, 5.5, 2), column).values.tolist() == [-1, 4, -3]
    clipped = scaled(MinMax((-1, 1), "clip"), floats(3, 5.5, 2), column)
    assert clipped.values.tolist() == [-1, 1, -1]
    assert clipped.counts == {"out_of_range": 2, "clipped": 2}


# ------------------------------------------------------------------------- min-max


@given(tables, ranges)
@example(decimals("99999999999999999999999999999.99998", "-1.5", scale=5), (0, 1))
def test_extremes_hit_the_ends_and_fitted_data_stay_between_and_in_order(x, ends):
    column = fitted(x)
    assume(not column.constant)
    done = scaled(MinMax(ends), x, column)
    values = exact(x)
    least, greatest = min(values), max(values)
    assert all(ends[0] <= y <= ends[1] for y in done.values.tolist())
    assert all((y == ends[0]) for y, v in zip(done.values, values, strict=True) if v == least)
    assert all((y == ends[1]) for y, v in zip(done.values, values, strict=True) if v == greatest)
    assert done.counts == {"out_of_range": 0}
    in_order = [y for _, y in sorted(zip(values, done.values.tolist(), strict=True))]
    assert in_order == sorted(in_order)


@given(tables, ranges)
def test_min_max_is_within_four_ulp_of_the_larger_end(x, ends):
    column = fitted(x)
    assume(not column.constant)
    low, high = map(Fraction, ends)
    values = exact(x)
    least, span = min(values), max(values) - min(values)
    right = [low + (high - low) * (v - least) / span for v in values]
    assert_close(scaled(MinMax(ends), x, column).values, right, 4, of=max(abs(low), abs(high)))


@given(tables, tables, ranges)
@example(integers(0, 2**60 + 1), floats(1.7976931348623157e308, -1.7976931348623157e308), (0, 1))
def test_each_policy_counts_the_numbers_out_of_range_exactly(x, new, ends):
    column = fitted(x)
    least, greatest = min(exact(x)), max(exact(x))
    outside = [not least <= v <= greatest for v in exact(new)]
    clipped = scaled(MinMax(ends, "clip"), new, column)
    assert clipped.counts == {"out_of_range": sum(outside), "clipped": sum(outside)}
    assert all(ends[0] <= y <= ends[1] for y in clipped.values.tolist()) or least == greatest
    nulled = scaled(MinMax(ends, "null"), new, column)
    assert nulled.null.tolist() == outside
    assert nulled.counts == {"out_of_range": sum(outside)}
    if any(outside):
        with pytest.raises(DataError, match=r"outside the fitted range"):
            scaled(MinMax(ends, "error"), new, column)
    else:
        scaled(MinMax(ends, "error"), new, column)


def test_numbers_out_of_range_go_on_outside_the_range_under_keep():
    column = fitted(floats(0, 10))
    done = scaled(MinMax((-1, 1)), floats(-5, 15, 5, 0, 10), column)
    assert done.values.tolist() == [-2, 2, 0, -1, 1]
    assert done.counts == {"out_of_range": 2}


@pytest.mark.parametrize("policy", ["keep", "clip", "null", "error"])
def test_cells_without_a_number_are_never_out_of_range(policy):
    done = scaled(MinMax(out_of_range=policy), floats(INF, -INF, NAN, 1), fitted(floats(1, 2)))
    assert done.keep.tolist() == [True, True, True, False]
    assert done.counts["out_of_range"] == 0
    assert done.null is None or not done.null.any()


def test_the_inverse_is_within_an_ulp_where_products_underflow():
    column = fitted(floats(0, 1e-200))
    for size in (1e-60, 1e-100, 1e-115, 1e-123):
        y = Numbers(np.random.default_rng(2).uniform(-size, size, (1, 200)))
        right = [v * Fraction(1e-200) for v in exact(y)]
        assert_close(restored(MinMax(), y, column).values, right, 1)


def test_the_error_policy_tells_the_first_number_the_fitted_range_and_the_options():
    column = fitted(integers(-(2**53) - 1, 2**53 + 1))
    with pytest.raises(DataError) as error:
        scaled(MinMax(out_of_range="error"), integers(0, 2**53 + 3), column)
    assert str(error.value) == (
        "9007199254740995 is outside the fitted range, -9007199254740993 to "
        "9007199254740993. --out-of-range keep, clip or null lets such numbers pass."
    )


def test_a_span_and_a_range_that_both_overflow_are_taken_by_halves():
    x = floats(-BIG, 0, BIG, BIG / 2)
    assert scaled(MinMax(), x, fitted(x)).values.tolist() == pytest.approx([0, 0.5, 1, 0.75])
    wide = scaled(MinMax((-BIG, BIG)), x, fitted(x))
    assert wide.values.tolist() == pytest.approx([-BIG, 0, BIG, BIG / 2])


def test_a_number_far_outside_the_range_is_clipped_or_an_error_never_infinite():
    column = fitted(floats(0, 1e-300))
    with pytest.raises(DataError, match=r"1e\+20 becomes larger"):
        scaled(MinMax(), floats(1e20), column)
    assert scaled(MinMax(out_of_range="clip"), floats(1e20, -1e20), column).values.tolist() == [
        1,
        0,
    ]


def test_min_max_never_decreases_from_one_float_to_the_next():
    x = 0.1 + np.arange(20000) * math.ulp(0.1)
    x = np.concatenate([x, -x, x * 3, np.array([0.0])])
    x.sort()
    for ends in [(0, 1), (0.1, 0.3), (-7, 1e3)]:
        y = scaled(MinMax(ends), Numbers(x[None]), fitted(floats(-0.3, 0.3001))).values
        assert (np.diff(y) >= 0).all()


# --------------------------------------------------------------------------- batch


def test_the_worked_example_of_batch_normalization():
    done = scaled(Batch(batch_size=4), floats(1, 2, 3, 4), fitted(floats()))
    assert done.values == pytest.approx(
        [-1.34163542, -0.44721181, 0.44721181, 1.34163542], abs=5e-9
    )
    batches = Batching(4).statistics(floats(1, 2, 3, 4))
    assert batches.tolist() == [[4, 2.5, 1.25]]
    running = Running().folded(batches, 0.1)
    assert (running.mean, running.var) == pytest.approx((0.25, 1.0666667))
    assert running.batches == 1


def test_gamma_and_beta_scale_and_shift_and_constant_batches_become_beta():
    done = scaled(Batch(gamma=1.5, beta=0.1, batch_size=2), floats(7, 7, 1, 3), fitted(floats()))
    z = 1 / math.sqrt(1 + 1e-5)
    assert done.values.tolist() == pytest.approx(
        [0.1, 0.1, 0.1 - 1.5 * z, 0.1 + 1.5 * z], rel=1e-15
    )


@given(tables, st.integers(2, 4), st.sampled_from(["keep", "merge"]))
def test_a_batch_is_scaled_like_a_data_set_of_its_own(x, size, last_batch):
    method = Batch(gamma=1.5, beta=-0.25, batch_size=size, last_batch=last_batch)
    try:
        trained = scaled(method, x, fitted(floats())).values
    except DataError:
        return
    for rows in method.batching().slices(len(x)):
        part = Numbers(x.parts[:, rows], scale=x.scale)
        alone = scaled(Batch(gamma=1.5, beta=-0.25, mode="predict"), part, fitted(part)).values
        assert trained[rows].tolist() == alone.tolist()


@pytest.mark.parametrize("size", [1e-150, 1e-170, 1e-300, 5e-324])
def test_a_batch_whose_variance_is_below_float64_is_not_constant(size):
    x = floats(size, -size)
    trained = scaled(Batch(batch_size=2, beta=0), x, fitted(floats())).values
    assert trained.tolist() == scaled(Batch(mode="predict"), x, fitted(x)).values.tolist()
    assert trained[0] == pytest.approx(size / math.sqrt(1e-5))
    assert trained[0] == -trained[1] > 0


@given(tables)
def test_prediction_is_within_three_ulp_of_the_formula(x):
    column = fitted(x)
    method = Batch(gamma=1.5, beta=-0.25, mode="predict")
    s = column
    values = exact(x)
    mean = values[0] if s.constant else Fraction(s.mean)
    var = sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)
    root = Fraction(math.isqrt(int((var + Fraction(1e-5)) * 4**200)), 2**200)
    right = [(v - mean) / root for v in values]
    for y, z in zip(scaled(method, x, column).values.tolist(), right, strict=True):
        expected = z * 3 / 2 - Fraction(1, 4)
        assert abs(Fraction(y) - expected) <= 3 * ulp(max(abs(z) * 3 / 2, Fraction(1, 4)))


def test_batches_do_not_depend_on_how_the_rows_are_cut_into_chunks():
    x = np.random.default_rng(1).normal(size=(1, 60))
    method = Batch(batch_size=4)
    whole = scaled(method, Numbers(x), fitted(floats()))
    parts = [scaled(method, Numbers(x[:, i : i + 20]), fitted(floats())) for i in (0, 20, 40)]
    assert np.concatenate([p.values for p in parts]).tolist() == whole.values.tolist()
    cut = [Batching(4).statistics(Numbers(x[:, i : i + 20])) for i in (0, 20, 40)]
    assert np.concatenate(cut).tolist() == Batching(4).statistics(Numbers(x)).tolist()


@pytest.mark.parametrize(
    ("rows", "last_batch", "lengths"),
    [
        (8, "keep", [4, 4]),
        (9, "keep", [4, 4, 1]),
        (9, "merge", [4, 5]),
        (8, "merge", [4, 4]),
        (3, "merge", [3]),
        (0, "keep", []),
    ],
)
def test_a_short_last_batch_stands_alone_or_joins_the_one_before(rows, last_batch, lengths):
    method = Batch(batch_size=4, last_batch=last_batch)
    assert [b.stop - b.start for b in method.batching().slices(rows)] == lengths
    batches = Batching(4, last_batch).statistics(floats(*range(rows)))
    assert batches[:, 0].tolist() == lengths


def test_missing_cells_do_not_count_in_a_batch_and_come_back():
    x = floats(1, NAN, 3, NAN, NAN, INF)
    done, batches = scaled(Batch(batch_size=3), x, fitted(floats())), Batching(3).statistics(x)
    assert done.keep.tolist() == [False, True, False, True, True, True]
    assert batches[0].tolist() == [2, 2, 1]
    assert batches[1, 0] == 0
    assert done.values[[0, 2]] == pytest.approx([-1, 1], abs=1e-5)


def test_running_statistics_average_all_batches_alike_when_cumulative():
    batches = np.array([[4, 2.0, 3.0], [0, NAN, NAN], [1, 9.0, 0.0], [4, 4.0, 6.0]])
    running = Running().folded(batches, "cumulative")
    assert (running.mean, running.var, running.batches) == pytest.approx((3, 6, 2))


def test_running_statistics_fold_in_order_whatever_the_chunks():
    batches = np.random.default_rng(1).uniform(1, 9, (30, 3))
    whole = Running().folded(batches, 0.3)
    assert Running().folded(batches[:7], 0.3).folded(batches[7:], 0.3) == whole
    assert Running().folded(batches[:0], 0.3) == Running()


def test_a_running_variance_beyond_float64_is_an_error_that_names_the_column():
    with pytest.raises(DataError, match=r"running variance"):
        Running().folded(np.array([[4.0, 0.0, INF]]), 0.1).dump(Facts(4, 0))


def test_prediction_with_running_statistics_needs_them():
    method = Batch(mode="predict", running=True)
    column = fitted(floats(1, 2), Running(3.0, 4.0, 7))
    assert scaled(method, floats(5), column).values.tolist() == [2 / math.sqrt(4 + 1e-5)]
    with pytest.raises(KeyError, match="running"):  # which the pipeline tells in words
        scaled(method, floats(5), fitted(floats(1, 2)))


def test_each_column_has_its_own_gamma_and_beta():
    method = Batch(gamma={"a": 2, "price": 3}, beta={"price": 1}, mode="predict")
    assert (method.for_column("a").gamma, method.for_column("a").beta) == (2, 0)
    assert (method.for_column("b").gamma, method.for_column("b").beta) == (1, 0)
    assert scaled(method, floats(1, 1), fitted(floats(1, 1))).values.tolist() == [1, 1]


def test_training_needs_a_batch_size_and_cannot_be_undone():
    with pytest.raises(UsageError, match="needs --batch-size"):
        scaled(Batch(), floats(1, 2), fitted(floats()))
    with pytest.raises(UsageError, match="cannot be undone"):
        restored(Batch(batch_size=2), floats(1, 2), fitted(floats(1, 2)))
    with pytest.raises(UsageError, match="gamma is 0"):
        restored(Batch(mode="predict", gamma=0), floats(0), fitted(floats(1, 2)))


def test_batch_trains_unless_statistics_are_given_or_the_mode_is():
    for method, has_statistics, trains in [
        (Batch(batch_size=8), False, True),
        (Batch(batch_size=8), True, False),
        (Batch(batch_size=8, mode="train"), True, True),
        (Batch(mode="predict"), False, False),
        (Batch(running=True), False, False),
    ]:
        chosen = method.with_statistics() if has_statistics else method
        assert chosen.needs_fit() is not trains
        assert chosen.batching() == (Batching(8, "keep") if trains else None)


def test_the_sidecar_keeps_what_fit_decides_and_no_policy_of_one_run():
    method = Batch(gamma={"b": 2, "a": 1}, batch_size=8, mode="train", last_batch="drop")
    assert json.dumps(method.parameters()) == (
        '{"gamma": {"a": 1.0, "b": 2.0}, "beta": 0.0, "eps": 1e-05, "momentum": 0.1}'
    )
    assert MinMax((-1, 1), "clip").parameters() == {"range": [-1, 1]}
    assert ZScore(1).parameters() == {"ddof": 1}


# ------------------------------------------------------------- laws of all methods

RUNNING = Running(2.0, 3.0, 5)


def known(method, x):
    """What is known of a column of these numbers, or was given by hand."""
    if method.given:
        return ColumnStatistics(given=method.given)
    column = fitted(x, RUNNING)
    recipes = (recipe for recipe in method.needs("") if recipe.name not in column.values)
    more = {recipe.name: recipe.of(Rows({0: x})).values()[(), 0] for recipe in recipes}
    return ColumnStatistics({**column.values, **more})


def is_affine(method):
    return isinstance(method.mapping(known(method, floats(1, 2, 4))), AffineMapping)


TEXTS = sorted({text for method in methods().values() for text in method.examples})
every_method = pytest.mark.parametrize(
    "method", [method_of(text) for text in TEXTS if is_affine(method_of(text))], ids=str
)


@every_method
@example(floats(0.0, 2.225073858507e-311))  # below a given maximum, results are subnormal
@given(
    st.one_of(
        *(
            st.lists(s, min_size=2, max_size=9).map(lambda v: floats(*v))
            for s in (usual, near_1e12, one_ulp, st.floats(1e150, 1e307), st.floats(0, 1e-280))
        )
    )
)
def test_the_inverse_of_the_transform_is_within_eight_ulp(method, x):
    column = known(method, x)
    values = exact(x)
    try:
        y = scaled(method, x, column).values
    except DataError:
        assume(False)
    back = restored(method, Numbers(y[None]), column).values
    known_numbers = (column.min, column.max) if method.name == "minmax" else (column.mean,)
    known_numbers = column.given.values() or known_numbers
    size = max(abs(Fraction(number)) for number in known_numbers)
    limit = 8
    if method.name == "batch":  # eps and beta outweigh the data: the bound is in ulp of y
        affine = method.mapping(column).affine
        for b, v in zip(back.tolist(), values, strict=True):
            scale = max(abs(v), abs(affine.center), abs(affine.offset / affine.slope))
            assert abs(Fraction(b) - v) <= limit * ulp(scale)
        return
    for b, v in zip(back.tolist(), values, strict=True):
        assert abs(Fraction(b) - v) <= limit * ulp(max(abs(v), size))


@every_method
@given(st.lists(st.integers(-(2**45), 2**45), min_size=2, max_size=9))
def test_integers_come_back_as_the_same_integers(method, values):
    x = floats(*values)
    column = known(method, x)
    y = scaled(method, x, column).values
    back = restored(method, Numbers(y[None]), column).values
    assert [round(b) for b in back.tolist()] == values


@every_method
def test_parameters_survive_json(method):
    text = json.dumps(method.parameters())
    again = type(method).from_parameters(json.loads(text))
    assert json.dumps(again.parameters()) == text


@every_method
def test_cells_without_a_number_are_kept_in_both_directions(method):
    column = known(method, floats(1, 2, 4))
    for go in (partial(scaled, method), partial(restored, method)):
        assert go(floats(1, NAN, INF, -INF), column).keep.tolist() == [False, True, True, True]
        assert go(floats(1, 2), column).keep is None
        assert go(floats(), column).values.shape == (0,)


@every_method
def test_a_column_fitted_on_no_number_takes_no_number(method):
    if method.given:
        return
    column = fitted(floats(NAN, NAN))
    for go in (partial(scaled, method), partial(restored, method)):
        assert go(floats(NAN, NAN), column).keep.all()
        with pytest.raises(DataError, match=r"3 cannot be scaled: .* no number at all"):
            go(floats(NAN, 3), column)


@every_method
@given(tables)
def test_a_number_is_scaled_the_same_whatever_stands_beside_it(method, x):
    column = known(method, x)
    try:
        whole = scaled(method, x, column).values.tolist()
    except DataError:
        return
    for i, value in enumerate(whole):
        alone = Numbers(x.parts[:, [i]], scale=x.scale)
        if not np.any(alone.parts[1:]):
            alone = Numbers(alone.parts[:1], scale=x.scale)
        assert scaled(method, alone, column).values.tolist() == [value]


@every_method
def test_long_columns_are_scaled_like_short_ones(method):
    x = np.random.default_rng(0).normal(3, 2, (1, 30000))
    column = known(method, Numbers(x))
    whole = scaled(method, Numbers(x), column).values
    some = [
        scaled(method, Numbers(x[:, i : i + 7000]), column).values for i in range(0, 30000, 7000)
    ]
    assert np.concatenate(some).tolist() == whole.tolist()


# ---------------------------------------------------------- parameters and formulas


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("zscore", {"ddof": 2}, "--ddof must be 0"),
        ("zscore", {"ddof": True}, "whole number"),
        ("zscore", {"dof": 1}, "no parameter 'dof': it has ddof, .*Did you mean 'ddof'"),
        ("minmax", {"range": [1, 0]}, "LOW must be less than HIGH"),
        ("minmax", {"range": [1, 1]}, "LOW must be less than HIGH"),
        ("minmax", {"range": [0]}, "takes two numbers"),
        ("minmax", {"range": "01"}, "takes two numbers"),
        ("minmax", {"range": [0, INF]}, "finite number"),
        ("minmax", {"range": [0, "1"]}, "finite number"),
        ("minmax", {"range": [0, 10**400]}, "finite number"),
        ("minmax", {"out_of_range": "cut"}, "one of keep, clip, null, error"),
        ("minmax", {"out_of_range": ["clip"]}, "one of keep, clip, null, error"),
        ("batch", {"batch_size": 1}, "one row"),
        ("batch", {"batch_size": 2.5}, "whole number"),
        ("batch", {"eps": 0}, "greater than 0"),
        ("batch", {"momentum": 2}, "at most 1"),
        ("batch", {"momentum": "none"}, "number or cumulative"),
        ("batch", {"gamma": {"a": "x"}}, "--gamma of 'a'"),
        ("batch", {"mode": "eval"}, "train, predict"),
        ("batch", {"running": 1}, "true or false"),
        ("batch", {"running": True, "mode": "train"}, "--running is for --mode predict"),
        ("batch", {"last_batch": None}, "keep, merge, drop, error"),
    ],
)
def test_a_bad_parameter_is_refused_in_words(name, parameters, words):
    with pytest.raises(UsageError, match=words):
        methods()[name].from_parameters(parameters)


@pytest.mark.parametrize(
    ("name", "text", "method"),
    [
        ("zscore", "", ZScore()),
        ("zscore", "ddof=1", ZScore(1)),
        ("minmax", "-1,1", MinMax((-1, 1))),
        ("minmax", "-1, 1, out-of-range=clip", MinMax((-1, 1), "clip")),
        ("batch", "gamma=2,beta=1", Batch(gamma=2, beta=1)),
        ("batch", "momentum=cumulative,batch_size=64", Batch(momentum="cumulative", batch_size=64)),
        ("batch", "mode=predict,running=true", Batch(mode="predict", running=True)),
    ],
)
def test_a_method_is_made_from_text(name, text, method):
    assert method_of(f"{name}:{text}" if text else name) == method


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("zscore", "1", "takes KEY=VALUE pairs such as ddof="),
        ("zscore", "dof=1", "no option 'dof': it has ddof, .*Did you mean 'ddof'"),
        ("zscore", "ddof=1,ddof=0", "twice"),
        ("zscore", "ddof=one", "whole number"),
        ("minmax", "1", "takes two numbers, LOW,HIGH"),
        ("minmax", "0,1,2", "takes two numbers, LOW,HIGH"),
        ("minmax", "a,b", "finite number"),
        ("minmax", "0,nan", "finite number"),
        ("batch", "gamma=nan", "finite number"),
        ("batch", "gamma=", "finite number"),
    ],
)
def test_bad_text_for_a_method_is_refused_in_words(name, text, words):
    with pytest.raises(UsageError, match=words):
        method_of(f"{name}:{text}" if text else name)


@pytest.mark.parametrize(
    ("method", "x", "expected"),
    [
        (ZScore(), floats(2.25, 4.75), "(x - 3.5) / 1.25"),
        (ZScore(), floats(-3, -3), "x + 3"),
        (MinMax((-1, 1)), floats(0, 10), "-1 + 2 * (x - 0) / 10"),
        (MinMax((-1, 0)), floats(-3, 8), "-1 + (x + 3) / (8 + 3)"),
        (
            MinMax(out_of_range="clip"),
            integers(-(2**53) - 1, 0),
            "(x + 9007199254740993) / (0 + 9007199254740993), clipped to [0, 1]",
        ),
        (MinMax(out_of_range="null"), floats(1, 3), "(x - 1) / (3 - 1), missing outside [0, 1]"),
        (MinMax(out_of_range="error"), floats(0, 3), "(x - 0) / 3, an error outside [0, 1]"),
        (MinMax(), decimals("0.10", scale=2), "(x - 0.1)"),
        (
            Batch(gamma=1.5, beta=0.1, mode="predict"),
            floats(2.25, 4.75),
            "1.5 * (x - 3.5) / sqrt(1.5625 + 1e-05) + 0.1",
        ),
        (Batch(beta=-1, batch_size=2), floats(1), "(x - mean_B) / sqrt(var_B + 1e-05) - 1"),
        (
            Batch(mode="predict", running=True),
            floats(1),
            "(x - 2) / sqrt(3 + 1e-05)",
        ),
    ],
)
def test_the_formula_shows_the_numbers_of_the_column(method, x, expected):
    assert formula(method, fitted(x, RUNNING)) == expected


@pytest.mark.parametrize(
    ("method", "x", "expected"),
    [
        (ZScore(), floats(2.25, 4.75), "y * 1.25 + 3.5"),
        (ZScore(), floats(-3, -3), "y - 3"),
        (MinMax((-1, 1)), floats(0, 10), "10 * (y + 1) / 2"),
        (MinMax((2, 3)), floats(3, 10), "3 + (10 - 3) * (y - 2)"),
        (MinMax(), decimals("0.10", scale=2), "0.1 + y"),
        (
            Batch(gamma=1.5, beta=0.1, mode="predict"),
            floats(2.25, 4.75),
            "(y - 0.1) * sqrt(1.5625 + 1e-05) / 1.5 + 3.5",
        ),
        (Batch(mode="predict", running=True), floats(1), "y * sqrt(3 + 1e-05) + 2"),
    ],
)
def test_the_formula_of_the_inverse_leads_back(method, x, expected):
    column = fitted(x, RUNNING)
    assert inverse_formula(method, column) == expected
    y = floats(0.75)
    back = eval(expected, {"sqrt": math.sqrt, "y": 0.75})
    assert back == pytest.approx(restored(method, y, column).values[0], rel=1e-15)


def test_without_a_number_there_is_nothing_to_lead_back_to():
    for method in (ZScore(), MinMax(), Batch(mode="predict")):
        assert "a number is an error" in inverse_formula(method, fitted(floats(NAN)))


def test_what_has_no_inverse_has_no_formula_of_one():
    for method in (Batch(batch_size=2), Batch(mode="predict", gamma=0.0)):
        with pytest.raises(UsageError, match="be undone"):
            inverse_formula(method, fitted(floats(1, 2)))
