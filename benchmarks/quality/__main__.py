"""Do the codes keep what the vectors know? The IIQ paper's Tables 2-4 beside ours, the choice of D, faiss's ITQ.

Protocols are those of ``slimvec.evaluate``. Finished cells are kept in ``build/cells`` and not measured again.
The loss is ‖B - XR‖² per entry on the same centred rows, each library's own rotation.

Run: ``python -m benchmarks.quality``.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common import data_or_skip, parser, write_result
from benchmarks.quality import learning, rivals, tables, treatment
from benchmarks.quality.bench import TITLES, Bench

NOTES = Path(__file__).parent / "notes.md"


def main():
    bench = Bench(data_or_skip(parser(__doc__).parse_args()))
    sections = [
        NOTES.read_text().rstrip(),
        *(tables.paper_section(bench, task) for task in TITLES),
        tables.covered_section(bench),
        treatment.removal_section(bench),
        tables.independent_section(bench),
        treatment.floats_section(bench),
        treatment.unit_section(bench, "glove-enwiki"),
        learning.learning_section(bench, "googlenews"),
        learning.scale_section(bench),
        rivals.peers_section(bench),
        rivals.rotations_section(bench, "numberbatch"),
        treatment.recall_section(bench),
    ]
    write_result("quality", "What the codes keep", sections)


if __name__ == "__main__":
    main()
