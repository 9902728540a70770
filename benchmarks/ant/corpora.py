"""Labelled texts as word numbers, and pairs of words that belong together."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.texts import READERS

if TYPE_CHECKING:
    from pathlib import Path

PADDING, UNKNOWN = 0, 1
VALIDATION = 0.1  # part of the training texts

# Kim's clean_str (2014) as a tokenizer: lower case, clitics apart, of punctuation ( ) , ! ? alone
TOKEN = re.compile(r"[a-z0-9]+(?=n't\b)|n't\b|'(?:s|ve|re|d|ll|m)\b|[a-z0-9]+|[(),!?]")


@dataclass
class Corpus:
    """Texts as word numbers, cut or padded to the same length; words by falling frequency."""

    name: str
    words: list[str]
    counts: np.ndarray
    documents: np.ndarray  # (words,): how many training texts hold a word
    n_classes: int
    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def tf_idf(self) -> np.ndarray:
        return self.counts * np.log(len(self.train[0]) / np.maximum(self.documents, 1))


def load(
    folder: Path, name: str, length: int, min_count: int, cache: Path, *, run: int = 1, held: float = VALIDATION
) -> Corpus:
    """Return a collection: words that occur ``min_count`` times in the first ``length`` tokens of training texts.

    Validation texts, ``held`` of the training texts, are held out in runs of so many that follow each other.
    """
    tokenized = {part: _tokenized(folder, name, part, length, cache) for part in ("train", "test")}
    classes = sorted({label for label, _ in tokenized["train"]})
    order = _in_runs(len(tokenized["train"]), run)
    n_held = int(held * len(order))
    held, kept = ([tokenized["train"][place] for place in part] for part in (order[:n_held], order[n_held:]))
    counts = Counter(token for _, tokens in kept for token in tokens)
    chosen = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
    words = ["<padding>", "<unknown>", *chosen]
    documents = Counter(token for _, tokens in kept for token in set(tokens))
    row = {word: place for place, word in enumerate(words)}

    def numbered(texts):
        ids = np.zeros((len(texts), length), np.int64)
        for place, (_, tokens) in enumerate(texts):
            ids[place, : len(tokens)] = [row.get(token, UNKNOWN) for token in tokens]
        return ids, np.array([classes.index(label) for label, _ in texts])

    numbers = (np.array([table.get(word, 0) for word in words], np.int64) for table in (counts, documents))
    return Corpus(name, words, *numbers, len(classes), numbered(kept), numbered(held), numbered(tokenized["test"]))


def _in_runs(n: int, run: int) -> np.ndarray:
    """Return 0 ... n - 1 in an order in which runs of numbers stay together."""
    starts = run * np.random.default_rng(0).permutation(-(-n // run))
    order = (starts[:, None] + np.arange(run)).ravel()
    return order[order < n]


def _tokenized(folder: Path, name: str, part: str, length: int, cache: Path) -> list[tuple[str, list[str]]]:
    place = cache / f"{name}-{part}-{length}.json"
    if not place.exists():
        texts = [(label, TOKEN.findall(text.lower())[:length]) for label, text in READERS[name](folder, part)]
        cache.mkdir(parents=True, exist_ok=True)
        place.with_suffix(".part").write_text(json.dumps(texts), encoding="utf-8")
        place.with_suffix(".part").replace(place)
    return json.loads(place.read_text(encoding="utf-8"))


def wordnet_pairs(folder: Path, words: list[str]) -> np.ndarray:
    """Return rows of words that Open English WordNet relates: synonyms, hypernyms and hyponyms, similar adjectives."""
    row = {word: place for place, word in enumerate(words)}
    members = {}
    with gzip.open(folder / "wordnet" / "synsets.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            synset, _, names = line.rstrip("\n").split("\t")
            members[synset] = [row[name] for name in names.lower().split("|") if name in row]
    pairs = {(u, v) for rows in members.values() for u in rows for v in rows if u != v}
    with gzip.open(folder / "wordnet" / "relations.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            source, kind, target = line.rstrip("\n").split("\t")
            if kind in ("hypernym", "similar"):
                pairs.update((u, v) for u in members.get(source, ()) for v in members.get(target, ()) if u != v)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def cooccurring_pairs(ids: np.ndarray, anchors: np.ndarray, n: int, window: int = 10, min_count: int = 5) -> np.ndarray:
    """Return rows of (word, anchor) seen at least ``min_count`` times within ``window`` tokens of each other."""
    column = np.full(n, -1)
    column[anchors] = np.arange(len(anchors))
    counts = np.zeros((n, len(anchors)), np.int32)
    for gap in range(1, window + 1):
        before, after = ids[:, :-gap].ravel(), ids[:, gap:].ravel()
        for word, other in ((before, after), (after, before)):
            near = (column[other] >= 0) & (word > UNKNOWN) & (word != other)
            np.add.at(counts, (word[near], column[other[near]]), 1)
    rows, columns = np.nonzero(counts >= min_count)
    return np.stack([rows, anchors[columns]], axis=1)
