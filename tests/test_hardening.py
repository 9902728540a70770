"""The built module is read as the file that it is: what turns a fault into an end, and not into an attack, is there."""

from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

import pytest

from slimvec import _core

PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 2, 0x6474E551, 0x6474E552
DT_NULL, DT_STRTAB, DT_SYMTAB, DT_FLAGS, DT_FLAGS_1, DT_TEXTREL = 0, 5, 6, 30, 0x6FFFFFFB, 22
BIND_NOW, NOW_1, EXECUTE = 8, 1, 1
SHT_DYNSYM = 11


class Elf:
    """A shared library of 64 bits, little-endian: its segments, dynamic entries and dynamic symbols."""

    def __init__(self, path):
        self.bytes = Path(path).read_bytes()
        assert self.bytes[:6] == b"\x7fELF\x02\x01"
        segments_at, sections_at = struct.unpack_from("<QQ", self.bytes, 32)
        segment_size, n_segments, section_size, n_sections = struct.unpack_from("<4H", self.bytes, 54)
        # type, flags, offset, address, physical address, bytes in the file, bytes in memory, alignment
        self.segments = [
            struct.unpack_from("<II6Q", self.bytes, segments_at + i * segment_size) for i in range(n_segments)
        ]
        # name, type, flags, address, offset, size, link, info, alignment, entry size
        self.sections = [
            struct.unpack_from("<II4QIIQQ", self.bytes, sections_at + i * section_size) for i in range(n_sections)
        ]

    def segment(self, kind):
        (found,) = (one for one in self.segments if one[0] == kind)
        return found

    def dynamic(self):
        _, _, offset, _, _, size, _, _ = self.segment(PT_DYNAMIC)
        entries = dict(struct.iter_unpack("<qQ", self.bytes[offset : offset + size]))
        assert DT_NULL in entries
        return entries

    def symbols(self):
        """Yield (name, binding, is it defined here) of all symbols that the module shares with others."""
        (table,) = (one for one in self.sections if one[1] == SHT_DYNSYM)
        names_at = self.sections[table[6]][4]
        for offset in range(table[4] + 24, table[4] + table[5], 24):
            name, info, _, section, _, _ = struct.unpack_from("<IBBHQQ", self.bytes, offset)
            start = names_at + name
            yield self.bytes[start : self.bytes.index(0, start)].decode(), info >> 4, section != 0


@pytest.fixture(scope="module")
def module():
    if sys.platform != "linux":
        pytest.skip("needs the format of Linux")
    return Elf(_core.__file__)


def test_addresses_are_bound_at_once_and_read_only_from_then_on(module):
    dynamic = module.dynamic()
    assert dynamic.get(DT_FLAGS, 0) & BIND_NOW or dynamic.get(DT_FLAGS_1, 0) & NOW_1
    assert module.segment(PT_GNU_RELRO)[6] > 0
    assert DT_TEXTREL not in dynamic  # code stays as it was compiled


def test_nothing_can_be_written_and_executed(module):
    assert not module.segment(PT_GNU_STACK)[1] & EXECUTE
    writable = [one for one in module.segments if one[0] == 1 and one[1] & 2]
    assert writable
    assert not any(one[1] & EXECUTE for one in writable)


def test_stacks_are_watched(module):
    if platform.machine() == "aarch64" and _core.compiler.startswith("Clang"):
        pytest.skip("zig links the function that ends the process into the module, which does not name it then")
    assert any(name == "__stack_chk_fail" for name, _, is_here in module.symbols() if not is_here)


def test_nothing_is_shown_but_what_python_asks_for(module):
    shown = {name for name, binding, is_here in module.symbols() if is_here and binding != 0}
    assert shown == {"PyInit__core"}
