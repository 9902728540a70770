"""Ids that come block by block: collected without a Python object for each, and refused if one comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.index.ids import Id, Ids, Texts, ids_of, kind_of
from slimvec.vocabulary import VocabularyBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.index.ids import IdKind


class CollectedIds:
    """Ids in the making."""

    def __init__(self) -> None:
        self._kind: IdKind | None = None
        self._integers: list[NDArray[np.int64]] = []
        self._words = VocabularyBuilder()

    def add(self, ids: NDArray[Any]) -> None:
        """Take in the ids of a block, as :func:`slimvec.index.given_ids.as_ids` gives them.

        Raises
        ------
        TypeError, ValueError
            If they are of another kind than those before, or, of texts, one comes twice.
        """
        if not len(ids):
            return
        kind = kind_of(ids)
        if self._kind not in {None, kind}:
            raise TypeError("ids holds integers and strings; expected either")
        self._kind = kind
        if kind == "integers":
            self._integers.append(ids)
            return
        encoded = [text.encode() for text in ids.tolist()]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        kept = self._words.add(np.frombuffer(b"".join(encoded), np.uint8), offsets)
        if not kept.all():
            raise repeated(ids[int(np.argmin(kept))])

    def finish(self) -> Ids:
        """Return the ids; ValueError if one comes twice."""
        if self._kind == "texts":
            return Texts(self._words.finish())
        ids = ids_of(np.concatenate([np.empty(0, np.int64), *self._integers]))
        twice = ids.first_repeated()
        if twice is not None:
            raise repeated(twice)
        return ids


def repeated(one: Id) -> ValueError:
    """Return the error for an id that comes twice."""
    return ValueError(f"ids holds {one!r} twice; every row needs an id of its own")
