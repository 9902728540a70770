"""Kill processes that change and save an index, at random moments, and see that no completed save is ever lost.

``killed_saves.py FOLDER KILLS``. A child goes from step to step: step s changes the index by what its number says, then
saves. The index tells by one of its ids which step it is at. Whatever the moment, what is opened afterwards must be at
the last step that the child has told of, or at the next one, with exactly the rows of that step, and what is kept
beside each.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import slimvec as sv
from slimvec.index.ids import ids_of
from slimvec.index.kept_columns import KeptColumns
from slimvec.index.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

X = np.random.default_rng(0).standard_normal((400, 16), dtype=np.float32)
MARK = 1 << 40  # plus a step: the id that tells of it


def changes(step: int, rows: dict[int, int]) -> tuple[dict[int, int], list[int], dict[int, int], bool]:
    """Return what a step adds, removes and updates, as ids and rows of X, and whether it compacts."""
    generator = np.random.default_rng(step)
    own = sorted(one for one in rows if one < MARK)
    n_new = int(generator.integers(1, 60))
    added = {1000 * step + i: int(row) for i, row in enumerate(generator.integers(0, len(X), n_new))}
    gone = generator.permutation(own)[: len(own) // 3].tolist()
    removed, updated = gone[::2], {one: int(generator.integers(0, len(X))) for one in gone[1::2]}
    return (
        added | {MARK + step: step % len(X)},
        [*removed, *(one for one in rows if one >= MARK)],
        updated,
        step % 5 == 0,
    )


def kept(rows: Iterable[int]) -> dict[str, list]:
    """Return what is kept beside rows of X."""
    return {"row": list(rows), "name": [f"row {row}" if row % 3 else None for row in rows]}


def after(step: int, rows: dict[int, int]) -> dict[int, int]:
    """Return the rows of a step."""
    added, removed, updated, _ = changes(step, rows)
    return {one: row for one, row in (rows | added | updated).items() if one not in removed}


def work(fitted: sv.Index, folder: Path, rows: dict[int, int], step: int, told: int) -> None:
    """Go from step to step, for ever; tell of each that is complete."""
    if folder.exists():
        index = sv.open(folder)
    else:
        coder, nothing = fitted._state.coder, ids_of(np.empty(0, int))
        columns, kinds = KeptColumns.made(dict.fromkeys(kept([])), nothing.values, iter(()))
        index = sv.Index(coder, [Segment(coder.empty, nothing, columns=columns)], "integers", 0)
        index._state.columns = kinds
    while True:
        step += 1
        added, removed, updated, compacts = changes(step, rows)
        index.add(X[list(added.values())], ids=list(added), keep=kept(added.values()))
        if removed:
            index.remove(removed)
        if updated:
            index.update(X[list(updated.values())], ids=list(updated), keep=kept(updated.values()))
        if compacts:
            index.compact()
        index.save(folder)
        os.write(told, b"%d\n" % step)
        rows = after(step, rows)


def main(place: Path, kills: int) -> None:
    fitted = sv.Index.build(X, n_bits=24, refine_bits=2, partitions=5)
    vectors = fitted.vectors(np.arange(len(X)))
    generator = np.random.default_rng()
    steps = unfinished = 0
    folder, rows, step = place / "0", {}, 0
    for kill in range(kills):
        if kill % 8 == 0:
            folder, rows, step = place / str(kill), {}, 0
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                work(fitted, folder, rows, step, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = [int(pipe.readline() or 0) for _ in range(generator.integers(0, 3))]
            time.sleep(generator.uniform(0, 0.04))
            os.kill(child, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "the child failed"
            told += [int(line) for line in pipe]
        complete = told[-1] if told else step
        if not folder.exists():
            assert complete == 0, f"kill {kill}: the folder of step {complete} is gone"
            continue
        index = sv.open(folder, verify=True)
        ids = index.ids.tolist()
        now = max(ids) - MARK
        assert now in {complete, complete + 1}, f"kill {kill}: at step {now}; {complete} was complete"
        unfinished += now == complete
        for one in range(step + 1, now + 1):
            rows = after(one, rows)
        steps, step = steps + now - step, now
        assert sorted(ids) == sorted(rows), f"kill {kill}: rows are lost, or twice"
        assert index.columns(ids) == kept([rows[one] for one in ids]), f"kill {kill}: other columns"
        some = [one for one in ids if rows[one] < 100]
        assert sorted(index.search(X[0], len(ids), "row < 100").ids) == sorted(some), f"kill {kill}: a condition"
        assert np.allclose(index.vectors(ids), vectors[[rows[one] for one in ids]], atol=1e-4)
    fitted.save(place / "last")
    left = [path.name for path in place.iterdir() if path.name.startswith(".")]
    assert not left, f"the next save has left {left}"
    print(f"{kills} kills, {steps} steps, {unfinished} between saves")  # noqa: T201 - a script


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
