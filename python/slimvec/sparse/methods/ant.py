"""Anchor & Transform for embeddings that are given: learn anchors, then a sparse transform."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.keys import resolve_rows
from slimvec.sparse.methods.base import CodingEstimator, CountingEstimator, relative_residual
from slimvec.sparse.solvers.atoms import as_anchors, as_sample, sample_numbers, sample_rows
from slimvec.sparse.solvers.budget import as_weights, omp_within
from slimvec.sparse.solvers.lasso import as_penalty
from slimvec.sparse.solvers.solver import Solver
from slimvec.sparse.training import anchors as choosing
from slimvec.sparse.training.dictionary import UPDATES, learn_anchors
from slimvec.sparse.training.relations import Knowledge, as_row_pairs, with_rows
from slimvec.validation import as_anchor_count, as_generator, as_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from slimvec.progress import Progress
    from slimvec.vectors.rows import MatrixRows
    from slimvec.vocabulary import Vocabulary

DEFAULT_ANCHORS = 1000
DEFAULT_NONZEROS = 10
DEFAULT_TRAIN_ROWS = 20_000
ROOM = 4  # a row may get this many times the mean number of non-zeros when they come from one budget
ALLOCATIONS = ("row", "global")
OF_ALL_ROWS = ("transform_", "relative_residual_", "anchor_words_", "_seen", "feature_names_in_")


@dataclass(eq=False, repr=False)
class ANT(CountingEstimator, CodingEstimator):
    r"""Anchors and a sparse transform, E ≈ T A, learnt from given embeddings.

    A few anchor vectors are chosen or learnt; every row is written as a combination of a few of them.

    Parameters
    ----------
    n_anchors : int, optional
        k, by default 1000, or as many as ``anchors`` names.
    nonzeros : int, optional
        Non-zeros per row of T, found by orthogonal matching pursuit; 10 by default if ``l1`` is not given either.
    l1 : float, optional
        λ of ½‖E - TA‖² + λ‖T ⊙ S(G)‖₁ instead, solved by coordinate descent; how many non-zeros come of it depends on
        the data.
    nonnegative : bool
        T ≥ 0, as in the paper (§3.2): entries of a row do not cancel. Signed T fits about one per cent better; see
        ``benchmarks/results/anchors.md``.
    anchors : {"kmeans++", "frequency", "coreset", "random"}, sequence of words or rows, or array of shape (k, d)
        Where learning starts, or what is kept with ``n_rounds=0``. "frequency" takes the rows with the highest
        ``counts`` given to ``fit``, or the first ones. :mod:`slimvec.sparse.training.anchors` finds other rows to pass:
        by TF-IDF (``top_rows(tf_idf(documents, words), k)``), or by k-means++ in another space or after frequent words.
    relations : list of (str, str), optional
        Related words: for a word and an anchor word that are related, and for an anchor's own row, the entry of T is
        not penalised. With ``l1``, and anchors that are words. :mod:`slimvec.sparse.training.relations` finds them in
        WordNet and in texts.
    negatives : list of (str, str), optional
        Unrelated words, whose rows of T are discouraged from sharing anchors. With ``l1``.
    negative_weight : float
        What the sum of \|t_u\|ᵀ\|t_v\| over ``negatives`` counts in the objective.
    refit : bool
        With ``l1``: replace the values by least squares on each row's support, which removes the lasso's bias.
    allocation : {"row", "global"}
        With ``nonzeros``: the same number in every row, or ``nonzeros`` × n in all, spent where they lower the residual
        most, weighted by ``counts`` if given.
    n_rounds : int
        Rounds of learning: code the rows, then update all anchors. 0 keeps the anchors as chosen.
    update : {"mod", "ksvd"}
        The method of optimal directions, or approximate K-SVD.
    orthogonality : float
        Weight μ of Σ_{i≠j} \|aᵢᵀaⱼ\| in MOD's update (§3.2).
    max_train_rows : int, optional
        Anchors are learnt on at most this many rows, drawn at random; ``None`` uses all, which fits best.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed of the sample and of the choice of anchors.

    Attributes
    ----------
    anchors_ : ndarray, shape (k, d), float32
        A. Learnt anchors have length 1.
    transform_ : scipy.sparse.csr_array, shape (n, k), float32
        T of the rows that were fitted. Others, by ``transform`` and ``to_table``, get ``nonzeros`` per row, also where
        the fitted ones shared a budget, and relations play no part.
    anchor_rows_ : ndarray, shape (k,), int64, or None
        The rows that were chosen as anchors; None for random directions, an array, or anchors learnt without relations.
    residuals_ : ndarray, shape (n_rounds,), float64
        ‖X - TA‖ / ‖X‖ on the sample, before each update.
    relative_residual_ : float
        ‖X - TA‖ / ‖X‖ over all rows, at the end.
    n_features_in_ : int
        d.
    feature_names_in_ : ndarray, shape (d,), object
        Names of the columns, only of a data frame.

    Raises
    ------
    ValueError
        From ``fit``: an empty matrix, NaN, more anchors than rows or non-zeros than anchors, both ``nonzeros``
        and ``l1``, relations without words or naming unknown ones.

    Notes
    -----
    The post-hoc problem of appendix B of [1]_. Time is about 10 µs per row, round and thread for 1,000 anchors and 10
    non-zeros, 15 with T ≥ 0 (``benchmarks/results/coding.md``).

    With relations, learnt anchors keep their words: an anchor that no row uses stays, where it otherwise would be
    replaced by the row that is represented worst.

    References
    ----------
    .. [1] P. P. Liang, M. Zaheer, Y. Wang, A. Ahmed, "Anchor & Transform: Learning Sparse Representations of Discrete
       Objects", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((500, 16), dtype=np.float32)
    >>> ant = ANT(n_anchors=50, nonzeros=4).fit(X)
    >>> ant.anchors_.shape, ant.transform_.shape, bool(ant.transform_.data.min() > 0)
    ((50, 16), (500, 50), True)
    >>> bool(ant.relative_residual_ < ant.residuals_[0])
    True
    """

    n_anchors: int | None = None
    nonzeros: int | None = None
    l1: float | None = None
    _: KW_ONLY
    nonnegative: bool = True
    anchors: str | Sequence[Any] | NDArray[Any] = "kmeans++"
    relations: Sequence[tuple[str, str]] | None = None
    negatives: Sequence[tuple[str, str]] | None = None
    negative_weight: float = 1.0
    refit: bool = False
    allocation: str = "row"
    n_rounds: int = 10
    update: str = "mod"
    orthogonality: float = 0.0
    max_train_rows: int | None = DEFAULT_TRAIN_ROWS
    random_state: int | np.random.Generator | np.random.RandomState | None = 0

    def _fit(self, X: MatrixRows, progress: Progress, *, counts: ArrayLike | None = None) -> None:
        rows, vocabulary = X.matrix, X.vocabulary
        solver, n_rounds = self._solver(), as_steps(self.n_rounds, "n_rounds", 0)
        weights = None if counts is None else as_weights(counts, len(rows), "counts")
        generator = as_generator(self.random_state)
        k = self._n_anchors(len(rows))
        if isinstance(self.anchors, str):
            solver.check(k)  # before they are chosen
        sample, picked = sample_rows(rows, self.max_train_rows, k, generator)
        start, anchor_rows = self._choose(
            rows.__getitem__, rows.shape, k, sample, picked, vocabulary, weights, generator, progress
        )
        solver.check(len(start))
        knowledge = self._knowledge(solver, anchor_rows, vocabulary)
        offsets = None if knowledge is None else knowledge.offsets()[picked]
        self._learn(sample, start, solver, n_rounds, offsets, knowledge is None, progress)
        self.transform_ = self._code_all(rows, self.anchors_, solver, knowledge, weights, progress)
        self.anchor_rows_ = anchor_rows if n_rounds == 0 or knowledge is not None else None
        self.relative_residual_ = relative_residual(rows, self.anchors_, self.transform_)

    def _learn_from_some(
        self, n: int, d: int, take: Callable[[NDArray[np.int64]], NDArray[Any]], progress: Progress
    ) -> None:
        """Learn anchors from rows that are elsewhere, n × d, of which ``take`` gives some; none is coded."""
        if n * d == 0:
            raise ValueError(f"X is empty: shape ({n}, {d}); expected at least one row and one column")
        if self.max_train_rows is None:
            raise ValueError("max_train_rows=None learns on all rows, which would all travel here; expected a number")
        solver, n_rounds = self._solver(), as_steps(self.n_rounds, "n_rounds", 0)
        if self.allocation == "global":
            raise ValueError('allocation="global" spends a budget over all rows, which are elsewhere; expected "row"')
        self._knowledge(solver, None, None)  # relations are of words
        generator = as_generator(self.random_state)
        k = self._n_anchors(n)
        if isinstance(self.anchors, str):
            solver.check(k)
        picked = sample_numbers(n, self.max_train_rows, k, generator)
        sample = as_sample(take(picked), picked)
        start, anchor_rows = self._choose(take, (n, d), k, sample, picked, None, None, generator, progress)
        solver.check(len(start))
        self._learn(sample, start, solver, n_rounds, None, True, progress)
        self.n_features_in_, self.anchor_rows_ = d, anchor_rows if n_rounds == 0 else None
        for name in OF_ALL_ROWS:
            vars(self).pop(name, None)

    def _learn(
        self,
        sample: NDArray[np.float32],
        start: NDArray[np.float32],
        solver: Solver,
        n_rounds: int,
        offsets: Any,
        replace_unused: bool,
        progress: Progress,
    ) -> None:
        """Set the anchors that are learnt from a sample, and its residuals."""
        residuals = np.empty(0)
        if n_rounds:
            start, residuals = learn_anchors(
                sample, start, lambda part, anchors: solver.code(part, anchors, offsets=offsets), n_rounds,
                update=self.update, orthogonality=float(self.orthogonality), replace_unused=replace_unused,
                progress=progress,
            )  # fmt: skip
        self.anchors_, self.residuals_ = start, residuals

    def _code(self, rows: NDArray[Any], progress: Progress) -> Any:
        return self._solver().code(rows, self.anchors_, progress=progress)

    def _solver_parameters(self) -> dict[str, Any]:
        return self._solver().to_parameters()

    def _solver(self) -> Solver:
        """Return how rows are coded, after checking the parameters that are words."""
        for name, choices in (("allocation", ALLOCATIONS), ("update", UPDATES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}; expected one of {choices}")
        for name in ("orthogonality", "negative_weight"):
            as_penalty(getattr(self, name), name)
        if self.orthogonality > 0 and self.update != "mod":
            raise ValueError(f'orthogonality={self.orthogonality} is part of MOD\'s update; expected update="mod"')
        if self.allocation == "global" and self.l1 is not None:
            raise ValueError('allocation="global" spends a budget of nonzeros; with l1 the penalty does that')
        nonzeros = DEFAULT_NONZEROS if self.nonzeros is None and self.l1 is None else self.nonzeros
        return Solver(nonzeros, self.l1, self.nonnegative, self.refit)

    def _n_anchors(self, n_rows: int) -> int:
        """Return k, as far as it does not follow from given anchors."""
        if not isinstance(self.anchors, str):
            k = len(self.anchors)
            if self.n_anchors not in (None, k):
                raise ValueError(f"n_anchors={self.n_anchors}, but anchors holds {k}; leave n_anchors out")
            return k
        if self.anchors not in choosing.STRATEGIES:
            expected = ", ".join(map(repr, choosing.STRATEGIES))
            raise ValueError(f"anchors={self.anchors!r}; expected {expected}, words, rows, or an array of anchors")
        k = DEFAULT_ANCHORS if self.n_anchors is None else self.n_anchors
        return as_anchor_count(k, None if self.anchors == "random" else n_rows)

    def _choose(
        self,
        take: Callable[[NDArray[np.int64]], NDArray[Any]],
        shape: tuple[int, ...],
        k: int,
        sample: NDArray[np.float32],
        picked: NDArray[np.int64],
        vocabulary: Vocabulary | None,
        counts: NDArray[np.float64] | None,
        generator: np.random.Generator,
        progress: Progress,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
        """Return the anchors that learning starts from, and which rows they are, if any."""
        if not isinstance(self.anchors, str):
            if np.ndim(self.anchors) == 2:
                given = as_anchors(self.anchors)
                if given.shape[1] != shape[1]:
                    raise ValueError(f"anchors has {given.shape[1]} columns; expected {shape[1]}, as X has")
                return given, None
            chosen = resolve_rows(list(self.anchors), "anchors", shape[0], vocabulary)
            if len(np.unique(chosen)) < len(chosen):
                raise ValueError("anchors names a row twice; expected distinct words or rows")
        elif self.anchors == "random":
            return choosing.random_basis(k, shape[1], generator), None
        elif self.anchors == "frequency":
            chosen = np.arange(k) if counts is None else choosing.top_rows(counts, k)
        elif self.anchors == "coreset":
            chosen = picked[choosing.coreset(sample, k, generator)]
        else:
            chosen = picked[choosing.kmeans_plus_plus(sample, k, generator, progress=progress)]
        return as_sample(take(chosen), chosen), chosen

    def _knowledge(
        self, solver: Solver, anchor_rows: NDArray[np.int64] | None, vocabulary: Vocabulary | None
    ) -> Knowledge | None:
        """Return what relations and negatives say about the penalty, or None if neither is given."""
        if self.relations is None and self.negatives is None:
            return None
        if solver.l1 is None:
            raise ValueError("relations and negatives change the penalty on T; pass l1 instead of nonzeros")
        if vocabulary is None:
            raise ValueError("relations and negatives are about words; fit on Vectors, which have them")
        if anchor_rows is None:
            raise ValueError(
                'relations and negatives need anchors that are words: anchors="kmeans++", "frequency", "coreset" or a '
                "list of words, not random directions or an array"
            )
        related = as_row_pairs(self.relations or (), "relations", vocabulary)
        negatives = as_row_pairs(self.negatives or (), "negatives", vocabulary)
        return Knowledge(related, negatives, self.negative_weight, anchor_rows, len(vocabulary), solver.l1)

    def _code_all(
        self,
        rows: NDArray[Any],
        anchors: NDArray[np.float32],
        solver: Solver,
        knowledge: Knowledge | None,
        weights: NDArray[np.float64] | None,
        progress: Progress,
    ) -> Any:
        """Return T of all rows."""
        if solver.nonzeros is not None and self.allocation == "global":
            most = min(len(anchors), ROOM * solver.nonzeros)
            return omp_within(
                rows, anchors, solver.nonzeros * len(rows), most,
                weights=weights, nonnegative=self.nonnegative, progress=progress,
            )  # fmt: skip
        if knowledge is None:
            return solver.code(rows, anchors, progress=progress)
        transform = solver.code(rows, anchors, offsets=knowledge.offsets(), progress=progress)
        for some in knowledge.independent_rows():  # coordinate descent: rows without negative pairs among them at once
            offsets = knowledge.offsets(transform)[some]
            transform = with_rows(transform, some, solver.code(rows[some], anchors, offsets=offsets))
        return transform
