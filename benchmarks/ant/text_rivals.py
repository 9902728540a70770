"""Text classification at a fortieth of dense rows: all rivals of anchors on one machine.

The cells are those of ``benchmarks.ant.text_budget``, which has fewer methods.

Run: ``python -m benchmarks.ant.text_rivals``, with ``--seeds 1`` first, then with more and ``--methods``. Each training
is a cell: a second start goes on where the first one was stopped; ``--report`` writes those that are there, and rows of
the file stay, as ``text_budget`` says.
"""

from __future__ import annotations

from benchmarks.ant import composed, text, text_budget

SETUP = f"""\
{text_budget.SETUP}
Quotient and remainder, ROBE, mixed dimensions and CCE, which are not in it, have the learning rate of dense rows, and
no other was tried. CCE has rows in {composed.BLOCKS} blocks and two tables of the same size, and clusters after every
epoch of the first {composed.LAST:.0%} of the training.

All of it in float32, on this machine; the seeds are 0, 1, 2, as many as the table says of each method, and ± is the
standard deviation over them. Fewer methods, trained elsewhere with convolutions in bfloat16, are in
`ant_text_budget.md`; on IMDB, anchors for words that are seen often, trained without some words of each batch, in
`ant_vocabularies.md`."""


def main() -> None:
    options = text.asked_for(__doc__, text_budget.METHODS, text_budget.COLLECTIONS)
    text_budget.write(options, "ant.text_rivals", "Rivals of anchors on texts", SETUP)


if __name__ == "__main__":
    main()
