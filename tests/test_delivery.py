"""What is delivered keeps together: workflows, recipe, citation and bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import slimvec as sv

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_and_say_their_version(workflow):
    text = workflow.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment), action
    assert "\npermissions: {contents: read}\n" in text  # more is asked for by the one job that needs it


def test_one_action_has_one_hash():
    pins = {}
    for workflow in WORKFLOWS:
        for action, pin in re.findall(r"uses: ([\w/-]+)@(\w+)", workflow.read_text(encoding="utf-8")):
            assert pins.setdefault(action, pin) == pin, action


def test_presets_and_scripts_of_workflows_exist():
    presets = {one["name"] for one in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    for workflow in WORKFLOWS:
        text = workflow.read_text(encoding="utf-8")
        named = re.findall(r"--preset ([\w-]+)", text)
        for listed in re.findall(r"preset: \[(.*?)\]", text):
            named += listed.split(", ")
        assert set(named) <= presets, workflow
        for script in re.findall(r"(?:python|bash) ([\w./]+/[\w.]+)", text):
            assert (ROOT / script).exists(), script


def test_a_wheel_takes_no_object_of_an_earlier_one(tmp_path, monkeypatch):
    """All files of an sdist are of one time, by which Ninja would see no difference."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    wheels = pytest.importorskip("wheels")
    target = wheels.TARGETS[0]
    old = tmp_path / "cmake" / target.platform / "old.o"
    for folder in (old.parent, tmp_path / "source" / "slimvec-0", tmp_path / "dist"):
        folder.mkdir(parents=True)
    old.touch()
    seen = []

    def run(*command, **_):
        seen.append(old.exists())
        assert f"-Cbuild-dir={old.parent}" in command

    def made(folder, _):
        folder.mkdir(parents=True)
        (folder / "a.whl").touch()
        return folder / "a.whl"

    for name, value in {"WORK": tmp_path, "DIST": tmp_path / "dist", "run": run, "tagged": made}.items():
        monkeypatch.setattr(wheels, name, value)
    monkeypatch.setattr(wheels, "tool", Path)
    monkeypatch.setattr(wheels, "without_git", lambda: "")
    wheels.build([target])
    assert seen == [False]


def test_cibuildwheel_builds_what_is_promised():
    settings = PROJECT["tool"]["cibuildwheel"]
    assert set(settings["build"]) == {f"cp3{minor}-*" for minor in (11, 12, 13, 14)} | {"cp314t-*"}
    assert settings["manylinux-aarch64-image"] == settings["manylinux-x86_64-image"] == "manylinux_2_28"
    for source in settings["test-sources"]:
        assert (ROOT / source).exists(), source
    for override in settings["overrides"]:
        for test in re.findall(r"tests/\S+", override["test-command"]):
            assert (ROOT / test).exists(), test


def test_recipe_and_citation_tell_the_version():
    recipe = (ROOT / "tools" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    assert f'version: "{sv.__version__}"' in recipe
    for need in PROJECT["build-system"]["requires"] + PROJECT["project"]["dependencies"]:
        assert f"- {need.replace('>=', ' >=')}\n" in recipe, need
    assert f"\nversion: {sv.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_recipe_is_rendered_by_the_program_that_conda_forge_uses():
    rattler_build = pytest.importorskip("rattler_build")
    pinned = "c_stdlib: [sysroot]\ncxx_compiler: [gxx]\npython: ['3.13.*']\n"  # as conda-forge says for all recipes
    recipe = rattler_build.Stage0Recipe.from_file(ROOT / "tools" / "conda" / "recipe.yaml")
    (variant,) = recipe.render(rattler_build.VariantConfig.from_yaml(pinned))
    told = variant.recipe.to_dict()
    assert told["package"] == {"name": "slimvec", "version": sv.__version__}
    assert any(need.startswith("gxx_") for need in told["requirements"]["build"])
    needs = [need.replace(">=", " >=") for need in PROJECT["project"]["dependencies"]]
    assert told["requirements"]["run"] == ["python", *needs]


def test_the_bill_of_materials():
    """Of what is installed, if it came as a wheel; a checkout on the path has none."""
    installed = any(metadata.distributions(name="slimvec"))
    files = (metadata.files("slimvec") if installed else None) or ()
    found = [file for file in files if file.parts[-2:] == ("sboms", "slimvec.cdx.json")]
    if not found:
        pytest.skip("slimvec was not installed as a wheel that has one")
    told = json.loads(found[0].read_text())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["component"]["version"] == sv.__version__
    parts = {part["name"]: part["version"] for part in told["components"]}
    compiler, _, version = sv._core.compiler.partition(" ")
    assert parts[compiler] == version
    assert int(parts["pybind11"].split(".")[0]) >= 3


def test_five_minutes_take_numpy_alone_but_for_words(tmp_path):
    """As pasted where nothing else is installed."""
    text = (ROOT / "docs" / "five-minutes.md").read_text(encoding="utf-8")
    before, words, after = re.fullmatch(r"(.*)(## Words\n.*?)(## .*)", text, re.DOTALL).groups()
    assert "pip install scipy" in words
    (tmp_path / "page.md").write_text(before + after, encoding="utf-8")
    code = """
import doctest, sys
for optional in ("scipy", "numba", "sklearn", "matplotlib", "tqdm"): sys.modules[optional] = None
failed, tried = doctest.testfile("page.md", module_relative=False)
assert tried > 10
sys.exit(failed)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_marked():
    assert (Path(sv.__file__).parent / "py.typed").exists()
