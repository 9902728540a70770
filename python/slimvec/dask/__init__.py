"""Fitting and encoding what Dask holds (extra ``dask``).

Estimators come here by themselves when they are given a ``dask.array``, a list of delayed blocks, or a
``dask.dataframe`` column of vectors; ``import slimvec`` alone imports no Dask. What is done with a block are plain
functions of arrays (:mod:`slimvec.binary.training.gathering`): schedulers, retries and transport are Dask's.
"""

try:
    import dask.array  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError(f"what Dask holds needs the extra: pip install 'slimvec[dask]' ({error})") from None

from slimvec.dask import searching_workers  # noqa: F401 - for tables in shards
from slimvec.dask.lazy import fit, transform
from slimvec.dask.to_folder import to_shards

__all__ = ["fit", "to_shards", "transform"]
