"""Record ten training steps of PyTorch's BatchNorm1d, for tests that do without PyTorch.

    pip install torch==2.13.0 numpy
    python -m tools.torch_batchnorm > tests/torch_batchnorm.json

Every step is a forward pass, a backward pass from a given gradient, and a step of SGD; then a
batch is predicted. Numbers are written with all their digits, so they read back the same.
"""

from __future__ import annotations

import json
import sys
from typing import Any

LEARNING_RATE = 0.5
EPS = 1e-3
SIZES = (8, 8, 8, 2, 8, 8, 3, 8, 8, 8)  # rows of the batches; float32 takes twice as many, as
# the gradient of two rows is what rounding leaves of a difference of equals
CENTER, SPREAD = (0.0, 100.0, -3.0), (1.0, 5.0, 0.01)  # of the columns
RUNS = {
    "float64": {"dtype": "float64", "momentum": 0.1},
    "float64, cumulative": {"dtype": "float64", "momentum": None},
    "float32": {"dtype": "float32", "momentum": 0.1},
}


def recorded(dtype: str, momentum: float | None) -> dict[str, Any]:
    """The inputs of a run, and what PyTorch makes of them."""
    import numpy as np
    import torch

    rng = np.random.default_rng(15)
    layer = torch.nn.BatchNorm1d(3, eps=EPS, momentum=momentum, dtype=getattr(torch, dtype))
    optimizer = torch.optim.SGD(layer.parameters(), lr=LEARNING_RATE)

    def numbers(rows: int) -> Any:
        return (rng.normal(size=(rows, 3)) * SPREAD + CENTER).astype(dtype)

    steps = []
    for size in SIZES:
        rows = size if dtype == "float64" else 2 * size
        x = torch.tensor(numbers(rows), requires_grad=True)
        dy = torch.tensor(rng.normal(size=(rows, 3)).astype(dtype))
        y = layer(x)
        optimizer.zero_grad()
        y.backward(dy)
        found = {"x": x, "dy": dy, "y": y, "dx": x.grad}
        found |= {"dgamma": layer.weight.grad, "dbeta": layer.bias.grad}
        found = {name: value.tolist() for name, value in found.items()}
        optimizer.step()
        steps.append(found | {"after": _state(layer)})
    layer.eval()
    x = torch.tensor(numbers(8))
    predicted = {"x": x.tolist(), "y": layer(x).tolist()}
    settings = {"dtype": dtype, "momentum": momentum, "eps": EPS, "learning_rate": LEARNING_RATE}
    return settings | {"steps": steps, "predicted": predicted}


def _state(layer: Any) -> dict[str, Any]:
    return {name: value.tolist() for name, value in layer.state_dict().items()}


def main() -> None:
    """Print the recording as JSON."""
    import torch

    runs = {name: recorded(**run) for name, run in RUNS.items()}
    made = {"made by": "python -m tools.torch_batchnorm", "torch": torch.__version__}
    json.dump(made | runs, sys.stdout, indent=None, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
