"""An embedding layer of anchors and a sparse transform (ANT paper, §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from slimvec.nn.dense_transform import DenseTransform
from slimvec.nn.given_start import start_from
from slimvec.nn.layer_arguments import anchor_count, as_anchor_rows, as_related, choose_rows
from slimvec.nn.losses import LossTerms
from slimvec.nn.slot_transform import SlotTransform
from slimvec.nn.transform import Transform, TransformStart
from slimvec.validation import as_integer, as_matrix, check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike
    from torch import Tensor

    from slimvec.sparse.table import SparseTable
    from slimvec.vectors import Vectors

STORAGES: dict[str, type[Transform]] = {"dense": DenseTransform, "slots": SlotTransform}


class AnchorEmbedding(LossTerms):
    """A drop-in for ``torch.nn.Embedding`` whose rows are sparse combinations of a few anchors, E = T A [1]_.

    Train it with a proximal optimizer of this package, such as ``ProximalAdagrad(model)``, and a
    :class:`ParameterBudget`; or make the zeros of T by a penalty alone, ``ProximalAdagrad(model, l1=...)``.

    Parameters
    ----------
    num_embeddings : int
        ``|V|``, rows.
    embedding_dim : int
        d, columns.
    n_anchors : int, optional
        K. It follows from ``anchors``, ``anchor_rows`` or ``n_parameters`` where one is given.
    n_parameters : int, optional
        What the layer may hold when it is trained, A and the non-zeros of T together: a :class:`ParameterBudget` sees
        to it. Anchors take an eighth of it, and are d at most, unless it is said how many there are.
    padding_idx : int, optional
        A row that is zero and stays so.
    anchors : array_like, shape (K, d), optional
        Where the anchors start; by default random ones ("dynamic basis vectors"), at right angles if K ≤ d.
    anchor_rows : sequence of int, optional
        The row that each anchor stands for, such as those of frequent words: such a row starts as its anchor alone.
    relations : iterable of (int, int), optional
        Pairs of rows that are related (S(G), eq. 5): where one of them is an anchor, the entry is not penalised. Needs
        ``anchor_rows``.
    nonnegative : bool
        T ≥ 0 (§3.2); the paper finds that it matters. With K ≤ d a language model learns better without.
    softmax : bool
        E = softmax(T) A, a component of a mixture: see :class:`AnchorMixture`.
    storage : {"dense", "slots"}
        T as one parameter, or only its non-zeros (CPU, float32; needs numba), for big vocabularies.
    sparse : bool
        With dense storage: gradients of T hold the rows of a batch only, and the optimizer brings the others up to date
        when they are next read (always so with slots).
    nonzeros : int
        With slots: entries per row that T starts with.
    device, dtype
        Of the parameters, as everywhere in torch.

    Attributes
    ----------
    anchors : torch.nn.Parameter, shape (K, d)
        A.
    transform : torch.nn.Module
        T; ``transform.weight`` is the parameter where storage is dense.
    budget : int or None
        ``n_parameters`` as given.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit each other.

    Notes
    -----
    Entries of T start as abs(N(0, 1)) / √K and those of anchors as N(0, 1), so that rows start about as long as those
    of ``nn.Embedding``; the authors' code starts both much smaller. Random anchors that are about as many as columns
    nearly depend on each other: some directions would be hard to learn. Where K ≤ d, they are therefore turned to right
    angles, of length √d. What makes a layer learn fast was measured in ``benchmarks/results/ant_language_learning.md``.

    With ``DistributedDataParallel`` storage is dense: slots keep the gradient of T themselves, beside autograd, and it
    would not be averaged over processes, so that a step there is refused.

    References
    ----------
    .. [1] P. P. Liang, M. Zaheer, Y. Wang, A. Ahmed, "Anchor & Transform: Learning Sparse Embeddings for Large
       Vocabularies", ICLR 2021.

    Examples
    --------
    >>> layer = AnchorEmbedding(1000, 16, n_anchors=8, padding_idx=0)
    >>> layer(torch.tensor([[5, 7, 0], [1, 2, 3]])).shape
    torch.Size([2, 3, 16])
    >>> layer.n_parameters == 8 * 16 + layer.count_nonzero()
    True
    """

    anchor_rows: Tensor | None
    keeps_gradient = False  # of the rows last read: AnchorGrowth asks for it
    latest_gradient: Tensor | None = None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        n_anchors: int | None = None,
        *,
        n_parameters: int | None = None,
        padding_idx: int | None = None,
        anchors: ArrayLike | None = None,
        anchor_rows: ArrayLike | None = None,
        relations: Iterable[tuple[int, int]] | None = None,
        nonnegative: bool = True,
        softmax: bool = False,
        storage: str = "dense",
        sparse: bool = False,
        nonzeros: int = 4,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = as_integer(num_embeddings, "num_embeddings", 1)
        self.embedding_dim = as_integer(embedding_dim, "embedding_dim", 1)
        n = self.num_embeddings
        self.padding_idx = None if padding_idx is None else as_integer(padding_idx, "padding_idx", -n, n - 1) % n
        self.nonnegative, self.softmax = bool(nonnegative), bool(softmax)
        chosen = as_anchor_rows(anchor_rows, n)
        self.n_anchors = anchor_count((n_anchors, anchors, chosen), n_parameters, self.embedding_dim)
        self.budget = None if n_parameters is None else int(n_parameters)
        start = torch.randn(self.n_anchors, self.embedding_dim, device=device, dtype=dtype)
        if anchors is None:
            start = _at_right_angles(start)
        else:
            given = as_matrix(anchors, "anchors", self.embedding_dim)
            check_finite(given, "anchors", 0)
            start.copy_(torch.as_tensor(given))
        self.anchors = nn.Parameter(start)
        self.register_buffer("anchor_rows", None if chosen is None else torch.from_numpy(chosen).to(start.device))
        related = as_related(relations, chosen, n)
        if storage not in STORAGES:
            raise ValueError(f"storage={storage!r}; expected one of {tuple(STORAGES)}")
        self.transform = STORAGES[storage](
            TransformStart(
                (n, self.n_anchors), start, chosen, related, self.padding_idx,
                nonnegative=self.nonnegative, softmax=self.softmax, sparse=sparse,
                nonzeros=as_integer(nonzeros, "nonzeros", 1),
            )
        )  # fmt: skip

    @classmethod
    def from_vectors(
        cls,
        vectors: ArrayLike | Vectors,
        n_anchors: int | None = None,
        *,
        n_parameters: int | None = None,
        strategy: str = "kmeans++",
        scores: ArrayLike | None = None,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
        **arguments: Any,
    ) -> AnchorEmbedding:
        """Return a layer whose anchors start as some of the rows of given vectors (§3.1).

        Parameters
        ----------
        vectors : array_like, shape (``|V|``, d), or Vectors
            Such as GloVe vectors of the vocabulary.
        n_anchors, n_parameters : int, optional
            As for the constructor; one of them is needed.
        strategy : {"kmeans++", "frequency"}
            Rows that span the space, or those with the highest ``scores``.
        scores : array_like, shape (``|V|``,), optional
            For "frequency": counts, or :func:`slimvec.sparse.training.anchors.tf_idf`; by default the first rows.
        random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        **arguments
            Passed on to the constructor.

        Returns
        -------
        AnchorEmbedding

        Examples
        --------
        >>> layer = AnchorEmbedding.from_vectors(np.eye(6, 3), 2, strategy="frequency", scores=[0, 5, 0, 0, 0, 9])
        >>> layer.anchor_rows.tolist()
        [5, 1]
        """
        rows = as_matrix(vectors, "vectors")
        check_finite(rows, "vectors", 0)
        count = anchor_count((n_anchors, None, None), n_parameters, rows.shape[1])
        chosen = choose_rows(rows, count, strategy, scores, random_state)
        start = np.asarray(rows[chosen], np.float64)
        return cls(*rows.shape, anchors=start, anchor_rows=chosen, n_parameters=n_parameters, **arguments)

    @classmethod
    def from_pretrained(
        cls,
        given: SparseTable | ArrayLike | Vectors | Tensor,
        n_anchors: int | None = None,
        *,
        n_parameters: int | None = None,
        counts: ArrayLike | None = None,
        padding_idx: int | None = None,
        nonnegative: bool | None = None,
        random_state: int | np.random.Generator | np.random.RandomState | None = 0,
        **arguments: Any,
    ) -> AnchorEmbedding:
        """Return a layer that starts as a table of anchors, or near given vectors, and is trained from there.

        Parameters
        ----------
        given : SparseTable, or vectors of shape (``|V|``, d)
            A table, such as one of :meth:`to_table` or of :class:`slimvec.ANT`, gives its A and T as they are. Of
            vectors, anchors are learnt and rows coded by matching pursuit, which needs the extra ``train``.
        n_anchors : int, optional
            Of vectors: by default a third of ``n_parameters`` goes to anchors, which are d at most.
        n_parameters : int, optional
            As for the constructor. Of vectors it is needed, and the layer starts with as many numbers.
        counts : array_like, shape (``|V|``,), optional
            Of vectors: how often each row is seen. Rows that are seen often come nearer to their vectors and keep more
            entries: an error of a row counts as much as the root of its count.
        padding_idx : int, optional
            This row is taken as zero.
        nonnegative : bool, optional
            T ≥ 0. By default false for vectors, which so few numbers fit better with both signs; of a table it is
            true where the table has no negative entry.
        random_state : int, numpy.random.Generator, numpy.random.RandomState or None
            Of learning anchors.
        **arguments
            ``storage``, ``sparse``, ``device`` or ``dtype`` for the constructor.

        Returns
        -------
        AnchorEmbedding

        Raises
        ------
        TypeError, ValueError
            If vectors are not finite, ``n_parameters`` has no room for an entry, or a table has negative entries and
            ``nonnegative`` is true.

        Examples
        --------
        >>> table = AnchorEmbedding(30, 4, n_anchors=3).to_table()
        >>> layer = AnchorEmbedding.from_pretrained(table, n_parameters=60)
        >>> bool(np.allclose(layer(torch.tensor([7])).detach(), table.lookup([7]), atol=1e-6))
        True
        """
        if others := sorted({"anchors", "anchor_rows", "relations", "softmax"} & arguments.keys()):
            raise TypeError(f"{', '.join(others)}: from_pretrained takes A and T from what is given; leave them out")
        start = start_from(given, n_anchors, n_parameters, counts, padding_idx, nonnegative, random_state)
        arguments |= {"anchors": start.anchors, "nonnegative": start.nonnegative, "padding_idx": padding_idx}
        layer = cls(start.parts.shape[0], start.anchors.shape[1], n_parameters=n_parameters, **arguments)
        layer.transform.fill(start.parts)
        return layer

    # ---- rows

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ``ids``, of their shape with d more columns.

        Parameters
        ----------
        ids : Tensor, integers

        Returns
        -------
        Tensor, shape (..., d)
        """
        unique, places = self._unique(ids)
        self.count_reads(unique, places)
        return nn.functional.embedding(places, self.rows(unique)).reshape(*ids.shape, self.embedding_dim)

    def _unique(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return which rows are wanted, each once, and where each id is among them."""
        if ids.is_floating_point() or ids.dtype == torch.bool:
            raise TypeError(f"ids has dtype {ids.dtype}; expected integers")
        unique, places = torch.unique(ids, return_inverse=True)
        return unique.to(torch.int64), places

    def rows(self, unique: Tensor) -> Tensor:
        """Return ``unique`` rows of E, ``(m, d)``: each is computed once, however often a batch holds it.

        Parameters
        ----------
        unique : Tensor, shape (m,), int64
            Distinct row numbers.

        Returns
        -------
        Tensor, shape (m, d)
        """
        if self.softmax:
            embedded = torch.softmax(self.transform.read(unique), dim=1) @ self.anchors
        else:
            embedded = self.transform.combine(unique, self.anchors)
        if self.keeps_gradient and embedded.requires_grad:
            embedded.register_hook(self._keep_gradient)
        if self.padding_idx is None:
            return embedded
        return embedded * (unique != self.padding_idx).unsqueeze(1)

    def _keep_gradient(self, gradient: Tensor) -> None:
        self.latest_gradient = gradient

    @property
    def weight(self) -> Tensor:
        """E = T A, all rows, ``(n, d)``: what ``nn.Embedding`` has as a parameter, here computed at each call."""
        self.count_reads()
        whole = None if self.softmax else self.transform.combine_all(self.anchors)
        return self.rows(torch.arange(self.num_embeddings, device=self.anchors.device)) if whole is None else whole

    # ---- what was learnt

    def count_nonzero(self) -> int:
        """Return nnz(T), after all rows are up to date.

        Returns
        -------
        int
        """
        return self.transform.count_nonzero()

    @property
    def n_parameters(self) -> int:
        """``|A| d + nnz(T)``, as the paper counts."""
        return self.anchors.numel() + self.count_nonzero()

    def to_table(self, words: Iterable[str] | None = None) -> SparseTable:
        """Return what was learnt as a table that needs no torch.

        Parameters
        ----------
        words : iterable of str, optional
            One distinct word per row.

        Returns
        -------
        SparseTable
            Where anchors stand for rows, they are named by them.

        Examples
        --------
        >>> layer = AnchorEmbedding(3, 2, n_anchors=1)
        >>> bool(np.allclose(layer.to_table(["a", "b", "c"]).lookup(["b"]), layer(torch.tensor([1])).detach()))
        True
        """
        from slimvec.sparse.table import SparseTable

        listed = None if words is None else list(words)
        anchors = self.anchors.detach().cpu().to(torch.float32).numpy()
        if self.softmax:
            return SparseTable.mixture([anchors], [self.transform.to_csr()], words=listed)
        named = None if listed is None or self.anchor_rows is None else [listed[row] for row in self.anchor_rows]
        return SparseTable(anchors, self.transform.to_csr(), words=listed, anchor_words=named)

    def extra_repr(self) -> str:
        """Describe the layer in the way of torch.

        Returns
        -------
        str
        """
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, n_anchors={self.n_anchors}{padding}"


def _at_right_angles(anchors: Tensor) -> Tensor:
    """Return random anchors turned to right angles, of length √d; more than d of them as they are."""
    k, d = anchors.shape
    if k > d:
        return anchors
    columns = anchors.T.to(torch.promote_types(anchors.dtype, torch.float32))  # QR knows no half precision
    Q, R = torch.linalg.qr(columns)
    return (Q * R.diagonal().sign() * d**0.5).T.to(anchors.dtype).contiguous()
