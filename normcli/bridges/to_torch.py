"""PyTorch: a state of BatchNorm1d in safetensors, for columns that are multiplied and added to."""

from __future__ import annotations

import json
from math import sqrt

from normcli.bridges.export import Model, Results, Rows, Target, affine_of, lacking
from normcli.numerics.doubles import nearest

EPS = 1e-5  # of BatchNorm1d: its state does not have it


class Torch(Target):
    """What ``BatchNorm1d(n).load_state_dict`` takes: float32, as the layer has it."""

    what = "a state of BatchNorm1d in safetensors"
    bits = 32

    def export(self, model: Model) -> bytes:
        import numpy as np

        from normcli.bridges.arrays import to_safetensors

        affine = [affine_of(column, "BatchNorm1d").affine for column in model.columns]
        var = float(np.float32(1 - EPS))
        slopes = [nearest(each.slope) * sqrt(var + EPS) for each in affine]
        arrays = {
            "weight": slopes,
            "bias": [nearest(each.offset) for each in affine],
            "running_mean": [nearest(each.center) for each in affine],
            "running_var": [var] * len(affine),
        }
        with np.errstate(over="ignore"):
            state = {name: np.array(values, np.float32) for name, values in arrays.items()}
        return to_safetensors({**state, "num_batches_tracked": np.array(0, np.int64)})

    def run(self, exported: bytes, model: Model, rows: Rows) -> Results:
        try:
            import torch
        except ImportError as error:
            raise lacking("--verify of --to torch", "torch", "torch") from error
        size = int.from_bytes(exported[:8], "little")
        types = {"F32": torch.float32, "I64": torch.int64}
        state = {}
        for name, entry in json.loads(exported[8 : 8 + size]).items():
            start, stop = (8 + size + offset for offset in entry["data_offsets"])
            flat = torch.frombuffer(bytearray(exported[start:stop]), dtype=types[entry["dtype"]])
            state[name] = flat.reshape(entry["shape"])
        layer = torch.nn.BatchNorm1d(len(model.columns)).eval()
        layer.load_state_dict(state)
        cells = [[float("nan") if c is None else c for c in column] for column in rows.columns]
        with torch.no_grad():
            done = layer(torch.tensor(cells, dtype=torch.float32).T).T.tolist()
        return Results([[None if c != c else c for c in column] for column in done], "PyTorch")


TARGET = Torch()
