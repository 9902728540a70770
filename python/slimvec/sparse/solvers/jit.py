"""How the inner loops are compiled. Importing this imports numba: only the modules of loops do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

# Lets LLVM compare several numbers at once when it looks for the largest: values are known to be finite, and the sign
# of a zero does not matter. Nothing that would let it reorder sums.
VECTORISED_MAXIMUM = {"nnan", "nsz"}


def jit(function: F) -> F:
    """Compile on first call, releasing the GIL; keep the result on disk where a folder for that can be written."""
    options: Any = {"nogil": True, "error_model": "numpy", "fastmath": VECTORISED_MAXIMUM}  # division without a branch
    try:
        compiled: F = numba.njit(function, cache=True, **options)
    except RuntimeError:  # a read-only install without a home: compiled again in every process
        compiled = numba.njit(function, **options)
    return compiled
