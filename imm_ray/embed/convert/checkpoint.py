"""Reads a legacy torch checkpoint without torch, and without running anything that is in it.

Layout: five pickles (magic number, protocol, system information, the state, the storage keys), then
for each key its element count (int64, little endian) and its raw elements.
"""

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}

Tensors = dict[str, NDArray[Any]]


def read_checkpoint(path: Path) -> Tensors:
    """Return the tensors of a state dictionary by name."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC:
            raise ValueError(f"{path} is not a legacy torch checkpoint")
        _Unpickler(file).load()
        _Unpickler(file).load()
        state = _Unpickler(file)
        views: dict[str, _View] = state.load()
        storages = {key: _read_storage(file, state.dtypes[key]) for key in _Unpickler(file).load()}
    return {name: view.tensor(storages) for name, view in views.items()}


class _View:
    """A tensor's window on a storage, as the pickle describes it."""

    def __init__(
        self, key: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> None:
        self._key = key
        self._offset = offset
        self._size = size
        self._stride = stride

    def tensor(self, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        storage = storages[self._key][self._offset :]
        last = sum((n - 1) * step for n, step in zip(self._size, self._stride, strict=True))
        if min((0, *self._stride)) < 0 or last >= storage.size:
            raise ValueError(f"storage {self._key}: a tensor reaches beyond its end")
        strides = [step * storage.itemsize for step in self._stride]
        return np.lib.stride_tricks.as_strided(storage, self._size, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Admits the four names that such a checkpoint needs and refuses every other one."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _View
        if module == "torch" and name in _STORAGES:
            return name
        raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}, which is not allowed")

    def persistent_load(self, pid: Any) -> str:
        _, storage, key, *_ = pid
        self.dtypes[str(key)] = np.dtype(_STORAGES[storage])
        return str(key)


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    data = file.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise ValueError("the checkpoint is truncated")
    return np.frombuffer(data, dtype)
