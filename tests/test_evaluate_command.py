"""``slimvec evaluate`` as a user runs it: grid, resume, and a report that holds its numbers."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from html import escape

import numpy as np
import pytest
import scipy.sparse

import processes
import slimvec as sv
from slimvec import cli
from slimvec.evaluate import word_similarity
from slimvec.evaluate.datasets import read_pairs
from slimvec.evaluate.grid import Config, configs
from slimvec.evaluate.sources import Source
from slimvec.evaluate.store import Store
from slimvec.evaluate.summary import MEAN, Score
from slimvec.evaluate.svg import Series, bit_rows, chart
from slimvec.sparse.methods.compositional import dccl_ratio


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors with words in six groups, and sets for two tasks."""
    place = tmp_path_factory.mktemp("evaluate")
    generator = np.random.default_rng(5)
    groups = np.arange(120) % 6
    matrix = generator.standard_normal((6, 24))[groups] + 0.8 * generator.standard_normal((120, 24)) + 0.5
    words = [f"w{i}<&>" for i in range(120)]
    (place / "toy").mkdir()
    np.save(place / "toy" / "vectors.npy", matrix.astype(np.float32))
    (place / "toy" / "words.txt").write_text("\n".join(words) + "\n")
    (place / "data" / "similarity").mkdir(parents=True)
    (place / "data" / "categorization").mkdir()
    for name in ("ONE", "TWO"):
        pairs = generator.integers(0, 125, (40, 2))  # some words are missing
        lines = [f"w{a}<&>\tw{b}<&>\t{(a % 6 == b % 6) + generator.random():.2f}" for a, b in pairs]
        (place / "data" / "similarity" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    lines = [f"group{group}\t{word}" for group, word in zip(groups, words, strict=True)]
    (place / "data" / "categorization" / "SIX.tsv").write_text("\n".join(lines) + "\n")
    return place


def evaluate(folder, output, *options, inputs=("toy",)):
    places = [str(folder / name) for name in inputs]
    return cli.main(["evaluate", *places, "--data", str(folder / "data"), "-o", str(output), *map(str, options)])


GRID = ["--methods", "iiq,itq,nlb,sign-bits,prune", "--bits", "24,12", "--remove", "auto,0,2", "--seeds", 2]


@pytest.fixture(scope="module")
def report(folder):
    pytest.importorskip("sklearn")
    output = folder / "report"
    assert evaluate(folder, output, *GRID) == 0
    return output


@pytest.fixture(scope="module")
def page(folder):
    """The page of one task alone, which needs no scikit-learn."""
    output = folder / "similarity"
    assert evaluate(folder, output, *GRID, "--tasks", "similarity") == 0
    return output / "report.html"


def test_every_configuration_has_its_row(report):
    text = (report / "report.txt").read_text()
    assert text.count("toy: similarity, score") == text.count("toy: categorization, purity") == 1
    block = text.split("\n\n")[0]
    labels = [re.split(r"  +", line)[0] for line in block.splitlines()[4:-2]]
    assert labels[:2] == ["float32", "IIQ, D=1 (auto), 24 bits"]
    assert len(labels) == 1 + 6 + 2 + 2 + 1 + 1
    assert {"ITQ, 12 bits", "NLB, 24 bits", "sign bits", "Prune 95 %"} <= set(labels)


def test_numbers_are_those_of_the_functions(report, folder):
    vectors = sv.read_vectors(folder / "toy")
    sets = {"ONE": read_pairs(folder / "data" / "similarity" / "ONE.tsv")}
    runs = [word_similarity(sv.IIQ(12, 2, random_state=s).compress(vectors), sets)[0] for s in (0, 1)]
    with open(report / "results.csv") as file:
        rows = {(row["method"], row["set"], row["measure"]): row for row in csv.DictReader(file)}
    row = rows["IIQ, D=2, 12 bits", "ONE", "score"]
    values = [100 * run.score for run in runs]
    assert float(row["mean"]) == pytest.approx(np.mean(values))
    assert float(row["std"]) == pytest.approx(np.std(values))
    assert row["shown"] == f"{np.mean(values):.1f} ± {np.std(values):.1f}"
    assert (row["bytes_per_word"], row["ratio"], row["runs"]) == ("1.5", "64.0", "2")
    covered = rows["IIQ, D=2, 12 bits", "ONE", "covered pairs"]
    assert float(covered["mean"]) == pytest.approx(100 * np.mean([run.covered_score for run in runs]))
    assert rows["float32", "ONE", "score"]["runs"] == "1"
    assert rows["float32", "SIX", "purity"]["runs"] == "2"  # the seed moves k-means
    share = runs[0].covered_pairs / runs[0].pairs
    assert 0.5 < share < 1
    assert float(rows["", "ONE", "coverage"]["mean"]) == pytest.approx(100 * share)
    assert len(json.loads((report / "results.json").read_text())) == 3


def test_the_page_stands_alone_and_holds_its_numbers(report):
    page = (report / "report.html").read_text()
    assert len(page) < 2_000_000
    assert "http" not in page
    assert "<script" not in page
    assert "width=device-width" in page
    assert page.count("<svg") == 5  # two of quality, loss, spectrum, bits
    shown = re.findall(r"<td[^>]*>([^<]+)</td>", page) + re.findall(r"</i>[^<]*: ([\d.]+)</li>", page)
    with open(report / "results.csv") as file:
        in_csv = {
            value for row in csv.DictReader(file) for value in (row["shown"], row["bytes_per_word"], row["ratio"])
        }
    numbers = [text for text in shown if re.match(r"-?\d", text)]
    assert len(numbers) > 100
    assert set(numbers) <= in_csv
    figures = (report / "figures.csv").read_text()
    for number in re.search(r"The strongest is ([\d.]+) times the mean before, ([\d.]+) after", page).groups():
        assert f",{number}\n" in figures
    assert "w0&lt;&amp;&gt;" in page


def cells(output):
    return (output / "cells.jsonl").read_text().splitlines()


def test_finished_cells_are_not_done_again(folder, tmp_path, capsys):
    arguments = ["--bits", "8", "--remove", "1", "--seeds", 2, "--tasks", "similarity"]
    assert evaluate(folder, tmp_path, *arguments) == 0
    done = cells(tmp_path)
    text = (tmp_path / "report.txt").read_text()
    assert len(done) == 2 + 4
    # As a kill leaves it: the last cell half written.
    (tmp_path / "cells.jsonl").write_text("\n".join(done[:-1]) + "\n" + done[-1][:30])
    capsys.readouterr()
    assert evaluate(folder, tmp_path, *arguments) == 0
    assert capsys.readouterr().err.count("toy |") == 1
    assert [json.loads(line)["key"] for line in cells(tmp_path)] == [json.loads(line)["key"] for line in done]
    assert (tmp_path / "report.txt").read_text() == text
    assert evaluate(folder, tmp_path, *arguments) == 0
    assert capsys.readouterr().err == ""
    assert evaluate(folder, tmp_path, *arguments[:1], "8,9", *arguments[2:]) == 0
    assert capsys.readouterr().err.count("toy |") == 4  # the new length alone


def test_changed_vectors_and_sets_are_judged_anew(folder, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(folder / "toy", copy / "toy")
    shutil.copytree(folder / "data", copy / "data")
    arguments = ["--bits", "8", "--seeds", 1, "--tasks", "similarity"]
    assert evaluate(copy, tmp_path / "r", *arguments) == 0
    capsys.readouterr()
    with open(copy / "data" / "similarity" / "ONE.tsv", "a") as file:
        file.write("w1<&>\tw2<&>\t9\n")
    assert evaluate(copy, tmp_path / "r", *arguments) == 0
    assert capsys.readouterr().err.count("| similarity") == 2
    np.save(copy / "toy" / "vectors.npy", np.load(copy / "toy" / "vectors.npy")[::-1])
    assert evaluate(copy, tmp_path / "r", *arguments) == 0
    assert capsys.readouterr().err.count("toy |") == 4


def test_a_table_is_judged_as_it_is(folder, tmp_path):
    sv.IIQ(16, 0).compress(sv.read_vectors(folder / "toy")).save(tmp_path / "made.slim")
    shutil.copytree(folder / "toy", tmp_path / "toy")
    shutil.copytree(folder / "data", tmp_path / "data")
    options = ["--bits", "16", "--remove", "0", "--seeds", 1, "--tasks", "similarity"]
    assert evaluate(tmp_path, tmp_path / "r", *options, inputs=("toy", "made.slim")) == 0
    text = (tmp_path / "r" / "report.txt").read_text()
    compressed = re.search(r"IIQ, D=0, 16 bits (.*)", text).group(1).split()
    assert re.search(r"the table (.*)", text).group(1).split() == compressed


def test_a_killed_run_goes_on(folder, tmp_path):
    """Ctrl-C after the first cells: exit code 130, and the rest is done by the next run."""
    code = f"""
import sys
from slimvec import cli
from slimvec.evaluate import experiment
real, calls = experiment.word_similarity, []
def judge(*arguments):
    calls.append(1)
    if len(calls) == 2: raise KeyboardInterrupt
    return real(*arguments)
experiment.word_similarity = judge
cli.main(["evaluate", {str(folder / "toy")!r}, "--data", {str(folder / "data")!r}, "-o", {str(tmp_path)!r},
          "--tasks", "similarity", "--seeds", "1", "--bits", "8"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "the same command goes on" in done.stderr
    assert len(cells(tmp_path)) == 3
    assert evaluate(folder, tmp_path, "--tasks", "similarity", "--seeds", 1, "--bits", 8) == 0
    assert len(cells(tmp_path)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "pq"], "methods holds 'pq'; expected some of iiq, itq"),
        (["--tasks", "naming"], "tasks holds 'naming'"),
        (["--tasks", "analogy"], "the sets of task 'analogy'"),
        (["--seeds", "0"], "--seeds=0; expected at least 1"),
        (["--bits", "0", "--tasks", "similarity"], "n_bits=0"),
    ],
)
def test_bad_options(folder, tmp_path, capsys, options, message):
    assert evaluate(folder, tmp_path, *options) == 2
    assert message in capsys.readouterr().err


def test_no_data(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SLIMVEC_DATA", raising=False)
    assert cli.main(["evaluate", str(folder / "toy"), "-o", str(tmp_path)]) == 2
    assert "pass --data DIR or set SLIMVEC_DATA" in capsys.readouterr().err
    assert evaluate(folder, tmp_path, "--data", tmp_path / "none") == 2
    with pytest.raises(SystemExit):
        evaluate(folder, tmp_path, "--remove", "some")


# ---- parts


def test_the_ratios_of_the_papers_table_1():
    found = dccl_ratio(1_917_494, 300, 32, 256), dccl_ratio(388_723, 300, 32, 128), dccl_ratio(50_000, 300, 32, 32)
    assert [round(ratio, 1) for ratio in found] == [32.3, 29.5, 26.9]
    X = np.random.default_rng(0).standard_normal((1000, 300), dtype=np.float32)
    listed = configs(["iiq", "prune"], [300, 150, 75], [2])
    tables = [X, *(config.compress(X, seed=0)[1] for config in listed[1:])]
    ratios = [config.ratio(table) for config, table in zip(listed, tables, strict=True)]
    assert ratios == [1, 32, 64, 128, 20]
    assert Config("nlb", 256).ratio(Config("nlb", 256).compress(X, seed=0)[1]) == 37.5
    codes = scipy.sparse.csr_array(np.tile(np.eye(4), (50, 3)))  # 3 codebooks of 4 words
    assert Config("dccl").ratio(sv.SparseTable(X[:12], codes)) == dccl_ratio(200, 300, 3, 4)


def test_a_damaged_store_is_named(tmp_path):
    path = tmp_path / "cells.jsonl"
    path.write_text('{"key": {"a": 1}}\nnonsense\n')
    with pytest.raises(sv.FormatError, match=r"cells.jsonl, line 2: not a finished cell"):
        Store(path)
    path.unlink()
    store = Store(path)
    store.add({"a": 1}, {"x": float("nan"), "y": [1.5]})
    assert Store(path)[{"a": 1}] == {"key": {"a": 1}, "x": None, "y": [1.5]}
    assert {"a": 2} not in Store(path)


def test_sources_are_told_apart_by_content():
    one, other = (sv.Vectors(["a", "b"], [[1.0, 2.0], [3.0, last]]) for last in (4.0, 5.0))
    assert Source("x", one).key != Source("x", other).key
    assert Source("x", one).key == Source("x", one).key
    assert Score(None, None, 3).shown == "-"


def test_charts_place_points_where_they_belong():
    drawn = chart([Series("a", [1, 2, 4], [0, 10, 0]), Series("b", [2], [5], joined=False)], "x", "y", log_x=True)
    (x1, y1), (x2, y2), (x3, y3) = (
        tuple(map(float, point.split(","))) for point in re.search(r'points="([^"]+)"', drawn).group(1).split()
    )
    assert y1 == y3 > y2
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.11)  # logarithmic
    dot = re.search(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert float(dot.group(1)) == x2
    assert float(dot.group(2)) == pytest.approx((y1 + y2) / 2, abs=0.11)
    assert "<li>" in drawn
    many = chart([Series(str(i), [i], [i], joined=False) for i in range(10)], "x", "y")
    assert len(set(re.findall(r'class="dot ([^"]+)"', many))) == 10  # told apart beyond eight colours
    assert "nan" not in chart([Series("flat", [1, 2], [3, 3])], "x", "y")


def test_rows_of_bits():
    drawn = bit_rows(["a", "b"], ["0110", "1000"], 1)
    paths = re.findall(r'd="([^"]*)"', drawn)
    assert [path.count("M") for path in paths] == [1, 1]
    length, start = (float(re.search(pattern, paths[0]).group(1)) for pattern in (r"h([\d.]+)", r"M([\d.]+)"))
    assert length == pytest.approx(2 * (start - 110), abs=0.2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a window, as a function of options and a page."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(names)} is installed: the page is checked as text alone")
    profile = tmp_path_factory.mktemp("profile")

    def run(page, *options):
        common = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        done = processes.run([*common, *options, page.as_uri()])
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


# In a frame, for a window is never narrower than 500.
FRAME = """<!doctype html><iframe style="border:0;height:4000px;width:{width}px" srcdoc="{page}"></iframe><script>
onload = () => {{
  const inside = document.querySelector("iframe").contentDocument;
  const boxes = query => [...inside.querySelectorAll(query)].map(part => part.getBoundingClientRect());
  const charts = boxes("svg.chart, svg.chart text");
  document.title = JSON.stringify({{
    page: inside.documentElement.scrollWidth,
    left: Math.min(...charts.map(box => box.left)), right: Math.max(...charts.map(box => box.right)),
    letters: Math.min(...boxes("svg.chart .tick").map(box => box.height)),
    drawn: boxes("svg").filter(box => box.height > 50).length,
  }});
}};</script>"""


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_its_window(page, tmp_path, browser, width):
    """Nothing but tables and rows of bits, in boxes of their own, is wider than a phone; letters stay readable."""
    framed = tmp_path / "framed.html"
    framed.write_text(FRAME.format(width=width, page=escape(page.read_text())))
    dom = browser(framed, "--hide-scrollbars", "--dump-dom")
    found = json.loads(re.search(r"<title>(.*?)</title>", dom).group(1))
    assert found["page"] == width
    assert 0 <= found["left"] < found["right"] <= width
    assert found["letters"] >= 10
    assert found["drawn"] == 4


def test_the_page_renders_in_a_browser(page, tmp_path, browser):
    picture, blank = tmp_path / "page.png", tmp_path / "blank.png"
    (tmp_path / "blank.html").write_text("<!doctype html>")
    size = "--window-size=390,4000"
    browser(page, size, f"--screenshot={picture}")
    browser(tmp_path / "blank.html", size, f"--screenshot={blank}")
    assert picture.stat().st_size > 5 * blank.stat().st_size
    dom = browser(page, "--dump-dom")
    with open(page.parent / "results.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] != MEAN]
    assert len(rows) > 50
    assert not [row["shown"] for row in rows if f">{row['shown']}</td>" not in dom]
