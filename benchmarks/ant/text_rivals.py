"""Text classification at a fortieth of dense rows: all rivals of anchors on one machine, one seed each.

The cells are those of ``benchmarks.ant.text_budget``, which has more seeds of fewer methods.

Run: ``python -m benchmarks.ant.text_rivals``. Each training is a cell: a second start goes on where the first one was
stopped; ``--report`` writes those that are there.
"""

from __future__ import annotations

from benchmarks.ant import text, text_budget

SETUP = f"""\
{text_budget.SETUP}

One seed of each method, on one machine. More seeds of fewer methods, trained elsewhere with convolutions in bfloat16,
are in `ant_text_budget.md`."""


def main() -> None:
    options = text.asked_for(__doc__, text_budget.METHODS, text_budget.COLLECTIONS)
    options.seeds = 1
    text_budget.write(options, "ant.text_rivals", "Rivals of anchors on texts", SETUP)


if __name__ == "__main__":
    main()
