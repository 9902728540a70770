"""The page that does one task in five libraries: its lines are as many as it says, and each does the task."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "side-by-side.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## (\w+)\n\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
SAID = {name: int(lines) for name, lines in re.findall(r"^\| (\w+) \| (\d+) \|", PAGE, re.MULTILINE)}


def nearest(X, number, allowed):
    """Return the names of the five films that are nearest by cosine, among some."""
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    ranked = np.argsort(-(rows @ rows[number]), kind="stable")
    return [f"film {row}" if row < 2000 else "film A" for row in ranked.tolist() if row in allowed][:5]


def test_all_are_counted():
    assert list(BLOCKS) == list(SAID)
    assert len(SAID) == 5
    for name, code in BLOCKS.items():
        task = re.search(r"^# The task:\n(.*)^# Done\.$", code, re.DOTALL | re.MULTILINE).group(1)
        assert len(task.splitlines()) == SAID[name], name


@pytest.mark.filterwarnings("ignore")  # those of the libraries
@pytest.mark.parametrize("name", BLOCKS)
def test_each_does_the_task(name, tmp_path, monkeypatch):
    for module in re.findall(r"^import ([\w.]+)", BLOCKS[name], re.MULTILINE):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    held: dict = {}
    exec(BLOCKS[name], held)  # noqa: S102 - our own page
    X, years = held["X"], held["years"]
    there = set(range(2000))
    late = {row for row in there if years[row] > 2000}
    alike, new = held["again"]
    for found, truth in (
        (held["found"], nearest(X, 7, there)),
        (held["later"], nearest(X, 7, late)),
        (alike, nearest(X, 7, there - {7} | {2000})),
        (new, nearest(X, 2000, there - {7} | {2000})),
    ):
        assert len(found) == 5
        assert found[0] == truth[0]
        assert len(set(found) & set(truth)) >= 4
    assert "film 7" not in alike
