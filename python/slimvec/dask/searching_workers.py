"""The workers of a Dask cluster as searchers of shards: each maps those that it is asked about, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from slimvec.shards.asking import answer_of
from slimvec.spread.executing import in_order_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from slimvec.shards.asking import Question


@dataclass(frozen=True, eq=False)
class ByClient:
    """Shards that the workers of a client search, each with one thread.

    Attributes
    ----------
    client : distributed.Client
    places : list of (path, SHA-256 of the header)
    """

    client: Any
    places: list[tuple[str, str]]

    def answers(self, questions: Iterable[Question]) -> Iterator[Any]:
        """Ask shards at once, each at the worker that was asked before, unless Dask sees reason for another one."""
        tasks = ((number, *self.places[number], call, (*args[:-1], 1)) for number, call, args in questions)
        return (made for _, made in in_order_by(cast("Any", self), answer_of, tasks))

    def submit(self, work: Callable[..., Any], /, number: int, *args: Any) -> Any:
        """Give the client a task about a shard; workers that are there now have the shards in turn."""
        workers = sorted(self.client.nthreads())
        chosen = {"workers": [workers[number % len(workers)]], "allow_other_workers": True} if workers else {}
        return self.client.submit(work, *args, **chosen, pure=False)
