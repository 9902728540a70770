"""The grid of ``slimvec evaluate``: which methods are compared, and at which settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimvec.methods import METHODS, rivals

if TYPE_CHECKING:
    from collections.abc import Sequence

Remove = int | str


@dataclass(frozen=True)
class Config:
    """One row of the grid: what is judged, but for the seed.

    Attributes
    ----------
    method : str
        A key of :data:`slimvec.methods.METHODS`; ``"float"`` for the vectors themselves, ``"table"`` for a table.
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
        rival = self.method in METHODS and METHODS[self.method].rival
        if not rival:
            return {"float": "float32", "table": "the table"}[self.method]
        parts = [rival.title]
        if self.remove is not None:
            parts.append(f"D={self.remove}")
        if self.bits is not None:
            parts.append(f"{self.bits} bits")
        return ", ".join(parts)

    @property
    def seeded(self) -> bool:
        """Whether a seed changes the table."""
        return self.method in METHODS and METHODS[self.method].seeded

    def compress(self, vectors: Any, seed: int) -> tuple[Any, Any]:
        """Return the fitted estimator and its table."""
        method = METHODS[self.method]
        settings: dict[str, Any] = dict(method.rival.settings) if method.rival else {}
        for option, value in (("bits", self.bits), ("remove", self.remove)):
            if value is not None:
                settings[method.options[option]] = value
        if method.seeded:
            settings["random_state"] = seed
        estimator: Any = method.estimator(**settings)
        return estimator, estimator.compress(vectors)

    def ratio(self, table: Any) -> float:
        """Return how many times smaller than float32 a table is, as the paper's Table 1 counts."""
        rival = self.method in METHODS and METHODS[self.method].rival
        if rival:
            return rival.ratio(table)
        return 1.0 if self.method == "float" else float(getattr(table, "compression_ratio", None) or 32.0)


def configs(methods: Sequence[str], bits: Sequence[int], remove: Sequence[Remove]) -> list[Config]:
    """Return the floats, then every method at every setting that it has.

    Raises
    ------
    ValueError
        If a method is unknown.
    """
    known, listed = rivals(), [Config("float")]
    for method in methods:
        if method not in known:
            raise ValueError(f"methods holds {method!r}; expected some of {', '.join(known)}")
        options = known[method].options
        lengths: Sequence[int | None] = bits if "bits" in options else [None]
        removed: Sequence[Remove | None] = remove if "remove" in options else [None]
        listed += [Config(method, length, how_many) for length in lengths for how_many in removed]
    return listed
