"""The frontier of recall against bytes and time: what is on it, and how it is drawn."""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimvec.evaluate import plot_frontier
from slimvec.evaluate.frontier import frontier
from slimvec.evaluate.retrieval import Retrieval
from slimvec.evaluate.svg import Series, document

SVG = "{http://www.w3.org/2000/svg}"
FEW = st.integers(1, 4).map(float)


def way(size, share, ms=1.0, method="scan", oversample=None):
    return Retrieval(method, oversample, share / 2, ms / 2, ms, share, size)


MEASURED = {
    "IIQ <1>": [way(50, 0.6, 2.0), way(100, 0.8, 3.0), way(100, 0.7, 1.0, "scores", 5), way(200, 0.75, 0.5)],
    "coding": [way(25, 0.5), way(300, 0.9, 4.0)],
}


@given(st.lists(st.builds(way, FEW, FEW, FEW), max_size=8), st.sampled_from(["bytes", "time"]))
def test_nothing_beats_what_is_on_the_frontier(rows, against):
    cost = {"bytes": "bytes_per_row", "time": "total_ms"}[against]

    def beats(one, other):
        mine, theirs = ((getattr(row, cost), -row.recall_with_ties) for row in (one, other))
        return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]

    best = frontier(rows, against)
    assert set(best) <= set(rows)
    shown = {(getattr(row, cost), row.recall_with_ties) for row in best}
    for row in rows:
        unbeaten = not any(beats(other, row) for other in rows)
        assert unbeaten == ((getattr(row, cost), row.recall_with_ties) in shown)
    costs, shares = [getattr(row, cost) for row in best], [row.recall_with_ties for row in best]
    assert costs == sorted(set(costs))
    assert shares == sorted(set(shares))


def drawn(path):
    """Return the lines of points, the titles of dots and all texts of a file."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assert root.tag == f"{SVG}svg"
    lines = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iter(f"{SVG}polyline")
    ]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    width, height = map(float, root.get("viewBox").split()[2:])
    for element in root.iter():
        for name, most in {"cx": width, "cy": height, "x": width, "y": height}.items():
            assert 0 <= float(element.get(name, 0)) <= most
    return lines, [title.text for title in root.iter(f"{SVG}title")], texts


def test_a_line_for_each_name(tmp_path):
    plot_frontier(MEASURED, tmp_path / "bytes.svg")
    (iiq, coding), titles, texts = drawn(tmp_path / "bytes.svg")
    assert (len(iiq), len(coding)) == (2, 2)
    places = [coding[0], *iiq, coding[1]]  # both axes rise
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert iiq[1][0] - iiq[0][0] == pytest.approx(iiq[0][0] - coding[0][0], abs=0.11)  # 25, 50, 100
    assert titles[0] == "IIQ <1>, scan: 0.600 at 50 bytes per row"
    assert {"IIQ <1>", "coding", "bytes per row", "recall, ties counted", "32", "256", "0.6"} <= set(texts)


def test_time_takes_other_rows(tmp_path):
    plot_frontier(MEASURED, str(tmp_path / "time.svg"), against="time")
    (iiq, _), titles, texts = drawn(tmp_path / "time.svg")
    assert len(iiq) == 2
    assert titles[:2] == [
        "IIQ <1>, scan: 0.750 at 0.5 milliseconds per query",
        "IIQ <1>, scan: 0.800 at 3 milliseconds per query",
    ]
    assert {"milliseconds per query", "0.5", "4"} <= set(texts)


def test_ways_are_named(tmp_path):
    plot_frontier({"a": [way(1, 1, method="scores", oversample=5)]}, tmp_path / "a.svg")
    _, titles, texts = drawn(tmp_path / "a.svg")
    assert titles == ["a, scores, oversample 5: 1.000 at 1 bytes per row"]
    assert "a" in texts


@pytest.mark.parametrize(("low", "high"), [(1e-3, 1e6), (33, 60), (50, 50), (50, 50.01)])
def test_axes_have_a_few_numbers_at_any_range(tmp_path, low, high):
    (tmp_path / "a.svg").write_text(document([Series("a", [low, high], [0.5, 1])], "x", "y", log_x=True))
    _, _, texts = drawn(tmp_path / "a.svg")
    numbers = [text for text in texts if text not in {"a", "x", "y"}]
    assert len([text for text in numbers if not 0.4 < float(text) < 1.1]) in range(2, 12)


def test_png(tmp_path):
    pytest.importorskip("matplotlib")
    for against in ("bytes", "time"):
        many = {**MEASURED, **{str(i): [way(10 + i, 0.5)] for i in range(9)}}
        plot_frontier(many, tmp_path / "a.PNG", against=against)
        assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")


def test_png_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib.*slimvec\[plot\]"):
        plot_frontier(MEASURED, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="against='recall'; expected one of"):
        plot_frontier(MEASURED, tmp_path / "a.svg", against="recall")
    with pytest.raises(ValueError, match=r"output='a.pdf'; expected a name that ends in .svg or .png"):
        plot_frontier(MEASURED, "a.pdf")
    with pytest.raises(TypeError, match="measured is list; expected a mapping"):
        plot_frontier(MEASURED["coding"], tmp_path / "a.svg")
    with pytest.raises(TypeError, match=r"measured\['a'\] holds array"):
        plot_frontier({"a": [np.ones(2)]}, tmp_path / "a.svg")
    for nothing in ({}, {"a": []}):
        with pytest.raises(ValueError, match="measured holds no rows"):
            plot_frontier(nothing, tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())
