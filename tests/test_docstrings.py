"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import slimvec

MODULES = [module.name for module in pkgutil.walk_packages(slimvec.__path__, "slimvec.")]
MODULES = ["slimvec", *(name for name in MODULES if name not in {"slimvec.__main__", "slimvec._core"})]
NEEDS = {
    "slimvec.nn": "torch",
    "slimvec.dask": "dask",
    "slimvec.evaluate.categorization": "sklearn",
    "slimvec.evaluate.sentences": "sklearn",
    "slimvec.static": "model2vec",
    "slimvec.integrations.neighbors": "sklearn",
    "slimvec.integrations.vector_store": "langchain_core",
}
MISSING = tuple(name for name, extra in NEEDS.items() if importlib.util.find_spec(extra) is None)
MODULES = [name for name in MODULES if not name.startswith(MISSING)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), verbose=False)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 15
