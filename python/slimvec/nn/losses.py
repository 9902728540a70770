"""What an embedding layer gives to a loss: scores of its rows, and penalties of A and T (ANT paper, §3, appendix C)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from slimvec.validation import as_integer

if TYPE_CHECKING:
    from torch import Tensor

    from slimvec.nn.transform import Transform


class LossTerms(nn.Module):
    """The part of an embedding layer that scores all its rows, as the output layer tied to it, and adds penalties."""

    num_embeddings: int
    softmax: bool
    anchors: Any
    transform: Transform
    reads: Tensor | None = None  # (n + 1,) how often each row was read in training, and all at once, if asked

    def count_reads(self, unique: Tensor | None = None, places: Tensor | None = None) -> None:
        """Count that distinct rows are read, each once for every place that names it; by default all rows at once.

        Parameters
        ----------
        unique : Tensor, shape (m,), int64, optional
            Row numbers.
        places : Tensor, int64, optional
            Places among them.
        """
        if self.reads is None or not self.training:
            return
        if unique is None or places is None:
            self.reads[-1] += 1
        else:
            self.reads[unique] += torch.bincount(places.flatten(), minlength=len(unique))

    # ---- as the output layer of a language model

    def logits(self, hidden: Tensor) -> Tensor:
        """Return E h for each row h of ``hidden``, as T (A h): the output layer tied to this one (appendix C).

        With a dense T and many rows it is (T A) h, which takes fewer products.

        Parameters
        ----------
        hidden : Tensor, shape (..., d)

        Returns
        -------
        Tensor, shape (..., ``|V|``)
        """
        self.count_reads()
        flat = hidden.reshape(-1, hidden.shape[-1])
        if self.softmax or self.transform.prefers_whole(*flat.shape):  # a softmax of T has no other form
            scores = flat @ self.weight.T
        else:
            scores = self.transform.scores(flat @ self.anchors.T)
        return scores.reshape(*hidden.shape[:-1], self.num_embeddings)

    def sampled_softmax_loss(self, hidden: Tensor, targets: Tensor, n_samples: int) -> Tensor:
        """Return the mean cross-entropy over the target and words sampled by a log-uniform law.

        Parameters
        ----------
        hidden : Tensor, shape (b, d)
        targets : Tensor, shape (b,)
            Row numbers, in order of falling frequency, as the law assumes.
        n_samples : int
            Words drawn, the same for the batch.

        Returns
        -------
        Tensor, shape ()

        Notes
        -----
        Each logit is taken less log(samples × q) (Jean et al., 2015); a sample that happens to be the target of a row
        is left out there.
        """
        n, n_samples = self.num_embeddings, as_integer(n_samples, "n_samples", 1)
        uniform = torch.rand(n_samples, dtype=torch.float64, device=hidden.device)
        drawn = torch.exp(uniform * torch.log(torch.tensor(n + 1.0, dtype=torch.float64))) - 1
        sampled = drawn.long().clamp_max(n - 1)
        wanted = torch.cat([targets, sampled])
        unique, places = self._unique(wanted)
        embedded = nn.functional.embedding(places, self.rows(unique))
        corrections = (_log_uniform(wanted, n) + torch.log(torch.tensor(float(n_samples)))).to(hidden)
        target_scores = (hidden * embedded[: len(targets)]).sum(dim=1) - corrections[: len(targets)]
        other_scores = hidden @ embedded[len(targets) :].T - corrections[len(targets) :]
        other_scores = other_scores.masked_fill(sampled == targets.unsqueeze(1), -torch.inf)
        scores = torch.cat([target_scores.unsqueeze(1), other_scores], dim=1)
        return (torch.logsumexp(scores, dim=1) - target_scores).mean()

    # ---- terms of the loss

    def orthogonality_loss(self) -> Tensor:
        """Return Σ_{i≠j} abs(a_iᵀ a_j), which keeps anchors from being combinations of one another (§3.2).

        Returns
        -------
        Tensor, shape ()
        """
        gram = self.anchors @ self.anchors.T
        return gram.abs().sum() - gram.diagonal().abs().sum()

    def negative_loss(self, pairs: Tensor) -> Tensor:
        """Return Σ abs(t_u)ᵀ abs(t_v) over pairs of rows that are not related (§3.3).

        Parameters
        ----------
        pairs : Tensor, shape (m, 2), int64
            Such as a sample of pairs drawn anew for each batch.

        Returns
        -------
        Tensor, shape ()
        """
        unique, places = self._unique(pairs)
        weights = self.transform.read(unique).abs()
        first, second = places.unbind(1)
        return (nn.functional.embedding(first, weights) * nn.functional.embedding(second, weights)).sum()


def _log_uniform(rows: Tensor, n: int) -> Tensor:
    """Return log q of rows under the law log((i + 2) / (i + 1)) / log(n + 1), close to Zipf's for rows by frequency."""
    places = rows.to(torch.float64)
    return torch.log(torch.log1p(1 / (places + 1)) / torch.log(torch.tensor(n + 1.0, dtype=torch.float64)))
