"""Arrays of NumPy, in one archive."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.bulk.result_files import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.exporting.payload import Payload
    from slimvec.files.atomic import NamedFile


def write_npz(file: NamedFile, payload: Payload, target: Path) -> None:  # noqa: ARG001
    """Write ``ids``, and ``codes`` with ``n_bits``, or ``vectors``; ``np.load`` needs no pickle for them."""
    ids = _texts(payload.ids.tolist()) if payload.has_texts else payload.ids
    with zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_STORED) as archive:
        _write(archive, "ids", ids)
        if payload.n_bits is not None:
            _write(archive, "n_bits", np.array(payload.n_bits))
        name, dtype = ("vectors", "<f4") if payload.n_bits is None else ("codes", "|u1")
        with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
            shape = {"descr": dtype, "fortran_order": False, "shape": (len(payload), payload.width)}
            np.lib.format.write_array_header_1_0(member, shape)
            for _, rows in payload.blocks():
                member.write(rows.astype(dtype, copy=False).tobytes())


def _texts(ids: list[str]) -> NDArray[np.str_]:
    """Return texts of one width, as archives have them: zeros at an end are padding there."""
    bad = next((one for one in ids if one.endswith("\0")), None)
    if bad is not None:
        raise ValueError(f"ids holds {bad!r}, and arrays of NumPy keep no zero byte at the end of a text")
    return np.array(ids, np.str_)


def _write(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
