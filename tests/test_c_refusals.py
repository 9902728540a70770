"""Files whose refinement or lists are damaged: C refuses what Python refuses, and says why."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest

import slimvec as sv
from in_c import LIBRARY, METRICS, InC, load
from slimvec.files.table_file import read_content
from slimvec.files.table_writer import save_table

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="the C library is not built: cmake --preset default")

ROWS = np.random.default_rng(5).standard_normal((300, 16)).astype(np.float32)
ASKED = ROWS[:4] + np.float32(0.1)
TABLE = sv.TransformCoding(30, refine_bits=2, partitions=6, spill=True).compress(ROWS)


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture
def rewritten(tmp_path):
    """Return what saves the table with other facts and tensors, and gives the path."""

    def rewrite(change=None, **tensors):
        path = tmp_path / "t.slim"
        TABLE.save(path)
        content = read_content(path)
        facts = copy.deepcopy({name: fact for name, fact in content.facts.items() if name not in {"crc32", "checksum"}})
        if change is not None:
            change(facts)
        made = {name: edit(np.array(content.tensors[name])) for name, edit in tensors.items()}
        save_table(path, facts, {**content.tensors, **made})
        return path

    return rewrite


def with_first(value):
    def edit(array):
        array.reshape(-1)[0] = value
        return array

    return edit


def with_last(value):
    def edit(array):
        array.reshape(-1)[-1] = value
        return array

    return edit


def test_what_is_written_again_is_opened(library, rewritten):
    c = InC(library, rewritten())
    assert c.n_lists == 6
    assert c.search(ASKED, 3) is not None


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("partition.starts", with_first(1), "does not rise"),
        ("partition.starts", with_last(299), "does not rise"),
        ("partition.starts", with_last(-1), "does not rise"),
        ("partition.starts", lambda starts: starts[::-1].copy(), "does not rise"),
        ("partition.starts", lambda starts: starts[1:].copy(), r"partition\.starts"),
        ("partition.starts", lambda starts: starts.astype(np.uint32), r"partition\.starts"),
        ("partition.rows", lambda rows: rows[1:].copy(), r"partition\.rows"),
        ("partition.rows", lambda rows: rows.astype(np.int64), r"partition\.rows"),
        ("spilled.starts", with_first(1), "does not rise"),
        ("spilled.starts", with_last(299), "does not rise"),
        ("spilled.starts", lambda starts: starts[1:].copy(), r"spilled\.starts"),
        ("spilled.positions", lambda positions: positions[1:].copy(), r"spilled\.positions"),
        ("spilled.codes", lambda codes: codes[1:].copy(), r"spilled\.codes"),
        ("spilled.codes", with_last(1), "holds more|more codes"),
        ("spilled.factors", lambda factors: factors[:, :1].copy(), r"spilled\.factors"),
        ("partition.spreads", with_first(-1), "no distances"),
        ("partition.spreads", with_last(np.nan), "no distances"),
        ("partition.spreads", lambda spreads: spreads[1:].copy(), r"partition\.spreads"),
        ("centroids", with_first(np.nan), "no centroids"),
        ("centroids", with_last(np.inf), "no centroids"),
        ("centroids", lambda centroids: centroids[:0].copy(), "no centroids"),
        ("centroids", lambda centroids: centroids[:, 1:].copy(), "tensor centroids"),
        ("refinement.order", with_first(1), r"refinement\.order"),
        ("refinement.order", with_last(16), r"refinement\.order"),
        ("refinement.order", lambda order: order[1:].copy(), r"refinement\.order"),
        ("refinement.bits", with_last(0), r"refinement\.bits"),
        ("refinement.bits", with_first(9), r"refinement\.bits"),
        ("refinement.steps", with_first(-1), r"refinement\.steps"),
        ("refinement.steps", with_first(1e-38), "too far apart"),
        ("refinement.weights", with_last(np.nan), r"refinement\.weights"),
        ("refinement.rest", lambda rest: rest[1:].copy(), r"refinement\.rest"),
        ("refinement.codes", lambda codes: codes[1:].copy(), r"refinement\.codes"),
        ("refinement.numbers", lambda numbers: numbers[:, :2].copy(), r"refinement\.numbers"),
    ],
)
def test_damaged_tensors(library, rewritten, name, edit, said):
    path = rewritten(**{name: edit})
    with pytest.raises(sv.FormatError):
        sv.open(path)
    with pytest.raises(ValueError, match=said):
        InC(library, path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts.pop("partition"), "does not tell of"),
        (lambda facts: facts.update(partition=None), "partition is"),
        (lambda facts: facts.update(partition=[1]), "partition is"),
        (lambda facts: facts["partition"].update(calibration=3), "calibration"),
        (lambda facts: facts["partition"]["calibration"].update(probes=[]), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["probes"].append(7), "calibration"),
        (lambda facts: facts["partition"].update(calibrations=[]), "calibration"),
        (lambda facts: facts["partition"]["calibrations"].update(ip=facts["partition"]["calibration"]), "calibration"),
        (lambda facts: facts["partition"]["calibrations"].update(dot=None), "calibration"),
        (lambda facts: facts["partition"]["calibrations"]["l2"].update(probes=[]), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["probes"].insert(0, 0), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["recall"]["10"].append(1), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["recall"].update({"10": [1.5] * 3}), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["recall"].update({"010": [0.5] * 3}), "calibration"),
        (lambda facts: facts["partition"]["calibration"]["reach"].pop("10"), "calibration"),
        (lambda facts: facts.pop("spilled"), "does not tell of"),
        (lambda facts: facts.update(spilled=None), "does not tell of"),
        (lambda facts: facts.update(spilled=[]), "spilled is"),
        (lambda facts: facts.pop("refinement"), "does not tell of"),
        (lambda facts: facts.update(refinement=None), "does not tell of"),
        (lambda facts: facts.update(refinement=7), "refinement is"),
        (lambda facts: facts["refinement"].update(oversample=8), "oversample"),
        (lambda facts: facts["refinement"].update(oversample=[8]), "oversample"),
        (lambda facts: facts["refinement"].update(oversample=[8, 0]), "oversample"),
        (lambda facts: facts["refinement"].update(oversample=[8, True]), "oversample"),
        (lambda facts: facts["refinement"].update(oversample=[1 << 62, 8]), "oversample"),
        (lambda facts: facts["refinement"].update(passes=1001), "passes"),
        (lambda facts: facts["refinement"].pop("passes"), "passes"),
        (lambda facts: facts.pop("grid"), "projection|refinement|partition"),
        (lambda facts: facts.pop("factors"), "factors"),
    ],
)
def test_wrong_facts(library, rewritten, change, said):
    path = rewritten(change)
    with pytest.raises(sv.FormatError):
        sv.open(path)
    with pytest.raises(ValueError, match=said):
        InC(library, path)


def test_a_calibration_need_not_be(library, rewritten):
    path = rewritten(lambda facts: facts["partition"].update(calibration=None))
    assert sv.open(path).search(ASKED, 3).indices.tolist() == InC(library, path).search(ASKED, 3)[0].tolist()


def test_an_oversample_beyond_all_rows_takes_them_all(library, rewritten):
    path = rewritten(lambda facts: facts["refinement"].update(oversample=[(1 << 62) - 1, 1]))
    c, here = InC(library, path), sv.open(path).search(ASKED, 20)
    rows, scores = c.search(ASKED, 20)
    assert rows.tolist() == here.indices.tolist()
    assert np.allclose(scores, here.scores, rtol=1e-3)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (with_first(300), "which the table does not have"),
        (with_first(2**32 - 1), "which the table does not have"),
        (with_first(TABLE._parts.partition.rows[1]), "twice"),
    ],
)
def test_rows_that_are_no_permutation_are_told_of_by_whatever_reads_them(library, rewritten, edit, said):
    c = InC(library, rewritten(**{"partition.rows": edit}))
    for _ in range(2):
        asked = [partial(c.search, ASKED, 3, metric) for metric in METRICS]
        asked += [partial(c.search, ASKED, 3, probes=1), partial(c.nearest, 5, 3)]
        for ask in [*asked, *(partial(ask, [5]) for ask in (c.lookup, c.lookup_original, c.mean))]:
            assert ask() is None
            assert f"partition.rows names row {edit(np.zeros(1, np.uint32))[0]}" in c.error()
            assert said in c.error()
    assert c.encode(ASKED) is not None  # to which rows are nothing


def test_a_position_that_no_row_has_is_told_of_where_it_is_met(library, rewritten):
    c = InC(library, rewritten(**{"spilled.positions": lambda positions: np.full_like(positions, 300)}))
    for metric in METRICS:
        assert c.search(ASKED, 3, metric, probes=1) is None
        assert "damaged: it names the code of row 300 of 300" in c.error()
        assert c.search(ASKED, 3, metric) is not None  # by own lists


def test_rows_in_two_lists_are_found_as_python_finds_them(library, tmp_path):
    path = tmp_path / "two.slim"
    queries = np.random.default_rng(6).standard_normal((20, 16)).astype(np.float32)
    for refine_bits in (0, 2):
        for rows in (ROWS, ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)):
            sv.TransformCoding(30, refine_bits=refine_bits, partitions=12, spill=True).compress(rows, output=path)
            c, table = InC(library, path), sv.open(path)
            for metric in METRICS:
                for probes in (1, 3, 12):
                    found = table.search(queries, 7, metric=metric, probes=probes)
                    indices, scores = c.search(queries, 7, metric, probes=probes)
                    assert (indices == found.indices).mean() > 0.99  # queries are rounded by other sums
                    assert np.allclose(scores, found.scores, rtol=1e-3, atol=1e-3)


def test_bits_past_the_last_of_second_codes(library, rewritten):
    def edit(codes):
        codes[:, -1] &= 0x7F  # the bit past the last one of 31
        codes[299, -1] |= 0x80
        return codes

    assert TABLE._parts.refinement.refiner.grid.n_bits == 32
    path = rewritten(**{"refinement.bits": with_first(2), "refinement.codes": edit})
    c, table = InC(library, path), sv.open(path)
    for ask in (c.lookup, c.lookup_original, c.mean):
        assert ask([299]) is None
        assert "past the last" in c.error()
        assert ask([298]) is not None
    with pytest.raises(ValueError, match="padding|past|bits"):
        table.lookup([299])
    assert c.search(ASKED, 3)[0].tolist() == table.search(ASKED, 3).indices.tolist()  # which pass over them


@pytest.mark.parametrize("name", ["factors", "refinement.numbers"])
@pytest.mark.parametrize("metric", METRICS)
def test_numbers_that_are_none(library, rewritten, name, metric):
    path = rewritten(**{name: lambda numbers: numbers * np.float16(np.nan)})
    c = InC(library, path)
    for probes in (None, 1):
        assert c.search(ASKED, 3, metric, probes=probes) is None
        assert "no numbers" in c.error()
        with pytest.raises(sv.FormatError, match="no numbers"):
            sv.open(path).search(ASKED, 3, metric=metric, probes=probes)


@pytest.mark.parametrize(("name", "said"), [("factors", "factors is missing"), ("centroids", "centroids")])
def test_signs_in_lists_without_what_these_need(library, tmp_path, name, said):
    path = tmp_path / "signs.slim"
    sv.IIQ(20, n_iter=2, partitions=4).compress(ROWS, output=path)
    content = read_content(path)
    facts = {key: fact for key, fact in content.facts.items() if key not in {"crc32", "checksum"}}
    save_table(path, facts, {key: np.array(one) for key, one in content.tensors.items() if key != name})
    with pytest.raises(ValueError, match=said):
        InC(library, path)
