"""Whatever an index is built from gives the same index, and bad rows are named, or left out and counted."""

from __future__ import annotations

import numpy as np
import pytest

import slimvec as sv

X = np.random.default_rng(2).standard_normal((5000, 12)).astype(np.float32)
IDS = [f"id {i}" for i in range(5000)]
EXPECTED = sv.Index.build(X, ids=IDS, n_bits=12, refine_bits=2).search(X[:20], 5).ids


def check(source, **options):
    index = sv.Index.build(source, n_bits=12, refine_bits=2, **options)
    assert index.search(X[:20], 5).ids == EXPECTED
    return index


def table_of(pa, type_of, rows=X, ids=IDS):
    flat = pa.array(rows.ravel())
    if type_of == "fixed":
        column = pa.FixedSizeListArray.from_arrays(flat, 12)
    else:
        offsets = np.arange(0, rows.size + 1, 12)
        kind, index = (pa.ListArray, pa.int32()) if type_of == "list" else (pa.LargeListArray, pa.int64())
        column = kind.from_arrays(pa.array(offsets, index), flat)
    return pa.table({"id": ids, "embedding": column, "year": np.arange(len(rows))})


def test_arrays(tmp_path):
    check(X.tolist(), ids=np.array(IDS))
    check(sv.Vectors(IDS, X))
    np.save(tmp_path / "a.npy", X[:1200])
    np.save(tmp_path / "b.npy", X[1200:])
    check([tmp_path / "a.npy", tmp_path / "b.npy"], ids=IDS)
    check(str(tmp_path), ids=IDS)
    check(str(tmp_path / "*.npy"), ids=IDS)
    sv.write_vectors(tmp_path / "v.txt", [one.replace(" ", "_") for one in IDS], X)
    assert sv.Index.build(tmp_path / "v.txt", n_bits=12).search(X[7], 1).ids == ["id_7"]


@pytest.mark.parametrize("dtype", [">f8", np.longdouble, np.int64])
@pytest.mark.parametrize("partitions", [None, 3])
def test_numbers_of_other_types(dtype, partitions):
    rows = (X[:300] * 1000).round()
    options = {"n_bits": 12, "refine_bits": 2, "partitions": partitions}
    index, plain = (sv.Index.build(one, **options) for one in (rows.astype(dtype), rows))
    assert index.search(rows[:9].astype(dtype), 3).ids == plain.search(rows[:9], 3).ids


def test_torch():
    torch = pytest.importorskip("torch")
    check(torch.nn.Parameter(torch.from_numpy(X)), ids=IDS)
    short = torch.from_numpy(X).bfloat16()
    assert sv.Index.build(short, n_bits=12).search(short[7].requires_grad_(), 1).ids == [7]
    with pytest.raises(TypeError, match=r"source is a tensor of layout torch\.sparse_coo; expected a dense one"):
        sv.Index.build(short.to_sparse())


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"id": IDS, "embedding": list(X), "kind": ["a", "b"] * 2500}).sample(frac=1, random_state=0)
    frame = frame.sort_index()
    index = check(frame, vectors="embedding", ids="id")
    check(frame, ids=frame.id)
    hits = index.search(X[:3], 5, where=frame.kind == "b")
    assert all(int(one[3:]) % 2 for found in hits.ids for one in found)
    numbers = pd.DataFrame(X, columns=[f"x{i}" for i in range(12)])
    check(numbers, ids=IDS)
    check(pd.DataFrame(X), ids=IDS)
    check(pd.DataFrame(X).assign(id=IDS), ids="id", keep={"n": range(5000)})
    with pytest.raises(ValueError, match="keep holds '3', which is no column of source; its columns are 'id'"):
        check(pd.DataFrame(X).assign(id=IDS), ids="id", vectors=["0", "1"], keep=["3"])
    check(numbers.assign(id=IDS, z=1), vectors=list(numbers.columns), ids="id")
    with pytest.raises(ValueError, match="vectors='x' is no column of source; its columns are 'id'"):
        check(frame, vectors="x")
    with pytest.raises(ValueError, match="does not tell which columns are vectors"):
        check(numbers.assign(z="a"))
    with pytest.raises(ValueError, match="does not tell which columns are vectors"):
        check(numbers.assign(z=np.array([None, 1j] * 2500, object)))


@pytest.mark.parametrize("kind", ["List", "Array"])
def test_polars(kind):
    pl = pytest.importorskip("polars")
    column = pl.Series("embedding", X) if kind == "Array" else pl.Series("embedding", X.tolist(), pl.List(pl.Float32))
    frame = pl.DataFrame({"id": IDS}).with_columns(column)
    check(frame, vectors="embedding", ids="id")
    index = check(frame.lazy(), ids="id")
    assert index.search(X[9], 3, where=frame["id"] == "id 9").ids == ["id 9"]
    assert index.search(pl.Series(X[9]), 3).ids == index.search(X[9], 3).ids
    assert index.search(frame["embedding"][:5], 3).ids == index.search(X[:5], 3).ids


@pytest.mark.parametrize("type_of", ["list", "large", "fixed"])
def test_arrow(type_of):
    pa = pytest.importorskip("pyarrow")
    table = table_of(pa, type_of)
    check(table, vectors="embedding", ids="id")
    check(table.slice(0, 5000).combine_chunks(), ids="id")
    check(table.to_reader(), ids="id")
    head, tail = table_of(pa, type_of, np.vstack([X[:3], X]), [*"abc", *IDS]).slice(3), None
    check(head, ids="id")
    assert tail is None

    views = pa.array([*X[:3].tolist(), None, *X[3:].tolist()], pa.list_view(pa.float32()))
    views = views.take(pa.array([i for i in range(5001) if i != 3]))
    check(pa.table({"id": IDS, "embedding": views}), ids="id")

    class Stream:
        def __arrow_c_stream__(self, requested=None):
            return table.__arrow_c_stream__(requested)

    check(Stream(), ids="id")


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = table_of(pa, "list")
    pq.write_table(table.slice(0, 2100), tmp_path / "a.parquet", row_group_size=500)
    pq.write_table(table.slice(2100), tmp_path / "b.parquet", row_group_size=700)
    check(tmp_path, vectors="embedding", ids="id")
    check(str(tmp_path / "*.parquet"), ids="id")
    check([str(tmp_path / "a.parquet"), tmp_path / "b.parquet"], ids="id")
    with pytest.raises(ValueError, match=r"a\.parquet has no column 'x'"):
        check(tmp_path, vectors="x")
    with pytest.raises(FileNotFoundError, match="none"):
        check(tmp_path / "none.parquet")


def test_datasets():
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"id": IDS[::-1], "embedding": X[::-1]})
    check(made.select(range(4999, -1, -1)), vectors="embedding", ids="id")


def bad_rows():
    rows = [row.tolist() for row in X[:100]]
    rows[40] = None
    rows[50] = rows[50][:5]
    rows[60][3] = float("nan")
    rows[70][3] = float("inf")
    return rows


def bad(how):
    rows = bad_rows()
    if how == "list":
        return rows, IDS[:100], None
    if how == "cells":
        cells = np.empty(100, object)
        cells[:] = rows
        return cells, IDS[:100], None
    module = pytest.importorskip({"pandas": "pandas", "polars": "polars"}.get(how, "pyarrow"))
    if how == "pandas":
        return module.DataFrame({"id": IDS[:100], "e": rows}), "id", "e"
    if how == "polars":
        return (
            module.DataFrame({"id": IDS[:100], "e": rows}, schema_overrides={"e": module.List(module.Float32)}),
            "id",
            "e",
        )
    return module.table({"id": IDS[:100], "e": module.array(rows, module.list_(module.float32()))}), "id", "e"


@pytest.mark.parametrize("how", ["list", "cells", "pandas", "polars", "arrow"])
def test_bad_rows(how):
    source, ids, vectors = bad(how)
    with pytest.raises(ValueError, match=r"source: row 40 \(id 'id 40'\) is null; expected 12 finite numbers"):
        sv.Index.build(source, ids=ids, vectors=vectors)
    index = sv.Index.build(source, ids=ids, vectors=vectors, on_bad="skip")
    assert index.n_skipped == 4
    good = [i for i in range(100) if i not in {40, 50, 60, 70}]
    assert index.ids.tolist() == [IDS[i] for i in good]
    assert [found[0] for found in index.search(X[good], 1).ids] == [IDS[i] for i in good]
    numbered = sv.Index.build(X[:3], refine_bits=0, n_bits=4)
    assert numbered.ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("row", "cell", "what"), [(50, [1.0] * 5, "has 5 numbers"), (60, [float("nan")] * 12, "NaN")])
def test_each_fault_is_said(row, cell, what):
    pa = pytest.importorskip("pyarrow")
    rows = X[:100].tolist()
    rows[row] = cell
    table = pa.table({"id": range(100), "e": rows})
    with pytest.raises(ValueError, match=rf"row {row} \(id {row}\).*{what}"):
        sv.Index.build(table, ids="id")


def test_frames_with_several_columns_of_a_name():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="source has several columns called '0'; expected one of each name"):
        sv.Index.build(pd.DataFrame(X[:5, :2], columns=[0, "0"]))


def test_rows_left_out_are_counted():
    """Also where no other row comes with them."""
    index = sv.Index.build(X)
    index.add(X[:2] * np.nan, ids=[1000, 1001], on_bad="skip")
    index.update(X[:1] * np.nan, ids=[3], on_bad="skip")
    assert (index.n_skipped, len(index)) == (3, len(X))


def test_rows_left_out_keep_their_numbers():
    rows = X[:100].copy()
    rows[[5, 99]] = np.nan
    index = sv.Index.build(rows, on_bad="skip")
    assert index.ids.tolist() == [i for i in range(99) if i != 5]
    with pytest.raises(ValueError, match="row 5 holds NaN"):
        sv.Index.build(rows)
    with pytest.raises(ValueError, match="no good row: 100 were left out"):
        sv.Index.build(rows * np.nan, on_bad="skip")


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (X[:0], {}, ValueError, "source is empty"),
        (X[:5], {"ids": [1, 2]}, ValueError, "ids has 2 ids; expected 5"),
        (X[:5], {"ids": [1, 2, 3, 4, 1]}, ValueError, "ids holds 1 twice"),
        (X[:5], {"ids": list("abcda")}, ValueError, "ids holds 'a' twice"),
        (X[:5], {"vectors": "x"}, ValueError, "vectors='x' names a column, and source, ndarray, has none"),
        (X[:5], {"on_bad": "no"}, ValueError, "on_bad='no'"),
        ("no such file", {}, FileNotFoundError, "no such file"),
        (X[0], {}, ValueError, "two dimensions"),
    ],
)
def test_what_is_no_source(source, options, error, message):
    with pytest.raises(error, match=message):
        sv.Index.build(source, **options)


def test_one_array_of_several(tmp_path):
    np.savez(tmp_path / "z.npz", one=X, two=X[:, :3])
    check(tmp_path / "z.npz", vectors="one", ids=IDS)
    with pytest.raises(sv.FormatError, match=r'several matrices, found one .*by vectors="\.\.\." \(--vectors\)'):
        sv.Index.build(tmp_path / "z.npz")
    with pytest.raises(ValueError, match="vectors='three' is not in it"):
        sv.Index.build(tmp_path / "z.npz", vectors="three")
    with pytest.raises(ValueError, match=r"z\.npz has no columns"):
        sv.Index.build(tmp_path / "z.npz", ids="one")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "ann.hdf5", "w") as file:
        file["train"], file["test"], file["distances"] = X, X[:9], np.zeros((9, 5), np.float32)
    check(tmp_path / "ann.hdf5", vectors="train", ids=IDS)


def test_arrow_files_and_streams(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = table_of(pa, "list")
    for path, write in (("a.arrow", pa.ipc.new_file), ("b.arrows", pa.ipc.new_stream), ("c.arrow", pa.ipc.new_stream)):
        with pa.OSFile(str(tmp_path / path), "wb") as file, write(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=700)
        check(tmp_path / path, vectors="embedding", ids="id")
    from pyarrow.feather import write_feather

    write_feather(table.slice(0, 3000), tmp_path / "d.feather", compression="lz4")
    write_feather(table.slice(3000), tmp_path / "e.feather")
    check(str(tmp_path / "*.feather"), ids="id")
    (tmp_path / "no.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(sv.FormatError, match=r"no\.arrow: neither a file nor a stream of Arrow"):
        sv.Index.build(tmp_path / "no.arrow")
    with pytest.raises(ValueError, match=r"a\.arrow has no column 'x'; its columns are id, embedding, year"):
        sv.Index.build([tmp_path / "a.arrow", tmp_path / "d.feather"], vectors="x")


def test_datasets_of_arrow(tmp_path):
    dataset = pytest.importorskip("pyarrow.dataset")
    import pyarrow as pa

    dataset.write_dataset(
        table_of(pa, "list"), tmp_path, format="parquet", max_rows_per_file=2000, max_rows_per_group=900
    )
    check(dataset.dataset(tmp_path), vectors="embedding", ids="id")


def test_lance(tmp_path):
    lance = pytest.importorskip("lance")
    import pyarrow as pa

    check(lance.write_dataset(table_of(pa, "fixed"), str(tmp_path / "x.lance")), vectors="embedding", ids="id")


def test_results_of_duckdb():
    duckdb = pytest.importorskip("duckdb")
    import pyarrow as pa

    films = table_of(pa, "list")
    assert len(films) == 5000
    check(duckdb.sql("SELECT * FROM films"), vectors="embedding", ids="id")


def test_what_others_give():
    class Tensor:
        def __dlpack__(self, **options):
            return X.__dlpack__(**options)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    class Elsewhere(Tensor):
        def __dlpack__(self, **_):
            raise BufferError("it is on a GPU")

    check(Tensor(), ids=IDS)
    with pytest.raises(TypeError, match="source is Elsewhere, which NumPy cannot read: it is on a GPU"):
        sv.Index.build(Elsewhere())
    sparse = pytest.importorskip("scipy.sparse")
    check(sparse.csc_array(X), ids=IDS)


def test_bfloat16():
    dtypes = pytest.importorskip("ml_dtypes")
    short = X.astype(dtypes.bfloat16)
    expected = sv.Index.build(short.astype(np.float32), n_bits=24).search(X[:20], 5).ids
    cells = np.empty(len(short), object)
    cells[:] = list(short)
    for source in (short, cells, short[::-1][::-1], [*short]):
        index = sv.Index.build(source, n_bits=24)
        assert index.search(X[:20], 5).ids == expected
        assert index.search(short[:20], 1).ids == index.search(short[:20].astype(np.float32), 1).ids


def test_jax():
    jax = pytest.importorskip("jax")
    check(jax.numpy.asarray(X), ids=IDS)
    short = jax.numpy.asarray(X, jax.numpy.bfloat16)
    assert sv.Index.build(short, n_bits=24).search(short[7], 1).ids == [7]
