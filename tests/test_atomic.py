"""Saving: a new file complete under its name, or the old one as it was, whatever the place, and whatever comes between.

Full disks and failing calls are in ``test_storage.py``.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv
from conftest import random_codes
from slimvec.files import atomic

SMALL = sv.HammingIndex(random_codes(5, 64))


@pytest.fixture(params=["unnamed", "named"])
def way(request, monkeypatch):
    """Both ways to hide what is not complete: a file without a name, and, where there are none, a hidden name."""
    if request.param == "named":
        monkeypatch.delattr(atomic.os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no files without names")
    return request.param


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


class TestPermissions:
    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
    def test_those_of_the_old_file_from_the_first_byte(self, way, mode, tmp_path, no_umask):
        target = tmp_path / "t"
        target.write_bytes(b"old")
        target.chmod(mode)
        with atomic.replacing(target) as file:
            modes = [os.fstat(file._raw.fileno()).st_mode, *(path.stat().st_mode for path in tmp_path.iterdir())]
            file.write(b"new")
        assert {stat.S_IMODE(found) for found in modes} == {mode}
        assert len(modes) == (3 if way == "named" else 2)
        assert stat.S_IMODE(target.stat().st_mode) == mode
        assert target.read_bytes() == b"new"

    def test_a_new_file_is_never_more_open_than_the_umask_says(self, way, tmp_path, monkeypatch):
        made = []
        really = os.open
        monkeypatch.setattr(atomic.os, "open", lambda *a, **k: made.append(really(*a, **k)) or made[-1])
        before = os.umask(0o077)
        try:
            with atomic.replacing(tmp_path / "t") as file:
                assert stat.S_IMODE(os.fstat(made[0]).st_mode) == 0o600
                file.write(b"new")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600

    def test_wide_permissions_are_kept_under_a_narrow_umask(self, way, tmp_path):
        SMALL.save(tmp_path / "t")
        (tmp_path / "t").chmod(0o664)
        before = os.umask(0o077)
        try:
            SMALL.save(tmp_path / "t")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o664


class TestAbandoned:
    def test_what_a_killed_save_left_goes_with_the_next_one(self, way, tmp_path):
        left = tmp_path / f"{atomic.PREFIX}0123456789ab{atomic.SUFFIX}"
        left.write_bytes(b"half")
        others = [tmp_path / ".slimvec-0123456789ab.tmp", tmp_path / "x.part"]
        for other in others:
            other.write_bytes(b"another's")
        SMALL.save(tmp_path / "t")
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "t", *others])

    def test_what_is_being_written_stays(self, way, tmp_path):
        with atomic.replacing(tmp_path / "a") as file:
            file.write(b"a")
            SMALL.save(tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == b"a"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]

    @pytest.mark.parametrize("unnamed", [True, False])
    def test_killed_at_any_time(self, tmp_path, unnamed):
        """The file is one of the two that were being saved in turns, whole, and nothing is left beside it."""
        target = tmp_path / "t"
        tables = [sv.HammingIndex(random_codes(20_000 + i, 64)) for i in range(2)]
        tables[0].save(target)
        script = f"""
import os, numpy as np, slimvec as sv
if not {unnamed} and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
tables = [sv.HammingIndex(np.zeros((20_000 + i, 8), np.uint8)) for i in range(2)]
print("ready", flush=True)
while True:
    for table in tables:
        table.save({str(target)!r})
"""
        for number in range(4):
            writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.03 + 0.017 * number)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
            assert len(sv.open(target, verify=True)) in {20_000, 20_001}
        tables[1].save(target)
        assert np.array_equal(sv.open(target, verify=True)._codes.blocks, tables[1]._codes.blocks)
        assert list(tmp_path.iterdir()) == [target]


class TestPlaces:
    """Pipes, sockets, devices, descriptors and links: right, or refused at once."""

    @pytest.fixture
    def odd(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to(tmp_path / "pool")
        (tmp_path / "pool").symlink_to(tmp_path / "loop")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "socket"))
        yield tmp_path
        listening.close()

    @pytest.mark.parametrize("preload", [False, True])
    @pytest.mark.parametrize("name", ["pipe", "socket", "loop", "", "/dev/null", "/dev/zero"])
    def test_opened(self, odd, name, preload):
        with pytest.raises(OSError, match="mapped|No such|[Ll]evels|loop"):
            sv.open(odd / name if name and name[0] != "/" else name, preload=preload)

    @pytest.mark.parametrize("name", ["pipe", "socket", "loop", "", "/dev/null", "/dev/full"])
    def test_saved(self, odd, name):
        before = sorted(odd.iterdir())
        with pytest.raises(OSError, match="no ordinary file|expected the name of a file|[Ll]evels|loop"):
            SMALL.save(odd / name if name and name[0] != "/" else name)
        assert sorted(odd.iterdir()) == before

    @pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no names of descriptors")
    @pytest.mark.parametrize("preload", [False, True])
    def test_descriptors(self, tmp_path, preload):
        SMALL.save(tmp_path / "t")
        with open(tmp_path / "t", "rb") as file:
            assert len(sv.open(f"/dev/fd/{file.fileno()}", verify=True, preload=preload)) == 5
            file.seek(7)
            sv.HammingIndex(random_codes(6, 64)).save(f"/dev/fd/{file.fileno()}")
        assert len(sv.open(tmp_path / "t", verify=True)) == 6
        reading, writing = os.pipe()
        with pytest.raises(OSError, match="mapped"):
            sv.open(f"/dev/fd/{reading}", preload=preload)
        with pytest.raises(FileExistsError, match="no ordinary file"):
            SMALL.save(f"/dev/fd/{writing}")
        os.close(reading)
        os.close(writing)

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no names of descriptors")
    def test_a_file_that_lost_its_name(self, tmp_path):
        with open(tmp_path / "t", "wb") as file:
            (tmp_path / "t").unlink()
            with pytest.raises(FileExistsError, match="no ordinary file"):
                SMALL.save(f"/proc/self/fd/{file.fileno()}")
        assert list(tmp_path.iterdir()) == []

    def test_a_link_to_what_does_not_exist_yet(self, tmp_path):
        (tmp_path / "link").symlink_to("t")
        SMALL.save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert len(sv.open(tmp_path / "t")) == 5
