"""``slimvec compress --bytes``: codes and factors take what was asked, and not a word less than they might."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slimvec as sv
from slimvec.binary.row_bytes import bits_in, factors_of
from slimvec.cli import main
from slimvec.methods import METHODS
from slimvec.progress import ignore
from slimvec.vectors.rows import MatrixRows

X = (np.random.default_rng(2).standard_normal((160, 24)) + 0.2).astype(np.float32)
ROWS = {"any": X, "unit": X / np.linalg.norm(X, axis=1, keepdims=True)}
METHODS_OF_BITS = [name for name, method in METHODS.items() if "bits" in method.options]
COMMANDS = [(name, []) for name in METHODS_OF_BITS] + [(n, ["--factors"]) for n in METHODS_OF_BITS if n != "nlb"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bytes")
    for name, rows in ROWS.items():
        np.save(place / f"{name}.npy", rows)
    return place


def test_most_methods_have_the_option():
    assert {"iiq", "itq", "transform-coding", "nlb", "random-rotation"} <= set(METHODS_OF_BITS)


@pytest.mark.parametrize("n_bytes", [10, 13, 16])
@pytest.mark.parametrize("lengths", ROWS)
@pytest.mark.parametrize(("method", "factors"), COMMANDS)
def test_rows_take_what_was_asked(folder, tmp_path, method, factors, lengths, n_bytes):
    arguments = ["-o", str(tmp_path / "t"), "--method", method, "--bytes", str(n_bytes), *factors]
    assert main(["compress", str(folder / f"{lengths}.npy"), *arguments]) == 0
    table = sv.open(tmp_path / "t")
    stored = table.info()["bytes"]
    assert bool(stored["factors"]) == (bool(factors) or method == "transform-coding")
    size = (stored["codes"] + stored["factors"]) / len(X)  # a multiple of 16 rows
    assert n_bytes - 4 < size <= n_bytes
    assert table.n_bits % 32 == 0


@given(st.integers(-5, 10_000), st.sampled_from([0, 2, 3]))
def test_no_word_more_would_fit(n_bytes, n_factors):
    if n_bytes < 4 + 2 * n_factors:
        with pytest.raises(ValueError, match=f"--bytes {n_bytes}; expected at least {4 + 2 * n_factors}: a code takes"):
            bits_in(n_bytes, "--bytes", n_factors)
        return
    n_bits = bits_in(n_bytes, "--bytes", n_factors)
    assert n_bits % 32 == 0
    assert n_bits / 8 + 2 * n_factors <= n_bytes < n_bits / 8 + 4 + 2 * n_factors


@given(st.lists(st.floats(-4e-3, 4e-3), min_size=1, max_size=40), st.integers(0, 9))
def test_never_more_factors_than_were_counted(excess, seed):
    rows = np.random.default_rng(seed).standard_normal((len(excess) + 8, 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[: len(excess)] *= 1 + np.array(excess)[:, None]
    rows = rows.astype(np.float32)
    made = sv.ITQ(n_iter=0).compress(rows, factors=True).to_content()[1]["factors"].shape[1]
    counted = factors_of(MatrixRows(rows), ignore)
    assert made <= counted
    if max(map(abs, excess)) < 1.9e-3:
        assert counted == 2


def test_lengths_of_any_rows_are_seen(folder):
    for name, n_factors in {"unit": 2, "any": 3}.items():
        assert factors_of(sv.VectorFile(folder / f"{name}.npy"), ignore) == n_factors
        assert factors_of(MatrixRows(ROWS[name].astype(np.float16)), ignore) == n_factors
    last = np.vstack([ROWS["unit"]] * 60)  # several blocks
    assert factors_of(MatrixRows(last), ignore) == 2
    last[-1] = 0
    assert factors_of(MatrixRows(last), ignore) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["transform-coding", "--bytes", "7"],
            "--bytes 7; expected at least 8: a code takes 4 or more, its 2 factors 4",
        ),
        (["transform-coding", "--bytes", "9"], "--bytes 9; expected at least 10: a code takes 4 or more, its 3 fact"),
        (["iiq", "--bytes", "0"], "--bytes 0; expected at least 4: a code takes 4 or more\n"),
        (["transform-coding", "--bytes", "90"], "--bytes 90 leaves room for n_bits=672; expected at most 144: 6 bits"),
        (["nlb", "--bytes", "90", "--factors"], "factors=True: the projection of NLB is not orthogonal"),
        (["sign-bits", "--bytes", "9"], "--bytes: --method sign-bits has no such option; it has none"),
        (["ant", "--bytes", "9"], "--bytes: --method ant has no such option; it has --anchors"),
        (
            ["iiq", "--rank", "9"],
            "--rank: --method iiq has no such option; it has --bits, --remove, --partitions",
        ),
    ],
)
def test_what_does_not_fit_is_said(folder, tmp_path, capsys, arguments, message):
    assert main(["compress", str(folder / "any.npy"), "-o", str(tmp_path / "t"), "--method", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_bits_and_bytes_exclude_each_other(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compress", str(folder / "any.npy"), "-o", str(tmp_path / "t"), "--bits", "32", "--bytes", "8"])
    assert stopped.value.code == 2
    assert "argument --bytes: not allowed with argument --bits" in capsys.readouterr().err
