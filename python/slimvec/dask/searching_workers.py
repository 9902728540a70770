"""The workers of a Dask cluster as searchers of shards: each holds some open, and is asked about these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from slimvec.shards.asking import answer_there, open_shard
from slimvec.spread.executing import in_order_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from slimvec.binary.parts import BinaryParts
    from slimvec.shards.asking import Question


class OpenShard:
    """A shard that a worker holds: Dask keeps it, asks where it is, and opens it elsewhere if that worker is lost.

    Parameters
    ----------
    path, digest : str
    """

    def __init__(self, path: str, digest: str) -> None:
        self._place = path, digest
        self.parts: BinaryParts = open_shard(path, digest)

    def __reduce__(self) -> tuple[type[OpenShard], tuple[str, str]]:
        return OpenShard, self._place  # who gets it opens the file: arrays of pages do not travel


@dataclass(frozen=True, eq=False)
class ByClient:
    """Shards that the workers of a client hold and search, each with one thread.

    Attributes
    ----------
    client : distributed.Client
    held : list of distributed.Future
        An ``OpenShard`` for each shard.
    """

    client: Any
    held: list[Any]

    @classmethod
    def of(cls, client: Any, places: list[tuple[str, str]]) -> ByClient:
        """Let workers open the shards of files, in turn."""
        workers = sorted(client.nthreads())
        chosen = [{"workers": [workers[i % len(workers)]]} if workers else {} for i in range(len(places))]
        loose = bool(workers)
        held = [
            client.submit(OpenShard, *place, **own, allow_other_workers=loose)
            for place, own in zip(places, chosen, strict=True)
        ]
        return cls(client, held)

    def submit(self, work: Callable[..., Any], /, *args: Any) -> Any:
        """Give a task to the client."""
        return self.client.submit(work, *args, pure=False)

    def answers(self, questions: Iterable[Question]) -> Iterator[Any]:
        """Ask shards at once."""
        tasks = ((self.held[number], call, (*args[:-1], 1)) for number, call, args in questions)
        return (made for _, made in in_order_by(cast("Any", self), _answer, tasks))


def _answer(held: OpenShard, call: str, args: tuple[Any, ...]) -> Any:
    return answer_there(held.parts, call, args)
