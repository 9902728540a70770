"""The nonlinear mixture of transformations (ANT paper, §3.2 and figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from slimvec.nn.embedding import AnchorEmbedding
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from slimvec.sparse.table import SparseTable


class AnchorMixture(nn.Module):
    """Embeddings E = Σ_m softmax(T_m) A_m, the softmax over the anchors of each component.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        ``|V|`` and d.
    n_anchors : sequence of int
        Anchors of each component.
    n_parameters : int, optional
        What all components together may hold when they are trained: see :class:`ParameterBudget`.
    **arguments
        Passed to every component: see :class:`AnchorEmbedding`.

    Notes
    -----
    A softmax gives anchors weight also where T is zero. A zero of T saves a parameter all the same, as in the paper:
    see :meth:`slimvec.SparseTable.mixture`.

    All rows start near the mean of the anchors, and entries have to grow far before a softmax chooses: T wants a much
    greater learning rate than that of :class:`AnchorEmbedding`. Measured in ``benchmarks/results/ant_text.md``: level
    with the plain layer where a text has one of 2 classes, and far below it where of 20. Take the plain layer unless
    you have seen that your task does better with this one.

    Examples
    --------
    >>> layer = AnchorMixture(100, 8, [5, 5])
    >>> layer(torch.tensor([3, 4])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        n_anchors: Sequence[int],
        *,
        n_parameters: int | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        if not len(n_anchors):
            raise ValueError("n_anchors is empty; expected the number of anchors of each component")
        n_anchors = [as_integer(k, "n_anchors", 1) for k in n_anchors]
        shares = _shares(None if n_parameters is None else as_integer(n_parameters, "n_parameters", 1), n_anchors)
        self.components = nn.ModuleList(
            AnchorEmbedding(num_embeddings, embedding_dim, k, n_parameters=share, softmax=True, **arguments)
            for k, share in zip(n_anchors, shares, strict=True)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ``ids``.

        Parameters
        ----------
        ids : Tensor, integers

        Returns
        -------
        Tensor, shape (..., d)
        """
        return torch.stack([component(ids) for component in self.components]).sum(dim=0)

    def count_nonzero(self) -> int:
        """Return the non-zeros of all T_m.

        Returns
        -------
        int
        """
        return sum(component.count_nonzero() for component in self.components)

    @property
    def n_parameters(self) -> int:
        """``Σ_m |A_m| d + nnz(T_m)``, as the paper counts."""
        return sum(component.n_parameters for component in self.components)

    def to_table(self, words: Iterable[str] | None = None) -> SparseTable:
        """Return what was learnt as a table that needs no torch; a padding row is a row like others there.

        Parameters
        ----------
        words : iterable of str, optional
            One distinct word per row.

        Returns
        -------
        SparseTable
        """
        from slimvec.sparse.table import SparseTable

        anchors = [part.anchors.detach().cpu().to(torch.float32).numpy() for part in self.components]
        return SparseTable.mixture(anchors, [part.transform.to_csr() for part in self.components], words)


def _shares(n_parameters: int | None, n_anchors: Sequence[int]) -> list[int | None]:
    """Return the part of a budget of each component, in proportion to its anchors."""
    if n_parameters is None:
        return [None] * len(n_anchors)
    ends = [n_parameters * sum(n_anchors[: place + 1]) // sum(n_anchors) for place in range(len(n_anchors))]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
