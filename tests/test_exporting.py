"""What is exported finds the same rows in other programs, the real ones where they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

import slimvec as sv
from slimvec.cli import main
from slimvec.exporting.export import WRITERS

N, D = 700, 40
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
QUERIES = np.random.default_rng(1).standard_normal((9, D)).astype(np.float32)
NUMBERS = np.random.default_rng(2).permutation(10 * N)[:N]
TEXTS = [f"tt {i}\t\\\n'é" for i in range(N)]
K = 12


@pytest.fixture(scope="module")
def table():
    return sv.IIQ(n_bits=36, n_remove=0, n_iter=3).compress(X, factors=True)


@pytest.fixture(scope="module")
def index():
    index = sv.Index.build(X[:400], ids=NUMBERS[:400], n_bits=64)
    index.add(X[400:], ids=NUMBERS[400:])
    index.remove(NUMBERS[10:30])
    return index


@pytest.fixture(scope="module")
def vectors(index):
    """The vectors of the index, in the order of its ids, at length one."""
    made = index.vectors(index.ids)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def by_distance(table, k=K):
    """Return distances, and the ids that have them: which of equals is found last is anyone's choice."""
    distances, rows = table.search_codes(table.encode(QUERIES), k)
    return distances, NUMBERS[rows]


def assert_same(table, distances, ids):
    """The same distances, and each id at its own: where many are as far, programs choose others of them."""
    expected, names = by_distance(table)
    assert np.array_equal(np.asarray(distances), expected)
    row_of = {int(one): row for row, one in enumerate(NUMBERS)}
    rows = np.array([[row_of[int(one)] for one in found] for found in np.asarray(ids)])
    codes, asked = np.unpackbits(table.codes(), axis=1), np.unpackbits(table.encode(QUERIES), axis=1)
    assert np.array_equal((codes[rows] != asked[:, None]).sum(axis=2), expected)
    for mine, other, far in zip(names, np.asarray(ids), expected, strict=True):
        assert set(mine[far < far[-1]]) == set(other[far < far[-1]].tolist())


def assert_same_cosines(vectors, index, queries, ids, scores):
    """Of vectors, the cosines of exactly these."""
    exact = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ vectors.T
    best = -np.sort(-exact, axis=1)[:, : np.shape(ids)[1]]
    assert np.allclose(scores, best, atol=2e-3)
    places = {int(one): place for place, one in enumerate(index.ids)}
    own = [[exact[query, places[int(one)]] for one in found] for query, found in enumerate(np.asarray(ids))]
    assert np.allclose(own, best, atol=2e-3)


def test_faiss(table, index, vectors, tmp_path):
    faiss = pytest.importorskip("faiss")
    table.export(tmp_path / "x.faiss", ids=NUMBERS)
    opened = faiss.read_index_binary(str(tmp_path / "x.faiss"))
    assert isinstance(opened, faiss.IndexBinaryIDMap2)
    codes = table.encode(QUERIES)
    assert_same(table, *opened.search(codes, K))
    assert np.array_equal(opened.reconstruct(int(NUMBERS[5])), table.codes([5])[0])
    index.export(tmp_path / "y.faiss", original=True)
    opened = faiss.read_index(str(tmp_path / "y.faiss"))
    scores, ids = opened.search(QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True), K)
    assert_same_cosines(vectors, index, QUERIES, ids, scores)


def test_usearch(table, index, vectors, tmp_path):
    usearch = pytest.importorskip("usearch.index")
    table.export(tmp_path / "x.usearch", ids=NUMBERS)
    found = usearch.Index.restore(str(tmp_path / "x.usearch")).search(table.encode(QUERIES), K, exact=True)
    assert_same(table, found.distances.astype(int), found.keys)
    index.export(tmp_path / "y.usearch", original=True)
    found = usearch.Index.restore(str(tmp_path / "y.usearch")).search(QUERIES, K, exact=True)
    assert_same_cosines(vectors, index, QUERIES, found.keys, 1 - found.distances)
    with pytest.raises(ValueError, match="ids holds -1; usearch has integers from 0 on"):
        table.export(tmp_path / "x.usearch", ids=NUMBERS - NUMBERS.min() - 1)


@pytest.mark.parametrize("package", ["faiss", "usearch"])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e30])
def test_vectors_of_any_scale(tmp_path, package, scale):
    """Their cosines, though no float32 holds their squares, and no float16 their numbers."""
    opener = pytest.importorskip({"faiss": "faiss", "usearch": "usearch.index"}[package])
    path = tmp_path / f"x.{package}"
    table = sv.IIQ(64, n_remove=0, n_iter=2).compress(X * np.float32(scale), factors=True)
    table.export(path, original=True)
    rows = table.lookup(np.arange(N), original=True) / scale
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    if package == "faiss":
        scores, found = opener.read_index(str(path)).search(rows[:20], 2)
    else:
        answer = opener.Index.restore(str(path)).search(rows[:20], 2, exact=True)
        scores, found = 1 - answer.distances, answer.keys
    assert np.allclose(scores, np.sort(rows[:20] @ rows.T)[:, :-3:-1], atol=2e-3)
    assert np.array_equal(found[:, 0], np.arange(20))


def test_parquet(table, index, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table.export(tmp_path / "x.parquet", ids=TEXTS)
    read = parquet.read_table(tmp_path / "x.parquet")
    assert read["id"].to_pylist() == TEXTS
    assert read["code"].to_pylist() == [code.tobytes() for code in table.codes()]
    assert read.schema.metadata[b"n_bits"] == b"36"
    index.export(tmp_path / "y.parquet", original=True)
    read = parquet.read_table(tmp_path / "y.parquet")
    assert read["id"].to_pylist() == index.ids.tolist()
    assert np.array_equal(np.array(read["vector"].to_pylist(), np.float32), index.vectors(index.ids))


def test_parquet_in_duckdb(table, index, vectors, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    table.export(tmp_path / "x.parquet", ids=NUMBERS)
    asked = "SELECT id, bit_count(xor(code::BIT, ?::BLOB::BIT)) AS far FROM read_parquet(?) ORDER BY far, id LIMIT ?"
    name = str(tmp_path / "x.parquet")
    found = [duckdb.execute(asked, [code.tobytes(), name, K]).fetchall() for code in table.encode(QUERIES)]
    assert_same(table, [[far for _, far in one] for one in found], [[own for own, _ in one] for one in found])
    index.export(tmp_path / "y.parquet", original=True)
    asked = f"SELECT id, array_cosine_similarity(vector::FLOAT[{D}], ?::FLOAT[{D}]) AS near FROM read_parquet(?)"  # noqa: S608
    name = str(tmp_path / "y.parquet")
    asked += " ORDER BY near DESC LIMIT ?"
    found = [duckdb.execute(asked, [query.tolist(), name, K]).fetchall() for query in QUERIES]
    ids, scores = [[own for own, _ in one] for one in found], [[near for _, near in one] for one in found]
    assert_same_cosines(vectors, index, QUERIES, ids, scores)


@pytest.fixture
def psql():
    """Return what runs SQL in a database with pgvector, whose address is in SLIMVEC_PSQL: arguments of psql."""
    if "SLIMVEC_PSQL" not in os.environ or shutil.which("psql") is None:
        pytest.skip("no PostgreSQL: SLIMVEC_PSQL is not set, or psql is missing")
    address = os.environ["SLIMVEC_PSQL"].split()

    def run(*arguments):
        done = subprocess.run(["psql", *address, "-AtqX", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_postgres(table, index, vectors, tmp_path, psql):
    psql("-c", 'DROP TABLE IF EXISTS "order", slim_y, slim_texts')
    table.export(tmp_path / "Order.sql", ids=NUMBERS)
    psql("-f", str(tmp_path / "Order.sql"))
    bits = ["".join(map(str, row)) for row in np.unpackbits(table.encode(QUERIES), axis=1, count=36, bitorder="little")]
    found = []
    for one in bits:
        asked = f"SELECT id, code <~> B'{one}' AS far FROM \"order\" ORDER BY far, id LIMIT {K}"  # noqa: S608
        found.append([line.split("|") for line in psql("-c", asked).split()])
    assert_same(
        table, [[float(far) for _, far in one] for one in found], [[int(own) for own, _ in one] for one in found]
    )
    table.export(tmp_path / "slim_texts.sql", ids=TEXTS)
    psql("-f", str(tmp_path / "slim_texts.sql"))
    assert psql("-c", "SELECT count(*) FROM slim_texts WHERE id LIKE E'tt %\\t\\\\\\\\\\n''é'").strip() == str(N)
    index.export(tmp_path / "slim_y.sql", original=True)
    psql("-f", str(tmp_path / "slim_y.sql"))
    found = []
    for query in QUERIES.tolist():
        asked = f"SELECT id, 1 - (embedding <=> '{query}') AS near FROM slim_y ORDER BY near DESC LIMIT {K}"  # noqa: S608
        found.append([line.split("|") for line in psql("-c", asked).split()])
    ids, scores = [[int(own) for own, _ in one] for one in found], [[float(near) for _, near in one] for one in found]
    assert_same_cosines(vectors, index, QUERIES, ids, scores)


def copied(path):
    """Return the lines of a COPY, apart at tabs, as PostgreSQL reads them."""
    text = path.read_text(encoding="utf-8")
    (lines,) = re.findall(r"FROM STDIN;\n(.*?)^\\\.$", text, re.DOTALL | re.MULTILINE)
    unescape = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
    return [
        [re.sub(r"\\.", lambda m: unescape[m[0]], cell) for cell in line.split("\t")] for line in lines.split("\n")[:-1]
    ]


def test_sql_as_text(table, index, tmp_path):
    table.export(tmp_path / "7 Films.sql", ids=TEXTS)
    lines = copied(tmp_path / "7 Films.sql")
    assert [one for one, _ in lines] == TEXTS
    bits = np.array([[int(bit) for bit in code] for _, code in lines])
    assert np.array_equal(np.packbits(bits, axis=1, bitorder="little"), table.codes())
    text = (tmp_path / "7 Films.sql").read_text(encoding="utf-8")
    assert 'CREATE TABLE "t_7_films" (id text PRIMARY KEY, code bit(36) NOT NULL);' in text
    index.export(tmp_path / "y.sql", original=True)
    lines = copied(tmp_path / "y.sql")
    assert [int(one) for one, _ in lines] == index.ids.tolist()
    assert np.array_equal(np.array([eval(row) for _, row in lines], np.float32), index.vectors(index.ids))  # noqa: S307
    table.export(os.fsencode(tmp_path / "films") + b"\xff.sql", ids=TEXTS)  # a name that is no text
    (odd,) = tmp_path.glob("films*")
    assert copied(odd)[0][0] == TEXTS[0]
    with pytest.raises(ValueError, match="zero bytes"):
        table.export(tmp_path / "y.sql", ids=["a\0b", *TEXTS[1:]])
    assert [int(one) for one, _ in copied(tmp_path / "y.sql")] == index.ids.tolist()  # what was there stays


def test_arrays(table, index, tmp_path):
    table.export(tmp_path / "x.npz", ids=TEXTS)
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["ids"].tolist() == TEXTS
        assert np.array_equal(arrays["codes"], table.codes())
        assert arrays["n_bits"] == 36
    index.export(tmp_path / "y.npz", original=True)
    with np.load(tmp_path / "y.npz") as arrays:
        assert np.array_equal(arrays["ids"], index.ids)
        assert np.array_equal(arrays["vectors"], index.vectors(index.ids))


def test_ids_are_words_or_numbers_of_rows(table, tmp_path):
    table.export(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["ids"].tolist() == list(range(N))
    words = sv.BinaryTable(table.codes([0, 1]), 36, words=["é", "b c"])
    words.export(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["ids"].tolist() == ["é", "b c"]


def test_tables_in_lists_go_by_rows(tmp_path):
    table = sv.TransformCoding(32, partitions=5, n_iter=2).compress(X)
    table.export(tmp_path / "x.npz", original=True)
    with np.load(tmp_path / "x.npz") as arrays:
        assert np.array_equal(arrays["vectors"], table.lookup(range(N), original=True))


def test_empty_ones(tmp_path, index):
    nothing = sv.BinaryTable(np.empty((0, 1), np.uint8), 8)
    gone = sv.Index.build(X[:50], n_bits=32)
    gone.remove(gone.ids)
    for suffix in (".npz", ".sql"):
        nothing.export(tmp_path / f"x{suffix}")
        gone.export(tmp_path / f"y{suffix}", original=True)
    assert copied(tmp_path / "y.sql") == copied(tmp_path / "x.sql") == []
    with np.load(tmp_path / "y.npz") as arrays:
        assert arrays["vectors"].shape == (0, D)


def test_what_is_refused(table, index, tmp_path):
    for path in ("x.npy", "x", "x.txt"):
        with pytest.raises(ValueError, match=r"expected a name that ends in \.faiss, \.usearch"):
            table.export(tmp_path / path)
    for suffix in WRITERS:
        with pytest.raises(ValueError, match="several bits per direction.*original=True"):
            index.export(tmp_path / f"x{suffix}")
    with pytest.raises(ValueError, match="several bits"):
        sv.TransformCoding(32, n_iter=2).compress(X).export(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="factors"):
        sv.BinaryTable(table.codes(), 36).export(tmp_path / "x.npz", original=True)
    with pytest.raises(ValueError, match="ids has 3 ids; expected 700"):
        table.export(tmp_path / "x.npz", ids=[1, 2, 3])
    with pytest.raises(ValueError, match="ids holds 5 twice"):
        table.export(tmp_path / "x.npz", ids=[5, *range(N - 1)])
    with pytest.raises(ValueError, match="ids holds .tt 1.*twice"):
        table.export(tmp_path / "x.npz", ids=[TEXTS[1], *TEXTS[1:]])
    with pytest.raises(ValueError, match="no zero byte at the end"):
        table.export(tmp_path / "x.npz", ids=["a\0", *TEXTS[1:]])
    with pytest.raises(OSError, match="is not a folder"):
        table.export(tmp_path / "none" / "x.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["faiss", "usearch"])
def test_strings_are_no_integers(table, tmp_path, package):
    pytest.importorskip(package)
    with pytest.raises(TypeError, match=f"ids holds strings, such as .*, and {package} has integers"):
        table.export(tmp_path / f"x.{package}", ids=TEXTS)


def test_the_command(table, index, tmp_path, capsys):
    table.save(tmp_path / "x.slim")
    index.save(tmp_path / "y.slim")
    assert main(["export", str(tmp_path / "x.slim"), "-o", str(tmp_path / "x.npz")]) == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert np.array_equal(arrays["codes"], table.codes())
    assert main(["export", str(tmp_path / "y.slim"), "-o", str(tmp_path / "y.npz"), "--original"]) == 0
    with np.load(tmp_path / "y.npz") as arrays:
        assert np.array_equal(arrays["ids"], index.ids)
    assert main(["export", str(tmp_path / "y.slim"), "-o", str(tmp_path / "y.npz")]) == 2
    assert main(["export", str(tmp_path / "x.slim"), "-o", str(tmp_path / "y.npz"), "--blanks", "_"]) == 2
    assert main(["export", str(tmp_path / "y.slim"), "-o", str(tmp_path / "y.txt")]) == 2
    assert "several bits" in capsys.readouterr().err
    table.save(tmp_path / "x.sql")
    assert main(["export", str(tmp_path / "x.sql"), "-o", str(tmp_path / "x.sql")]) == 2
    assert "is the table itself" in capsys.readouterr().err
    assert len(sv.open(tmp_path / "x.sql")) == N
