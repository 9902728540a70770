"""Many queries from a file into a file: the answers of search, in every format, going on where a run stopped."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
import scipy.sparse

import slimvec as sv
from slimvec.blocks import BLOCK_ROWS
from slimvec.bulk import bulk_search
from slimvec.cli import main

N, D = 2 * BLOCK_ROWS + 50, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bulk")
    matrix = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32).round(3)
    np.save(folder / "queries.npy", matrix)
    words = [f"q{i}" for i in range(N)]
    sv.write_vectors(folder / "queries.txt", words, matrix)
    method = sv.IIQ(n_bits=24, n_remove=0, n_iter=2).fit(matrix)
    method.to_table(sv.Vectors([f"w{i}" for i in range(300)], matrix[:300]), factors=True, output=folder / "words.slim")
    method.to_shards(matrix, folder / "shards", factors=True, shard_rows=BLOCK_ROWS)
    return folder


@pytest.fixture(scope="module")
def queries(folder):
    return np.load(folder / "queries.npy")


def left_in(folder):
    return [path.name for path in folder.iterdir()]


class TestFormats:
    def test_arrays(self, folder, queries, tmp_path):
        assert sv.search_to_file(folder / "shards", folder / "queries.npy", tmp_path / "a.npz", k=3) == N
        found, expected = np.load(tmp_path / "a.npz"), sv.open(folder / "shards").search(queries, k=3)
        assert np.array_equal(found["indices"], expected.indices)
        assert np.array_equal(found["scores"], expected.scores)
        assert left_in(tmp_path) == ["a.npz"]

    def test_lines(self, folder, queries, tmp_path):
        sv.search_to_file(folder / "words.slim", folder / "queries.txt", tmp_path / "a.jsonl", k=2, metric="dot")
        lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        expected = sv.open(folder / "words.slim").search(queries, k=2, metric="dot")
        assert [line["query"] for line in lines] == [f"q{i}" for i in range(N)]
        assert [line["rows"] for line in lines] == expected.indices.tolist()
        assert np.array_equal(np.array([line["scores"] for line in lines], np.float32), expected.scores)
        assert lines[-1]["words"] == [f"w{row}" for row in lines[-1]["rows"]]

    def test_parquet(self, folder, queries, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet")
        sv.search_to_file(str(folder / "words.slim"), queries, str(tmp_path / "a.parquet"), k=2)
        rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
        expected = sv.open(folder / "words.slim").search(queries, k=2)
        assert [row["query"] for row in rows] == list(range(N))
        assert [row["rows"] for row in rows] == expected.indices.tolist()
        assert np.array_equal(np.array([row["scores"] for row in rows], np.float32), expected.scores)
        assert rows[7]["words"] == [f"w{row}" for row in rows[7]["rows"]]
        assert parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3

    def test_tables_of_other_kinds_and_few_queries(self, queries, tmp_path):
        sparse = sv.SparseTable(queries[:50], scipy.sparse.csr_array(np.eye(50, dtype=np.float32)))
        for n in (0, 1):
            assert sv.search_to_file(sparse, queries[:n], tmp_path / "a.npz", k=90) == n
            assert np.load(tmp_path / "a.npz")["indices"].shape == (n, 50)
        sv.search_to_file(sparse, queries[:0], tmp_path / "a.jsonl")
        assert (tmp_path / "a.jsonl").read_text() == ""

    def test_a_mask_that_can_be_read_once_is_that_of_all_blocks(self, folder, queries, tmp_path):
        table = sv.open(folder / "words.slim")
        sv.search_to_file(table, queries, tmp_path / "a.npz", k=3, mask=(f"w{row}" for row in range(20)))
        expected = table.search(queries, k=3, mask=range(20))
        assert np.array_equal(np.load(tmp_path / "a.npz")["indices"], expected.indices)


class TestGoingOn:
    def interrupted(self, monkeypatch, after):
        """Let a search stop after some blocks; return the list of those that are searched."""
        searched = []
        found = bulk_search._found

        def stopping(table, block, first, k, options):
            if len(searched) == after:
                raise KeyboardInterrupt
            searched.append(first)
            return found(table, block, first, k, options)

        monkeypatch.setattr(bulk_search, "_found", stopping)
        return searched

    def test_after_an_interrupt(self, folder, queries, tmp_path, monkeypatch):
        arguments = folder / "shards", folder / "queries.txt", tmp_path / "a.npz"
        with monkeypatch.context() as patch:
            self.interrupted(patch, 2)
            with pytest.raises(KeyboardInterrupt):
                sv.search_to_file(*arguments)
        assert left_in(tmp_path) == ["a.npz.partial"]
        with monkeypatch.context() as patch:
            searched = self.interrupted(patch, None)
            sv.search_to_file(*arguments)
        assert searched == [2 * BLOCK_ROWS]
        assert np.array_equal(
            np.load(tmp_path / "a.npz")["indices"], sv.open(folder / "shards").search(queries).indices
        )
        assert left_in(tmp_path) == ["a.npz"]

    @pytest.mark.parametrize(
        "change", [{"k": 4}, {"metric": "dot"}, {"queries": "queries.npy"}, {"table": "words.slim"}]
    )
    def test_another_search_begins_anew(self, folder, tmp_path, monkeypatch, change):
        given = {"table": "shards", "queries": "queries.txt", "k": 10, **change}
        with monkeypatch.context() as patch:
            self.interrupted(patch, 1)
            with pytest.raises(KeyboardInterrupt):
                sv.search_to_file(folder / "shards", folder / "queries.txt", tmp_path / "a.npz")
        searched = self.interrupted(monkeypatch, None)
        table, queries = folder / given.pop("table"), folder / given.pop("queries")
        sv.search_to_file(table, queries, tmp_path / "a.npz", **given)
        assert searched == [0, BLOCK_ROWS, 2 * BLOCK_ROWS]

    def test_members_of_archives(self, folder, tmp_path, monkeypatch):
        """They are queries as other files are, and one is not gone on with where another stopped."""
        with zipfile.ZipFile(tmp_path / "queries.zip", "w") as archive:
            archive.write(folder / "queries.txt", "a.txt")
            archive.write(folder / "queries.txt", "b.txt")
        with monkeypatch.context() as patch:
            self.interrupted(patch, 1)
            with pytest.raises(KeyboardInterrupt):
                sv.search_to_file(folder / "shards", f"{tmp_path}/queries.zip#a.txt", tmp_path / "a.npz")
        searched = self.interrupted(monkeypatch, None)
        assert sv.search_to_file(folder / "shards", f"{tmp_path}/queries.zip#b.txt", tmp_path / "a.npz") == N
        assert searched == [0, BLOCK_ROWS, 2 * BLOCK_ROWS]

    def test_what_is_no_file_leaves_nothing(self, folder, queries, tmp_path, monkeypatch):
        self.interrupted(monkeypatch, 1)
        with pytest.raises(KeyboardInterrupt):
            sv.search_to_file(folder / "shards", queries, tmp_path / "a.npz")
        assert left_in(tmp_path) == []


class TestBadInput:
    def test_refused(self, folder, queries, tmp_path):
        table = folder / "words.slim"
        bad = queries.copy()
        bad[5000, 1] = np.nan
        for arguments, options, error, message in [
            ((table, queries, tmp_path / "a.csv"), {}, ValueError, "output='a.csv'; expected a name that ends in .npz"),
            ((table, queries, tmp_path / "no" / "a.npz"), {}, OSError, "is not a folder to write a.npz to"),
            ((table, queries, tmp_path / "a.npz", 0), {}, ValueError, "k=0; expected at least 1"),
            ((table, queries[:, :5], tmp_path / "a.npz"), {}, ValueError, "queries has 5 columns; expected 8"),
            ((table, bad, tmp_path / "a.npz"), {}, ValueError, "queries holds NaN or infinity in row 5000"),
            ((table, queries, tmp_path / "a.npz"), {"metric": "l1"}, ValueError, "metric='l1'"),
            ((folder / "none", queries, tmp_path / "a.npz"), {}, FileNotFoundError, "none"),
            ((sv.HammingIndex(sv.pack(queries)), queries, tmp_path / "a.npz"), {}, TypeError, "expected a table that"),
            ((table, queries, tmp_path / "a.npz"), {"executor": 3}, TypeError, "expected one in shards"),
            ((folder / "shards", queries, tmp_path / "a.npz"), {"executor": 3}, TypeError, "executor is 3; expected a"),
        ]:
            with pytest.raises(error, match=message):
                sv.search_to_file(*arguments, **options)
            assert left_in(tmp_path) == []

    def test_what_is_read_is_not_replaced(self, folder, queries, tmp_path):
        np.savez(tmp_path / "q.npz", q=queries[:5])
        shutil.copy(folder / "words.slim", tmp_path / "t.npz")
        (tmp_path / "link.npz").symlink_to("q.npz")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        for name in before:
            with pytest.raises(ValueError, match="npz' is what is read; expected another name"):
                sv.search_to_file(tmp_path / "t.npz", tmp_path / "q.npz", tmp_path / name)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_folder_of_others(self, folder, queries, tmp_path):
        (tmp_path / "a.npz.partial").mkdir()
        (tmp_path / "a.npz.partial" / "mine").write_text("mine")
        with pytest.raises(FileExistsError, match="holds what no search has left there"):
            sv.search_to_file(folder / "shards", queries, tmp_path / "a.npz")


def test_command_line(folder, queries, tmp_path, capsys):
    arguments = ["search", folder / "shards", folder / "queries.npy", "-o", tmp_path / "a.npz", "-k", 3, "--threads", 2]
    assert main([str(one) for one in arguments]) == 0
    assert f"{N:,} queries" in capsys.readouterr().out
    expected = sv.open(folder / "shards").search(queries, k=3)
    assert np.array_equal(np.load(tmp_path / "a.npz")["indices"], expected.indices)
    assert main([*map(str, arguments[:3]), "-o", str(tmp_path / "b.npz"), "-k", "3", "--workers", "2"]) == 0
    assert np.array_equal(np.load(tmp_path / "b.npz")["indices"], expected.indices)
    assert main(["search", str(folder / "words.slim"), *map(str, arguments[2:]), "--workers", "1"]) == 2
    assert "expected one in shards" in capsys.readouterr().err
    arguments[4] = tmp_path / "a.txt"
    assert main([str(one) for one in arguments]) == 2
    assert "expected a name that ends in .npz" in capsys.readouterr().err


def test_lines_printed(folder, queries, tmp_path, capsys):
    words = folder / "words.slim"
    assert main(["search", str(words), str(folder / "queries.txt"), "--json", "-k", "2", "--metric", "dot"]) == 0
    printed = capsys.readouterr().out
    sv.search_to_file(words, folder / "queries.txt", tmp_path / "a.jsonl", k=2, metric="dot")
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in printed.splitlines()] == [json.loads(line) for line in lines]
    assert len(lines) == N
    for both in ([], ["--json", "-o", str(tmp_path / "b.npz")]):  # one of the two, and one alone
        with pytest.raises(SystemExit):
            main(["search", str(words), str(folder / "queries.npy"), *both])
