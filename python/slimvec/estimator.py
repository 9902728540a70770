"""What every estimator shares: scikit-learn's interface of parameters, and ``fit``; scikit-learn is not needed."""

from __future__ import annotations

import inspect
import operator
import sys
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from slimvec.blas import one_thread
from slimvec.progress import Progress, ignore
from slimvec.vectors.rows import as_training_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

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

        return Tags(None, TargetTags(required=False), TransformerTags(preserves_dtype=[]), input_tags=InputTags())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

    def _require_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            loaded = sys.modules.get("sklearn.exceptions")  # whose error is a ValueError, too, and is what it looks for
            error = ValueError if loaded is None else loaded.NotFittedError
            raise error(f"this {type(self).__name__} is not fitted yet; call fit or compress first")

    def _description(self) -> dict[str, Any]:
        """Return how a table was made, in JSON's types: arrays and lists are left out, a generator becomes None."""
        plain = {name: _as_plain(value) for name, value in self.get_params().items()}
        parameters = {name: value for name, value in plain.items() if value is not _LEFT_OUT}
        return {"method": type(self).__name__, "parameters": parameters}


class VectorEstimator(Estimator):
    """Base of everything that learns from vectors and makes tables of them.

    Subclasses say what is learnt by ``_fit(rows, progress)``, which sets the fitted names, those that end in ``_``, and
    by ``_n_features_out`` how many columns ``transform`` gives.
    """

    n_features_in_: int
    feature_names_in_: NDArray[Any]
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
        return self._take_over(draft, X)

    def _take_over(self, draft: Self, X: Any = None) -> Self:
        """Become what a copy has learnt from X; None where it came in pieces without names of columns."""
        vars(self).update(vars(draft))
        self._remember_names(X)
        return self

    def _finish(self, rows: Rows) -> None:
        """Remember what every method remembers of the rows that it was fitted on."""
        self.n_features_in_ = rows.dim

    # ---- columns, as scikit-learn has them

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what ``transform`` and ``fit_transform`` give: scikit-learn's pipelines call it, too.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            An array, or a data frame with the names of :meth:`get_feature_names_out`, which a sparse transform is not
            made: that is a TypeError then. None changes nothing.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For another name.
        """
        if transform is not None:
            if transform not in CONTAINERS:
                raise ValueError(f"transform={transform!r}; expected one of {', '.join(map(repr, CONTAINERS))}")
            self._sklearn_output_config = {"transform": transform}  # so called, its clone() takes it along
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:  # noqa: ARG002 - scikit-learn's
        """Return names for the columns that ``transform`` gives.

        Parameters
        ----------
        input_features : array_like of str, optional
            Ignored: no column is made of one column alone.

        Returns
        -------
        ndarray of str, as objects
            The name of the method in small letters, and a number.

        Raises
        ------
        ValueError
            If not fitted.
        """
        self._require_fitted("n_features_in_")
        return self._names(self._n_features_out)

    @property
    def _n_features_out(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} makes no columns")

    def _names(self, n_columns: int) -> NDArray[Any]:
        return np.array([f"{type(self).__name__.lower()}{number}" for number in range(n_columns)], object)

    def _contained(self, values: Any, X: Any) -> Any:
        """Return what was made of X as users have asked for it."""
        kind = getattr(self, "_sklearn_output_config", {}).get("transform")
        if kind is None and "sklearn" in sys.modules:
            kind = sys.modules["sklearn"].get_config()["transform_output"]
        if kind in {None, "default"}:
            return values
        if not isinstance(values, np.ndarray):
            raise TypeError(f"set_output(transform={kind!r}): a sparse transform is no data frame; expected 'default'")
        names = self._names(values.shape[1]).tolist()
        if kind == "polars":
            import polars as pl

            return pl.DataFrame(values, schema=names, orient="row")
        import pandas as pd

        return pd.DataFrame(values, index=X.index if isinstance(X, pd.DataFrame) else None, columns=names)

    def _remember_names(self, X: Any) -> None:
        vars(self).pop("feature_names_in_", None)
        names = _column_names(X)
        if names is not None:
            self.feature_names_in_ = np.array(names, object)

    def _check_names(self, X: Any) -> None:
        """Raise ValueError for a data frame with other columns, or in another order, than that which was fitted."""
        fitted, names = getattr(self, "feature_names_in_", None), _column_names(X)
        if fitted is not None and names is not None and names != fitted.tolist():
            raise ValueError(
                f"X has columns {', '.join(map(repr, names))[:200]}; expected those that were fitted, in that order: "
                f"{', '.join(map(repr, fitted))[:200]}"
            )

    def to_table(self, source: Rows | ArrayLike, *, output: Any = None, progress: Progress = ignore) -> Any:
        """Return vectors as a table, by what was learnt; methods of codes and of anchors have their own."""
        raise NotImplementedError

    def compress(self, vectors: Rows | ArrayLike, *, output: Any = None, progress: Progress = ignore) -> Any:
        """Fit on vectors and return them as a table; methods of codes and of anchors have their own."""
        raise NotImplementedError


def _column_names(X: Any) -> list[str] | None:
    """Return the names of the columns of a data frame, where they are texts."""
    names = list(X.columns) if hasattr(X, "columns") and hasattr(X, "__getitem__") and not is_lazy(X) else []
    return names if names and all(isinstance(name, str) for name in names) else None


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


CONTAINERS = ("default", "pandas", "polars")
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
