"""Domain knowledge: which words are related, and what that changes in the penalty on T (ANT paper, §3.3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.sparse.solvers.running import sparse
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from slimvec.vocabulary import Vocabulary

NAMED_AT_MOST = 5


def as_row_pairs(pairs: Iterable[tuple[str, str]], name: str, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the rows of pairs of words, ``(m, 2)``.

    Raises
    ------
    ValueError
        If an element is no pair, or words are unknown: the message names some of them.
    """
    listed = [tuple(pair) for pair in pairs]
    for pair in listed:
        if len(pair) != 2 or not all(isinstance(word, str) for word in pair):
            raise ValueError(f"{name} holds {pair!r}; expected pairs of words")
    unknown = sorted({word for pair in listed for word in pair if word not in vocabulary})
    if unknown:
        shown = ", ".join(map(repr, unknown[:NAMED_AT_MOST]))
        more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
        raise ValueError(
            f"{name} names words that the vectors lack: {shown}{more}; "
            f"drop their pairs: [(a, b) for a, b in {name} if a in vectors and b in vectors]"
        )
    return np.array([[vocabulary.row(word) for word in pair] for pair in listed], np.int64).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known of words, as changes to the penalty on T.

    Attributes
    ----------
    related, negatives : ndarray, shape (m, 2), int64
        Rows of words that are related, and of words that are not.
    weight : float
        Of the negative pairs.
    anchor_rows : ndarray, shape (k,), int64
        The rows of the words that are anchors.
    n_rows : int
    l1 : float
        λ.
    """

    related: NDArray[np.int64]
    negatives: NDArray[np.int64]
    weight: float
    anchor_rows: NDArray[np.int64]
    n_rows: int
    l1: float

    def offsets(self, transform: Any = None) -> Any:
        """Return what is added to λ, entry by entry: SciPy CSR ``(n, k)``, given the current T for negative pairs.

        λ S(G) = 0 on related entries, whatever negative pairs say of them: the solver cuts penalties at 0.

        The paper adds Σ_(u,v) |t_u|ᵀ|t_v| over negative pairs to the loss. With t_v held fixed that is a weighted ℓ1
        norm of t_u, so it goes into the threshold: entry (u, j) gains weight × Σ_v |t_vj|.
        """
        related = self.related_entries()
        if transform is None or len(self.negatives) == 0:
            return related * np.float32(-self.l1)
        both = np.concatenate([self.negatives, self.negatives[:, ::-1]])
        weights = np.full(len(both), self.weight, np.float32)
        joined = sparse().csr_array((weights, (both[:, 0], both[:, 1])), shape=(self.n_rows, self.n_rows))
        unrelated = joined @ abs(transform)
        unrelated = unrelated - unrelated.multiply(related)
        return sparse().csr_array(unrelated - related * np.float32(self.l1))

    def independent_rows(self) -> list[NDArray[np.int64]]:
        """Return the rows of negative pairs in groups without a negative pair inside, by greedy colouring."""
        partners: dict[int, set[int]] = {}
        for u, v in self.negatives.tolist():
            partners.setdefault(u, set()).add(v)
            partners.setdefault(v, set()).add(u)
        colours: dict[int, int] = {}
        for row in sorted(partners):
            taken = {colours.get(partner) for partner in partners[row]}
            colours[row] = next(colour for colour in range(len(taken) + 1) if colour not in taken)
        groups: list[list[int]] = [[] for _ in set(colours.values())]
        for row, colour in colours.items():
            groups[colour].append(row)
        return [np.array(group, np.int64) for group in groups]

    def related_entries(self) -> Any:
        """Return 1 - S(G), ``(n, k)``: ones where a row and an anchor are related, or the same (eq. 5).

        Only pairs with an anchor at one end matter, and they work both ways: row u, column v, and vice versa.
        """
        column = np.full(self.n_rows, -1, np.int64)
        column[self.anchor_rows] = np.arange(len(self.anchor_rows))
        themselves = np.stack([self.anchor_rows, self.anchor_rows], axis=1)
        both = np.concatenate([self.related, self.related[:, ::-1], themselves])
        both = both[column[both[:, 1]] >= 0]
        ones = np.ones(len(both), np.float32)
        entries = sparse().csr_array(
            (ones, (both[:, 0], column[both[:, 1]])), shape=(self.n_rows, len(self.anchor_rows))
        )
        entries.sum_duplicates()
        entries.data[:] = 1  # an entry that is named twice is related once
        return entries


def unpenalised(related: NDArray[np.int64], anchor_rows: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return the entries (row, anchor) where S(G) is 0, ``(m, 2)`` in their order."""
    entries = Knowledge(related, related[:0], 0.0, anchor_rows, n_rows, 0.0).related_entries()
    entries.sort_indices()
    rows = np.repeat(np.arange(n_rows), np.diff(entries.indptr))
    return np.stack([rows, entries.indices.astype(np.int64)], axis=1)


def with_rows(transform: Any, which: NDArray[np.int64], replacement: Any) -> Any:
    """Return a CSR transform with some rows replaced."""
    source = np.arange(transform.shape[0])
    source[which] = transform.shape[0] + np.arange(len(which))
    return sparse().vstack([transform, replacement], format="csr")[source]


def cooccurring_pairs(
    texts: Iterable[Iterable[str]], words: Iterable[str], window: int = 10, min_count: int = 1
) -> list[tuple[str, str]]:
    """Return the pairs of words that stand within ``window`` tokens of each other in a text.

    Parameters
    ----------
    texts : iterable of iterables of str
        Each a list of tokens; no pair crosses from one to the next.
    words : iterable of str
        Pairs of other tokens are left out.
    window : int
        The paper takes 10.
    min_count : int
        Pairs seen less often are left out.

    Returns
    -------
    list of (str, str)
        Sorted, each pair once, in alphabetical order within; what ``ANT(relations=...)`` takes.

    Examples
    --------
    >>> cooccurring_pairs([["a", "cat", "and", "a", "dog"]], {"cat", "dog"}, window=3)
    [('cat', 'dog')]
    >>> cooccurring_pairs([["a", "cat", "and", "a", "dog"]], {"cat", "dog"}, window=2)
    []
    """
    window = as_integer(window, "window", 1)
    known = set(words)
    counts: Counter[tuple[str, str]] = Counter()
    for text in texts:
        if isinstance(text, str):
            raise TypeError(f"texts holds the string {text[:40]!r}; expected lists of tokens")
        tokens = list(text)
        for place, word in enumerate(tokens):
            if word not in known:
                continue
            for other in tokens[place + 1 : place + 1 + window]:
                if other in known and other != word:
                    counts[min(word, other), max(word, other)] += 1
    return sorted(pair for pair, count in counts.items() if count >= min_count)


def wordnet_pairs(words: Sequence[str], wordnet: Any) -> list[tuple[str, str]]:
    """Return pairs of words that are immediate relations: synonyms, antonyms, hypernyms, hyponyms.

    Parameters
    ----------
    words : sequence of str
        Relations to other words are left out.
    wordnet : object
        ``nltk.corpus.wordnet``, or anything with its interface: ``synsets(word)`` whose elements have ``lemmas()``,
        ``hypernyms()`` and ``hyponyms()``; lemmas with ``name()`` and ``antonyms()``.

    Returns
    -------
    list of (str, str)
        Sorted, each pair once; what ``ANT(relations=...)`` takes.
    """
    known = set(words)
    pairs: set[tuple[str, str]] = set()
    for word in known:
        for synset in wordnet.synsets(word):
            lemmas = list(synset.lemmas())
            near = [lemma for other in (*synset.hypernyms(), *synset.hyponyms()) for lemma in other.lemmas()]
            opposite = [lemma for own in lemmas if own.name() == word for lemma in own.antonyms()]
            names = {lemma.name() for lemma in (*lemmas, *near, *opposite)}
            pairs.update((min(word, name), max(word, name)) for name in names & known if name != word)
    return sorted(pairs)
