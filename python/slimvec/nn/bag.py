"""Bags of rows: the drop-in for ``torch.nn.EmbeddingBag``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from slimvec.nn.embedding import AnchorEmbedding

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("mean", "sum", "max")


class AnchorEmbeddingBag(AnchorEmbedding):
    """Means, sums or maxima of bags of rows: :class:`AnchorEmbedding` in the place of ``torch.nn.EmbeddingBag``.

    Parameters
    ----------
    *arguments, **options
        See :class:`AnchorEmbedding`. The padding row takes no part in a bag.
    mode : {"mean", "sum", "max"}
        What becomes of a bag.

    Examples
    --------
    >>> import torch
    >>> bag = AnchorEmbeddingBag(100, 16, n_anchors=4, mode="sum")
    >>> bag(torch.tensor([1, 2, 4, 9]), torch.tensor([0, 3])).shape
    torch.Size([2, 16])
    """

    def __init__(self, *arguments: Any, mode: str = "mean", **options: Any) -> None:
        super().__init__(*arguments, **options)
        if mode not in MODES:
            raise ValueError(f"mode={mode!r}; expected one of {MODES}")
        self.mode = mode

    def forward(self, ids: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Return one row per bag.

        Parameters
        ----------
        ids : Tensor, integers
            ``(b, m)``: bags of the same size; or ``(n,)``, cut at ``offsets``.
        offsets : Tensor, optional
            Where each bag begins.
        per_sample_weights : Tensor, optional
            One weight per id, for sums.

        Returns
        -------
        Tensor, shape (b, d)
        """
        unique, places = self._unique(ids)
        self.count_reads(unique, places)
        embedded = self.rows(unique)
        padding = None
        if self.padding_idx is not None and bool((unique == self.padding_idx).any()):
            padding = int((unique == self.padding_idx).nonzero()[0, 0])
        if offsets is not None:
            offsets = offsets.to(places.dtype)
        return nn.functional.embedding_bag(
            places, embedded, offsets, mode=self.mode, per_sample_weights=per_sample_weights, padding_idx=padding
        )
