"""What gensim's own ``save`` writes: pickles, which are never opened; their words and vectors in a format that is."""

from __future__ import annotations

import re

from slimvec.errors import FormatError

START_BYTES = 200  # a pickle names the class of what it holds first

_CLASS = re.compile(rb"(gensim\.models\.\w+)\W+(\w+)")


def refuse_gensim(start: bytes) -> None:
    """Raise FormatError, with the remedy, if a file begins like a pickle of gensim."""
    found = _CLASS.search(start[:START_BYTES])
    if start[:1] != b"\x80" or start[1:2] not in {b"\2", b"\3", b"\4", b"\5"} or found is None:
        return
    module, name = found[1].decode(), found[2].decode()
    vectors = "" if name.endswith("KeyedVectors") else ".wv"
    lines = f'from {module} import {name}; {name}.load(path){vectors}.save_word2vec_format("vectors.bin", binary=True)'
    if name == "FastText":
        lines = f'from {module} import {name}, save_facebook_model; save_facebook_model({name}.load(path), "model.bin")'
    raise FormatError(
        f"a pickle of gensim, as its save() writes it, which is not opened, as it could run code; convert it by "
        f"gensim: {lines}"
    )
