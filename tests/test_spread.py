"""Fitting by workers: the same bits as here, however rows are cut and whoever adds them up."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.binary.training import block_sums
from slimvec.binary.training.block_sums import BlockSums, first_shift
from slimvec.binary.training.gathering import gather, merge
from slimvec.binary.training.moments import Moments
from slimvec.blocks import BLOCK_ROWS

N, D = 9 * BLOCK_ROWS + 700, 6
FITTED = ("mean_", "projection_", "singular_values_", "quantization_loss_")


@pytest.fixture(scope="module")
def matrix():
    generator = np.random.default_rng(0)
    return (generator.standard_normal((N, D)) * np.linspace(3, 1, D) + 0.3).astype(np.float16)


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


class Here(Executor):
    """Does everything at once; tells what it was given."""

    def __init__(self):
        self.tasks = []

    def submit(self, work, /, *args, **kwargs):
        self.tasks.append((work.__name__, args))
        future = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future


def iiq(**options):
    return sv.IIQ(n_bits=5, n_iter=4, **{"max_train_rows": 500, **options})


def assert_same(fitted, expected):
    for name in FITTED:
        assert np.array_equal(getattr(fitted, name), getattr(expected, name)), name
    assert fitted.n_samples_seen_ == expected.n_samples_seen_


class TestSums:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(0, 1300), max_size=12), st.integers(0, 3))
    def test_any_cut_gives_the_same_bits(self, sizes, seed):
        """Blocks of 64 rows, so that the tree has three levels."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(block_sums, "rows_per_block", lambda _: 64)
            rows = np.random.default_rng(seed).standard_normal((5000, 3)).astype(np.float32)
            whole = BlockSums(3).update(rows).finalize()
            cuts = [0, *np.cumsum(sizes).clip(max=5000).tolist(), 5000]
            shift = first_shift([rows])
            wanted = np.arange(0, 5000, 7)
            parts = [
                gather([rows[a:b]], 3, a, shift, wanted[(wanted >= a) & (wanted < b)])
                for a, b in zip(cuts[:-1], cuts[1:], strict=True)
            ]
            while len(parts) > 1:  # pairs of neighbours, as workers merge them
                parts = [merge(parts[i : i + 2]) for i in range(0, len(parts), 2)]
            merged = parts[0].sums.finalize()
        assert merged.count == 5000
        for one, other in zip(merged.finalize(), whole.finalize(), strict=True):
            assert np.array_equal(one, other)
        assert np.array_equal(parts[0].sample, rows[wanted])

    def test_up_to_eight_blocks_are_added_one_by_one(self, matrix):
        rows = matrix[: 8 * BLOCK_ROWS + 5]
        plain = Moments(D)
        for first in range(0, len(rows), BLOCK_ROWS):
            plain.update(rows[first : first + BLOCK_ROWS])
        for one, other in zip(BlockSums(D).update(rows).finalize().finalize(), plain.finalize(), strict=True):
            assert np.array_equal(one, other)

    def test_what_travels_does_not_grow(self, monkeypatch):
        monkeypatch.setattr(block_sums, "rows_per_block", lambda _: 64)
        rows = np.random.default_rng(0).standard_normal((200_000, 2)).astype(np.float32)
        sums = BlockSums(2, 100, np.zeros(2)).update(rows)
        assert len(sums._runs) <= 2 * block_sums.FAN * 5
        assert sum(map(len, sums._before)) < 64
        assert sum(map(len, sums._rest)) < 64

    def test_sums_that_do_not_follow(self):
        with pytest.raises(ValueError, match="sums from row 5 on do not follow those up to row 3"):
            BlockSums(2).update(np.ones((3, 2))).merge(BlockSums(2, 5, np.zeros(2)))


class TestFit:
    @pytest.mark.parametrize(
        "method",
        [
            iiq(),
            iiq(max_train_rows=10**6),
            sv.ITQ(n_bits=4, n_iter=3, random_state=np.random.default_rng(1)),
            sv.TransformCoding(n_bits=8, refine_bits=2, n_iter=3),
            sv.TransformCoding(n_bits=8, partitions=9, n_iter=3),
        ],
        ids=lambda method: type(method).__name__,
    )
    def test_the_same_bits_as_here(self, matrix, threads, method):
        from copy import deepcopy

        expected = deepcopy(method).fit(matrix)
        fitted = deepcopy(method).fit([matrix[:7], matrix[7:7], matrix[7:30_000], matrix[30_000:]], executor=threads)
        for name in {*FITTED, "directions_", "steps_"} & vars(expected).keys():
            assert np.array_equal(getattr(fitted, name), getattr(expected, name)), name
        assert np.array_equal(fitted.transform(matrix[:50]), expected.transform(matrix[:50]))

    @pytest.mark.parametrize("size", [1000, BLOCK_ROWS, 3 * BLOCK_ROWS + 1, N])
    def test_processes_read_files(self, tmp_path, matrix, processes, size):
        paths = []
        for number, first in enumerate(range(0, N, size)):
            paths.append(tmp_path / f"part-{number:03}.npy")
            np.save(paths[-1], matrix[first : first + size])
        assert_same(iiq().fit(paths, executor=processes), iiq().fit(matrix))

    def test_files_that_are_read_in_order(self, tmp_path, matrix, processes):
        rows = matrix[:10_000].astype(np.float32).round(2)
        cuts = [0, 4000, 4001, 10_000]
        for i in range(3):
            words = [f"w{i}-{j}" for j in range(cuts[i], cuts[i + 1])]
            sv.write_vectors(tmp_path / f"{i}.txt", words, rows[cuts[i] : cuts[i + 1]])
        fitted = iiq().fit([str(tmp_path / f"{i}.txt") for i in range(3)], executor=processes)
        assert_same(fitted, iiq().fit(rows))

    def test_no_worker_gets_more_than_its_rows_and_x_is_read_once(self, matrix, monkeypatch):
        monkeypatch.setattr("slimvec.spread.pieces.TASK_BLOCKS", 2)
        here = Here()
        assert_same(iiq().fit([matrix[:20_000], matrix[20_000:]], executor=here), iiq().fit(matrix))
        names = [name for name, _ in here.tasks]
        assert names == ["_shift_of_pieces", *["_gather_pieces"] * 5]
        rows = [sum(piece.n_rows for piece in args[0]) for _, args in here.tasks]
        assert rows == [BLOCK_ROWS, *[2 * BLOCK_ROWS] * 4, N - 8 * BLOCK_ROWS]
        sent = [sum(len(piece.source) for piece in args[0]) for _, args in here.tasks]
        assert sent == rows

    def test_progress(self, matrix, threads):
        seen = []
        iiq().fit([matrix], executor=threads, progress=lambda *report: seen.append(report))
        assert ("finding directions", N, N) in seen


class TestBadInput:
    def test_nan_names_the_row_of_all(self, matrix, threads):
        bad = matrix.copy()
        bad[30_123, 2] = np.nan
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 30123 "):
            iiq().fit([bad[:5000], bad[5000:]], executor=threads)
        bad[9, 0] = np.inf
        with pytest.raises(ValueError, match="X holds NaN or infinity in row 9 "):
            iiq().fit([bad[:5000], bad[5000:]], executor=threads)

    def test_sources(self, tmp_path, matrix, threads):
        for X, message in [
            ([], "X is an empty list"),
            ([[1.0, 2.0], [3.0, 4.0]], r"X\[0\] is a row; expected sources of rows in a list"),
            ([matrix[:5], matrix[:5, :4]], r"X\[1\] has 4 columns; expected 6, as X\[0\] has"),
            ([matrix[:0]], r"X is empty: shape \(0, 6\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                iiq().fit(X, executor=threads)
        with pytest.raises(TypeError, match=r"X\[1\] holds float32, and X\[0\] float16; expected one dtype"):
            iiq().fit([matrix[:5], matrix[:5].astype(np.float32)], executor=threads)
        with pytest.raises(FileNotFoundError):
            iiq().fit([tmp_path / "none.npy"], executor=threads)

    def test_executors(self, matrix):
        for executor in (2, ThreadPoolExecutor):
            with pytest.raises(TypeError, match="expected a concurrent.futures.Executor"):
                iiq().fit([matrix], executor=executor)

    def test_all_rows_do_not_travel(self, matrix, threads):
        with pytest.raises(ValueError, match="max_train_rows=None learns on all rows, which would all travel here"):
            iiq(max_train_rows=None).fit([matrix], executor=threads)

    def test_what_was_learnt_before_stays(self, matrix, threads):
        fitted = iiq().fit(matrix[:100])
        before = fitted.mean_
        with pytest.raises(ValueError, match="is empty"):
            fitted.fit([matrix[:0]], executor=threads)
        assert fitted.mean_ is before
