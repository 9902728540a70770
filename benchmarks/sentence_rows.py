"""Sentences of reviews and of news as weighted means of word vectors: sets that lists find hard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import load_vectors, unit
from benchmarks.texts import read_imdb, reads_csv

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from slimvec import Vectors

ENDS = re.compile(r"(?<=[.!?])\s+|<br />")
WORDS = re.compile(r"[a-z']+")
LEAST_WORDS = 4
RARE = 1e-3  # the share at which a word has half the weight: Arora, Liang, Ma 2017
AT_ONCE = 10_000


def imdb_sentences(data: Path, n_rows: int, seed: int = 0, *, of_unit_length: bool = True) -> np.ndarray:
    """Return centred rows, of sentences that differ in more than the order of their words; sums if of many lengths."""
    texts = (text for part in ("train", "test") for _, text in read_imdb(data, part))
    rows = _sentences(texts, load_vectors(data, "numberbatch"), n_rows, seed)
    return unit(rows) if of_unit_length else rows


def news_sentences(data: Path, seed: int = 0, *, of_unit_length: bool = True) -> np.ndarray:
    """Return the same of all sentences of AG News' test set, by other word vectors."""
    texts = (text for _, text in reads_csv("ag_news")(data, "test"))
    rows = _sentences(texts, load_vectors(data, "glove-enwiki"), None, seed)
    return unit(rows) if of_unit_length else rows


def _sentences(texts: Iterable[str], vectors: Vectors, n_rows: int | None, seed: int) -> np.ndarray:
    number = {word: i for i, word in enumerate(vectors.words)}
    sentences = {}  # in order, each once
    for text in texts:
        for sentence in ENDS.split(text.lower()):
            known = sorted(number[word] for word in WORDS.findall(sentence) if word in number)
            if len(known) >= LEAST_WORDS:
                sentences[tuple(known)] = None
    chosen = list(sentences)
    np.random.default_rng(seed).shuffle(chosen)
    return _means([np.array(known) for known in chosen[:n_rows]], vectors.matrix.astype(np.float32))


def _means(sentences: list[np.ndarray], matrix: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.concatenate(sentences), minlength=len(matrix))
    weighted = matrix * (RARE / (RARE + counts / counts.sum())).astype(np.float32)[:, None]
    sums = []
    for first in range(0, len(sentences), AT_ONCE):
        block = sentences[first : first + AT_ONCE]
        starts = np.cumsum([0] + [len(known) for known in block[:-1]])
        sums.append(np.add.reduceat(weighted[np.concatenate(block)], starts))
    rows = np.concatenate(sums)
    return rows - rows.mean(axis=0)
