"""The parameter interface of scikit-learn's estimators, without depending on scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any, Self


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
