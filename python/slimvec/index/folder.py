"""Saved indexes: a folder of table files that never change, and a database that tells which of them make up the index.

A save writes files for segments that have none, and then, in one transaction, what the index is now. Files that are not
part of it any more stay until the next save, for those who have just read what it was.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimvec.errors import FormatError, naming
from slimvec.files.atomic import new_folder
from slimvec.files.table_file import checksum_of, read_content
from slimvec.files.table_writer import save_table
from slimvec.index.manifest import (
    DATABASE,
    FILE_NAME,
    Manifest,
    StoredFile,
    StoredRows,
    read_manifest,
    reading,
    write_manifest,
    writing,
)
from slimvec.index.marks import Marks
from slimvec.index.one_file import load_file
from slimvec.index.segments import Segment
from slimvec.index.state import State
from slimvec.index.stored_rows import coder_from, encoder_content, rows_content, segment_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from slimvec.files.table_file import Content

TRIES = 10  # to read what one save has made before the next ones remove it


@dataclass(frozen=True, eq=False)
class Home:
    """The save that an index comes from, or went to.

    Attributes
    ----------
    folder : Path
        Or the one file that an index was opened from.
    generation : int
    token : str
        Of this save alone.
    encoder : StoredFile or None
        None if the index has another one by now.
    files : dict of Segment to StoredFile
    preload : bool
        Whether files are read into memory.
    is_opened : bool
        Whether all of the index came from there: its pickle is then the folder's name.
    """

    folder: Path
    generation: int
    token: str
    encoder: StoredFile | None
    files: dict[Segment, StoredFile]
    preload: bool = False
    is_opened: bool = False

    def of_other_codes(self) -> Home:
        """Return what it is of an index whose rows were all made anew."""
        return replace(self, encoder=None, files={})

    def of_copy(self, original: State, twin: State) -> Home:
        """Return what a copy of the index comes from."""
        pairs = zip(original.segments, twin.segments, strict=True)
        return replace(self, files={copied: self.files[own] for own, copied in pairs if own in self.files})


def load(folder: Path, verify: bool = False, preload: bool = False) -> tuple[State, Home]:
    """Open what the last save into a folder, or a file, has made.

    Raises
    ------
    FormatError
        If a file is damaged, missing, or another than was saved.
    OSError
        If it is no folder of an index.
    """
    if folder.is_file():
        state, token = load_file(folder, verify, preload)
        return state, Home(folder, 0, token, None, {}, preload, is_opened=True)
    return _newest(folder, verify, preload, None)


def reload(state: State, home: Home) -> tuple[State, Home] | None:
    """Open what the last save has made, if that is not what there is already; mapped files stay so."""
    if home.folder.is_file():
        found = load(home.folder, preload=home.preload)
        return None if not state.changed and found[1].token == home.token else found
    if not state.changed and _manifest(home.folder).token == home.token:
        return None
    return _newest(home.folder, False, home.preload, (state, home))


def load_again(home: Home) -> tuple[State, Home]:
    """Open what one certain save has made; ValueError if there was another since."""
    state, found = load(home.folder, preload=home.preload)
    if found.token != home.token:
        raise ValueError(
            f"{home.folder} was saved to (it is at save {found.generation}) since the index was pickled, at save "
            f"{home.generation}: the pickle holds its place alone; expected a new pickle, or sv.open"
        )
    return state, found


def _newest(folder: Path, verify: bool, preload: bool, known: tuple[State, Home] | None) -> tuple[State, Home]:
    for _ in range(TRIES):
        manifest = _manifest(folder)
        try:
            return _made_of(manifest, folder, verify, preload, known)
        except FileNotFoundError as error:
            missing = error
            if _manifest(folder).token == manifest.token:
                break
    name = missing.filename
    raise FormatError(f"{name}: it is missing, and {folder / DATABASE} tells that it is a part of the index") from None


def _manifest(folder: Path) -> Manifest:
    if not (folder / DATABASE).is_file():
        if folder.is_dir():
            raise IsADirectoryError(
                f"{folder} is a folder without {DATABASE}: no saved index, and no whole table in shards"
            )
        raise FileNotFoundError(f"{folder} does not exist: expected the folder of an index")
    with reading(folder) as database:
        return read_manifest(database)


def _made_of(
    manifest: Manifest, folder: Path, verify: bool, preload: bool, known: tuple[State, Home] | None
) -> tuple[State, Home]:
    """Return what a manifest tells of; files that are open already, ``known``, are not opened again."""
    coder, opened = None, {}
    if known is not None and known[1].encoder == manifest.encoder:
        coder = known[0].coder
        opened = {file: segment for segment, file in known[1].files.items()}
    if coder is None:
        with naming(folder / manifest.encoder.name):
            coder = coder_from(_content(folder, manifest.encoder, preload, verify))
    segments = []
    for stored in manifest.segments:
        marks = Marks(stored.n_rows, stored.removed)
        if stored.file in opened:
            there = opened[stored.file]
            segments.append(Segment(there.parts, there.ids, marks, there.columns))
            continue
        with naming(folder / stored.file.name):
            content = _content(folder, stored.file, preload, verify)
            segment = segment_from(content, coder, manifest.kind, manifest.columns, marks)
            if len(segment) != stored.n_rows:
                raise FormatError(f"it has {len(segment)} rows; {DATABASE} tells of {stored.n_rows}")
        segments.append(segment)
    added = manifest.added
    if added is not None and len(added.total) != coder.dim:
        raise FormatError(
            f"{folder / DATABASE}: its sums are of {len(added.total)} numbers, rows of {coder.dim}: damaged"
        )
    state = State(
        coder, manifest.kind, segments, manifest.next_number, manifest.n_skipped, False, manifest.columns, added
    )
    files = {segment: stored.file for segment, stored in zip(segments, manifest.segments, strict=True)}
    return state, Home(folder, manifest.generation, manifest.token, manifest.encoder, files, preload, is_opened=True)


def _content(folder: Path, file: StoredFile, preload: bool, verify: bool) -> Content:
    content = read_content(folder / file.name, preload, verify)
    if checksum_of(content.facts, content.tensors) != file.checksum:
        raise FormatError(f"its header is not the one that {DATABASE} tells of: another file, or damaged")
    return content


def save(state: State, path: str | os.PathLike[str], home: Home | None) -> Home:
    """Write what is new into a folder, or everything if it is another than the index came from.

    Raises
    ------
    ValueError
        If the folder has been saved to since the index was opened, or saved there.
    OSError
        If it cannot be written, or holds other things.
    """
    target = _target(path)
    if not target.exists() or not any(target.iterdir()):
        with new_folder(target) as aside:
            made = _write(state, aside, None, new=True)
        made = replace(made, folder=target)
    else:
        if not (target / DATABASE).exists():
            raise FileExistsError(f"{target} is a folder that holds other things than an index; it is not replaced")
        own = home if home is not None and os.path.realpath(home.folder) == str(target) else None
        made = _write(state, target, own)
    state.saved()
    return made


def _target(path: str | os.PathLike[str]) -> Path:
    """Return where the folder is, or is to be."""
    name = os.fsdecode(path)
    if not name:
        raise FileNotFoundError("path is ''; expected the name of a folder")
    target = Path(os.path.realpath(name))
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file, which an index, a folder, does not replace: choose another name")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not a folder to write {target.name} to")
    return target


def _write(state: State, folder: Path, home: Home | None, new: bool = False) -> Home:
    made: list[Path] = []
    with writing(folder, new) as database:
        generation = 0
        if not new:
            there = read_manifest(database)
            generation = there.generation
            if home is not None and there.token != home.token:
                raise ValueError(
                    f"{folder} was saved to by another since this index was opened or saved there (it is at save "
                    f"{generation}, this index at {home.generation}): index.refresh() brings it to what is there now"
                )
            _remove_others(folder, there.names)
            if home is not None and not state.changed:
                return home
        try:
            encoder = home.encoder if home else None
            if encoder is None:
                encoder = _saved(folder, "encoder", encoder_content(state.coder), made)
            known = home.files if home else {}
            files = {
                segment: known.get(segment) or _saved(folder, "rows", rows_content(segment), made)
                for segment in state.segments
            }
            rows = []
            for segment, file in files.items():
                chunks = segment.marks.changed if segment in known else segment.marks.chunks()
                rows.append(StoredRows(file, len(segment), {i: segment.marks.chunk(i) for i in sorted(chunks)}))
            manifest = Manifest(
                generation + 1,
                _random_name(),
                encoder,
                state.kind,
                state.next_number,
                state.n_skipped,
                tuple(rows),
                state.columns,
                state.added,
            )
            write_manifest(database, manifest, {file.name for file in known.values()} & manifest.names)
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise
    preload, is_opened = (home.preload, home.is_opened) if home else (False, False)
    return Home(folder, manifest.generation, manifest.token, encoder, files, preload, is_opened)


def _saved(
    folder: Path, what: str, content: tuple[dict[str, Any], dict[str, NDArray[Any]]], made: list[Path]
) -> StoredFile:
    """Write a file of a new name, which is noted in ``made``."""
    name = f"{what}-{_random_name()}.slim"
    made.append(folder / name)
    return StoredFile(name, save_table(folder / name, *content))


def _random_name() -> str:
    return os.urandom(8).hex()


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove the files that neither the last save nor this one, which has written none yet, knows of."""
    for path in folder.iterdir():
        if FILE_NAME.fullmatch(path.name) and path.name not in names:
            with suppress(OSError):  # in use, where that matters
                path.unlink()
