"""Make the tables by which C splits texts into words: ``python tools/letters.py > cpp/capi/letters.hpp``.

What ``re`` takes for a letter of a word, and what ``str.lower`` makes of letters, is asked of the Python that runs
this; its version of Unicode stands in the file. ``tests/test_c_classifier.py`` compares.
"""

from __future__ import annotations

import re
import sys
import unicodedata

EVERY = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
WIDTH = 120
FINAL, SIGMA = "ς", "Σ"  # of a capital sigma at the end of a word, and the capital


def ranges(codes: list[int]) -> list[tuple[int, ...]]:
    """Return first and last of each run of numbers."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return [tuple(pair) for pair in found]


def lower_runs(lower: dict[int, int]) -> list[tuple[int, ...]]:
    """Return first, last, step and what is added, of letters that lie evenly and change alike."""
    found: list[list[int]] = []
    for code, small in sorted(lower.items()):
        last = found[-1] if found else None
        if last is not None and last[3] == small - code:
            is_alone = last[0] == last[1]
            if code - last[1] == last[2] or (is_alone and code - last[1] == 2):
                last[1:3] = [code, code - last[1]]
                continue
        found.append([code, code, 1, small - code])
    return [tuple(run) for run in found]


def table(comment: str, kind: str, name: str, rows: list[tuple[int, ...]]) -> str:
    """Return a table in C++, as many rows on a line as there is room for."""
    lines, line = [f"// {comment}", f"constexpr {kind} {name}[] = {{"], "   "
    for row in rows:
        numbers = [f"{number:#x}" if place < 2 else str(number) for place, number in enumerate(row)]
        piece = f" {{{', '.join(numbers)}}},"
        if len(line) + len(piece) > WIDTH:
            lines.append(line)
            line = "   "
        line += piece
    return "\n".join([*lines, line, "};"])


def letters() -> str:
    """Return the file."""
    word = [code for code in EVERY if re.match(r"\w", chr(code))]
    cased = [code for code in EVERY if (chr(code) + SIGMA).lower()[-1] == FINAL]
    ignored = sorted({code for code in EVERY if ("A" + chr(code) + SIGMA).lower()[-1] == FINAL} - set(cased))
    small = {code: chr(code).lower() for code in EVERY}
    lower = {code: ord(text) for code, text in small.items() if len(text) == 1 and ord(text) != code}
    parts = [
        f"// Letters of Unicode {unicodedata.unidata_version}: made by tools/letters.py from Python's own tables.",
        "#pragma once\n\n#include <cstdint>\n\nnamespace slimvec {\n",
        "struct LetterRange {\n  std::uint32_t first, last;\n};\n",
        "struct LowerRun {\n  std::uint32_t first, last, step;\n  std::int32_t added;\n};\n",
        "// clang-format off",
        table("What a word consists of: letters, digits, the underscore.", "LetterRange", "kWord", ranges(word)),
        table("Letters that have a case.", "LetterRange", "kCased", ranges(cased)),
        table("What does not part a letter from a sigma.", "LetterRange", "kIgnored", ranges(ignored)),
        table("Each step-th letter from first to last becomes another one, added away.", "LowerRun", "kLower",
              lower_runs(lower)),
        "// clang-format on\n\n}  // namespace slimvec\n",
    ]  # fmt: skip
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(letters())
