"""Which instruction set the compiled kernels use: listing, asking, forcing.

The fastest set that the CPU and the operating system support is chosen when it is first needed. ``SLIMVEC_ISA=avx2`` in
the environment, read once, forces one for a process, :func:`use_isa` for a block of code. Results do not depend on the
choice.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

from slimvec import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

_forced: ContextVar[_core.Isa | None] = ContextVar("slimvec_isa", default=None)


def available_isas() -> tuple[str, ...]:
    """Return the instruction sets that this machine can run, fastest first.

    Returns
    -------
    tuple of str
        Some of ``"avx512vbmi"`` (what the next has, VBMI and VNNI), ``"avx512"`` (AVX-512 F, BW, VL and
        VPOPCNTDQ), ``"avx2"``, ``"neon"``, and always ``"scalar"``.

    Examples
    --------
    >>> import slimvec as sv
    >>> sv.available_isas()[-1]
    'scalar'
    """
    return tuple(isa.name for isa in _core.available_isas())


def active_isa() -> str:
    """Return the name of the instruction set in use.

    Returns
    -------
    str
        One of :func:`available_isas`.

    Raises
    ------
    ValueError
        If ``SLIMVEC_ISA`` names an instruction set that is unknown or that this machine cannot run.

    Examples
    --------
    >>> import slimvec as sv
    >>> sv.active_isa() in sv.available_isas()
    True
    """
    return current().name


@contextmanager
def use_isa(name: str) -> Iterator[None]:
    """Use one instruction set within a ``with`` block, in this thread (or asyncio task) only.

    Parameters
    ----------
    name : str
        One of :func:`available_isas`.

    Raises
    ------
    ValueError
        If the name is unknown or this machine cannot run it.

    Examples
    --------
    >>> import slimvec as sv
    >>> with sv.use_isa("scalar"):
    ...     sv.active_isa()
    'scalar'
    """
    token = _forced.set(_find(name, "name"))
    try:
        yield
    finally:
        _forced.reset(token)


def current() -> _core.Isa:
    """Return the kernels in use: what the wrappers of ``_core`` pass as its first argument."""
    return _forced.get() or _of_the_process()


@cache
def _of_the_process() -> _core.Isa:
    """Return the kernels that the environment asks for, which is read once: looking up a row takes no longer."""
    from_environment = os.environ.get("SLIMVEC_ISA")
    return _find(from_environment, "SLIMVEC_ISA") if from_environment else _core.available_isas()[0]


def _find(name: str, source: str) -> _core.Isa:
    for isa in _core.available_isas():
        if isa.name == name:
            return isa
    known = name in [isa.name for isa in _core.built_isas()]
    reason = "this machine cannot run it" if known else "no such instruction set"
    raise ValueError(f"{source}={name!r}: {reason}; available: {', '.join(available_isas())}")
