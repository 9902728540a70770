"""Ids of an index at the ends of what integers hold."""

from __future__ import annotations

import pytest

import slimvec as sv
from test_index import X

MOST = 2**63 - 1


@pytest.mark.parametrize(
    "ids",
    [[MOST - 2, MOST - 1, MOST], [-MOST - 1, -MOST, -MOST + 1], [MOST, -MOST - 1], [MOST, -MOST - 1, -MOST], [MOST]],
)
def test_integers_at_the_ends_of_64_bits(tmp_path, ids):
    index = sv.Index.build(X[: len(ids)], ids=ids, n_bits=16)
    index.save(tmp_path / "a")
    index.save(tmp_path / "b", one_file=True)
    for one in (index, sv.open(tmp_path / "a"), sv.open(tmp_path / "b")):
        assert one.ids.tolist() == ids
        assert [other in one for other in (*ids, -1, 0, 2**63, -(2**63) - 1, 2**64 + ids[0])] == [
            *([True] * len(ids)),
            *([False] * 5),
        ]
        assert one.search(X[0], 1, where=[ids[0]]).ids == ids[:1]
        assert len(one.vectors(ids)) == len(ids)
        with pytest.raises(KeyError, match="ids holds 7"):
            one.vectors([*ids, 7])
        one.remove(ids[1:])
        assert one.ids.tolist() == ids[:1]


def test_numbers_end(tmp_path):
    index = sv.Index.build(X[:100], n_bits=16)
    index.add(X[:1], ids=[MOST - 1])
    with pytest.raises(ValueError, match=f"from {MOST} on there are no 2 integers"):
        index.add(X[:2])
    index.add(X[:1])
    assert index.ids[-1] == MOST
    with pytest.raises(ValueError, match="expected ids"):
        index.add(X[:1])
    index.save(tmp_path / "a")
    again = sv.open(tmp_path / "a")
    again.add(X[:1], ids=[100])
    assert again.ids[-2:].tolist() == [MOST, 100]
