"""Damaged files for hypothesis: a good one with a few edits, some of which know what a header looks like."""

from __future__ import annotations

import re

from hypothesis import settings
from hypothesis import strategies as st

# Fewer than usual, each of which writes and reads files; with --hypothesis-profile=long many more.
SEVERAL = settings(deadline=None, max_examples=settings.default.max_examples // 3)

NUMBERS = (b"0", b"1", b"2", b"3", b"5", b"64", b"-1", b"1e3", b"1.0", b"null", b"01", b"4294967296", b"9" * 30)
TOKENS = (
    *NUMBERS,
    *(b" ", b"\n", b"\r\n", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"nan", b"1e39", b"1e-400", b"0.25"),
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"F16", b"F32", b"F64", b"I64", b"U32", b"BF16"),
)


@st.composite
def damaged(draw, raw, max_edits=3):
    """Draw some bytes with a few of them overwritten, left out, put in or put twice."""
    for _ in range(draw(st.integers(0, max_edits))):
        at = draw(st.integers(0, len(raw)))
        begin, size = draw(st.integers(0, len(raw))), draw(st.integers(0, 40))
        put = draw(st.sampled_from([*TOKENS, b"", raw[begin : begin + size]]) | st.binary(max_size=8))
        cut = draw(st.sampled_from([0, len(put), 1, 4, size, len(raw)]))
        raw = raw[:at] + put + raw[at + cut :]
    return raw


@st.composite
def damaged_header(draw, raw):
    """Draw a safetensors file with other numbers, types and entries in its header, and a length that fits it again."""
    size = int.from_bytes(raw[:8], "little")
    header, body = raw[8 : 8 + size], raw[8 + size :]
    for _ in range(draw(st.integers(1, 3))):
        entries = [match.span() for match in re.finditer(rb',"[^"{}]*":\{[^{}]*\}', header)]
        what = draw(st.sampled_from([rb"\d+", rb"\w+", None])) if entries else rb"\d+"
        spans = entries if what is None else [match.span() for match in re.finditer(what, header)]
        begin, end = draw(st.sampled_from(spans or [(0, 0)]))
        other = draw(st.sampled_from(spans or [(0, 0)]))
        put = header[slice(*other)] if what != rb"\d+" or draw(st.booleans()) else draw(st.sampled_from(NUMBERS))
        if what is None:
            put = draw(st.sampled_from([b"", header[begin:end] + put]))
        header = header[:begin] + put + header[end:]
    header = header.rstrip(b" ") if draw(st.booleans()) else draw(damaged(header, 1))
    header += b" " * (-(8 + len(header)) % 64)
    return len(header).to_bytes(8, "little") + header + draw(damaged(body, 1))


def damaged_tensors(raw):
    """Return a strategy for damaged safetensors files: by their header, or anywhere."""
    return damaged_header(raw) | damaged(raw)
