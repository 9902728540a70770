"""HDF5 files, such as those of ANN-Benchmarks: one of their datasets, mapped where it lies in one piece."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import needs
from slimvec.vectors.mapped import Loaded
from slimvec.vectors.tensors import Described, choose_tensor, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def load_hdf5(path: Path, tensor: str | None = None) -> Loaded:
    """Return one dataset of a file, by its name, as ``"group/name"`` if it lies in a group.

    Raises
    ------
    FormatError
        If the file is damaged, or no matrix of it is chosen.
    ValueError
        If there is no dataset called ``tensor``.
    ImportError
        If h5py is not there.
    """
    with needs("h5py", "hdf5"):
        import h5py
    with damaged("HDF5 file"):
        file = h5py.File(path, "r")
    with file:
        with damaged("HDF5 file"):
            described = _datasets(file, h5py.Dataset)
        chosen = choose_tensor(described, tensor)
        with damaged("HDF5 file"):
            dataset = file[chosen]
            lies_so = dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype))  # not of a type that NumPy lacks
            return Loaded(_rows(path, dataset) if lies_so else dataset[...])


def _datasets(file: Any, kind: Any) -> dict[str, Described]:
    described = {}

    def note(name: str, item: Any) -> None:
        if isinstance(name, str) and isinstance(item, kind) and item.shape is not None:
            with suppress(TypeError):  # of a type that NumPy has not
                described[name] = Described(item.shape, item.dtype)

    file.visititems(note)
    return described


def _rows(path: Path, dataset: Any) -> NDArray[Any]:
    """Return a dataset: mapped if it is one piece of the file, and otherwise read into memory."""
    start = dataset.id.get_offset()
    if start is None or dataset.size == 0:
        read: NDArray[Any] = dataset[...]
        return read
    mapped = np.memmap(path, dataset.dtype, "r", start, dataset.shape)
    return mapped if mapped[:1].tobytes() == dataset[:1].tobytes() else dataset[...]
