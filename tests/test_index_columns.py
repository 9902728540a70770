"""Columns kept with an index: conditions on them find what a loop over rows finds, whatever was done before."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slimvec as sv
from slimvec.index import manifest as manifests
from slimvec.index.kept_columns import TABLE, KeptColumns, schema_of
from slimvec.index.kept_values import ID
from test_index import QUERIES, X

KINDS = ["a", "b", "it's", None]
N = 300


def row_of(number):
    """Return kind, year, share and whether it is sold, of a row of X."""
    return (
        KINDS[number % 4],
        None if number % 7 == 0 else 1980 + number % 40,
        number / 8,
        None if number % 5 == 0 else number % 2 == 0,
    )


def columns_of(numbers):
    return dict(zip(("kind", "year", "share", "sold"), map(list, zip(*map(row_of, numbers), strict=True)), strict=True))


CONDITIONS = [
    ("year > 1990 AND kind = ?", ["a"], lambda r, i: r[1] is not None and r[1] > 1990 and r[0] == "a"),
    ("kind IS NULL OR share < :most", {"most": 9}, lambda r, i: r[0] is None or r[2] < 9),
    ("sold", None, lambda r, i: r[3] is True),
    ("kind IN ('it''s', \"kind\") AND year > '1990' -- all", None, lambda r, i: r[0] and (r[1] or 0) > 1990),
    ("id % 3 = 0", None, lambda r, i: int(i) % 3 == 0),
    ("0", (), lambda r, i: False),
]


@pytest.fixture(scope="module")
def fitted():
    return sv.Index.build(X[:N], n_bits=30, refine_bits=3, keep=columns_of(range(N)))


def change(index, rows, name, fresh, data):
    """Do something to an index, and to a dict of its ids to rows of X."""
    action = data.draw(st.sampled_from(["add", "remove", "update", "compact"]))
    ids = data.draw(st.lists(st.sampled_from(sorted(rows)), min_size=1, max_size=8, unique=True)) if rows else []
    if action == "compact":
        index.compact()
    if action == "remove":
        index.remove(ids)
        for one in ids:
            del rows[one]
    if action == "add":
        ids = [name(next(fresh)) for _ in range(data.draw(st.integers(1, 8)))]
    if action in {"add", "update"} and ids:
        numbers = data.draw(st.lists(st.integers(0, N - 1), min_size=len(ids), max_size=len(ids)))
        (index.add if action == "add" else index.update)(X[numbers], ids=ids, keep=columns_of(numbers))
        for one, number in zip(ids, numbers, strict=True):
            rows.pop(one, None)
            rows[one] = number


def assert_conditions_hold(index, rows):
    assert index.ids.tolist() == list(rows)
    assert not rows or index.columns(list(rows)) == columns_of(rows.values())
    for where, parameters, holds in CONDITIONS:
        wanted = [one for one, number in rows.items() if holds(row_of(number), one)]
        hits = index.search(QUERIES, 9, where, parameters=parameters)
        assert hits.ids == index.search(QUERIES, 9, wanted).ids
        found = list(chain.from_iterable(hits.ids))
        values = {key: list(chain.from_iterable(own)) for key, own in hits.columns.items()}
        assert not found or values == columns_of([rows[one] for one in found])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_conditions_find_what_a_loop_finds(tmp_path_factory, data):
    """Random changes, saves and openings, beside a dict of ids to rows of X."""
    name = data.draw(st.sampled_from([int, str]))
    rows = {name(3 * i): i for i in range(40)}
    index = sv.Index.build(X[:40], ids=list(rows), n_bits=16, refine_bits=2, keep=columns_of(range(40)))
    place, fresh, stale, held = tmp_path_factory.mktemp("c") / "a", iter(range(1000, 9000)), None, None
    for _ in range(data.draw(st.integers(1, 9))):
        if data.draw(st.booleans()):
            change(index, rows, name, fresh, data)
            continue
        index.save(place)
        if stale is None:
            stale, held = sv.open(place), dict(rows)
        index = sv.open(place, verify=True)
    assert_conditions_hold(index, rows)
    if stale is not None:
        assert_conditions_hold(stale, held)  # it sees the save that it has opened


@pytest.mark.parametrize(
    ("where", "parameters", "message"),
    [
        ("yaer > 1990", None, "no such column: yaer.*columns id, kind, year, share, sold"),
        ('"yaer" > 1990', None, 'holds "yaer", in double quotes as a name is, and there is no such column'),
        ("year >", None, "where='year >': "),
        ("", None, "where='': "),
        ("year > ?", None, "parameters do not fit where='year > [?]': .*uses 1, and there are 0"),
        ("year > 3", [1], "parameters do not fit"),
        ("year > :y", {"x": 1}, "parameters do not fit"),
        ("year IN (SELECT max(year) FROM kept)", None, "holds a SELECT"),
        ("year) LIMIT (3", None, "syntax error"),
        ("1) FROM kept LIMIT 3 /*", None, "where="),
        ("1) OR 1 ORDER BY (1", None, "syntax error"),
        ("max(year) > 3", None, "misuse of aggregate"),
        ("1); DROP TABLE kept; --", None, "where="),
        ("rowid = 3", None, "reads 'row of the segment'"),
        ("load_extension('x')", None, "where="),
        ("EXISTS (SELECT 1 FROM sqlite_master)", None, "holds a SELECT|reads"),
        ("year > ?", [2**70], "parameters holds"),
        ("year > ?", [np.nan], "parameters holds NaN"),
        ("year\0", None, "null character|where="),
        ("\ud800", None, "where="),
    ],
)
def test_what_is_no_condition_is_refused(fitted, where, parameters, message):
    with pytest.raises(ValueError, match=message):
        fitted.search(QUERIES, 3, where, parameters=parameters)
    assert len(fitted.search(QUERIES[0], N, "1").ids) == N


def test_what_is_kept_is_checked(fitted):
    before = fitted.info()
    for keep, error, message in (
        (None, ValueError, "source, ndarray, has none; expected a dict, such as"),
        ({"kind": ["a"]}, ValueError, "expected 'kind', 'year', 'share', 'sold'"),
        (columns_of(range(3)), ValueError, "keep has 3 values of 'kind'; expected 1"),
        (columns_of([1]) | {"year": ["x"]}, TypeError, "column 'year' holds integers and texts"),
        (columns_of([1]) | {"year": [1 << 63]}, ValueError, "more than 64 bits"),
        (columns_of([1]) | {"kind": [b"x"]}, TypeError, "holds bytes in row 0"),
        (columns_of([1]) | {"kind": ["\ud800"]}, ValueError, "keep holds a character that UTF-8 cannot write"),
        (columns_of([1]) | {"year": np.array(["2020"], "M8[ns]")}, TypeError, "column 'year' has dtype datetime64"),
    ):
        with pytest.raises(error, match=message):
            fitted.add(X[:1], ids=[9000], keep=keep)
        assert fitted.info() == before
    for keep, error, message in (
        (["kind"], ValueError, "keep=\\['kind'\\] names columns"),
        ({"ID": range(40)}, ValueError, "keep holds 'ID', which is what"),
        ({"a": range(40), "A": range(40)}, ValueError, "expected each once"),
        ("kind", TypeError, "keep is 'kind'"),
        ([], ValueError, "names no columns"),
    ):
        with pytest.raises(error, match=message):
            sv.Index.build(X[:40], keep=keep)
    plain = sv.Index.build(X[:40], n_bits=16)
    with pytest.raises(ValueError, match="keeps no columns"):
        plain.search(QUERIES, 3, "year > 3")
    with pytest.raises(ValueError, match="keeps no columns"):
        plain.add(X[:1], keep={"a": [1]})
    with pytest.raises(ValueError, match="are those of a condition"):
        plain.search(QUERIES, 3, parameters=[3])


def test_nan_is_what_is_missing_in_columns_of_any_kind():
    """As frames have it among strings; beside integers it makes floats of them."""
    nan = float("nan")
    columns = {"text": ["a", nan, "b"], "sold": [nan, True, None], "n": [1, nan, 2], "later": [nan, np.nan, None]}
    index = sv.Index.build(X[:3], n_bits=16, keep=columns)
    index.add(X[3:4], keep={"text": [nan], "sold": [False], "n": [nan], "later": ["c"]})
    assert index.columns(range(4)) == {
        "text": ["a", None, "b", None],
        "sold": [None, True, None, False],
        "n": [1.0, None, 2.0, None],
        "later": [None, None, None, "c"],
    }
    assert index.search(QUERIES[0], 4, "text IS NULL AND n IS NULL").ids in ([1, 3], [3, 1])


def test_names_beyond_ascii_have_capitals():
    """SQLite tells these from small letters, and would take a name in double quotes for a text."""
    index = sv.Index.build(X[:9], n_bits=16, keep={"Äß": range(9), "ID_": range(9)})
    assert sorted(index.search(X[0], 9, '"Äß" < 3 AND id_ < 2 AND "id_" >= 0').ids) == [0, 1]
    with pytest.raises(ValueError, match='holds "äß", in double quotes as a name is, and there is no such column'):
        index.search(X[0], 9, '"äß" < 3')


def test_columns_may_come_in_any_order():
    """By their names, not by their places: of a dict, and of a frame whose columns are named."""
    index = sv.Index.build(X[:40], n_bits=16, keep=columns_of(range(40)))
    turned = dict(reversed(columns_of([40, 41]).items()))
    index.add(X[40:42], keep=turned)
    index.update(X[42:44], ids=[3, 4], keep=dict(reversed(columns_of([42, 43]).items())))
    assert index.columns([40, 41, 3, 4]) == columns_of([40, 41, 42, 43])
    assert list(index.columns(40)) == list(columns_of([40]))
    assert index.search(X[41], 40, "share > 5").columns.keys() == turned.keys()


def test_frames_and_hits(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"v": list(X[:40].astype(float)), "id": range(40), "score": np.arange(40) / 2})
    frame["kind"] = ["a", None] * 20
    frame.at[3, "v"] = None
    index = sv.Index.build(frame, vectors="v", ids="id", keep=["kind", "score"], on_bad="skip", n_bits=16)
    hits = index.search(QUERIES, 4, "kind = 'a' AND score > 4")
    made = hits.to_pandas()
    assert made["score_"].tolist() == [one / 2 for one in made["id"]]
    assert set(made["kind"]) == {"a"}
    assert pickle.loads(pickle.dumps(hits)).columns == hits.columns  # noqa: S301
    for one in (hits, pickle.loads(pickle.dumps(hits))):  # noqa: S301
        assert one[1].columns == {name: values[1] for name, values in hits.columns.items()}
        assert one[1][1:3].columns == {name: values[1][1:3] for name, values in hits.columns.items()}
        assert one[:1:-2].columns == {name: values[:1:-2] for name, values in hits.columns.items()}
        assert one[:1:-2].ids == hits.ids[:1:-2]
    index.add(frame.assign(id=range(100, 140)), vectors="v", ids="id", on_bad="skip")
    assert index.columns([4, 105]) == {"kind": ["a", None], "score": [2.0, 2.5]}
    with pytest.raises(ValueError, match="keep holds 'score', a column of numbers as those"):
        sv.Index.build(frame[["score", "id"]], ids="id", keep=["score"])
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "x.parquet")
    again = sv.Index.build(
        tmp_path / "x.parquet", vectors="v", ids="id", keep=["kind", "score"], on_bad="skip", n_bits=16
    )
    assert again.columns(again.ids) == {name: own[:39] for name, own in index.columns(index.ids).items()}
    with pytest.raises(ValueError, match="keep holds 'none', which is no column"):
        sv.Index.build(tmp_path / "x.parquet", vectors="v", keep=["none"])


def test_saves_write_what_is_new_and_older_readers_refuse(fitted, tmp_path):
    index = sv.Index.build(X[:N], n_bits=16, keep=columns_of(range(N)))
    index.save(tmp_path / "a")
    before = {path.name for path in (tmp_path / "a").iterdir()}
    index.add(X[:2], ids=[1000, 1001], keep=columns_of([0, 1]))
    index.save()
    (new,) = {path.name for path in (tmp_path / "a").iterdir()} - before
    assert (tmp_path / "a" / new).stat().st_size < 14_000
    with closing(sqlite3.connect(tmp_path / "a" / manifests.DATABASE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
    sv.Index.build(X[:N], n_bits=16).save(tmp_path / "a")
    with closing(sqlite3.connect(tmp_path / "a" / manifests.DATABASE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)


def test_what_reaches_a_bound_comes_with_its_columns(fitted):
    where = "year > ? AND kind = 'a'"
    found = fitted.range_search(QUERIES, 0.05, where, parameters=[1990])
    every = fitted.search(QUERIES, len(fitted), where, parameters=[1990])
    counts = [int((scores >= np.float32(0.05)).sum()) for scores in every.scores]
    assert len(set(counts)) > 1
    assert found.ids == [ids[:n] for ids, n in zip(every.ids, counts, strict=True)]
    for query, ids in enumerate(found.ids):
        assert found[query].columns == fitted.columns(ids)
    assert fitted.range_search(QUERIES[0], 2).columns == fitted.columns([])


def joined(image, n, rows):
    columns = KeptColumns(np.frombuffer(image, np.uint8), n, schema_of({"year": None}, np.arange(n)))
    return KeptColumns.joined([(columns, np.array(rows))], {"year": None}, np.arange(len(rows)))


def image_of(*statements):
    """Return the bytes of a database with ten rows, after these statements."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute(schema_of({"year": None}, np.arange(1)))
        database.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?)", [(i, i, 1990 + i) for i in range(10)])  # noqa: S608
        for statement in statements:
            database.execute(statement)
        return database.serialize()


def test_columns_that_are_put_together_are_looked_at():
    made = joined(image_of(), 10, [0, 3, 9])
    assert made.at(np.array([2, 0, 1]), {"year": "integers"}) == {"year": [1999, 1990, 1993]}
    for image, n, message in (
        (image_of(f"DELETE FROM {TABLE} WHERE {ID} = 3"), 10, "lack rows"),  # noqa: S608
        (image_of(), 11, "other than the index tells of"),
        (image_of("CREATE TABLE more (x)"), 10, "other than the index tells of"),
        (image_of()[:4096], 10, "damaged"),
        (b"no database" * 1000, 10, "damaged"),
    ):
        with pytest.raises(sv.FormatError, match=f"kept columns.*{message}"):
            joined(image, n, [0, 3, 9])


def test_a_notebook_shows_the_first_hits_with_their_columns():
    index = sv.Index.build(X[:60], ids=[f"<{i}>" for i in range(60)], keep={"a<b": [f"{i} & more" for i in range(60)]})
    page = index.search(X[:2], 30)._repr_html_()
    assert "<th>id</th><th>score</th><th>a&lt;b</th>" in page
    assert "<td>&lt;0&gt;</td>" in page
    assert "<td>0 &amp; more</td>" in page
    assert page.count("<tr>") == 51
    assert page.endswith("<p>10 more</p>")
    assert "more</p>" not in index.search(X[0], 2)._repr_html_()
    assert index.search(X[:0], 2)._repr_html_().endswith("<tbody></tbody></table>")
