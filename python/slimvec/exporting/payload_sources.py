"""What a table and an index have for other programs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.binary.lookup import reconstruct, require_factors
from slimvec.exporting.payload import Payload
from slimvec.index.given_ids import as_ids, plain
from slimvec.index.ids import as_texts, ids_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.binary.parts import BinaryParts
    from slimvec.index.segments import View

Rows = list[tuple["BinaryParts", "NDArray[np.int64]"]]


def of_table(parts: BinaryParts, ids: Any, original: bool) -> Payload:
    """Return the rows of a table; their ids are given, or words, or row numbers."""
    n = len(parts)
    own = np.arange(n) if parts.words is None else as_texts(list(parts.words))
    return _payload([(parts, np.arange(n))], _ids(ids, own), original)


def of_view(view: View, ids: Any, original: bool) -> Payload:
    """Return the rows of an index that are there."""
    pieces = [(piece.parts, piece.rows) for piece in view.pieces if piece.n_alive]
    return _payload(pieces or [(view.coder.empty, np.arange(0))], _ids(ids, view.ids()), original)


def _payload(pieces: Rows, ids: NDArray[Any], original: bool) -> Payload:
    parts = pieces[0][0]
    if original:
        width = len(require_factors(parts)[0].mean)
        return Payload(ids, None, width, partial(_read, pieces, True))
    if not parts.has_distances:
        raise ValueError(
            "these codes have several bits per direction, and distances between them mean nothing to other programs. "
            "Expected original=True, which writes the vectors that they stand for; or codes of signs, such as "
            "sv.IIQ(n_remove=0).compress(X).export(path, ids=ids)"
        )
    n_bits = parts.codes.n_bits
    return Payload(ids, n_bits, -(-n_bits // 8), partial(_read, pieces, False))


def _read(pieces: Rows, original: bool, first: int, end: int) -> NDArray[Any]:
    """Return codes or vectors of rows, which follow each other from piece to piece."""
    found, start = [], 0
    for parts, rows in pieces:
        own = rows[max(0, first - start) : max(0, end - start)]
        start += len(rows)
        if len(own):
            found.append(reconstruct(parts, own) if original else parts.codes.read(parts.positions(own)))
    return found[0] if len(found) == 1 else np.concatenate(found)


def _ids(given: Any, own: NDArray[Any]) -> NDArray[Any]:
    """Return the ids that are written.

    Raises
    ------
    TypeError, ValueError
        If they are no ids, not as many as rows, or one comes twice.
    """
    if given is None:
        return own
    ids = as_ids(given, "ids")
    if len(ids) != len(own):
        raise ValueError(f"ids has {len(ids)} ids; expected {len(own)}, one for each row")
    if len(np.unique(ids)) < len(ids):
        repeated = ids_of(ids).first_repeated() if ids.dtype.kind == "i" else _first_repeated(ids.tolist())
        raise ValueError(f"ids holds {plain(repeated)!r} twice; expected each once")
    return ids


def _first_repeated(texts: list[str]) -> str:
    seen: set[str] = set()
    return next(text for text in texts if text in seen or seen.add(text))  # type: ignore[func-returns-value]
