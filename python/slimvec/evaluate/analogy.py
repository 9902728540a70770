"""Whether differences of words mean something: what is to c as b is to a."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from slimvec.evaluate.datasets import Analogy, named_sets, read_analogies
from slimvec.evaluate.word_rows import WordRows, unit
from slimvec.validation import as_integer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from slimvec.evaluate.word_rows import Judged

Rule = Literal["3CosAdd", "3CosMul"]
EPSILON = 0.001  # keeps the quotient of 3CosMul finite; the value of Levy & Goldberg
QUESTIONS_AT_ONCE = 512


class AnalogyScore(NamedTuple):
    """One set of :func:`analogy`, by one rule.

    Attributes
    ----------
    name : str
    rule : str
        ``"3CosAdd"`` or ``"3CosMul"``.
    accuracy : float
        Right answers over all questions: one with a missing word is wrong.
    covered_accuracy : float
        Over the questions whose four words are all there; NaN if there is none.
    sections : dict of str to float
        ``covered_accuracy`` of each section that has a covered question.
    questions : int
    covered_questions : int
    """

    name: str
    rule: str
    accuracy: float
    covered_accuracy: float
    sections: dict[str, float]
    questions: int
    covered_questions: int


def analogy(
    table: Judged,
    sets: Mapping[str, Iterable[tuple[str, str, str, str, str]]] | str | os.PathLike[str],
    *,
    rules: Iterable[Rule] = ("3CosAdd", "3CosMul"),
    limit: int | None = None,
) -> list[AnalogyScore]:
    """Answer analogies.

    Parameters
    ----------
    table : BinaryTable, SparseTable or Vectors
        With words. Codes count as vectors of -1 and +1.
    sets : mapping of str to iterable of (section, a, b, c, answer), or path
        Sets by name; or a file, or a folder of files, in Google's format (``: section`` lines, then ``a b c answer``),
        MSR's (``a b c section answer``), or that of BATS: pairs ``a answer/answer``, each asked by each other one.
    rules : iterable of {"3CosAdd", "3CosMul"}
    limit : int, optional
        Look for answers among the first rows only, as is usual for tables in order of frequency.

    Returns
    -------
    list of AnalogyScore
        One per set and rule.

    Raises
    ------
    TypeError, ValueError
        If the table has no words, or a rule is unknown.
    FormatError, FileNotFoundError
        If a file does not hold analogies, or is not there.

    Notes
    -----
    The answer is the word, other than a, b and c, with the highest cos(x, b - a + c) of unit vectors (3CosAdd [1]_), or
    the highest s(x, b) s(x, c) / (s(x, a) + .001) with s = (1 + cos) / 2 (3CosMul [2]_). Of equal scores the lower row
    wins. Words are looked up as they are, or else in lower case.

    References
    ----------
    .. [1] T. Mikolov, W. Yih, G. Zweig, "Linguistic Regularities in Continuous Space Word Representations", NAACL 2013.
    .. [2] O. Levy, Y. Goldberg, "Linguistic Regularities in Sparse and Explicit Word Representations", CoNLL 2014.

    Examples
    --------
    >>> import slimvec as sv
    >>> from slimvec.evaluate import analogy
    >>> vectors = sv.Vectors(["man", "woman", "king", "queen"], [[1.0, 0, 0], [1.0, 1, 0], [1.0, 0, 1], [1.0, 1, 1]])
    >>> [(score.rule, score.accuracy) for score in analogy(vectors, {"x": [("", "man", "king", "woman", "queen")]})]
    [('3CosAdd', 1.0), ('3CosMul', 1.0)]
    """
    words = WordRows(table)
    chosen = list(rules)
    for rule in chosen:
        if rule not in get_args(Rule):
            raise ValueError(f"rules holds {rule!r}; expected some of {get_args(Rule)}")
    if limit is not None:
        limit = as_integer(limit, "limit", 1)
    judged = []
    for name, listed in named_sets(sets, _read).items():
        questions = [Analogy(*question) for question in listed]
        rows = words.rows([word for question in questions for word in question[1:]]).reshape(-1, 4)
        covered: NDArray[np.bool_] = np.all(rows >= 0, axis=1)
        kept = [question for question, known in zip(questions, covered, strict=True) if known]
        right = _answers(words, rows[covered], chosen, limit) == rows[covered, 3]
        judged += [_score(name, rule, kept, right[i], len(questions)) for i, rule in enumerate(chosen)]
    return judged


def _read(path: Any) -> Iterable[tuple[str, str, str, str, str]]:
    return read_analogies(path)


def _score(name: str, rule: str, kept: list[Analogy], right: NDArray[np.bool_], n_questions: int) -> AnalogyScore:
    sections = {
        section: float(np.mean([hit for hit, question in zip(right, kept, strict=True) if question.section == section]))
        for section in dict.fromkeys(question.section for question in kept)
    }
    covered = float(right.mean()) if len(right) else float("nan")
    return AnalogyScore(name, rule, float(right.sum()) / max(n_questions, 1), covered, sections, n_questions, len(kept))


def _answers(words: WordRows, questions: NDArray[np.int64], rules: list[Rule], limit: int | None) -> NDArray[np.int64]:
    """Return the row that each rule answers each question with, ``(n_rules, n_questions)``."""
    answers = np.full((len(rules), len(questions)), -1, np.int64)
    for first in range(0, len(questions), QUESTIONS_AT_ONCE):
        asked = questions[first : first + QUESTIONS_AT_ONCE, :3]
        best = np.full((len(rules), len(asked)), -np.inf, np.float32)
        found = answers[:, first : first + len(asked)]
        a, b, c = (unit(words.lookup(rows)) for rows in asked.T)
        for start, block in words.blocks(limit=limit):
            vectors = unit(block).T
            cosines = a @ vectors, b @ vectors, c @ vectors
            for i, rule in enumerate(rules):
                scores = RULES[rule](*cosines)
                _exclude(scores, asked, start)
                rows = scores.argmax(axis=1)
                top = scores[np.arange(len(asked)), rows]
                better = top > best[i]
                best[i, better], found[i, better] = top[better], rows[better] + start
    return answers


def _exclude(scores: NDArray[np.float32], asked: NDArray[np.int64], start: int) -> None:
    """Make sure that no question is answered by its own words."""
    here = (asked >= start) & (asked < start + scores.shape[1])
    questions, _ = np.nonzero(here)
    scores[questions, asked[here] - start] = -np.inf


def _add(a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]) -> NDArray[np.float32]:
    return b - a + c  # of one question, all scores are divided by the same length of b - a + c


def _multiply(a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = (1 + b) * (1 + c) / (2 * (1 + a + 2 * EPSILON))
    return scores


RULES: dict[str, Callable[..., NDArray[np.float32]]] = {"3CosAdd": _add, "3CosMul": _multiply}
