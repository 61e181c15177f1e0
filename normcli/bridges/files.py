"""What kind of file it is, by its first bytes, and the numbers in it. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.bridges import layers, skops, svm_scale, tables
from normcli.bridges.arrays import MAGIC, MOST_BYTES, is_safetensors, npy, npz, safetensors
from normcli.bridges.base import Imported, Wanted
from normcli.errors import DataError, LimitError, UsageError
from normcli.storage.faults import system_errors
from normcli.storage.sources import Source
from normcli.words import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF"
PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"x\x9c", b"x\x01", b"x\xda")
OF_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
SKLEARN = "import skops.io, joblib; skops.io.dump(joblib.load({file!r}), 'scaler.skops')"
TORCH = (
    "import torch; from safetensors.torch import save_file; "
    "save_file(torch.load({file!r}, weights_only=True), 'model.safetensors')"
)
KERAS = (
    "import keras, numpy; model = keras.models.load_model({file!r}); "
    "numpy.savez('model.npz', **{{w.path: w.numpy() for w in model.weights}})"
)


@contextmanager
def naming(source: Source) -> Iterator[None]:
    """Let errors begin with the name of the file."""
    try:
        yield
    except (DataError, UsageError, LimitError) as error:
        raise type(error)(f"{shown(source.name)}: {error}") from error


def imported(source: Source, wanted: Wanted) -> Imported:
    """The numbers in a file, whose name no error has.

    Raises: DataError where it holds none that are read; UsageError where the `wanted` do not fit.
    """
    path, name = source.seekable(), source.name
    with system_errors("read", name), open(path, "rb") as file:
        head = file.read(16)
        file.seek(0)
        if head.startswith(ZIP):
            return _from_zip(path, name, wanted)
        if head.startswith(HDF5):
            raise _converted(name, "a file of HDF5, as Keras writes them,", KERAS)
        if is_safetensors(head):
            return layers.imported(safetensors(file, path.stat().st_size), wanted)
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise LimitError(f"it has more than {MOST_BYTES} bytes: is it a table?")
    if data.startswith(MAGIC):
        return _from_array(npy(data, "it"), wanted)
    if data.startswith(PICKLE) or name.endswith(OF_PICKLES):
        of_torch = name.endswith((".pt", ".pth"))
        raise _converted(name, "a pickle, which can run anything,", TORCH if of_torch else SKLEARN)
    return _from_text(data, wanted)


def _from_zip(path: Path, name: str, wanted: Wanted) -> Imported:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError("it is a damaged zip file") from error
    with archive:
        members = archive.namelist()
        if skops.SCHEMA in members:
            _refuse_options_of_layers(wanted)
            return skops.imported(archive)
        if any(each.endswith("data.pkl") for each in members):
            raise _converted(name, "a pickle of PyTorch, which can run anything,", TORCH)
        if any(each.endswith(".h5") for each in members):
            raise _converted(name, "a model of Keras", KERAS)
        if members and all(each.endswith(".npy") for each in members):
            return layers.imported(npz(archive), wanted)
    raise DataError("it is a zip file, but neither .npz nor skops")


def _converted(name: str, what: str, program: str) -> DataError:
    """The error for a file that its own program can convert."""
    return DataError(
        f'{what} is not read\nIf you trust it, convert it: python -c "{program.format(file=name)}"'
    )


def _from_array(array: NDArray[Any], wanted: Wanted) -> Imported:
    """An array with a row for each kind of number, or one with named fields."""
    if array.dtype.names:
        return layers.imported(
            {n: partial(array.__getitem__, n) for n in array.dtype.names}, wanted
        )
    if array.ndim != 2:
        raise DataError(
            f"an array of shape {array.shape} does not say what it is: 2 rows are read, mean and "
            "std, or 4, gamma, beta, mean and variance of a layer. Save names too: np.savez"
        )
    return tables.from_lists([partial(np.copy, row) for row in array], wanted)


def _from_text(data: bytes, wanted: Wanted) -> Imported:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "import does not read such a file, but safetensors, .npz, .npy, skops, range files of "
            "svm-scale, and numbers in JSON or CSV"
        ) from error
    if text.lstrip().startswith(("{", "[")):
        return tables.from_json(text, wanted)
    _refuse_options_of_layers(wanted)
    if svm_scale.is_range_file(text):
        return svm_scale.from_range_file(text)
    return tables.from_csv(text)


def _refuse_options_of_layers(wanted: Wanted) -> None:
    if wanted.prefix is not None or wanted.eps is not None:
        raise UsageError("--prefix and --eps are for layers of networks, which this file is not")
