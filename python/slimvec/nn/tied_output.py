"""The output layer that is tied to an embedding of anchors: what takes the place of a ``torch.nn.Linear``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from slimvec.nn.embedding import AnchorEmbedding


class TiedOutput(nn.Module):
    """Scores E h + b of all rows of an anchor layer, which learns from both of its uses.

    :func:`replace_embedding` puts it where a ``torch.nn.Linear`` had the weight of an embedding for its own.

    Parameters
    ----------
    embedding : AnchorEmbedding
        Of E, n rows of d.
    bias : torch.nn.Parameter, shape (n,), optional
        b.

    Attributes
    ----------
    in_features, out_features : int
        d and n, as of ``torch.nn.Linear``.

    Examples
    --------
    >>> import torch
    >>> from slimvec.nn import AnchorEmbedding
    >>> output = TiedOutput(AnchorEmbedding(1000, 16, n_anchors=8))
    >>> output(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 1000])
    """

    def __init__(self, embedding: AnchorEmbedding, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_parameter("bias", bias)
        self.in_features, self.out_features = embedding.embedding_dim, embedding.num_embeddings

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the scores of all rows.

        Parameters
        ----------
        hidden : Tensor, shape (..., d)

        Returns
        -------
        Tensor, shape (..., n)
        """
        scores = self.embedding.logits(hidden)
        return scores if self.bias is None else scores + self.bias

    @property
    def weight(self) -> Tensor:
        """E, all rows, ``(n, d)``, computed at each call."""
        return self.embedding.weight
