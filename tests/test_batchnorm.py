"""The layer `normcli.BatchNorm` gives PyTorch's numbers, true gradients and exact statistics."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from normcli import BatchNorm, DataError, UsageError, fit

RECORDED = json.loads((Path(__file__).parent / "torch_batchnorm.json").read_text())
RUNS = [name for name in RECORDED if name.startswith("float")]
TOLERANCE = {"float64": 1e-12, "float32": 2e-4}  # PyTorch rounds the mean to float32
INF, NAN = float("inf"), float("nan")


def assert_near(found, expected, dtype):
    """Every number is near, relative to itself, or in a table to the largest of its column."""
    expected = np.array(expected)
    size = np.abs(expected).max(axis=0) if expected.ndim == 2 else np.abs(expected)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= TOLERANCE[dtype] * size).all()


def trained(run, passes):
    """The layer after the steps of a recording; its state is compared after each."""
    momentum = "cumulative" if run["momentum"] is None else run["momentum"]
    layer = BatchNorm(3, eps=run["eps"], momentum=momentum)
    for step in run["steps"]:
        passes(layer, step)
        layer.gamma -= run["learning_rate"] * layer.dgamma
        layer.beta -= run["learning_rate"] * layer.dbeta
        for name, value in layer.state_dict().items():
            assert_near(value, step["after"][name], run["dtype"])
    return layer


@pytest.mark.parametrize("name", RUNS)
def test_ten_training_steps_and_a_prediction_are_those_of_pytorch(name):
    run = RECORDED[name]
    dtype = run["dtype"]

    def check(layer, step):
        y = layer.forward(np.array(step["x"], dtype), training=True)
        dx = layer.backward(np.array(step["dy"], dtype))
        assert y.dtype == dx.dtype == dtype
        found = {"y": y, "dx": dx, "dgamma": layer.dgamma, "dbeta": layer.dbeta}
        for key, value in found.items():
            assert_near(value, step[key], dtype)

    layer = trained(run, check)
    assert layer.batches == len(run["steps"]) == 10
    y = layer.forward(np.array(run["predicted"]["x"], dtype), training=False)
    assert_near(y, run["predicted"]["y"], dtype)


def plain_forward(x, gamma, beta, eps):
    """The formula in fractions, but for the root."""
    columns = []
    for j, column in enumerate(x.T.tolist()):
        numbers = list(map(Fraction, column))
        mean = sum(numbers) / len(numbers)
        var = sum((v - mean) ** 2 for v in numbers) / len(numbers)
        root = Fraction(float(var + Fraction(eps)) ** 0.5)
        columns.append([float((v - mean) / root * Fraction(gamma[j])) + beta[j] for v in numbers])
    return np.array(columns).T


def test_float32_is_nearer_to_the_exact_result_than_pytorch():
    run = RECORDED["float32"]
    step = run["steps"][0]
    x = np.array(step["x"], np.float32)
    exact = plain_forward(x, [1, 1, 1], [0, 0, 0], run["eps"])
    ours = np.abs(BatchNorm(3, eps=run["eps"]).forward(x, training=True) - exact).max(axis=0)
    theirs = np.abs(step["y"] - exact).max(axis=0)
    assert (ours <= np.spacing(np.abs(exact).max(axis=0).astype(np.float32)) / 2).all()
    assert (theirs[1:] > 2 * ours[1:]).all()  # the columns that are far from 0


@pytest.mark.parametrize("rows", [2, 3, 50])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_central_differences(rows, training):
    rng = np.random.default_rng(rows)
    layer = BatchNorm(4)
    for name in ("gamma", "beta", "running_mean"):
        setattr(layer, name, rng.normal(size=4))
    x, weights = rng.normal(size=(2, rows, 4))

    def loss():
        layer.load_state_dict(state)
        return (layer.forward(x, training) ** 3 * weights).sum()

    state = layer.state_dict()
    y = layer.forward(x, training)
    gradients = {"x": layer.backward(3 * y**2 * weights)}
    gradients |= {"weight": layer.dgamma, "bias": layer.dbeta}
    for name, gradient in gradients.items():
        array = x if name == "x" else state[name]
        found = np.empty_like(gradient)
        for place in np.ndindex(gradient.shape):
            found[place] = difference(loss, array, place)
        assert np.abs(found - gradient).max() <= 1e-6 * max(1, np.abs(gradient).max())


def difference(loss, array, place, step=1e-5):
    """The central difference of the loss by one number of an array."""
    before = array[place]
    values = []
    for at in (before + step, before - step):
        array[place] = at
        values.append(loss())
    array[place] = before
    return (values[0] - values[1]) / (2 * step)


def test_a_batch_of_one_row_is_refused_in_training_with_the_reason():
    layer = BatchNorm(2)
    with pytest.raises(UsageError, match=r"at least two rows, not 1: .* every gradient of x 0"):
        layer.forward(np.ones((1, 2)), training=True)
    assert layer.batches == 0
    assert layer.forward(np.ones((1, 2)), training=False).shape == (1, 2)


def test_constant_columns_become_beta_whatever_their_size():
    values = [0.1, 1e16 + 2, -1e-310, 1e300]
    x = np.tile(values, (7, 1))
    layer = BatchNorm(4)
    layer.beta[:] = [1, 2, 3, 4]
    assert layer.forward(x, training=True).tolist() == [[1, 2, 3, 4]] * 7
    assert (x - x.mean(axis=0)).any()  # the plain formula leaves rounding errors


def test_an_offset_does_not_cost_digits():
    x = np.random.default_rng(1).integers(0, 100, (50, 1)).astype(float)
    near, far = (BatchNorm(1).forward(a, training=True) for a in (x, x + 2.0**50))
    assert far == pytest.approx(near, rel=1e-14, abs=1e-14)


def test_calibrated_statistics_are_exact_and_do_not_depend_on_the_order_of_rows():
    x = np.random.default_rng(1).normal(1e9, 1, (100, 2))
    layer, other = BatchNorm(2), BatchNorm(2)
    layer.calibrate(x)
    other.calibrate(x[::-1])
    for j, column in enumerate(x.T.tolist()):
        mean = sum(map(Fraction, column)) / 100
        assert layer.running_mean[j] == float(mean)
        assert layer.running_var[j] == float(sum((Fraction(v) - mean) ** 2 for v in column) / 100)
    assert layer.state_dict().keys() == other.state_dict().keys()
    assert all((layer.state_dict()[k] == other.state_dict()[k]).all() for k in layer.state_dict())


def test_a_layer_predicts_what_the_command_line_predicts():
    x = np.random.default_rng(1).normal(5, 3, (100, 2))
    layer = BatchNorm(2)
    layer.calibrate(x)
    layer.gamma[:], layer.beta[:] = [2, -1], [0.5, 0]
    frame = pd.DataFrame(x, columns=["a", "b"])
    statistics = fit(frame, method="batch", gamma={"a": 2, "b": -1}, beta={"a": 0.5}, eps=layer.eps)
    expected = statistics.transform(frame).to_numpy()
    assert layer.forward(x, training=False) == pytest.approx(expected, rel=1e-13, abs=1e-14)


def test_the_state_goes_from_layer_to_layer_under_the_names_of_pytorch():
    layer, other = BatchNorm(2, momentum="cumulative"), BatchNorm(2, momentum="cumulative")
    layer.forward(np.random.default_rng(1).normal(size=(5, 2)), training=True)
    layer.gamma[:] = [3, 4]
    state = layer.state_dict()
    assert list(state) == list(RECORDED["float64"]["steps"][0]["after"])
    other.load_state_dict(state)
    state["weight"][0] = 7  # a copy
    x = np.random.default_rng(2).normal(size=(5, 2))
    for training in (False, True, False):
        results = [each.forward(x, training).tolist() for each in (layer, other)]
        assert results[0] == results[1]


@pytest.mark.parametrize("arguments", [[], ["--method", "batch", "--mode", "predict"]])
@pytest.mark.parametrize("name", RUNS)
def test_the_command_line_predicts_with_a_saved_layer_what_pytorch_predicted(
    name, arguments, tmp_path, normcli
):
    run = RECORDED[name]
    layer = BatchNorm(["a", "b", "c"], eps=run["eps"])
    layer.load_state_dict(run["steps"][-1]["after"])
    layer.save(tmp_path / "layer.json")
    table, result = tmp_path / "x.csv", tmp_path / "y.csv"
    pd.DataFrame(run["predicted"]["x"], columns=layer.columns).to_csv(table, index=False)
    stats = ["--stats", tmp_path / "layer.json"]
    assert normcli("transform", table, *stats, "-o", result, *arguments).code == 0
    assert_near(pd.read_csv(result).to_numpy(), run["predicted"]["y"], run["dtype"])


def test_a_saved_layer_is_loaded_with_everything_that_training_needs(tmp_path):
    rng = np.random.default_rng(1)
    layer = BatchNorm(["b", "a"], eps=1e-3, momentum="cumulative")
    layer.gamma[:], layer.beta[:] = [3, 4], [0.1, -1]
    for _ in range(3):
        layer.forward(rng.normal(5, 3, (6, 2)), training=True)
    layer.save(tmp_path / "layer.json")
    loaded = BatchNorm.load(tmp_path / "layer.json")
    assert (loaded.columns, repr(loaded)) == (("b", "a"), repr(layer))
    x = rng.normal(5, 3, (6, 2))
    for each in (layer, loaded):
        each.forward(x, training=True)
    for name, value in layer.state_dict().items():
        assert (loaded.state_dict()[name] == value).all()


def test_a_layer_takes_the_statistics_of_a_fit_or_the_running_ones(tmp_path, normcli):
    x = np.random.default_rng(1).normal(5, 3, (40, 2))
    table, stats = tmp_path / "x.csv", tmp_path / "stats.json"
    pd.DataFrame(x, columns=["a", "b"]).to_csv(table, index=False)
    options = ["--method", "batch", "--batch-size", 10, "--gamma", "b=2", "--save-stats", stats]
    assert normcli("transform", table, *options, "-o", tmp_path / "y.csv").code == 0
    calibrated, trained = BatchNorm(2), BatchNorm(2)
    calibrated.calibrate(x)
    for start in range(0, 40, 10):
        trained.forward(x[start : start + 10], training=True)
    for running, layer in ((False, calibrated), (True, trained)):
        loaded = BatchNorm.load(stats, running=running)
        assert loaded.columns == ("a", "b")
        assert loaded.gamma.tolist() == [1, 2]
        assert loaded.running_mean == pytest.approx(layer.running_mean, rel=1e-14)
        assert loaded.running_var == pytest.approx(layer.running_var, rel=1e-14)
        assert loaded.batches == 4


@pytest.mark.parametrize("momentum", ["0.1", "cumulative"])
def test_a_second_epoch_goes_on_from_the_running_statistics_of_the_first(
    momentum, tmp_path, normcli
):
    """As a layer does that sees the batches of both, whatever the chunks."""
    x = np.random.default_rng(1).normal(5, 3, (24, 2))
    layer = BatchNorm(2, momentum="cumulative" if momentum == "cumulative" else 0.1)
    table = tmp_path / "x.csv"
    options = ["--batch-size", 8, "--chunk-rows", 5, "-s", "a,b", "-o", tmp_path / "y.csv", "-q"]
    before = ["--method", "batch", "--momentum", momentum]
    for epoch in range(3):
        rows = np.random.default_rng(epoch).permutation(x)
        pd.DataFrame(rows, columns=["a", "b"]).to_csv(table, index=False)
        stats = tmp_path / f"epoch{epoch}.json"
        assert normcli("transform", table, *before, *options, "--save-stats", stats).code == 0
        for start in range(0, 24, 8):
            layer.forward(rows[start : start + 8], training=True)
        loaded = BatchNorm.load(stats, running=True)
        assert loaded.batches == layer.batches == 3 * (epoch + 1)
        assert loaded.running_mean == pytest.approx(layer.running_mean, rel=1e-13)
        assert loaded.running_var == pytest.approx(layer.running_var, rel=1e-13)
        before = ["--stats", stats, "--mode", "train"]


@pytest.mark.parametrize(
    ("data", "method", "running", "message"),
    [
        ([1.0, 2], {"method": "zscore"}, False, "'a' was fitted for the method zscore, not batch"),
        ([1.0, 2], {"method": "batch"}, True, "'a' has no running mean and variance"),
        ([NAN, NAN], {"method": "batch"}, False, "'a' has no numbers, so it has no mean"),
        ([1e308, -1e308], {"method": "batch"}, False, "'a': the variance is larger than"),
    ],
)
def test_a_sidecar_that_makes_no_layer_is_refused(data, method, running, message, tmp_path):
    fit(pd.DataFrame({"a": data}), **method, allow_empty=True).save(tmp_path / "stats.json")
    with pytest.raises(DataError, match=message):
        BatchNorm.load(tmp_path / "stats.json", running=running)


def test_a_layer_with_a_number_that_is_not_finite_is_not_saved(tmp_path):
    layer = BatchNorm(2)
    layer.gamma[1] = NAN
    with pytest.raises(UsageError, match="weight holds NaN or an infinity"):
        layer.save(tmp_path / "layer.json")
    assert not list(tmp_path.iterdir())


GOOD = {"weight": [1.0], "bias": [0], "running_mean": [0], "running_var": [1]}
GOOD["num_batches_tracked"] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wieght": [1]}, "'wieght' is not part of the state.*Did you mean 'weight'"),
        ({"bias": None}, "the state has no bias"),
        ({"bias": [1, 2]}, r"bias must have shape \(1,\), as the layer has 1 features, not \(2,\)"),
        ({"running_mean": [NAN]}, "running_mean holds NaN or an infinity"),
        ({"running_var": [-1]}, "running_var must not be negative"),
        ({"num_batches_tracked": 1.5}, "num_batches_tracked must be one integer"),
        ({"num_batches_tracked": -1}, "num_batches_tracked must be one integer"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    layer = BatchNorm(1)
    state = {k: v for k, v in (GOOD | change).items() if v is not None}
    with pytest.raises(UsageError, match=message):
        layer.load_state_dict(state)
    assert layer.batches == 0
    layer.load_state_dict(GOOD)
    assert layer.batches == 3


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0, 2.0]], r"x must be a NumPy array of float64 or float32, not list"),
        (np.ones((2, 2), int), r"x must be .* not int64. Try np.asarray\(x, float\)"),
        (np.ones((2, 2), np.float16), "not float16"),
        (np.ones((2, 3)), r"x must have shape \(n, 2\), .* not \(2, 3\)"),
        (np.ones(2), r"x must have shape \(n, 2\), .* not \(2,\)"),
    ],
)
def test_arrays_of_other_types_and_shapes_are_refused(x, message):
    for use in (lambda x: BatchNorm(2).forward(x, True), BatchNorm(2).calibrate):
        with pytest.raises(UsageError, match=message):
            use(x)


def test_backward_needs_a_forward_pass_of_the_same_shape():
    layer = BatchNorm(2)
    with pytest.raises(UsageError, match="needs a forward pass"):
        layer.backward(np.ones((3, 2)))
    layer.forward(np.ones((3, 2)), training=True)
    with pytest.raises(UsageError, match=r"the last result, \(3, 2\), not \(4, 2\)"):
        layer.backward(np.ones((4, 2)))


@pytest.mark.parametrize(
    ("bad", "message"), [(NAN, "holds NaN"), (INF, "holds NaN or an inf"), (1e200, "1.8e308")]
)
def test_a_training_batch_without_a_finite_variance_is_an_error_that_names_the_feature(
    bad, message
):
    x = np.ones((3, 2))
    x[1, 1] = bad
    layer = BatchNorm(2)
    for use in (lambda: layer.forward(x, True), lambda: layer.calibrate(x)):
        with pytest.raises(DataError, match=f"feature 1: .*{message}"):
            use()
    assert layer.state_dict()["running_mean"].tolist() == [0, 0]
    assert layer.batches == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": 0}, "features must be at least 1, not 0"),
        ({"features": []}, r"features must be at least 1, not \[\]"),
        ({"features": ["a", "a"]}, "names of features must be texts, each different"),
        ({"features": [1, 2]}, "names of features must be texts"),
        ({"features": "ab"}, "features must be a whole number, not 'ab'"),
        ({"eps": 0}, "eps must be greater than 0, not 0"),
        ({"momentum": 0}, "momentum must be above 0 and at most 1, not 0"),
        ({"momentum": "none"}, "momentum must be a number or cumulative, not 'none'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        BatchNorm(**{"features": 2} | arguments)
