"""Saved indexes: what is opened is what was saved, whatever was done before, by whomever, and whatever went wrong."""

from __future__ import annotations

import copy
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.cli import main
from slimvec.files import atomic
from slimvec.index import folder as folders
from slimvec.index import manifest as manifests
from slimvec.index.marks import CHUNK_ROWS, Marks
from test_index import QUERIES, X, assert_same_hits, change, empty


@pytest.fixture(scope="module")
def fitted():
    return sv.Index.build(X, n_bits=30, refine_bits=3)


def built(fitted, kind="integers", n=100):
    index = empty(fitted, kind)
    index.add(X[:n], ids=[f"film {i}" for i in range(n)] if kind == "texts" else np.arange(n) * 3)
    return index


def assert_same(one, other):
    assert one.ids.dtype == other.ids.dtype
    assert one.ids.tolist() == other.ids.tolist()
    assert_same_hits(one.search(QUERIES, 7), other.search(QUERIES, 7))
    assert np.array_equal(one.vectors(one.ids), other.vectors(one.ids))
    ours, theirs = one.info(), other.info()
    for name in ("rows", "dimension", "bits", "lists", "ids", "skipped", "made_by"):
        assert ours[name] == theirs[name]


def two_segments(fitted, folder):
    """Save an index of two segments, with removed rows."""
    index = built(fitted)
    index.add(X[:10], ids=range(1000, 1010))
    index.remove([0, 1003])
    index.save(folder)
    return folder


def names(path):
    return sorted(one.name for one in path.iterdir())


class TestRoundTrip:
    @pytest.mark.parametrize("preload", [False, True])
    @pytest.mark.parametrize("ids", [None, np.arange(600)[::-1] * 7, [f"größe {i}" for i in range(600)]])
    @pytest.mark.parametrize("options", [{}, {"n_bits": 17, "refine_bits": 0}, {"partitions": 6}])
    def test_what_build_makes(self, tmp_path, ids, options, preload):
        index = sv.Index.build(X, ids=ids, **options)
        index.save(tmp_path / "films.slim")
        assert names(tmp_path) == ["films.slim"]
        opened = sv.open(tmp_path / "films.slim", verify=True, preload=preload)
        assert_same(opened, index)
        some = index.ids[[5, 3, 599]].tolist()
        assert opened.search(QUERIES, 5, some).ids == index.search(QUERIES, 5, some).ids
        assert all(one in opened for one in some)
        assert opened.info() == index.info()
        opened.remove(some[0])
        assert some[0] not in opened
        if ids is None:
            opened.add(X[:1])
            assert opened.ids[-1] == 600

    def test_rows_that_were_left_out_and_rows_of_unit_length(self, tmp_path):
        bad = X.copy()
        bad[3] = np.nan
        index = sv.Index.build(bad / np.linalg.norm(bad, axis=1, keepdims=True), on_bad="skip")
        index.add(3 * X[:5], ids=range(1000, 1005))
        index.save(tmp_path / "a")
        assert_same(sv.open(tmp_path / "a", verify=True), index)
        assert sv.open(tmp_path / "a").n_skipped == 1

    def test_nothing(self, fitted, tmp_path):
        for kind in ("integers", "texts"):
            empty(fitted, kind).save(tmp_path / kind)
            opened = sv.open(tmp_path / kind, verify=True)
            assert len(opened) == 0
            assert opened.search(QUERIES, 3).ids == [[]] * 5
            opened.add(X[:2], ids=["a", "b"] if kind == "texts" else [1, 2])
            opened.save()
            assert len(sv.open(tmp_path / kind, verify=True)) == 2

    def test_nothing_changed_writes_nothing(self, fitted, tmp_path):
        built(fitted).save(tmp_path / "a")
        opened = sv.open(tmp_path / "a")
        before = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
        opened.compact()
        opened.save()
        assert not opened.refresh()
        assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before

    def test_by_names_of_any_kind(self, fitted, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("a b?c#%20", b"bytes", Path("p"), os.fsdecode(b"\xff\xfe")):
            built(fitted).save(name)
            opened = sv.open(name)
            opened.remove(0)
            opened.save()
            assert len(sv.open(name)) == 99
        (tmp_path / "link").symlink_to("p")
        sv.open("link").save("p")
        os.chdir("/")
        opened.add(X[:1], ids=[1])
        opened.save()  # where it was opened


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_done_what_is_opened_is_what_was_saved(fitted, tmp_path_factory, data):
    """Random changes by one of two writers and a reader, beside a dict of ids and rows."""
    kind = data.draw(st.sampled_from(["integers", "texts"]))
    name = int if kind == "integers" else str
    place = tmp_path_factory.mktemp("i") / "a"
    index, rows, fresh = empty(fitted, kind), {}, iter(range(10_000))
    index.save(place)
    saved, reader = dict(rows), sv.open(place)
    for _ in range(data.draw(st.integers(2, 14))):
        action = data.draw(st.sampled_from(["change", "change", "change", "save", "save", "drop"]))
        if action == "change":
            change(index, rows, name, fresh, data)
        elif action == "drop":
            index.refresh(discard=True)
            rows = dict(saved)
        else:
            index.save()
            assert reader.refresh() or list(rows) == list(saved)
            saved = dict(rows)
            index = sv.open(place, verify=True) if data.draw(st.booleans()) else index
    for found, held in ((sv.open(place, verify=True), saved), (reader, saved), (index, rows)):
        assert found.ids.tolist() == list(held)
        expected = empty(fitted, kind)
        if held:
            expected.add(X[list(held.values())], ids=list(held))
        assert_same_hits(found.search(QUERIES, 9), expected.search(QUERIES, 9))
        some = [one for one in held if held[one] % 3 == 0]
        assert_same_hits(found.search(QUERIES, 9, some), expected.search(QUERIES, 9, some))


@settings(max_examples=50, deadline=None)
@given(n=st.sampled_from([1, 7, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS + 5]), data=st.data())
def test_marks_by_chunks(n, data):
    marks, alive = Marks(n), np.ones(n, bool)
    for rows in data.draw(st.lists(st.lists(st.integers(0, n - 1), max_size=5), max_size=4)):
        if len(rows) == 1:
            marks.remove(rows[0])
        else:
            marks.remove_many(np.array(rows, np.int64))
        alive[rows] = False
    assert marks.changed == marks.chunks() == {row // CHUNK_ROWS for row in np.flatnonzero(~alive)}
    again = Marks(n, {number: marks.chunk(number) for number in marks.chunks()})
    assert np.array_equal(np.ones(n, bool) if again.alive is None else again.alive, alive)
    assert again.changed == set()
    unread = Marks(n, {number: marks.chunk(number) for number in marks.chunks()})
    some = {0, n - 1, n // 2, *np.flatnonzero(~alive).tolist()}
    assert [unread.is_alive(row) for row in some] == [again.is_alive(row) for row in some] == alive[list(some)].tolist()
    assert [again.chunk(number) for number in range(4)] == [marks.chunk(number) for number in range(4)]


class TestOnlyWhatIsNewIsWritten:
    def test_added_rows_and_removed_ones(self, fitted, tmp_path):
        built(fitted, n=500).save(tmp_path / "a")
        before = names(tmp_path / "a")
        opened = sv.open(tmp_path / "a")
        opened.remove([0, 3])
        opened.save()
        assert names(tmp_path / "a") == before
        opened.add(X[500:510], ids=range(2000, 2010))
        opened.save()
        (new,) = set(names(tmp_path / "a")) - set(before)
        assert (tmp_path / "a" / new).stat().st_size < 4000
        assert len(sv.open(tmp_path / "a", verify=True)) == 508

    def test_rows_are_put_together_now_and_then(self, fitted, tmp_path, monkeypatch):
        written = []
        really = folders.rows_content
        monkeypatch.setattr(folders, "rows_content", lambda one: written.append(len(one)) or really(one))
        index = built(fitted, n=50)
        index.save(tmp_path / "a")
        for turn in range(128):
            index.add(X[turn : turn + 2], ids=[10_000 + 2 * turn, 10_001 + 2 * turn])
            index.save()
        assert index.info()["segments"] <= 2 + np.log2(256)
        assert sum(written) - 50 < 256 * np.log2(256)
        assert len(names(tmp_path / "a")) <= 2 * index.info()["segments"] + 2

    def test_what_is_no_part_any_more_goes_with_the_next_save(self, fitted, tmp_path):
        index = built(fitted)
        index.save(tmp_path / "a")
        reader, late = sv.open(tmp_path / "a"), sv.open(tmp_path / "a")
        before = names(tmp_path / "a")
        index.remove([0, 3])
        index.compact()
        index.save()
        assert len(names(tmp_path / "a")) == 4
        index.save()
        assert len(names(tmp_path / "a")) == 3
        assert names(tmp_path / "a") != before
        assert_same(reader, built(fitted))  # its files are gone, but mapped
        assert reader.refresh()
        assert_same(reader, index)
        assert late.search(X[0], 1).ids == [0]


class TestTwoOfThem:
    def test_two_writers(self, fitted, tmp_path):
        built(fitted).save(tmp_path / "a")
        one, other = sv.open(tmp_path / "a"), sv.open(tmp_path / "a")
        one.remove(3)
        other.remove(6)
        one.save()
        with pytest.raises(ValueError, match=r"at save 2, this index at 1\): index.refresh\(\) brings it"):
            other.save()
        with pytest.raises(ValueError, match=r"refresh\(discard=True\) drops them"):
            other.refresh()
        assert 6 not in other
        assert 3 in other
        assert other.refresh(discard=True)
        other.remove(6)
        other.save()
        other.save()
        assert one.refresh()
        assert_same(one, other)
        assert len(one) == 98

    def test_a_folder_that_was_made_anew(self, fitted, tmp_path):
        index, texts = built(fitted), built(fitted, "texts", 5)
        index.save(tmp_path / "a")
        reader = sv.open(tmp_path / "a")
        texts.save(tmp_path / "a")
        assert_same(sv.open(tmp_path / "a", verify=True), texts)
        assert reader.refresh()
        assert_same(reader, texts)
        index.remove(0)
        with pytest.raises(ValueError, match="was saved to by another"):
            index.save()
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(FileNotFoundError, match="does not exist"):
            reader.refresh()
        index.save()
        assert_same(sv.open(tmp_path / "a", verify=True), index)
        shutil.rmtree(tmp_path / "a")
        texts.save(tmp_path / "a")  # at save 1, as the index is
        index.remove(3)
        with pytest.raises(ValueError, match="was saved to by another"):
            index.save()

    def test_elsewhere(self, fitted, tmp_path):
        index = built(fitted)
        with pytest.raises(ValueError, match="neither opened nor saved; expected a folder"):
            index.save()
        with pytest.raises(ValueError, match="neither opened nor saved"):
            index.refresh()
        index.save(tmp_path / "a")
        index.remove(0)
        index.save(tmp_path / "b")
        index.remove(3)
        index.save()
        assert [len(sv.open(tmp_path / name, verify=True)) for name in "ab"] == [100, 98]

    def test_who_waits_too_long(self, fitted, tmp_path, monkeypatch):
        index = built(fitted)
        index.save(tmp_path / "a")
        monkeypatch.setattr(manifests, "WAITING", 0.05)
        with manifests.writing(tmp_path / "a"):
            assert len(sv.open(tmp_path / "a")) == 100
            index.remove(0)
            with pytest.raises(TimeoutError, match="another process saves"):
                index.save()
        index.save()
        assert len(sv.open(tmp_path / "a")) == 99

    def test_files_that_go_while_they_are_opened(self, fitted, tmp_path, monkeypatch):
        index = built(fitted)
        index.save(tmp_path / "a")
        really = folders._made_of

        def late(*arguments):
            monkeypatch.setattr(folders, "_made_of", really)
            index.remove(0)
            index.compact()
            index.save()
            index.save()
            return really(*arguments)

        monkeypatch.setattr(folders, "_made_of", late)
        assert_same(sv.open(tmp_path / "a"), index)

    def test_readers_beside_a_writer(self, fitted, tmp_path):
        """Every search sees one save: of five rows that are replaced again and again, all or none are new."""
        index = built(fitted, n=200)
        index.save(tmp_path / "a")
        stop, seen, failed = threading.Event(), [], []

        def read():
            try:
                reader = sv.open(tmp_path / "a")
                while not stop.is_set():
                    reader.refresh()
                    ids = reader.ids.tolist()
                    assert sorted(reader.search(X[0], 500).ids) == sorted(ids)
                    seen.append(ids)
            except Exception as error:  # noqa: BLE001
                failed.append(error)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for turn in range(30):
            index.update(X[turn : turn + 5], ids=range(0, 15, 3))
            index.remove(3 * (100 + turn))
            if turn % 7 == 0:
                index.compact()
            index.save()
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed
        assert len(seen) > 16
        for ids in seen:
            assert sorted(ids) == [3 * i for i in range(200) if not 100 <= i < 300 - len(ids)]
            assert ids[-5:] == list(range(0, 15, 3)) or len(ids) == 200


class TestCopies:
    def test_a_pickle_is_the_name_of_the_folder(self, fitted, tmp_path):
        built(fitted).save(tmp_path / "a")
        opened = sv.open(tmp_path / "a")
        raw = pickle.dumps(opened)
        assert len(raw) < 1000
        assert_same(pickle.loads(raw), opened)  # noqa: S301
        opened.remove(0)
        whole = pickle.dumps(opened)
        assert len(whole) > 5000
        opened.save()
        with pytest.raises(ValueError, match=r"at save 2\) since the index was pickled, at save 1"):
            pickle.loads(raw)  # noqa: S301
        assert len(pickle.dumps(opened)) < 1000
        shutil.rmtree(tmp_path / "a")
        assert_same(pickle.loads(whole), opened)  # noqa: S301
        with pytest.raises(FileNotFoundError):
            pickle.loads(raw)  # noqa: S301

    def test_what_was_not_opened_goes_whole(self, fitted, tmp_path):
        index = built(fitted)
        index.save(tmp_path / "a")
        raw = pickle.dumps(index)
        shutil.rmtree(tmp_path / "a")
        assert_same(pickle.loads(raw), index)  # noqa: S301

    @pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
    @pytest.mark.parametrize("changed", [False, True])
    def test_a_copy_can_be_saved(self, fitted, tmp_path, way, changed):
        built(fitted).save(tmp_path / "a")
        opened = sv.open(tmp_path / "a")
        if changed:
            opened.remove(0)
        before, twin = names(tmp_path / "a"), way(opened)
        twin.remove(3)
        assert 3 in opened
        twin.save()
        assert names(tmp_path / "a") == before
        opened.remove(6)
        with pytest.raises(ValueError, match="was saved to by another"):
            opened.save()
        assert_same(sv.open(tmp_path / "a", verify=True), twin)


@contextmanager
def files_of_at_most(n_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestWhatStopsASave:
    """The folder then holds what it held, and the index can be saved later."""

    def test_full_disks(self, fitted, tmp_path):
        before, refused = built(fitted, n=20), 0
        before.save(tmp_path / "a")
        index = sv.open(tmp_path / "a")
        index.add(X[:500], ids=range(1000, 1500))
        index.remove(3)
        for limit in (0, 100, 1000, 4096, 8192, 12_288, 16_384, 20_000, 24_000, 24_576, 30_000, 1 << 20):
            files = names(tmp_path / "a")
            try:
                with files_of_at_most(limit):
                    index.save()
                    index.save(tmp_path / "new")
            except OSError:
                refused += 1
                assert not (tmp_path / "new").exists()
            if index._state.changed:
                assert_same(sv.open(tmp_path / "a", verify=True), before)
            else:
                assert_same(sv.open(tmp_path / "a", verify=True), index)
                assert (tmp_path / "new").exists() or limit < 1 << 20
            assert set(names(tmp_path)) <= {"a", "new"}
            assert len(names(tmp_path / "a")) <= len(files) + 2
        assert refused > 4
        assert_same(sv.open(tmp_path / "new", verify=True), index)

    @pytest.mark.parametrize("at", range(8))
    def test_whatever_comes_between(self, fitted, tmp_path, monkeypatch, at):
        before = built(fitted, n=20)
        before.save(tmp_path / "a")
        index, calls = sv.open(tmp_path / "a"), []
        index.add(X[:50], ids=range(1000, 1050))
        files = names(tmp_path / "a")

        def stop(really):
            def called(*arguments):
                calls.append(1)
                if len(calls) > at:
                    raise KeyboardInterrupt
                return really(*arguments)

            return called

        with monkeypatch.context() as patched:
            for module, name in (
                (folders, "read_manifest"),
                (folders, "rows_content"),
                (atomic.NamedFile, "write"),
                (atomic.NamedFile, "sync"),
                (folders, "write_manifest"),
            ):
                patched.setattr(module, name, stop(getattr(module, name)))
            if at < 7:
                with pytest.raises(KeyboardInterrupt):
                    index.save()
                assert names(tmp_path / "a") == files
        assert_same(sv.open(tmp_path / "a", verify=True), before)
        index.save()
        assert_same(sv.open(tmp_path / "a", verify=True), index)

    def test_a_folder_that_may_not_be_written(self, fitted, tmp_path):
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        place = two_segments(fitted, tmp_path / "a")
        index = sv.open(place)
        place.chmod(0o500)
        (place / manifests.DATABASE).chmod(0o400)
        try:
            assert len(sv.open(place, verify=True)) == 108
            index.remove(3)
            with pytest.raises(PermissionError, match=manifests.DATABASE):
                index.save()
        finally:
            place.chmod(0o700)

    def test_killed_at_random_moments(self, tmp_path):
        """A longer run: SLIMVEC_KILLS=500 pytest tests/test_index_saving.py -k killed."""
        kills = os.environ.get("SLIMVEC_KILLS", "40")
        assert told_by("killed_saves.py", tmp_path, kills).startswith(f"{kills} kills")

    def test_processes_that_read_beside_one_that_writes(self, tmp_path):
        """A longer run: SLIMVEC_SECONDS=60 pytest tests/test_index_saving.py -k processes."""
        told = told_by("readers_and_writer.py", tmp_path, os.environ.get("SLIMVEC_SECONDS", "3"))
        steps, looks, _ = map(int, re.findall(r"\d+", told))
        assert steps > 2
        assert looks > 8


def told_by(script, *arguments):
    """Run a script of this folder in a process of its own, and return what it has printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, Path(__file__).with_name(script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_describes_a_folder(fitted, tmp_path, capsys):
    place = two_segments(fitted, tmp_path / "a")
    assert main(["info", str(place), "--verify"]) == 0
    told = capsys.readouterr().out
    assert "rows        108, by integers\nsegments    2 with 110 rows, 2 of them removed" in told
    assert "checksums   all match" in told
    assert main(["neighbors", str(place), "3"]) == 2
    assert "is an index of vectors; neighbors needs a table" in capsys.readouterr().err


def test_memory_is_mapped_and_ids_are_not_unpacked(fitted, tmp_path):
    """Opening makes no table of ids: it reads those of the file."""
    for kind in ("integers", "texts"):
        built(fitted, kind).save(tmp_path / kind)
        ids = sv.open(tmp_path / kind)._state.segments[0].ids
        slots = ids._slots if kind == "integers" else ids._words._slots
        assert not slots.flags.owndata
        assert not slots.flags.writeable


def test_threads_ask_for_ids_while_others_go(fitted, tmp_path):
    """Of rows that are removed while others are looked for, none comes back."""
    index = built(fitted, n=600)
    index.remove(3)
    index.save(tmp_path / "a")
    for _ in range(5):
        opened, start = sv.open(tmp_path / "a"), threading.Barrier(4)

        def ask(opened=opened, start=start):
            start.wait()
            for one in range(0, 1800, 9):
                assert one in opened or one < 900
                len(opened)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        for one in range(0, 900, 9):
            opened.remove(one)
        for thread in threads:
            thread.join()
        assert len(opened) == 499
        assert not any(one in opened for one in (3, *range(0, 900, 9)))
