"""The parts of a table that lies in shards: whatever asks for parts of rows gets them from the shard that has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from slimvec.binary.parts import BinaryParts
from slimvec.binary.refinement import Refinement
from slimvec.files.table_writer import table_writer
from slimvec.results import ScoreResult
from slimvec.shards.asking import Here
from slimvec.shards.sharded_codes import ShardedCodes, ShardedFactors, Spans, best_of
from slimvec.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from slimvec.binary.asymmetric import FloatQueries
    from slimvec.binary.factors import Factors
    from slimvec.shards.asking import Asks, Question


class ShardedVocabulary(Vocabulary):
    """The words of several shards; no two have the same.

    Parameters
    ----------
    of_shards : list of Vocabulary
    spans : Spans
    """

    def __init__(self, of_shards: list[Vocabulary], spans: Spans) -> None:
        self._of_shards, self._spans = of_shards, spans

    def __len__(self) -> int:
        return int(self._spans.starts[-1])

    def __iter__(self) -> Iterator[str]:
        return (word for words in self._of_shards for word in words)

    def __getitem__(self, row: int) -> str:
        row = range(len(self))[row]
        shard = int(np.searchsorted(self._spans.starts, row, "right")) - 1
        return self._of_shards[shard][row - int(self._spans.starts[shard])]

    def find(self, word: str) -> int:
        """Return the row of a word, or -1."""
        for words, start in zip(self._of_shards, self._spans.starts.tolist(), strict=False):
            row = words.find(word)
            if row >= 0:
                return row + int(start)
        return -1

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """The arrays of all shards."""
        return [array for words in self._of_shards for array in words.arrays]

    @property
    def nbytes(self) -> int:
        """Bytes in all files."""
        return sum(words.nbytes for words in self._of_shards)

    def to_tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of one file."""
        return Vocabulary(self).to_tensors(name)


@dataclass(frozen=True, eq=False)
class ShardedRefinement(Refinement):
    """Second codes of several shards; ``codes`` and ``numbers`` are those of the first.

    Attributes
    ----------
    of_shards : list of Refinement
    spans : Spans
    asks : Asks
    """

    of_shards: list[Refinement]
    spans: Spans
    asks: Asks

    def values(self, rows: NDArray[np.int64], norm: float) -> NDArray[np.float32]:
        """Return s' c' of rows along all directions."""
        codes = self.spans.take(rows, self.codes.shape[1:], np.uint8, lambda i, own: self.of_shards[i].codes[own])
        halves = self.spans.take(rows, (), np.float16, lambda i, own: self.of_shards[i].numbers[own, 0])
        return self.refiner.values(codes, halves.astype(np.float32) * np.float32(norm))

    def rescore(
        self,
        factors: Factors,  # noqa: ARG002 - each shard has its own
        queries: FloatQueries,
        shortlist: ScoreResult,
        k: int,
        positions: NDArray[np.int64] | None,
        n_threads: int,
    ) -> ScoreResult:
        """Return the k best of a shortlist with the scores that the kernels gave it."""
        questions: list[Question] = []
        for shard, columns, rows in self.spans.shortlists(shortlist.indices):
            own = ScoreResult(np.take_along_axis(shortlist.scores, columns, axis=1), np.ascontiguousarray(rows))
            own_k = min(k, rows.shape[1])
            questions.append((shard, "refine", (queries, own, own_k, positions, n_threads)))
        answers = zip(questions, self.asks.answers(questions), strict=True)
        found = [(*refined, int(self.spans.starts[shard])) for (shard, *_), refined in answers]
        return ScoreResult(*best_of(found, k, len(queries.values), np.float32, -1))


@dataclass(frozen=True, eq=False)
class ShardedParts(BinaryParts):
    """Parts of several shards.

    Attributes
    ----------
    of_shards : list of BinaryParts
        With the encoder, the refiner and the numbers of all.
    """

    of_shards: tuple[BinaryParts, ...] = ()

    @classmethod
    def of(
        cls,
        shards: list[BinaryParts],
        norm: float | None,
        shrinkage: float | None,
        made_by: dict[str, Any],
        asks: Asks | None = None,
    ) -> ShardedParts:
        """Return parts of shards, whose encoders are the same, with what is true of all rows together."""
        first = shards[0]
        asks = Here(shards) if asks is None else asks
        spans = Spans(np.cumsum([0, *map(len, shards)], dtype=np.int64))
        codes = cast("Any", ShardedCodes([shard.codes for shard in shards], spans, asks))  # the same calls
        words = [shard.words for shard in shards if shard.words is not None]
        factors = refinement = None
        if first.factors is not None:
            own = [shard.factors for shard in shards if shard.factors is not None]
            short = [one.n_short for one in own if one.n_short is not None]
            n_short = sum(short) if len(short) == len(own) else None
            numbers = first.factors.norm, shrinkage or 0.0, n_short
            factors = ShardedFactors(first.factors.values, *numbers, own, spans)
        if first.refinement is not None:
            second = [shard.refinement for shard in shards if shard.refinement is not None]
            shared = first.refinement
            refinement = ShardedRefinement(shared.codes, shared.numbers, shared.refiner, second, spans, asks)
        vocabulary = ShardedVocabulary(words, spans) if words else None
        return cls(codes, vocabulary, first.encoder, factors, made_by, norm, refinement, of_shards=tuple(shards))

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each part but the words, in all files."""
        sizes: dict[str, int] = {}
        for shard in self.of_shards:
            for name, size in shard.sizes.items():
                sizes[name] = sizes.get(name, 0) + size
        return sizes

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays of all shards."""
        return [array for shard in self.of_shards for array in shard.arrays()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file, shard by shard."""
        facts, tensors = self._alike().to_content()
        of_rows = [shard.of_rows() for shard in self.of_shards]
        with table_writer(path) as writer:
            writer.facts = facts | {"rows": len(self)}
            for name, tensor in tensors.items():
                parts = [own[name] for own in of_rows] if name in of_rows[0] else [tensor]
                writer.write(name, (sum(map(len, parts)), *tensor.shape[1:]), parts)

    def of_rows(self) -> dict[str, NDArray[Any]]:
        """Return all arrays about rows but their words, copied together."""
        of_rows = [shard.of_rows() for shard in self.of_shards]
        return {name: np.concatenate([own[name] for own in of_rows]) for name in of_rows[0]}

    def joined(self) -> BinaryParts:
        """Return the parts of one table, copied together."""
        return self._alike().with_rows(len(self), self.of_rows())

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of one file, copied together."""
        return self.joined().to_content()

    def _alike(self) -> BinaryParts:
        """Return the rows of the first shard, with all words and the numbers of all rows."""
        first, factors = self.of_shards[0], None
        if first.factors is not None and self.factors is not None:
            factors = replace(first.factors, shrinkage=self.factors.shrinkage, n_short=self.factors.n_short)
        return replace(first, words=self.words, factors=factors, made_by=self.made_by, norm=self.norm)
