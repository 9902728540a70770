"""What is said where Dask holds X and its extra is missing."""

from __future__ import annotations

import sys

import pytest

import slimvec as sv


def test_the_extra_is_named(monkeypatch):
    lazy = type("Array", (), {"__module__": "dask.array.core", "numblocks": (1, 1), "shape": (5, 2), "ndim": 2})()
    for name in [name for name in sys.modules if name.startswith("slimvec.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(sv, "dask", raising=False)
    monkeypatch.setitem(sys.modules, "dask", None)
    for call in (sv.IIQ(2).fit, sv.IIQ(2).fit([[1.0, 2], [3, 5]]).transform):
        with pytest.raises(ImportError, match=r"what Dask holds needs the extra: pip install 'slimvec\[dask\]'"):
            call(lazy)
