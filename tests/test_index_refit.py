"""Codes learnt anew: those of an index that is built at once of the same rows, with ids and columns as they were."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import slimvec as sv
from test_index import QUERIES, D, X, assert_same_hits

MOVED = (X[::-1] * np.linspace(0.2, 3, D, dtype=np.float32) + 2).astype(np.float32)  # unlike X


def grown(kind, refine_bits=3, partitions=None):
    """Return an index of rows of X, then of others, and the vectors of all that are left, in order."""
    name = (lambda i: f"film {i}") if kind == "texts" else (lambda i: i * 3)
    kept = [f"k{i % 5}" for i in range(400)]
    codes = {"n_bits": 30, "refine_bits": refine_bits, "partitions": partitions}
    index = sv.Index.build(X[:200], ids=list(map(name, range(200))), keep={"kind": kept[:200]}, **codes)
    index.add(MOVED[:200], ids=list(map(name, range(200, 400))), keep={"kind": kept[200:]})
    gone = range(0, 400, 7)
    index.remove(list(map(name, gone)))
    left = np.delete(np.arange(400), gone)
    return index, np.concatenate([X[:200], MOVED[:200]])[left], [kept[i] for i in left]


@pytest.mark.parametrize(("refine_bits", "partitions"), [(0, None), (3, None), (2, 6)])
@pytest.mark.parametrize("kind", ["integers", "texts"])
@pytest.mark.parametrize("saved", [False, True])
def test_it_is_an_index_built_of_these_rows(tmp_path, kind, refine_bits, partitions, saved):
    index, rows, kept = grown(kind, refine_bits, partitions)
    if saved:
        index.save(tmp_path / "a")
        index = sv.open(tmp_path / "a")
    reader = sv.open(tmp_path / "a") if saved else None
    ids, before = index.ids, copy.copy(index)
    codes = {"n_bits": 30, "refine_bits": refine_bits, "partitions": partitions}
    expected = sv.Index.build(rows, ids=ids, keep={"kind": kept}, **codes)
    old = before.search(QUERIES, 9)
    index.refit(rows, ids=ids)
    assert_same_hits(before.search(QUERIES, 9), old)  # a copy is as it was
    for number in range(3):
        assert index.ids.tolist() == ids.tolist()
        assert index.columns(ids) == {"kind": kept}
        assert_same_hits(index.search(QUERIES, 9), expected.search(QUERIES, 9))
        where = "kind = ?"
        assert_same_hits(
            index.search(QUERIES, 9, where, parameters=["k2"]), expected.search(QUERIES, 9, where, parameters=["k2"])
        )
        assert np.array_equal(index.vectors(ids), expected.vectors(ids))
        if number == 0:
            index.save(tmp_path / "a")
            index = sv.open(tmp_path / "a", verify=True)
        elif number == 1 and reader is not None:
            assert reader.refresh()
            index = reader
    index.remove(ids[:3])
    index.add(X[:4], ids=["w", "x", "y", "z"] if kind == "texts" else range(9000, 9004), keep={"kind": [None] * 4})
    index.save()
    assert sv.open(tmp_path / "a", verify=True).ids.tolist() == index.ids.tolist()
    names = [path.name.split("-")[0] for path in (tmp_path / "a").iterdir()]
    assert names.count("encoder") <= 2  # that of the save before goes with the next one


def test_rows_that_moved_are_met_better():
    index, rows, _ = grown("integers")
    before = index.vectors(index.ids)
    index.refit(rows)
    after = index.vectors(index.ids)
    assert ((after - rows) ** 2).sum() < 0.8 * ((before - rows) ** 2).sum()


def test_what_does_not_fit_is_refused_and_changes_nothing():
    index, rows, _ = grown("integers")
    ids = index.ids
    found = index.search(QUERIES, 5)
    for given, options, message in (
        (rows[1:], {}, "source has 341 rows; expected 342"),
        (rows[:, 1:], {}, "source has 23 columns; expected 24"),
        (rows, {"ids": ids[::-1]}, "ids holds 1194 in row 0; expected 3"),
        (np.where(np.arange(len(rows))[:, None] == 5, np.nan, rows), {}, "row 5 holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            index.refit(given, **options)
    with pytest.raises(TypeError, match="this index has integers as ids"):
        index.refit(rows, ids=[str(one) for one in ids])
    assert_same_hits(index.search(QUERIES, 5), found)
    assert index.info()["segments"] == 2
