"""Made the frozen index in one file, of the frozen folder of version 2. Never to be made again."""

from pathlib import Path

import slimvec as sv

here = Path(__file__).parent
sv.open(here.parent / "index2" / "columns").save(here / "columns.slim", one_file=True)
