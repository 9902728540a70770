"""A table asked through the C functions, by ctypes; the library is the one of ``cmake --preset default``.

C projects vectors by sums in another order than NumPy's: scores are the same to rounding, and codes but for bits whose
value is about zero. Where all sums are exact, so are codes.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from slimvec.results import ScoreResult

LIBRARY = Path(__file__).parent.parent / "build" / "default" / "cpp" / "capi" / "libslimvec.so"
METRICS = ("cosine", "dot", "l2")  # by their numbers in slimvec.h


def load():
    """Return the library, its functions told their types."""
    library = ctypes.CDLL(str(LIBRARY))
    pointer = ctypes.c_void_p
    library.slimvec_open.restype = pointer
    library.slimvec_error.restype = ctypes.c_char_p
    for name in ("rows", "dim", "original_dim", "bits", "lists", "find", "search", "search_lists"):
        getattr(library, f"slimvec_{name}").restype = ctypes.c_int64
    for name in ("close", "rows", "dim", "original_dim", "bits", "lists"):
        getattr(library, f"slimvec_{name}").argtypes = [pointer]
    library.slimvec_find.argtypes = [pointer, ctypes.c_char_p, ctypes.c_size_t]
    library.slimvec_word.argtypes = [pointer, ctypes.c_int64, pointer, pointer]
    for name in ("lookup", "lookup_original", "mean", "encode"):
        getattr(library, f"slimvec_{name}").argtypes = [pointer, pointer, ctypes.c_size_t, pointer]
    size = ctypes.c_size_t
    library.slimvec_search.argtypes = [pointer, pointer, size, size, ctypes.c_int, size, pointer, pointer]
    asked = [pointer, pointer, size, size, ctypes.c_int, size, size, pointer, pointer]
    library.slimvec_search_lists.argtypes = asked
    for name in ("classes", "classify", "classify_rows"):
        getattr(library, f"slimvec_{name}").restype = ctypes.c_int64
    library.slimvec_classes.argtypes = [pointer]
    library.slimvec_class_name.argtypes = [pointer, ctypes.c_int64, pointer, pointer]
    library.slimvec_class_label.argtypes = [pointer, ctypes.c_int64, pointer]
    library.slimvec_classify.argtypes = [pointer, ctypes.c_char_p, size, pointer]
    library.slimvec_classify_rows.argtypes = [pointer, pointer, size, pointer]
    library.slimvec_is_tagger.argtypes = [pointer]
    for name in ("tag", "tag_rows"):
        getattr(library, f"slimvec_{name}").restype = ctypes.c_int64
    tagged = [size, ctypes.c_double, pointer, pointer]
    library.slimvec_tag.argtypes = [pointer, ctypes.c_char_p, *tagged]
    library.slimvec_tag_rows.argtypes = [pointer, pointer, *tagged]
    library.slimvec_nearest.argtypes = [pointer, ctypes.c_int64, ctypes.c_size_t, ctypes.c_size_t, pointer, pointer]
    return library


class InC:
    """A table asked in C: answers as Python gives them, or None for what fails."""

    def __init__(self, library, path):
        self._c = library
        self._table = library.slimvec_open(str(path).encode())
        if not self._table:
            raise ValueError(library.slimvec_error().decode(errors="replace"))
        self.n, self.dim = library.slimvec_rows(self._table), library.slimvec_dim(self._table)
        self.original_dim, self.bits = library.slimvec_original_dim(self._table), library.slimvec_bits(self._table)
        self.n_lists = library.slimvec_lists(self._table)

    def close(self):
        self._c.slimvec_close(self._table)

    def word(self, row):
        text, size = ctypes.c_char_p(), ctypes.c_size_t()
        if self._c.slimvec_word(self._table, row, ctypes.byref(text), ctypes.byref(size)):
            return None
        return ctypes.string_at(text, size.value)

    def find(self, word):
        return self._c.slimvec_find(self._table, word, ctypes.c_size_t(len(word)))

    def vectors(self, ask, rows, shape):
        rows = np.array(rows, np.int64)
        out = np.empty(shape, np.float32)
        failed = ask(self._table, rows.ctypes, ctypes.c_size_t(len(rows)), out.ctypes)
        return None if failed else out

    def lookup(self, rows):
        return self.vectors(self._c.slimvec_lookup, rows, (len(rows), self.dim))

    def lookup_original(self, rows):
        return self.vectors(self._c.slimvec_lookup_original, rows, (len(rows), max(0, self.original_dim)))

    def mean(self, rows):
        return self.vectors(self._c.slimvec_mean, rows, (1, self.dim))

    def error(self):
        return self._c.slimvec_error().decode(errors="replace")

    def search(self, queries, k, metric="cosine", threads=1, probes=None):
        queries = np.ascontiguousarray(queries, np.float32)
        n, size = len(queries), ctypes.c_size_t
        rows, scores = np.full((n, k), -2, np.int64), np.full((n, k), np.nan, np.float32)
        asked = queries.ctypes, size(n), size(k), METRICS.index(metric)
        if probes is None:
            found = self._c.slimvec_search(self._table, *asked, size(threads), rows.ctypes, scores.ctypes)
        else:
            how = size(probes), size(threads)
            found = self._c.slimvec_search_lists(self._table, *asked, *how, rows.ctypes, scores.ctypes)
        if found < 0:
            assert (rows == -2).all()
            assert np.isnan(scores).all()
            return None
        assert (rows[:, found:] == -1).all()
        assert (scores[:, found:] == 0).all()
        return rows[:, :found], scores[:, :found]

    def encode(self, vectors):
        vectors = np.ascontiguousarray(vectors, np.float32)
        codes = np.full((len(vectors), -(-self.bits // 8)), 0xA5, np.uint8)
        failed = self._c.slimvec_encode(self._table, vectors.ctypes, ctypes.c_size_t(len(vectors)), codes.ctypes)
        return None if failed else codes

    def classes(self):
        """Return names or numbers of classes, or None where there is no classifier."""
        n = self._c.slimvec_classes(self._table)
        return None if n < 0 else [self.class_(which) for which in range(n)]

    def class_(self, which):
        text, size, label = ctypes.c_char_p(), ctypes.c_size_t(), ctypes.c_int64()
        if not self._c.slimvec_class_name(self._table, which, ctypes.byref(text), ctypes.byref(size)):
            return ctypes.string_at(text, size.value).decode()
        return None if self._c.slimvec_class_label(self._table, which, ctypes.byref(label)) else label.value

    def classify(self, text):
        """Return the class and the scores of a text, bytes, or of rows."""
        scores = np.full(max(0, self._c.slimvec_classes(self._table)), np.nan, np.float32)
        if isinstance(text, bytes):
            found = self._c.slimvec_classify(self._table, text, len(text), scores.ctypes)
        else:
            rows = np.array(text, np.int64)
            found = self._c.slimvec_classify_rows(self._table, rows.ctypes, len(rows), scores.ctypes)
        assert np.isnan(scores).all() if found < 0 else np.isfinite(scores).all()
        return None if found < 0 else (found, scores)

    def is_tagger(self):
        return self._c.slimvec_is_tagger(self._table)

    def tag(self, text, threshold=0.5):
        """Return the tags and the scores of a text, bytes, or of rows."""
        n = max(0, self._c.slimvec_classes(self._table))
        which, scores = np.full(n, -2, np.int64), np.full(n, np.nan, np.float32)
        if isinstance(text, bytes):
            found = self._c.slimvec_tag(self._table, text, len(text), threshold, which.ctypes, scores.ctypes)
        else:
            rows = np.array(text, np.int64)
            found = self._c.slimvec_tag_rows(
                self._table, rows.ctypes, len(rows), threshold, which.ctypes, scores.ctypes
            )
        assert (which[max(found, 0) :] == (-2 if found < 0 else -1)).all()
        assert np.isnan(scores).all() if found < 0 else np.isfinite(scores).all()
        return None if found < 0 else (which[:found].tolist(), scores)

    def nearest(self, row, k):
        rows, cosines = np.empty(k, np.int64), np.empty(k, np.float32)
        size = ctypes.c_size_t
        failed = self._c.slimvec_nearest(self._table, row, size(k), size(1), rows.ctypes, cosines.ctypes)
        return None if failed else (rows, cosines)


def in_python(ask, *arguments):
    """Return an answer, or None where Python refuses."""
    try:
        with np.errstate(all="ignore"):  # of numbers that a damaged file may hold
            return ask(*arguments)
    except (ValueError, KeyError, IndexError):
        return None


def close(first, second):
    """Tell whether vectors are the same to rounding, or none; of damaged files sums may be none of float32."""
    if first is None or second is None:
        return first is second
    second = np.asarray(second)
    finite = np.isfinite(second)
    size = np.abs(second[finite]).max(initial=0)
    with np.errstate(all="ignore"):
        return np.allclose(first[finite], second[finite], rtol=1e-4, atol=1e-5 * size)


def compare_vectors(c, table, queries, metrics=METRICS):
    """Compare what is asked by vectors of a good table, and rows as such vectors."""
    rows = np.arange(c.n)
    if not getattr(table, "has_distances", True):  # neighbours are those of a vector
        for row in rows[: c.n if c.n > 1 else 0]:
            found, here = c.nearest(row, c.n - 1), table._nearest_to_rows(np.array([row]), np.ones(1), c.n - 1)
            compare_found([one[None] for one in found], ScoreResult(here[1][None], here[0][None]))
    assert close(c.lookup_original(rows), in_python(lambda: table.lookup(rows, original=True)))
    for metric in metrics:
        for k in (1, 4, c.n + 2):
            here = in_python(lambda k=k, metric=metric: table.search(queries, k, metric=metric))
            in_c = c.search(queries, k, metric)
            assert (in_c is None) == (here is None)
            assert in_c is None or all(map(np.array_equal, in_c, c.search(queries, k, metric, threads=3)))
            if here is not None:
                compare_found(in_c, here, strictly=metric != "l2")


def compare_found(in_c, here, *, strictly=True):
    """Compare rows and scores; rows of about the same score may change places, or be left out at the end.

    Of equal scores the lower row comes first, if ``strictly``: distances are in the order of their squares.
    """
    (rows, scores), size = in_c, np.abs(here.scores).max(initial=0)
    assert rows.shape == here.indices.shape
    assert np.allclose(scores, here.scores, rtol=1e-3, atol=1e-3 * size)
    for found, its, expected, their in zip(rows, scores, here.indices, here.scores, strict=True):
        assert len(set(found.tolist())) == len(found)
        in_order = (np.diff(found) > 0) | (np.abs(its[1:]) == 1) | (not strictly)
        assert ((np.diff(its) < 0) | ((np.diff(its) == 0) & in_order)).all()
        order = np.argsort(found)
        at = order[np.minimum(np.searchsorted(found, expected, sorter=order), len(found) - 1)]
        also = found[at] == expected
        assert (np.abs(its[at] - their) <= 1e-3 * size)[also].all()
        assert (their <= its[-1:] + 1e-3 * size)[~also].all()
