"""Table files damaged at random: refused by FormatError, or opened, and then answering with rows that there are.

Longer: ``pytest tests/test_damaged_tables.py --hypothesis-profile=long``.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from mutations import SEVERAL, damaged_tensors

DATA = Path(__file__).parent / "data"
# The rows of a saved index are no tables: see test_damaged_indexes.py.
SAMPLES = {path.stem: path.read_bytes() for path in sorted(DATA.rglob("*.slim")) if not path.stem.startswith("rows-")}
MAX_SECONDS = 5  # of the processor: what takes longer hangs


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "table.slim"


def opened(path, **options):
    """Return the table of a file, or None if it is refused."""
    start = time.process_time()
    try:
        return sv.open(path, **options)
    except sv.FormatError as error:
        assert str(path) in str(error)  # noqa: PT017
        return None
    finally:
        assert time.process_time() - start < MAX_SECONDS


def sampled_rows(table):
    return sorted({0, 1, len(table) // 2, len(table) - 1} & set(range(len(table))))


def ask_words(table, row):
    word = list(table)[row] if len(table) < 1000 else row
    if isinstance(word, str) and word not in table:  # its letters were damaged, and their hash leads elsewhere
        with pytest.raises(KeyError, match="unknown word"):
            table.lookup([word])
        return
    table.lookup([word])
    table.most_similar(word, k=2)


def ask_rows(table, row):
    vectors = table.lookup(np.array([row, row]))
    assert np.array_equal(vectors[0], vectors[1], equal_nan=True)
    assert np.array_equal(table.mean([[row]])[0], vectors[0], equal_nan=True)
    table.info()
    table.search(np.nan_to_num(vectors, posinf=1, neginf=-1), k=3)


def ask_ids(index):
    query = np.ones(index.dim, np.float32)
    assert len(index.search(query, 3, where=lambda ids: np.ones(len(ids), bool)).ids) <= 3
    index.add(query[None], ids=["new"], keep={name: [None] for name in index._state.columns})
    assert "new" in index
    index.remove("new")


def ask_columns(index):
    index.search(np.ones(index.dim, np.float32), 3, where="year > 2000 OR sold").columns  # noqa: B018


@pytest.mark.parametrize("name", SAMPLES)
@SEVERAL
@given(data=st.data(), preload=st.booleans())
def test_a_damaged_table_is_refused_or_used(path, name, data, preload):
    path.write_bytes(data.draw(damaged_tensors(SAMPLES[name])))
    table = opened(path, preload=preload)
    if isinstance(table, sv.Index):
        for ask in (ask_ids, ask_columns):
            with contextlib.suppress(ValueError):
                ask(table)
    if not isinstance(table, (sv.BinaryTable, sv.SparseTable)):
        return
    for row in sampled_rows(table):
        for ask in (ask_words, ask_rows):
            with contextlib.suppress(ValueError):  # FormatError is one: tensors are looked at when they are used
                ask(table, row)


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"columns"}))  # an index: test_index_one_file.py
@SEVERAL
@given(data=st.data())
def test_what_is_verified_is_what_was_saved(path, name, data):
    """Whatever was done to the tensors, they are as they were saved, or the file is refused."""
    raw = SAMPLES[name]
    path.write_bytes(raw)
    saved = sv.open(path, verify=True).to_content()[1]
    start = 8 + int.from_bytes(raw[:8], "little")
    at = data.draw(st.integers(start, len(raw) - 1))
    put = data.draw(st.binary(min_size=1, max_size=8))
    path.write_bytes((raw[:at] + put + raw[at + len(put) :])[: len(raw)])
    table = opened(path, verify=True)
    if table is not None:  # what fills the gaps between tensors is nobody's
        found = table.to_content()[1]
        assert all(np.array_equal(found[part], saved[part]) for part in saved)
