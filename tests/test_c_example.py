"""What the C example prints (ctest: neighbors_binary ...) is what Python answers from the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimvec.cli import main

TABLES = Path(__file__).parent / "data" / "neighbors"


@pytest.mark.parametrize("kind", ["binary", "sparse", "packed", "grid", "refined", "partitions"])
def test_python_gives_the_neighbours_that_the_c_example_must_print(kind, isa, capsys):
    assert main(["neighbors", str(TABLES / f"{kind}.slim"), "wort", "größe", "new york"]) == 0
    printed, expected = capsys.readouterr().out.splitlines(), (TABLES / f"{kind}.txt").read_text().splitlines()
    assert len(printed) == len(expected)
    for line, other in zip(printed, expected, strict=True):
        *similarity, word = line.split(maxsplit=1) if line.startswith(" ") else [line]
        *one_like_it, other_word = other.split(maxsplit=1) if other.startswith(" ") else [other]
        assert word == other_word
        # A query is multiplied by BLAS here and by a loop there, and the last of three digits may be rounded otherwise.
        assert [float(one) for one in similarity] == pytest.approx([float(one) for one in one_like_it], abs=0.00101)
