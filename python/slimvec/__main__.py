"""``python -m slimvec``: the command line."""

import sys

from slimvec.cli import main

sys.exit(main())
