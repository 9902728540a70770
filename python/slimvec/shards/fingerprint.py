"""What made the codes of a shard, in short: the same for all shards of a table."""

from __future__ import annotations

import hashlib
import json
from typing import Any

OF_ROWS = ("codes", "factors", "refinement.codes", "refinement.numbers", "words.text", "words.offsets", "words.slots")


def fingerprint(facts: dict[str, Any]) -> str:
    """Return a number for the encoder that a file's facts tell of: from checksums of its arrays, and its units."""
    checksums = facts.get("crc32")
    checksums = checksums if isinstance(checksums, dict) else {}
    factors = facts.get("factors")
    said = {
        "arrays": {name: number for name, number in checksums.items() if name not in OF_ROWS},
        "bits": facts.get("bits"),
        "grid": facts.get("grid"),
        "refinement": facts.get("refinement"),
        "unit": factors.get("norm") if isinstance(factors, dict) else None,
    }
    return digest(said)


def digest(said: dict[str, Any]) -> str:
    """Return the SHA-256 of what is said, in whatever order."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
