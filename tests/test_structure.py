"""What is where, and who may know of whom: the map of CONTRIBUTING.md, held."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "slimvec"
ALIKE = {"__init__.py", "base.py", "parts.py", "search.py", "table.py"}  # the same part of binary and sparse
TABLE_FILES = ["table.py", "keys.py", "vocabulary.py", "results.py", "binary/*.py", "sparse/*.py", "files/*.py"]
LEARNERS = {"methods", "solvers", "text", "nn", "evaluate", "cli", "baselines", "demo", "estimator"}


def imports(path, *, at_once=False):
    """Return the modules that a file imports; ``at_once``: those that it imports when it is imported itself."""
    tree = ast.parse(path.read_text())
    later = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            later |= set(ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if at_once and node in later:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "slimvec":
            found |= {f"slimvec.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            found.add(node.module)
    return found


def area(module):
    """Return the folder of a module of the package, dotted; nothing for those at its root."""
    place = module.split(".")[1:]
    return ".".join(place if PACKAGE.joinpath(*place).is_dir() else place[:-1])


def allowed():
    """Return the rows of CONTRIBUTING.md's table that are folders of the package: folder, and what it may know of."""
    rows = re.findall(
        r"^\| `python/slimvec/([\w/]+)/` \|.*\|([^|]*)\|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    return {folder.replace("/", "."): re.findall(r"`([\w.]+(?:\.\*)?)`", known) for folder, known in rows}


def test_every_folder_is_on_the_map():
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    assert set(allowed()) == {".".join(folder.relative_to(PACKAGE).parts) for folder in folders}


@pytest.mark.parametrize("folder", allowed())
def test_a_folder_knows_of_no_other_than_it_may(folder):
    """Also in imports within functions, and for types."""
    for path in PACKAGE.joinpath(*folder.split(".")).glob("*.py"):
        for other in {area(name) for name in imports(path) if name.startswith("slimvec.")} - {"", folder}:
            patterns = [one.replace(".*", r"(\..*)?") for one in allowed()[folder]]
            assert any(re.fullmatch(one, other) for one in patterns), f"{path.relative_to(PACKAGE)} imports {other}"


def test_using_a_table_needs_numpy_alone():
    """Table files, and all that they import in turn, import the standard library, NumPy, and no learner."""
    waiting = [path for pattern in TABLE_FILES for path in PACKAGE.glob(pattern)]
    seen = set(waiting)
    assert len(seen) > 25
    while waiting:
        path = waiting.pop()
        for name in imports(path, at_once=True):
            first, *rest = name.split(".")
            assert first in {*sys.stdlib_module_names, "numpy", "slimvec"}, f"{path}: {name}"
            assert not (first == "slimvec" and LEARNERS & set(rest)), f"{path}: {name}"
            place = PACKAGE.joinpath(*rest)
            for found in (place.with_suffix(".py"), place / "__init__.py"):
                if first == "slimvec" and rest and found.exists() and found not in seen:
                    seen.add(found)
                    waiting.append(found)


def test_files_have_names_of_their_own():
    names = Counter(path.name for path in PACKAGE.rglob("*.py"))
    assert {name for name, count in names.items() if count > 1} <= ALIKE


def test_the_root_stays_small():
    assert len([path for path in PACKAGE.iterdir() if path.suffix in {".py", ".pyi", ".typed"}]) < 20


def test_modules_are_imported_by_statements():
    for path in PACKAGE.rglob("*.py"):
        assert "import_module" not in path.read_text() or path.name == "__init__.py", path


def test_no_module_but_vectors_names_a_kind_of_rows():
    """Whatever keeps the protocol can be fitted and compressed: nothing asks whether it is an array or a file."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "vectors":
            asked = re.findall(
                r"isinstance\([^()]*\b(?:VectorFile|Vectors|BinaryTable|SparseTable|HammingIndex)\b", path.read_text()
            )
            assert not asked, f"{path.relative_to(PACKAGE)}: {asked}"
