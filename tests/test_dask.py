"""What Dask holds: the same estimators and codes as here, on a real cluster of two processes; skipped without Dask."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import slimvec as sv
from slimvec.blocks import BLOCK_ROWS

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

N, D = 9 * BLOCK_ROWS + 700, 6
FITTED = ("mean_", "projection_", "singular_values_", "quantization_loss_")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # of Dask's own, which change with its versions
    pytest.mark.xdist_group("dask"),  # one cluster for all
]


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 5}),
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    gc.collect()  # sockets that Dask leaves open are told of here, not in whatever test comes next


@pytest.fixture(scope="module")
def matrix():
    generator = np.random.default_rng(0)
    return (generator.standard_normal((N, D)) * np.linspace(3, 1, D) + 0.3).astype(np.float16)


@pytest.fixture(scope="module")
def expected(matrix):
    return iiq().fit(matrix)


def iiq():
    return sv.IIQ(n_bits=5, n_iter=4, max_train_rows=500)


def assert_same(fitted, expected):
    for name in FITTED:
        assert np.array_equal(getattr(fitted, name), getattr(expected, name)), name
    assert vars(fitted).keys() == vars(expected).keys()
    assert fitted.n_samples_seen_ == expected.n_samples_seen_


def delayed_blocks(matrix, size, on_load):
    """Return a Dask array of blocks that tell when they are loaded; the function is sent along, by value."""

    def load(block, number):
        on_load(number)
        return block

    parts = []
    for number, first in enumerate(range(0, len(matrix), size)):
        block = matrix[first : first + size]
        lazy = dask.delayed(load)(block, number)
        parts.append(da.from_delayed(lazy, block.shape, block.dtype))
    return da.concatenate(parts)


class TestFit:
    @pytest.mark.parametrize(
        "chunks",
        [(1,) * 40 + (N - 40,), (7,) * 100 + (N - 700,), 1000, (5000, 0, N - 5000), N],
        ids=["rows", "sevens", "thousands", "an empty one", "one"],
    )
    def test_whatever_the_chunks(self, client, matrix, expected, chunks):
        chunks = (chunks, (D,)) if isinstance(chunks, tuple) else (chunks, D)
        assert_same(iiq().fit(da.from_array(matrix, chunks=chunks)), expected)

    @pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
    def test_without_a_client(self, matrix, expected, scheduler):
        with dask.config.set(scheduler=scheduler):
            assert_same(sv.dask.fit(iiq(), da.from_array(matrix, chunks=(7000, D))), expected)

    def test_a_client_that_is_named(self, client, matrix, expected):
        assert_same(sv.dask.fit(iiq(), da.from_array(matrix, chunks=(7000, D)), client=client), expected)

    def test_the_result_is_an_ordinary_one(self, client, matrix, expected):
        fitted = iiq().fit(da.from_array(matrix, chunks=(7000, D)))
        assert b"dask" not in pickle.dumps(fitted)
        assert np.array_equal(fitted.to_table(matrix).codes(), expected.to_table(matrix).codes())

    def test_other_methods(self, client, matrix):
        X = da.from_array(matrix, chunks=(9000, D))
        coding = sv.TransformCoding(n_bits=8, refine_bits=2, n_iter=2)
        assert np.array_equal(
            coding.fit(X).projection_, sv.TransformCoding(**coding.get_params()).fit(matrix).projection_
        )
        with pytest.raises(
            TypeError, match="NLB learns from all rows at once, which Dask holds in pieces; fit it on a"
        ):
            sv.baselines.NLB().fit(X)

    def test_delayed_blocks_and_columns(self, client, matrix, expected):
        assert_same(iiq().fit([dask.delayed(matrix[:9000]), dask.delayed(matrix[9000:])]), expected)
        dataframe = pytest.importorskip("dask.dataframe")
        import pandas as pd

        frame = pd.DataFrame({"vector": list(matrix[:700])})
        with dask.config.set({"dataframe.convert-string": False}):
            fitted = iiq().fit(dataframe.from_pandas(frame, npartitions=3)["vector"])
        assert_same(fitted, iiq().fit(matrix[:700]))

    def test_files(self, client, matrix, expected, tmp_path):
        da.to_npy_stack(tmp_path / "stack", da.from_array(matrix, chunks=(9000, D)))
        assert_same(iiq().fit(da.from_npy_stack(tmp_path / "stack")), expected)
        np.save(tmp_path / "one.npy", matrix)
        mapped = np.load(tmp_path / "one.npy", mmap_mode="r")
        assert_same(iiq().fit(da.from_array(mapped, chunks=(9000, D))), expected)

    def test_zarr(self, client, matrix, expected, tmp_path):
        zarr = pytest.importorskip("zarr")
        zarr.save(str(tmp_path / "one.zarr"), matrix)
        assert_same(iiq().fit(da.from_zarr(str(tmp_path / "one.zarr")).rechunk({1: -1})), expected)

    def test_an_executor_of_a_client(self, client, matrix, expected):
        assert_same(iiq().fit([matrix[:20_000], matrix[20_000:]], executor=client.get_executor()), expected)

    def test_rows_are_read_once_for_sums_and_once_for_codes(self, client, matrix, expected, tmp_path):
        folder = str(tmp_path)

        def on_load(number):
            with open(f"{folder}/{number}", "a") as file:
                file.write("x")

        X = delayed_blocks(matrix, 5000, on_load)
        fitted = iiq().fit(X)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(i): "x" for i in range(8)}
        assert_same(fitted, expected)
        fitted.transform(X).compute()
        assert {path.read_text() for path in tmp_path.iterdir()} == {"xx"}

    def test_a_killed_worker(self, client, matrix, expected, tmp_path):
        folder = str(tmp_path)

        def on_load(number):
            if number in {3, 6}:
                try:
                    open(f"{folder}/{number}", "x").close()
                except FileExistsError:
                    return
                os.kill(os.getpid(), signal.SIGKILL)

        assert_same(iiq().fit(delayed_blocks(matrix, 5000, on_load)), expected)
        assert len(list(tmp_path.iterdir())) == 2


class TestAnchors:
    """Anchors are learnt here on sampled rows, the others are coded where they are."""

    def ant(self, **options):
        return sv.ANT(n_anchors=8, nonzeros=2, n_rounds=2, max_train_rows=400, **options)

    @pytest.mark.parametrize(
        "options", [{}, {"anchors": "frequency"}, {"anchors": [5, 20_000, 4]}, {"anchors": "random"}], ids=str
    )
    def test_the_anchors_of_a_local_fit(self, client, matrix, options):
        options = {"n_anchors": None, "nonzeros": 2, "n_rounds": 2, "max_train_rows": 400, **options}
        options["n_anchors"] = None if isinstance(options.get("anchors"), list) else 8
        X = da.from_array(matrix, chunks=((9000, 0, N - 9000), D))
        fitted, expected = sv.ANT(**options).fit(X), sv.ANT(**options).fit(matrix)
        assert np.array_equal(fitted.anchors_, expected.anchors_)
        assert np.array_equal(fitted.residuals_, expected.residuals_)
        assert fitted.n_features_in_ == D
        assert not hasattr(fitted, "transform_")
        assert b"dask" not in pickle.dumps(fitted)

    def test_blocks_are_coded(self, client, matrix):
        X = da.from_array(matrix, chunks=((9000, 0, N - 9000), D))
        fitted, local = self.ant().fit(X), self.ant().fit(matrix)
        lazy = fitted.transform(X)
        assert (lazy.shape, lazy.dtype, lazy.chunks[0]) == ((N, 8), np.float32, X.chunks[0])
        made = lazy.compute()
        assert (made != local.transform_).nnz == 0
        table = fitted.to_table(X)
        rows = [0, 8999, 9000, N - 1]
        assert np.array_equal(table.lookup(rows), local.to_table(matrix).lookup(rows))
        assert np.array_equal(self.ant().compress(X).lookup(rows), table.lookup(rows))
        assert np.array_equal(fitted.to_table(matrix[:50]).lookup(rows[:1]), table.lookup(rows[:1]))

    def test_what_was_learnt_of_other_rows_goes(self, matrix):
        fitted = self.ant().fit(matrix[:1000])
        with dask.config.set(scheduler="threads"):
            fitted.fit(da.from_array(matrix, chunks=(9000, D)))
        assert not hasattr(fitted, "transform_")
        assert not hasattr(fitted, "relative_residual_")
        with pytest.raises(ValueError, match="not fitted yet"):
            _ = fitted.n_parameters_

    def test_only_blocks_with_sampled_rows_are_read(self, matrix, tmp_path):
        folder = str(tmp_path)

        def on_load(number):
            with open(f"{folder}/{number}", "a") as file:
                file.write("x")

        with dask.config.set(scheduler="synchronous"):
            sv.ANT(n_anchors=2, nonzeros=1, n_rounds=1, anchors="random", max_train_rows=3).fit(
                delayed_blocks(matrix, 1000, on_load)
            )
        assert 1 <= len(list(tmp_path.iterdir())) <= 3
        assert {path.read_text() for path in tmp_path.iterdir()} == {"x"}

    def test_bad_input(self, matrix):
        X = da.from_array(matrix, chunks=(9000, D))
        with pytest.raises(ValueError, match='allocation="global" spends a budget over all rows, which are elsewhere'):
            self.ant(allocation="global").fit(X)
        with pytest.raises(ValueError, match="max_train_rows=None learns on all rows"):
            sv.ANT(n_anchors=8, max_train_rows=None).fit(X)
        with pytest.raises(ValueError, match="relations and negatives are about words"):
            sv.ANT(n_anchors=8, l1=0.1, relations=[("a", "b")]).fit(X)
        with pytest.raises(TypeError, match="counts is of all rows, and X is held by Dask in pieces"):
            self.ant().fit(X, counts=np.ones(N))
        with pytest.raises(ValueError, match="n_anchors=40000"), dask.config.set(scheduler="threads"):
            sv.ANT(n_anchors=40_000).fit(X)
        with pytest.raises(ValueError, match="X is empty"):
            self.ant().fit(X[:0])
        bad = matrix.copy()
        bad[20_123] = np.nan
        with dask.config.set(scheduler="threads"):
            with pytest.raises(ValueError, match="X holds NaN or infinity in row 20123 "):
                sv.ANT(n_anchors=8, nonzeros=2, n_rounds=1, anchors=[20_123] * 1 + list(range(7))).fit(
                    da.from_array(bad, chunks=(9000, D))
                )
            fitted = self.ant().fit(X)
            with pytest.raises(ValueError, match="X holds NaN or infinity in row 20123 "):
                fitted.transform(da.from_array(bad, chunks=(9000, D))).compute()
            with pytest.raises(ValueError, match="X has 5 columns; expected 6"):
                fitted.transform(X[:, :5].rechunk({1: -1}))


class TestTransform:
    def test_codes_are_lazy(self, client, matrix, expected):
        X = da.from_array(matrix, chunks=((5000, 0, N - 5000), D))
        codes = expected.transform(X)
        assert isinstance(codes, da.Array)
        assert codes.chunks == (X.chunks[0], (1,))
        assert codes.dtype == np.uint8
        assert np.array_equal(codes.compute(), expected.transform(matrix))
        assert np.array_equal(codes[4990:5010].compute(), expected.transform(matrix)[4990:5010])
        baseline = sv.baselines.SignBits().fit(matrix)
        assert np.array_equal(baseline.transform(X).compute(), baseline.transform(matrix))

    def test_chunks_of_unknown_sizes(self, matrix, expected):
        X = da.from_array(matrix, chunks=(9000, D))
        codes = expected.transform(X[X[:, 0] > 0])
        assert np.array_equal(codes.compute(scheduler="threads"), expected.transform(matrix[matrix[:, 0] > 0]))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("shard")}


@pytest.fixture(scope="module")
def method(matrix):
    return sv.TransformCoding(n_bits=8, refine_bits=1, n_iter=2).fit(matrix)


@pytest.fixture(scope="module")
def shards(method, matrix, tmp_path_factory):
    return method.to_shards(matrix, tmp_path_factory.mktemp("here") / "t", shard_rows=2 * BLOCK_ROWS)


def assert_same_answers(table, expected, matrix):
    for one, other in zip(table.search(matrix[:3]), expected.search(matrix[:3]), strict=True):
        assert np.array_equal(one, other)


class TestShards:
    @pytest.mark.parametrize(
        "chunks", [(1,) * 30 + (N - 30,), 1000, 2 * BLOCK_ROWS, (0, 9000, N - 9000)], ids=["rows", "1000", "fit", "few"]
    )
    def test_the_same_files_whatever_the_chunks(self, client, matrix, method, shards, tmp_path, chunks):
        chunks = (chunks, (D,)) if isinstance(chunks, tuple) else (chunks, D)
        table = method.to_shards(da.from_array(matrix, chunks=chunks), tmp_path / "t", shard_rows=2 * BLOCK_ROWS)
        assert files_of(tmp_path / "t") == files_of(shards.folder)
        for one, other in zip(table.search(matrix[:3]), method.to_table(matrix).search(matrix[:3]), strict=True):
            assert np.array_equal(one, other)

    def test_a_worker_killed_while_it_writes(self, client, matrix, method, shards, tmp_path):
        folder = str(tmp_path)

        def on_load(number):
            if number == 4:
                try:
                    open(f"{folder}/killed", "x").close()
                except FileExistsError:
                    return
                os.kill(os.getpid(), signal.SIGKILL)

        X = delayed_blocks(matrix, 5000, on_load)
        method.to_shards(X, tmp_path / "t", shard_rows=2 * BLOCK_ROWS)
        assert (tmp_path / "killed").exists()
        assert files_of(tmp_path / "t") == files_of(shards.folder)

    def test_searched_by_the_workers_of_a_client(self, client, matrix, shards, method):
        def opened():
            from slimvec.shards import asking

            return asking._opened.cache_info()

        table, expected = shards.by(client), method.to_table(matrix)
        for _ in range(9):
            assert_same_answers(table, expected, matrix)
        asked = client.run(opened).values()
        assert sum(info.hits + info.misses for info in asked) >= 9 * 5  # of five shards
        assert sum(info.misses for info in asked) <= 2 * 5  # no worker maps a shard twice

    def test_a_worker_lost_between_searches(self, client, matrix, shards, method, tmp_path):
        def end_once(path):
            try:
                open(path, "x").close()
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

        table, expected = shards.by(client), method.to_table(matrix)
        assert_same_answers(table, expected, matrix)
        client.submit(end_once, str(tmp_path / "ended"), pure=False).result()
        assert_same_answers(table, expected, matrix)

    def test_bulk_search_by_workers(self, client, matrix, shards, tmp_path):
        np.save(tmp_path / "queries.npy", matrix[:300])
        for name, options in {"here": {}, "there": {"executor": client}}.items():
            sv.search_to_file(shards.folder, tmp_path / "queries.npy", tmp_path / f"{name}.npz", k=3, **options)
        here, there = (np.load(tmp_path / f"{name}.npz") for name in ("here", "there"))
        assert np.array_equal(here["indices"], there["indices"])
        assert np.array_equal(here["scores"], there["scores"])

    def test_rows_of_unit_length_beside_others(self, client, matrix, tmp_path):
        rows = matrix.astype(np.float32)
        rows[:9000] /= np.linalg.norm(rows[:9000], axis=1, keepdims=True)
        method = sv.IIQ(n_bits=5, n_remove=0, n_iter=2).fit(rows)
        lazy = da.from_array(rows, chunks=(9000, D))
        table = method.to_shards(lazy, tmp_path / "t", factors=True, shard_rows=BLOCK_ROWS)
        expected = method.to_table(rows, factors=True)
        assert np.array_equal(table.lookup([3, 30_000], original=True), expected.lookup([3, 30_000], original=True))

    def test_bad_input(self, matrix, method, tmp_path):
        X = da.from_array(matrix, chunks=(9000, D))
        with pytest.raises(ValueError, match="X has 5 columns; expected 6"):
            method.to_shards(X[:, :5], tmp_path / "t")
        with pytest.raises(TypeError, match="X is list; expected a dask.array"):
            method.to_shards([dask.delayed(matrix)], tmp_path / "t")
        with pytest.raises(TypeError, match="factors=True: SignBits does not know the norm of rows"):
            sv.baselines.SignBits().fit(matrix).to_shards(X, tmp_path / "t", factors=True)
        assert not (tmp_path / "t").exists()
        bad = matrix.copy()
        bad[20_123, 0] = np.inf
        with (
            dask.config.set(scheduler="threads"),
            pytest.raises(ValueError, match="vectors holds NaN .* in row 20123 "),
        ):
            method.to_shards(da.from_array(bad, chunks=(9000, D)), tmp_path / "u")


class TestBadInput:
    def test_shapes(self, matrix, expected):
        X = da.from_array(matrix, chunks=(9000, 3))
        for refused in (iiq().fit, expected.transform):
            with pytest.raises(ValueError, match=r"X has its columns in 2 chunks; expected whole rows .*X.rechunk"):
                refused(X)
            with pytest.raises(ValueError, match=r"X has shape \(37564,\); expected two dimensions"):
                refused(X[:, 0])
        with pytest.raises(ValueError, match=r"chunks of unknown sizes \(nan\).*X.compute_chunk_sizes\(\)"):
            iiq().fit(X.rechunk({1: -1})[X[:, 0] > 0])
        with pytest.raises(ValueError, match="X has 5 columns; expected 6"):
            expected.transform(X[:, :5].rechunk({1: -1}))
        with pytest.raises(ValueError, match="X is empty"):
            iiq().fit(X[:0].rechunk({1: -1}))

    def test_nan_in_block_17_names_the_row_of_all(self, client, matrix, expected):
        bad = matrix.copy()
        bad[17_345, 2] = np.nan
        X = da.from_array(bad, chunks=(1000, D))
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 17345 "):
            iiq().fit(X)
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 17345 "):
            expected.transform(X).compute()

    def test_blocks_that_differ(self, matrix):
        with pytest.raises(ValueError, match="block 1 of X has 5 columns; expected 6, as block 0 has"):
            iiq().fit([dask.delayed(matrix[:100]), dask.delayed(matrix[:100, :5])])
        wrong = da.from_delayed(dask.delayed(matrix[:90]), (100, D), matrix.dtype)
        with pytest.raises(ValueError, match=r"block 0 of X has shape \(90, 6\); expected \(100, 6\)"):
            iiq().fit(wrong)
        with pytest.raises(TypeError, match=r"X\[1\] is ndarray; expected delayed blocks"):
            iiq().fit([dask.delayed(matrix[:100]), matrix[:100]])

    def test_columns_of_text(self):
        dataframe = pytest.importorskip("dask.dataframe")
        import pandas as pd

        frame = dataframe.from_pandas(pd.DataFrame({"text": ["a", "b"]}), npartitions=1)
        with pytest.raises(TypeError, match="X is a column of text"):
            iiq().fit(frame["text"])

    def test_tables_of_this_process(self, matrix, expected, tmp_path):
        X = da.from_array(matrix, chunks=(9000, D))
        for call in (expected.to_table, iiq().compress):
            with pytest.raises(TypeError, match=r"Dask holds in pieces; write to_shards\(.*\), or pass X.compute\(\)"):
                call(X)
        with ThreadPoolExecutor(1) as executor, pytest.raises(TypeError, match="X is held by Dask, whose own workers"):
            iiq().fit(X, executor=executor)
        hashed = sv.baselines.HashEmbedding()
        for call in (hashed.fit, hashed.compress):
            with pytest.raises(
                TypeError, match=r"HashEmbedding learns from all rows at once, .*:100_000\].compute\(\)"
            ):
                call(X)

    def test_what_was_learnt_before_stays(self, matrix):
        fitted = iiq().fit(matrix[:100])
        before = dict(vars(fitted))
        with pytest.raises(ValueError, match="NaN"):
            fitted.fit(da.from_array(np.full((10, D), np.nan)))
        assert vars(fitted) == before


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_slimvec_imports_no_dask():
    code = "import sys, slimvec as sv; sv.IIQ(2).fit([[1.0, 2], [3, 5]]); print('dask' in sys.modules)"
    assert python(code).strip() == "False"
