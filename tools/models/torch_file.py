"""Reads the tensors of a PyTorch checkpoint into NumPy without PyTorch, and without running anything
that the file says: only the names below are known to the unpickler."""

import collections
import pickle

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2",
             "LongStorage": "<i8", "IntStorage": "<i4", "ByteStorage": "u1"}


class _View:
    """A tensor as the file describes it, before its storage has been read."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages):
        data = storages[self.storage]
        strides = [stride * data.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(data[self.offset:], self.shape, strides)
        reach = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if view.size and reach >= data.size:
            raise ValueError("a tensor reaches beyond its storage")
        return view.copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.dtypes = {}

    def find_class(self, module, name):
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _View
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, record):
        kind, dtype, key = record[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown record {kind!r}")
        self.dtypes[key] = dtype
        return key


def read(path):
    """Name to array, of a checkpoint in the format before PyTorch 1.6 (one pickle after another)."""
    with open(path, "rb") as file:
        if _Unpickler(file).load() != _MAGIC:
            raise ValueError(f"{path} is not a PyTorch checkpoint of the old format")
        _Unpickler(file).load()  # version of the protocol
        _Unpickler(file).load()  # type sizes of the machine that wrote it
        unpickler = _Unpickler(file)
        views = unpickler.load()
        storages = {}
        for key in _Unpickler(file).load():
            count = int.from_bytes(file.read(8), "little")
            dtype = np.dtype(unpickler.dtypes[key])
            storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    return {name: view.array(storages) for name, view in views.items()}
