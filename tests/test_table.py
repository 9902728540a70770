"""BinaryTable: lookup, means, search, neighbours, encoding, sizes."""

from __future__ import annotations

import contextlib
import difflib

import numpy as np
import pytest

import slimvec as sv
from conftest import random_codes


@pytest.fixture(scope="module")
def plain():
    """Codes without words or encoder."""
    return sv.BinaryTable(random_codes(30, 40), 40)


class TestRows:
    def test_lookup_mixes_words_and_rows(self, table, isa):
        rows = table.lookup(["boat3", 0, np.int32(5)])
        assert rows.dtype == np.float32
        assert np.array_equal(rows, sv.unpack(table.codes([23, 0, 5]), 75))
        assert np.array_equal(table["cat5"], rows[2])
        assert np.array_equal(table[0], rows[1])

    def test_lookup_by_integer_array(self, table):
        ids = np.array([3, 3, 39], np.uint16)
        assert np.array_equal(table.lookup(ids), table.lookup([3, 3, 39]))
        assert table.lookup([]).shape == (0, 75)

    def test_mean(self, table, isa):
        bags = [["cat1", "cat2", "unknown", 7], ["unknown"], [], ["boat1", "boat1"]]
        means = table.mean(bags)
        assert np.array_equal(means[0], table.lookup(["cat1", "cat2", 7]).mean(axis=0, dtype=np.float64).astype("f"))
        assert not means[1:3].any()
        assert np.array_equal(means[3], table["boat1"])
        assert table.mean([]).shape == (0, 75)
        assert np.array_equal(table.mean([np.array([1, 2])]), table.mean([[1, 2]]))

    @pytest.mark.parametrize("scale", [1e-320, 1e-45, 1e-30, 1e30, 1e38, 1e300])
    def test_weights_of_any_size(self, table, scale):
        ordinary = table.mean([["cat1", "boat2", 7], ["boat1"]], weights=[[1, 2, 3], [4]])
        weights = [[w * scale for w in some] for some in ([1, 2, 3], [4])]
        assert np.allclose(table.mean([["cat1", "boat2", 7], ["boat1"]], weights), ordinary, atol=1e-3)

    def test_words_in_numpy_arrays(self, table):
        assert np.array_equal(table.lookup(np.array(["cat1", "cat2"])), table.lookup([1, 2]))
        assert np.array_equal(table.mean([np.array(["cat1", "nope"])]), table.lookup([1]))
        named = sv.BinaryTable(table.codes(), 75, words=np.array(table.words))
        assert type(named.most_similar(0, k=1)[0][0]) is str

    def test_iteration_gives_the_keys(self, table, plain, animals):
        assert list(table) == list(table.words) == list(animals)
        assert list(plain) == list(range(30))

    def test_words(self, table, plain):
        assert len(table) == 40
        assert "cat3" in table
        assert "cow" not in table
        assert 3 not in table
        assert table.words[:2] == ("cat0", "cat1")
        assert plain.words is None
        assert "cat3" not in plain

    def test_encode_repeats_the_codes(self, table, animals):
        assert np.array_equal(table.encode(animals), table.codes())
        assert np.array_equal(table.encode(animals.matrix[3:5]), table.codes(["cat3", "cat4"]))

    def test_repr(self, table, plain):
        assert repr(table) == "<slimvec.BinaryTable: 40 codes of 75 bits, with words>"
        assert repr(plain) == "<slimvec.BinaryTable: 30 codes of 40 bits>"


class TestSearch:
    def test_codes_and_floats(self, table, animals, isa):
        lengths = np.linalg.norm(animals.matrix, axis=1, keepdims=True)
        by_code = table.search_codes(table.encode(animals.matrix * (table.info()["norm"] / lengths)), k=5)
        by_float = table.search(animals.matrix, k=5)
        assert np.array_equal(by_code.indices, by_float.indices)
        assert np.array_equal(by_float.scores, (1 - 2 * by_code.distances / 75).astype(np.float32))
        assert by_float.scores.dtype == np.float32
        assert np.array_equal(table.search(animals, k=5).indices, by_code.indices)

    def test_mask(self, table, animals):
        boats = np.arange(40) >= 20
        found = table.search(animals.matrix[:3], k=20, mask=boats)
        assert (found.indices >= 20).all()
        assert np.array_equal(
            table.search_codes(table.codes([0, 1, 2]), k=20, mask=range(20, 40)).indices, found.indices
        )

    def test_a_mask_that_allows_fewer(self, table, animals):
        asked, codes = animals.matrix[:3], table.codes([0, 1, 2])
        for mask in (
            [25, 3],
            np.isin(np.arange(40), [3, 25]),
            ["boat5", "cat3"],
            ["boat5", 3],
            np.array(["boat5", "cat3"]),
        ):
            for found in (table.search(asked, mask=mask), table.search_codes(codes, mask=mask)):
                assert found.indices.tolist() == [[3, 25]] * 3
                assert found[0].shape == (3, 2)
        for mask in ([], np.zeros(40, bool), np.array([], np.int64)):
            for found in (table.search(asked, mask=mask), table.search_codes(codes, mask=mask)):
                assert found.indices.shape == found[0].shape == (3, 0)

    @pytest.mark.parametrize(
        ("mask", "error", "message"),
        [
            (["cat3", "cow"], KeyError, "unknown word 'cow'"),
            ("cat3", TypeError, "mask='cat3' is a string"),
            (["cat3", 40], IndexError, "row 40 is outside"),
            (["cat3", 1.5], TypeError, "mask holds 1.5"),
            ([b"cat3"], TypeError, "mask holds"),
            ([True] * 39, ValueError, r"expected \(40,\), one bool per row"),
        ],
    )
    def test_masks_that_are_none(self, table, animals, mask, error, message):
        with pytest.raises(error, match=message):
            table.search(animals.matrix[:1], mask=mask)
        with pytest.raises(error, match=message):
            table.search_codes(table.codes([0]), mask=mask)

    def test_most_similar_to_a_word(self, table, isa):
        neighbours = table.most_similar("cat0", k=19)
        assert {word[:3] for word, _ in neighbours} == {"cat"}
        assert "cat0" not in dict(neighbours)
        distance = int(np.bitwise_count(table.codes(["cat0"]) ^ table.codes([neighbours[0][0]])).sum())
        assert neighbours[0][1] == pytest.approx(1 - 2 * distance / 75)
        similarities = [similarity for _, similarity in neighbours]
        assert similarities == sorted(similarities, reverse=True)

    @pytest.mark.parametrize("k", [1, 10, 39])
    def test_one_word_is_answered_by_a_search_as_by_all_cosines(self, table, k):
        rows = table.lookup(np.arange(40))
        for row in range(40):
            cosines = rows @ rows[row] / 75
            order = [int(i) for i in np.lexsort((np.arange(40), -cosines)) if i != row][:k]
            assert table.most_similar(row, k) == [(table.words[i], pytest.approx(cosines[i])) for i in order]

    def test_most_similar_to_several_words(self, table):
        neighbours = dict(table.most_similar(["cat0", "boat0"], k=38))
        assert not {"cat0", "boat0"} & neighbours.keys()
        rows = table.lookup(np.arange(40))
        query = rows[0] + rows[20]
        cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        for word, similarity in neighbours.items():
            assert similarity == pytest.approx(cosines[table.words.index(word)], abs=1e-6)

    def test_most_similar_without_some_words(self, table):
        """king - man + woman: negative words count the other way, and are left out as all that are asked for."""
        found = table.most_similar(positive=["cat0", "boat1"], negative=["cat5"], k=37)
        assert len(found) == 37
        assert not {"cat0", "boat1", "cat5"} & dict(found).keys()
        rows = table.lookup(np.arange(40)).astype(np.float64)
        query = rows[0] + rows[21] - rows[5]
        cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        for word, similarity in found:
            assert similarity == pytest.approx(cosines[table.words.index(word)], abs=1e-9)
        assert table.most_similar(["cat0", "boat1"], negative=["cat5"], k=37) == found
        assert table.most_similar("cat0", positive=["boat1"], k=5) == table.most_similar(["cat0", "boat1"], k=5)
        assert table.most_similar("cat0", negative=["cat0"], k=1)[0][1] == 0  # nothing is left to be similar to
        with pytest.raises(ValueError, match="query is a vector; expected words"):
            table.most_similar(np.zeros(40), negative=["cat0"])
        with pytest.raises(KeyError, match="unknown word 'catt5'"):
            table.most_similar("cat0", negative=["catt5"])
        with pytest.raises(ValueError, match="query is empty"):
            table.most_similar()

    def test_a_larger_k_gives_what_there_is(self, table, animals):
        assert len(table.most_similar("cat0", k=100)) == 39
        assert table.most_similar(list(table), k=3) == []
        assert table.search(animals.matrix[:2], k=100).indices.shape == (2, 40)
        assert table.search_codes(table.codes([0]), k=100).distances.shape == (1, 40)
        assert len(sv.BinaryTable(sv.pack([[1, 1]] * 3), 2).most_similar(0)) == 2

    def test_numbers_of_uint8_are_vectors(self, isa):
        """uint8 vectors are searched as numbers, but for what has the shape of codes and not of vectors."""
        X = np.random.default_rng(0).integers(0, 256, (200, 16)).astype(np.uint8)
        table = sv.IIQ(n_bits=16, n_remove=0).compress(X)
        found = table.search(X[:5], k=3)
        assert np.array_equal(found.indices, table.search(X[:5].astype(float), k=3).indices)
        assert np.array_equal(found.scores, table.search(X[:5].astype(np.float32), k=3).scores)
        assert table.most_similar(X[3].astype(np.float32), k=1)[0][0] == 3
        with pytest.warns(FutureWarning, match=r"search packed codes by table\.search_codes") as caught:
            found = table.search(table.codes([0]), k=3, mask=[0, 4, 7])
        assert caught[0].filename == __file__
        assert [*map(list, found.distances)] == table.search_codes(table.codes([0]), k=3, mask=[0, 4, 7])[0].tolist()
        with pytest.raises(ValueError, match="2 columns of uint8, as packed codes; search them by search_codes"):
            table.search(table.codes([0]), metric="dot")

    def test_bytes_that_may_be_two_things_are_refused(self):
        X = np.random.default_rng(0).integers(0, 256, (200, 16)).astype(np.uint8)
        table = sv.ITQ(128, n_iter=2).compress(X)  # its packed codes are as wide as its vectors
        with pytest.raises(ValueError, match=r"by search_codes; vectors of integers .* queries\.astype\(np\.float32\)"):
            table.search(X[:5])
        assert table.search(X[:5].astype(np.float32), k=1).indices[:, 0].tolist() == [0, 1, 2, 3, 4]
        for integer in (np.uint8, np.int8):
            with pytest.raises(ValueError, match=r"query is an array of 16 u?int8, .*; expected query\.astype"):
                table.most_similar(np.arange(16, dtype=integer))
        assert len(table.most_similar(np.arange(16), k=3)) == 3  # wide integers are row numbers
        assert len(table.most_similar(np.arange(15, dtype=np.uint8), k=3)) == 3

    def test_distances_of_scores(self, table, animals):
        found = table.search(animals.matrix[:3], k=5)
        assert np.array_equal(found.distances, 1 - found.scores)
        assert (np.diff(found.distances, axis=1) >= 0).all()
        scores, rows = found  # still a pair
        assert scores is found.scores
        assert rows is found.indices

    def test_most_similar_to_a_vector(self, table, animals):
        """Brought to the norm of the table, which the row was not made at: another bit or two may differ."""
        word, similarity = table.most_similar(animals["boat7"], k=1)[0]
        assert word == "boat7"
        assert 0.9 < similarity <= 1
        for multiple in (0.001, 1000):
            assert table.most_similar(multiple * animals["boat7"], k=40) == table.most_similar(animals["boat7"], k=40)

    def test_ties_are_broken_by_row(self):
        codes = np.array([[1], [3], [0], [3], [1]], np.uint8)
        table = sv.BinaryTable(codes, 8)
        assert [row for row, _ in table.most_similar(0, k=4)] == [4, 1, 2, 3]
        assert [row for row, _ in table.most_similar(0, k=2)] == [4, 1]

    def test_opposite_words_have_no_direction(self):
        table = sv.BinaryTable(sv.pack([[1, 1], [-1, -1], [1, -1]]), 2)
        assert table.most_similar([0, 1], k=1) == [(2, 0.0)]


class TestSizes:
    def test_info(self, table):
        info = table.info()
        assert (info["rows"], info["bits"], info["dimension"]) == (40, 75, 40)
        assert info["bytes"]["codes"] == 3 * 3 * 16 * 4
        assert info["bytes"]["encoder"] == 4 * (40 + 40 * 75)
        assert info["bytes"]["words"] == len("".join(table.words)) + 8 * 41 + 4 * (40 + 13 + 1)
        assert info["compression_ratio"] == table.compression_ratio == 32 * 40 / 75
        assert info["made_by"]["method"] == "IIQ"
        assert info["made_by"]["parameters"]["n_bits"] == 75

    def test_without_an_encoder_the_ratio_is_unknown(self, plain):
        assert plain.compression_ratio is None
        assert plain.info()["stored_ratio"] is None


class TestBadInput:
    def test_unknown_word(self, table, plain):
        with pytest.raises(KeyError, match=r"unknown word 'boatt3'; near spellings: 'boat3'"):
            table.lookup(["boatt3"])
        with pytest.raises(KeyError, match="unknown word 'qqqqqq'$"):
            table.most_similar("qqqqqq")
        with pytest.raises(KeyError, match="has no words, only row numbers 0 ... 29"):
            plain.lookup(["cat"])

    @pytest.mark.parametrize("row", [40, -1, 2**70])
    def test_row_outside(self, table, row):
        with pytest.raises(IndexError, match=f"row {row} is outside the table's rows 0 ... 39"):
            table.lookup([row])

    def test_row_outside_in_an_array(self, table):
        with pytest.raises(IndexError, match="row 40 is outside"):
            table.lookup(np.array([1, 40]))
        with pytest.raises(IndexError, match="row -1 is outside"):
            table.mean([[-1]])

    def test_huge_unsigned_row(self, table):
        with pytest.raises(IndexError, match="row 18446744073709551615 is outside"):
            table.lookup(np.array([2**64 - 1], np.uint64))

    def test_row_of_an_empty_table(self):
        with pytest.raises(IndexError, match="row 0 is outside the table, which is empty"):
            sv.BinaryTable(np.empty((0, 1), np.uint8), 8).lookup([0])

    def test_keys_that_are_no_lists(self, table):
        for keys in (0, None, b"ab", bytearray(b"ab")):
            with pytest.raises(TypeError, match="keys=.*expected a list of words or row numbers"):
                table.lookup(keys)
            with pytest.raises(TypeError, match=r"bags\[1\]=.*expected a list of words or row numbers"):
                table.mean([["cat1"], keys])

    def test_keys_of_a_wrong_type(self, table):
        with pytest.raises(TypeError, match=r"keys='cat1' is a string; expected a list.*\['cat1'\]"):
            table.lookup("cat1")
        with pytest.raises(TypeError, match=r"keys holds 1\.5 of type float"):
            table.lookup([1.5])
        with pytest.raises(TypeError, match="keys holds True of type bool"):
            table.lookup([True])
        with pytest.raises(TypeError, match=r"bags\[0\]='a good film' is a string.*\['a', 'good', 'film'\]"):
            table.mean(["a good film"])
        with pytest.raises(TypeError, match="bags='a film' is a string"):
            table.mean("a film")

    @pytest.mark.parametrize("k", [0, -1])
    def test_k(self, table, k):
        for call in (table.most_similar, table.search, table.search_codes):
            query = {"most_similar": "cat0", "search": np.zeros((1, 40)), "search_codes": table.codes()}[call.__name__]
            with pytest.raises(ValueError, match=f"k={k}; expected at least 1"):
                call(query, k=k)

    def test_queries(self, table, plain):
        with pytest.raises(ValueError, match="queries has 41 columns; expected 40"):
            table.search(np.zeros((1, 41)))
        with pytest.raises(ValueError, match="queries holds NaN or infinity in row 0"):
            table.search(np.full((1, 40), np.nan))
        with pytest.raises(ValueError, match="queries: this table has no encoder"):
            plain.search(np.zeros((1, 40)))
        with pytest.raises(ValueError, match=r"codes has shape \(1, 5\); expected \(n, 10\)"):
            table.search_codes(np.zeros((1, 5), np.uint8))
        with pytest.raises(TypeError, match="codes is a masked array"):
            table.search_codes(np.ma.masked_array(table.codes()), k=1)
        with pytest.raises(ValueError, match="query is empty"):
            table.most_similar([])
        with pytest.raises(ValueError, match="expected one vector"):
            table.most_similar(np.zeros((2, 40)))

    def test_construction(self):
        codes = random_codes(3, 12)
        with pytest.raises(ValueError, match="words has 2 words; expected 3, one each"):
            sv.BinaryTable(codes, 12, words=["a", "b"])
        with pytest.raises(ValueError, match="words holds 'a' twice"):
            sv.BinaryTable(codes, 12, words=["a", "b", "a"])
        with pytest.raises(ValueError, match="words holds a character that UTF-8 cannot write"):
            sv.BinaryTable(codes, 12, words=["a", "\ud800", "c"])
        with pytest.raises(TypeError, match="codes is a masked array"):
            sv.BinaryTable(np.ma.masked_array(codes), 12)
        with pytest.raises(TypeError, match=r"words\[1\] is int 2; expected str"):
            sv.BinaryTable(codes, 12, words=["a", 2, "c"])
        with pytest.raises(ValueError, match="expected both or neither"):
            sv.BinaryTable(codes, 12, mean=np.zeros(4))
        with pytest.raises(ValueError, match=r"projection \(4, 11\); expected \(d,\) and \(d, 12\)"):
            sv.BinaryTable(codes, 12, mean=np.zeros(4), projection=np.zeros((4, 11)))
        with pytest.raises(TypeError, match="codes has dtype int64"):
            sv.BinaryTable(codes.astype(int), 12)
        with pytest.raises(ValueError, match="n_bits=0"):
            sv.BinaryTable(codes, 0)


def test_spelling_help_costs_nothing_until_it_is_read(monkeypatch):
    """A loop that catches KeyError for thousands of unknown words must not search for spellings each time."""
    words = [f"word{i}" for i in range(300_000)]
    table = sv.BinaryTable(np.zeros((300_000, 1), np.uint8), 8, words=words)
    with pytest.raises(KeyError) as caught:
        table.lookup(["wword1"])
    assert "near spellings: 'word" in str(caught.value)
    monkeypatch.setattr(difflib, "get_close_matches", None)
    for _ in range(10_000):
        with contextlib.suppress(KeyError):
            table.lookup(["wword1"])
