"""Which of many centroids is nearest to each row: by products with all of them or, of very many, with near groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from slimvec.blas import in_order, nearest, one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY = 6144  # centroids: with fewer, as of two million rows, all products are no large part of the work
N_ITER = 4
N_GROUPS = 16  # whose centroids a row meets: 99 % of rows then find the nearest of all, others one that is nearly so
PART_ROWS = 4096  # of which a group meets some hundreds
SUMMED_ROWS = 32_768  # of which a copy is made
CELLS = 1 << 22  # products of rows and all centroids, at a time


def means_of(
    rows: NDArray[np.float32], lists: NDArray[np.int32], n_lists: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the means of the rows in each list that has any, in order, and which lists do."""
    counts = np.bincount(lists, minlength=n_lists)
    known = counts > 0
    sums = np.zeros((n_lists, rows.shape[1]), np.float32)
    for first in range(0, len(rows), SUMMED_ROWS):
        part = lists[first : first + SUMMED_ROWS]
        order = np.argsort(part, kind="stable")
        here, firsts = np.unique(part[order], return_index=True)
        sums[here] += np.add.reduceat(rows[first : first + SUMMED_ROWS][order], firsts, axis=0)
    means: NDArray[np.float32] = np.asarray(sums[known] / counts[known, None], np.float32)
    return means, known


@dataclass(frozen=True, eq=False)
class Centroids:
    """Centroids in groups of near ones, so that a row need not meet all of them.

    Attributes
    ----------
    values : ndarray, shape (n, d), float32
    heads : ndarray, shape (n_groups, d), float32
        The means of the groups.
    members : list of ndarray of int32
        The centroids of each group, rising.
    """

    values: NDArray[np.float32]
    heads: NDArray[np.float32]
    members: list[NDArray[np.int32]]

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Self:
        """Group centroids ``(n, d)`` if there are many."""
        n_groups = int(len(values) ** 0.5)
        if len(values) < MANY:
            return cls(values, values[:0], [])
        heads = values[:: len(values) // n_groups].copy()
        for _ in range(N_ITER):
            groups = nearest(values, heads)
            means, known = means_of(values, groups, len(heads))
            heads[known] = means
        groups = nearest(values, heads)
        return cls(values, heads, [np.flatnonzero(groups == g).astype(np.int32) for g in range(len(heads))])

    def nearest(self, rows: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return which centroid is nearest to each row ``(m, d)``, of those in the groups nearest to it.

        Ties go to the first where centroids are few, as far as products are rounded alike.
        """
        if not self.members:
            return nearest(rows, self.values)
        parts = (rows[first : first + PART_ROWS] for first in range(0, len(rows), PART_ROWS))
        halves = np.einsum("ij,ij->i", self.values, self.values) / 2
        with one_thread():
            return np.concatenate([np.empty(0, np.int32), *in_order(partial(self._of_part, halves), parts)])

    def second(self, rows: NDArray[np.float32], lists: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return for each row ``(m, d)`` another centroid than ``lists (m,)``, its nearest one.

        Of x and the direction r of its error there, it is the one of the least ‖x - c‖² + ⟨x - c, r⟩²: one whose error
        goes another way (P. Sun et al., "SOAR", NeurIPS 2023, with λ = 1). There must be two centroids.
        """
        step = PART_ROWS if self.members else max(1, CELLS // len(self.values))
        halves = np.einsum("ij,ij->i", self.values, self.values) / 2
        parts = (slice(first, first + step) for first in range(0, len(rows), step))

        def of_part(part: slice) -> NDArray[np.int32]:
            return self._of_part(halves, rows[part], lists[part])

        with one_thread():
            return np.concatenate([np.empty(0, np.int32), *in_order(of_part, parts)])

    def _of_part(
        self, halves: NDArray[np.float32], rows: NDArray[np.float32], but: NDArray[np.int32] | None = None
    ) -> NDArray[np.int32]:
        """Return the nearest centroids or, where another one than ``but`` is wanted, the second ones."""
        meets = self._near_groups(rows)
        directions = along = None
        if but is not None:
            directions = rows - self.values[but]
            lengths = np.linalg.norm(directions, axis=1, keepdims=True)
            np.divide(directions, lengths, out=directions, where=lengths > 0)
            along = np.einsum("ij,ij->i", rows, directions)
        best, lists = np.full(len(rows), -np.inf, np.float32), np.zeros(len(rows), np.int32)
        for group, members in enumerate(self.members or [np.arange(len(self.values), dtype=np.int32)]):
            here = np.flatnonzero(meets[:, group])
            if not len(here) or not len(members):
                continue
            own = rows[here] @ self.values[members].T
            own -= halves[members]
            if but is not None and directions is not None and along is not None:
                own -= np.square(along[here, None] - directions[here] @ self.values[members].T) / 2
                own[members == but[here, None]] = -np.inf
            found = own.argmax(axis=1)
            worth, of = own[np.arange(len(here)), found], members[found]
            better = (worth > best[here]) | ((worth == best[here]) & (of < lists[here]))
            best[here[better]], lists[here[better]] = worth[better], of[better]
        return lists

    def _near_groups(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which groups each row meets, ``(m, n_groups)``; all are one where they are none."""
        if not self.members:
            return np.ones((len(rows), 1), np.bool_)
        products = rows @ self.heads.T
        products -= np.einsum("ij,ij->i", self.heads, self.heads) / 2
        n_groups = min(N_GROUPS, len(self.heads))
        asked = np.argpartition(products, -n_groups, axis=1)[:, -n_groups:]
        meets = np.zeros(products.shape, np.bool_)
        np.put_along_axis(meets, asked, True, axis=1)
        return meets
