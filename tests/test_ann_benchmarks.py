"""The adapter for ann-benchmarks: loaded, asked and judged as that project's runner does, on files of its form."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks" / "ann_benchmarks" / "slimvec"


class BaseANN:
    """What theirs has that a runner calls."""

    def done(self):
        pass

    def get_additional(self):
        return {}

    def __str__(self):
        return self.name


@pytest.fixture(scope="module")
def module():
    base = ModuleType("ann_benchmarks.algorithms.base.module")
    base.BaseANN = BaseANN
    parents = ["ann_benchmarks", "ann_benchmarks.algorithms", "ann_benchmarks.algorithms.base"]
    with pytest.MonkeyPatch.context() as patch:
        for name in parents:
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setitem(sys.modules, base.__name__, base)
        spec = importlib.util.spec_from_file_location("adapter", FOLDER / "module.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    return loaded


def definitions(point_type, metric):
    """Yield (constructor, arguments, groups of query arguments), as their definitions.py reads a config.yml."""
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((FOLDER / "config.yml").read_text())
    for algorithm in config[point_type][metric]:
        assert {"docker_tag", "module", "constructor", "name", "disabled"} <= algorithm.keys()
        assert algorithm["module"] == "ann_benchmarks.algorithms.slimvec"
        assert algorithm["base_args"] == ["@metric"]
        for group in algorithm["run_groups"].values():
            queries = [tuple(one) for one in itertools.product(*group["query_args"])] if "query_args" in group else []
            for arguments in itertools.product(*group["args"]):
                yield algorithm["constructor"], [metric, *arguments], queries


def run(algorithm, train, test, query_groups, count, *, batch):
    """Return recall for each group, with the checks of their runner.py."""
    algorithm.fit(train)
    assert not query_groups or hasattr(algorithm, "set_query_arguments")
    found = {}
    for arguments in query_groups or [()]:
        if arguments:
            algorithm.set_query_arguments(*arguments)
        if batch:
            algorithm.batch_query(test, count)
            results = list(algorithm.get_batch_results())
        else:
            results = [algorithm.query(v, count) for v in test]
        for rows in results:
            assert len(rows) == len(set(rows)) <= count
            assert all(0 <= int(row) < len(train) for row in rows)
        assert str(algorithm)
        assert algorithm.get_additional()["bytes_per_row"] > 0
        found[arguments] = results
    algorithm.done()
    return found


def kept(path, train, test, distance, point_type):
    """Write and read a file as their datasets.py does, where h5py is there to do it."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.attrs.update(type="dense", distance=distance, dimension=train.shape[1], point_type=point_type)
        file.create_dataset("train", data=train)
        file.create_dataset("test", data=test)
    with h5py.File(path, "r") as file:
        assert file.attrs["distance"] == distance
        return np.array(file["train"]), np.array(file["test"])


def vectors():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((40, 24))[np.arange(1_520) % 40] + 0.8 * generator.standard_normal((1_520, 24))
    X *= generator.uniform(0.5, 2, (1_520, 1))  # angular sets are not all of unit length
    return X[20:].astype(np.float32), X[:20].astype(np.float32)


def bits():
    X = np.random.default_rng(1).standard_normal((520, 70)) > 0
    return X[20:], X[:20]


def share(found, true):
    return np.mean([np.isin(rows, right).mean() for rows, right in zip(found, true, strict=True)])


@pytest.mark.parametrize("batch", [False, True])
def test_cosines(module, batch):
    train, test = vectors()
    cosines = (test @ train.T) / np.linalg.norm(train, axis=1)
    true = np.argsort(-cosines, axis=1)[:, :10]
    for refined, originals, least in ((4, False, 0.9), (0, True, 0.95)):
        algorithm = module.SlimvecCodes("angular", 1, refined, originals)
        found = run(algorithm, train, test, [(1,), (1_000_000,)], 10, batch=batch)
        few, all_lists = (share(rows, true) for rows in found.values())
        assert all_lists > least
        assert few <= all_lists


@pytest.mark.parametrize("batch", [False, True])
def test_bits(module, batch):
    train, test = bits()
    true = np.sort((train[None] != test[:, None]).sum(axis=2), axis=1)[:, :10]
    (found,) = run(module.SlimvecHamming("hamming"), train, test, [], 10, batch=batch).values()
    distances = [(train[rows] != v).sum(axis=1) for v, rows in zip(test, found, strict=True)]
    assert np.array_equal(distances, true)


def test_what_is_not_answered_is_refused(module):
    with pytest.raises(NotImplementedError, match="euclidean"):
        module.SlimvecCodes("euclidean", 1, 4, False)
    with pytest.raises(NotImplementedError, match="jaccard"):
        module.SlimvecHamming("jaccard")


def test_everything_that_the_settings_define(module, tmp_path):
    """On files of HDF5, if h5py is installed."""
    sets = {("float", "angular"): vectors(), ("bit", "hamming"): bits()}
    for (point_type, metric), made in sets.items():
        train, test = kept(tmp_path / f"{metric}.hdf5", *made, metric, point_type)
        asked = list(definitions(point_type, metric))
        assert asked
        for constructor, arguments, query_groups in asked:
            algorithm = getattr(module, constructor)(*arguments)
            assert len(run(algorithm, train, test, query_groups, 10, batch=True)) == max(len(query_groups), 1)
