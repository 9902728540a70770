"""Vocabulary selection: some rows are kept as they are, the others become zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.progress import Progress, ignore
from slimvec.sparse.methods.base import CountingEstimator
from slimvec.sparse.solvers.atoms import as_anchors, float32_blocks
from slimvec.sparse.solvers.budget import as_weights
from slimvec.sparse.solvers.running import sparse
from slimvec.sparse.training.anchors import tf_idf, top_rows
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from slimvec.vectors.rows import MatrixRows, Rows


@dataclass(eq=False, repr=False)
class FrequencySelection(CountingEstimator):
    """Keep the most frequent rows, set the others to zero: ANT with A = these rows, T_{a,a} = 1 and T = 0 elsewhere.

    Parameters
    ----------
    n_anchors : int
        How many rows to keep.

    Attributes
    ----------
    anchors_ : ndarray, shape (n_anchors, d), float32
    transform_ : scipy.sparse.csr_array, shape (n, n_anchors), float32
        One 1 in each kept row.
    anchor_rows_ : ndarray, shape (n_anchors,), int64
        Which rows are kept, the most frequent first.

    Raises
    ------
    ValueError
        From ``fit``: more anchors than rows, an empty matrix, NaN.

    References
    ----------
    .. [1] P. P. Liang et al., "Anchor & Transform", 2020, appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> selection = FrequencySelection(n_anchors=1).fit(np.eye(2), counts=[3, 8])
    >>> (selection.transform_ @ selection.anchors_).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """

    n_anchors: int = 1000

    def _fit(self, rows: MatrixRows, progress: Progress, *, counts: ArrayLike | None = None) -> None:  # noqa: ARG002
        n = len(rows)
        k = as_integer(self.n_anchors, "n_anchors", 1, n, why=f": there are {n} rows")
        chosen = np.arange(k) if counts is None else top_rows(as_weights(counts, n, "counts"), k)
        self._select(rows.matrix, chosen)

    def _select(self, rows: NDArray[Any], chosen: NDArray[np.int64]) -> None:
        ones = np.ones(len(chosen), np.float32)
        shape = (len(rows), len(chosen))
        for _ in float32_blocks(rows):  # refuses NaN also where rows become zero
            pass
        self.anchors_ = as_anchors(rows[chosen], "X")
        self.transform_ = sparse().csr_array((ones, (chosen, np.arange(len(chosen)))), shape=shape)
        self.anchor_rows_ = chosen


class TfIdfSelection(FrequencySelection):
    """Keep the rows of the words with the highest TF-IDF over a collection, set the others to zero.

    Parameters
    ----------
    n_anchors : int
        How many rows to keep.

    Notes
    -----
    TF-IDF as :func:`slimvec.sparse.training.anchors.tf_idf` defines it. Attributes and errors are those of
    :class:`FrequencySelection`.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> vectors = sv.Vectors(["the", "cat"], np.eye(2))
    >>> TfIdfSelection(1).fit(vectors, documents=[["the", "cat"], ["the"]]).anchor_rows_.tolist()
    [1]
    """

    def fit(  # type: ignore[override]
        self,
        X: Rows | ArrayLike,
        y: None = None,  # noqa: ARG002
        *,
        documents: Iterable[Iterable[str]],
        progress: Progress = ignore,
    ) -> Self:
        """Select rows.

        Parameters
        ----------
        X : Vectors, VectorFile or other Rows
            With words.
        y : None
            Ignored.
        documents : iterable of iterables of str
            Lists of tokens.
        progress : callable, optional
            Not called.

        Returns
        -------
        self
        """
        return self._learn_from(X, progress, documents=documents)

    def _fit(  # type: ignore[override]
        self,
        rows: MatrixRows,
        progress: Progress,  # noqa: ARG002
        *,
        documents: Iterable[Iterable[str]],
    ) -> None:
        if rows.vocabulary is None:
            raise ValueError("TfIdfSelection counts words; fit on Vectors, which have them")
        self._select(rows.matrix, top_rows(tf_idf(documents, rows.vocabulary.words), self.n_anchors))
