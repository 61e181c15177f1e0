"""Make the files in tests/imports, with what the libraries that wrote them compute from them.

    pip install torch==2.13.0 keras==3.15.1 scikit-learn==1.9.1 skops==0.16.0 safetensors pandas
    KERAS_BACKEND=torch python -m tools.import_files

A network of PyTorch and a layer of Keras are trained for some steps, and then predict; scalers of
scikit-learn are fitted, and transform. Inputs and results are in expected.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "tests" / "imports"
COLUMNS = ["a", "b", "c"]
CENTER, SPREAD = (50.0, 0.0, 1e4), (10.0, 1.0, 300.0)


def numbers(rows: int, seed: int) -> Any:
    """Rows of three columns."""
    return np.random.default_rng(seed).normal(CENTER, SPREAD, (rows, 3))


def torch_files() -> dict[str, Any]:
    """State dicts of a network in float64 and float32."""
    import torch
    from safetensors.torch import save_file

    found = {}
    for dtype in (torch.float64, torch.float32):
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.BatchNorm1d(3),
            torch.nn.Linear(3, 4),
            torch.nn.ReLU(),
            torch.nn.BatchNorm1d(4, eps=1e-3),
        ).to(dtype)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for step in range(50):
            loss = ((network(torch.tensor(numbers(32, step), dtype=dtype)) - 1) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        name = f"torch_{str(dtype).removeprefix('torch.')}.safetensors"
        save_file(network.state_dict(), FOLDER / name)
        x = torch.tensor(numbers(8, 99), dtype=dtype)
        found[name] = {"x": x.tolist(), "y": network[0](x).tolist()}
    half = network.bfloat16().state_dict()
    save_file(half, FOLDER / "torch_bfloat16.safetensors")
    means = half["0.running_mean"].double().tolist()
    return found | {"torch_bfloat16.safetensors": {"mean": means}}


def keras_files() -> dict[str, Any]:
    """The weights of a model, by their paths."""
    import keras
    from safetensors.numpy import save_file

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float64")
    layer = keras.layers.BatchNormalization(name="norm")
    model = keras.Sequential(
        [keras.Input((3,), dtype="float64"), layer, keras.layers.Dense(1)], name="model"
    )
    model.compile("sgd", "mse")
    for step in range(50):
        model.train_on_batch(numbers(32, step), np.ones((32, 1)))
    arrays = {weight.path: np.asarray(weight.numpy()) for weight in model.weights}
    np.savez(FOLDER / "keras.npz", **arrays)
    save_file(arrays, FOLDER / "keras.safetensors")
    np.save(FOLDER / "keras.npy", np.array(layer.get_weights()))
    x = numbers(8, 99)
    y = layer(keras.ops.convert_to_tensor(x, "float64"), training=False)
    y = keras.ops.convert_to_numpy(y).tolist()
    return {"keras": {"x": x.tolist(), "y": y}}


def scalers() -> dict[str, Any]:
    """Scalers in skops files, and one in a pickle."""
    import joblib
    import pandas as pd
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    frame = pd.DataFrame(numbers(30, 0), columns=COLUMNS)
    frame["c"] = 7.0  # a constant
    kinds = {
        "standard": StandardScaler(),
        "pipeline": make_pipeline(StandardScaler()),
        "no_mean": StandardScaler(with_mean=False),
        "no_std": StandardScaler(with_std=False),
        "minmax": MinMaxScaler((-1, 1)),
        "maxabs": MaxAbsScaler(),
        "robust": RobustScaler(),
        "not_fitted": StandardScaler(),
    }
    found = {}
    x = pd.DataFrame(numbers(8, 99), columns=COLUMNS)
    for name, scaler in kinds.items():
        if name != "not_fitted":
            found[name] = {"x": x.to_numpy().tolist(), "y": scaler.fit(frame).transform(x).tolist()}
        skops.io.dump(scaler, FOLDER / f"{name}.skops")
    skops.io.dump(StandardScaler().fit(frame.to_numpy()), FOLDER / "no_names.skops")
    joblib.dump(StandardScaler().fit(frame), FOLDER / "scaler.joblib")
    return found


def main() -> None:
    """Make all of them."""
    FOLDER.mkdir(exist_ok=True)
    expected = torch_files() | keras_files() | scalers()
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
