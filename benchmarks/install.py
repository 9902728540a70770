"""What an installation takes: megabytes to download and on the disk, seconds, and files, beside peers.

Each is installed with all that it needs from files that were downloaded before, into a new environment, without a
compiler's help. Seconds are those of a core, which neither the network nor a busy machine changes much.

Run: ``python -m benchmarks.install`` with a wheel of this machine, as ``python tools/wheels.py`` makes them; peers
come from the package source that pip is set up for.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import venv
from pathlib import Path

from benchmarks.common import parser, table, write_result

PEERS = {"faiss-cpu": "faiss", "usearch": "usearch", "model2vec": "model2vec"}
PIP = ["-m", "pip", "--disable-pip-version-check", "-q"]


def run(*command: object) -> float:
    """Return the seconds of a core that a command took."""
    before = os.times()
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measured(wanted: str, module: str, folder: Path) -> list[object]:
    """Return the packages, the megabytes downloaded and installed, and the seconds of installing and of importing."""
    venv.create(folder / "v", with_pip=True, clear=True)
    python, downloaded = folder / "v" / "bin" / "python", folder / "downloaded"
    (packages,) = (folder / "v" / "lib").glob("python*/site-packages")
    before = megabytes(packages)
    run(python, *PIP, "download", "--only-binary=:all:", "-d", downloaded, wanted)
    from_there = ["--no-index", "--find-links", downloaded]
    seconds = run(python, *PIP, "install", "--no-cache-dir", *from_there, wanted)
    run(python, "-c", f"import {module}")  # what was read once is in memory
    importing = run(python, "-c", f"import {module}")
    files = list(downloaded.iterdir())
    sizes = megabytes(downloaded), megabytes(packages) - before
    return [len(files), *(f"{size:.1f}" for size in sizes), f"{seconds:.1f}", f"{importing:.2f}"]


def main():
    options = parser(__doc__, data=False)
    options.add_argument("wheel", type=Path, help="a wheel of slimvec for this machine")
    wheel = options.parse_args().wheel.resolve()
    rows = []
    for wanted, module in {str(wheel): "slimvec", **PEERS}.items():
        with tempfile.TemporaryDirectory() as folder:
            rows.append([f"{module}, of {wheel.stat().st_size / 1e6:.1f} MB" if module == "slimvec" else wanted])
            rows[-1] += measured(wanted, module, Path(folder))
    assert wheel.stat().st_size < 2e6
    header = ["with all that it needs", "packages", "MB downloaded", "MB on the disk", "s to install", "s to import"]
    write_result("install", "Install", [table(rows, header)])


if __name__ == "__main__":
    main()
