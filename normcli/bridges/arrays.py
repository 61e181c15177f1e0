"""Arrays of numbers in files of NumPy and in safetensors, read without running anything.

The formats: NumPy's NEP 1 (https://numpy.org/neps/nep-0001-npy-format.html), and
https://github.com/huggingface/safetensors. Arrays of Python objects, which NumPy pickles, are
refused. Sizes are checked before memory is taken.
"""

from __future__ import annotations

import io
import json
import lzma
import math
import operator
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from normcli.errors import DataError
from normcli.words import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 64 << 20  # of an array, of a header, or of a member of a zip file
MAGIC = b"\x93NUMPY"
KINDS = {"F": "f", "I": "i", "U": "u"}  # of safetensors -> of NumPy
SIZES = {"64": "8", "32": "4", "16": "2", "8": "1"}  # bits -> bytes
TYPES = {
    kind + bits: np.dtype(f"<{code}{size}")
    for kind, code in KINDS.items()
    for bits, size in SIZES.items()
    if kind + bits != "F8"
}
BFLOAT16 = "BF16"  # the upper half of a float32
DAMAGES = (  # what zipfile raises for a member that it cannot read
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError),
    *(ValueError, LookupError, RuntimeError),
)


Arrays = Mapping[str, "Callable[[], NDArray[Any]]"]  # each is read when it is called for


def npy(data: bytes, what: str) -> NDArray[Any]:
    """The array in the bytes of an .npy file."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings(action="ignore"):  # that Python 2 wrote it
            shape, by_column, dtype = header(stream)
    except (LookupError, ValueError, EOFError, TypeError, SyntaxError, TokenError) as error:
        raise DataError(f"{what} is not a valid .npy file") from error
    if dtype.hasobject:
        raise DataError(
            f"{what} holds Python objects, which only unpickling could read\n"
            "Save it as numbers: np.save(path, np.asarray(array, float))"
        )
    rest = data[stream.tell() :]
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(rest):
        raise DataError(f"{what} has {len(rest)} bytes of numbers, which is not its shape {shape}")
    array = np.frombuffer(rest, dtype)
    return array.reshape(shape[::-1]).T if by_column else array.reshape(shape)


def npz(archive: zipfile.ZipFile) -> Arrays:
    """The arrays of an .npz file by name."""

    def read(name: str) -> NDArray[Any]:
        return npy(member(archive, name), f"{printable(name)} in the .npz file")

    return {name.removesuffix(".npy"): partial(read, name) for name in archive.namelist()}


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of a zip archive, if it is not too large; raises DataError where it is damaged."""
    try:
        with archive.open(name) as file:
            data = file.read(MOST_BYTES + 1)
    except DAMAGES as error:
        what = "is damaged, encrypted, or compressed in an unknown way"
        raise DataError(f"{printable(name)} in the zip file {what}") from error
    if len(data) > MOST_BYTES:
        raise DataError(f"{printable(name)} in the zip file has more than {MOST_BYTES} bytes")
    return data


def is_safetensors(head: bytes) -> bool:
    """Do these first bytes begin a safetensors file?"""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MOST_BYTES


def safetensors(file: BinaryIO, size: int) -> Arrays:
    """The tensors of a safetensors file of so many bytes, by name."""
    length = int.from_bytes(file.read(8), "little")
    try:
        header = json.loads(file.read(length))
        entries = {name: Tensor.of(e) for name, e in header.items() if name != "__metadata__"}
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise DataError("the header of the safetensors file is not valid") from error

    def read(name: str, tensor: Tensor) -> NDArray[Any]:
        return tensor.read(file, 8 + length, size, printable(name))

    return {name: partial(read, name, tensor) for name, tensor in entries.items()}


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies, from `start` to before `stop` of what follows the header."""

    type: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Tensor:
        """An entry of the header; raises ValueError, KeyError or TypeError for another thing."""
        start, stop = map(operator.index, entry["data_offsets"])
        return cls(str(entry["dtype"]), tuple(map(operator.index, entry["shape"])), start, stop)

    def read(self, file: BinaryIO, base: int, size: int, name: str) -> NDArray[Any]:
        """Its values; raises DataError where it cannot be."""
        dtype = np.dtype("<u2") if self.type == BFLOAT16 else TYPES.get(self.type)
        bytes_ = self.stop - self.start
        if dtype is None:
            raise DataError(f"{name} is of type {printable(self.type)}, which is not read")
        if not 0 <= self.start <= self.stop <= size - base:
            raise DataError(f"{name} lies outside of the safetensors file: is it complete?")
        if min(self.shape, default=0) < 0 or math.prod(self.shape) * dtype.itemsize != bytes_:
            raise DataError(f"{name} has {bytes_} bytes, which is not its shape {self.shape}")
        if bytes_ > MOST_BYTES:
            raise DataError(f"{name} has more than {MOST_BYTES} bytes")
        file.seek(base + self.start)
        array = np.frombuffer(file.read(bytes_), dtype).reshape(self.shape)
        if self.type == BFLOAT16:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array


def to_safetensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of float64, float32 and int64 as a safetensors file."""
    names = {dtype: name for name, dtype in TYPES.items()}
    header: dict[str, Any] = {}
    blobs, start = [], 0
    for name, array in arrays.items():
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, start + len(blob)],
        }
        blobs.append(blob)
        start += len(blob)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *blobs])
