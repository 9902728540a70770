"""The Sphinx extension: makes pages before a build reads them, and turns links and lists of pages into the site's."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sphinx.ext.autodoc.mock import mock
from sphinx.util.nodes import make_refnode

from making.api_pages import PACKAGES, make_api_pages
from making.places import DOCS, ROOT, ROOT_PAGES, lists_of_pages, with_links_of_the_site
from making.result_pages import make_result_pages

if TYPE_CHECKING:
    from pathlib import Path

    from sphinx.application import Sphinx

MADE = ("api", "benchmarks", "project")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("builder-inited", make_pages)
    app.connect("source-read", read_page)
    app.connect("missing-reference", find_short_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def make_pages(app: Sphinx) -> None:
    """Write pages that no one writes by hand into folders that git ignores; what is there and right is left alone."""
    made: dict[Path, str | bytes] = {}
    made |= make_result_pages(DOCS / "benchmarks")
    with mock(app.config.autodoc_mock_imports):
        import torch

        torch.autograd = SimpleNamespace(Function=type("Function", (), {"apply": None}))  # what mocks do not have
        made |= make_api_pages(DOCS / "api")
    for name in ROOT_PAGES:
        page = DOCS / "project" / name
        made[page] = with_links_of_the_site((ROOT / name).read_text(encoding="utf-8"), ROOT / name, page)
    for folder in MADE:
        (DOCS / folder).mkdir(exist_ok=True)
        for old in set((DOCS / folder).iterdir()) - made.keys():
            old.unlink()
    for path, content in made.items():
        wanted = content.encode() if isinstance(content, str) else content
        if not path.exists() or path.read_bytes() != wanted:
            path.write_bytes(wanted)


def read_page(_app: Sphinx, name: str, source: list[str]) -> None:
    """Give a hand-written page the links of the site, and the pages that it lists as its children."""
    page = DOCS / f"{name}.md"
    if not page.exists() or name.split("/", maxsplit=1)[0] in MADE:
        return
    text = with_links_of_the_site(source[0], page, page)
    if name == "index":
        lists = [_toctree(caption, pages) for caption, pages in lists_of_pages(text)]
        text = "\n\n".join(["---\nhide-toc: true\n---", text, *lists])
    if name == "results":
        rows = re.findall(r"^\| \[.*?\]\((benchmarks/\w+)\.md\)", text, re.MULTILINE)
        text += "\n\n" + _toctree("", rows)
    # Doctest wants an empty line at the end of a block, readers do not.
    source[0] = re.sub(r"\n\n```$", "\n```", text, flags=re.MULTILINE)


def find_short_name(app: Sphinx, _env: Any, node: Any, content: Any) -> Any:
    """Find what a docstring calls ``IIQ`` or ``BinaryTable.search``, wherever it is documented."""
    if node.get("refdomain") != "py":
        return None
    domain = app.env.domains["py"]
    for package in PACKAGES:
        name = f"{package}.{node['reftarget']}"
        if name in domain.objects:
            return make_refnode(app.builder, node["refdoc"], domain.objects[name].docname, name, content, name)
    return None


def _toctree(caption: str, pages: list[str]) -> str:
    title = f":caption: {caption}\n" if caption else ""
    return f"```{{toctree}}\n:hidden:\n{title}\n" + "\n".join(pages) + "\n```"
