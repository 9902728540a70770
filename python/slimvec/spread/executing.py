"""Tasks given to an executor of the user's, and their results, in order; few are on their way at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    Made = TypeVar("Made")

AHEAD = 64  # tasks that are with the executor at once: more than most have workers


def check_executor(executor: Any) -> None:
    """Raise TypeError unless tasks can be given to it."""
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        remedy = ": pass client.get_executor()" if hasattr(executor, "get_executor") else ""
        raise TypeError(
            f"executor is {executor!r}; expected a concurrent.futures.Executor, such as a ProcessPoolExecutor{remedy}"
        )


def in_order_by(
    executor: Executor | None, work: Callable[..., Made], tasks: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[int, Made]]:
    """Yield (number of the task, ``work(*task)``) of each task, in order.

    Without an executor it is done here. What a task raises is raised here, and those that wait are cancelled.
    """
    if executor is None:
        yield from ((number, work(*task)) for number, task in enumerate(tasks))
        return
    waiting: deque[Future[Made]] = deque()
    number = 0
    tasks = iter(tasks)
    try:
        while True:
            while len(waiting) < AHEAD and (task := next(tasks, None)) is not None:
                waiting.append(executor.submit(work, *task))
            if not waiting:
                return
            yield number, waiting.popleft().result()
            number += 1
    finally:
        for future in waiting:
            future.cancel()
