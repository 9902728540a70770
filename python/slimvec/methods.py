"""The methods by name: one row each says all that the command line and ``slimvec.evaluate`` know of a method."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slimvec.binary.methods.iiq import IIQ, ITQ
from slimvec.binary.methods.nlb import NLB
from slimvec.binary.methods.random_rotation import RandomRotation, SignBits
from slimvec.binary.methods.transform_coding import TransformCoding
from slimvec.binary.row_bytes import bits_in, factors_of
from slimvec.sparse.methods.ant import ANT
from slimvec.sparse.methods.clustering import PostSH, VocabularyQuantization
from slimvec.sparse.methods.compositional import CompositionalCodes, code_ratio
from slimvec.sparse.methods.hashing import HashEmbedding
from slimvec.sparse.methods.low_rank import LowRank
from slimvec.sparse.methods.prune import Prune
from slimvec.sparse.methods.selection import FrequencySelection
from slimvec.sparse.methods.sparse_code import PostSHKSVD, SparseCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slimvec.estimator import VectorEstimator
    from slimvec.progress import Progress
    from slimvec.vectors.rows import Rows


def _table_ratio(table: Any) -> float:
    return float(table.compression_ratio or 32.0)  # of bare codes the width is that of the code


@dataclass(frozen=True)
class Rival:
    """How a method takes part in ``slimvec evaluate``.

    Attributes
    ----------
    title : str
        As tables and charts call it.
    settings : mapping of str to object
        Parameters that are not the default's.
    ratio : callable
        How many times smaller than float32 a table of it is, as the IIQ paper's Table 1 counts.
    """

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ratio: Callable[[Any], float] = _table_ratio


@dataclass(frozen=True)
class Method:
    """A method: its estimator, its options on the command line, and how it is judged.

    Attributes
    ----------
    estimator : type
    options : mapping of str to str
        Option of the command line without dashes, and the parameter that it sets.
    rival : Rival, optional
        None if ``slimvec evaluate`` does not compare it.
    has_factors : bool
        Whether its codes always have factors, asked for or not.
    """

    estimator: type[VectorEstimator]
    options: Mapping[str, str]
    rival: Rival | None = None
    has_factors: bool = False

    @property
    def seeded(self) -> bool:
        """Whether a seed changes what it learns."""
        return "random_state" in inspect.signature(self.estimator).parameters

    def makes(self, keyword: str) -> bool:
        """Tell whether its tables can be made with ``factors`` or ``dtype``."""
        return keyword in inspect.signature(self.estimator.to_table).parameters

    def bits_in(self, n_bytes: int, name: str, rows: Rows, progress: Progress, *, factors: bool) -> int:
        """Return the most bits of codes of ``rows`` that take at most so many bytes, with factors if there are any.

        Errors call the number of bytes ``name``. Rows are gone over for their lengths, which tell how many factors.
        """
        if not (factors or self.has_factors):
            return bits_in(n_bytes, name)
        bits_in(n_bytes, name, 2)  # better said before the rows are read
        return bits_in(n_bytes, name, factors_of(rows, progress))


# What a CPU can train in minutes: the paper's 32 codebooks, but of 16 codewords, not 256 or 128; 20 epochs at ten times
# the authors' rate, not 200.
DCCL = {"n_codebooks": 32, "n_codewords": 16, "n_epochs": 20, "batch_size": 128, "learning_rate": 1e-3}
DCCL_TITLE = f"DCCL {DCCL['n_codebooks']}x{DCCL['n_codewords']}, {DCCL['n_epochs']} epochs"

_CODES = {"bits": "n_bits"}
_ANCHORS = {"anchors": "n_anchors"}

METHODS: dict[str, Method] = {
    "iiq": Method(IIQ, _CODES | {"remove": "n_remove", "partitions": "partitions"}, Rival("IIQ")),
    "itq": Method(ITQ, _CODES | {"partitions": "partitions"}, Rival("ITQ")),
    "transform-coding": Method(
        TransformCoding,
        _CODES | {"remove": "n_remove", "refine-bits": "refine_bits", "partitions": "partitions", "spill": "spill"},
        Rival("transform coding", {"n_remove": 1}),
        has_factors=True,
    ),
    "nlb": Method(NLB, _CODES, Rival("NLB")),
    "random-rotation": Method(RandomRotation, _CODES, Rival("random rotation")),
    "sign-bits": Method(SignBits, {}, Rival("sign bits")),
    "ant": Method(ANT, _ANCHORS | {"nonzeros": "nonzeros", "l1": "l1", "signed": "nonnegative"}),
    "frequency": Method(FrequencySelection, _ANCHORS),
    "hash": Method(HashEmbedding, _ANCHORS),
    "low-rank": Method(LowRank, {"rank": "rank"}),
    "post-sh": Method(PostSH, _ANCHORS | {"nonzeros": "nonzeros"}),
    "post-sh-ksvd": Method(PostSHKSVD, _ANCHORS | {"nonzeros": "nonzeros"}),
    "prune": Method(
        Prune,
        {"sparsity": "sparsity"},
        Rival("Prune 95 %", {"sparsity": 0.95}, lambda table: len(table) * table.dim / table.n_entries),
    ),
    "sparse-code": Method(SparseCode, _ANCHORS | {"l1": "l1"}),
    "vocabulary-quantization": Method(VocabularyQuantization, _ANCHORS),
    "dccl": Method(CompositionalCodes, {}, Rival(DCCL_TITLE, DCCL, code_ratio)),
}


def rivals() -> dict[str, Method]:
    """Return the methods that ``slimvec evaluate`` compares, by name."""
    return {name: method for name, method in METHODS.items() if method.rival is not None}
