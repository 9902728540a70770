"""What every estimator shares: scikit-learn's interface of parameters, and ``fit``; scikit-learn is not needed."""

from __future__ import annotations

import inspect
import operator
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blas import one_thread
from slimvec.progress import Progress, ignore
from slimvec.vectors.rows import as_training_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from slimvec.vectors.rows import Rows


class Estimator:
    """Base of everything with ``fit``: parameters are the arguments of ``__init__``, kept as attributes unchanged."""

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the parameters as a dictionary.

        Parameters
        ----------
        deep : bool
            Ignored: no parameter is an estimator itself.

        Returns
        -------
        dict of str to object
        """
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params
            New values by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is not a parameter.
        """
        names = self._parameter_names()
        for name, value in params.items():
            if name not in names:
                raise ValueError(f"{name!r} is not a parameter of {type(self).__name__}; it has {', '.join(names)}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; only scikit-learn calls it."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(None, TargetTags(required=False), TransformerTags(), input_tags=InputTags())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

    def _require_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit or compress first")

    def _description(self) -> dict[str, Any]:
        """Return how a table was made, in JSON's types: arrays and lists are left out, a generator becomes None."""
        plain = {name: _as_plain(value) for name, value in self.get_params().items()}
        parameters = {name: value for name, value in plain.items() if value is not _LEFT_OUT}
        return {"method": type(self).__name__, "parameters": parameters}


class VectorEstimator(Estimator):
    """Base of everything that learns from vectors and makes tables of them.

    Subclasses say what is learnt by ``_fit(rows, progress)``, which sets the fitted names, those that end in ``_``.
    """

    n_features_in_: int
    _fit: Any

    def fit(self, X: Rows | ArrayLike, y: None = None, *, progress: Progress = ignore) -> Self:  # noqa: ARG002
        """Learn from vectors.

        Parameters
        ----------
        X : array_like, shape (n, d), or Vectors, VectorFile or other Rows
            Real numbers, in any memory order, possibly mapped from a file. Checked, never copied whole in memory.
        y : None
            Ignored, for scikit-learn's pipelines.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        self
            If learning fails or is interrupted, with what was learnt before.

        Notes
        -----
        The same vectors and the same integer ``random_state`` give the same result, to the bit, for any number of
        threads. Another kind of CPU, and another version of NumPy or its BLAS, may round otherwise. NumPy's BLAS, if it
        is OpenBLAS or MKL, is held to one thread in the whole process meanwhile; other BLASes keep their own threads,
        on whose number last bits may then depend.
        """
        return self._learn_from(X, progress)

    def _learn_from(self, X: Rows | ArrayLike, progress: Progress, **extra: Any) -> Self:
        """Run ``_fit`` on a copy, and take over what it has learnt when it is done."""
        if is_lazy(X):
            return lazily().fit(self, X, progress=progress)  # type: ignore[no-any-return]
        rows = as_training_rows(X)
        draft = copy(self)
        with one_thread():
            draft._fit(rows, progress, **extra)
        draft._finish(rows)
        vars(self).update(vars(draft))
        return self

    def _finish(self, rows: Rows) -> None:
        """Remember what every method remembers of the rows that it was fitted on."""
        self.n_features_in_ = rows.dim

    def to_table(self, source: Rows | ArrayLike, *, output: Any = None, progress: Progress = ignore) -> Any:
        """Return vectors as a table, by what was learnt; methods of codes and of anchors have their own."""
        raise NotImplementedError

    def compress(self, vectors: Rows | ArrayLike, *, output: Any = None, progress: Progress = ignore) -> Any:
        """Fit on vectors and return them as a table; methods of codes and of anchors have their own."""
        raise NotImplementedError


def is_lazy(X: Any) -> bool:
    """Tell whether Dask holds X: a collection of it, or a list of delayed blocks."""
    one = X[0] if isinstance(X, list) and X else X
    return type(one).__module__.partition(".")[0] == "dask"


def is_client(value: Any) -> bool:
    """Tell whether a value is a client of a Dask cluster."""
    return type(value).__module__.partition(".")[0] == "distributed" and hasattr(value, "get_executor")


def lazily() -> Any:
    """Return the module that fits and encodes what Dask holds, which only this imports."""
    import slimvec.dask

    return slimvec.dask


_LEFT_OUT = object()


def _as_plain(value: Any) -> Any:
    if value is None or isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, bool | float | str):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return _LEFT_OUT
