"""What a text model is taught by: the cross-entropy of one class a text, or a logistic loss for each of many tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Loss(Protocol):
    """How far logits ``(b, n)`` of some texts are from the targets of the same texts."""

    def total(self, logits: NDArray[Any], targets: Any) -> float:
        """Return the sum over texts; logits may be overwritten."""

    def gradient(self, logits: NDArray[Any], targets: Any) -> NDArray[Any]:
        """Return the gradient of the mean by the logits, which may be overwritten."""


class Softmax:
    """The cross-entropy of softmax; targets are the numbers of classes, ``(b,)``."""

    def total(self, logits: NDArray[Any], targets: NDArray[np.int64]) -> float:
        """Return the sum over texts; logits are overwritten."""
        log_probabilities = self._log_probabilities(logits)
        return -float(log_probabilities[np.arange(len(logits)), targets].sum(dtype=np.float64))

    def gradient(self, logits: NDArray[Any], targets: NDArray[np.int64]) -> NDArray[Any]:
        """Return the gradient of the mean by the logits, which are overwritten."""
        by_logits: NDArray[Any] = np.exp(self._log_probabilities(logits))
        by_logits[np.arange(len(logits)), targets] -= 1
        by_logits /= len(logits)
        return by_logits

    @staticmethod
    def _log_probabilities(logits: NDArray[Any]) -> NDArray[Any]:
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits


class TagLists:
    """The tags of texts, by their numbers; a tag that a text has twice counts once.

    Parameters
    ----------
    numbers : ndarray, shape (n,), int64
        Of the tags of all texts, one text after the other.
    sizes : ndarray, shape (n_texts,), int64
        How many each text has.

    Examples
    --------
    >>> tags = TagLists(np.array([2, 0, 2, 1]), np.array([3, 0, 1]))
    >>> [part.tolist() for part in tags[np.array([2, 1, 0])].pairs()]
    [[0, 2, 2], [1, 0, 2]]
    """

    def __init__(self, numbers: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        n_tags = int(numbers.max(initial=0)) + 1
        owners, self._numbers = np.divmod(np.unique(np.repeat(np.arange(len(sizes)), sizes) * n_tags + numbers), n_tags)
        self._offsets = np.searchsorted(owners, np.arange(len(sizes) + 1))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, which: NDArray[np.int64]) -> TagLists:
        """Return those of some texts, in the order of ``which``."""
        starts = self._offsets[which]
        sizes = self._offsets[which + 1] - starts
        some = TagLists.__new__(TagLists)
        some._offsets = np.concatenate([[0], np.cumsum(sizes)])
        some._numbers = self._numbers[np.arange(some._offsets[-1]) + np.repeat(starts - some._offsets[:-1], sizes)]
        return some

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of the text, and that of the tag, of each tag of a text."""
        return np.repeat(np.arange(len(self)), np.diff(self._offsets)), self._numbers


class Logistic:
    """The logistic losses of all tags, each for itself, added up; targets are :class:`TagLists`."""

    def total(self, logits: NDArray[Any], targets: TagLists) -> float:
        """Return the sum over texts."""
        of_none = float(np.logaddexp(0, logits).sum(dtype=np.float64))
        return of_none - float(logits[targets.pairs()].sum(dtype=np.float64))

    def gradient(self, logits: NDArray[Any], targets: TagLists) -> NDArray[Any]:
        """Return the gradient of the mean by the logits."""
        by_logits = sigmoid(logits)
        by_logits[targets.pairs()] -= 1
        by_logits /= len(logits)
        return by_logits


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-x)), of any x, in the type of ``logits``."""
    small = np.exp(-np.abs(logits))
    probabilities: NDArray[Any] = np.where(logits < 0, small, 1) / (1 + small)
    return probabilities.astype(logits.dtype, copy=False)
