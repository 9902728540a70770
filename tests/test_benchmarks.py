"""The benchmarks stay whole: modules can be imported, scripts say how they are run, results name their script."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "scipy", "ann_benchmarks"):  # optional
            raise
"""


def module_of(path):
    """Return what Python calls a file: a folder's ``__init__`` and ``__main__`` by the folder's name."""
    return re.sub(r"\.__(init|main)__$", "", ".".join(path.relative_to(ROOT).with_suffix("").parts))


def is_script(path):
    return "__main__" in path.read_text()


SCRIPTS = {module_of(path): path for path in FILES if is_script(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_scripts_how_they_run(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text
    if is_script(path):
        assert f"\nRun: ``python -m {module_of(path)}``" in text


def test_every_module_can_be_imported():
    """In one process for all, started in the root as the scripts are."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]
    command = [sys.executable, "-c", IMPORT, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_results_name_the_script_that_makes_them():
    for path in (ROOT / "benchmarks" / "results").glob("*.md"):
        (module,) = re.findall(r"^Made by `python -m ([\w.]+)`\.$", path.read_text(), re.MULTILINE)
        assert module in SCRIPTS, path
        assert path.stem == module.removeprefix("benchmarks.").replace(".", "_")
