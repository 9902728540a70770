"""Small files that stand for gigabytes, and files that never end: refused, within a bound of memory and of time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

import slimvec as sv
from slimvec.vectors import tokenizer, word_list, wrappings
from test_containers import TEXT, zipped
from test_mapped import safetensors

MEGABYTE = 1 << 20
LINE = 64  # megabytes of a line that is looked for while nobody knows how wide rows are
LITTLE = 40  # megabytes


def zstd_run(byte, n_blocks, before=b""):
    """A frame of runs of one byte, 128 KB for each four bytes."""
    first = (len(before) << 3).to_bytes(3, "little") + before if before else b""
    block = (MEGABYTE // 8 << 3 | 1 << 1).to_bytes(3, "little") + byte
    last = (MEGABYTE // 8 << 3 | 1 << 1 | 1).to_bytes(3, "little") + byte
    return b"\x28\xb5\x2f\xfd\x00\x50" + first + block * (n_blocks - 1) + last


def peak_of(call):
    """Return the megabytes that a call takes at most, and its FormatError."""
    tracemalloc.start()
    try:
        with pytest.raises(sv.FormatError) as caught:
            call()
        return tracemalloc.get_traced_memory()[1] / MEGABYTE, str(caught.value)
    finally:
        tracemalloc.stop()


def zipped_zeros(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive, archive.open("v.txt", "w") as member:
        for _ in range(70):
            member.write(bytes(MEGABYTE))
    return file.getvalue()


def packed(new, byte, before=b"", megabytes=70):
    """What a compressor makes of many bytes of one kind."""
    packer = new()
    parts = [packer.compress(before), *(packer.compress(byte * MEGABYTE) for _ in range(megabytes)), packer.flush()]
    return b"".join(parts)


def gzip_of(byte, before=b""):
    return gzip.compress(before) + gzip.compress(byte * MEGABYTE) * 70


BOMBS = {
    "zstd": lambda: zstd_run(b"\0", 32768),
    "gzip": lambda: gzip_of(b"\0"),
    "bzip2": lambda: packed(lambda: bz2.BZ2Compressor(1), b"\0"),
    "xz": lambda: packed(lambda: lzma.LZMACompressor(preset=0), b"\0"),
    "zip": lambda: zipped_zeros(zipfile.ZIP_DEFLATED),
    "zip-bzip2": lambda: zipped_zeros(zipfile.ZIP_BZIP2),
    "zip-lzma": lambda: zipped_zeros(zipfile.ZIP_LZMA),
}


class TestLines:
    @pytest.mark.parametrize("kind", BOMBS)
    def test_a_line_that_never_ends(self, tmp_path, kind):
        if kind == "zstd" and sys.version_info < (3, 14):
            pytest.importorskip("zstandard")
        path = tmp_path / "v"
        path.write_bytes(BOMBS[kind]())
        assert path.stat().st_size < MEGABYTE
        peak, message = peak_of(lambda: sv.read_vectors(path))
        assert "v: " in message
        assert peak < 5 * LINE

    def test_all_of_the_process(self, tmp_path):
        pytest.importorskip("zstandard" if sys.version_info < (3, 14) else "compression.zstd")
        (tmp_path / "v").write_bytes(zstd_run(b" ", 32768))  # 4 GB of blanks
        code = f"""
import slimvec as sv
try: sv.read_vectors({str(tmp_path / "v")!r})
except sv.FormatError: print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert int(done.stdout) < 400_000  # kilobytes

    @pytest.mark.parametrize("header", [b"3 4\n", b""])
    @pytest.mark.parametrize("byte", [b"x", b" ", b"1 "])
    def test_once_the_width_is_known(self, tmp_path, header, byte):
        """Lines before it were read, so that the next one is held to their width."""
        before = header + b"a 1 2 3 4\n" * (1 if header else 20) + b"b 1 2 3 4"
        (tmp_path / "v.gz").write_bytes(gzip_of(byte, before))
        peak, message = peak_of(lambda: sv.read_vectors(tmp_path / "v.gz"))
        assert "line " in message
        if not header:
            assert peak < LITTLE
            assert "line 21: longer than" in message

    def test_it_can_be_left_out(self, tmp_path):
        words = b"".join(b"w%d 1 2 3 4\n" % i for i in range(20))
        (tmp_path / "v.gz").write_bytes(gzip.compress(words + b"x" * 20 * MEGABYTE + b"\n" + words.replace(b"w", b"v")))
        with pytest.warns(UserWarning, match=r"1 rows cannot be read .*\(line 21\): line 21: longer than"):
            assert len(sv.read_vectors(tmp_path / "v.gz", on_error="skip")) == 40

    def test_long_words_and_numbers_are_read(self, tmp_path):
        word, number = "x" * (1 << 20), "0." + "1" * 100
        (tmp_path / "v").write_text("\n".join(f"{word}{i} {' '.join([number] * 3)}" for i in range(12)))
        assert sv.read_vectors(tmp_path / "v").matrix.shape == (12, 3)

    def test_blank_lines(self, tmp_path):
        pytest.importorskip("zstandard" if sys.version_info < (3, 14) else "compression.zstd")
        for before in (b"1 2\ncat 1 2\n", b"cat 1 2\n", b""):
            (tmp_path / "v").write_bytes(zstd_run(b"\n", 32768, before))  # 4 GB
            for options in ({}, {"on_error": "skip"}):
                peak, message = peak_of(lambda options=options: sv.read_vectors(tmp_path / "v", **options))
                assert peak < LITTLE
                assert "bytes of blank lines" in message or "the file is empty" in message

    def test_some_blank_lines_are_no_harm(self, tmp_path):
        (tmp_path / "v.gz").write_bytes(gzip.compress(b"1 2\ncat 1 2\n" + b" \r\n" * MEGABYTE))
        assert list(sv.read_vectors(tmp_path / "v.gz")) == ["cat"]
        (tmp_path / "v.gz").write_bytes(gzip.compress(b"cat 1 2\n" + b"\n" * MEGABYTE + b"dog 1 2\nsea 1 x\n"))
        with pytest.raises(sv.FormatError, match="line 2: blank, with more lines after it"):
            sv.read_vectors(tmp_path / "v.gz")
        with pytest.warns(UserWarning, match=f"2 rows .*line 2, {MEGABYTE + 3}"):
            assert list(sv.read_vectors(tmp_path / "v.gz", on_error="skip")) == ["cat", "dog"]

    @pytest.mark.parametrize("format", [None, "glove", "word2vec", "word2vec-binary", "npy"])
    def test_devices_that_never_end(self, format, monkeypatch):
        monkeypatch.setattr(wrappings, "FREE_BYTES", MEGABYTE)
        peak, _ = peak_of(lambda: sv.read_vectors("/dev/zero", format))
        assert peak < 5 * LINE


class TestPromises:
    @pytest.mark.parametrize("header", [b"1000000000 1000000\n", b"999999999999 1048576\n"])
    @pytest.mark.parametrize("rest", [b"cat 1 2 3\ndog 1 2 3\n", b"cat \1\2\3\4\xff\xfe", b"", b"cat 1"])
    def test_of_many_wide_rows(self, tmp_path, header, rest):
        (tmp_path / "v").write_bytes(header + rest)
        for kind in ("word2vec", "word2vec-binary"):
            for read in (sv.read_vectors, lambda *given: len(sv.VectorFile(*given))):
                peak, message = peak_of(lambda read=read, kind=kind: read(tmp_path / "v", kind))
                assert "v: " in message
                assert peak < 300  # blocks of codes are 64 rows: 256 MB that are never touched

    def test_wide_rows_come_in_small_blocks(self, tmp_path, monkeypatch):
        monkeypatch.setattr("slimvec.blocks.BLOCK_NUMBERS", 64 * 2 * 300)
        wide = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
        path = tmp_path / "v"
        path.write_bytes(b"300 300\n" + b"".join(b"w%d " % i + row.tobytes() for i, row in enumerate(wide)))
        blocks = list(sv.VectorFile(path).blocks())
        assert [len(block) for block in blocks] == [128, 128, 44]
        assert np.array_equal(np.concatenate(blocks), wide)
        in_memory, streamed = (sv.IIQ(n_bits=8).compress(read(path)) for read in (sv.read_vectors, sv.VectorFile))
        streamed.save(tmp_path / "t")
        for table in (in_memory, sv.open(tmp_path / "t")):
            assert np.array_equal(table.codes(), streamed.codes())

    @pytest.mark.parametrize(("rest", "message"), [(b"x", "no space within"), (b"\n", "newlines")])
    @pytest.mark.parametrize("on_error", ["raise", "skip"])
    def test_binary_records_that_never_end(self, tmp_path, rest, message, on_error):
        (tmp_path / "v.gz").write_bytes(gzip_of(rest, b"9000000 1000000\n"))
        given = {"format": "word2vec-binary", "limit": 5, "on_error": on_error}
        peak, found = peak_of(lambda: sv.read_vectors(tmp_path / "v.gz", **given))
        assert message in found
        assert peak < LITTLE + 20


class TestWordLists:
    @pytest.fixture
    def array(self, tmp_path):
        np.save(tmp_path / "v.npy", np.ones((3, 2), np.float32))
        return tmp_path / "v.npy"

    @pytest.mark.parametrize(
        ("byte", "message"), [(b"a", "line 1: longer than"), (b"a\n", "it has more than .* words")]
    )
    def test_that_never_end(self, array, tmp_path, byte, message):
        (tmp_path / "w.gz").write_bytes(gzip_of(byte))
        peak, found = peak_of(lambda: sv.read_vectors((array, tmp_path / "w.gz")))
        assert message.split(" .*")[0] in found
        assert peak < 5 * LINE

    def test_devices(self, array):
        peak, found = peak_of(lambda: sv.read_vectors((array, "/dev/zero")))
        assert "/dev/zero: line 1: longer than" in found
        assert peak < LITTLE

    def test_that_unpack_to_too_much(self, array, tmp_path, monkeypatch):
        monkeypatch.setattr(word_list, "SPARE_BYTES", 1000)
        (tmp_path / "w.gz").write_bytes(gzip.compress(b"\n".join([b"a" * 100_000] * 3)))
        with pytest.raises(sv.FormatError, match="it unpacks to more than 100 times its size"):
            sv.read_vectors((array, tmp_path / "w.gz"))


class TestOnDisk:
    @pytest.mark.parametrize("through", ["file", "pipe"])
    def test_what_is_mapped_unpacks_to_a_bound(self, tmp_path, monkeypatch, through):
        monkeypatch.setattr(wrappings, "FREE_BYTES", MEGABYTE)
        file = io.BytesIO()
        np.save(file, np.zeros((2000, 3000), np.float32))
        (tmp_path / "v.npy.gz").write_bytes(gzip.compress(file.getvalue()))
        path = tmp_path / "v.npy.gz"
        if through == "pipe":
            os.mkfifo(tmp_path / "pipe")
            raw = path.read_bytes()
            threading.Thread(target=write_all, args=(tmp_path / "pipe", raw), daemon=True).start()
            path = tmp_path / "pipe"
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "here"))
        (tmp_path / "here").mkdir()
        with pytest.raises(sv.FormatError, match="it unpacks to more than 100 times its size; unpack it first"):
            sv.read_vectors(path)
        assert not list((tmp_path / "here").iterdir())

    def test_archives_within_files(self, tmp_path, monkeypatch):
        monkeypatch.setattr(wrappings, "FREE_BYTES", 1000)
        (tmp_path / "v.gz").write_bytes(gzip.compress(zipped(zipfile.ZIP_STORED, v_txt=b"cat 1 2\n" * 100_000)))
        with pytest.raises(sv.FormatError, match="it unpacks to more than 100 times its size"):
            sv.read_vectors(tmp_path / "v.gz")

    def test_lists_of_members(self, tmp_path, monkeypatch):
        monkeypatch.setattr("slimvec.vectors.archives.MAX_DIRECTORY_BYTES", 40)
        (tmp_path / "v.zip").write_bytes(zipped(v_txt=TEXT))
        with pytest.raises(sv.FormatError, match="a list of members of .* bytes"):
            sv.read_vectors(tmp_path / "v.zip")

    def test_tokenizers(self, tmp_path, monkeypatch):
        (tmp_path / "model.safetensors").write_bytes(safetensors(x=np.ones((2, 2), np.float32)))
        (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0, "b": 1}}}')
        assert len(sv.read_vectors(tmp_path)) == 2
        monkeypatch.setattr(tokenizer, "MAX_TOKENIZER_BYTES", 20)
        with pytest.raises(sv.FormatError, match="tokenizer.json: not a usable tokenizer .larger than"):
            sv.read_vectors(tmp_path)

    def test_windows_of_zstd(self, tmp_path):
        pytest.importorskip("zstandard" if sys.version_info < (3, 14) else "compression.zstd")
        (tmp_path / "v").write_bytes(b"\x28\xb5\x2f\xfd\x00\xf8" + zstd_run(b"\0", 2)[6:])
        with pytest.raises(sv.FormatError, match="v: damaged zstd data"):
            sv.read_vectors(tmp_path / "v")


def write_all(path, raw):
    try:
        path.write_bytes(raw)
    except BrokenPipeError:
        return
