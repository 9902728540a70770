"""The command line as a user runs it: what it prints and its exit code, in a pipe and on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import termios

import numpy as np
import pytest
import scipy.sparse

import processes
import slimvec as sv
from slimvec import cli
from slimvec.files.table_writer import save_table

SLIMVEC = [sys.executable, "-m", "slimvec"]


def start(*arguments, **options):
    """The command line in a process of its own."""
    return processes.run([*SLIMVEC, *map(str, arguments)], **options)


def run(*arguments):
    """The same in this process, which takes a tenth of the time."""
    printed = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # of argparse
            code = stop.code
    return subprocess.CompletedProcess(arguments, code, *(file.buffer.getvalue().decode() for file in printed))


@pytest.fixture
def folder(tmp_path, animals):
    np.save(tmp_path / "vectors.npy", animals.matrix)
    (tmp_path / "words.txt").write_text("\n".join(animals.words) + "\n")
    return tmp_path


@pytest.mark.parametrize("lists", ["3", "auto"])
def test_second_codes_and_lists(folder, animals, lists):
    out, method = ("-o", folder / "a.slim"), ("--method", "transform-coding")
    done = run("compress", folder, *out, *method, "--bits", 32, "--refine-bits", 2, "--partitions", lists)
    assert (done.returncode, done.stderr) == (0, "")
    n_lists = int(lists) if lists.isdigit() else lists
    expected = sv.TransformCoding(32, refine_bits=2, partitions=n_lists, random_state=0).compress(animals)
    table = sv.open(folder / "a.slim")
    assert table.info()["bytes"] == expected.info()["bytes"]
    queries = animals.matrix[:5]
    assert all(map(np.array_equal, table.search(queries, probes=1), expected.search(queries, probes=1)))
    assert run("compress", folder, *out, "--bits", 32, "--partitions", lists).returncode == 0
    expected = sv.IIQ(32, partitions=n_lists).compress(animals)
    assert all(
        map(np.array_equal, sv.open(folder / "a.slim").search(queries, probes=1), expected.search(queries, probes=1))
    )


def test_compress_info_neighbors(folder, animals):
    done = start("compress", folder, "-o", folder / "a.slim", "--bits", 75, "--remove", 0, "--seed", 3)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bits        75 per row, from 40 floats" in done.stdout
    expected = sv.IIQ(75, 0, random_state=3).compress(animals)
    assert np.array_equal(sv.open(folder / "a.slim").codes(), expected.codes())

    info = start("info", folder / "a.slim", "--verify")
    assert info.returncode == 0
    assert "IIQ(n_bits=75, n_remove=0, n_iter=50, partitions=None, max_train_rows=10000, random_state=3)" in info.stdout
    assert "rows        40" in info.stdout
    assert "17.1 times (bits)" in info.stdout
    assert re.search(r"in memory   \d+\.\d MB of it now", info.stdout)
    assert "checksums   all match" in info.stdout

    neighbors = start("neighbors", folder / "a.slim", "cat0", "boat1", "-k", 3)
    assert neighbors.returncode == 0
    shown = re.findall(r"^  +(-?[\d.]+)  (\w+)$", neighbors.stdout, re.MULTILINE)
    expected = [*expected.most_similar("cat0", 3), *expected.most_similar("boat1", 3)]
    assert shown == [(f"{similarity:.3f}", word) for word, similarity in expected]


def test_factors(folder, animals):
    done = run("compress", folder, "-o", folder / "a.slim", "--remove", 0, "--factors")
    assert done.returncode == 0
    assert "factors 0.0 MB" in done.stdout
    table = sv.open(folder / "a.slim")
    assert table.lookup(["cat3"], original=True).shape == (1, 40)
    assert table.search(animals.matrix[3:4], k=1).indices[0, 0] == 3


def test_an_index_of_bare_codes(folder, animals):
    sv.HammingIndex(sv.pack(animals.matrix)).save(folder / "index")
    info = run("info", folder / "index", "--verify")
    assert info.returncode == 0
    assert info.stdout.splitlines()[:3] == ["kind        hamming", "rows        40", "bits        40 per row"]
    neighbors = run("neighbors", folder / "index", "3")
    assert (neighbors.returncode, neighbors.stdout) == (2, "")
    assert neighbors.stderr.endswith("is an index of bare codes; neighbors needs a table\n")


def test_defaults_are_those_of_the_library(folder, animals):
    for method, estimator in (("iiq", sv.IIQ()), ("itq", sv.ITQ())):
        assert run("compress", folder, "-o", folder / "t", "--method", method).returncode == 0
        assert np.array_equal(sv.open(folder / "t").codes(), estimator.compress(animals).codes())


def test_anchors(folder, animals):
    pytest.importorskip("numba")
    arguments = ["--method", "ant", "--anchors", 12, "--nonzeros", 3, "--signed", "--dtype", "float16", "--seed", 2]
    done = run("compress", folder, "-o", folder / "a.slim", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ANT(n_anchors=12, nonzeros=3, " in done.stdout
    table = sv.open(folder / "a.slim", verify=True)
    expected = sv.ANT(12, 3, nonnegative=False, random_state=2).compress(animals, dtype="float16")
    assert np.array_equal(table.lookup(np.arange(40)), expected.lookup(np.arange(40)))
    assert table.anchors.dtype == np.float16
    neighbours = run("neighbors", folder / "a.slim", "cat0", "-k", 3)
    assert re.findall(r"  (\w+)$", neighbours.stdout, re.MULTILINE) == [w for w, _ in expected.most_similar("cat0", 3)]


@pytest.mark.parametrize(
    ("arguments", "estimator"),
    [
        (["frequency", "--anchors", 5], lambda: sv.baselines.FrequencySelection(5)),
        (["low-rank", "--rank", 3], lambda: sv.baselines.LowRank(3)),
        (["prune", "--sparsity", 0.9], lambda: sv.baselines.Prune(0.9)),
        (["vocabulary-quantization", "--anchors", 6], lambda: sv.baselines.VocabularyQuantization(6)),
        (["post-sh", "--anchors", 6, "--nonzeros", 2], lambda: sv.baselines.PostSH(6, 2)),
        (["post-sh-ksvd", "--anchors", 6, "--nonzeros", 2], lambda: sv.baselines.PostSHKSVD(6, 2)),
        (["sparse-code", "--anchors", 6, "--l1", 0.5], lambda: sv.baselines.SparseCode(6, 0.5)),
    ],
)
def test_other_methods(folder, animals, arguments, estimator):
    pytest.importorskip("numba")
    assert cli.main(["compress", str(folder), "-o", str(folder / "t"), "--method", *map(str, arguments)]) == 0
    everything = np.arange(40)
    assert np.array_equal(sv.open(folder / "t").lookup(everything), estimator().compress(animals).lookup(everything))


def test_itq_may_be_told_to_remove_nothing(folder):
    assert run("compress", folder, "-o", folder / "t", "--method", "itq", "--remove", 0).returncode == 0


def test_a_matrix_without_words(folder):
    (folder / "words.txt").unlink()
    assert run("compress", folder / "vectors.npy", "-o", folder / "t", "--limit", 25).returncode == 0
    shown = run("neighbors", folder / "t", 3, "-k", 2).stdout.split()
    best = sv.open(folder / "t").most_similar(3, k=2)
    assert shown == ["3", *(text for row, similarity in best for text in (f"{similarity:.3f}", str(row)))]
    assert "'cat' is not a row number" in run("neighbors", folder / "t", "cat").stderr


def test_small_tables_show_what_they_have(folder):
    run("compress", folder, "-o", folder / "t", "--limit", 4)
    assert len(run("neighbors", folder / "t", "cat0").stdout.splitlines()) == 4


def test_repeated_words_are_a_warning_of_one_line(folder):
    (folder / "w.txt").write_text("a 1 2\nb 3 4\na 5 6\n")
    for environment in ({}, {"PYTHONWARNINGS": "error"}):
        done = start("compress", folder / "w.txt", "-o", folder / "t", env={**os.environ, **environment})
        assert done.returncode == 0
        assert re.fullmatch(r"slimvec: warning: .*w\.txt: 1 words appear again.*\n", done.stderr)


def test_words_that_the_terminal_cannot_show(tmp_path):
    sv.BinaryTable(np.eye(3, dtype=np.uint8), 17, words=["a", "é", "b"]).save(tmp_path / "t")
    done = start("neighbors", tmp_path / "t", "a", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "\\xe9" in done.stdout


def test_words_that_a_terminal_would_obey(tmp_path):
    """Escape sequences and what turns the direction of text come written out, in answers, descriptions and errors."""
    words = ["a", "\x1b[2Jb", "c\x9b1m", "d\u202e", "Straße"]
    table = sv.BinaryTable(sv.pack(np.eye(5) - 0.5), 5, words=words)
    facts, tensors = table.to_content()
    facts["made_by"] = {"method": "\x1b]0;title\x07", "parameters": {"x\n": "\x7f"}}
    save_table(tmp_path / "t", facts, tensors)
    done = run("neighbors", tmp_path / "t", "a")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == [
        "a", r"\x1b[2Jb", r"c\x9b1m", r"d\u202e", "Straße"
    ]  # fmt: skip
    assert r"binary, \x1b]0;title\x07(x\x0a=\x7f)" in run("info", tmp_path / "t").stdout
    facts["kind"] = "\x1b[31m"
    save_table(tmp_path / "t", facts, tensors)
    for command in (["info"], ["neighbors", "\x1b[2J"]):
        shown = run(command[0], tmp_path / "t", *command[1:]).stderr
        assert "unknown kind of table" in shown
        assert "\x1b" not in shown
    assert "\x1b" not in run("info", tmp_path / "\x1b[31m").stderr


def test_limit_and_words(folder):
    (folder / "words.txt").rename(folder / "list.txt")
    done = run("compress", folder / "vectors.npy", "--words", folder / "list.txt", "-o", folder / "t", "--limit", 30)
    assert done.returncode == 0
    assert len(sv.open(folder / "t")) == 30


@pytest.fixture
def sparse_file(tmp_path):
    transform = scipy.sparse.csr_array([[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]])
    table = sv.SparseTable([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], transform, ["cat", "dog", "sea"], ["fur", "7"])
    table.save(tmp_path / "sparse.slim")
    return tmp_path / "sparse.slim"


def test_sparse_tables(sparse_file):
    shown = run("info", sparse_file, "--verify").stdout
    assert re.search(r"^kind +sparse$", shown, re.MULTILINE)
    assert "rows        3" in shown
    assert "anchors     2 of 3 floats, 1.3 per row" in shown
    assert re.search(r"^smaller +0\.9 times \(10 numbers\), 0\.5 times as stored$", shown, re.MULTILINE)
    assert "checksums   all match" in shown
    assert run("neighbors", sparse_file, "cat").stdout == "cat\n   0.124  dog\n   0.000  sea\n"


def test_what_anchors_weigh_in(sparse_file):
    """Names and numbers; a name that looks like a number is the name."""
    shown = run("neighbors", sparse_file, "fur", "1", "7", "--anchors", "-k", 2)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert (
        shown.stdout
        == "fur\n   1.000  cat\n   0.500  dog\n1\n   2.000  dog\n   1.000  sea\n7\n   2.000  dog\n   1.000  sea\n"
    )


@pytest.mark.parametrize("arguments", [[], ["compress"], ["info"], ["neighbors"], ["export"], ["demo"]])
def test_help(arguments):
    done = run(*arguments, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: slimvec")


def test_version():
    done = start("--version", env={**os.environ, "SLIMVEC_ISA": "scalar"})
    first, *facts = done.stdout.splitlines()
    assert (done.returncode, first) == (0, f"slimvec {sv.__version__}")
    told = {line[:12].strip(): line[12:] for line in facts}
    assert re.match(r"\w+ \d+\.", told["compiler"])
    assert told["built for"] == ", ".join(isa.name for isa in sv._core.built_isas())
    assert told["in use"] == "scalar"
    assert "-O" in told["flags"] or "/O" in told["flags"]
    assert "none: SLIMVEC_ISA='mmx'" in start("--version", env={**os.environ, "SLIMVEC_ISA": "mmx"}).stdout


class TestBadInput:
    """Exit code 2, one line that says what is wrong, nothing written."""

    def refused(self, *arguments, message):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert re.search(message, done.stderr), done.stderr

    def test_compress(self, folder):
        out = ("-o", folder / "out.slim")
        self.refused("compress", folder / "none.txt", *out, message=r"slimvec: .*none\.txt: No such file or directory")
        self.refused("compress", folder, *out, "--bits", 0, message="slimvec: n_bits=0; expected at least 1")
        self.refused("compress", folder, *out, "--remove", 40, message="n_remove=40; expected between 0 and 39")
        self.refused("compress", folder, *out, "--method", "itq", "--remove", 2, message="ITQ removes nothing")
        ant = ["compress", folder, *out, "--method", "ant"]
        self.refused(*ant, "--anchors", 41, message="n_anchors=41; expected between 1 and 40")
        self.refused(*ant, "--bits", 8, message="--bits: --method ant has no such option; it has --anchors, --nonzeros")
        coding = ["compress", folder, *out, "--method", "transform-coding"]
        self.refused(*coding, "--partitions", 0, message='partitions=0; expected .*; or "auto", or None')
        self.refused(*coding, "--bytes", 20, "--refine-bits", 2, message="with --refine-bits expected --bits")
        self.refused("compress", folder, *out, "--refine-bits", 2, message="--refine-bits: --method iiq has no such o")
        self.refused("compress", folder, *out, "--signed", message="--signed: --method iiq has no such option")
        self.refused("compress", folder, *out, "--dtype", "float16", message="--dtype: --method iiq makes codes")
        self.refused("compress", folder, "-o", folder / "no" / "x", message="no is not a folder to write x to")
        self.refused("compress", folder, "-o", folder, message="is a directory; expected the name of a file")
        itself = [folder / "vectors.npy", "-o", folder / "vectors.npy"]
        self.refused("compress", *itself, message="is the input itself")
        self.refused("compress", *itself, "--workers", 1, message="is the input itself")
        words = ["--words", folder / "words.txt"]
        self.refused("compress", itself[0], *words, "-o", words[1], message="is the input itself")
        self.refused("compress", folder, *out, "--seed", -1, message="random_state=-1; expected at least 0")
        (folder / "bad.txt").write_text("a 1 2\nb 1 x\n")
        self.refused("compress", folder / "bad.txt", *out, message=r"bad\.txt: line 2: 'x' is not a number")
        assert sorted(path.name for path in folder.iterdir()) == ["bad.txt", "vectors.npy", "words.txt"]

    def test_tables(self, folder, table):
        table.save(folder / "t.slim")
        self.refused("info", folder / "none", message="No such file")
        self.refused("info", folder / "vectors.npy", message=r"vectors\.npy: .*not a table")
        self.refused("neighbors", folder / "t.slim", "catt0", message="unknown word 'catt0'; near spellings: 'cat0'")
        self.refused("neighbors", folder / "t.slim", "cat0", "-k", 0, message="k=0; expected at least 1")

    def test_anchors(self, folder, table, sparse_file):
        table.save(folder / "t.slim")
        self.refused("neighbors", folder / "t.slim", "cat0", "--anchors", message="a table of binary codes has none")
        self.refused("neighbors", sparse_file, "tail", "--anchors", message="unknown word 'tail'")
        self.refused("neighbors", sparse_file, "2", "--anchors", message="anchor=2; expected between 0 and 1")

    @pytest.mark.parametrize("arguments", [[], ["squash"], ["compress", "x"], ["neighbors", "x", "y", "-k", "many"]])
    def test_usage(self, arguments):
        done = run(*arguments)
        assert done.returncode == 2
        assert "usage: slimvec" in done.stderr

    def test_forced_isa(self, folder):
        done = start("compress", folder, "-o", folder / "t", env={**os.environ, "SLIMVEC_ISA": "mmx"})
        assert done.returncode == 2
        assert "SLIMVEC_ISA='mmx': no such instruction set; available:" in done.stderr


def test_a_closed_pipe_is_no_error(folder, table):
    table.save(folder / "t.slim")
    command = f"{sys.executable} -m slimvec neighbors {folder / 't.slim'} {'cat0 ' * 3000} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cat0\n", "")


def test_ctrl_c_while_the_bar_moves(tmp_path):
    """Interrupted in the middle of learning: exit code 130, no half file, the old one intact."""
    pytest.importorskip("tqdm")
    generator = np.random.default_rng(0)
    np.save(tmp_path / "vectors.npy", generator.standard_normal((20_000, 512), dtype=np.float32))
    (tmp_path / "words.txt").write_text("".join(f"w{i}\n" for i in range(20_000)))
    (tmp_path / "old.slim").write_bytes(b"old")
    before = sorted(tmp_path.iterdir())
    try:
        terminal, stderr = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal to be had here: {error}")
    termios.tcsetwinsize(stderr, (24, 100))
    command = [*SLIMVEC, "compress", str(tmp_path), "-o", str(tmp_path / "old.slim"), "--bits", "700"]
    with (
        open(terminal, "rb", buffering=0) as shown_there,
        processes.ctrl_c_heard(),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        os.close(stderr)
        shown = b""
        while b"learning rotation" not in shown:
            shown += shown_there.read(1000)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=processes.patient(60))
        with contextlib.suppress(OSError):  # the other end is closed
            while more := shown_there.read(1000):
                shown += more
    assert process.returncode == 130
    assert stdout == ""
    assert b"slimvec: interrupted; nothing was written" in shown
    assert b"Traceback" not in shown
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.slim").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("command", "call", "said"),
    [
        (["compress", "vectors.npy", "-o", "t", "--shards", "auto"], "to_shards", "no table was written; shards that"),
        (["search", "a.slim", "vectors.npy", "-o", "f.npz"], "search", "what was found is kept, and the same command"),
        (["compress", "vectors.npy", "-o", "t"], "compress", "nothing was written"),
    ],
)
def test_what_is_left_after_ctrl_c_is_told(folder, animals, monkeypatch, capsys, command, call, said):
    from slimvec.cli import main

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    table = sv.IIQ(8, n_remove=0).compress(animals.matrix)
    table.save(folder / "a.slim")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(type(table) if call == "search" else sv.IIQ, call, interrupted)
    assert main(command) == 130
    assert capsys.readouterr().err.startswith(f"slimvec: interrupted; {said}")
    assert not (folder / "t" / "shards.json").exists()
