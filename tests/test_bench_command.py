"""``slimvec bench``: answers are compared before they are timed, and a page tells who was how fast."""

from __future__ import annotations

import re

import numpy as np
import pytest

from slimvec import cli
from slimvec.cli import bench
from slimvec.cli.contests import Contest, contests


def contest(**contestants):
    asked = {name: (lambda answer=answer: answer) for name, answer in contestants.items()}
    return Contest("which?", "a query", 1, asked, lambda _name, right, answer: right == answer)


def test_a_page(capsys):
    assert cli.main(["bench", "--rows", "2000"]) == 0
    page = capsys.readouterr().out
    for heading in ("one query", "64 queries", "Cosines", "Encoding", "sum of 10 of 500 anchors"):
        assert heading in page
    timed = re.findall(r"^  slimvec.*?\d (?:s|ms|µs|ns) a (?:query|row) +[\d.]+ ×", page, re.MULTILINE)
    assert len(timed) >= 6
    assert all(len(line) <= 120 for line in page.splitlines())


def test_rows_that_tell_nothing_are_refused(capsys):
    assert cli.main(["bench", "--rows", "10"]) == 2
    assert "--rows must be at least 1000" in capsys.readouterr().err


def test_a_wrong_answer_of_ours_ends_it():
    with pytest.raises(SystemExit, match=r"a wrong answer.*which\?"):
        bench.judged(contest(NumPy=1, slimvec=2))


def test_peers_that_are_wrong_or_fail_are_not_timed():
    asked = contest(NumPy=1, slimvec=1, peer=2)
    asked.contestants["other"] = lambda: 1 / 0
    first, ours, peer, other = bench.judged(asked)
    assert " 1.0 ×" in first
    assert "×" in ours
    assert peer.endswith("another answer, not timed")
    assert other.endswith("failed, ZeroDivisionError")


def test_what_is_wrong_is_seen():
    """Every contest refuses an answer that is off, so that agreeing means something."""
    for one in contests(2_000):
        right = next(iter(one.contestants.values()), lambda: None)()
        if right is None:  # needs SciPy
            continue
        assert one.agree("slimvec", right, right)
        assert not one.agree("slimvec", right, np.roll(right, 1, axis=-1) + right.dtype.type(1)), one.title


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2.0, "2 s"), (0.0125, "12.5 ms"), (3.21e-6, "3.21 µs"), (4e-9, "4 ns")]
)
def test_times_are_told_in_the_unit_that_fits(seconds, shown):
    assert bench._shown(seconds) == shown
