"""Pictures of how it works: a rotation before signs, bits by variance, E = T A, and sixteen codes side by side."""

from __future__ import annotations

import numpy as np

STYLE = (
    "svg{background:#fff;font-family:system-ui,sans-serif}.head{font-size:18px;fill:#1b1f24;font-weight:600}"
    ".text{font-size:16px;fill:#5d6670}.mono{font:18px ui-monospace,monospace;fill:#1b1f24}"
    ".line{stroke:#b9c0c9;fill:none}.a{fill:#2f6fde}.b{fill:#d9622b}.c{fill:#2a9d6f}.d{fill:#a44ec2}.none{fill:#eef1f4}"
    ".grey{fill:#b9c0c9}"
)
KINDS = "abcd"
WIDTH = 640


def drawing(height: int, name: str, parts: list[str]) -> str:
    """Return a file of SVG."""
    size = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(parts)}</svg>\n'


def text(x: float, y: float, words: str, kind: str = "text", anchor: str = "middle") -> str:
    """Return words at a place."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def cell(x: float, y: float, size: float, kind: str, opacity: float = 1.0) -> str:
    """Return a square."""
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" rx="2" opacity="{opacity:.2f}"/>'
    )


def iiq() -> str:
    """Four groups of points: as they are, centred, rotated into the quadrants; and what is left of each: its signs."""
    generator = np.random.default_rng(4)
    angles = np.array([0, 90, 180, 270]) * np.pi / 180
    centres = 40 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.repeat(centres, 12, axis=0) + 7 * generator.standard_normal((48, 2))
    turn = np.pi / 4
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    panels = [
        ("off centre", points + np.array([24, 30])),
        ("centred", points),
        ("rotated", points @ rotation),
    ]
    parts = []
    for number, (title, places) in enumerate(panels):
        x0, y0 = 106 + 214 * number, 128
        parts.append(text(x0, 22, title, "head"))
        parts.append(f'<path class="line" d="M{x0 - 92} {y0}h184M{x0} {y0 - 92}v184"/>')
        parts += [
            f'<circle class="{KINDS[row // 12]}" cx="{x0 + x:.1f}" cy="{y0 - y:.1f}" r="3.5"/>'
            for row, (x, y) in enumerate(places)
        ]
    x0 = 106 + 428
    for x, y, bits in ((68, -78, "11"), (-68, -78, "01"), (-68, 88, "00"), (68, 88, "10")):
        parts.append(text(x0 + x, 128 + y, bits, "mono"))
    return drawing(232, "vectors as they are, centred, and rotated until signs keep what is near together", parts)


def bits() -> str:
    """Directions by variance, and the bits that each gets."""
    variances = 150 * 0.78 ** np.arange(20)
    given = [4, 4, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    parts = [text(20, 22, "variance along each direction", "head", "start"), text(20, 218, "bits", "head", "start")]
    for number, (variance, n_bits) in enumerate(zip(variances, given, strict=True)):
        x = 24 + 30 * number
        kind = "a" if n_bits else "grey"
        parts.append(
            f'<rect class="{kind}" x="{x}" y="{190 - variance:.1f}" width="20" height="{variance:.1f}" rx="2"/>'
        )
        parts += [cell(x, 228 + 24 * bit, 20, "a") for bit in range(n_bits)]
    return drawing(332, "strong directions get several bits, weak ones none", parts)


def ant() -> str:
    """E, T and A as squares, one row of E followed through."""
    generator = np.random.default_rng(1)
    n, k, d, size, step = 12, 4, 7, 18, 20
    transform = np.zeros((n, k))
    for row in range(n):
        transform[row, generator.choice(k, 1 + row % 2, replace=False)] = generator.uniform(0.45, 1)
    parts = [
        text(80, 22, "E: n rows", "head"),
        text(320, 22, "T: sparse", "head"),
        text(520, 22, "A: k anchors", "head"),
        text(220, 170, "=", "head"),
        text(404, 170, "×", "head"),
    ]
    for row in range(n):
        y = 40 + step * row
        for column in range(d):
            parts += [
                cell(12 + step * column, y, size, KINDS[anchor], 0.65 * transform[row, anchor])
                for anchor in range(k)
                if transform[row, anchor]
            ]
        for anchor in range(k):
            weight = transform[row, anchor]
            parts.append(cell(280 + step * anchor, y, size, KINDS[anchor] if weight else "none", weight or 1.0))
    for anchor in range(k):
        parts += [cell(450 + step * column, 110 + step * anchor, size, KINDS[anchor]) for column in range(d)]
    parts.append(text(520, 216, "learnt, and stored whole"))
    parts.append(text(320, 306, "stored: the non-zeros"))
    parts.append(text(80, 306, "not stored"))
    return drawing(322, "each row of the table is a sum of a few anchors", parts)


def blocks() -> str:
    """Words of sixteen codes, in the order in which they lie in memory."""
    parts = []
    for word in range(3):
        y = 40 + 44 * word
        parts.append(text(20, y + 20, f"word {word}", "head", "start"))
        for code in range(16):
            x = 92 + 33 * code
            parts.append(cell(x, y, 30, "a" if code == 5 else "none"))
            parts.append(text(x + 15, y + 20, str(code), "text" if code != 5 else "mono"))
    parts.append(text(92, 22, "32 bits of each of 16 codes, one after the other", "text", "start"))
    parts.append(text(92, 188, "the columns are codes: a register holds one row", "text", "start"))
    return drawing(204, "a block of sixteen codes, word by word", parts)
