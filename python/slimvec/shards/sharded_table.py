"""A table whose rows lie in several files, and which answers as one file would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slimvec.binary.parts import BinaryParts
from slimvec.binary.table import BinaryTable
from slimvec.errors import FormatError
from slimvec.estimator import is_client, lazily
from slimvec.files.table_file import Content, read_content
from slimvec.shards.asking import ByWorkers
from slimvec.shards.fingerprint import fingerprint
from slimvec.shards.shard_manifest import Manifest, ShardEntry, header_digest
from slimvec.shards.sharded_parts import ShardedParts
from slimvec.spread.executing import check_executor

if TYPE_CHECKING:
    import os
    from pathlib import Path


class ShardedTable(BinaryTable):
    """Binary codes in several files, with the calls of :class:`BinaryTable` and its answers, to the bit.

    Written by :meth:`slimvec.IIQ.to_shards` and opened by :func:`slimvec.open`. Rows are numbered through all shards.

    Attributes
    ----------
    folder : Path

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import slimvec as sv
    >>> X = np.random.default_rng(0).standard_normal((9000, 16), dtype=np.float32)
    >>> iiq = sv.IIQ(n_bits=32, n_remove=0).fit(X)
    >>> folder = os.path.join(tempfile.mkdtemp(), "table")
    >>> table = iiq.to_shards([X[:5000], X[5000:]], folder, shard_rows=4096)
    >>> table
    <slimvec.ShardedTable: 9000 codes of 32 bits in 3 files>
    >>> one = iiq.to_table(X)
    >>> bool((table.search(X[:5]).indices == one.search(X[:5]).indices).all())
    True
    """

    folder: Path
    _parts: ShardedParts
    _manifest: Manifest

    @classmethod
    def open(cls, folder: Path, verify: bool = False, preload: bool = False) -> ShardedTable:
        """Open a folder: see :func:`slimvec.open`.

        Parameters
        ----------
        folder : Path
        verify, preload : bool
            Of every file.

        Returns
        -------
        ShardedTable

        Raises
        ------
        FormatError
            If the manifest or a shard is damaged, or a file is not the shard that the manifest tells of.
        OSError
            If a shard is missing.
        """
        manifest = Manifest.read(folder)
        shards = [_open_shard(folder, entry, manifest, verify, preload) for entry in manifest.shards]
        _check_alike(folder, manifest, shards)
        table = cls.from_parts(ShardedParts.of(shards, manifest.norm, manifest.shrinkage, manifest.made_by))
        table.folder, table._manifest = folder, manifest
        return table

    def by(self, executor: Any) -> ShardedTable:
        """Return the same table, whose shards are searched by workers.

        Parameters
        ----------
        executor : concurrent.futures.Executor or distributed.Client
            Whose workers map the shards, once each, and search a shard with one thread. Queries are sent to each; the
            best rows come back. With a Dask client a shard is asked about at the same worker, as long as that is there.

        Returns
        -------
        ShardedTable
            With the same answers; rows and words are looked up in this process.

        Examples
        --------
        >>> import os, tempfile
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> import numpy as np
        >>> import slimvec as sv
        >>> X = np.random.default_rng(0).standard_normal((9000, 16), dtype=np.float32)
        >>> folder = os.path.join(tempfile.mkdtemp(), "table")
        >>> table = sv.IIQ(n_bits=32).fit(X).to_shards(X, folder, shard_rows=4096)
        >>> with ThreadPoolExecutor(2) as executor:
        ...     found = table.by(executor).search(X[:5])
        >>> bool((found.indices == table.search(X[:5]).indices).all())
        True
        """
        manifest, shards = self._manifest, list(self._parts.of_shards)
        places = [(str((self.folder / one.file).absolute()), one.sha256) for one in manifest.shards]
        if is_client(executor):
            asks = lazily().searching_workers.ByClient(executor, places)
        else:
            check_executor(executor)
            asks = ByWorkers(executor, places)
        parts = ShardedParts.of(shards, manifest.norm, manifest.shrinkage, manifest.made_by, asks)
        table = self.from_parts(parts)
        table.folder, table._manifest = self.folder, manifest
        return table

    def __repr__(self) -> str:
        words = "" if self.vocabulary is None else ", with words"
        n_files = len(self._parts.of_shards)
        return f"<slimvec.ShardedTable: {len(self)} codes of {self.n_bits} bits in {n_files} files{words}>"

    def info(self) -> dict[str, Any]:
        """Describe the table: see :meth:`BinaryTable.info`.

        Returns
        -------
        dict
            Of all shards together, and ``shards``, how many there are.
        """
        return super().info() | {"shards": len(self._parts.of_shards)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to one file, shard by shard: the same table as if it had never been in shards.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        OSError
            If the place cannot be written.
        """
        self._parts.save(path)


def _open_shard(folder: Path, entry: ShardEntry, manifest: Manifest, verify: bool, preload: bool) -> BinaryParts:
    """Open a shard after making sure that it is the one that the manifest tells of."""
    path = folder / entry.file
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, which the manifest of {folder} names as one of its shards")
    digest = header_digest(path)
    if digest != entry.sha256:
        other = next((one.file for one in manifest.shards if one.sha256 == digest), None)
        what = f"{other}: the files were swapped" if other else "none of its shards: it was changed, or is foreign"
        raise FormatError(f"{path}: expected the shard that the manifest of {folder} tells of; it holds {what}")
    if path.stat().st_size != entry.bytes:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected {entry.bytes}: truncated or damaged")
    try:
        content: Content = read_content(path, preload, verify)
        parts = BinaryParts.from_content(content)
        if fingerprint(content.facts) != manifest.encoder:
            raise FormatError("its codes were made by another encoder than the manifest tells of")  # noqa: TRY301
        if len(parts) != entry.rows:
            raise FormatError(f"it holds {len(parts)} rows; expected {entry.rows}")  # noqa: TRY301
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return parts


def _check_alike(folder: Path, manifest: Manifest, shards: list[BinaryParts]) -> None:
    """Raise FormatError unless shards have the same parts, and all but the last are of whole blocks."""
    kinds = [
        (parts.words is None, None if parts.factors is None else parts.factors.n_factors, parts.partition is None)
        for parts in shards
    ]
    for entry, kind in zip(manifest.shards, kinds, strict=True):
        if kind != kinds[0] or not kind[2]:
            raise FormatError(
                f"{folder / entry.file} does not hold the same parts of rows as {manifest.shards[0].file}"
            )
    for entry in manifest.shards[:-1]:
        if entry.rows % 16:
            raise FormatError(f"{folder / entry.file} holds {entry.rows} rows; expected whole blocks of 16")
