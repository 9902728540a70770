"""Programs that tests start: each may take so long and no longer, and hears Ctrl-C.

A limit keeps a test that hangs from holding up all others, and says nothing about speed. A machine that is emulated
takes ten times as long for the same, and more: ``SLIMVEC_TEST_PATIENCE=20 pytest`` multiplies every limit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

PATIENCE = float(os.environ.get("SLIMVEC_TEST_PATIENCE", "1"))


def patient(seconds):
    """A limit of time, as long as this machine needs it."""
    return seconds * PATIENCE


@contextlib.contextmanager
def ctrl_c_heard():
    """Background jobs of shells ignore SIGINT, and children inherit that; of a handler they inherit nothing."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(command, seconds=120, **options):
    """Run a program to its end; what it prints is text, and any exit code will do."""
    with ctrl_c_heard():
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=patient(seconds), **options)
