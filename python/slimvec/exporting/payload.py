"""What is written: ids, and beside each a code of signs or a vector, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Payload:
    """Rows for other programs.

    Attributes
    ----------
    ids : ndarray, shape (n,)
        int64, or NumPy's strings.
    n_bits : int or None
        Of packed codes; None for vectors.
    width : int
        Bytes of a code, or numbers of a vector.
    read : callable
        Returns the codes ``(m, width) uint8`` or vectors ``(m, width) float32`` of rows ``first ... end - 1``.
    """

    ids: NDArray[Any]
    n_bits: int | None
    width: int
    read: Callable[[int, int], NDArray[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_texts(self) -> bool:
        """Whether ids are strings."""
        return self.ids.dtype.kind != "i"

    def blocks(self, size: int = 4096) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield ids and rows, in order."""
        for first in range(0, len(self), size):
            end = min(first + size, len(self))
            yield self.ids[first:end], np.ascontiguousarray(self.read(first, end))

    def integers(self, what: str, least: int | None = None) -> NDArray[np.int64]:
        """Return ids where a format has integers only.

        Raises
        ------
        TypeError, ValueError
            If they are strings, or some are below ``least``.
        """
        if self.has_texts:
            raise TypeError(
                f"ids holds strings, such as {self.ids[0]!r}, and {what} has integers; expected ids=, an integer for "
                "each row, in their order"
            )
        if least is not None and len(self) and int(self.ids.min()) < least:
            raise ValueError(f"ids holds {int(self.ids.min())}; {what} has integers from {least} on")
        return self.ids
