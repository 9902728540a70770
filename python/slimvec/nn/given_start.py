"""Where a layer starts that goes on from vectors or from a table: anchors and T that are theirs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slimvec.nn.layer_arguments import as_counts, as_vectors
from slimvec.sparse.product import CsrParts
from slimvec.validation import as_generator, as_integer, check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_ROUNDS = 10  # of learning anchors
ROOM = 4  # a row may get this many times the mean number of non-zeros
TRAIN_ROWS = 20_000
LEARNT_WITH = 8  # entries of a row in the mean while anchors are learnt, at most: more take long and help little


class GivenStart(NamedTuple):
    """E = T A as a layer starts with it.

    Attributes
    ----------
    anchors : ndarray, shape (k, d)
    parts : CsrParts
        T, ``(n, k)``.
    nonnegative : bool
        Whether T ≥ 0 is to stay so.
    """

    anchors: NDArray[Any]
    parts: CsrParts
    nonnegative: bool


def start_from(
    given: Any,
    n_anchors: Any,
    n_parameters: Any,
    counts: Any,
    padding_idx: Any,
    nonnegative: bool | None,
    random_state: Any,
) -> GivenStart:
    """Return where a layer starts: see :meth:`slimvec.nn.AnchorEmbedding.from_pretrained`."""
    if hasattr(given, "associations"):  # a table of anchors
        if counts is not None:
            raise TypeError("counts: a table gives T as it is, and nothing is chosen; leave counts out")
        padding = _as_padding(padding_idx, len(given))
        return _of_table(given, n_anchors, padding, nonnegative)
    rows = as_vectors(given, "given")
    padding = _as_padding(padding_idx, len(rows))
    weights = row_weights(counts, len(rows))
    return _of_rows(rows, n_anchors, n_parameters, weights, padding, bool(nonnegative), as_generator(random_state))


def row_weights(counts: Any, n: int) -> NDArray[np.float32]:
    """Return how much each row counts: the root of how often it is seen, once at least; 1 where it is not said."""
    if counts is None:
        return np.ones(n, np.float32)
    roots = np.sqrt(np.maximum(as_counts(counts, n), 1))  # none is zero: T is divided by them
    return (roots / roots.max()).astype(np.float32)


def _as_padding(padding_idx: Any, n: int) -> int | None:
    return None if padding_idx is None else as_integer(padding_idx, "padding_idx", -n, n - 1) % n


def _of_table(table: Any, n_anchors: Any, padding: int | None, nonnegative: bool | None) -> GivenStart:
    """Return A and T of a :class:`slimvec.SparseTable`; the padding row loses its entries."""
    anchors, parts = np.asarray(table.anchors, np.float32), _without_row(_as_parts(table.transform), padding)
    if n_anchors is not None and as_integer(n_anchors, "n_anchors", 1) != len(anchors):
        raise ValueError(f"n_anchors={n_anchors}; expected {len(anchors)}, which the table has, or None")
    has_negative = bool((parts.data < 0).any())
    if nonnegative and has_negative:
        raise ValueError("nonnegative=True, and the table has entries below 0; expected nonnegative=False or None")
    return GivenStart(anchors, parts, not has_negative if nonnegative is None else bool(nonnegative))


def _of_rows(
    given: NDArray[Any],
    n_anchors: Any,
    n_parameters: Any,
    weights: NDArray[np.float32],
    padding: int | None,
    nonnegative: bool,
    generator: np.random.Generator,
) -> GivenStart:
    """Return anchors that are learnt from rows, and T by matching pursuit, ``n_parameters`` numbers together."""
    from slimvec.sparse.solvers.atoms import sample_rows
    from slimvec.sparse.solvers.budget import omp_within
    from slimvec.sparse.training.anchors import kmeans_plus_plus
    from slimvec.sparse.training.dictionary import learn_anchors

    with np.errstate(over="ignore"):  # reported just below
        rows = np.array(given, np.float32)
    check_finite(rows, "given", 0)
    n, d = rows.shape
    if padding is not None:
        rows[padding] = 0
    if n_parameters is None:
        raise ValueError("n_parameters is None, and vectors have no anchors yet; expected how many numbers may be held")
    budget = as_integer(n_parameters, "n_parameters", d + 1, n * d, f": {n} rows of {d} numbers are given")
    k = max(1, min(n, d, budget // (3 * d))) if n_anchors is None else as_integer(n_anchors, "n_anchors", 1, n)
    n_entries = min(budget - k * d, n * k)
    if n_entries < 1:
        raise ValueError(f"n_parameters={budget}; expected more, as {k} anchors of {d} numbers take {k * d}")

    def code(entries: int, some: NDArray[np.float32], anchors: NDArray[np.float32]) -> Any:
        most = min(k, ROOM * -(-entries // n))
        return omp_within(some, anchors, max(1, entries * len(some) // n), most, nonnegative=nonnegative)

    rows *= weights[:, None]
    sample, _ = sample_rows(rows, TRAIN_ROWS, k, generator)
    learn = partial(code, min(n_entries, LEARNT_WITH * n))
    anchors, _ = learn_anchors(sample, sample[kmeans_plus_plus(sample, k, generator)], learn, N_ROUNDS)
    parts = _as_parts(code(n_entries, rows, anchors))
    parts = parts._replace(data=parts.data / np.repeat(weights, np.diff(parts.indptr)))
    return GivenStart(*_balanced(anchors, parts), nonnegative)


def _balanced(anchors: NDArray[np.float32], parts: CsrParts) -> tuple[NDArray[Any], CsrParts]:
    """Return anchors and T, one times and the other over a number, so that numbers of both are about as large.

    Pursuit leaves anchors of length 1, and the length of the rows in T: steps of one size would not suit both.
    """
    if not parts.data.any():  # of rows that are all zero
        return anchors, parts
    sizes = [float(np.sqrt(np.square(values, dtype=np.float64).mean())) for values in (anchors, parts.data)]
    factor = np.float32((sizes[1] / sizes[0]) ** 0.5)
    return anchors * factor, CsrParts(parts.shape, parts.indptr, parts.indices, parts.data / factor)


def _as_parts(transform: Any) -> CsrParts:
    transform.sum_duplicates()  # an entry given twice is a sum; columns are rising then
    transform.eliminate_zeros()
    data = np.asarray(transform.data, np.float32)
    return CsrParts(transform.shape, transform.indptr.astype(np.int64), transform.indices, data)


def _without_row(parts: CsrParts, row: int | None) -> CsrParts:
    if row is None:
        return parts
    first, last = parts.indptr[row : row + 2]
    indptr = parts.indptr.copy()
    indptr[row + 1 :] -= last - first
    return CsrParts(parts.shape, indptr, *(np.delete(part, slice(first, last)) for part in (parts.indices, parts.data)))
