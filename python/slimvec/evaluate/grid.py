"""The grid of ``slimvec evaluate``: which methods are compared, and at which settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimvec.binary.methods.iiq import IIQ, ITQ
from slimvec.binary.methods.nlb import NLB
from slimvec.binary.methods.random_rotation import RandomRotation, SignBits
from slimvec.sparse.methods.compositional import CompositionalCodes
from slimvec.sparse.methods.prune import Prune

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Remove = int | str

# What a CPU can train in minutes: the paper's 32 codebooks, but of 16 codewords, not 256 or 128; 20 epochs at ten times
# the authors' rate, not 200.
DCCL_CODEBOOKS, DCCL_CODEWORDS, DCCL_EPOCHS, DCCL_BATCH, DCCL_RATE = 32, 16, 20, 128, 1e-3


@dataclass(frozen=True)
class Rival:
    """A method of the grid.

    Attributes
    ----------
    title : str
    make : callable
        (bits, remove, seed) -> estimator.
    bits, remove, seeded : bool
        Whether it takes a number of bits, of directions to remove, a seed.
    """

    title: str
    make: Callable[[Any, Any, int], Any]
    bits: bool = True
    remove: bool = False
    seeded: bool = True


RIVALS = {
    "iiq": Rival("IIQ", lambda bits, remove, seed: IIQ(bits, remove, random_state=seed), remove=True),
    "itq": Rival("ITQ", lambda bits, _, seed: ITQ(bits, random_state=seed)),
    "nlb": Rival("NLB", lambda bits, _, seed: NLB(bits, random_state=seed)),
    "random-rotation": Rival("random rotation", lambda bits, _, seed: RandomRotation(bits, random_state=seed)),
    "sign-bits": Rival("sign bits", lambda *_: SignBits(), bits=False, seeded=False),
    "prune": Rival("Prune 95 %", lambda *_: Prune(0.95), bits=False, seeded=False),
    "dccl": Rival(
        f"DCCL {DCCL_CODEBOOKS}x{DCCL_CODEWORDS}, {DCCL_EPOCHS} epochs",
        lambda _, __, seed: CompositionalCodes(
            DCCL_CODEBOOKS,
            DCCL_CODEWORDS,
            n_epochs=DCCL_EPOCHS,
            batch_size=DCCL_BATCH,
            learning_rate=DCCL_RATE,
            random_state=seed,
        ),
        bits=False,
    ),
}


@dataclass(frozen=True)
class Config:
    """One row of the grid: what is judged, but for the seed.

    Attributes
    ----------
    method : str
        A key of :data:`RIVALS`; ``"float"`` for the vectors themselves, ``"table"`` for a table as it came.
    bits : int or None
    remove : int, str or None
        As ``n_remove`` of :class:`slimvec.IIQ`.
    """

    method: str
    bits: int | None = None
    remove: Remove | None = None

    @property
    def label(self) -> str:
        """As tables and charts call it."""
        if self.method not in RIVALS:
            return {"float": "float32", "table": "the table"}[self.method]
        parts = [RIVALS[self.method].title]
        if self.remove is not None:
            parts.append(f"D={self.remove}")
        if self.bits is not None:
            parts.append(f"{self.bits} bits")
        return ", ".join(parts)

    @property
    def seeded(self) -> bool:
        """Whether a seed changes the table."""
        return self.method in RIVALS and RIVALS[self.method].seeded

    def compress(self, vectors: Any, seed: int) -> tuple[Any, Any]:
        """Return the fitted estimator and its table."""
        estimator = RIVALS[self.method].make(self.bits, self.remove, seed)
        return estimator, estimator.compress(vectors)

    def ratio(self, n: int, d: int) -> float:
        """Return how many times smaller than float32, as the paper's Table 1 counts."""
        if self.method == "prune":
            return 20.0
        if self.method == "dccl":
            return dccl_ratio(n, d, DCCL_CODEBOOKS, DCCL_CODEWORDS)
        if self.method == "float":
            return 1.0
        return 32 * d / (self.bits or d)


def dccl_ratio(n: int, d: int, n_codebooks: int, n_codewords: int) -> float:
    """Return float32 over codes of M log₂ K bits and a float32 codebook: 32.3, 29.5, 26.9 for the paper's settings.

    Examples
    --------
    >>> round(dccl_ratio(1_917_494, 300, 32, 256), 1), round(dccl_ratio(388_723, 300, 32, 128), 1)
    (32.3, 29.5)
    """
    codes = n * n_codebooks * math.log2(n_codewords)
    return 32 * n * d / (codes + 32 * n_codebooks * n_codewords * d)


def configs(methods: Sequence[str], bits: Sequence[int], remove: Sequence[Remove]) -> list[Config]:
    """Return the floats, then every method at every setting that it has.

    Raises
    ------
    ValueError
        If a method is unknown.
    """
    listed = [Config("float")]
    for method in methods:
        if method not in RIVALS:
            raise ValueError(f"methods holds {method!r}; expected some of {', '.join(RIVALS)}")
        rival = RIVALS[method]
        lengths: Sequence[int | None] = bits if rival.bits else [None]
        removed: Sequence[Remove | None] = remove if rival.remove else [None]
        listed += [Config(method, length, how_many) for length in lengths for how_many in removed]
    return listed
