"""Damaged and hostile folders of indexes: refused, with the name of the file, or of no consequence."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest

import slimvec as sv
from slimvec.index import manifest as manifests
from test_index import QUERIES, X
from test_index_saving import assert_same, built, names, two_segments

DATABASE = manifests.DATABASE


@pytest.fixture(scope="module", params=[None, 5])
def fitted(request):
    return sv.Index.build(X, n_bits=30, refine_bits=3, partitions=request.param)


@pytest.fixture
def place(fitted, tmp_path):
    return two_segments(fitted, tmp_path / "a")


@contextmanager
def changing(place):
    with closing(sqlite3.connect(place / DATABASE)) as database:
        yield database
        database.commit()


class TestDamage:
    def test_a_missing_file(self, place):
        for name in names(place):
            if name == DATABASE:
                continue
            whole = (place / name).read_bytes()
            (place / name).unlink()
            with pytest.raises(sv.FormatError, match=rf"{name}: it is missing, and .*{DATABASE} tells"):
                sv.open(place)
            (place / name).write_bytes(whole[:-1])
            with pytest.raises(sv.FormatError, match=rf"{name}: .*truncated"):
                sv.open(place)
            (place / name).write_bytes(whole)
        assert len(sv.open(place, verify=True)) == 108

    def test_swapped_files(self, place):
        first, second = (name for name in names(place) if name.startswith("rows"))
        (place / first).rename(place / "x")
        (place / second).rename(place / first)
        (place / "x").rename(place / second)
        with pytest.raises(sv.FormatError, match=rf"rows-\w+.slim: its header is not the one that {DATABASE} tells"):
            sv.open(place)

    def test_a_file_of_another_index(self, place, tmp_path):
        other = sv.Index.build(2 * X[:100], n_bits=30, refine_bits=3)
        other.save(tmp_path / "b")
        (theirs,) = (name for name in names(tmp_path / "b") if name.startswith("encoder"))
        (ours,) = (name for name in names(place) if name.startswith("encoder"))
        shutil.copy(tmp_path / "b" / theirs, place / ours)
        with pytest.raises(sv.FormatError, match=rf"{ours}: its header is not the one"):
            sv.open(place)

    def test_any_flipped_bit(self, place):
        """With ``verify``, it is found, or changes nothing; without, nothing but answers changes."""
        generator, expected = np.random.default_rng(0), sv.open(place)
        found = dict.fromkeys(names(place), 0)
        for name in names(place):
            whole = (place / name).read_bytes()
            for _ in range(60 if name != DATABASE else 150):
                at = int(generator.integers(8 * len(whole)))
                damaged = bytearray(whole)
                damaged[at // 8] ^= 1 << at % 8
                (place / name).write_bytes(damaged)
                try:
                    assert_same(sv.open(place, verify=True), expected)
                except (sv.FormatError, OSError):
                    found[name] += 1
                with suppress(OSError, ValueError):
                    sv.open(place).search(QUERIES, 3)
            (place / name).write_bytes(whole)
        assert found.pop(DATABASE) > 0  # most of it is free space
        assert min(found.values()) > 50
        assert_same(sv.open(place, verify=True), expected)

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            ("PRAGMA user_version = 3", "its format version is 3, made by a newer slimvec; this one reads 1 and 2"),
            ("PRAGMA application_id = 7", "no database of an index of slimvec"),
            ("DROP TABLE removed", "its tables are not those of an index"),
            ("CREATE VIEW x AS SELECT 1", "its tables are not those of an index"),
            ("UPDATE facts SET value = 2 WHERE name = 'generation'", "does not match its checksum"),
            ("UPDATE facts SET value = x'00' WHERE name = 'ids'", "holds other things than texts and integers"),
            ("UPDATE segments SET file = 'rows-0000000000000000.slim' WHERE place = 0", "does not match its checksum"),
            ("UPDATE segments SET place = 7 - place", "does not match its checksum"),
            ("DELETE FROM removed", "does not match its checksum"),
            ("UPDATE removed SET bits = zeroblob(13)", "removed rows of .* do not match their checksum"),
        ],
    )
    def test_another_database(self, place, statement, message):
        with changing(place) as database:
            database.execute(statement)
        with pytest.raises(sv.FormatError, match=rf"{DATABASE}: .*{message}"):
            sv.open(place)

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            ("UPDATE segments SET file = '../' || file WHERE place = 0", "tells of removed rows|other names"),
            ("UPDATE segments SET file = (SELECT file FROM segments WHERE place = 1)", "other names|removed rows"),
            ("UPDATE segments SET rows = 10000000 WHERE place = 0", "tells of removed rows"),
            ("UPDATE segments SET rows = 99 WHERE place = 0", "it has 100 rows; index.sqlite tells of 99"),
            ("UPDATE segments SET rows = -1 WHERE place = 0", "tells of -1 rows"),
            ("UPDATE removed SET chunk = 1", "removed rows that"),
            ("UPDATE removed SET chunk = 'x'", "removed rows that"),
            ("UPDATE facts SET value = 'bits' WHERE name = 'ids'", "its facts are"),
            ("UPDATE facts SET value = 'texts' WHERE name = 'ids'", "tensor 'ids.text' is missing"),
            ("UPDATE facts SET value = -1 WHERE name = 'generation'", "its facts are"),
            ("UPDATE facts SET value = 'x' WHERE name = 'next_number'", "its facts are"),
            ("UPDATE facts SET value = '/etc/passwd' WHERE name = 'encoder'", "other names"),
            ("DELETE FROM facts WHERE name = 'token'", "its facts are"),
            ("DELETE FROM segments", "of 0 files: damaged"),
        ],
    )
    def test_a_database_that_lies(self, place, statement, message):
        with changing(place) as database:
            database.execute(statement)
            facts = dict(database.execute("SELECT * FROM facts WHERE name != 'checksum'").fetchall())
            segments = database.execute("SELECT file, rows, checksum FROM segments ORDER BY place").fetchall()
            chunks = database.execute("SELECT file, chunk, crc32 FROM removed ORDER BY file, chunk").fetchall()
            checksum = manifests._checksum(facts, segments, chunks)
            database.execute("UPDATE facts SET value = ? WHERE name = 'checksum'", (checksum,))
        with pytest.raises(sv.FormatError, match=message):
            sv.open(place)

    def test_no_database(self, place):
        (place / DATABASE).write_bytes(b"no database" * 1000)
        with pytest.raises(sv.FormatError, match=rf"{DATABASE}: .*not a database"):
            sv.open(place)
        (place / DATABASE).write_bytes(b"")
        with pytest.raises(sv.FormatError, match=rf"{DATABASE}: it is no database of an index"):
            sv.open(place)
        (place / DATABASE).unlink()
        with pytest.raises(IsADirectoryError, match=f"is a folder without {DATABASE}: no saved index"):
            sv.open(place)

    def test_places_that_hold_other_things(self, fitted, place, tmp_path):
        index = built(fitted)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "mine.txt").write_text("mine")
        with pytest.raises(FileExistsError, match="holds other things than an index; it is not replaced"):
            index.save(tmp_path / "other")
        with pytest.raises(FileExistsError, match="is a file, which an index, a folder, does not replace"):
            index.save(tmp_path / "other" / "mine.txt")
        with pytest.raises(FileNotFoundError, match="is not a folder to write b to"):
            index.save(tmp_path / "none" / "b")
        with pytest.raises(FileNotFoundError, match="path is ''"):
            index.save("")
        with closing(sqlite3.connect(tmp_path / "other" / DATABASE)) as database:
            database.execute("CREATE TABLE mine (x)")
        with pytest.raises(sv.FormatError, match="no database of an index of slimvec"):
            index.save(tmp_path / "other")
        assert (tmp_path / "other" / "mine.txt").read_text() == "mine"
        (tmp_path / "empty").mkdir()
        index.save(tmp_path / "empty")
        assert_same(sv.open(tmp_path / "empty"), index)
