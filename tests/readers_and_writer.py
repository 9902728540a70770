"""Let eight processes read an index that another one changes and saves, and check all that they see.

``readers_and_writer.py FOLDER SECONDS``, or longer where no three steps were seen within these. Steps, and how an index
tells which one it is at, are those of ``killed_saves.py``. Whatever a reader sees after ``refresh`` must be one step,
not earlier than the last one that it saw: its rows, what is kept beside each, what a condition finds, and vectors.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

import slimvec as sv
from killed_saves import MARK, X, after, kept, work
from processes import patient

READERS = 8
LEAST = 3  # steps for each reader to see, if the writer makes them within WAIT seconds more
WAIT = patient(300)


def read(folder: Path, vectors: np.ndarray, until: float) -> tuple[int, int]:
    """Look until then, and until some steps were seen; return how often, and how many."""
    while not folder.exists():
        time.sleep(0.01)
    index = sv.open(folder)
    step, rows, looks, steps = 0, {}, 0, 0
    while time.monotonic() < until + (WAIT if steps < LEAST else 0):
        ids = index.ids.tolist()
        now = max(ids) - MARK
        assert now >= step, f"step {now} after step {step}"
        steps += now > step
        for one in range(step + 1, now + 1):
            rows = after(one, rows)
        step = now
        assert sorted(ids) == sorted(rows), "other rows than those of the step"
        assert index.columns(ids) == kept([rows[one] for one in ids]), "other columns"
        assert np.allclose(index.vectors(ids), vectors[[rows[one] for one in ids]], atol=1e-4), "other vectors"
        hits = index.search(X[:2], len(ids), where="row < ?", parameters=[100 + looks % 200])
        wanted = sorted(one for one in ids if rows[one] < 100 + looks % 200)
        assert all(sorted(found) == wanted for found in hits.ids), "other rows than the condition holds for"
        looks += 1
        index.refresh()
    return looks, steps


def main(place: Path, seconds: float) -> None:
    fitted = sv.Index.build(X, n_bits=24, refine_bits=2)
    vectors = fitted.vectors(np.arange(len(X)))
    folder, until = place / "index", time.monotonic() + seconds
    reading, writing = os.pipe()
    readers = []
    for number in range(1 + READERS):
        child = os.fork()
        if child:
            readers.append(child)
            continue
        try:
            if number == 0:
                work(fitted, folder, {}, 0, os.open(os.devnull, os.O_WRONLY))
            os.write(writing, b"%d %d\n" % read(folder, vectors, until))
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child ends here, whatever it is
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    writer = readers.pop(0)
    failed = [child for child in readers if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
    assert os.waitpid(writer, os.WNOHANG) == (0, 0), "the writer failed"
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    assert not failed, f"{len(failed)} readers failed"
    with os.fdopen(reading) as pipe:
        seen = [tuple(map(int, line.split())) for line in pipe]
    last = max(sv.open(folder, verify=True).ids.tolist()) - MARK
    looks, least = sum(looks for looks, _ in seen), min(steps for _, steps in seen)
    print(f"{last} steps, {looks} looks, {least} steps seen by each")  # noqa: T201 - a script


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
