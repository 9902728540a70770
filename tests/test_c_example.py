"""What the C example prints (ctest: neighbors_binary ...) is what Python answers from the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimvec.cli import main

TABLES = Path(__file__).parent / "data" / "neighbors"


@pytest.mark.parametrize("kind", ["binary", "sparse", "packed", "grid", "refined", "partitions"])
def test_python_gives_the_neighbours_that_the_c_example_must_print(kind, isa, capsys):
    assert main(["neighbors", str(TABLES / f"{kind}.slim"), "wort", "größe", "new york"]) == 0
    assert capsys.readouterr().out == (TABLES / f"{kind}.txt").read_text()
