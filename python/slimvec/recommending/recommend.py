"""``slimvec.recommend``: which codes a recall takes, of the user's own vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from slimvec.index.incoming import checked_rows
from slimvec.progress import Progress, ignore
from slimvec.recommending.choices import FOR_LISTS
from slimvec.recommending.choosing import Trials
from slimvec.recommending.other_ways import with_lists, with_originals
from slimvec.recommending.recommendation import Recommendation
from slimvec.recommending.sample import Sample
from slimvec.recommending.setting import Setting
from slimvec.recommending.trend import exponent_of
from slimvec.validation import as_integer, as_threads, is_number

if TYPE_CHECKING:
    from slimvec.index.checked_rows import OnBad
    from slimvec.recommending.choices import Choice
    from slimvec.vectors.rows import Rows

DEFAULT_K, DEFAULT_REFINE_BITS = 10, 4


def recommend(
    source: Any,
    recall: float | None = 0.95,
    k: int = DEFAULT_K,
    *,
    budget: float | None = None,
    vectors: str | list[str] | None = None,
    on_bad: OnBad = "raise",
    progress: Progress = ignore,
) -> Recommendation:
    """Find the codes of fewest bytes that find a share of the true neighbours.

    Parameters
    ----------
    source : array_like, frame, path or list of paths
        Vectors, as :meth:`slimvec.Index.build` takes them. Read five times.
    recall : float, optional
        Share of the k nearest rows by cosine that a search is to find, above 0 and below 1. ``None``, with a budget:
        as much as that buys.
    k : int
        Neighbours that are asked for.
    budget : float, optional
        Bytes per row, at most.
    vectors, on_bad
        See :meth:`slimvec.Index.build`.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    Recommendation
        Print it; ``build(source, ids=...)`` makes an :class:`Index` of what it recommends.

    Raises
    ------
    TypeError, ValueError
        For a recall that is no share, or that no codes reach, or not within the budget: the message says what is
        reached, and at how many bytes. If there are too few rows, and as from :meth:`slimvec.Index.build`.

    Notes
    -----
    Up to a thousand rows, drawn at random, ask for their nearest others among all rows (of more than a million, among a
    million of them; what all rows add is then told from what they add to half a million). Codes are learnt from 20,000
    rows, and made of those near to the ones that ask. Rows that are as near as the last true neighbour count as found.
    Queries are taken to be like rows: if yours are not, measure with them (:func:`slimvec.evaluate.retrieval`).

    Some eight settings of some thirty are tried, by halves, each in a few seconds. Ways with lists (from 100,000 rows
    on) and with originals are shown beside codes alone, and made by :class:`TransformCoding`.

    Examples
    --------
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((1000, 32), dtype=np.float32)
    >>> found = sv.recommend(X, recall=0.9)
    >>> index = found.build(X, ids=range(1000))
    """
    recall, budget = as_recall(recall, budget), as_budget(budget)
    rows = checked_rows(source, vectors, None, on_bad)
    sample = Sample.of(rows, as_integer(k, "k", 1), progress)
    trials = Trials(sample, progress)
    best = _best(trials, recall, budget)
    settings = _settings(trials)
    chosen = next(setting for setting in settings if setting[:2] == best)
    goal = chosen.recall if recall is None else recall
    others = [with_lists(sample, settings, goal), with_originals(sample, goal)]
    shown = [one for one in settings if one == chosen or not any(_beats(other, one) for other in settings)]
    shown += [other for other in others if other is not None]
    shown.sort(key=lambda setting: setting.bytes_per_row)
    exponent = None
    if not sample.is_all:
        exponent = exponent_of([trial.misses.mean(axis=1) for trial in trials.made.values()], sample.sizes)
    counts = sample.n_rows, sample.n_seen, len(sample.queries)
    return Recommendation(shown, chosen, recall, sample.k, counts, exponent, budget, as_threads(None))


def _settings(trials: Trials) -> list[Setting]:
    """Return what was tried, by bytes."""
    sample, settings = trials.sample, []
    for choice, reached in trials.expected().items():
        ms = trials.made[choice].timing.at(sample.n_rows)
        settings.append(Setting(*choice, sample.shape.bytes_of(choice), *reached, *ms, None, None, False))
    return sorted(settings, key=lambda setting: (setting.bytes_per_row, setting.n_bits))


def codes_of(
    rows: Rows, recall: float | None, n_bits: int | None, refine_bits: int | None, lists: bool, progress: Progress
) -> tuple[int | None, int]:
    """Return the bits that :meth:`slimvec.Index.build` is to use: those given, or what a recall takes.

    With ``lists`` codes are to find some more, so that not all lists need be read for the recall.

    Raises
    ------
    TypeError, ValueError
        If both are given, and as :func:`recommend`.
    """
    if recall is None:
        return n_bits, DEFAULT_REFINE_BITS if refine_bits is None else refine_bits
    if n_bits is not None or refine_bits is not None:
        raise ValueError(
            f"recall={recall!r} chooses n_bits and refine_bits, and n_bits={n_bits!r}, refine_bits={refine_bits!r} "
            "were given, too; expected one or the other"
        )
    recall = cast("float", as_recall(recall))
    if lists:
        recall += FOR_LISTS * (1 - recall)
    return _best(Trials(Sample.of(rows, DEFAULT_K, progress), progress), recall, None)


def as_recall(recall: Any, budget: Any = None) -> float | None:
    """Return a recall that can be asked for; None only beside a budget."""
    if recall is None and budget is not None:
        return None
    if not is_number(recall):
        raise TypeError(f"recall={recall!r}; expected a share above 0 and below 1, such as 0.95")
    if not 0 < recall < 1:
        exactly = "; codes find all neighbours by chance only" if recall == 1 else ""
        raise ValueError(f"recall={recall!r}; expected a share above 0 and below 1, such as 0.95{exactly}")
    return float(recall)


def as_budget(budget: Any) -> float | None:
    """Return a number of bytes per row, or None."""
    if budget is None:
        return None
    if not is_number(budget):
        raise TypeError(f"budget={budget!r}; expected bytes per row")
    if not budget > 0:
        raise ValueError(f"budget={budget!r}; expected bytes per row, more than 0")
    return float(budget)


def _best(trials: Trials, recall: float | None, budget: float | None) -> Choice:
    """Return the choice that is recommended, or say what could be had."""
    shape = trials.sample.shape
    if recall is None:
        assert budget is not None  # noqa: S101
        best = trials.best_within(budget)
        if best is None:
            least = shape.bytes_of(shape.choices()[0])
            raise ValueError(f"budget={budget:g} bytes per row; expected at least {least}, the fewest that codes take")
        return best
    best = trials.cheapest(recall)
    if best is None:
        most = max(found.recall for found in trials.expected().values())
        raise ValueError(
            f"recall={recall:g}; of {trials.sample.k} neighbours among {trials.sample.n_rows:,} rows codes find at "
            f"most {most:.4f}. Expected less; or let the vectors score: "
            "TransformCoding(...).compress(X).search(originals=X)"
        )
    if budget is not None and shape.bytes_of(best) > budget:
        raise ValueError(
            f"budget={budget:g} bytes per row; recall {recall:g} takes at least {shape.bytes_of(best)}. Expected as "
            "much, or recall=None for what the budget buys"
        )
    return best


def _beats(one: Setting, other: Setting) -> bool:
    """Tell whether a setting takes no more bytes and finds more, or takes fewer and finds as much."""
    if one.bytes_per_row == other.bytes_per_row:
        return one.recall > other.recall
    return one.bytes_per_row < other.bytes_per_row and one.recall >= other.recall
