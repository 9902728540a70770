"""The manifest of a folder of shards: which files make up the table, and what is true of all of them together."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimvec.errors import FormatError
from slimvec.files.atomic import replacing
from slimvec.files.safetensors import LENGTH_BYTES, MAX_TABLE_HEADER_BYTES, parse_header
from slimvec.shards import MANIFEST
from slimvec.shards.fingerprint import digest as _digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT, VERSION = "slimvec shards", 1
_NAME = re.compile(r"shard-\d{5,}-[0-9a-f]{16}\.slim")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def shard_name(number: int, digest: str) -> str:
    """Return the name of a shard, which tells its content: who writes it again writes the same file."""
    return f"shard-{number:05}-{digest[:16]}.slim"


@dataclass(frozen=True)
class ShardEntry:
    """A shard, as a manifest tells of it.

    Attributes
    ----------
    file : str
    first_row : int
    rows : int
    bytes : int
    sha256 : str
        Of how the file begins: its header, which holds a checksum of each tensor.
    """

    file: str
    first_row: int
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds.

    Attributes
    ----------
    shards : list of ShardEntry
        In the order of rows.
    encoder : str
        Fingerprint of what made the codes, the same in all shards.
    norm, shrinkage : float or None
        Of all rows together: see :class:`slimvec.binary.parts.BinaryParts` and :class:`slimvec.binary.factors.Factors`.
    made_by : dict
    """

    shards: list[ShardEntry]
    encoder: str
    norm: float | None
    shrinkage: float | None
    made_by: dict[str, Any]

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of the first row of each shard, and of all rows."""
        return np.cumsum([0, *(shard.rows for shard in self.shards)], dtype=np.int64)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        said = {"format": FORMAT, "format_version": VERSION, "rows": len(self), **asdict(self)}
        said = json.loads(json.dumps(said), parse_constant=str)
        return (json.dumps({**said, "sha256": _digest(said)}, indent=1) + "\n").encode()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises
        ------
        FormatError
            If it is damaged, or of a newer format.
        """
        path = folder / MANIFEST
        try:
            return cls._checked(parse_header(path.read_bytes()))
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None

    @classmethod
    def _checked(cls, said: dict[str, Any]) -> Manifest:
        _check_format(said)
        shards = said.get("shards")
        if not isinstance(shards, list) or not shards or not all(isinstance(one, dict) for one in shards):
            raise FormatError("it tells of no shards")
        entries = [_entry(shard) for shard in shards]
        first = 0
        for entry in entries:
            if entry.first_row != first:
                raise FormatError(f"{entry.file} begins with row {entry.first_row}; expected {first}")
            first += entry.rows
        if said.get("rows") != first:
            raise FormatError(f"it tells of {said.get('rows')!r} rows, and its shards of {first}")
        numbers = _number(said, "norm"), _number(said, "shrinkage")
        if not isinstance(said.get("encoder"), str) or not isinstance(said.get("made_by"), dict):
            raise FormatError("it does not tell what made the codes")
        return cls(entries, said["encoder"], *numbers, said["made_by"])

    def commit(self, folder: Path) -> None:
        """Put the manifest into the folder, whole and once: from then on the table is there.

        Raises
        ------
        FileExistsError
            If there is one of another table, of somebody who wrote to the same folder.
        """
        target, content = folder / MANIFEST, self.to_bytes()
        waiting = folder / f".slimvec-{os.urandom(6).hex()}.json"
        try:
            with replacing(waiting) as file:
                file.write(content)
            try:
                os.link(waiting, target)  # fails where a manifest is
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                if target.exists():
                    raise FileExistsError from None
                waiting.replace(target)
        except FileExistsError:
            if target.read_bytes() != content:
                raise FileExistsError(
                    f"{target} is there already, of another table: two have written to one folder; expected a new one"
                ) from None
        finally:
            with suppress(FileNotFoundError):
                waiting.unlink()


def _check_format(said: dict[str, Any]) -> None:
    if said.get("format") != FORMAT:
        raise FormatError(f"its format is {said.get('format')!r}; expected {FORMAT!r}")
    version = said.get("format_version")
    if version != VERSION:
        raise FormatError(f"its format version is {version!r}; this slimvec reads {VERSION}: update slimvec")
    if said.pop("sha256", None) != _digest(said):
        raise FormatError("what it says does not match its checksum; it was changed or is damaged")


def _number(said: dict[str, Any], name: str) -> float | None:
    value = said.get(name)
    if value is not None and not (isinstance(value, float) and 0 <= value < math.inf):
        raise FormatError(f"its {name} is {value!r}; expected a number")
    return value


def _entry(said: dict[str, Any]) -> ShardEntry:
    """Return what is said of a shard, which must be in the folder itself."""
    counts: list[Any] = [said.get(name) for name in ("first_row", "rows", "bytes")]
    file, digest = said.get("file"), said.get("sha256")
    named = isinstance(file, str) and _NAME.fullmatch(file)
    if not named or not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or digest[:16] not in str(file):
        raise FormatError(
            f"it tells of a shard {file!r} with the checksum {digest!r}; expected shard-NUMBER-SHA256.slim"
        )
    if not all(type(count) is int and count >= 0 for count in counts):
        raise FormatError(f"it tells of {file} what are no numbers of rows and bytes: {counts}")
    return ShardEntry(str(file), counts[0], counts[1], counts[2], digest)


def header_digest(path: Path) -> str:
    """Return the SHA-256 of how a table's file begins, as far as its header goes."""
    with open(path, "rb") as file:
        size = file.read(LENGTH_BYTES)
        length = min(int.from_bytes(size, "little"), MAX_TABLE_HEADER_BYTES)
        return hashlib.sha256(size + file.read(length)).hexdigest()


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder that shards can be written to: a new one, or what an unfinished run left.

    Raises
    ------
    FileExistsError
        If it holds a table, or something else.
    """
    path = Path(os.fsdecode(folder))
    if not os.fsdecode(folder):
        raise FileNotFoundError("folder is ''; expected the name of a folder")
    path.mkdir(exist_ok=True)
    if (path / MANIFEST).exists():
        raise FileExistsError(f"{path} holds a table already; expected a new folder")
    path = path.resolve()  # workers may stand elsewhere
    others = sorted(one.name for one in path.iterdir() if not (_NAME.fullmatch(one.name) or one.name.startswith(".")))
    if others:
        raise FileExistsError(f"{path} holds {others[0]!r}; expected a new folder, or one that holds shards alone")
    return path
