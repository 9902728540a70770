"""A hash table of integers: from ids to rows in a few steps each, for one id or for a million at once.

Slots are rows; an id is looked for from slot (mixed id × number of slots) >> 32 on, in steps of one, until a free slot.
There are more than twice as many slots as ids, so that this ends soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slimvec.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREE = 0xFFFFFFFF
MASK = (1 << 64) - 1
FIRST, SECOND = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53  # of MurmurHash3's last steps


def slot_count_of(n_ids: int) -> int:
    """Return how many slots there are for so many ids."""
    return 2 * n_ids + 1


def make_id_slots(ids: NDArray[np.int64]) -> tuple[NDArray[np.uint32], int]:
    """Return the slots, and the first row whose id stands at an earlier row; -1 if there is none."""
    slots = np.full(slot_count_of(len(ids)), FREE, np.uint32)
    rows, places = np.arange(len(ids), dtype=np.uint32), _first_places(ids, len(slots))
    repeated = len(ids)
    while len(rows):
        free = slots[places] == FREE
        slots[places[free][::-1]] = rows[free][::-1]  # of those that want one slot the lowest row comes last, and stays
        holders = slots[places]
        waiting = holders != rows
        same = waiting & (ids[holders] == ids[rows])
        if same.any():
            repeated = min(repeated, int(rows[same].min()))
            waiting &= ~same
        rows, places = rows[waiting], (places[waiting] + 1) % len(slots)
    return slots, -1 if repeated == len(ids) else repeated


def find_ids(ids: NDArray[np.int64], slots: NDArray[np.uint32], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each wanted id, or -1."""
    rows = np.full(len(wanted), -1, np.int64)
    asking, places = np.arange(len(wanted)), _first_places(wanted, len(slots))
    for _ in range(len(slots)):
        found = slots[places]
        taken = found != FREE
        asking, places, found = asking[taken], places[taken], found[taken]
        if not len(asking):
            return rows
        _check(found, len(ids))
        same = ids[found] == wanted[asking]
        rows[asking[same]] = found[same]
        asking, places = asking[~same], (places[~same] + 1) % len(slots)
    return rows


def find_id(ids: NDArray[np.int64], slots: NDArray[np.uint32], wanted: int) -> int:
    """Return the row of one id, or -1: what :func:`find_ids` does, without arrays."""
    n_slots = len(slots)
    mixed = wanted & MASK
    mixed ^= mixed >> 33
    mixed = mixed * FIRST & MASK
    mixed ^= mixed >> 33
    mixed = mixed * SECOND & MASK
    mixed ^= mixed >> 33
    place = ((mixed >> 32) * n_slots) >> 32
    for _ in range(n_slots):
        row = int(slots[place])
        if row == FREE:
            return -1
        if row >= len(ids):
            raise _damaged()
        if ids[row] == wanted:
            return row
        place = place + 1 if place + 1 < n_slots else 0
    return -1


def _first_places(ids: NDArray[np.int64], n_slots: int) -> NDArray[np.int64]:
    mixed = ids.view(np.uint64) ^ (ids.view(np.uint64) >> np.uint64(33))
    mixed *= np.uint64(FIRST)  # modulo 2^64
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(SECOND)
    mixed ^= mixed >> np.uint64(33)
    places: NDArray[np.int64] = ((mixed >> np.uint64(32)) * np.uint64(n_slots) >> np.uint64(32)).astype(np.int64)
    return places


def _check(rows: NDArray[np.uint32], n_ids: int) -> None:
    if len(rows) and rows.max() >= n_ids:
        raise _damaged()


def _damaged() -> FormatError:
    return FormatError("the slots of the ids name rows that are not there: damaged")
