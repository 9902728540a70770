"""Tables in C and in Python: of whatever file, both refuse it, or both open it and answer alike.

The C library is the one of ``cmake --preset default``. Longer: ``--hypothesis-profile=long``.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from in_c import LIBRARY, METRICS, InC, close, compare_vectors, in_python, load
from mutations import SEVERAL, damaged_tensors
from slimvec.files.table_writer import save_table

DATA = Path(__file__).parent / "data"
REFUSED = {"index1", "index2", "index3"}  # folders of what C does not open
SAMPLES = {path.stem: path.read_bytes() for path in sorted(DATA.rglob("*.slim")) if REFUSED.isdisjoint(path.parts)}
KINDS = (sv.BinaryTable, sv.SparseTable)  # what C opens

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="the C library is not built: cmake --preset default")


@pytest.fixture(scope="module")
def library():
    return load()


def same(first, second):
    return (first is None) == (second is None) and (
        first is None or np.array_equal(np.asarray(first), np.asarray(second), equal_nan=True)
    )


def compare(c, table):
    assert c.n == len(table)
    empty = in_python(table.lookup, [])  # None where it is not known which rows are in lists
    assert empty is None or c.dim == empty.shape[1]
    assert c.bits == getattr(table, "n_bits", 0)
    known = isinstance(table, sv.SparseTable) or table._parts.encoder is not None
    assert c.original_dim == (table.dim if known else -1)
    of_signs = getattr(table, "has_distances", True)
    in_lists = isinstance(table, sv.BinaryTable) and table._parts.partition is not None
    assert c.n_lists == (table._parts.partition.n_lists if in_lists else 0)
    for row in sorted({0, 1, c.n // 2, c.n - 1} & set(range(c.n))):
        if table._parts.words is not None:
            compare_words(c, table, row)
        rows = np.array([row, c.n - 1])
        # Of rows in lists, what their centroids add is a sum.
        assert (close if in_lists else same)(c.lookup(rows), in_python(table.lookup, rows))
        assert (same if of_signs else close)(c.mean(rows), in_python(table.mean, [rows]))
        if c.n > 1 and of_signs:
            compare_nearest(c, table, row, min(3, c.n - 1))
    assert c.lookup([c.n]) is None
    assert c.lookup_original([c.n]) is None
    assert c.nearest(c.n, 1) is None


def compare_words(c, table, row):
    word = in_python(table._name, row)
    assert c.word(row) == (None if word is None else word.encode())
    if word is not None:
        found = in_python(table._rows, [word], "word")
        assert c.find(word.encode()) == (-1 if found is None else found[0])


def compare_nearest(c, table, row, k):
    in_c, here = c.nearest(row, k), in_python(table._nearest_to_rows, np.array([row]), np.ones(1), k)
    assert (in_c is None) == (here is None)
    if here is not None:
        assert same(in_c[0], here[0])
        assert np.allclose(in_c[1], here[1], rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("both") / "table.slim"


def both(library, path):
    """Open a file in C and in Python: a pair of tables, or of None and None.

    Where a file has no hash table of its words, C makes one, and sees all of them; Python looks at words when asked.
    """
    table = in_python(sv.open, path)
    if not isinstance(table, KINDS):
        table = None
    try:
        return InC(library, path), table
    except ValueError as error:
        if table is not None and in_python(lambda: [list(words) for words in table._parts.vocabularies]) is None:
            return None, None
        return str(error) if table is not None else None, table


@pytest.mark.parametrize("name", SAMPLES)
def test_good_tables(library, path, name):
    path.write_bytes(SAMPLES[name])
    c, table = both(library, path)
    if table is not None:
        compare(c, table)
        if c.original_dim > 0:
            queries = np.random.default_rng(0).standard_normal((7, c.original_dim)).astype(np.float32)
            compare_vectors(c, table, queries)
        c.close()


@pytest.mark.parametrize("name", SAMPLES)
@SEVERAL
@given(data=st.data())
def test_damaged_tables(library, path, name, data):
    path.write_bytes(data.draw(damaged_tensors(SAMPLES[name])))
    c, table = both(library, path)
    assert (c is None) == (table is None), c
    if table is not None:
        compare(c, table)
        compare_refusals(c, table)
        c.close()


def compare_refusals(c, table):
    """Both answer vectors of small numbers, if with other roundings of what is damaged, or neither does."""
    if not 0 < c.original_dim < 1000:
        return
    queries = np.arange(3.0 * c.original_dim).reshape(3, -1) % 7 - 3
    for metric, probes in itertools.product(METRICS, (None, 1) if c.n_lists else (None,)):
        how = {"metric": metric} if probes is None else {"metric": metric, "probes": probes}
        here = in_python(partial(table.search, queries, 3, **how))
        in_c = c.search(queries, 3, **how)
        assert (in_c is None) == (here is None)
        assert here is None or here.indices.shape == in_c[0].shape


@pytest.mark.parametrize("norm", [0.0, -1.0, "6", None, 6])
def test_a_norm_that_is_none_is_refused_by_both(library, path, norm):
    table = sv.IIQ(8, 0, n_iter=2).compress(np.random.default_rng(0).standard_normal((40, 12)))
    facts, tensors = table.to_content()
    save_table(path, facts, tensors)
    InC(library, path).close()
    save_table(path, {**facts, "norm": norm}, tensors)
    with pytest.raises(sv.FormatError):
        sv.open(path)
    with pytest.raises(ValueError, match="norm"):
        InC(library, path)
