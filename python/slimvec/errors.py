"""The exceptions that are slimvec's own."""

from __future__ import annotations


class FormatError(ValueError):
    """A file's content is damaged, truncated, or not of the format it claims.

    Raised by :func:`slimvec.open` and :func:`slimvec.read_vectors`; the message names the file and, where there is one,
    the line. A file that is missing or may not be read raises :class:`OSError` instead.
    """


def missing_extra(module: str, extra: str) -> ImportError:
    """Return the error for an optional package that is not installed: it names the extra that brings it."""
    return ImportError(f"this needs {module}, which is not installed; install it with: pip install 'slimvec[{extra}]'")
