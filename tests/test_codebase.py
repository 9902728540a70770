"""Policy as tests: types, lazy imports, documented names, one story per instruction set."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import slimvec as sv
from slimvec import _core, reference

ROOT = Path(__file__).parent.parent
HEAVY = ["scipy", "numba", "torch", "sklearn", "matplotlib", "tqdm", "dask"]


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    code = f"import sys, slimvec; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_a_table_is_made_and_used_with_numpy_alone(tmp_path):
    """Every optional package is made impossible to import."""
    code = f"""
import sys
for module in {HEAVY}: sys.modules[module] = None
import numpy as np, slimvec as sv
X = np.random.default_rng(0).standard_normal((50, 8))
table = sv.IIQ(n_bits=5).compress(sv.Vectors(map(str, range(50)), X))
table.save({str(tmp_path / "t")!r})
print(sv.open({str(tmp_path / "t")!r}).most_similar("3", k=1)[0][0] != "3", sv.isotropy(X).exact < 1)
"""
    assert python(code).split() == ["True", "True"]


def test_what_has_moved_is_found_with_a_warning():
    assert len(sv.baselines.__all__) == 13
    for name in sv.baselines.__all__:
        assert name not in dir(sv)
        with pytest.warns(FutureWarning, match=f"slimvec.{name} has moved to slimvec.baselines.{name}") as caught:
            assert getattr(sv, name) is getattr(sv.baselines, name)
        assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="module 'slimvec' has no attribute 'Any2Vec'"):
        sv.Any2Vec  # noqa: B018


def test_types():
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_stub_describes_the_module(tmp_path):
    """Beside no package, all of which would be checked again."""
    pytest.importorskip("mypy")
    for file in (Path(_core.__file__), ROOT / "python" / "slimvec" / "_core.pyi"):
        shutil.copy(file, tmp_path)
    command = [sys.executable, "-m", "mypy.stubtest", "_core", "--allowlist", ROOT / "tests" / "stubtest_allowlist.txt"]
    paths = {"MYPYPATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | paths)
    assert done.returncode == 0, done.stdout


def test_every_compiled_function_has_a_twin():
    compiled = {name for name, value in vars(_core).items() if callable(value) and not name.startswith("_")}
    management = {"Isa", "built_isas", "available_isas", "cpu_features", "resident_bytes"}  # questions to the machine
    in_stages = {"ListSearch"}  # what functions that have twins do one after the other: tests/test_few_queries.py
    for name in compiled - management - in_stages:
        arguments = re.findall(r"(\w+): ", vars(_core)[name].__doc__.split("->")[0])
        twin = list(inspect.signature(getattr(reference, name)).parameters)
        assert [a for a in arguments if a not in ("isa", "n_threads")] == twin, name


def test_versions_agree():
    assert sv.__version__ == _core.__version__ == metadata.version("slimvec")
    assert f"## {sv.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def public(module):
    """Yield (name, value) of what a module offers, methods and inherited ones included."""
    for name in module.__all__:
        value = getattr(module, name)
        if name == "__version__":
            continue
        yield name, value
        if inspect.isclass(value) and value.__module__.startswith("slimvec"):
            for method in dir(value):
                function = getattr(value, method)
                own = inspect.isfunction(function) and function.__module__.startswith("slimvec")
                if own and not method.startswith("_") and method not in {"from_content", "to_content"}:
                    yield f"{name}.{method}", function


OFFERED = [*public(sv), *public(sv.baselines)]


@pytest.mark.parametrize(("name", "value"), OFFERED, ids=[name for name, _ in OFFERED])
def test_public_names_are_documented(name, value):
    check_docstring(name, value)


def test_names_for_torch_are_documented():
    pytest.importorskip("torch")
    from slimvec import nn

    for name, value in public(nn):
        check_docstring(name, value)
        if inspect.isclass(value):
            assert ">>> " in inspect.getdoc(value), name


def test_names_for_dask_are_documented():
    pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    import slimvec.dask

    for name, value in public(slimvec.dask):
        check_docstring(name, value)
        assert ">>> " in inspect.getdoc(value), name


def check_docstring(name, value):
    text = inspect.getdoc(value)
    assert text, name
    if getattr(value, "__name__", "").startswith("from_"):
        return  # named constructors for the package's own use
    if inspect.isfunction(value):
        parameters = [p for p in inspect.signature(value).parameters if p != "self"]
        if parameters:
            assert "Parameters\n----------" in text, name
            documented = text.split("Parameters\n----------")[1].split("\n\n")[0]
            for parameter in parameters:
                assert re.search(rf"\b{parameter}\b", text.split("Parameters")[1]), f"{name}: {parameter}"
            assert documented
        returns_nothing = inspect.signature(value).return_annotation in {None, "None"}
        if not returns_nothing and value.__name__ != "use_isa":
            assert "Returns\n-------" in text or "see :meth" in text, name


def test_the_isa_table_of_cmake_is_that_of_the_code():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    flags = dict(re.findall(r"set\(FLAGS_(\w+) (.*)\)", cmake))
    for isa in _core.built_isas():
        if isa.name == "neon":
            continue  # part of the AArch64 baseline: no flag
        assert set(re.findall(r"-m(\w+)", flags[isa.name])) == set(isa.required), isa.name
    kernels = re.search(r"set\(KERNELS (.*)\)", cmake).group(1).split()
    own = dict(re.findall(r"set\(KERNELS_(\w+) (.*?)\)", cmake))  # of instruction sets that have some kernels only
    for kernel in kernels:
        found = {path.stem for path in (ROOT / "cpp" / "kernels" / kernel).glob("*.cpp")}
        assert found == {isa for isa in flags if kernel in own.get(isa, kernel).split()}, kernel


def test_the_module_is_hardened():
    """The C library is looked at by ctest, in the same way."""
    if sys.platform != "linux" or not (readelf := shutil.which("readelf")) or not shutil.which("awk"):
        pytest.skip("needs Linux, readelf and awk")
    script = ROOT / "tests" / "cpp" / "hardened.sh"
    done = subprocess.run(
        ["sh", script, readelf, _core.__file__, "PyInit__core"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_kernels_include_only_what_they_may():
    allowed = {"immintrin.h", "arm_neon.h", "cstddef", "cstdint", "cstring"}
    allowed |= {"kernels/kernels.hpp", "kernels/prefetch.hpp"}
    for path in (ROOT / "cpp" / "kernels").rglob("*.?pp"):
        shared = {f"kernels/{path.parent.name}/{header.name}" for header in path.parent.glob("*.hpp")}
        includes = set(re.findall(r'#include [<"](.*)[>"]', path.read_text()))
        assert includes <= allowed | shared, path


def test_files_stay_short():
    for folder in ("cpp", "python", "tests/cpp"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".cpp", ".hpp"}:
                assert len(path.read_text().splitlines()) <= 400, path


def test_only_a_layer_knows_how_its_transform_is_stored():
    """Beside the two implementations, slimvec.nn names them where a layer chooses one, and nowhere else."""
    for path in (ROOT / "python" / "slimvec" / "nn").glob("*.py"):
        if path.name in {"dense_transform.py", "slot_transform.py"}:
            continue
        named = [line for line in path.read_text().splitlines() if re.search("(Dense|Slot)Transform", line)]
        if path.name == "embedding.py":
            named = [line for line in named if not re.match("from slimvec.nn|STORAGES: ", line)]
        assert not named, path


def test_the_library_does_not_print():
    for path in (ROOT / "python" / "slimvec").rglob("*.py"):
        if path.name != "demo.py" and path.parent.name != "cli":
            assert not re.search(r"^\s*print\(", path.read_text(), re.MULTILINE), path
