"""``slimvec --version``: the version, and what a report of a fault should tell of the build."""

from __future__ import annotations

import argparse
from typing import Any

import slimvec as sv
from slimvec import _core


class Version(argparse.Action):
    """Print the version and how the compiled part was built, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print, and leave by exit code 0."""
        print(f"slimvec {sv.__version__}")
        for label, text in build_facts():
            print(f"{label:12}{text}")
        parser.exit()


def build_facts() -> list[tuple[str, str]]:
    """Return labels and texts: the compiler, its flags, the instruction sets that were built and the one in use."""
    built = _core.built_isas()
    try:
        in_use = sv.active_isa()
    except ValueError as error:  # SLIMVEC_ISA names what there is not: the rest is still to be told
        in_use = f"none: {error}"
    return [
        ("compiler", _core.compiler),
        ("flags", " ".join(_core.flags.split())),
        ("built for", ", ".join(isa.name for isa in built)),
        ("in use", in_use),
    ]
