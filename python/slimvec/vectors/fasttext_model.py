"""``FastText``: a model of fastText, which has vectors of any words, also of those that it never saw."""

from __future__ import annotations

from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, cast

import numpy as np

from slimvec.errors import UnknownWordError
from slimvec.progress import Progress, ignore
from slimvec.vectors.fasttext import read_model
from slimvec.vectors.faults import Faults
from slimvec.vectors.formats import FASTTEXT_BINARY, choose_format
from slimvec.vectors.made import MadeRows
from slimvec.vectors.opening import open_window, place_of
from slimvec.vectors.reading import Source, distinct_rows
from slimvec.vectors.word_list import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from slimvec.vocabulary import Vocabulary


class FastText:
    r"""A binary model of fastText, with vectors of any words: of unknown ones by their n-grams.

    The vector of a word is the mean of its own row, if the model has the word, and of the rows of its n-grams, as
    ``get_word_vector`` of fastText returns it. What is large stays in the file, mapped. The words of the model and
    their vectors are rows, which can be fitted, compressed and searched for.

    Parameters
    ----------
    path : str or path
        A ``.bin`` file, or a quantized ``.ftz`` one. It may be compressed, or lie in an archive, as files of
        :func:`read_vectors` may: it is unpacked to a temporary file then.
    on_error : {"raise", "skip"}, optional
        What becomes of words that are not UTF-8, which some models hold: ``"skip"`` leaves them out, with a warning.

    Attributes
    ----------
    path : Path
    vocabulary : Vocabulary
        The words of the model, most frequent first.

    Raises
    ------
    FormatError
        If it is no such file, or damaged.
    OSError
        If it does not exist.

    Examples
    --------
    >>> import os, struct, tempfile
    >>> import numpy as np
    >>> import slimvec as sv
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.bin")  # of two words and 100 rows of n-grams of 3 to 6 letters
    >>> head = struct.pack("<14id", 793712314, 12, 8, 5, 5, 1, 5, 1, 2, 2, 100, 3, 6, 100, 1e-4)
    >>> head += struct.pack("<3i2q", 2, 2, 0, 9, -1) + b"colourful\0" + bytes(9) + b"sea\0" + bytes(10)
    >>> with open(path, "wb") as file:
    ...     _ = file.write(head + struct.pack("<2q", 102, 8))
    ...     _ = file.write(np.random.default_rng(0).standard_normal((102, 8), np.float32).tobytes())
    >>> model = sv.FastText(path)
    >>> "colourfull" in model.vocabulary
    False
    >>> table = sv.IIQ(n_remove=0).compress(model, factors=True)
    >>> table.most_similar(model.vectors(["colourfull"])[0], k=1)[0][0]
    'colourful'
    """

    sequential = False

    def __init__(self, path: Source, *, on_error: str = "raise") -> None:
        self.path = place_of(path)
        self._on_error = on_error
        with open_window(self.path) as opened:
            choose_format(opened, self.path, FASTTEXT_BINARY.name)
            with opened.mappable(self.path) as file:
                words, self._model = read_model(file)
        made = MadeRows(partial(self._model.rows, words), len(words.offsets) - 1, self.dim)
        self._rows = distinct_rows(made, words, None, self.path, Faults(on_error))
        self.vocabulary = cast("Vocabulary", self._rows.vocabulary)

    def __reduce__(self) -> tuple[partial[FastText], tuple[Path]]:
        return partial(FastText, on_error=self._on_error), (self.path,)  # opened where it comes to, and not sent

    def __repr__(self) -> str:
        return f"<slimvec.FastText: {self.path.name}, {len(self)} words, {self.dim} dimensions>"

    @property
    def dim(self) -> int:
        """Width d of the vectors."""
        return self._model.dim

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(self, words: Iterable[str]) -> NDArray[np.float32]:
        """Return the vectors of words, known or unknown.

        Parameters
        ----------
        words : iterable of str

        Returns
        -------
        ndarray, shape (len(words), d), float32

        Raises
        ------
        KeyError
            For a word of which the model knows neither it nor an n-gram: fastText has zeros for it.
        TypeError
            For a lone string, or what is no word.
        """
        if isinstance(words, str):
            raise TypeError(f"words={words!r} is a string; expected a list of words, such as [{words!r}]")
        listed = list(words)
        for i, word in enumerate(listed):
            if not isinstance(word, str):
                raise TypeError(f"words[{i}] is {type(word).__name__} {word!r}; expected str")
        known = np.array([word in self.vocabulary for word in listed], bool)
        made = np.empty((len(listed), self.dim), np.float32)
        made[known] = self.take(np.array([self.vocabulary.row(word) for word in compress(listed, known)], np.int64))
        made[~known] = self._unknown(list(compress(listed, ~known)))
        return made

    def _unknown(self, words: list[str]) -> NDArray[np.float32]:
        encoded = Words.of([word.encode("utf-8", "surrogatepass") for word in words])
        made, counts = self._model.compose(encoded, np.full(len(words), -1))
        if not counts.all():
            word = words[int(np.argmin(counts))]
            if not self._model.ngrams.n_rows:
                raise UnknownWordError(word, self.vocabulary)
            raise KeyError(f"unknown word {word!r}: the model has none of its n-grams either")
        return made

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of some of the model's words.

        Parameters
        ----------
        rows : integer array, shape (m,)

        Returns
        -------
        ndarray, shape (m, d), float32
        """
        return self._rows.take(rows)

    def blocks(self, progress: Progress = ignore) -> Iterator[NDArray[np.float32]]:
        """Walk over the vectors of the model's words, in blocks.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``, in words.

        Returns
        -------
        iterator of ndarray, shape (at most 4096, d), float32
        """
        return self._rows.blocks(progress)
