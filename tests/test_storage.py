"""Files: round trips, atomic saves, and damage of every kind."""

from __future__ import annotations

import json
import mmap
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slimvec as sv
from conftest import random_codes
from slimvec.files import atomic, pages, table_writer

FROZEN = Path(__file__).parent / "data" / "v1"
HEADER_END = 8


@pytest.fixture
def saved(table, tmp_path):
    path = tmp_path / "animals.slim"
    table.save(path)
    return path


def same(a, b):
    return (
        np.array_equal(a.codes(), b.codes())
        and a.words == b.words
        and {**a.info(), "resident": None} == {**b.info(), "resident": None}
        and np.array_equal(a.lookup([0]), b.lookup([0]))
    )


def rewrite(path, target, change):
    """Write a table file whose header has been changed."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    target.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


class TestRoundTrip:
    def test_everything_comes_back(self, saved, table, animals):
        opened = sv.open(saved, verify=True)
        assert same(opened, table)
        assert np.array_equal(opened.encode(animals), table.codes())
        assert opened.most_similar("cat0") == table.most_similar("cat0")

    @pytest.mark.parametrize("n_bits", [1, 31, 300, 1023])
    @pytest.mark.parametrize("n", [0, 1, 16, 33])
    def test_sizes(self, tmp_path, n, n_bits):
        table = sv.BinaryTable(random_codes(n, n_bits), n_bits, words=[f"wörd {i} ☃" for i in range(n)])
        table.save(tmp_path / "t")
        opened = sv.open(tmp_path / "t", verify=True)
        assert np.array_equal(opened.codes(), table.codes())
        assert opened.words == table.words

    def test_saving_what_was_opened_over_itself(self, saved, table):
        opened = sv.open(saved)
        opened.save(saved)
        assert same(opened, table)
        assert same(sv.open(saved, verify=True), table)

    def test_opened_codes_are_read_only_views_of_the_file(self, saved):
        codes = sv.open(saved)._parts.codes.blocks
        assert not codes.flags.writeable
        assert not codes.flags.owndata

    @pytest.mark.parametrize("name", ["binary.slim", "factors.slim", "hamming.slim", "sparse-float16.slim"])
    def test_preloaded_is_the_same_and_lets_go_of_the_file(self, name, tmp_path):
        path = tmp_path / "t"
        shutil.copyfile(FROZEN / name, path)
        mapped, preloaded = sv.open(FROZEN / name), sv.open(path, verify=True, preload=True)
        path.write_bytes(b"gone")
        assert preloaded.info() == {**mapped.info(), "resident": preloaded.info()["resident"]}
        if name == "hamming.slim":
            assert np.array_equal(preloaded.pairwise(), mapped.pairwise())
        else:
            assert np.array_equal(preloaded.lookup([0, 1]), mapped.lookup([0, 1]))
            assert preloaded.most_similar(0, 2) == mapped.most_similar(0, 2)

    @pytest.mark.parametrize("n", [100, 200_000])  # below and above the size of a huge page
    def test_preloaded_tensors_are_aligned_and_read_only(self, tmp_path, n):
        sv.HammingIndex(random_codes(n, 300)).save(tmp_path / "t")
        blocks = sv.open(tmp_path / "t", preload=True)._codes.blocks
        assert blocks.ctypes.data % 64 == 0
        assert not blocks.flags.writeable
        assert np.array_equal(blocks, sv.open(tmp_path / "t")._codes.blocks)

    def test_resident_bytes_tell_what_was_used(self):
        memory = np.frombuffer(mmap.mmap(-1, 1 << 26), np.uint8)  # pages that nobody wrote to
        assert pages.resident_bytes([memory]) == 0
        memory[: 1 << 20] = 1
        assert 1 << 20 <= pages.resident_bytes([memory]) < 1 << 25
        assert pages.resident_bytes([memory[100:200], memory[:10]]) == 110

    def test_the_frozen_file_of_version_1_still_opens(self):
        opened = sv.open(FROZEN / "binary.slim", verify=True)
        assert opened.words == ("cat", "dog", "größe", "new york", "sea")
        assert opened.codes().tolist() == json.loads((FROZEN / "binary.json").read_text())["codes"]
        assert opened.encode(np.eye(3)).tolist() == json.loads((FROZEN / "binary.json").read_text())["encoded"]

    def test_the_frozen_files_of_codes_with_factors_still_open(self):
        opened = sv.open(FROZEN / "factors.slim", verify=True)
        answers = json.loads((FROZEN / "factors.json").read_text())
        queries = np.array(answers["queries"], np.float32)
        scores, rows = opened.search(queries, k=3)
        assert rows.tolist() == answers["rows"]
        # Cosines of factors.json were those of queries as they came, of lengths 13.1 and 16.3 beside the table's norm
        # of 15.5. Queries are now brought to that norm: these cosines were given before to queries that had it.
        expected = [[0.98725545, 0.6116613, 0.46030366], [0.9957446, 0.44063732, 0.36002082]]
        assert np.allclose(scores, expected, atol=1e-6)
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        assert np.allclose(opened.search(queries * (opened.info()["norm"] / lengths), k=3).scores, expected, atol=1e-6)
        assert np.allclose(answers["scores"], expected, atol=0.01)
        inner = opened.search(queries, k=3, metric="dot")  # as ever
        expected = [[172.375687, 97.3341064, 97.1194763], [267.659424, 126.474678, 85.6382294]]
        assert np.allclose(inner.scores, expected, rtol=1e-6)
        assert inner.indices.tolist() == [[0, 2, 3], [1, 2, 13]]
        assert opened.search_codes(opened.encode(queries), k=2).distances.tolist() == [[0, 9], [0, 11]]
        assert np.allclose(opened.lookup([0, 4], original=True), answers["originals"], atol=1e-6)
        index = sv.open(FROZEN / "hamming.slim", verify=True)
        assert np.array_equal(index.pairwise(opened.codes()), index.pairwise())
        assert index.info() == {"kind": "hamming", "rows": 20, "bits": 37, "bytes": {"codes": 256}, "resident": 256}

    def test_factors_come_back(self, animals, tmp_path):
        table = sv.IIQ(n_bits=75, n_remove=0).compress(animals, factors=True)
        table.save(tmp_path / "t")
        opened = sv.open(tmp_path / "t", verify=True)
        assert same(opened, table)
        assert opened.info()["bytes"]["factors"] == 3 * 3 * 16 * 2
        assert np.array_equal(opened.lookup([3], original=True), table.lookup([3], original=True))
        found, expected = (t.search(animals.matrix, k=4, oversample=None) for t in (opened, table))
        assert np.array_equal(found.scores, expected.scores)
        assert np.array_equal(found.indices, expected.indices)

    def test_lying_factors(self, animals, tmp_path):
        sv.IIQ(n_bits=75, n_remove=0).compress(animals, factors=True).save(tmp_path / "t")
        for facts, message in (
            (None, "factors is None; expected an object"),
            ({"norm": "1", "shrinkage": 0.5}, "norm of the factors is '1'"),
            ({"norm": 0.0, "shrinkage": 0.5}, "norm of the factors is 0.0"),
            ({"norm": 1.0}, "shrinkage of the factors is None"),
            ({"norm": float("nan"), "shrinkage": 0.5}, "NaN is no number"),
            ({"norm": float("inf"), "shrinkage": 0.5}, "Infinity is no number"),
        ):
            rewrite(tmp_path / "t", tmp_path / "lie", lambda header, facts=facts: set_fact(header, factors=facts))
            with pytest.raises(sv.FormatError, match=message):
                sv.open(tmp_path / "lie")
        for shape in ([3, 9, 8], [9, 1, 16], [3, 48], [1, 9, 16]):
            rewrite(tmp_path / "t", tmp_path / "lie", lambda header, s=shape: header["factors"].update(shape=s))
            with pytest.raises(sv.FormatError, match="factors"):
                sv.open(tmp_path / "lie")


class TestLayout:
    def test_safetensors_reads_it(self, saved, table):
        safetensors = pytest.importorskip("safetensors.numpy")
        tensors = safetensors.load_file(saved)
        assert np.array_equal(tensors["codes"], table._parts.codes.blocks)
        assert tensors["words.text"].tobytes().decode().startswith("cat0cat1")

    def test_tensors_start_on_64_bytes_and_leave_no_holes(self, saved):
        raw = saved.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        assert header.pop("__metadata__")["format"] == "slimvec"
        places = sorted(entry["data_offsets"] for entry in header.values())
        assert (8 + length) % 64 == 0
        assert places[0][0] == 0
        assert all(a[1] == b[0] for a, b in zip(places, places[1:], strict=False))
        assert places[-1][1] == len(raw) - 8 - length
        for name, entry in header.items():
            assert name.startswith("_padding") or entry["data_offsets"][0] % 64 == 0


class TestDamage:
    @pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100, 1000])
    def test_truncated(self, saved, size):
        saved.write_bytes(saved.read_bytes()[:size])
        for preload in (False, True):
            with pytest.raises(sv.FormatError, match=saved.name):
                sv.open(saved, preload=preload)

    def test_every_truncation_of_the_last_bytes(self, saved):
        raw = saved.read_bytes()
        for cut in range(1, 70):
            saved.write_bytes(raw[:-cut])
            with pytest.raises(sv.FormatError, match="truncated"):
                sv.open(saved)

    def test_trailing_bytes(self, saved):
        saved.write_bytes(saved.read_bytes() + b"x")
        with pytest.raises(sv.FormatError, match="longer than its tensors"):
            sv.open(saved)

    def test_a_flipped_bit_in_the_content_fails_verification(self, saved):
        raw = bytearray(saved.read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        for at in range(start, len(raw), 97):
            raw[at] ^= 4
            saved.write_bytes(raw)
            with pytest.raises(sv.FormatError, match="does not match its checksum|is not zero"):
                sv.open(saved, verify=True)
            raw[at] ^= 4

    def test_every_flipped_bit_in_the_header_is_survived(self, saved):
        """Either refused as FormatError, or harmless: whatever opens can be used without a crash."""
        raw = saved.read_bytes()
        refused = 0
        with open(saved, "r+b", buffering=0) as file:
            for at in range(8 + int.from_bytes(raw[:8], "little")):
                for bit in range(8):
                    os.pwrite(file.fileno(), bytes([raw[at] ^ 1 << bit]), at)
                    refused += survives(saved)
                os.pwrite(file.fileno(), raw[at : at + 1], at)
        assert refused > 1000
        assert saved.read_bytes() == raw

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_random_rewriting_is_survived(self, saved, data):
        raw = bytearray(FROZEN.joinpath("binary.slim").read_bytes())
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=12))
        saved.write_bytes(raw)
        survives(saved)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda h: h.pop("codes"), "missing|lies at"),
            (lambda h: h["codes"].update(dtype="F64"), "unknown type"),
            (lambda h: h["codes"].update(dtype=[]), "unknown type"),
            (lambda h: h["codes"].update(dtype={}), "unknown type"),
            (lambda h: h["codes"].update(dtype="F32"), "expected uint32"),
            (lambda h: h["codes"].update(shape=[1, 2]), "place that does not fit its shape"),
            (lambda h: h["codes"].update(shape=[-3, 3, 16]), "malformed"),
            (lambda h: h["codes"].update(shape=[True, 3, 16]), "malformed"),
            (lambda h: h["codes"].update(shape=[2**40, 2**40, 2**40]), "does not fit"),
            (lambda h: h["codes"].update(shape=None), "malformed"),
            (lambda h: h["codes"].update(data_offsets=[0]), "malformed"),
            (lambda h: h["mean"].update(data_offsets=[0, 160]), "lies at"),
            (lambda h: h.update(codes=7), "unknown type"),
            (lambda h: h.update(__metadata__={}), "no table of slimvec"),
            (lambda h: h.pop("__metadata__"), "no table of slimvec"),
            (lambda h: h["__metadata__"].update(format_version="6"), "this slimvec reads 1, 2, 3, 4 and 5: update"),
            (lambda h: h["__metadata__"].update(facts="[]"), "not a JSON object"),
            (lambda h: h["__metadata__"].update(facts="{"), "not JSON"),
            (lambda h: h["__metadata__"].update(facts=3), "holds no facts"),
            (lambda h: set_fact(h, kind="sphere"), "unknown kind of table 'sphere'"),
            (lambda h: set_fact(h, kind=[1]), "unknown kind of table"),
            (lambda h: set_fact(h, rows=41), "expected int64"),
            (lambda h: set_fact(h, rows=1000), "expected uint32"),
            (lambda h: set_fact(h, rows=-1), "rows is -1"),
            (lambda h: set_fact(h, bits=0), "bits is 0"),
            (lambda h: set_fact(h, bits=76), "expected float32"),
            (lambda h: set_fact(h, bits="75"), "bits is '75'"),
            (lambda h: set_fact(h, made_by=None), "made_by is None"),
            (lambda h: set_fact(h, made_by={"parameters": 3}), "made_by is"),
        ],
    )
    def test_lying_headers(self, saved, change, message):
        rewrite(saved, saved, change)
        with pytest.raises(sv.FormatError, match=message):
            sv.open(saved)

    def test_deeply_nested_json(self, saved):
        text = b"[" * 100_000
        saved.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(sv.FormatError, match="not JSON"):
            sv.open(saved)

    def test_other_files(self, saved):
        for content in (b"\x1f\x8b" + bytes(100), b"cat 0.1 0.2\n" * 50, bytes(1000), b"\xff" * 1000):
            saved.write_bytes(content)
            with pytest.raises(sv.FormatError, match="not a table|no table"):
                sv.open(saved)

    @pytest.mark.parametrize("offsets", [[0, 5, 3, 6], [0, -1, 3, 6], [0, 2, 4, 6]])
    def test_damaged_words_are_found_when_read(self, tmp_path, offsets):
        text = np.frombuffer("añcabc".encode()[:6], np.uint8)
        tensors = {
            "codes": np.zeros((1, 1, 16), np.uint32), "words.text": text, "words.offsets": np.array(offsets, np.int64)
        }  # fmt: skip
        facts = {"kind": "binary", "rows": 3, "bits": 8, "made_by": {}}
        table_writer.save_table(tmp_path / "t", facts, tensors)
        table = sv.open(tmp_path / "t")
        with pytest.raises(sv.FormatError, match="fall|UTF-8"):
            table.lookup(["a"])


def set_fact(header, **facts):
    metadata = header["__metadata__"]
    metadata["facts"] = json.dumps({**json.loads(metadata["facts"]), **facts})


def survives(path):
    """Open and use a damaged file; return 1 if it was refused. Anything but FormatError is a failure."""
    try:
        table = sv.open(path)
        table.info()
        if len(table):
            table.search_codes(table.codes()[:1], k=1)
            table.lookup([len(table) - 1])
        if table.words:
            table.most_similar(table.words[0], k=1)
    except sv.FormatError:
        return 1
    return 0


class TestPlaces:
    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            sv.open(tmp_path / "none")

    def test_directory(self, tmp_path, table):
        with pytest.raises(IsADirectoryError):
            sv.open(tmp_path)
        with pytest.raises(IsADirectoryError, match="is a directory; expected the name of a file"):
            table.save(tmp_path)
        with pytest.raises(FileNotFoundError):
            table.save(tmp_path / "none" / "t.slim")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_file_is_not_replaced(self, tmp_path, table):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileExistsError, match="is no ordinary file; it is not replaced"):
            table.save(tmp_path / "pipe")
        assert (tmp_path / "pipe").is_fifo()

    def test_long_names_and_bytes(self, tmp_path, table):
        path = tmp_path / ("n" * 255)
        table.save(os.fsencode(path))
        assert same(sv.open(os.fsencode(path)), table)

    def test_permissions_of_the_old_file_are_kept(self, saved, table):
        saved.chmod(0o640)
        table.save(saved)
        assert saved.stat().st_mode & 0o777 == 0o640

    def test_new_files_follow_the_umask(self, tmp_path, table):
        old = os.umask(0o027)
        try:
            table.save(tmp_path / "t")
        finally:
            os.umask(old)
        assert (tmp_path / "t").stat().st_mode & 0o777 == 0o640

    def test_a_link_stays_a_link(self, saved, table, tmp_path):
        link = tmp_path / "link"
        link.symlink_to(saved)
        table.save(link)
        assert link.is_symlink()
        assert same(sv.open(link), table)

    def test_no_permission(self, saved):
        """In a child that gives up root, if this is root: root may read everything."""
        saved.chmod(0o600)
        saved.parent.chmod(0o755)
        script = f"""
import os, slimvec as sv
table = sv.BinaryTable(sv.pack([[1]]), 1)
if os.geteuid() == 0:
    os.seteuid(65534)
else:
    os.chmod({str(saved)!r}, 0); os.chmod({str(saved.parent)!r}, 0o500)
for work in (lambda: sv.open({str(saved)!r}), lambda: table.save({str(saved)!r})):
    try:
        work()
        print("allowed")
    except PermissionError as error:
        print("refused", error.filename)
"""
        for folder in saved.parents[1:3]:  # let the child reach the folder
            folder.chmod(0o755)
        before = saved.read_bytes()
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        saved.parent.chmod(0o755)
        saved.chmod(0o600)
        assert result.stdout.split() == ["refused", str(saved)] * 2
        assert saved.read_bytes() == before
        assert list(saved.parent.iterdir()) == [saved]


class TestFailedSaves:
    def assert_intact(self, saved, before):
        assert saved.read_bytes() == before
        assert list(saved.parent.iterdir()) == [saved]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
    def test_whatever_stops_it_the_old_file_stays(self, saved, table, monkeypatch, error):
        before = saved.read_bytes()

        def stop(_):
            raise error

        monkeypatch.setattr(atomic.os, "fsync", stop)
        with pytest.raises(error if isinstance(error, type) else OSError):
            sv.BinaryTable(random_codes(9, 8), 8).save(saved)
        self.assert_intact(saved, before)

    def test_file_size_limit(self, saved):
        """The kernel refuses to write on, as a full disk does."""
        before = saved.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        big = sv.BinaryTable(random_codes(100_000, 64), 64)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                big.save(saved)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assert_intact(saved, before)

    @pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting needs root")
    def test_full_disk(self, table, tmp_path):
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
        try:
            saved = tmp_path / "t.slim"
            table.save(saved)
            before = saved.read_bytes()
            with pytest.raises(OSError, match="No space left on device"):
                sv.BinaryTable(random_codes(100_000, 64), 64).save(saved)
            self.assert_intact(saved, before)
            assert same(sv.open(saved), table)
        finally:
            subprocess.run(["umount", "-l", str(tmp_path)], check=True)
