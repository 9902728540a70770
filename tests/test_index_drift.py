"""What is told of drift is what all vectors tell, whatever became of the index since; and it tells what moved."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import slimvec as sv
from slimvec.index import fit_sums
from slimvec.index import manifest as manifests
from slimvec.index.fit_sums import Sums, sums_from
from test_index import D, X

FROZEN = Path(__file__).parent / "data"
MOVED = (X[::-1] * np.linspace(0.2, 3, D, dtype=np.float32) + 2).astype(np.float32)  # unlike X
EXACT = 200  # rows: all of them are decoded


def grown(refine_bits=3):
    """Return an index of rows of X to which others were added, and those that were fitted and that were added."""
    index = sv.Index.build(X[:EXACT], n_bits=30, refine_bits=refine_bits)
    index.add(MOVED[:50])
    index.add(MOVED[50:51])
    index.update(MOVED[60:70], ids=range(5, 15))
    return index, X[:EXACT], np.concatenate([MOVED[:51], MOVED[60:70]])


def assert_drift(drift, fitted, added, decoded):
    """Assert that it is what NumPy makes of all rows; ``decoded`` are vectors for both, one after the other."""
    mean = fitted.astype(np.float64).mean(axis=0)
    centred = [rows - mean for rows in (fitted, added)]
    lost = [((rows - own) ** 2).sum() for rows, own in zip((fitted, added), decoded, strict=True)]
    losses = [own / (rows**2).sum() for own, rows in zip(lost, centred, strict=True)]
    spreads = [np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()) for rows in centred]
    assert (drift.n_fitted, drift.n_added) == (len(fitted), len(added))
    assert np.allclose([drift.loss_fitted, drift.loss_added], losses, rtol=1e-4)
    assert np.isclose(drift.mean_shift, np.linalg.norm(centred[1].mean(axis=0)) / spreads[0], rtol=1e-4)
    assert np.isclose(drift.spread_ratio, spreads[1] / spreads[0], rtol=1e-4)
    assert np.isclose(drift.shift_by_chance, np.sqrt(1 / len(fitted) + 1 / len(added)))


def assert_alike(drift, other):
    """Assert that they differ by no more than a file rounds."""
    assert (drift.n_fitted, drift.n_added) == (other.n_fitted, other.n_added)
    names = "loss_fitted", "loss_added", "mean_shift", "shift_by_chance", "spread_ratio"
    assert np.allclose([getattr(drift, name) for name in names], [getattr(other, name) for name in names], rtol=1e-6)


@pytest.mark.parametrize("refine_bits", [0, 3])
def test_it_is_what_all_vectors_tell(tmp_path, refine_bits):
    index, fitted, added = grown(refine_bits)
    original = sv.Index.build(fitted, n_bits=30, refine_bits=refine_bits)
    new = [*range(EXACT, EXACT + 51), *range(5, 15)]
    decoded = original.vectors(original.ids), index.vectors(new)
    assert_drift(index.drift(), fitted, added, decoded)
    expected = index.drift()
    index.save(tmp_path / "a")
    opened = sv.open(tmp_path / "a", verify=True)
    for one in (copy.copy(index), pickle.loads(pickle.dumps(index))):  # noqa: S301
        assert one.drift() == expected
    for one in (opened, pickle.loads(pickle.dumps(opened))):  # noqa: S301
        assert_alike(one.drift(), expected)
    opened.compact()
    assert_alike(opened.drift(), expected)
    opened.remove(new[:7])  # it was added, and is counted
    opened.save()
    reader = sv.open(tmp_path / "a")
    assert_alike(reader.drift(), expected)
    opened.add(MOVED[70:90])
    opened.save()
    assert reader.refresh()
    rows = [*new, *range(EXACT + 51, EXACT + 71)]
    decoded = decoded[0], np.concatenate([decoded[1], opened.vectors(rows[-20:])])
    assert_drift(reader.drift(), fitted, np.concatenate([added, MOVED[70:90]]), decoded)


def test_refit_begins_anew(tmp_path):
    index, *_ = grown()
    rows = np.concatenate([np.delete(X[:EXACT], range(5, 15), axis=0), MOVED[:51], MOVED[60:70]])
    index.save(tmp_path / "a")
    before = copy.copy(index)
    index.refit(rows)
    drift = index.drift()
    assert (drift.n_fitted, drift.n_added) == (251, 0)
    assert np.isnan([drift.loss_added, drift.mean_shift, drift.shift_by_chance, drift.spread_ratio]).all()
    assert before.drift().n_added == 61
    index.save()
    opened = sv.open(tmp_path / "a", verify=True)
    assert repr(opened.drift()) == repr(drift)
    opened.add(MOVED[:3])
    assert opened.drift().n_added == 3


def test_of_many_rows_some_are_decoded():
    index = sv.Index.build(X, n_bits=30, refine_bits=0)
    errors = ((index.vectors(index.ids) - X) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
    assert index.drift().loss_fitted != pytest.approx(errors, rel=1e-9)  # not all of them
    assert index.drift().loss_fitted == pytest.approx(errors, rel=0.05)
    numbers = sv.Index.build(X, n_bits=30, refine_bits=0)
    numbers.add(np.repeat(MOVED[:1], fit_sums.MOST_DECODED + 1, axis=0))
    one = sv.Index.build(X, n_bits=30, refine_bits=0)
    one.add(MOVED[:1])
    assert numbers.drift().loss_added == pytest.approx(one.drift().loss_added)
    assert numbers.drift().spread_ratio == pytest.approx(0, abs=1e-3)


def test_it_tells_what_moved_from_what_did_not():
    generator = np.random.default_rng(3)
    scales = np.linspace(3, 0.1, 32)
    rows = (generator.standard_normal((6000, 32)) * scales).astype(np.float32)
    index = sv.Index.build(rows[:4000], n_bits=32, refine_bits=0)
    index.add(rows[4000:])
    drift = index.drift()
    assert drift.loss_added == pytest.approx(drift.loss_fitted, rel=0.1)
    assert drift.mean_shift < 2 * drift.shift_by_chance
    assert drift.spread_ratio == pytest.approx(1, rel=0.02)
    other = sv.Index.build(rows[:4000], n_bits=32, refine_bits=0)
    other.add(rows[4000:, ::-1] + 1)  # strong where it was weak
    drift = other.drift()
    assert drift.loss_added > 2 * drift.loss_fitted
    assert drift.mean_shift > 10 * drift.shift_by_chance


def test_rows_that_are_all_equal():
    index = sv.Index.build(np.ones((20, 8), np.float32))
    assert index.drift().loss_fitted == 0
    index.add(np.ones((3, 8), np.float32))
    assert (index.drift().mean_shift, index.drift().spread_ratio) == (0, 0)
    index.add(X[:3, :8])
    assert index.drift().mean_shift == np.inf


def test_rows_at_the_end_of_float32(tmp_path):
    index = sv.Index.build(X[:50] * np.float32(1e36), n_bits=24)
    index.add(X[50:60] * np.float32(1e36))
    assert 0 < index.drift().loss_added < 1
    index.save(tmp_path / "a")
    assert_alike(sv.open(tmp_path / "a").drift(), index.drift())


def test_it_reads_well():
    index, *_ = grown()
    assert repr(index.drift()).startswith("<slimvec.Drift: 200 rows were fitted, and codes lose ")
    assert "; 61 were added since: codes lose " in repr(index.drift())
    assert repr(sv.Index.build(X).drift()).endswith("; none were added since>")


@pytest.mark.parametrize("name", ["index1/integers", "index2/columns"])
def test_older_folders_have_no_sums(tmp_path, name):
    shutil.copytree(FROZEN / name, tmp_path / "a")
    index = sv.open(tmp_path / "a")
    with pytest.raises(ValueError, match=r"kept no sums over its rows.*or index.refit\(vectors\)"):
        index.drift()
    columns = index.columns(index.ids)
    ids = [f"x{i}" for i in range(3)] if index.info()["ids"] == "texts" else [9001, 9002, 9003]
    index.add(index.vectors(index.ids[:3]), ids=ids, keep={own: [None] * 3 for own in columns} or None)
    index.save()
    with pytest.raises(ValueError, match="kept no sums"):
        sv.open(tmp_path / "a").drift()
    index.refit(index.vectors(index.ids))
    index.save()
    assert sv.open(tmp_path / "a").drift().n_fitted == len(index)


def change_facts(folder, change):
    """Change what the database says, as someone does who knows how its checksum is made."""
    with closing(sqlite3.connect(folder / manifests.DATABASE)) as database:
        change(database)
        facts = dict(database.execute("SELECT * FROM facts WHERE name != 'checksum'").fetchall())
        segments = database.execute("SELECT file, rows, checksum FROM segments ORDER BY place").fetchall()
        checksum = manifests._checksum(facts, segments, [])
        database.execute("UPDATE facts SET value = ? WHERE name = 'checksum'", (checksum,))
        database.commit()


def saved(folder):
    index, *_ = grown()
    index.compact()
    index.save(folder)
    return folder


def test_what_an_older_slimvec_has_saved_meanwhile_is_not_known(tmp_path):
    place = saved(tmp_path / "a")
    change_facts(place, lambda database: database.execute("DELETE FROM facts WHERE name = 'added'"))
    index = sv.open(place)
    with pytest.raises(ValueError, match="kept no sums"):
        index.drift()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "[]",
        "{",
        "7",
        None,
        "added",
        '{"rows": -1}',
        f'{{"rows": {10**400}}}',
        '{"energy": NaN}',
        '{"mean": "AAA="}',
        '{"lost": 1}',
    ],
)
def test_sums_that_are_none_are_refused(tmp_path, value):
    place = saved(tmp_path / "a")
    with closing(sqlite3.connect(place / manifests.DATABASE)) as database:
        (whole,) = database.execute("SELECT value FROM facts WHERE name = 'added'").fetchone()
    if isinstance(value, str) and value.startswith('{"'):
        value = json.dumps(json.loads(whole) | json.loads(value))
    change_facts(place, lambda database: database.execute("UPDATE facts SET value = ? WHERE name = 'added'", (value,)))
    with pytest.raises(sv.FormatError, match=rf"{manifests.DATABASE}: .*its sums are .*damaged"):
        sv.open(place)


def test_sums_of_another_width_are_refused(tmp_path):
    place = saved(tmp_path / "a")
    wrong = json.dumps(Sums.none(D + 1).to_fact())
    change_facts(place, lambda database: database.execute("UPDATE facts SET value = ? WHERE name = 'added'", (wrong,)))
    with pytest.raises(sv.FormatError, match="its sums are of 25 numbers, rows of 24: damaged"):
        sv.open(place)
    with pytest.raises(sv.FormatError, match="its sums are"):
        sums_from({"rows": True, "energy": 0.0, "lost": 0.0, "mean": ""})
