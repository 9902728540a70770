"""The parts of a sparse table, and how a file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.sparse.product import Product
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content
    from slimvec.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class SparseParts:
    """Anchors and transform, norms and, optionally, words and how rows were coded; all of them fit each other.

    Attributes
    ----------
    product : Product
    inverse_norms : ndarray, shape (n,), float32
        1 / ‖row‖ of every row, 0 for zero rows: what makes an inner product a cosine.
    words, anchor_words : Vocabulary or None
    solver : dict or None
        How new rows are coded.
    made_by : dict
    """

    product: Product
    inverse_norms: NDArray[np.float32]
    words: Vocabulary | None = None
    anchor_words: Vocabulary | None = None
    solver: dict[str, Any] | None = None
    made_by: dict[str, Any] = field(default_factory=dict)

    kind = "sparse"

    def __len__(self) -> int:
        return self.product.n_rows

    def to_content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the facts and tensors of a file, for files that hold more besides; see :meth:`from_content`."""
        tensors = self.product.to_tensors() | {"inverse_norms": self.inverse_norms}
        for name, vocabulary in (("words", self.words), ("anchor_words", self.anchor_words)):
            if vocabulary is not None:
                tensors |= vocabulary.to_tensors(name)
        n_anchors, dim = self.product.anchors.shape
        facts: dict[str, Any] = {
            "kind": self.kind, "rows": len(self), "anchors": n_anchors, "dimension": dim,
            "solver": self.solver, "made_by": self.made_by,
        }  # fmt: skip
        return facts, tensors

    @property
    def vocabularies(self) -> list[Vocabulary]:
        """All words that the table holds."""
        return [words for words in (self.words, self.anchor_words) if words is not None]

    def anchor(self, name: str | int) -> int:
        """Return the number of an anchor, given that or its name."""
        n_anchors = len(self.product.anchors)
        if not isinstance(name, str):
            return as_integer(name, "anchor", 0, n_anchors - 1)
        if self.anchor_words is None:
            raise KeyError(f"unknown anchor {name!r}: anchors have no names here, only 0 ... {n_anchors - 1}")
        return self.anchor_words.row(name)

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays that the table holds."""
        arrays = [*self.product.to_tensors().values(), self.inverse_norms]
        return [*arrays, *(array for words in self.vocabularies for array in words.arrays)]

    @classmethod
    def from_content(cls, content: Content) -> SparseParts:
        """Return what a file's content describes, mapped, after checking that the parts fit each other.

        What the offsets and indices of T say is checked by the kernels, for the rows that they touch.
        """
        n_rows, n_anchors = content.integer("rows", 0), content.integer("anchors", 1)
        product = Product.from_content(content, n_rows, n_anchors)
        solver = content.facts.get("solver")
        if solver is not None and not isinstance(solver, dict):
            raise FormatError(f"solver is {solver!r}; expected an object or nothing")
        norms = content.tensor("inverse_norms", np.float32, (n_rows,))
        words, anchor_words = content.words("words", n_rows), content.words("anchor_words", n_anchors)
        return cls(product, norms, words, anchor_words, solver, content.made_by())
