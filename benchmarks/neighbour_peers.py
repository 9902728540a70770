"""Other libraries that find near rows without reading all: lists and graphs, over unit rows and inner products."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.peers import filled, rotated


def faiss_lists(rows: np.ndarray, n_lists: int, n_bits: int):
    """Return faiss's lists of RaBitQ codes of so many bits per column, under a random rotation."""
    import faiss

    d = rows.shape[1]
    coarse = faiss.IndexFlatIP(d)
    lists = faiss.IndexIVFRaBitQFastScan(coarse, d, n_lists, faiss.METRIC_INNER_PRODUCT, 32, True, n_bits)
    coarse.this.disown()
    lists.own_fields = True
    lists.cp.spherical = True  # as faiss does for inner products where a factory makes the index
    return filled(rotated(lists), rows)


def product_lists(rows: np.ndarray, n_lists: int):
    """Return faiss's lists of product codes of two bits per column, under a random rotation, refined by four bits.

    To learn the rotation (OPQ) takes longer here than all else together.
    """
    import faiss

    d = rows.shape[1]
    how = f"RR{d},IVF{n_lists},PQ{d // 2}x4fs,Refine(SQ4)"
    index = faiss.index_factory(d, how, faiss.METRIC_INNER_PRODUCT)
    index.k_factor = 10
    index.train(rows[:: max(1, len(rows) // 100_000)])
    index.add(rows)
    return index


def rabitqlib_lists(rows: np.ndarray, n_lists: int, n_bits: int):
    """Return rabitqlib's lists of RaBitQ codes, by its own k-means."""
    import rabitqlib

    d = rows.shape[1]
    exact = rabitqlib.FinalAssignmentMode.Exact
    clusters = rabitqlib.QGKMeans(d, n_lists, num_threads=2, final_assignment=exact)
    clusters.train(rows)
    index = rabitqlib.IvfIndex(dim=d, max_elements=len(rows), num_clusters=n_lists, nbits=n_bits, metric="ip")
    index.build(rows, clusters.centroids, clusters.assignments, num_threads=2)
    return index


def graph(rows: np.ndarray, n_links: int, ef_construction: int):
    """Return hnswlib's graph, which keeps the rows as float32."""
    import hnswlib

    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), ef_construction=ef_construction, M=n_links, random_seed=0)
    index.add_items(rows, num_threads=2)
    return index


def graph_of_bytes(rows: np.ndarray, n_links: int, ef_construction: int):
    """Return usearch's graph, which keeps the rows as int8."""
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="cos", dtype="i8", connectivity=n_links, expansion_add=ef_construction)
    index.add(np.arange(len(rows)), rows, threads=2)
    return index


class FaissGraphOfBits:
    """faiss's graph of packed codes, by Hamming distance."""

    name = "faiss `IndexBinaryHNSW`"

    def __init__(self, codes: np.ndarray, n_links: int, ef_construction: int):
        import faiss

        faiss.omp_set_num_threads(2)
        self._index = faiss.IndexBinaryHNSW(8 * codes.shape[1], n_links)
        self._index.hnsw.efConstruction = ef_construction
        self._index.add(codes)
        faiss.omp_set_num_threads(1)

    def search(self, codes: np.ndarray, k: int, ef: int) -> np.ndarray:
        self._index.hnsw.efSearch = ef
        return self._index.search(codes, k)[1]

    def save(self, path: str) -> None:
        import faiss

        faiss.write_index_binary(self._index, path)


class UsearchGraphOfBits:
    """usearch's graph of packed codes, by Hamming distance."""

    name = "usearch, `b1`"

    def __init__(self, codes: np.ndarray, n_links: int, ef_construction: int):
        from usearch.index import Index

        width = {"ndim": 8 * codes.shape[1], "metric": "hamming", "dtype": "b1"}
        self._index = Index(**width, connectivity=n_links, expansion_add=ef_construction)
        self._index.add(np.arange(len(codes)), codes, threads=2)

    def search(self, codes: np.ndarray, k: int, ef: int) -> np.ndarray:
        self._index.expansion_search = ef
        return self._index.search(codes, k, threads=1).keys.reshape(len(codes), k)

    def save(self, path: str) -> None:
        self._index.save(path)


def bytes_of_file(save) -> int:
    """Return the size of the file that ``save(path)`` writes: all that an index is, its centroids and links too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        save(str(path))
        return path.stat().st_size
