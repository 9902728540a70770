"""Text that comes from files, as a terminal may see it."""

from __future__ import annotations

import re

# Control characters, which move the cursor or worse; line separators; what turns the direction of all that follows.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def visible(text: object) -> str:
    r"""Return text with the characters that a terminal would obey written out, such as ``\x1b``."""
    return _OBEYED.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\u0100" else ascii(found[0])[1:-1], str(text)
    )


def visible_lines(text: str) -> str:
    """Return the same of a message that may have several lines."""
    return "\n".join(map(visible, text.split("\n")))
