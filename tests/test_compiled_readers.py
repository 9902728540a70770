"""The compiled readers and the hash table of words against their twins: good lines, broken ones, damaged tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import slimvec as sv
from slimvec import _core, reference
from slimvec.vocabulary import NO_ROW, Vocabulary, VocabularyBuilder, make_slots, slot_count

NUMBERS = [
    "0",
    "-0.0",
    "1",
    "+2.5",
    "-3.25e-3",
    "1E5",
    "0.1",
    "123456789.123456789",
    "3.4e38",
    "1e-46",
    ".5",
    "7.",
    "1e22",
]
BROKEN = ["", "x", "nan", "inf", "-inf", "1e39", "0x10", "1_0", "1,5", "--1", "+-1", "1e", ".", "1.2.3", "1f", "\u0661"]
WORDS = ["cat", "new york", "größe", "\u00a0", "1.5", "-", "日本", "a\x0bb"]


def as_bytes(text):
    return np.frombuffer(text if isinstance(text, bytes) else text.encode(), np.uint8)


def check_lines(text, dim, max_rows, threads=(1, 3)):
    expected_rows = np.zeros((max_rows, dim), np.float32)
    expected = reference.parse_lines(as_bytes(text), dim, expected_rows)
    for n_threads in threads:
        rows = np.zeros((max_rows, dim), np.float32)
        n, consumed, words, offsets = _core.parse_lines(as_bytes(text), dim, rows, n_threads)
        assert (n, consumed) == expected[:2]
        assert np.array_equal(words, expected[2])
        assert np.array_equal(offsets, expected[3])
        assert np.array_equal(rows[:n].view(np.uint32), expected_rows[:n].view(np.uint32))
    return expected[0]


@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.lists(st.sampled_from(NUMBERS), min_size=3, max_size=3)), max_size=9),
    st.sampled_from([" ", "\t", "  ", " \t "]),
    st.sampled_from(["\n", "\r\n", " \n"]),
    st.booleans(),
    st.integers(0, 10),
)
def test_good_lines(lines, blank, newline, ends, max_rows):
    text = newline.join(blank.join([word, *numbers]) for word, numbers in lines) + (newline if ends else "")
    assert check_lines(text, 3, max_rows) == min(len(lines), max_rows)


@pytest.mark.parametrize("broken", [*BROKEN, "1 2", "\xff"])
@pytest.mark.parametrize("at", [0, 1, 150, 299])
def test_it_stops_before_a_broken_line(broken, at):
    """300 lines are shared by three threads: whichever meets the broken line, those after it do not count."""
    lines = [f"w{i} {i} 0.5" for i in range(300)]
    lines[at] = f"w{at} {broken} 0.5"
    if broken == "1 2":  # a field too many is a part of the word
        assert check_lines("\n".join(lines), 2, 300) == 300
        return
    if broken == "":
        lines[at] = "0.5"
    assert check_lines("\n".join(lines), 2, 300) == at


@given(st.floats(width=64, allow_nan=False, allow_infinity=False), st.integers(0, 17))
@example(3.4028234500000003e38, 7)  # above the largest float32, and rounded to it
@example(3.4025000000000003e38, 3)  # rounded to three digits it is beyond
def test_numbers_are_those_of_python(value, digits):
    for text in (repr(value), f"{value:.{digits}e}", f"{value:.{digits}f}"):
        with np.errstate(over="ignore"):
            fits = np.isfinite(np.float64(text).astype(np.float32)) if abs(value) < 1e39 else False
        tiny = 0 < abs(float(text)) < 1e-300 or (float(text) == 0 and value != 0)
        if fits and not tiny:  # the caller deals with the others
            assert check_lines(f"w {text}\n", 1, 1, threads=(1,)) == 1


@given(st.binary(max_size=60), st.integers(1, 3))
def test_any_bytes(raw, dim):
    check_lines(raw, dim, 5)
    expected_rows, rows = np.zeros((4, dim), np.float32), np.zeros((4, dim), np.float32)
    expected = reference.parse_records(as_bytes(raw), dim, expected_rows)
    found = _core.parse_records(as_bytes(raw), dim, rows)
    assert found[:2] == expected[:2]
    assert all(np.array_equal(a, b) for a, b in zip(found[2:], expected[2:], strict=True))
    assert np.array_equal(rows[: found[0]], expected_rows[: found[0]])


@given(st.lists(st.tuples(st.sampled_from(["cat", "größe", ""]), st.binary(min_size=8, max_size=8)), max_size=6))
def test_records(records):
    raw = b"".join(word.encode() + b" " + numbers + b"\n" for word, numbers in records)
    expected_rows, rows = np.zeros((9, 2), np.float32), np.zeros((9, 2), np.float32)
    expected = reference.parse_records(as_bytes(raw), 2, expected_rows)
    found = _core.parse_records(as_bytes(raw), 2, rows)
    assert found[:2] == expected[:2]
    assert np.array_equal(rows[: found[0]].view(np.uint32), expected_rows[: found[0]].view(np.uint32))


# ---- words


@given(st.lists(st.text(max_size=5), unique=True, max_size=40), st.text(max_size=5))
def test_words_are_found(words, other):
    try:
        vocabulary = Vocabulary(words)
    except ValueError:
        assert any("\ud800" <= letter <= "\udfff" for word in words for letter in word)
        return
    text, offsets = vocabulary._stored
    slots, repeated = make_slots(text, offsets)
    expected = np.empty_like(slots)
    assert repeated == reference.index_words(text, offsets, expected) == -1
    assert np.array_equal(slots, expected)
    assert list(vocabulary) == words
    assert [vocabulary.row(word) for word in words] == list(range(len(words)))
    assert (other in vocabulary) == (other in words)
    assert _core.find_word(text, offsets, slots, b"\xff") == -1


@given(st.lists(st.lists(st.sampled_from([f"w{i}" for i in range(30)]), max_size=20), max_size=6))
def test_building_keeps_the_first(blocks):
    builder = VocabularyBuilder()
    seen = []
    for block in blocks:
        offsets = np.cumsum([0, *map(len, block)], dtype=np.int64)
        kept = builder.add(as_bytes("".join(block)), offsets)
        new = [word not in seen and word not in block[:i] for i, word in enumerate(block)]
        assert kept.tolist() == new
        seen += [word for word, is_new in zip(block, new, strict=True) if is_new]
    assert list(builder.finish()) == seen
    assert builder.n_repeated == sum(map(len, blocks)) - len(seen)


def test_appending_equals_its_twin():
    def room():
        return np.zeros(50, np.uint8), np.zeros(12, np.int64), np.full(20, NO_ROW, np.uint32)

    ours, theirs = room(), room()
    for n_words, block in ((0, ["a", "bb", "a"]), (2, ["ccc", "bb", "", "d"])):
        new = as_bytes("".join(block)), np.cumsum([0, *map(len, block)], dtype=np.int64)
        kept = _core.append_words(ours[0], ours[1], n_words, ours[2], *new)
        assert np.array_equal(kept, reference.append_words(theirs[0], theirs[1], n_words, theirs[2], *new))
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    with pytest.raises(ValueError, match="no room"):
        _core.append_words(ours[0], ours[1], 11, ours[2], *new)


@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6), st.lists(st.integers(-9, 99), min_size=5, max_size=5)
)
def test_damaged_tables_never_read_outside(slots, offsets):
    """Whatever slots and offsets hold, a lookup answers or says that they are damaged."""
    text = as_bytes("catdogseabat")
    offsets = np.array([0, *offsets[1:4], 12], np.int64)
    table = np.array(slots[:6], np.uint32) % 7
    table[table == 6] = NO_ROW
    for word in (b"cat", b"sea", b"nobody"):
        try:
            row = _core.find_word(text, offsets, table, word)
        except ValueError:
            continue
        assert row == -1 or text[offsets[row] : offsets[row + 1]].tobytes() == word


def test_a_full_table_ends():
    text, offsets = as_bytes("ab"), np.array([0, 1, 2], np.int64)
    assert _core.find_word(text, offsets, np.zeros(3, np.uint32), b"x") == -1
    with pytest.raises(ValueError, match="more than the words"):
        _core.find_word(text, offsets, np.zeros(2, np.uint32), b"x")


def test_tables_carry_their_words(tmp_path):
    words = [f"wörd {i}" for i in range(1000)]
    sv.BinaryTable(np.zeros((1000, 1), np.uint8), 8, words=words).save(tmp_path / "t")
    opened = sv.open(tmp_path / "t", verify=True)
    assert opened.vocabulary._slots.shape == (slot_count(1000),)
    assert not opened.vocabulary._slots.flags.owndata  # mapped, not made
    assert opened.lookup(["wörd 999"]).shape == (1, 8)
    assert "words" not in vars(opened.vocabulary)  # no string was made but those asked for
