"""Running the grid of ``slimvec evaluate``, cell by cell."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.evaluate.analogy import analogy
from slimvec.evaluate.categorization import categorization
from slimvec.evaluate.sentences import sentence_classification
from slimvec.evaluate.similarity import word_similarity
from slimvec.evaluate.word_rows import WordRows, unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slimvec.evaluate.grid import Config
    from slimvec.evaluate.sources import Source
    from slimvec.evaluate.store import Store
    from slimvec.evaluate.word_rows import Judged

Rows = list[dict[str, Any]]

PATTERN_WORDS = ("cook", "man", "king", "month", "error")  # the paper shows the first two
PATTERN_ROWS = 20


def _similarity(table: Judged, folder: Path, _: int) -> Rows:
    return [
        {"set": found.name, "score": found.score, "covered pairs": found.covered_score, "coverage": share}
        for found in word_similarity(table, folder)
        for share in [found.covered_pairs / max(found.pairs, 1)]
    ]


def _categorization(table: Judged, folder: Path, seed: int) -> Rows:
    return [
        {"set": found.name, "purity": found.purity, "coverage": found.covered / max(found.words, 1)}
        for found in categorization(table, folder, seeds=[seed])
    ]


def _sentences(table: Judged, folder: Path, _: int) -> Rows:
    rows: dict[str, dict[str, Any]] = {}
    for found in sentence_classification(table, folder):
        row = rows.setdefault(found.name, {"set": found.name, "coverage": found.coverage})
        row["logistic regression" if found.classifier == "logistic" else "perceptron"] = found.accuracy
    return list(rows.values())


def _analogy(table: Judged, folder: Path, _: int) -> Rows:
    rows: dict[str, dict[str, Any]] = {}
    for found in analogy(table, folder):
        share = found.covered_questions / max(found.questions, 1)
        row = rows.setdefault(found.name, {"set": found.name, "coverage": share})
        row[found.rule] = found.accuracy
        row[f"{found.rule}, covered"] = found.covered_accuracy
    return list(rows.values())


@dataclass(frozen=True)
class Task:
    """What is measured, and on which folder of the data.

    Attributes
    ----------
    folder : str
    judge : callable
        (table, folder, seed) -> a dictionary per set.
    measures : tuple of str
        Which of its entries the tables show; the first one also the charts.
    seeded : bool
        Whether the seed changes the result on one table.
    """

    folder: str
    judge: Callable[[Judged, Path, int], Rows]
    measures: tuple[str, ...]
    seeded: bool = False


TASKS = {
    "similarity": Task("similarity", _similarity, ("score", "covered pairs")),
    "categorization": Task("categorization", _categorization, ("purity",), seeded=True),
    "sentences": Task("sentences", _sentences, ("logistic regression", "perceptron")),
    "analogy": Task("analogy", _analogy, ("3CosAdd", "3CosMul", "3CosAdd, covered", "3CosMul, covered")),
}


@dataclass
class Experiment:
    """A grid over some sources, whose finished cells are kept in a store.

    Parameters
    ----------
    data : path
        Folder with a folder of sets for each task.
    tasks : sequence of str
        Keys of :data:`TASKS`.
    seeds : int
        Tables per configuration.
    store : Store
    finished : callable, optional
        Told of each cell that is done: (text, seconds).
    """

    data: Path
    tasks: Sequence[str]
    seeds: int
    store: Store
    finished: Callable[[str, float], None] = field(default=lambda *_: None)

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in TASKS:
                raise ValueError(f"tasks holds {task!r}; expected some of {', '.join(TASKS)}")
            if not (Path(self.data) / TASKS[task].folder).is_dir():
                raise FileNotFoundError(2, f"the sets of task {task!r}", str(Path(self.data) / TASKS[task].folder))
        self._checksums = {task: _folder_checksum(Path(self.data) / TASKS[task].folder) for task in self.tasks}

    def cells(self, config: Config, seed: int) -> list[str]:
        """Return what is measured of one table: ``"table"``, its own facts, and tasks that the seed changes."""
        return [
            name
            for name in ("table", *self.tasks)
            if seed == 0 or config.seeded or (name in TASKS and TASKS[name].seeded)
        ]

    def key(self, source: Source, config: Config, seed: int, cell: str) -> dict[str, Any]:
        """Return what a finished cell is found by: change anything that it rests on, and it is done anew."""
        return {
            "source": source.key,
            "method": config.method,
            "bits": config.bits,
            "remove": config.remove,
            "seed": seed,
            "cell": cell,
            "data": self._checksums.get(cell),
        }

    def run(self, source: Source, listed: Sequence[Config]) -> None:
        """Do every cell of one source that the store lacks."""
        for config in listed:
            for seed in range(self.seeds):
                missing = [
                    cell for cell in self.cells(config, seed) if self.key(source, config, seed, cell) not in self.store
                ]
                if missing:
                    self._run(source, config, seed, missing)

    def _run(self, source: Source, config: Config, seed: int, missing: list[str]) -> None:
        start = time.perf_counter()
        plain = config.method in {"float", "table"}
        estimator, table = (None, source.table) if plain else config.compress(source.table, seed)
        seconds = time.perf_counter() - start
        for cell in missing:
            begun = time.perf_counter() if cell != "table" else start
            if cell == "table":
                values = facts(source, config, estimator, table, with_pattern=seed == 0)
                values["fit_seconds"] = round(seconds, 2)
            else:
                values = {"results": TASKS[cell].judge(table, Path(self.data) / TASKS[cell].folder, seed)}
            self.store.add(self.key(source, config, seed, cell), values)
            done = f"{source.name} | {config.label} | seed {seed} | {cell if cell != 'table' else 'made'}"
            self.finished(done, time.perf_counter() - begun)


def facts(source: Source, config: Config, estimator: Any, table: Judged, *, with_pattern: bool) -> dict[str, Any]:
    """Return a table's size and what its making tells: losses, spectrum, bits."""
    ratio = config.ratio(table)
    dim = source.dim if source.is_vectors else table.dim  # a table's rows may be narrower than what it stands for
    values: dict[str, Any] = {"ratio": ratio, "dim": dim, "bytes_per_word": 4 * dim / ratio}
    losses: Any = getattr(estimator, "quantization_loss_", None)
    if losses is None:
        losses = getattr(estimator, "losses_", None)
    if losses is not None:
        values["losses"] = [float(loss) for loss in losses]
    if getattr(estimator, "singular_values_", None) is not None:
        values["singular_values"] = [float(f"{value:.6g}") for value in estimator.singular_values_]
        values["n_remove"] = int(estimator.n_remove_)
    if with_pattern and hasattr(table, "n_bits"):
        values["pattern"] = pattern(table)
    return values


def pattern(table: Judged, n_rows: int = PATTERN_ROWS) -> dict[str, Any]:
    """Return the bits of the words nearest to a word and furthest from it, as in the paper's Fig. 3."""
    words = WordRows(table)
    word = next((word for word in PATTERN_WORDS if word in table), words.vocabulary[0])
    query = unit(table.lookup([word]))[0]
    scores = np.concatenate([block @ query for _, block in words.blocks()])
    order = np.argsort(-scores, kind="stable")
    chosen = np.unique(np.concatenate([order[:n_rows], order[-n_rows:]]))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    bits = ["".join("1" if value > 0 else "0" for value in row) for row in table.lookup(chosen)]
    return {"word": word, "words": [words.vocabulary[row] for row in chosen.tolist()], "bits": bits}


def _folder_checksum(folder: Path) -> int:
    checksum = 0
    for path in sorted(folder.iterdir()):
        if path.is_file():
            checksum = zlib.crc32(path.read_bytes(), zlib.crc32(path.name.encode(), checksum))
    return checksum
