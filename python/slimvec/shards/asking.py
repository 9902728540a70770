"""Questions to shards: answered in this process, or by workers that open the shards themselves."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from slimvec.binary.parts import BinaryParts
from slimvec.errors import FormatError
from slimvec.files.table_file import read_content
from slimvec.shards.shard_manifest import header_digest
from slimvec.spread.executing import in_order_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    from slimvec.binary.factors import Factors
    from slimvec.binary.refinement import Refinement

Question = tuple[int, str, tuple[Any, ...]]
"""Number of a shard, what it is asked, and with what; the number of threads comes last."""


OPEN_SHARDS = 256  # that a process keeps mapped: pages of files, which the system may drop


class Asks(Protocol):
    """What puts questions to shards, and returns their answers in order."""

    def answers(self, questions: Iterable[Question]) -> Iterator[Any]: ...


def answer(parts: BinaryParts, call: str, args: tuple[Any, ...]) -> Any:
    """Return the answer of one shard."""
    if call == "refine":
        return cast("Refinement", parts.refinement).rescore(cast("Factors", parts.factors), *args)
    asked = getattr(parts.codes, call)
    return asked(parts.factors, *args) if call in {"scan", "scan_above", "rescore"} else asked(*args)


@dataclass(frozen=True, eq=False)
class Here:
    """Shards of this process, each of which is searched by all threads.

    Attributes
    ----------
    shards : list of BinaryParts
    """

    shards: list[BinaryParts]

    def answers(self, questions: Iterable[Question]) -> Iterator[Any]:
        """Ask one shard after the other."""
        return (answer(self.shards[number], call, args) for number, call, args in questions)


@dataclass(frozen=True, eq=False)
class ByWorkers:
    """Shards that workers of an executor open, once, and search, each with one thread.

    Attributes
    ----------
    executor : Executor
    places : list of (path, SHA-256 of the header)
    """

    executor: Executor
    places: list[tuple[str, str]]

    def answers(self, questions: Iterable[Question]) -> Iterator[Any]:
        """Ask shards at once."""
        tasks = ((*self.places[number], call, (*args[:-1], 1)) for number, call, args in questions)
        return (made for _, made in in_order_by(self.executor, answer_of, tasks))


def answer_of(path: str, digest: str, call: str, args: tuple[Any, ...]) -> Any:
    """Return the answer of a shard of a file to a question that has travelled.

    Arrays that Dask brings may begin at any byte, and the kernels take aligned ones: copies are.
    """
    return answer(_opened(path, digest), call, deepcopy(args))


@lru_cache(maxsize=OPEN_SHARDS)
def _opened(path: str, digest: str) -> BinaryParts:
    """Map a shard, once in a process, unless its file is not the one that was there when the table was opened."""
    if header_digest(Path(path)) != digest:
        raise FormatError(f"{path} is not the shard that it was when the table was opened")
    return BinaryParts.from_content(read_content(path))
