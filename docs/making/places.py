"""Where a link of a page leads on the site: pages link to files of the repository, as GitHub shows them."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RESULTS = ROOT / "benchmarks" / "results"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
ALIASES = {
    RESULTS: DOCS / "results.md",
    ROOT / "README.md": DOCS / "index.md",
    ROOT / "python" / "slimvec" / "__init__.py": DOCS / "api" / "index.rst",
}
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^][]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def repository() -> str | None:
    """Return the address of the repository's files, if a workflow tells it."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}/blob/main" if server and name else None


def on_site(file: Path) -> Path | None:
    """Return the file of docs/, there or to be made, that shows a file of the repository; None if there is none."""
    file = ALIASES.get(file, file)
    if file.is_relative_to(DOCS):
        return file
    if file.parent == RESULTS:
        return DOCS / "benchmarks" / file.name
    if file.parent == ROOT and file.name in ROOT_PAGES:
        return DOCS / "project" / file.name
    return None


def with_links_of_the_site(text: str, original: Path, page: Path) -> str:
    """Return Markdown that stood in ``original`` with its links as ``page`` needs them; blocks of code are left."""

    def replace(link: re.Match[str]) -> str:
        image, shown, place = link.groups()
        if re.match(r"[a-z]+:|#", place):
            return link[0]
        place, _, heading = place.partition("#")
        target = (original.parent / place).resolve()
        found = on_site(target)
        if found is not None:
            path = os.path.relpath(found, page.parent)
            return f"{image}[{shown}]({Path(path).as_posix()}{'#' + heading if heading else ''})"
        base = repository()
        return f"[{shown}]({base}/{target.relative_to(ROOT).as_posix()})" if base else shown

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(replace, part) for part in parts)


def lists_of_pages(text: str) -> list[tuple[str, list[str]]]:
    """Return headings and the pages that a table under each lists: the order of the site is that of its first page."""
    found = []
    for section in text.split("\n## ")[1:]:
        caption, _, rest = section.partition("\n")
        rows = re.findall(r"^\| \[.*?\]\(([./\w-]+)\.\w+\)", rest, re.MULTILINE)
        if rows:
            found.append((caption, rows))
    return found
