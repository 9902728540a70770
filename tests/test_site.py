"""What the site shows: figures and charts tell what is in benchmarks/results, and links lead somewhere on it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

from making import browser, check_links, figures, places, result_pages, tables  # noqa: E402


def numbers(text):
    return [float(found) for found in re.findall(r"(?<![\w.])\d*\.?\d+(?![\w])", text.replace(",", ""))]


def test_figures_are_what_the_script_draws():
    drawn = figures.figures()
    assert {path.name for path in (DOCS / "figures").iterdir()} == {path.name for path in drawn}
    for path, text in drawn.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python docs/making/figures.py"


def rows_of_choose():
    return [
        pytest.param(table, row, id=f"{table.heading}-{number}")
        for table in tables.read_tables(DOCS / "choose.md")
        if "file" in table.header
        for number, row in enumerate(table.rows)
    ]


@pytest.mark.parametrize(("table", "row"), rows_of_choose())
def test_figures_to_choose_by_stand_in_one_row_of_the_file(table, row):
    """As they are there, or rounded; milliseconds there may be microseconds here.

    Bytes may stand in another row of the same name.
    """
    measures = [name for name in table.header if name not in {"what matters", "take", "originals", "file"}]
    told = {name: row[table.column(name)] for name in measures if row[table.column(name)]}
    assert len(told) >= 2
    file = places.RESULTS / re.search(r"results/(\w+\.md)", row[table.column("file")])[1]

    def stands(cell, found):
        digits = len(cell.partition(".")[2])
        return any(round(scale * value, digits) == float(cell) for value in found for scale in (1, 1e-3))

    lines = [found for one in tables.read_tables(file) for found in one.rows]
    for line in lines:
        there = numbers(" ".join(line))
        if all(stands(cell, there) for name, cell in told.items() if name != "bytes a row"):
            named = [other for other in lines if set(filter(str.strip, other[:2])) & set(line[:2])]
            if any(stands(told["bytes a row"], numbers(" ".join(other))) for other in named):
                return
    raise AssertionError(f"docs/choose.md tells what {file.name} does not: {told}")


def test_a_wrong_figure_would_be_seen():
    """The test above is not satisfied by any number."""
    (table, row, *_), *_ = (param.values for param in rows_of_choose())
    wrong = [cell if name != "recall@10" else ".123" for name, cell in zip(table.header, row, strict=True)]
    with pytest.raises(AssertionError):
        test_figures_to_choose_by_stand_in_one_row_of_the_file(table, tuple(wrong))


def test_pages_of_results_have_the_charts_that_are_drawn():
    made = result_pages.make_result_pages(DOCS / "benchmarks")
    pages = {path.stem: text for path, text in made.items() if path.suffix == ".md"}
    assert pages.keys() == {path.stem for path in places.RESULTS.glob("*.md")}
    assert pages.keys() >= result_pages.CHARTS.keys()
    for stem, specs in result_pages.CHARTS.items():
        for number in range(len(specs)):
            name = f"{stem}-{number}.svg"
            assert f"]({name})" in pages[stem]
            drawn = ET.fromstring(made[DOCS / "benchmarks" / name])  # noqa: S314 - our own
            marks = [mark for mark in drawn.iter() if mark.tag.split("}")[1] in {"rect", "circle"}]
            assert len(marks) >= 2, name
    for path, text in made.items():
        for link in re.findall(r"\]\(([^):#\s]+)\)", text) if path.suffix == ".md" else ():
            target = (path.parent / link).resolve()
            assert target in made or target.exists() or target.parent.name in {"api", "project"}, (path.name, link)


def test_bars_are_as_long_as_their_numbers_say():
    table = tables.Table("a", ("", "ms"), (("slimvec", "2.0"), ("other", "1,000"), ("third", "500 ± 3")))
    drawn = ET.fromstring(result_pages.Bars("a", "ms", "times").draw(table))  # noqa: S314
    bars = [mark for mark in drawn.iter() if mark.tag.endswith("rect")]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[1] == 2 * widths[2] > 100
    assert [bar.get("class") for bar in bars] == ["ours", "other", "other"]
    with pytest.raises(ValueError, match="no column 'seconds' under 'a'"):
        result_pages.Bars("a", "seconds", "times").draw(table)


@pytest.mark.parametrize(
    ("link", "on_site"),
    [
        ("words.md#files-read", "words.md#files-read"),
        ("../benchmarks/results/bits.md", "benchmarks/bits.md"),
        ("../benchmarks/results/recall.png", "benchmarks/recall.png"),
        ("../benchmarks/results", "results.md"),
        ("../README.md", "index.md"),
        ("../CHANGELOG.md", "project/CHANGELOG.md"),
        ("../python/slimvec/__init__.py", "api/index.rst"),
        ("https://example.org/x.md", "https://example.org/x.md"),
        ("#here", "#here"),
        ("../cpp/isa/select.cpp", "https://forge/me/slimvec/blob/main/cpp/isa/select.cpp"),
    ],
)
def test_links_lead_where_the_site_has_it(link, on_site, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge")
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/slimvec")
    page = DOCS / "tour.md"
    text = f"See [`it`]({link}).\n\n```python\n>>> f[0]({link})\n```\n"
    expected = f"See [`it`]({on_site}).\n\n```python\n>>> f[0]({link})\n```\n"
    assert places.with_links_of_the_site(text, page, page) == expected


def test_files_without_a_place_to_link_keep_their_names(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    page = DOCS / "tour.md"
    assert places.with_links_of_the_site("[`a`](../cpp/isa/select.cpp)", page, page) == "`a`"


def test_the_order_of_the_site_is_that_of_the_first_page():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = [page for _, pages in places.lists_of_pages(text) for page in pages]
    assert len(set(listed)) == len(listed) > 15
    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} <= set(listed)


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<h1 id="top">A</h1><a href="../">up</a><a href="#top">top</a>')
    (tmp_path / "index.html").write_text('<a href="a/#top">A</a><a href="https://example.org/none">out</a>')
    assert check_links.broken_links(tmp_path) == []
    (tmp_path / "index.html").write_text('<a href="a/#down">A</a><a href="b/">B</a><img src="c.svg">')
    assert check_links.broken_links(tmp_path) == [f"index.html: {link}" for link in ("a/#down", "b/", "c.svg")]


def test_the_page_in_the_browser_calls_what_is_exported():
    """By the numbers of arguments that C declares."""
    header = (ROOT / "cpp" / "capi" / "slimvec.h").read_text(encoding="utf-8")
    script = (DOCS / "look" / "browser.js").read_text(encoding="utf-8")
    calls = re.findall(r"slimvec\._(\w+)\(([^()]*)\)", script)
    assert {name for name, _ in calls} == set(browser.FUNCTIONS)
    for name, given in calls:
        if name.startswith("slimvec_"):
            (declared,) = re.findall(rf"^SLIMVEC_API [^(]*\b{name}\(([^)]*)\)", header, re.MULTILINE)
            assert given.count(",") == declared.count(","), name
    (place,) = re.findall(r'<div id="(.+?)">', (DOCS / "in-the-browser.md").read_text(encoding="utf-8"))
    assert f'getElementById("{place}")' in script
