"""Pages of all public names, by package, from what each package calls public."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "slimvec": "what most programs need",
    "slimvec.baselines": "methods to compare with, with the calls of IIQ or ANT",
    "slimvec.evaluate": "what tables are good for",
    "slimvec.nn": "layers and optimizers for torch (extra `torch`)",
    "slimvec.dask": "what Dask holds (extra `dask`)",
}
LEFT_OUT = {"__version__", "baselines"}
MEMBERS = "   :members:\n   :inherited-members:\n   :exclude-members: from_content, to_content, from_parts\n"


def make_api_pages(folder: Path) -> dict[Path, str]:
    """Return an overview and a page for each name, as reStructuredText."""
    made, seen = {}, set()
    overview = ["API", "===", "", "All public names, by package. ``help(slimvec.IIQ)`` shows the same in Python.", ""]
    for package, told in PACKAGES.items():
        module = import_module(package)
        # A name stands where it comes first: slimvec has some of slimvec.evaluate.
        names = [name for name in module.__all__ if name not in LEFT_OUT and id(getattr(module, name)) not in seen]
        seen |= {id(getattr(module, name)) for name in names}
        title = f"{package}: {told}".replace("`", "``")
        overview += [title, "-" * len(title), ""]
        overview += [".. autosummary::", "", *(f"   {package}.{name}" for name in names), ""]
        for name in names:
            made[folder / f"{package}.{name}.rst"] = _page(f"{package}.{name}", getattr(module, name))
    made[folder / "index.rst"] = "\n".join(overview)
    return made


def _page(full: str, value: object) -> str:
    # In no list of pages but the overview, for the theme copies every list into every page.
    head = f":orphan:\n\n{full}\n{'=' * len(full)}\n\n"
    if not inspect.isclass(value):
        return f"{head}.. autofunction:: {full}\n"
    # What all methods share is told once, with those that most programs need; what a tuple gives tells nothing.
    whole = full.count(".") == 1 and not issubclass(value, tuple | Exception)
    return f"{head}.. autoclass:: {full}\n" + (MEMBERS if whole else "   :members:\n")
