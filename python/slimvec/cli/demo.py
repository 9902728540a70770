"""The demo: word vectors from a text that every Python carries, its own standard library; then slimvec's main job.

Vectors as in Levy & Goldberg (2014): windowed co-occurrence counts, positive pointwise mutual information, SVD.
"""

from __future__ import annotations

import os
import re
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import slimvec as sv
from slimvec.blas import one_thread
from slimvec.errors import needs
from slimvec.progress import Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.table import Table

DIMENSIONS = 300
MIN_COUNT = 12
WINDOW = 5
TURNS, OVERSAMPLED = 3, 50  # of the search for the strongest directions
N_ANCHORS = 500
ANCHORS_PER_ROW = 10
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "__pycache__"}
STORED = {"iiq": "300 bits", "ant": f"{ANCHORS_PER_ROW} of {N_ANCHORS} anchors"}
SHOWN = ("error", "month", "integer", "directory", "thread", "red")

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # splits snake_case and camelCase


def library_words() -> Iterator[list[str]]:
    """Yield the words of each source file of the standard library, identifiers split, in lower case."""
    found = []
    for folder, inner, names in os.walk(sysconfig.get_path("stdlib")):
        inner[:] = [name for name in inner if name not in SKIPPED_FOLDERS]  # not looked into, however much is in there
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    for path in sorted(found):
        yield [word.lower() for word in _WORD.findall(path.read_text(encoding="utf-8", errors="ignore"))]


def embed(texts: list[list[str]], progress: Progress = ignore) -> sv.Vectors:
    """Return vectors of the words of texts, most frequent first.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    ValueError
        If the texts hold too few words.
    """
    with needs("SciPy", "train"):
        import scipy.sparse  # noqa: F401 - before counting, which takes a while

    counts = Counter(word for text in texts for word in text)
    words = [word for word, count in counts.most_common() if count >= MIN_COUNT and len(word) > 1]
    if len(words) <= DIMENSIONS:
        raise ValueError(f"only {len(words)} frequent words found; expected more than {DIMENSIONS} to embed")
    similarities = _ppmi(_count_pairs(texts, words, progress))
    with one_thread():  # for small products threads wait more than they work
        u, s = _strongest(similarities, progress)
    return sv.Vectors(words, u * np.sqrt(s))


def _count_pairs(texts: list[list[str]], words: list[str], progress: Progress) -> Any:
    """Return how often two words stand within WINDOW of each other, as a symmetric sparse matrix."""
    from scipy.sparse import coo_array

    rows = {word: row for row, word in enumerate(words)}
    gap = [-1] * WINDOW  # no pairs across files
    stream = np.array([row for text in texts for row in [*(rows.get(word, -1) for word in text), *gap]], np.int32)
    total: Any = 0
    for distance in range(1, WINDOW + 1):
        left, right = stream[:-distance], stream[distance:]
        known = (left >= 0) & (right >= 0)
        pairs = (left[known], right[known])
        weight = np.full(len(pairs[0]), 1.0 / distance, np.float32)  # nearer words count more
        counted = coo_array((weight, pairs), shape=(len(words), len(words))).tocsr()
        total = counted + total
        progress("counting pairs", distance, WINDOW)
    return total + total.T


def _ppmi(pairs: Any) -> Any:
    """Return positive pointwise mutual information, log p(w, c) / (p(w) p(c)) where above 0."""
    word_mass = np.asarray(pairs.sum(axis=1)).ravel()
    context_mass = word_mass**0.75  # smoothing: rare contexts are not overrated
    context_mass /= context_mass.sum()
    information = pairs.tocoo()
    expected = word_mass[information.row] * context_mass[information.col]
    information.data = np.maximum(np.log(information.data / expected), 0).astype(np.float32)
    information = information.tocsr()
    information.eliminate_zeros()
    return information


def _strongest(matrix: Any, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the first left singular vectors and values, nearly: a random subspace, iterated (Halko et al., 2011).

    ARPACK, which finds them to the last digit, takes longer; for a demonstration they are near enough.
    """
    transposed = matrix.T.tocsr()
    basis = np.random.default_rng(0).standard_normal((matrix.shape[1], DIMENSIONS + OVERSAMPLED), dtype=np.float32)
    for turn in range(TURNS):
        progress("factorising", turn, TURNS)
        basis = np.linalg.qr(transposed @ np.linalg.qr(matrix @ basis)[0])[0]
    u, s, _ = np.linalg.svd(matrix @ basis, full_matrices=False)
    progress("factorising", TURNS, TURNS)
    return u[:, :DIMENSIONS], s[:DIMENSIONS]


def float_neighbours(vectors: sv.Vectors, word: str, k: int) -> list[str]:
    """Return the ``k`` nearest words by the cosine of the floats."""
    unit = vectors.matrix / np.maximum(np.linalg.norm(vectors.matrix, axis=1, keepdims=True), 1e-12)
    row = vectors.vocabulary.row(word)
    best: list[int] = np.argsort(-(unit @ unit[row]), kind="stable")[: k + 1].tolist()
    return [vectors.vocabulary[other] for other in best if other != row][:k]


def run(output: str | os.PathLike[str] | None = None, progress: Progress = ignore, method: str = "iiq") -> None:
    """Make vectors, compress, save, open and query them, printing sizes, neighbours and times."""
    start = time.perf_counter()
    texts = list(library_words())
    vectors = embed(texts, progress)
    seconds = time.perf_counter() - start
    print(f"{sum(map(len, texts)):,} words of Python's standard library -> {vectors} in {seconds:.1f} s")

    start = time.perf_counter()
    table = compress(vectors, method, progress)
    print(f"compressed to {table} in {time.perf_counter() - start:.1f} s")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.slim" if output is None else Path(output)
        table.save(path)
        start = time.perf_counter()
        opened = sv.open(path)
        milliseconds = 1e3 * (time.perf_counter() - start)
        info = opened.info()
        parts = ", ".join(f"{name} {size / 1e3:,.0f} KB" for name, size in info["bytes"].items())
        print(
            f"\nfloat32 matrix {vectors.matrix.nbytes / 1e3:,.0f} KB -> {parts}; "
            f"file {path.stat().st_size / 1e3:,.0f} KB, opened in {milliseconds:.1f} ms"
        )
        _show_neighbours(vectors, opened, STORED[method])
        _show_times(vectors, opened)
        if output is not None:
            print(f"\nkept in {path}; try: slimvec neighbors {path} error")


def compress(vectors: sv.Vectors, method: str, progress: Progress = ignore) -> Any:
    """Return the vectors as a table of 300-bit codes ("iiq"), or of a few anchors per word ("ant")."""
    if method == "iiq":
        return sv.IIQ().compress(vectors, progress=progress)
    return sv.ANT(N_ANCHORS, ANCHORS_PER_ROW).compress(vectors, dtype="float16", progress=progress)


def _show_neighbours(vectors: sv.Vectors, table: Table, stored: str, k: int = 5) -> None:
    shown = [word for word in SHOWN if word in vectors]
    print(f"\n{'':12}{'nearest by 300 floats':52}nearest by {stored}")
    for word in shown:
        floats = ", ".join(float_neighbours(vectors, word, k))
        bits = ", ".join(str(neighbour) for neighbour, _ in table.most_similar(word, k))
        print(f"{word:12}{floats:52}{bits}")


def _show_times(vectors: sv.Vectors, table: Table) -> None:
    queries: NDArray[np.float32] = vectors.matrix[:100]
    by_floats = _median_seconds(lambda: np.argpartition(-(queries[:1] @ vectors.matrix.T), 10, axis=1))
    by_table = _median_seconds(lambda: table.search(queries[:1], k=10, threads=1))
    print(
        f"\ntop-10 of {len(table):,} words for one query: NumPy on floats {1e6 * by_floats:,.0f} us, "
        f"the table on one thread {1e6 * by_table:,.0f} us ({sv.active_isa()})"
    )


def _median_seconds(work: Any, repeats: int = 51) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
