"""Tables from files that are read block by block: the same bits as in memory, and nothing left behind on failure."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from processes import run
from slimvec.binary.training.accumulators import RowSample, sample_keys, sampled_rows
from slimvec.blocks import BLOCK_ROWS, even_blocks
from slimvec.files import table_file

N = 2 * BLOCK_ROWS + 300  # three blocks, the last one short
DIM = 12


@pytest.fixture(scope="module")
def matrix():
    generator = np.random.default_rng(1)
    return (generator.standard_normal((N, DIM)) * np.linspace(2, 0.3, DIM) + 0.4).astype(np.float32).round(3)


def text_of(words, matrix):
    return "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, matrix.tolist(), strict=True))


@pytest.fixture(scope="module")
def path(matrix, tmp_path_factory):
    """Words come again in the first and in the second block, so that blocks of the file are not blocks of rows."""
    words = [f"word{i}" for i in range(N)]
    lines = text_of(words, matrix).splitlines(keepends=True)
    lines.insert(100, "word7" + " 5" * DIM + "\n")
    lines.insert(BLOCK_ROWS + 50, "word99" + " 5" * DIM + "\n")
    path = tmp_path_factory.mktemp("streaming") / "vectors.txt"
    path.write_text("".join(lines))
    return path


def iiq(**options):
    return sv.IIQ(n_bits=10, n_iter=4, **{"max_train_rows": 500, **options})


def tensors(path):
    content = table_file.read_content(path)
    content.verify()
    facts = {name: value for name, value in content.facts.items() if name != "crc32"}
    return facts, {name: tensor.tobytes() for name, tensor in content.tensors.items()}


class TestSameBits:
    @pytest.mark.parametrize("factors", [False, True])
    @pytest.mark.parametrize("max_train_rows", [500, N - 1, N, None])
    def test_as_in_memory(self, tmp_path, path, factors, max_train_rows):
        with pytest.warns(UserWarning, match="2 words appear again, such as 'word7'"):
            vectors = sv.read_vectors(path)
        assert len(vectors) == N
        iiq(max_train_rows=max_train_rows).compress(vectors, factors=factors).save(tmp_path / "memory")
        file = sv.VectorFile(path)
        with pytest.warns(UserWarning, match="2 words appear again, such as 'word7'"):
            table = iiq(max_train_rows=max_train_rows).compress(file, factors=factors, output=tmp_path / "streamed")
        assert tensors(tmp_path / "streamed") == tensors(tmp_path / "memory")
        assert table.most_similar("word3") == sv.open(tmp_path / "memory").most_similar("word3")
        assert table.info()["bytes"] == sv.open(tmp_path / "memory").info()["bytes"]
        assert len(file) == N
        assert sorted(p.name for p in tmp_path.iterdir()) == ["memory", "streamed"]

    def test_other_inputs(self, tmp_path, matrix):
        words = [f"w{i}" for i in range(N)]
        expected = iiq().compress(sv.Vectors(words, matrix))
        header = f"{N} {DIM}\n"
        records = b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(words, matrix, strict=True))
        contents = {
            "vec": (header + text_of(words, matrix)).encode(),
            "gz": gzip.compress((header + text_of(words, matrix)).encode(), 1),
            "bin": header.encode() + records,
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            table = iiq().compress(sv.VectorFile(tmp_path / name))
            assert np.array_equal(table.codes(), expected.codes()), name
            assert table.words == expected.words
        limited = iiq().compress(sv.VectorFile(tmp_path / "vec", limit=5000))
        assert np.array_equal(limited.codes(), iiq().compress(matrix[:5000]).codes())

    def test_from_memory_into_a_file(self, tmp_path, animals):
        table = sv.IIQ().compress(animals, factors=True, output=tmp_path / "t")
        sv.IIQ().compress(animals, factors=True).save(tmp_path / "u")
        assert tensors(tmp_path / "t") == tensors(tmp_path / "u")
        assert table.words == animals.words
        sv.baselines.NLB(n_bits=8, n_epochs=1).compress(animals, output=tmp_path / "n")
        assert len(sv.open(tmp_path / "n")) == 40

    @pytest.mark.parametrize("size", [1000, BLOCK_ROWS, BLOCK_ROWS + 1, N])
    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_fit_blocks(self, matrix, size, dtype):
        rows = matrix.astype(dtype)
        expected = iiq().fit(rows)
        streamed = iiq().fit_blocks(rows[i : i + size] for i in range(0, N, size))
        for name in ("mean_", "projection_", "singular_values_", "quantization_loss_"):
            assert np.array_equal(getattr(streamed, name), getattr(expected, name)), name

    def test_a_generator_draws_the_same_either_way(self, matrix):
        fits = [
            iiq(random_state=np.random.default_rng(5)).fit(matrix),
            iiq(random_state=np.random.default_rng(5)).fit_blocks([matrix]),
        ]
        assert np.array_equal(fits[0].projection_, fits[1].projection_)
        assert not np.array_equal(fits[0].projection_, iiq(random_state=6).fit(matrix).projection_)


class TestSums:
    def test_workers_together_learn_what_one_learns(self, matrix):
        expected = iiq().fit(matrix)
        estimator = iiq()
        cuts = [0, 300, 5000, N]
        parts = [estimator.sums(DIM, a).update(matrix[a:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        merged = parts[2].merge(parts[0]).merge(parts[1])
        chosen = sampled_rows(N, 500, sample_keys(np.random.default_rng(0)))
        assert np.array_equal(merged.sample(), matrix[chosen])
        estimator.fit_sums(merged)
        assert np.allclose(estimator.mean_, expected.mean_, atol=1e-6)
        assert np.allclose(estimator.singular_values_, expected.singular_values_, rtol=1e-5)
        assert np.mean(estimator.transform(matrix) != expected.transform(matrix)) < 0.01

    @given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 30))
    def test_a_stream_samples_what_an_array_samples(self, sizes, size):
        rows = np.arange(sum(sizes))[:, None]
        sample = RowSample(size, np.random.default_rng(3))
        for end, n in zip(np.cumsum(sizes), sizes, strict=True):
            sample.update(rows[end - n : end])
        if len(rows):
            expected = sampled_rows(len(rows), size, np.random.default_rng(3))
            assert np.array_equal(sample.finalize()[:, 0], expected)
            assert len(expected) == min(size, len(rows))

    def test_every_row_is_as_likely(self):
        counts = np.zeros(20)
        for seed in range(2000):
            counts[sampled_rows(20, 5, np.random.default_rng(seed))] += 1
        assert abs(counts - 500).max() < 5 * (2000 * 0.25 * 0.75) ** 0.5

    @given(st.lists(st.integers(0, 25), max_size=8))
    def test_even_blocks(self, sizes):
        blocks = [np.full((n, 2), i) for i, n in enumerate(sizes)]
        cut = list(even_blocks(blocks, 10))
        assert [len(block) for block in cut[:-1]] == [10] * (len(cut) - 1)
        assert np.array_equal(np.concatenate([np.empty((0, 2)), *cut]), np.concatenate([np.empty((0, 2)), *blocks]))

    def test_bad_input(self, matrix):
        with pytest.raises(ValueError, match="blocks holds no rows; expected at least one"):
            iiq().fit_blocks([])
        with pytest.raises(ValueError, match="n_remove=12; expected between 0 and 11"):
            iiq(n_remove=12).fit_blocks([matrix])
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 4097"):
            iiq().fit_blocks([matrix[:BLOCK_ROWS], matrix[:1], np.full((1, DIM), np.nan)])
        with pytest.raises(TypeError, match="random_state=None is not an integer"):
            iiq(random_state=None).sums(DIM)
        with pytest.raises(ValueError, match="X has 3 columns; expected 12"):
            iiq().sums(DIM).update(matrix[:, :3])


@pytest.mark.filterwarnings("ignore:.*appear again")
class TestFailure:
    """An older table stays as it was, and nothing else appears in the folder."""

    @pytest.fixture
    def output(self, tmp_path, animals):
        (tmp_path / "out").mkdir()
        sv.IIQ().compress(animals).save(tmp_path / "out" / "t")
        return tmp_path / "out" / "t"

    def stays(self, output, before):
        assert output.read_bytes() == before
        assert [p.name for p in output.parent.iterdir()] == ["t"]

    def test_an_interrupt_in_the_second_pass(self, path, output):
        before = output.read_bytes()

        def stop(stage, done, total):
            if stage == "encoding" and done > BLOCK_ROWS:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            iiq().compress(sv.VectorFile(path), output=output, progress=stop)
        self.stays(output, before)

    def test_ctrl_c_on_the_command_line(self, path, output):
        before = output.read_bytes()
        code = (
            "import os, signal, sys, slimvec.binary.encoder as e\n"
            "from slimvec.cli import main\n"
            "real = e.pack\n"
            "pressed = []\n"
            "def pack(rows):\n"  # by several threads, of which one presses
            "    pressed.append(1)\n"
            "    if len(pressed) == 1: os.kill(os.getpid(), signal.SIGINT)\n"
            "    return real(rows)\n"
            "e.pack = pack\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-W", "ignore", "-c", code, "compress", path, "-o", output]
        done = run(command)
        assert done.returncode == 130
        assert done.stderr.endswith("slimvec: interrupted; nothing was written\n")
        self.stays(output, before)

    def test_a_full_disk(self, path, output):
        """The kernel's limit on the size of a file stands in for a disk: writes fail in the middle of the codes."""
        before = output.read_bytes()

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        command = [sys.executable, "-m", "slimvec", "compress", path, "-o", output]
        done = run(command, preexec_fn=limit)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"slimvec: {output}: File too large"
        self.stays(output, before)

    @pytest.mark.parametrize("change", ["a number", "a line more", "a line less", "the time alone"])
    def test_a_file_that_changes_between_the_passes(self, tmp_path, matrix, output, change):
        before = output.read_bytes()
        file = tmp_path / "v.txt"
        text = text_of(range(N), matrix)
        file.write_text(text)
        status = file.stat()

        def rewrite(stage, done, total):
            if stage != "learning rotation" or done < total:
                return
            lines = text.splitlines(keepends=True)
            if change == "a number":
                head, point, digits = lines[-1].rpartition(".")
                lines[-1] = head + point + ("1" if digits[0] != "1" else "2") + digits[1:]
            elif change == "a line more":
                lines.append("new" + " 1" * DIM + "\n")
            elif change == "a line less":
                lines.pop()
            file.write_text("".join(lines))
            if change == "a number":  # of the same size and time: only what is read tells
                os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            else:
                os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))

        with pytest.raises(OSError, match=r"v\.txt changed while it was being read; run again"):
            iiq().compress(sv.VectorFile(file), output=output, progress=rewrite)
        self.stays(output, before)

    def test_what_cannot_be_read_twice(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for other in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(ValueError, match="is no ordinary file"):
                sv.VectorFile(other)
        with pytest.raises(FileNotFoundError):
            sv.VectorFile(tmp_path / "none")

    def test_a_place_that_cannot_be_written(self, tmp_path, path):
        with pytest.raises(FileNotFoundError, match="is not a folder to write t to"):
            iiq().compress(sv.VectorFile(path), output=tmp_path / "none" / "t")

    def test_rows_are_read_in_order(self, path):
        file = sv.VectorFile(path)
        assert repr(file) == "<slimvec.VectorFile: vectors.txt, not read yet>"
        assert (file.sequential, file.dim, file.vocabulary, file.matrix) == (True, DIM, None, None)
        with pytest.raises(TypeError, match="is read in order; expected vectors in memory"):
            file.take(np.arange(3))
        assert len(file) == len(file.vocabulary) == N  # read for it

    def test_a_broken_line_is_named(self, tmp_path, matrix):
        (tmp_path / "v.txt").write_text(text_of(range(N), matrix) + "x 1 two" + " 3" * (DIM - 2) + "\n")
        with pytest.raises(sv.FormatError, match=rf"v\.txt: line {N + 1}: 'two' is not a number"):
            iiq().compress(sv.VectorFile(tmp_path / "v.txt"))


STREAMED = {
    "compress": "sv.IIQ(**options).compress(file, output=sys.argv[2])",
    "to_table": "sv.IIQ(**options).fit_blocks(file.blocks()).to_table(file, factors=True, output=sys.argv[2])",
    "other method": "sv.baselines.RandomRotation(16).compress(file, output=sys.argv[2])",
}

NO_LIMIT = 99  # an exit code


@pytest.mark.parametrize("way", STREAMED)
def test_memory_stays_small(tmp_path, way):
    """60 MB of text, 29 MB of vectors: under a limit of address space that the vectors alone would break."""
    code = """
import resource, sys, threading
import numpy as np, slimvec as sv
def limited():
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit = used + (24 << 20)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        np.empty(limit, np.uint8)
    except MemoryError:
        return before
    sys.exit(NO_LIMIT)
resource.setrlimit(resource.RLIMIT_AS, limited())  # or none: what follows takes minutes under QEMU
def compress(limit):
    file = sv.VectorFile(sys.argv[1], limit=limit, threads=1)
    options = dict(n_bits=16, n_iter=1, max_train_rows=1000)
    return WAY
compress(5000)  # what libraries take once
square = np.ones((1500, 1500), np.float32)
threads = [threading.Thread(target=np.matmul, args=(square, square)) for _ in range(4)]
for thread in threads: thread.start()  # a BLAS takes room for each thread that calls it while others do
for thread in threads: thread.join()
del square
limited()
try:
    sv.read_vectors(sys.argv[1], threads=1)
except MemoryError:
    pass
else:
    sys.exit("the vectors fit")
assert len(compress(None)) == 120_000
"""
    rows = [" ".join(f"{x:.5f}" for x in row) for row in np.random.default_rng(0).standard_normal((1000, 60))]
    with open(tmp_path / "v.txt", "w") as file:
        file.writelines(f"{i} {rows[i % 1000]}\n" for i in range(120_000))
    code = code.replace("WAY", STREAMED[way]).replace("NO_LIMIT", str(NO_LIMIT))
    command = [sys.executable, "-c", code, tmp_path / "v.txt", tmp_path / "t"]
    # Arenas of threads would be address space that is taken, and free.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = run(command, env=environment)
    if done.returncode == NO_LIMIT:
        pytest.skip("no process is held to RLIMIT_AS here, as under QEMU")
    assert done.returncode == 0, done.stderr
