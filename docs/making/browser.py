"""Put slimvec as WebAssembly, and a table of words, on the built site: ``python docs/making/browser.py build/site``.

It needs Emscripten, CMake, Ninja and slimvec with SciPy; ``docs/in-the-browser.md`` shows what it makes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FUNCTIONS = ["malloc", "free", *(f"slimvec_{name}" for name in ("open", "rows", "find", "word", "nearest"))]
OPTIONS = ["-O3", "-fexceptions", "-sMODULARIZE=1", "-sEXPORT_ES6=1", "-sENVIRONMENT=web", "-sALLOW_MEMORY_GROWTH=1"]
OPTIONS += ["-sWASM_BIGINT=1", "-sFORCE_FILESYSTEM=1", "-sEXPORTED_RUNTIME_METHODS=FS", "--no-entry"]


def run(*command: object) -> None:
    places = {"NODE_PATH": "/usr/share/nodejs"} | os.environ  # where Debian keeps modules that Emscripten needs
    subprocess.run([str(part) for part in command], cwd=ROOT, env=places, check=True)  # noqa: S603


def main(site: Path) -> None:
    """Compile the C library and link what a page calls; make the words of ``slimvec demo``."""
    folder, build = site / "_static" / "browser", ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    run("cmake", "--preset", "wasm", "-B", build, "-DSLIMVEC_TESTS=OFF")
    run("cmake", "--build", build, "--target", "slimvec_static")
    exported = ",".join(f"_{name}" for name in FUNCTIONS)
    library = build / "cpp" / "capi" / "libslimvec.a"
    run("em++", *OPTIONS, f"-sEXPORTED_FUNCTIONS={exported}", library, "-o", folder / "slimvec.mjs")
    run(sys.executable, "-m", "slimvec", "demo", "-o", folder / "words.slim")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
