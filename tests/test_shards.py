"""Tables in shards: the answers of one file, whoever writes them; what is missing, foreign or damaged is named."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from conftest import assert_same_content
from slimvec.binary.codes import BLOCK_CODES, BlockedCodes
from slimvec.binary.parts import BinaryParts
from slimvec.shards.asking import Here
from slimvec.shards.shard_manifest import MANIFEST, Manifest
from slimvec.shards.sharded_codes import ShardedCodes, Spans, best_of
from slimvec.shards.writing import split

N, D = 13_000, 24
METHODS = {
    "codes": (lambda: sv.IIQ(n_bits=40, n_remove=0, n_iter=4), False),
    "factors": (lambda: sv.IIQ(n_bits=40, n_remove=0, n_iter=4), True),
    "levels": (lambda: sv.TransformCoding(n_bits=48, n_iter=3), True),
    "refined": (lambda: sv.TransformCoding(n_bits=24, refine_bits=2, n_iter=3), True),
}


@pytest.fixture(scope="module")
def matrix():
    generator = np.random.default_rng(0)
    rows = (generator.standard_normal((N, D)) * np.linspace(3, 0.5, D)).astype(np.float32)
    rows[5000:5040] = rows[:40]  # ties between shards
    rows[12_990:] = rows[:10]
    return rows


@pytest.fixture(scope="module")
def queries(matrix):
    made = np.random.default_rng(1).standard_normal((6, D)).astype(np.float32)
    return np.concatenate([made, matrix[:3], np.zeros((1, D), np.float32)])


@pytest.fixture(scope="module", params=METHODS)
def both(request, matrix, tmp_path_factory):
    """The same rows in one file, and in four."""
    make, factors = METHODS[request.param]
    method = make().fit(matrix)
    folder = tmp_path_factory.mktemp(request.param) / "table"
    return method.to_table(matrix, factors=factors), method.to_shards(
        [matrix[:5], matrix[5:]], folder, factors=factors, shard_rows=4096
    )


@pytest.fixture(scope="module")
def executors():
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, spawn) as processes:
        yield threads, processes


@pytest.fixture
def folder(matrix, tmp_path):
    sv.IIQ(n_bits=16, n_iter=2).fit(matrix).to_shards([matrix], tmp_path / "table", shard_rows=4096)
    return tmp_path / "table"


def shards_of(folder):
    return sorted(path for path in folder.iterdir() if path.name != MANIFEST)


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def masks():
    bools = np.random.default_rng(2).random(N) < 0.3
    bools[4096:8192] = False  # a shard of which nothing may be found
    return {"none": None, "bools": bools, "few": [3, 5003, 12_999], "of one shard": list(range(9000, 9020))}


class TestAnswers:
    @pytest.mark.parametrize("k", [1, 10, 200])
    @pytest.mark.parametrize("mask", masks())
    @pytest.mark.parametrize("options", [{}, {"oversample": None}, {"metric": "dot"}, {"originals": True}], ids=str)
    def test_search(self, both, matrix, queries, k, mask, options):
        one, shards = both
        if options.get("metric") and one.info()["bytes"]["factors"] == 0:
            pytest.skip("needs factors")
        options = {**options, "mask": masks()[mask]}
        if options.get("originals"):
            options["originals"] = matrix
        assert_equal(shards.search(queries, k, **options), one.search(queries, k, **options))

    @pytest.mark.parametrize("mask", masks())
    def test_codes(self, both, mask):
        one, shards = both
        asked, mask = one.codes([0, 5000, 12_999]), masks()[mask]
        if not one.has_distances:
            for call in (shards.search_codes, lambda codes: shards.range_search_codes(codes, 3)):
                with pytest.raises(ValueError, match="distances between codes of several bits mean nothing"):
                    call(asked)
            return
        assert_equal(shards.search_codes(asked, 300, mask=mask), one.search_codes(asked, 300, mask=mask))
        index = sv.HammingIndex(one.codes(), one.n_bits)
        for radius in (0, 9):
            expected = index.range_search(asked, radius, mask=mask)
            assert_equal(shards.range_search_codes(asked, radius, mask=mask), expected)

    def test_rows(self, both):
        one, shards = both
        rows = np.random.default_rng(3).integers(0, N, 60)
        assert np.array_equal(shards.codes(), one.codes())
        assert np.array_equal(shards.lookup(rows), one.lookup(rows))
        assert np.array_equal(shards[12_999], one[12_999])
        weights = np.random.default_rng(4).random((6, 10))
        for given_weights in (None, weights):
            assert np.array_equal(
                shards.mean(rows.reshape(6, 10), given_weights), one.mean(rows.reshape(6, 10), given_weights)
            )
        if one.info()["bytes"]["factors"]:
            assert np.array_equal(shards.lookup(rows, original=True), one.lookup(rows, original=True))
        for query in (5, [5, 9000]):
            assert shards.most_similar(query) == one.most_similar(query)
        assert shards.most_similar(positive=[5, 9000], negative=[7]) == one.most_similar(
            positive=[5, 9000], negative=[7]
        )
        with pytest.raises(IndexError, match="row 13000 is outside the table's rows 0 ... 12999"):
            shards.lookup([13_000])

    def test_any_instruction_set_and_number_of_threads(self, both, queries, isa):
        one, shards = both
        assert_equal(shards.search(queries, 20, threads=3), one.search(queries, 20, threads=1))

    @pytest.mark.parametrize("mask", masks())
    def test_by_workers(self, both, queries, mask, executors):
        one, shards = both
        mask = masks()[mask]
        for executor in executors:
            by = shards.by(executor)
            assert_equal(by.search(queries, 20, mask=mask), one.search(queries, 20, mask=mask))
            for table in (shards, by):
                assert_equal(table.range_search(queries, 0.3, mask=mask), one.range_search(queries, 0.3, mask=mask))
            if one.has_distances:
                asked = one.codes([0, 5000])
                assert_equal(by.search_codes(asked, 30, mask=mask), one.search_codes(asked, 30, mask=mask))
                assert_equal(by.range_search_codes(asked, 9, mask=mask), shards.range_search_codes(asked, 9, mask=mask))
            assert by.most_similar(5) == one.most_similar(5)

    def test_workers_tell_of_a_shard_that_was_changed(self, folder, matrix):
        table = sv.open(folder)
        second = shards_of(folder)[1]
        other = table.search(matrix[:2])
        second.write_bytes(shards_of(folder)[0].read_bytes())
        with ThreadPoolExecutor(2) as executor:
            with pytest.raises(sv.FormatError, match=f"{second.name} is not the shard that it was"):
                table.by(executor).search(matrix[:2])
            with pytest.raises(TypeError, match="expected a concurrent.futures.Executor"):
                table.by(3)
        assert other.indices.shape == (2, 10)

    def test_what_it_is(self, both):
        one, shards = both
        info, expected = shards.info(), one.info()
        assert info.pop("shards") == 4
        for name in ("kind", "rows", "dimension", "bits", "norm", "made_by", "compression_ratio"):
            assert info[name] == expected[name]
        assert repr(shards).startswith("<slimvec.ShardedTable: 13000 codes of ")
        assert_same_content(shards, one)

    def test_words(self, matrix, tmp_path):
        words = [f"w{i}" for i in range(N)]
        method = sv.IIQ(n_bits=16, n_iter=2).fit(matrix)
        parts = [sv.Vectors(words[a:b], matrix[a:b]) for a, b in [(0, 6000), (6000, N)]]
        shards, one = (
            method.to_shards(parts, tmp_path / "t", shard_rows=5000),
            method.to_table(sv.Vectors(words, matrix)),
        )
        assert shards.most_similar("w12000") == one.most_similar("w12000")
        assert np.array_equal(shards.lookup(["w3", 9000, "w12999"]), one.lookup(["w3", 9000, "w12999"]))
        assert "w8192" in shards
        assert "nothing" not in shards
        assert shards.words == one.words
        assert list(shards)[8190:8194] == words[8190:8194]
        with pytest.raises(KeyError, match="unknown word 'W5'; near spellings: 'w5'"):
            shards.lookup(["W5"])
        shards.save(tmp_path / "one")
        assert_same_content(sv.open(tmp_path / "one", verify=True), one)
        with pytest.raises(ValueError, match="words holds 'w0' twice"):
            method.to_shards([parts[0], parts[0]], tmp_path / "u")
        with pytest.raises(ValueError, match=r"source\[0\] has words, and source\[1\] has none"):
            method.to_shards([parts[0], matrix[6000:]], tmp_path / "u")


class TestWriting:
    @pytest.mark.parametrize("factors", [False, True])
    def test_the_same_files_by_anybody(self, matrix, tmp_path, factors):
        method = sv.TransformCoding(n_bits=24, refine_bits=1, n_iter=2).fit(matrix)
        expected = content_of(method.to_shards(matrix, tmp_path / "here", factors=factors, shard_rows=4096).folder)
        assert len(expected) == 5
        np.save(tmp_path / "a.npy", matrix[:1])
        np.save(tmp_path / "b.npy", matrix[1:7000])
        sources = [tmp_path / "a.npy", str(tmp_path / "b.npy"), matrix[7000:7000], matrix[7000:]]
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            by = method.to_shards(sources, tmp_path / "by", factors=factors, shard_rows=1, executor=executor)
            one = method.to_table(sources, factors=factors, executor=executor)
            method.to_table(sources, factors=factors, executor=executor, output=tmp_path / "one")
        assert content_of(by.folder) == expected
        assert_same_content(one, method.to_table(matrix, factors=factors))
        method.to_table(matrix, factors=factors, output=tmp_path / "two")
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_files_that_are_read_in_order(self, matrix, tmp_path):
        rows = matrix.round(2)
        method = sv.IIQ(n_bits=16, n_iter=2).fit(rows)
        cuts = [0, 5000, 5001, 9000, N]
        words = [f"w{i}" for i in range(N)]
        paths = [tmp_path / f"{i}.txt" for i in range(4)]
        for path, a, b in zip(paths, cuts[:-1], cuts[1:], strict=True):
            sv.write_vectors(path, words[a:b], rows[a:b])
        expected = method.to_table(sv.Vectors(words, rows), factors=True)
        with ThreadPoolExecutor(2) as executor:
            shards = method.to_shards(paths, tmp_path / "t", factors=True, shard_rows=4096, executor=executor)
            one = method.to_table(paths, factors=True, executor=executor)
        assert_same_content(shards, expected)
        assert_same_content(one, expected)

    def test_rows_of_unit_length_beside_others(self, matrix, tmp_path):
        """A shard of unit vectors alone has weights, too, where one file would."""
        rows = matrix.copy()
        rows[:9000] /= np.linalg.norm(rows[:9000], axis=1, keepdims=True)
        method = sv.IIQ(n_bits=16, n_remove=0, n_iter=2).fit(rows)
        shards = method.to_shards(rows, tmp_path / "t", factors=True, shard_rows=4096)
        assert_same_content(shards, method.to_table(rows, factors=True))
        assert len(shards_of(tmp_path / "t")) == 4
        with ThreadPoolExecutor(2) as executor:
            assert_same_content(
                method.to_table(rows, factors=True, executor=executor), method.to_table(rows, factors=True)
            )
        unit = rows[:9000]
        method.fit(unit)
        assert_same_content(method.to_shards(unit, tmp_path / "u", factors=True), method.to_table(unit, factors=True))

    def test_no_rows(self, matrix, tmp_path):
        table = sv.IIQ(n_bits=16, n_iter=2).fit(matrix).to_shards(matrix[:0], tmp_path / "t", factors=True)
        assert len(table) == 0
        assert table.search(matrix[:2]).indices.shape == (2, 0)

    def test_a_killed_worker_and_another_run(self, matrix, tmp_path):
        """What a run that died has left is no table, and no harm to the next one."""
        method = sv.IIQ(n_bits=16, n_iter=2).fit(matrix)
        expected = content_of(method.to_shards(matrix, tmp_path / "other", shard_rows=4096).folder)
        child = multiprocessing.get_context("fork").Process(
            target=_die_while_writing, args=(method, matrix, tmp_path / "t")
        )
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert len(shards_of(tmp_path / "t")) >= 1
        with pytest.raises(IsADirectoryError, match="no whole table in shards"):
            sv.open(tmp_path / "t")
        method.to_shards(matrix, tmp_path / "t", shard_rows=4096)
        found = content_of(tmp_path / "t")
        assert {name: found.get(name) for name in expected} == expected
        assert {name for name in found if name.startswith("shard") or name == MANIFEST} == set(expected)

    def test_two_writers_of_one_folder(self, matrix, tmp_path, folder):
        method = sv.IIQ(n_bits=16, n_iter=2).fit(matrix)
        before = content_of(folder)
        with pytest.raises(FileExistsError, match="holds a table already; expected a new folder"):
            method.to_shards(matrix, folder)
        manifest = Manifest.read(folder)
        manifest.commit(folder)  # of the same table: nothing changes
        other = method.to_shards(matrix[:9000], tmp_path / "other", shard_rows=4096)
        with pytest.raises(FileExistsError, match="of another table: two have written to one folder"):
            Manifest.read(other.folder).commit(folder)
        assert content_of(folder) == before

    def test_folders_and_arguments(self, matrix, tmp_path):
        method = sv.IIQ(n_bits=16, n_iter=2).fit(matrix)
        (tmp_path / "note.txt").write_text("mine")
        for place, error, message in [
            (tmp_path, FileExistsError, "holds 'note.txt'; expected a new folder"),
            (tmp_path / "note.txt", FileExistsError, "note.txt"),
            (tmp_path / "no" / "where", FileNotFoundError, "where"),
            ("", FileNotFoundError, "folder is ''"),
        ]:
            with pytest.raises(error, match=message):
                method.to_shards(matrix, place)
        with pytest.raises(ValueError, match="shard_rows=0; expected at least 1"):
            method.to_shards(matrix, tmp_path / "t", shard_rows=0)
        with pytest.raises(
            ValueError, match="source has 23 columns; expected 24, those of the vectors that were fitted"
        ):
            method.to_shards(matrix[:, 1:], tmp_path / "t")
        lists = sv.TransformCoding(n_bits=16, partitions=5, n_iter=1).fit(matrix)
        with pytest.raises(ValueError, match="partitions=: lists go through all rows of a table"):
            lists.to_shards(matrix, tmp_path / "t")
        assert not (tmp_path / "t").exists()

    @pytest.mark.parametrize("factors", [False, True])
    def test_bad_rows_are_named(self, matrix, tmp_path, factors):
        method = sv.IIQ(n_bits=16, n_remove=0, n_iter=2).fit(matrix)
        bad = matrix.copy()
        bad[9123, 3] = np.nan
        with pytest.raises(ValueError, match="vectors holds NaN or infinity in row 9123 "):
            method.to_shards([bad[:50], bad[50:]], tmp_path / "t", shard_rows=4096, factors=factors)
        with pytest.raises(IsADirectoryError, match="no whole table in shards"):
            sv.open(tmp_path / "t")


def _die_while_writing(method, matrix, folder):
    from slimvec.shards import writing

    write = writing.write_table
    done = []

    def dying(path, start, tensors):
        if done:
            path.with_name(".slimvec-half.part").write_bytes(start[:100])
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(path)
        write(path, start, tensors)

    writing.write_table = dying
    method.to_shards(matrix, folder, shard_rows=4096)


class TestDamage:
    def change(self, folder, **changes):
        """Write a manifest that says something else, with a checksum that is right."""
        from slimvec.shards import shard_manifest

        said = json.loads((folder / MANIFEST).read_bytes())
        del said["sha256"]
        for name, value in changes.items():
            (said["shards"][1] if name in said["shards"][1] and name != "rows" else said)[name] = value
        said["sha256"] = shard_manifest._digest(said)
        (folder / MANIFEST).write_text(json.dumps(said))

    def refused(self, folder, message, error=sv.FormatError, **options):
        with pytest.raises(error, match=message):
            sv.open(folder, **options)

    def test_a_missing_shard(self, folder):
        name = shards_of(folder)[2].name
        (folder / name).unlink()
        self.refused(folder, f"{name} is missing, which the manifest of .*table names", FileNotFoundError)

    def test_swapped_shards(self, folder, tmp_path):
        first, second, *_ = shards_of(folder)
        first.rename(tmp_path / "x")
        second.rename(first)
        (tmp_path / "x").rename(second)
        self.refused(folder, f"{first.name}: expected the shard .* it holds {second.name}: the files were swapped")

    def test_a_foreign_and_a_changed_shard(self, folder, matrix, tmp_path):
        second = shards_of(folder)[1]
        sv.IIQ(n_bits=16, n_iter=3).fit(matrix).to_table(matrix[4096:8192]).save(tmp_path / "other")
        original = second.read_bytes()
        shutil.copy(tmp_path / "other", second)
        self.refused(folder, f"{second.name}: expected the shard .* was changed, or is foreign")
        second.write_bytes(original[:-64])
        self.refused(folder, f"{second.name} has {len(original) - 64} bytes; expected {len(original)}")
        second.write_bytes(original[:-4000] + b"\1" + original[-3999:])
        sv.open(folder)
        self.refused(folder, f"{second.name}: .*damaged", verify=True)
        second.write_bytes(original)
        assert len(sv.open(folder, verify=True)) == N
        assert len(sv.open(folder, preload=True)) == N

    def test_manifests(self, folder):
        whole = (folder / MANIFEST).read_bytes()
        for name, value, message in [
            ("format_version", 2, "its format version is 2; this slimvec reads 1: update slimvec"),
            ("format", "others", "its format is 'others'; expected 'slimvec shards'"),
            ("shards", [], "it tells of no shards"),
            ("rows", N + 1, "it tells of 13001 rows, and its shards of 13000"),
            ("norm", -1.0, "its norm is -1.0; expected a number"),
            ("encoder", None, "does not tell what made the codes"),
            ("encoder", "0", "its codes were made by another encoder"),
            ("first_row", 5, "begins with row 5; expected 4096"),
            ("file", "../shard-00001-0123456789abcdef.slim", "it tells of a shard '../shard"),
            ("sha256", "0", "expected shard-NUMBER-SHA256.slim"),
            ("bytes", True, "are no numbers of rows and bytes"),
        ]:
            (folder / MANIFEST).write_bytes(whole)
            self.change(folder, **{name: value})
            self.refused(folder, f"(?s){message}")
        for content, message in [
            (whole.replace(b'"rows": 4096', b'"rows": 4112', 1), "does not match its checksum"),
            (whole[:200], "is not JSON"),
            (b"", "is not JSON"),
        ]:
            (folder / MANIFEST).write_bytes(content)
            self.refused(folder, f"{MANIFEST}: .*{message}")

    def test_a_folder_without_manifest_is_no_table(self, folder):
        (folder / MANIFEST).unlink()
        self.refused(folder, "no whole table in shards", IsADirectoryError)


class TestMany:
    def test_rows_beyond_32_bits(self, matrix):
        """Simulated: the first shard pretends to have 2^31 rows, of which none is found."""
        codes = BlockedCodes.from_rows(sv.pack(matrix[:40]), D)

        class Huge:
            n_codes, n_bits = (1 << 31) + BLOCK_CODES, D

            def search(self, queries, k, mask, n_threads):
                return np.full((len(queries), 1), D, np.int32), np.full((len(queries), 1), (1 << 31) + 5)

        starts = np.array([0, Huge.n_codes, Huge.n_codes + 40])
        asks = Here([BinaryParts(one) for one in (Huge(), codes)])
        sharded = ShardedCodes([Huge(), codes], Spans(starts), asks)
        distances, rows = sharded.search(sv.pack(matrix[:3]), 41, None, 1)
        assert rows[:, 0].tolist() == [Huge.n_codes + i for i in range(3)]
        assert (distances[:, 0] == 0).all()
        assert rows.dtype == np.int64
        assert (1 << 31) + 5 in rows[0]
        assert sharded.n_codes == Huge.n_codes + 40
        wanted = np.array([Huge.n_codes + 39, Huge.n_codes])
        assert np.array_equal(sharded.read(wanted), sv.pack(matrix[[39, 0]]))

    @settings(deadline=None)
    @given(st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=5), st.integers(1, 12))
    def test_merging_is_sorting(self, shards, k):
        """By value, ties by row, for values that tie all the time."""
        found, start, everything = [], 0, []
        for values in shards:
            own = sorted((value, row) for row, value in enumerate(values))
            everything += [(value, row + start) for value, row in own]
            found.append((np.array([[v for v, _ in own]], np.int32), np.array([[r for _, r in own]], np.int64), start))
            start += len(values)
        values, rows = best_of(found, k, 1, np.int32, 1)
        assert list(zip(values[0].tolist(), rows[0].tolist(), strict=True)) == sorted(everything)[:k]


class TestSplit:
    def test_split_and_merged(self, both, tmp_path, queries):
        one, _ = both
        shards = split(one, tmp_path / "parts", 4096)
        assert len(shards_of(tmp_path / "parts")) == 4
        assert_equal(shards.search(queries, 30), one.search(queries, 30))
        assert_equal(shards.search(queries[:0], 30), one.search(queries[:0], 30))
        shards.save(tmp_path / "one.slim")
        assert_same_content(sv.open(tmp_path / "one.slim", verify=True), one)

    def test_what_is_not_split(self, matrix, tmp_path):
        lists = sv.TransformCoding(n_bits=16, partitions=5, n_iter=1).compress(matrix[:500])
        with pytest.raises(ValueError, match="partitions="):
            split(lists, tmp_path / "t")
        sparse = sv.SparseTable(matrix[:2], scipy.sparse.csr_array(np.eye(2, dtype=np.float32)))
        for other in (sparse, sv.HammingIndex(sv.pack(matrix[:5]))):
            with pytest.raises(TypeError, match="is no table of binary codes"):
                split(other, tmp_path / "t")
        assert not Path(tmp_path / "t").exists()


class TestCommandLine:
    def run(self, capsys, *arguments):
        from slimvec.cli import main

        code = main([str(one) for one in arguments])
        return code, *capsys.readouterr()

    def test_split_info_merge(self, matrix, tmp_path, capsys):
        sv.IIQ(n_bits=16, n_iter=2).compress(matrix, factors=True, output=tmp_path / "a.slim")
        code, printed, _ = self.run(capsys, "split", tmp_path / "a.slim", "-o", tmp_path / "parts", "--rows", 5000)
        assert code == 0
        assert "13,000" in printed
        assert len(shards_of(tmp_path / "parts")) == 2
        code, printed, _ = self.run(capsys, "info", tmp_path / "parts", "--verify")
        assert code == 0
        assert "checksums   all match" in printed
        code, printed, _ = self.run(capsys, "neighbors", tmp_path / "parts", 9000, "-k", 2)
        assert code == 0
        code, printed, _ = self.run(capsys, "merge", tmp_path / "parts", "-o", tmp_path / "b.slim")
        assert code == 0
        assert (tmp_path / "b.slim").read_bytes() == (tmp_path / "a.slim").read_bytes()

    def test_bad_input(self, folder, tmp_path, capsys):
        sv.open(folder).save(tmp_path / "one")
        code, _, error = self.run(capsys, "merge", tmp_path / "one", "-o", tmp_path / "b")
        assert (code, "is one table already; expected a folder of shards" in error) == (2, True)
        code, _, error = self.run(capsys, "split", tmp_path / "one", "-o", folder)
        assert (code, "holds a table already" in error) == (2, True)
        shards_of(folder)[0].unlink()
        code, _, error = self.run(capsys, "merge", folder, "-o", tmp_path / "b")
        assert (code, "is missing, which the manifest" in error) == (2, True)
        assert not (tmp_path / "b").exists()

    @pytest.mark.parametrize("workers", [[], ["--workers", 2]])
    def test_compress_into_shards(self, matrix, tmp_path, capsys, workers):
        for i, (first, end) in enumerate([(0, 6000), (6000, N)]):
            np.save(tmp_path / f"part-{i}.npy", matrix[first:end])
        options = ["--bits", 16, "--remove", 0, "--factors", *workers]
        code, printed, error = self.run(
            capsys, "compress", tmp_path / "part-*.npy", "-o", tmp_path / "t", "--shards", 4000, *options
        )
        assert (code, error) == (0, "")
        assert "13,000" in printed
        expected = sv.IIQ(n_bits=16, n_remove=0).compress(matrix, factors=True)
        assert len(shards_of(tmp_path / "t")) == 4
        assert_same_content(sv.open(tmp_path / "t"), expected)
        if workers:
            code, *_ = self.run(capsys, "compress", tmp_path / "part-*.npy", "-o", tmp_path / "one", *options)
            assert code == 0
            assert_same_content(sv.open(tmp_path / "one"), expected)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a*.npy", "--shards", "auto"], "no such file, and no file of that pattern"),
            (["v.npy", "--shards", "many"], "--shards many: expected a number of rows, or auto"),
            (["v.npy", "--shards", "0"], "--shards=0; expected at least 1"),
            (["v.npy", "--workers", "0"], "--workers=0; expected at least 1"),
            (["v.npy", "--shards", "auto", "--limit", "5"], "--limit is not read by workers"),
            (["v.npy", "--shards", "auto", "--method", "nlb"], "--method nlb learns from all rows at once"),
        ],
    )
    def test_bad_input_of_compress(self, matrix, tmp_path, capsys, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        np.save("v.npy", matrix[:50])
        code, _, error = self.run(capsys, "compress", *arguments, "-o", "t")
        assert code == 2
        assert message in error
        assert not Path("t", MANIFEST).exists()
