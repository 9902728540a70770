"""Where does the time of a query in lists go: to memory, to what each query costs, or to what lists hold?

Each of some queries is asked once after the other, so that lists come from memory, and several times in a row, so that
caches hold what it reads. Beside it stands the time that NumPy takes to copy as many bytes in pieces of the size of a
list from random places of 200 MB: nearly what it takes to read them at all. CPU time of one thread, the least of
fifteen turns in which all are asked one after the other.

Run: ``python -m benchmarks.list_time``.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.common import data_or_skip, held_out, parser, table, write_result
from benchmarks.partitions import N_QUERIES, N_SENTENCES, K, coded, lists_of, seconds_of
from benchmarks.sentence_rows import imdb_sentences

N_ASKED, REPEATS, TURNS = 96, 8, 15
CODES = ((1, 4), (1.25, 5), (2, 4))  # bits of first codes per dimension, and of second ones
PROBES = (1, 16, 64, 128, 256)
MEMORY = 200_000_000  # bytes, which no cache of a core holds


def bytes_read(made, queries, n):
    """Return how many bytes of codes, their factors and row numbers the lists of a query hold, on average."""
    from slimvec.binary.probing import probe_order

    parts = made._parts
    held = np.diff(parts.partition.starts)[probe_order(parts, queries, "cosine")[:, :n]].sum(axis=1).mean()
    per_code = (parts.codes.blocks.nbytes + parts.factors.values.nbytes) / len(made) + 4
    return held * per_code


def copying(n_bytes, n_pieces):
    """Return what copies pieces of so many bytes together, and places to copy them from."""
    size = int(n_bytes / n_pieces) // 64 * 64
    memory, piece = np.ones((MEMORY // size, size), np.uint8), np.empty((n_pieces, size), np.uint8)
    places = np.random.default_rng(0).integers(0, len(memory), (N_ASKED, n_pieces))
    return (lambda some: np.take(memory, some[0], axis=0, out=piece, mode="clip")), places


def least_times(*work):
    """Return the least microseconds of each thing, done to what comes with it, in turns."""
    times = [[seconds_of(what, to, 1) for what, to in work] for _ in range(TURNS)]
    return 1e6 * np.min(times, axis=0)


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=N_SENTENCES, help="sentences (default: %(default)s)")
    options = options.parse_args()
    rows = imdb_sentences(data_or_skip(options), options.rows + N_QUERIES)
    base, queries = (np.ascontiguousarray(part) for part in held_out(rows, N_QUERIES))
    lines = []
    for share, refine_bits in CODES:
        made = coded(base, share, refine_bits=refine_bits, partitions="auto")
        for n in PROBES:
            search = partial(made.search, k=K, probes=n, threads=1)
            together = search(queries[:20]).indices
            alone = [search(query[None]).indices[0] for query in queries[:20]]
            np.testing.assert_array_equal(together, alone)
            asked = queries[:N_ASKED]
            again = np.repeat(asked[: N_ASKED // REPEATS], REPEATS, axis=0)
            read = bytes_read(made, asked, n)
            one, repeated, copied = least_times((search, asked), (search, again), copying(read, n))
            name = f"{share:g} + {refine_bits} bits, {lists_of(made)} lists"
            lines.append([name, n, f"{read / 1000:.0f}", f"{one:.0f}", f"{repeated:.0f}", f"{copied:.0f}"])
            print(*lines[-1], flush=True)
    titles = ["", "lists read", "KB in them", "µs, one after the other", "µs, again and again", "µs to copy as much"]
    title = f"imdb sentences, {len(base):,} × {base.shape[1]}"
    note = "KB are those of codes, factors and row numbers; centroids, directions and second codes come to them."
    sections = [f"## {title}\n\nWith `--rows {options.rows}`.\n\n{table(lines, titles)}", note]
    write_result("list_time", "Lists: where the time goes", sections)


if __name__ == "__main__":
    main()
