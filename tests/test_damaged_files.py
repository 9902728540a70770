"""Files of every format, damaged at random: read, or refused by FormatError, and the same by every way of reading.

Longer: ``pytest tests/test_damaged_files.py --hypothesis-profile=long``.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
import resource
import struct
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from mutations import SEVERAL, damaged, damaged_tensors
from slimvec.vectors.faults import Faults
from slimvec.vectors.formats import format_named
from slimvec.vectors.window import Window

WORDS = ["cat", "größe", "new york", "wort", "item 7", "x"]
MATRIX = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
LIST = "\n".join(WORDS).encode()
MAX_SECONDS = 5  # of the processor: what takes longer hangs
MAX_GROWTH = 64 << 10  # KiB of memory of the process: the files have a few hundred bytes


def lines(header, times=1):
    text = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, MATRIX, strict=True))
    return (header + times * text).encode()


def records(header, times=1):
    rows = [word.replace(" ", "_").encode() + b" " + row.tobytes() for word, row in zip(WORDS, MATRIX, strict=True)]
    return header + b"\n".join(times * rows)


def fasttext():
    head = struct.pack("<2i12id", 793712314, 12, 3, 5, 5, 1, 5, 0, 1, 2, 0, 0, 0, 100, 1e-4)
    entries = b"".join(word.encode() + b"\0" + struct.pack("<qb", 1, 0) for word in WORDS)
    matrix = struct.pack("<?2q", False, 6, 3) + MATRIX.tobytes()
    output = struct.pack("<?2q", False, 6, 3) + MATRIX.tobytes()
    return head + struct.pack("<3i2q", 6, 6, 0, 6, -1) + entries + matrix + output


def npy():
    file = io.BytesIO()
    np.save(file, MATRIX)
    return file.getvalue()


def safetensors(**tensors):
    header, body = {}, b""
    for name, tensor in tensors.items():
        code = {"f": "F", "i": "I"}[tensor.dtype.kind] + str(8 * tensor.dtype.itemsize)
        place = [len(body), len(body) + tensor.nbytes]
        header[name] = {"dtype": code, "shape": tensor.shape, "data_offsets": place}
        body += tensor.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + body


TEXTS = {
    "word2vec": lines("6 3\n"),
    "glove": lines(""),
    "word2vec-binary": records(b"6 3\n"),
}
MANY = {
    "word2vec": lines("60 3\n", 10),
    "glove": lines("", 10),
    "word2vec-binary": records(b"60 3\n", 10),
}
FILES = TEXTS | {
    "fasttext-binary": fasttext(),
    "npy": npy(),
    "safetensors": safetensors(embeddings=MATRIX),
}


def asked(ask, path, **options):
    """Return what came of it: an answer, or what an error said of the file, or of the one beside it."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = message = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            answer = ask(path, **options)
    except ValueError as error:  # FormatError, or, of an array in a compressed file, what to do with it
        message = re.sub("0x[0-9a-f]+", "", str(error))  # of objects that NumPy's messages show
        assert str(path.parent) in message, repr(error)  # noqa: PT017
    assert time.process_time() - start < MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH
    return answer, message


def read(path, **options):
    vectors = sv.read_vectors(path, **options)
    return list(vectors), vectors.matrix.dtype, vectors.matrix.tobytes()


def streamed_file(path, **options):
    file = sv.VectorFile(path, **options)
    blocks = [np.empty((0, file.dim), np.float32 if file.matrix is None else file.matrix.dtype), *file.blocks()]
    rows = np.concatenate(blocks)
    assert len(rows) == len(file)
    return list(file.vocabulary), rows.dtype, rows.tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


options = st.fixed_dictionaries(
    {"limit": st.sampled_from([None, 1, 4, 100]), "on_error": st.sampled_from(["raise", "skip"])},
    optional={"threads": st.sampled_from([1, 3])},
)


@pytest.mark.parametrize("kind", FILES)
@SEVERAL
@given(data=st.data(), options=options, named=st.booleans())
def test_a_vector_file_holds_what_read_vectors_reads(folder, kind, data, options, named):
    strategy = damaged_tensors if kind == "safetensors" else damaged
    path = folder / "vectors"
    path.write_bytes(data.draw(strategy(FILES[kind])))
    (folder / "words.txt").write_bytes(data.draw(damaged(LIST, 1)) if kind in {"npy", "safetensors"} else LIST)
    if named:
        options = options | {"format": kind}
    assert asked(read, path, **options) == asked(streamed_file, path, **options)


class Pieces:
    """A file that comes in pieces of these sizes, over and over."""

    def __init__(self, raw, sizes):
        self._rest, self._sizes = raw, itertools.cycle(sizes)

    def readinto(self, buffer):
        size = min(len(buffer), len(self._rest), next(self._sizes))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def read_pieces(kind, raw, sizes, n_rows, threads, on_error):
    """Return words and rows, read at most ``n_rows`` at a time, or what is wrong."""
    words, found = [], b""
    try:
        reader = format_named(kind).reader(Window(Pieces(raw, sizes)), None, threads)
        reader.tolerate(Faults(on_error))
        rows = np.empty((n_rows, reader.dim), np.float32)
        while (got := reader.read(rows)).n_rows:
            words += [got.text[begin:end].tobytes() for begin, end in itertools.pairwise(got.offsets)]
            found += rows[: got.n_rows].tobytes()
    except sv.FormatError as error:
        return str(error)
    return words, found


@pytest.mark.parametrize("kind", TEXTS)
@SEVERAL
@given(
    data=st.data(),
    sizes=st.lists(st.integers(1, 99), min_size=1, max_size=3),
    n_rows=st.integers(1, 9),
    threads=st.sampled_from([1, 3]),
    on_error=st.sampled_from(["raise", "skip"]),
)
def test_however_small_the_pieces(kind, data, sizes, n_rows, threads, on_error):
    """Lines, words and records that reach over the pieces in which files are read are read as others are."""
    raw = data.draw(damaged(MANY[kind]))
    options = n_rows, threads, on_error
    assert read_pieces(kind, raw, sizes, *options) == read_pieces(kind, raw, [1 << 20], *options)


@pytest.mark.parametrize("kind", TEXTS)
@SEVERAL
@given(data=st.data(), options=options, outside=st.booleans())
def test_compressed(folder, kind, data, options, outside):
    path = folder / "vectors.gz"
    packed = gzip.compress(FILES[kind] if outside else data.draw(damaged(FILES[kind])), mtime=0)
    path.write_bytes(data.draw(damaged(packed)) if outside else packed)
    assert asked(read, path, **options) == asked(streamed_file, path, **options)


TOKENS = {
    "model": {"vocab": {word: row for row, word in enumerate(WORDS)}},
    "added_tokens": [{"content": "[PAD]", "id": 6}],
}
MAPPED = safetensors(embeddings=MATRIX, mapping=np.int64([0, 1, 2, 0, 5, 4, 3]), weights=np.float64([1] * 7))


@SEVERAL
@given(data=st.data())
def test_folders_of_tokens(folder, data):
    place = folder / "tokens"
    place.mkdir(exist_ok=True)
    tokens = json.dumps(TOKENS).encode()
    (place / "tokenizer.json").write_bytes(data.draw(damaged(tokens) | st.just(tokens)))
    (place / "model.safetensors").write_bytes(data.draw(damaged_tensors(MAPPED) | st.just(MAPPED)))
    asked(read, place)
