"""Which lists should a query read? Their number, rows in two lists, stopping early, a first look along few directions.

What is counted is how many lists and codes a query reads until a share of the true neighbours lies in them, whatever
codes then find. 300,000 sentences of ``imdb``, 1,000 held out as queries, the ten nearest by cosine.

Run: ``python -m benchmarks.lists``.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import data_or_skip, held_out, parser, table, write_result
from benchmarks.sentence_rows import imdb_sentences
from slimvec.binary.training.lists import kmeans
from slimvec.blas import nearest
from slimvec.evaluate.truth import exact_neighbours
from slimvec.progress import ignore

N_QUERIES, K = 1000, 10
LEVELS = (0.8, 0.9, 0.95)
ROWS_PER_LIST = 32
PER_ROOT = (2, 4, 8)  # times √n
ORTHOGONAL = (0, 1, 3)  # how much the second list's error counts along the first one's
DIRECTIONS = (32, 64, 96, 128, 192)
WIDTHS = (1, 2, 4)


def nearest_but(base, centroids, lists, weight):
    """Return for each row another list than its own, whose error counts ``weight`` more along that of its own."""
    second = np.empty(len(base), np.int32)
    squares = np.square(centroids).sum(axis=1)
    for first in range(0, len(base), 4096):
        rows, own = base[first : first + 4096], lists[first : first + 4096]
        errors = rows - centroids[own]
        errors /= np.maximum(np.linalg.norm(errors, axis=1, keepdims=True), 1e-12)
        along = np.einsum("ij,ij->i", errors, rows)[:, None] - errors @ centroids.T
        losses = np.square(rows).sum(axis=1)[:, None] - 2 * rows @ centroids.T + squares + weight * along**2
        losses[np.arange(len(rows)), own] = np.inf
        second[first : first + 4096] = losses.argmin(axis=1)
    return second


class Reading:
    """Queries, their neighbours, and rows in lists."""

    def __init__(self, base, queries, truth, per_root):
        self.base, self.queries, self.truth = base, queries, truth
        n_lists = round(per_root * len(base) ** 0.5)
        generator = np.random.default_rng(0)
        sample = base[np.sort(generator.choice(len(base), min(len(base), ROWS_PER_LIST * n_lists), replace=False))]
        self.centroids = kmeans(sample, n_lists, generator, ignore)
        self.lists = nearest(base, self.centroids)
        self.cosines = queries @ self.centroids.T / np.linalg.norm(self.centroids, axis=1)

    def ranks(self, of_rows, order):
        """Return at which place of its query's order each true neighbour's list comes."""
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(order.shape[1])[None], axis=1)
        return np.take_along_axis(places, of_rows[self.truth], axis=1)

    def by_number(self, ways):
        """Return lists and codes read at each level, the same number of lists for all; rows lie in lists ``ways``."""
        order = np.argsort(-self.cosines, axis=1, kind="stable")
        ranks = np.min([self.ranks(of_rows, order) for of_rows in ways], axis=0)
        sizes = sum(np.bincount(of_rows, minlength=len(self.centroids)) for of_rows in ways)
        read = np.cumsum(sizes[order], axis=1).mean(axis=0)
        numbers = [int(np.quantile(ranks, level)) + 1 for level in LEVELS]
        return [(n, read[n - 1]) for n in numbers]

    def by_limit(self, worth, limits):
        """Return lists and codes read at each level where lists are read whose worth lies above a limit."""
        order = np.argsort(-self.cosines, axis=1, kind="stable")
        ranks, sizes = self.ranks(self.lists, order), np.bincount(self.lists, minlength=len(self.centroids))
        read = np.cumsum(sizes[order], axis=1)
        points = []
        for limit in limits:
            numbers = np.maximum((worth > limit).sum(axis=1), 4)
            share = float((ranks < numbers[:, None]).mean())
            points.append((share, numbers.mean(), np.take_along_axis(read, numbers[:, None] - 1, axis=1).mean()))
        shares, lists, codes = map(np.array, zip(*sorted(points), strict=True))
        assert shares[0] < LEVELS[0] < LEVELS[-1] < shares[-1]
        return [(np.interp(level, shares, lists), np.interp(level, shares, codes)) for level in LEVELS]

    def by_lead(self, n_directions, width):
        """Return the same where ``width`` times as many lists are first chosen along a few directions."""
        _, directions = np.linalg.eigh(self.centroids.T @ self.centroids)
        leading = directions[:, ::-1][:, :n_directions].astype(np.float32)
        norms = np.linalg.norm(self.centroids, axis=1)
        by_lead = np.argsort(-(self.queries @ leading @ (self.centroids @ leading).T) / norms, axis=1, kind="stable")
        sizes = np.bincount(self.lists, minlength=len(self.centroids))
        points = []
        for n in (8, 16, 32, 64, 128, 256, 512):
            some = by_lead[:, : width * n]
            best = np.argsort(-np.take_along_axis(self.cosines, some, axis=1), axis=1)[:, :n]
            read = np.take_along_axis(some, best, axis=1)
            found = (self.lists[self.truth][:, :, None] == read[:, None, :]).any(axis=2).mean()
            points.append((found, n, sizes[read].sum(axis=1).mean()))
        shares, lists, codes = map(np.array, zip(*points, strict=True))
        return [(np.interp(level, shares, lists), np.interp(level, shares, codes)) for level in LEVELS]


SECOND = """The second list is chosen as SOAR does (Sun and others, 2023): its error counts λ more along the error of
the first. Codes take twice the bytes."""
STOPS = """Lists are read in the order of their cosines down to a limit, the same for all queries; the true tenth score
is taken as known."""
LEADS = "So many times the lists that are read are then looked at whole."


def section(title, text, lines, first, head):
    return f"## {title}\n\n{text}\n\n{table(lines, [first, *head])}"


def line(name, found):
    return [name, *(f"{lists:.0f} / {codes:,.0f}" for lists, codes in found)]


def main():
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=300_000, help="sentences (default: %(default)s)")
    options = options.parse_args()
    rows = imdb_sentences(data_or_skip(options), options.rows + N_QUERIES)
    base, queries = (np.ascontiguousarray(part) for part in held_out(rows, N_QUERIES))
    truth = exact_neighbours(queries, base, K, "dot")
    head = [f"{level:.2f}" for level in LEVELS]
    numbers, two = [], []
    for per_root in PER_ROOT:
        reading = Reading(base, queries, truth, per_root)
        name = f"{len(reading.centroids):,} lists, {per_root} √n"
        numbers.append(line(name, reading.by_number([reading.lists])))
        print(numbers[-1], flush=True)
        if per_root == 4:
            usual = reading
    for weight in ORTHOGONAL:
        found = usual.by_number([usual.lists, nearest_but(base, usual.centroids, usual.lists, weight)])
        two.append(line(f"two lists a row, λ = {weight}", found))
        print(two[-1], flush=True)
    best = np.einsum("qkd,qd->qk", base[truth], queries).min(axis=1)[:, None]
    top = usual.cosines.max(axis=1, keepdims=True)
    stops = [line("the same number for all", usual.by_number([usual.lists]))]
    ways = {
        "cosine of the centroid over that of the nearest": (usual.cosines / top, np.linspace(0.2, 1, 81)),
        "cosine of the centroid less that of the nearest": (usual.cosines - top, np.linspace(-0.6, 0, 121)),
        "cosine of the centroid over the tenth score": (usual.cosines / best, np.linspace(0.1, 1.2, 111)),
        "cosine of the centroid less the tenth score": (usual.cosines - best, np.linspace(-0.7, 0.3, 101)),
    }
    stops += [line(name, usual.by_limit(*way)) for name, way in ways.items()]
    leads = [line(f"{n} directions, {width} ×", usual.by_lead(n, width)) for n in DIRECTIONS for width in WIDTHS]
    sections = [
        f"imdb sentences, {len(base):,} × {base.shape[1]}; each cell: lists / codes that are read.",
        section("How many lists", "Sizes follow the number of rows.", numbers, "", head),
        section("Rows in two lists", SECOND, two, "", head),
        section("Stopping where lists look unlikely", STOPS, stops, "a limit for", head),
        section(
            "A first look along few directions", f"Of {len(usual.centroids):,} centroids. {LEADS}", leads, "", head
        ),
    ]
    write_result("lists", "Which lists a query reads", sections)


if __name__ == "__main__":
    main()
