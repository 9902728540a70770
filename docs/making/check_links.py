"""Look whether every link of the built site leads somewhere on it: ``python docs/making/check_links.py build/site``."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links and names of places of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links, and what it is called."""
        for name, value in attrs:
            if value and name in {"href", "src"} and tag != "link":
                self.links.append(value)
            elif value and name in {"id", "name"}:
                self.places.add(value)


def broken_links(folder: Path) -> list[str]:
    """Return what leads nowhere, as ``page: link``; what is outside the folder is not asked for."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target /= "index.html"
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                found.append(f"{path.relative_to(folder)}: {link}")
    return found


if __name__ == "__main__":
    broken = broken_links(Path(sys.argv[1]).resolve())
    sys.exit("links that lead nowhere:\n" + "\n".join(broken) if broken else 0)
