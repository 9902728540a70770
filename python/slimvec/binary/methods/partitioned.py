"""What methods share that put rows in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slimvec.binary.methods.streaming import StreamingEstimator
from slimvec.binary.training.lists import MOST_LISTS, sample_size
from slimvec.validation import as_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PartitionedEstimator(StreamingEstimator):
    """Base of methods with ``partitions=``, whose lists are learnt from more rows than the rest."""

    partitions: int | Literal["auto"] | None

    def _partitions(self) -> int | Literal["auto"] | None:
        if self.partitions is None or self.partitions == "auto":
            return self.partitions
        return as_integer(self.partitions, "partitions", 1, MOST_LISTS, why='; or "auto", or None')

    def _spills(self, spill: Any) -> bool:
        if not isinstance(spill, (bool, np.bool_)):
            raise TypeError(f"spill={spill!r}; expected True or False")
        if spill and self.partitions is None:
            raise ValueError("spill=True, but there are no lists for rows to be in; expected partitions=, too")
        return bool(spill)

    def _sample_size(self, n_rows: int | None) -> int | None:
        size, partitions = super()._sample_size(n_rows), self._partitions()
        return size if partitions is None or size is None else max(size, sample_size(partitions, n_rows))

    def _thinned(self, sample: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return of the sampled rows about as many as ``max_train_rows``."""
        return sample if self.max_train_rows is None else sample[:: -(-len(sample) // self.max_train_rows)]
