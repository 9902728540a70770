"""Packing, unpacking and the blocked layout: every ISA against the NumPy twin, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import slimvec as sv
from conftest import random_codes
from slimvec import _core, reference
from slimvec.binary.codes import BlockedCodes
from slimvec.isa import current

WIDTHS = [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 75, 150, 300, 511, 1023, 1024, 4096]
COUNTS = [0, 1, 2, 15, 16, 17, 100]
SPECIAL = np.array([0.0, -0.0, 1e-45, -1e-45, np.nan, np.inf, -np.inf], np.float32)


@pytest.mark.parametrize("n_bits", WIDTHS)
@pytest.mark.parametrize("n", COUNTS)
def test_kernels_equal_their_twins(isa, n, n_bits):
    generator = np.random.default_rng(n_bits)
    rows = generator.standard_normal((n, n_bits), dtype=np.float32)
    rows[generator.random(rows.shape) < 0.2] = 0.0
    codes = _core.pack_signs(current(), rows)
    assert np.array_equal(codes, reference.pack_signs(rows))
    scales = generator.standard_normal(n, dtype=np.float32)
    assert np.array_equal(_core.unpack(current(), codes, n_bits), reference.unpack(codes, n_bits))
    assert np.array_equal(_core.unpack(current(), codes, n_bits, scales), reference.unpack(codes, n_bits, scales))


def test_signs_of_special_values(isa):
    values = np.resize(SPECIAL, (5, 41))
    expected = np.where(np.isnan(values), 0, values >= 0).astype(np.uint8)
    assert np.array_equal(reference.unpack_bits(sv.pack(values), 41), expected)


def test_bit_order_is_that_of_faiss_and_little_packbits():
    assert sv.pack([[1, -1, -1, -1, -1, -1, -1, -1, 1, 1]]).tolist() == [[0b1, 0b11]]


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 20), st.integers(1, 200)), elements=st.floats(-1, 1, width=32)))
def test_unpack_undoes_pack(values):
    codes = sv.pack(values)
    assert np.array_equal(sv.unpack(codes, values.shape[1]), np.where(values >= 0, 1, -1))
    assert np.array_equal(sv.pack(sv.unpack(codes, values.shape[1])), codes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pack_takes_any_real_dtype_and_order(dtype, order):
    values = np.arange(-30, 30).reshape(4, 15).astype(dtype, order=order)
    assert np.array_equal(sv.pack(values), reference.pack_signs(values))


def test_tiny_float64_keep_their_sign():
    assert sv.pack([[-1e-300, 1e-300, -0.0]]).tolist() == [[0b110]]


@pytest.mark.parametrize("scale", [0.5, np.float32(-2)])
def test_one_scale_for_all(scale):
    codes = random_codes(5, 33)
    assert np.array_equal(sv.unpack(codes, 33, scale), reference.unpack(codes, 33, np.full(5, scale, np.float32)))


@pytest.mark.parametrize("n_bits", WIDTHS)
@pytest.mark.parametrize("n", COUNTS)
def test_blocks_equal_their_twin(n, n_bits):
    codes = random_codes(n, n_bits)
    ours = BlockedCodes.from_rows(codes, n_bits)
    twin = np.zeros_like(ours.blocks)
    reference.write_blocks(codes, n_bits, 0, twin, n)
    assert np.array_equal(ours.blocks, twin)
    ids = np.random.default_rng(0).integers(0, max(n, 1), 50 if n else 0)
    assert np.array_equal(ours.read(ids), codes[ids])
    assert np.array_equal(reference.read_blocks(twin, n, n_bits, ids), codes[ids])


def test_blocks_are_word_major():
    blocks = BlockedCodes.from_rows(random_codes(40, 70), 70)
    assert blocks.blocks.shape == (3, 3, 16)
    code = random_codes(40, 70)[17]
    word = int.from_bytes(code[4:8].tobytes(), "little")
    assert blocks.blocks[1, 1, 1] == word


@pytest.mark.parametrize(("n", "n_bits"), [(1, 1), (17, 75), (100, 300)])
def test_lookup_and_bag_mean_equal_their_twins(isa, n, n_bits):
    blocks = BlockedCodes.from_rows(random_codes(n, n_bits), n_bits)
    generator = np.random.default_rng(1)
    ids = generator.integers(0, n, 200)
    assert np.array_equal(blocks.lookup(ids), reference.lookup(blocks.blocks, n, n_bits, ids))
    offsets = np.array([0, 0, 1, 3, 100, 100, 200])
    assert np.array_equal(blocks.bag_mean(ids, offsets), reference.bag_mean(blocks.blocks, n, n_bits, ids, offsets))


@given(st.integers(1, 90), st.lists(st.lists(st.integers(0, 29), max_size=9), max_size=6))
def test_bag_mean_does_not_depend_on_order(n_bits, bags):
    blocks = BlockedCodes.from_rows(random_codes(30, n_bits), n_bits)
    offsets = np.cumsum([0, *map(len, bags)])
    flat = np.array([row for bag in bags for row in bag], np.int64)
    turned = np.array([row for bag in bags for row in bag[::-1]], np.int64)
    assert np.array_equal(blocks.bag_mean(flat, offsets), blocks.bag_mean(turned, offsets))


class TestBadInput:
    def test_pack(self):
        with pytest.raises(ValueError, match=r"values has shape \(3,\).*values\[None\]"):
            sv.pack([1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="at least one column"):
            sv.pack(np.zeros((3, 0)))
        with pytest.raises(TypeError, match=r"values has dtype <U1; expected real numbers"):
            sv.pack([["a"]])
        with pytest.raises(TypeError, match="complex128"):
            sv.pack([[1j]])

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32, np.uint64])
    def test_what_is_never_negative_has_no_signs_to_pack(self, dtype):
        bits = np.random.default_rng(0).integers(0, 2, (6, 16)).astype(dtype)
        for values in (bits, bits[:0], bits.tolist() if dtype is bool else bits.T):
            with pytest.raises(
                TypeError, match=rf'dtype {np.dtype(dtype)}.*np\.packbits\(values, axis=1, bitorder="little"\)'
            ):
                sv.pack(values)
        by_remedy = np.packbits(bits, axis=1, bitorder="little")
        assert np.array_equal(sv.pack(2 * bits.astype(np.int8) - 1), by_remedy)
        assert np.array_equal(sv.pack(bits.astype(np.float32) - bits.mean()), by_remedy)

    @pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64])
    def test_signed_numbers(self, dtype):
        assert sv.pack(np.array([[1, -1, 0, -7, 7]], dtype)).tolist() == [[0b10101]]

    def test_unpack(self):
        codes = random_codes(3, 12)
        with pytest.raises(TypeError, match="codes has dtype int32; expected packed codes of dtype uint8"):
            sv.unpack(codes.astype(np.int32), 12)
        with pytest.raises(ValueError, match=r"codes has shape \(3, 2\); expected \(n, 3\), the bytes of 17 bits"):
            sv.unpack(codes, 17)
        with pytest.raises(ValueError, match="n_bits=0; expected at least 1"):
            sv.unpack(codes, 0)
        with pytest.raises(TypeError, match=r"n_bits=12\.0 is not an integer"):
            sv.unpack(codes, 12.0)
        with pytest.raises(TypeError, match="n_bits=True is not an integer"):
            sv.unpack(codes, True)
        with pytest.raises(ValueError, match=r"scale has shape \(2,\); expected one number, or one per code: \(3,\)"):
            sv.unpack(codes, 12, [1, 2])
        with pytest.raises(ValueError, match="codes has bits set past bit 11"):
            sv.unpack(np.full((1, 2), 255, np.uint8), 12)

    def test_the_border_checks_again(self):
        """What Python would have refused must not get past the bindings either: memory safety rests on them."""
        codes = random_codes(20, 12)
        blocks = BlockedCodes.from_rows(codes, 12)
        ids = np.arange(3)
        with pytest.raises(ValueError, match=r"codes must have shape \(n, 3\)"):
            _core.unpack(current(), codes, 17)
        with pytest.raises(TypeError):
            _core.unpack(current(), codes.astype(np.int16), 12)
        with pytest.raises(TypeError):  # not C-contiguous: no hidden copy
            _core.pack_signs(current(), np.zeros((4, 4), np.float32).T[:, ::2])
        with pytest.raises(ValueError, match="one entry per code"):
            _core.unpack(current(), codes, 12, np.ones(3, np.float32))
        with pytest.raises(ValueError, match="past the last row"):
            _core.write_blocks(codes, 12, 1, blocks.blocks, 20)
        with pytest.raises(ValueError, match="past the last row"):
            _core.write_blocks(codes, 12, 2**63, blocks.blocks, 20)
        with pytest.raises(ValueError, match=r"blocks must have shape \(2, 2, 16\)"):
            _core.read_blocks(blocks.blocks, 20, 33, ids)
        with pytest.raises(ValueError, match="blocks must have shape"):
            _core.lookup(current(), blocks.blocks, 33, 12, ids)
        nothing = np.empty((0, 1, 16), np.uint32)
        for huge in (2**64 - 1, 2**64 - 16, 2**40):
            with pytest.raises(ValueError, match="blocks must have shape"):
                _core.read_blocks(nothing, huge, 32, ids)
        for n_bits in (0, 2**24, 2**64 - 1):
            with pytest.raises(ValueError, match="n_bits must lie between 1 and 16777215"):
                _core.unpack(current(), codes, n_bits)
        with pytest.raises(TypeError):
            _core.read_blocks(blocks.blocks, -1, 12, ids)
        for bad in (-1, 20, 2**32, 2**62):
            with pytest.raises(IndexError, match=f"row {bad} is outside the table's rows 0 ... 19"):
                _core.lookup(current(), blocks.blocks, 20, 12, np.array([bad]))
        for offsets in ([0, 4], [2, 1], [-1, 2]):
            with pytest.raises(ValueError, match="offsets must not fall"):
                _core.bag_mean(current(), blocks.blocks, 20, 12, ids, np.array(offsets))
        with pytest.raises(ValueError, match="n_bags"):
            _core.bag_mean(current(), blocks.blocks, 20, 12, ids, np.array([], np.int64))
        misaligned = np.frombuffer(bytes(2 * 16 * 4 + 1), np.uint8)[1:].view(np.uint32).reshape(2, 1, 16)
        with pytest.raises(ValueError, match="aligned"):
            _core.read_blocks(misaligned, 20, 12, ids)
        shifted = np.frombuffer(bytes(8 * 3 + 1), np.uint8)[1:]
        with pytest.raises(ValueError, match="aligned"):
            _core.read_blocks(blocks.blocks, 20, 12, shifted.view(np.int64))
        with pytest.raises(ValueError, match="aligned"):
            _core.pack_signs(current(), shifted.view(np.float32).reshape(2, 3))
        assert sv.pack(shifted.view(np.float32).reshape(2, 3)).tolist() == [[7], [7]]

    def test_instruction_sets_cannot_be_forged(self):
        with pytest.raises(TypeError, match="come from available_isas"):
            _core.Isa()
        forged = _core.Isa.__new__(_core.Isa)
        for use in (lambda: forged.name, lambda: repr(forged), lambda: _core.pack_signs(forged, np.ones((1, 1), "f"))):
            with pytest.raises((ValueError, TypeError)):
                use()

    def test_read_only_blocks_are_not_written(self):
        blocks = BlockedCodes.from_rows(random_codes(20, 12), 12)
        blocks.blocks.flags.writeable = False
        with pytest.raises(ValueError, match="not writeable"):
            blocks.write(0, random_codes(1, 12))
