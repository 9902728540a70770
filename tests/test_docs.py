"""The documentation keeps together: links lead somewhere, pages are listed, examples without prompts run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from slimvec.methods import METHODS, rivals

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
WITH_LINKS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
MOST_LINES = 120  # of the README


def prose(text):
    """Return Markdown without blocks of code, in which brackets are no links."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def links(path):
    return re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text(encoding="utf-8")))


def anchors(path):
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WITH_LINKS, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, heading = link.partition("#")
        target = page if not place else (page.parent / place).resolve()
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not heading or heading in anchors(target), link


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_page_is_listed():
    listed = set(links(ROOT / "docs" / "index.md"))
    assert {page.name for page in PAGES} - {"index.md"} <= listed


def plain_examples():
    """Return the Python examples without prompts, which doctest does not run."""
    found = []
    for page in WITH_LINKS:
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        plain = [code for code in blocks if ">>> " not in code]
        found += [pytest.param(code, id=f"{page.stem}-{number}") for number, code in enumerate(plain)]
    return found


@pytest.mark.parametrize("code", plain_examples())
def test_examples_without_prompts_run(code, tmp_path, monkeypatch):
    for module in re.findall(r"^(?:import|from) ([\w.]+)", code, re.MULTILINE):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102 - our own page


def test_numbers_are_the_same_on_all_pages():
    """Tables of what was measured stand on the page of their subject, too."""
    everything = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").splitlines()
    compared = 0
    for name in ("anchors", "retrieval", "words"):
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for section in re.findall(r"^## .*measured$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
            rows = [line for line in section.splitlines() if line.startswith("|")]
            assert set(rows) <= set(everything), name
            compared += len(rows)
    assert compared >= 20


def test_every_file_of_results_is_linked():
    linked = {Path(link).name for link in links(ROOT / "docs" / "results.md")}
    assert {path.name for path in (ROOT / "benchmarks" / "results").glob("*.md")} <= linked


def test_lists_on_pages_are_those_of_the_code():
    """Methods on the command line and of its comparison, extras, functions in C."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"test", "docs", "bench"}
    functions = re.findall(r"\b(slimvec_\w+)\(", (ROOT / "cpp" / "capi" / "slimvec.h").read_text(encoding="utf-8"))
    lists = {"words": METHODS, "evaluate": rivals(), "install": extras, "c-api": functions}
    for page, names in lists.items():
        told = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")))
        assert set(names) <= told, page
