"""What an index does with files: it is saved, refreshed, exported, copied, and pickled as the name of a folder."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from slimvec.index import folder
from slimvec.index.one_file import save_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slimvec.index.folder import Home
    from slimvec.index.state import State


class Kept:
    """Something with a state that folders hold.

    Parameters
    ----------
    state : State
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._home: Home | None = None  # the save that the state comes from, or went to
        self._lock = threading.RLock()  # held by whoever changes the state

    def save(self, path: str | os.PathLike[str] | None = None, *, one_file: bool = False) -> None:
        """Write the index into a folder, or one file, that :func:`slimvec.open` maps.

        What is there already is not written again: a save costs what was added since, and a few kilobytes for removed
        rows. It is there whole or not at all, also if the process is killed or the disk is full.

        Parameters
        ----------
        path : str or path, optional
            A folder, which need not exist. By default the one that the index was opened from, or saved to before. An
            index that is there already is replaced.
        one_file : bool
            Write all rows into a file of this name, for an index that is only read from then on: whoever opens it can
            change it, and save that to a folder.

        Raises
        ------
        ValueError
            If another index was saved there since this one was opened or saved: see :meth:`refresh`.
        OSError
            If the place cannot be written, or holds something else.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
        >>> path = os.path.join(tempfile.mkdtemp(), "films.slim")
        >>> sv.Index.build(X[:400]).save(path)
        >>> index = sv.open(path)
        >>> index.add(X[400:])
        >>> index.save()
        >>> len(sv.open(path))
        500
        """
        with self._changing():
            if one_file:
                if path is None:
                    raise ValueError("path is None; expected the name of the one file")
                save_file(self._state, path)
                return
            if path is None:
                if self._home is None:
                    raise ValueError("path is None, and this index was neither opened nor saved; expected a folder")
                path = self._home.folder
            self._home = folder.save(self._state, path, self._home)

    def refresh(self, *, discard: bool = False) -> bool:
        """Bring the index to what was last saved in its folder, by whomever; searches go on meanwhile.

        Parameters
        ----------
        discard : bool
            Drop changes of this index that were not saved.

        Returns
        -------
        bool
            Whether the index is another than before.

        Raises
        ------
        ValueError
            If the index has no folder, or changes that were not saved.
        FormatError, OSError
            As :func:`slimvec.open`.
        """
        with self._lock:
            if self._home is None:
                raise ValueError("this index was neither opened nor saved, and has no folder; expected one of sv.open")
            if self._state.changed and not discard:
                raise ValueError(
                    "this index has changes that were not saved; refresh(discard=True) drops them, save(path) keeps "
                    "them in another folder"
                )
            newest = folder.reload(self._state, self._home)
            if newest is not None:
                self._state, self._home = newest
        return newest is not None

    def export(self, path: str | os.PathLike[str], *, ids: Any = None, original: bool = False) -> None:
        """Write rows, with their ids, as a file of another program.

        Parameters
        ----------
        path : str or path
            See :meth:`BinaryTable.export`.
        ids : array_like, optional
            Other ids: integers, where rows have strings and the format has none.
        original : bool
            Write the vectors that codes stand for, float32. Codes themselves can be written only if they are of signs,
            and those that :meth:`build` makes have several bits.

        Raises
        ------
        TypeError, ValueError, ImportError, OSError
            As :meth:`BinaryTable.export`.
        """
        from slimvec.exporting.export import export
        from slimvec.exporting.payload_sources import of_view

        with self._lock:
            view = self._state.view()
        export(path, of_view(view, ids, original))

    # ---- opened, copied, pickled

    @classmethod
    def _opened(cls, path: str | os.PathLike[str], verify: bool, preload: bool) -> Self:
        """Return the index of a folder; :func:`slimvec.open` calls this."""
        index = cls.__new__(cls)
        state, home = folder.load(Path(os.path.abspath(os.fsdecode(path))), verify, preload)  # noqa: PTH100 - of bytes
        vars(index).update(_state=state, _home=home, _lock=threading.RLock())
        return index

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        vars(twin).update(self._copied(), _lock=threading.RLock())
        return twin

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()  # what both share never changes

    def __getstate__(self) -> dict[str, Any]:
        own = self._copied()
        home = own["_home"]
        if home is not None and home.is_opened and not own["_state"].changed:
            own |= {"_state": None, "_home": replace(home, files={})}
        return own

    def __setstate__(self, own: dict[str, Any]) -> None:
        vars(self).update(own, _lock=threading.RLock())
        if own["_state"] is None:
            self._state, self._home = folder.load_again(own["_home"])

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """Hold the lock for what may take long: searches see the index as it is now until the state has changed."""
        with self._lock:
            self._state.view()
            yield self._state

    def _copied(self) -> dict[str, Any]:
        """Return what a copy has, but for its lock."""
        with self._lock:
            own = {name: value for name, value in vars(self).items() if name != "_lock"}
            own["_state"] = self._state.copy()
            own["_home"] = self._home and self._home.of_copy(self._state, own["_state"])
        return own
