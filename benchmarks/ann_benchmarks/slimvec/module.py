"""slimvec for ann-benchmarks (github.com/erikbern/ann-benchmarks); ``README.md`` beside this folder tells how."""

import numpy as np
from ann_benchmarks.algorithms.base.module import BaseANN

import slimvec as sv


class _Slimvec(BaseANN):
    """What all have in common: one thread for a query, all of them for a batch."""

    def query(self, v, n):
        return self._search(self._prepared(v[None]), n, 1)[0]

    def batch_query(self, X, n):
        self._found = self._search(self._prepared(X), n, None)

    def get_batch_results(self):
        return self._found

    def get_additional(self):
        return {"bytes_per_row": self._bytes_per_row}

    def done(self):
        self._table = self._originals = None


class SlimvecCodes(_Slimvec):
    """Codes in lists, refined by a second code; with ``originals``, the best rows by the vectors themselves."""

    def __init__(self, metric, bits_per_dimension, refine_bits, originals):
        if metric != "angular":
            raise NotImplementedError(f"slimvec's codes are for cosines (angular), not for {metric}")
        self._share, self._refine_bits, self._with_originals = bits_per_dimension, refine_bits, originals
        self._table = self._originals = None

    def fit(self, X):
        X = _unit(X)
        coding = sv.TransformCoding(
            max(1, round(self._share * X.shape[1])), refine_bits=self._refine_bits, partitions="auto"
        )
        self._table = coding.compress(X)
        self._originals = X if self._with_originals else None
        kept = sum(self._table.info()["bytes"].values()) + (X.nbytes if self._with_originals else 0)
        self._bytes_per_row = kept / len(X)

    def set_query_arguments(self, probes):
        self._probes = probes
        self.name = (
            f"slimvec (bits={self._share:g}d+{self._refine_bits}, "
            f"originals={self._with_originals}, probes={self._probes})"
        )

    def _prepared(self, X):
        return _unit(X)

    def _search(self, X, n, threads):
        return self._table.search(X, n, probes=self._probes, originals=self._originals, threads=threads).indices


class SlimvecHamming(_Slimvec):
    """All of the bits compared with all: exact."""

    def __init__(self, metric):
        if metric != "hamming":
            raise NotImplementedError(f"slimvec compares bits by Hamming distance, not by {metric}")
        self._table = None
        self.name = "slimvec-hamming"

    def fit(self, X):
        codes = self._prepared(X)
        self._table = sv.HammingIndex(codes, n_bits=X.shape[1])
        self._bytes_per_row = float(codes.shape[1])

    def _prepared(self, X):
        return np.packbits(np.asarray(X, bool), axis=1, bitorder="little")

    def _search(self, X, n, threads):
        return self._table.search(X, n, threads=threads).indices


def _unit(X):
    """Return float32 rows of length one; a row of zeros stays."""
    X = np.asarray(X, np.float32)
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), np.finfo(np.float32).tiny)
