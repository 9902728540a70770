"""What files of vectors come wrapped in: compressions, archives, pipes, other widths of letters; and what is none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.vectors.foreign import FOREIGN
from test_fasttext import fasttext
from test_formats import MATRIX, WORDS, same
from test_mapped import compress_zstd, safetensors
from test_streaming import text_of
from test_vectors import word2vec_binary

TEXT = text_of(WORDS, MATRIX).encode()
EXPECTED = sv.Vectors(WORDS, MATRIX)


def zipped(method=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(
                name.replace("____", "/._").replace("__", "/").replace("_", ".").replace("/MACOSX", "__MACOSX"), data
            )
    return file.getvalue()


def npy(matrix=MATRIX):
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


def as_utf16(data):
    return data.decode().encode("utf-16")


WRAPPERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": compress_zstd,
    "zip": lambda data: zipped(v_txt=data),
    "zip-stored": lambda data: zipped(zipfile.ZIP_STORED, v_txt=data),
    "zip-bzip2": lambda data: zipped(zipfile.ZIP_BZIP2, v_txt=data),
    "zip-lzma": lambda data: zipped(zipfile.ZIP_LZMA, v_txt=data),
}


def inner():
    """What is wrapped: files that are read in order, and files that are mapped."""
    header = f"{len(WORDS)} {MATRIX.shape[1]}\n".encode()
    return {
        "glove": TEXT,
        "word2vec": header + TEXT,
        "word2vec-binary": word2vec_binary(WORDS, MATRIX, newline=b""),
        "fasttext-binary": fasttext(WORDS, MATRIX, letters=(0, 0)),
        "npy": npy(),
        "safetensors": safetensors(weight=MATRIX),
    }


def write_words(folder):
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in WORDS))


def check(path):
    read, file = sv.read_vectors(path), sv.VectorFile(path)
    assert same(read, EXPECTED)
    assert same(file, EXPECTED)
    assert same(file, EXPECTED)  # in a second pass


class TestWrapped:
    @pytest.mark.parametrize("wrapper", WRAPPERS)
    @pytest.mark.parametrize("kind", inner())
    def test_every_format_in_every_wrapper(self, tmp_path, monkeypatch, wrapper, kind):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        path = tmp_path / "download.dat"
        path.write_bytes(WRAPPERS[wrapper](inner()[kind]))
        write_words(tmp_path)
        check(path)
        assert main(["compress", str(path), "-o", str(tmp_path / "t"), "--remove", "0"]) == 0
        assert sv.open(tmp_path / "t").words == tuple(WORDS)
        assert not list(tmp_path.glob("slimvec-*"))  # what is mapped has no name any more

    def test_two_and_three_deep(self, tmp_path):
        path = tmp_path / "v"
        for outer in WRAPPERS.values():
            for middle in WRAPPERS.values():
                path.write_bytes(outer(middle(TEXT)))
                assert same(sv.read_vectors(path), EXPECTED)
        path.write_bytes(gzip.compress(zipped(v_vec_gz=bz2.compress(TEXT))))
        check(path)
        data = TEXT
        for _ in range(5):
            data = gzip.compress(data)
        path.write_bytes(data)
        with pytest.raises(sv.FormatError, match="v: it is compressed more than 4 times over"):
            sv.read_vectors(path)

    @pytest.mark.parametrize("wrapper", ["gzip", "bzip2", "xz", "zstd"])
    def test_several_frames(self, tmp_path, wrapper):
        pack = WRAPPERS[wrapper]
        middle = len(TEXT) // 2
        (tmp_path / "v").write_bytes(pack(TEXT[:middle]) + pack(b"") + pack(TEXT[middle:]))
        check(tmp_path / "v")

    def test_frames_of_zstd_that_hold_nothing(self, tmp_path):
        empty = b"\x53\x2a\x4d\x18\3\0\0\0abc"
        for first in (b"", empty):  # as pzstd begins each frame
            (tmp_path / "v").write_bytes(first + compress_zstd(TEXT) + empty + compress_zstd(b""))
            check(tmp_path / "v")

    @pytest.mark.parametrize("wrapper", WRAPPERS)
    def test_every_truncation_is_named(self, tmp_path, wrapper):
        raw = WRAPPERS[wrapper](TEXT * 2)
        for size in range(8, len(raw) - 1, 29):
            (tmp_path / "v").write_bytes(raw[:size])
            with pytest.raises(sv.FormatError, match=r"v: (damaged|line)"):
                sv.read_vectors(tmp_path / "v")

    @pytest.mark.parametrize("wrapper", WRAPPERS)
    def test_damage_is_a_format_error(self, tmp_path, wrapper):
        raw = WRAPPERS[wrapper](TEXT)
        for at in range(8, len(raw), 13):
            damaged = bytearray(raw)
            damaged[at] ^= 0x55
            (tmp_path / "v").write_bytes(damaged)
            with suppress(sv.FormatError, UserWarning):  # not every byte of every container means something
                sv.read_vectors(tmp_path / "v")

    def test_a_list_of_words_may_be_wrapped_too(self, tmp_path):
        np.save(tmp_path / "v.npy", MATRIX)
        words = "".join(f"{word}\n" for word in WORDS)
        for pack in WRAPPERS.values():
            (tmp_path / "list").write_bytes(pack(words.encode()))
            assert same(sv.read_vectors((tmp_path / "v.npy", tmp_path / "list")), EXPECTED)
        for encoding in ("utf-8-sig", "utf-16"):
            (tmp_path / "list").write_bytes(words.encode(encoding))
            assert same(sv.read_vectors((tmp_path / "v.npy", tmp_path / "list")), EXPECTED)

    @pytest.mark.parametrize("wrapper", WRAPPERS)
    def test_progress_reaches_the_end(self, tmp_path, wrapper):
        (tmp_path / "v").write_bytes(WRAPPERS[wrapper](TEXT))
        calls = []
        sv.read_vectors(tmp_path / "v", progress=lambda *call: calls.append(call))
        assert all(done <= total for _, done, total in calls)
        assert calls[-1][1] == calls[-1][2]


class TestArchives:
    @pytest.fixture
    def glove(self, tmp_path):
        path = tmp_path / "glove.6B.zip"
        path.write_bytes(zipped(**{f"glove_6B_{d}d_txt": text_of(WORDS, MATRIX[:, :d]) for d in (2, 3, 4, 5)}))
        return path

    def test_several_members_are_listed(self, glove, tmp_path, capsys):
        listed = r"glove.6B.zip: it is a zip archive of 4 files; name the one to read, as in "
        listed += r"'glove.6B.zip#glove.6B.2d.txt': glove.6B.2d.txt, glove.6B.3d.txt, glove.6B.4d.txt, glove.6B.5d.txt$"
        for read in (sv.read_vectors, sv.VectorFile):
            with pytest.raises(sv.FormatError, match=listed):
                read(glove)
        assert main(["compress", str(glove), "-o", str(tmp_path / "t")]) == 2
        assert "name the one to read" in capsys.readouterr().err

    def test_one_is_named(self, glove, tmp_path):
        check(f"{glove}#glove.6B.5d.txt")
        check(Path(f"{glove}#glove.6B.5d.txt"))
        out = tmp_path / "t"
        assert main(["compress", f"{glove}#glove.6B.4d.txt", "-o", str(out), "--remove", "0"]) == 0
        assert len(sv.open(out).words) == len(WORDS)
        with pytest.raises(sv.FormatError, match="it has no member 'x.txt'; name the one to read, as in 'glove"):
            sv.read_vectors(f"{glove}#x.txt")

    def test_names_with_a_hash(self, tmp_path, glove):
        (tmp_path / "a#b.txt").write_bytes(TEXT)
        check(tmp_path / "a#b.txt")
        (tmp_path / "c#.zip").write_bytes(zipped(x_txt=TEXT, y__z_txt=TEXT))
        check(tmp_path / "c#.zip#y/z.txt")
        with pytest.raises(sv.FormatError, match="expected a zip archive that holds 'c'"):
            sv.read_vectors(tmp_path / "a#b.txt#c")
        with pytest.raises(FileNotFoundError):
            sv.read_vectors(tmp_path / "none#b")

    def test_archives_in_archives(self, tmp_path):
        (tmp_path / "v").write_bytes(zipped(a_zip=zipped(b_txt=b"", c_txt=TEXT), d=b""))
        check(f"{tmp_path / 'v'}#a.zip#c.txt")

    def test_what_lies_beside_is_no_choice(self, tmp_path):
        aside = {"README_md": "x", "__MACOSX____v_txt": "x", "meta_json": "{}", "LICENSE": "x", "folder__": b""}
        (tmp_path / "v").write_bytes(zipped(**aside, v_txt=TEXT))
        check(tmp_path / "v")

    def test_rows_and_words_in_one_archive(self, tmp_path):
        words = "".join(f"{word}\n" for word in WORDS)
        path = tmp_path / "v.zip"
        path.write_bytes(zipped(v_npy=npy(), words_txt=words))
        read = sv.read_vectors((f"{path}#v.npy", f"{path}#words.txt"))
        assert same(read, EXPECTED)

    def test_what_cannot_be_unpacked(self, tmp_path):
        raw = zipped(v_txt=TEXT)
        locked = bytearray(raw)
        locked[6] |= 1
        locked[raw.index(b"PK\1\2") + 8] |= 1
        odd = bytearray(raw)
        odd[8] = odd[raw.index(b"PK\1\2") + 10] = 97
        for content, message in (
            (locked, "its member 'v.txt' cannot be unpacked here .*encrypted.*; unpack it first"),
            (odd, "its member 'v.txt' cannot be unpacked here .*; unpack it first"),
            (zipped(), "it is a zip archive of 0 files; it is empty"),
            (raw[: len(raw) // 2], "damaged zip archive .*truncated"),
        ):
            (tmp_path / "v").write_bytes(content)
            with pytest.raises(sv.FormatError, match=message):
                sv.read_vectors(tmp_path / "v")

    def test_tensors_of_torch_are_not_opened(self, tmp_path):
        (tmp_path / "m.pt").write_bytes(zipped(m__data_pkl=b"", m__data__0=b"", m__version=b"3"))
        with pytest.raises(sv.FormatError, match=r"m.pt: it is a PyTorch file, .*pickled: not opened.*safetensors"):
            sv.read_vectors(tmp_path / "m.pt")


class TestPipes:
    @pytest.mark.parametrize("kind", inner())
    @pytest.mark.parametrize("wrapper", [None, "gzip", "zip"])
    def test_they_are_read_once(self, tmp_path, kind, wrapper):
        raw = inner()[kind] if wrapper is None else WRAPPERS[wrapper](inner()[kind])
        write_words(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(raw,), daemon=True)
        writer.start()
        read = sv.read_vectors(tmp_path / "pipe")
        writer.join(10)
        assert same(read, EXPECTED)

    def test_standard_input(self, tmp_path):
        write_words(tmp_path)
        for kind, raw in inner().items():
            source = ["--words", str(tmp_path / "words.txt")] if kind in {"npy", "safetensors"} else []
            command = [sys.executable, "-m", "slimvec", "compress", "-", "-o", str(tmp_path / "t"), *source]
            done = subprocess.run(command, input=gzip.compress(raw), capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert sv.open(tmp_path / "t").words == tuple(WORDS)

    def test_a_file_as_standard_input(self, tmp_path):
        (tmp_path / "v").write_bytes(TEXT)
        code = "import slimvec as sv; print(len(sv.VectorFile('-')), *sv.read_vectors('-'))"
        with open(tmp_path / "v") as file:
            done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=False)
        assert done.stdout.decode().split() == ["6", *WORDS], done.stderr
        done = subprocess.run([sys.executable, "-c", code], input=TEXT, capture_output=True, check=False)
        assert b"no ordinary file; use sv.read_vectors(path)" in done.stderr

    def test_a_file_called_like_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("-").write_bytes(TEXT)
        check(Path("-"))


class TestOtherWidths:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
    @pytest.mark.parametrize("header", [True, False])
    def test_marked_files_are_read(self, tmp_path, encoding, header):
        text = (f"{len(WORDS)} {MATRIX.shape[1]}\r\n" if header else "") + TEXT.decode().replace("\n", "\r\n")
        (tmp_path / "v").write_bytes(text.encode(encoding))
        check(tmp_path / "v")
        (tmp_path / "v.gz").write_bytes(gzip.compress(text.encode(encoding)))
        check(tmp_path / "v.gz")
        if encoding != "utf-8-sig":
            assert same(sv.read_vectors(tmp_path / "v", encoding=encoding), EXPECTED)

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    def test_others_are_read_when_told(self, tmp_path, encoding):
        path = tmp_path / "v"
        path.write_bytes(TEXT.decode().encode(encoding))
        with pytest.raises(sv.FormatError, match=f"{encoding.upper()} text without .* encoding='{encoding}' reads"):
            sv.read_vectors(path)
        assert same(sv.read_vectors(path, encoding=encoding), EXPECTED)
        assert same(sv.VectorFile(path, encoding=encoding), EXPECTED)

    def test_damage(self, tmp_path):
        (tmp_path / "v").write_bytes(as_utf16(TEXT) + b"\0")
        with pytest.raises(sv.FormatError, match="v: damaged UTF-16 text"):
            sv.read_vectors(tmp_path / "v")


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("glove.txt")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return file.getvalue()


SAMPLES = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n",
    "HTML": b"\n<!DOCTYPE html>\n<html><head><title>Google Drive - Quota exceeded</title></head></html>\n",
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40),
    "RAR": b"Rar!\x1a\x07\1\0" + bytes(40),
    "tar": tar(),
    "lzma": lzma.compress(TEXT, lzma.FORMAT_ALONE),
    "lz4": b"\x04\x22\x4d\x18" + bytes(40),
    "pickle": b"\x80\x04\x95\x0f\0\0\0\0\0\0\0}\x94\x8c\3cat\x94]\x94s.",
    "MATLAB": b"MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: Thu Nov 26 03:00:00 2020".ljust(200) + bytes(40),
    "SQLite": b"SQLite format 3\0\x10\0" + bytes(100),
    "DuckDB": bytes(8) + b"DUCK" + bytes(60),
    "Parquet": b"PAR1\x15\4\x15\x10\n 7.5\n" + bytes(40),
    "Arrow": b"ARROW1\0\0" + bytes(40),
    "GGUF": b"GGUF\3\0\0\0" + bytes(40),
    "JSON": b'{"cat": [0.1, 0.2], "dog": [0.3, 0.4]}\n',
}


class TestForeign:
    @pytest.mark.parametrize("wrap", [bytes, gzip.compress])
    @pytest.mark.parametrize("format", [None, "glove"])
    @pytest.mark.parametrize("title", SAMPLES)
    def test_it_is_named_with_the_remedy(self, tmp_path, title, format, wrap):
        path = tmp_path / "download"
        path.write_bytes(wrap(SAMPLES[title]))
        for read in (sv.read_vectors, sv.VectorFile):
            with pytest.raises(sv.FormatError, match=rf"download: it is .*{title}.*; \w+") as caught:
                read(path, format)
            assert "\n" not in str(caught.value)

    def test_every_row_says_what_to_do(self):
        assert all(row.title and row.remedy for row in FOREIGN)

    @pytest.mark.parametrize(
        "text", [b'{"a": 1}', b"[[0.1, 0.2],\n", b"[\n  [0.5", b"{\n", b"[0.25,\n0.5]\n", b'["a", "b"]\n']
    )
    def test_json(self, tmp_path, text):
        (tmp_path / "v").write_bytes(text)
        with pytest.raises(sv.FormatError, match="v: it is JSON"):
            sv.read_vectors(tmp_path / "v")

    @pytest.mark.parametrize(
        "word", ["<html>", "{", "[", '{"a":', "BZh9", "PAR1", "GGUF", "version", "[0.5,", "LZIP", "-", "%PDF-"]
    )
    def test_words_may_look_like_it(self, tmp_path, word):
        (tmp_path / "v").write_bytes(f"{word} 0.5 1\ncat 1 2\n".encode())
        for options in ({}, {"format": "glove"}):
            assert list(sv.read_vectors(tmp_path / "v", **options)) == [word, "cat"]

    @pytest.mark.parametrize("url", ["https://nlp.stanford.edu/data/glove.6B.zip", "s3://bucket/v.bin", "hf://a/b"])
    def test_urls(self, tmp_path, url, capsys):
        for read in (sv.read_vectors, sv.VectorFile):
            with pytest.raises(sv.FormatError, match=f"{url} is a URL; download it"):
                read(url)
        assert main(["compress", url, "-o", str(tmp_path / "t")]) == 2
        assert "is a URL; download it" in capsys.readouterr().err

    def test_folders_say_what_is_expected(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"vectors\.npy and words\.txt, or model\.s.* tokenizer\.json"):
            sv.read_vectors(tmp_path)


class TestLineEnds:
    @pytest.mark.parametrize("ending", ["\r", "\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("wrap", [bytes, gzip.compress, as_utf16])
    def test_they_are_read(self, tmp_path, ending, last, header, wrap):
        text = (f"{len(WORDS)} {MATRIX.shape[1]}\n" if header else "") + TEXT.decode()
        text = text.replace("\n", ending) if last else text.strip("\n").replace("\n", ending)
        path = tmp_path / "v"
        path.write_bytes(wrap(text.encode()))
        check(path)
        for kind in ("word2vec", "fasttext") if header else ("glove",):
            assert same(sv.read_vectors(path, kind), EXPECTED)

    def test_many(self, tmp_path):
        """More than is looked at, and than is read at once; line numbers are right."""
        words = [f"w{i}" for i in range(60_000)]
        matrix = np.random.default_rng(0).standard_normal((60_000, 8)).astype(np.float32)
        text = text_of(words, matrix)
        (tmp_path / "v").write_bytes(text.replace("\n", "\r").encode())
        assert same(sv.read_vectors(tmp_path / "v"), sv.Vectors(words, matrix))
        (tmp_path / "v").write_bytes(
            text.replace("w59990 ", "w59990 x ").replace("\n", "\r").replace("w59991 ", "w59991 y x").encode()
        )
        with pytest.raises(sv.FormatError, match="line 59992: 'x"):
            sv.read_vectors(tmp_path / "v")

    @pytest.mark.parametrize("ending", ["\r", "\r\n", "\n"])
    @pytest.mark.parametrize("last", ["", "\r", "\n"])
    def test_of_lists_of_words(self, tmp_path, ending, last):
        np.save(tmp_path / "vectors.npy", MATRIX)
        if last and last not in ending:
            last = ending
        (tmp_path / "words.txt").write_bytes((ending.join(WORDS) + last).encode())
        assert same(sv.read_vectors(tmp_path), EXPECTED)

    def test_of_one_row(self, tmp_path):
        (tmp_path / "v").write_bytes(b"cat 0.5 1\r")
        assert sv.read_vectors(tmp_path / "v").matrix.tolist() == [[0.5, 1]]
