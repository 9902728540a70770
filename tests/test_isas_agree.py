"""Tables of random shapes, asked on every instruction set: the answers are those of plain C++, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import slimvec as sv
from mutations import SEVERAL

OTHERS = [isa for isa in sv.available_isas() if isa != "scalar"]
sizes = st.integers(1, 200)
seeds = st.integers(0, 1 << 32)


def answers(ask, *arguments):
    """Return what each instruction set answers, that of plain C++ first."""
    found = []
    for isa in ("scalar", *OTHERS):
        with sv.use_isa(isa):
            assert sv.active_isa() == isa
            found.append([np.asarray(part) for part in ask(*arguments)])
    return found


def agree(ask, *arguments):
    plain, *others = answers(ask, *arguments)
    for isa, found in zip(OTHERS, others, strict=True):
        for number, (part, expected) in enumerate(zip(found, plain, strict=True)):
            assert part.dtype == expected.dtype
            assert part.tobytes() == expected.tobytes(), f"answer {number} on {isa}"


def bags(generator, n):
    return [generator.integers(0, n, size) for size in (0, 1, 3, 40)]


def ask_index(index, codes, k, radius):
    found = index.search(codes, k=k)
    near = index.range_search(codes, radius)
    rows = np.resize(np.arange(len(index)), (len(codes), 3))
    return [*found, *near, index.pairwise(), index.distances(codes, rows)]


@SEVERAL
@given(n=sizes, n_bits=st.integers(1, 700), n_queries=st.integers(1, 9), k=sizes, seed=seeds, spread=st.booleans())
def test_codes(n, n_bits, n_queries, k, seed, spread):
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, n_bits)) - (0 if spread else 2)  # many codes alike, or none
    index, queries = sv.HammingIndex(sv.pack(rows), n_bits), sv.pack(generator.standard_normal((n_queries, n_bits)))
    agree(ask_index, index, queries, min(k, n), n_bits // 2)


def ask_binary(table, queries, keys, k):
    rows = [table.lookup(keys), table.lookup(keys, original=True), table.mean([keys, keys[:1]])]
    return [*rows, table.encode(queries), *table.search(queries, k=k), *table.search_codes(table.encode(queries), k=k)]


@SEVERAL
@given(n=st.integers(2, 150), d=st.integers(1, 70), k=sizes, seed=seeds)
def test_codes_with_factors(n, d, k, seed):
    generator = np.random.default_rng(seed)
    rows = (generator.standard_normal((n, d)) + 0.5).astype(np.float32)
    table = sv.ITQ(n_bits=d, n_iter=1).compress(rows, factors=True)
    agree(ask_binary, table, rows[:4] + 0.25, generator.integers(0, n, 9), min(k, n))


def ask_sparse(table, queries, keys, some, weights, k):
    weighed = [table.mean(some), table.mean(some, weights=weights)]
    return [table.lookup(keys), *weighed, *table.search(queries, k=k)]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int4"])
@SEVERAL
@given(n=sizes, n_anchors=st.integers(1, 600), d=st.integers(1, 70), k=sizes, seed=seeds, full=st.booleans())
def test_sparse_rows(dtype, n, n_anchors, d, k, seed, full):
    generator = np.random.default_rng(seed)
    chosen = generator.random((n, n_anchors)) < (0.9 if full else 3 / n_anchors)
    weights = csr_array(np.where(chosen, generator.standard_normal((n, n_anchors)), 0))
    table = sv.SparseTable(generator.standard_normal((n_anchors, d)), weights, dtype=dtype)
    some = bags(generator, n)
    numbers = [generator.random(len(one)).astype(np.float32) for one in some]
    queries = generator.standard_normal((3, d)).astype(np.float32)
    agree(ask_sparse, table, queries, generator.integers(0, n, 9), some, numbers, min(k, n))
