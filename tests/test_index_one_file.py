"""An index in one file: what was saved is opened, changed and saved elsewhere; damage is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table
from test_index import X, assert_same_hits
from test_index_saving import assert_same

QUERIES = X[:7] + 0.1


@pytest.fixture(scope="module", params=["numbers", "integers", "texts", "columns", "lists", "nothing"])
def index(request):
    """Return an index of two segments, some rows of which were removed."""
    kind = request.param
    ids = {"integers": [7 * i for i in range(120)], "texts": [f"ß {i}" for i in range(120)]}.get(kind)
    keep = {"year": [1980 + i for i in range(100)], "name": ["a", None] * 50} if kind == "columns" else None
    codes = {"n_bits": 30, "refine_bits": 3 * (kind != "integers"), "partitions": 8 if kind == "lists" else None}
    made = sv.Index.build(X[:100], ids=ids and ids[:100], keep=keep, **codes)
    made.add(X[100:120], ids=ids and ids[100:], keep=keep and {"year": [2] * 20, "name": ["b"] * 20})
    made.remove(made.ids[3:10] if kind != "nothing" else made.ids)
    return made


@pytest.fixture
def file(index, tmp_path):
    index.save(tmp_path / "a.slim", one_file=True)
    assert len(index._state.segments) == 2  # as it was
    return tmp_path / "a.slim"


@pytest.fixture
def compacted(index):
    """Return the same rows in one segment: the last bits of products may depend on how many there are."""
    twin = copy.copy(index)
    twin.compact()
    return twin


@pytest.mark.parametrize("options", [{}, {"verify": True}, {"preload": True}])
def test_what_was_saved_is_opened(index, compacted, file, options):
    opened = sv.open(file, **options)
    assert file.is_file()
    assert_same(opened, compacted)
    assert_same_hits(opened.search(QUERIES, 9), index.search(QUERIES, 9))
    assert_same_hits(opened.range_search(QUERIES, 0.2), index.range_search(QUERIES, 0.2))
    assert opened.drift().n_added == index.drift().n_added == 20
    if index._state.columns:
        where = "year > 2050 OR name = 'b'"
        assert opened.search(QUERIES, 5, where).columns == index.search(QUERIES, 5, where).columns


def test_it_is_changed_and_saved_to_a_folder(index, file, tmp_path):
    opened, before = sv.open(file), file.read_bytes()
    if len(index):
        opened.update(X[[20]], ids=opened.ids[:1], keep=index._state.columns and {"year": [1], "name": [None]})
    with pytest.raises(FileExistsError, match=r"a\.slim is a file, which an index, a folder, does not replace"):
        opened.save()
    opened.save(tmp_path / "folder")
    assert_same(sv.open(tmp_path / "folder", verify=True), opened)
    assert file.read_bytes() == before
    with pytest.raises(IsADirectoryError):
        opened.save(tmp_path / "folder", one_file=True)
    with pytest.raises(ValueError, match="path is None; expected the name of the one file"):
        opened.save(one_file=True)


def test_a_pickle_is_the_name_of_the_file(compacted, file):
    opened = sv.open(file)
    kept = pickle.dumps(opened)
    assert len(kept) < 600
    assert_same(pickle.loads(kept), compacted)  # noqa: S301 - just written
    other = sv.Index.build(X[:50], n_bits=30)
    other.save(file, one_file=True)
    assert_same(opened, compacted)  # which has the old file
    with pytest.raises(ValueError, match="was saved to .* since the index was pickled"):
        pickle.loads(kept)  # noqa: S301
    assert opened.refresh()
    assert_same(opened, other)
    assert not opened.refresh()
    opened.remove(3)
    with pytest.raises(ValueError, match="changes that were not saved"):
        opened.refresh()
    assert opened.refresh(discard=True)
    assert_same(opened, other)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        opened.refresh()


def test_the_command_line_describes_it(file, capsys):
    assert main(["info", "--verify", str(file)]) == 0
    assert "index, TransformCoding" in capsys.readouterr().out
    assert main(["neighbors", str(file), "3"]) == 2
    assert "is an index of vectors; neighbors needs a table" in capsys.readouterr().err


def test_any_flipped_bit_is_found_or_changes_nothing(compacted, file):
    whole, refused = np.frombuffer(file.read_bytes(), np.uint8), 0
    for place in np.random.default_rng(0).integers(0, 8 * len(whole), 150):
        bits = whole.copy()
        bits[place // 8] ^= 1 << place % 8
        file.write_bytes(bits.tobytes())
        try:
            opened = sv.open(file, verify=True)
        except sv.FormatError as error:
            refused += str(file) in str(error)
        else:
            assert_same(opened, compacted)
    assert refused > 140


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"ids": "words"}, "its facts are"),
        ({"skipped": -1}, "its facts are"),
        ({"next_number": "7"}, "its facts are"),
        ({"columns": "[[1]]"}, "its columns are"),
        ({"columns": '[["year", "integers"]]'}, "its columns are None; expected year"),
        ({"added": {"rows": 1}}, "its sums are"),
        ({"added": {"rows": 1, "energy": 1.0, "lost": 0.0, "mean": ""}}, "its sums are of 0 numbers, rows of "),
        ({"fitted": {"rows": 0, "energy": 1.0, "lost": 0.0, "mean": ""}}, "its sums are not of rows"),
        (None, "it holds a table of kind 'index'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, facts, message):
    sv.Index.build(X[:100], n_bits=30).save(tmp_path / "a.slim", one_file=True)
    content = read_content(tmp_path / "a.slim")
    about = None if facts is None else content.facts["index"] | facts
    tensors = {name: tensor.copy() for name, tensor in content.tensors.items()}
    said = {name: fact for name, fact in content.facts.items() if name not in {"checksum", "crc32"}}
    save_table(tmp_path / "b.slim", said | {"index": about}, tensors)
    with pytest.raises(sv.FormatError, match=message):
        sv.open(tmp_path / "b.slim")


def test_other_tables_are_none(tmp_path):
    """A table of another method that says that it is an index."""
    facts, tensors = sv.IIQ(16).compress(X[:100])._parts.to_content()
    about = {"ids": "integers", "next_number": 100, "skipped": 0}
    save_table(tmp_path / "b.slim", facts | {"kind": "index", "index": about, "first_id": 0}, tensors)
    with pytest.raises(sv.FormatError, match="no encoder of an index"):
        sv.open(tmp_path / "b.slim")
