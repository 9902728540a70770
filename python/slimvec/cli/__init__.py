"""The command line."""

from slimvec.cli.program import main

__all__ = ["main"]
