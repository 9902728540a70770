"""Headers that lie: whatever a file says of itself, a table answers as it was saved, or the file is refused."""

from __future__ import annotations

import json
import os
import re
import zlib
from contextlib import suppress

import numpy as np
import pytest
from scipy.sparse import csr_array

import slimvec as sv
from conftest import random_codes
from slimvec.binary.codes import BlockedCodes
from slimvec.files import table_file
from slimvec.files.safetensors import parse_header
from slimvec.files.table_writer import save_table

EVERY_BIT = bool(os.environ.get("SLIMVEC_EVERY_BIT"))  # of every header: minutes instead of seconds
WORDS = [f"word{i}" for i in range(40)]


def binary():
    return sv.BinaryTable(random_codes(40, 75), 75)


def with_words():
    return sv.BinaryTable(random_codes(40, 75), 75, words=WORDS)


def with_factors():
    vectors = np.random.default_rng(0).standard_normal((40, 20)).astype(np.float32)
    return sv.IIQ(n_bits=20, n_remove=0).compress(vectors, factors=True)


def hamming():
    return sv.HammingIndex(random_codes(40, 75), 75)


def sparse(dtype):
    generator = np.random.default_rng(1)
    weights = np.where(generator.random((40, 9)) < 0.4, generator.standard_normal((40, 9)), 0)
    return sv.SparseTable(generator.standard_normal((9, 5)), csr_array(weights), WORDS, dtype=dtype)


KINDS = {
    "binary": binary, "words": with_words, "factors": with_factors, "hamming": hamming,
    "float32": lambda: sparse("float32"), "float16": lambda: sparse("float16"), "int4": lambda: sparse("int4"),
}  # fmt: skip


def answers(table):
    """Return what a table says to questions of every kind, as one comparable text."""
    said = [table.info() | {"resident": None}]
    if isinstance(table, sv.HammingIndex):
        found = table.search(np.zeros((2, 10), np.uint8), k=9)
        return repr([said, table.pairwise().tolist(), found.distances.tolist(), found.indices.tolist()])
    said += [list(table), table.lookup(range(40)).tolist(), table.most_similar(3, k=9), table.mean([[0, 1]]).tolist()]
    if isinstance(table, sv.SparseTable) or table.info()["dimension"]:
        found = table.search(np.eye(table.dim)[:2], k=9)
        said += [found.scores.tolist(), found.indices.tolist()]
    return repr(said)


def changed(raw, change):
    """Return a file whose header text has been changed."""
    length = int.from_bytes(raw[:8], "little")
    text = change(raw[8 : 8 + length])
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text + raw[8 + length :]


def with_facts(raw, **facts):
    def change(text):
        header = json.loads(text)
        old = json.loads(header["__metadata__"]["facts"])
        header["__metadata__"]["facts"] = json.dumps({**old, **facts})
        return json.dumps(header).encode()

    return changed(raw, change)


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_of_a_header_changes_an_answer(kind, tmp_path):
    table, path = KINDS[kind](), tmp_path / "t"
    table.save(path)
    expected, raw = answers(sv.open(path, verify=True)), bytearray(path.read_bytes())
    n_bits = 8 * (8 + int.from_bytes(raw[:8], "little"))
    # Two names may change unnoticed: that of the checksum, which files of before lack, and the number of a padding.
    free = {i for name in re.finditer(rb"checksum|(?<=_padding)\d+", raw) for i in range(*name.span())}
    for bit in range(0, n_bits, 1 if EVERY_BIT else 41):
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        with suppress(sv.FormatError):
            assert answers(sv.open(path, verify=True)) == expected, f"bit {bit} changes the table"
            assert bit // 8 in free, f"bit {bit} is not noticed"
        raw[bit // 8] ^= 1 << bit % 8


class TestChecksum:
    def test_rows_that_do_not_exist(self, tmp_path):
        path = tmp_path / "t"
        binary().save(path)
        raw = path.read_bytes()
        path.write_bytes(with_facts(raw, rows=48))
        with pytest.raises(sv.FormatError, match="does not match its checksum"):
            sv.open(path, verify=True)
        path.write_bytes(with_facts(raw, rows=33))
        with pytest.raises(sv.FormatError, match="more than the 33 codes"):
            sv.open(path)

    def test_it_is_one_more_fact_and_nothing_else_changes(self, tmp_path):
        with_words().save(tmp_path / "new")
        new = json.loads((tmp_path / "new").read_bytes()[8:].split(b"}}")[0] + b"}}")["__metadata__"]
        facts = json.loads(new["facts"])
        assert new["format_version"] == "1"
        assert list(facts) == ["kind", "rows", "bits", "made_by", "crc32", "checksum"]
        assert list(facts["crc32"]) == ["codes", "words.text", "words.offsets", "words.slots"]

    def test_its_definition(self, tmp_path):
        """CRC-32 of [facts without it, {tensor: [dtype, shape]}] as Python writes JSON with sorted names."""
        hamming().save(tmp_path / "t")
        facts = table_file.read_content(tmp_path / "t").facts
        checksum = facts.pop("checksum")
        said = f'[{json.dumps(facts, sort_keys=True)}, {{"codes": ["<u4", [3, 3, 16]]}}]'
        assert zlib.crc32(said.encode()) == checksum

    def test_an_infinite_parameter_is_written_as_text(self, tmp_path):
        facts, tensors = binary().to_content()
        facts["made_by"] = {"method": "mine", "parameters": {"limit": float("inf")}}
        save_table(tmp_path / "t", facts, tensors)
        assert sv.open(tmp_path / "t", verify=True).info()["made_by"]["parameters"] == {"limit": "Infinity"}


class TestJson:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"shape":', b'"shape":[1,1,16],"shape":'),  # two tables in one file
            (b'{"__metadata__"', b'{"codes":{},"__metadata__"'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"rows\\": 33'),
            (b'\\"rows\\": 40', b'\\"rows\\": NaN'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"x\\": -Infinity'),
            (b'\\"rows\\": 40', b'\\"rows\\": 040'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40.0'),
            (b'\\"rows\\": 40', b'\\"rows\\": rows'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"x\\": ' + b"[" * 32 + b"]" * 32),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"x\\": \\"\x01\\"'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"x\\": \\"\xff\\"'),
            (b'\\"rows\\": 40', b'\\"rows\\": 40, \\"x\\": \\"\\\\ud800\\"'),
            (b'"dtype":"U32"', b'"dtype":"U32","more":0'),
            (b'"format_version"', b'"other":[],"format_version"'),
        ],
    )
    def test_refused(self, old, new, tmp_path):
        hamming().save(tmp_path / "t")
        raw = (tmp_path / "t").read_bytes()
        (tmp_path / "t").write_bytes(changed(raw, lambda text: text.replace(old, new, 1)))
        assert (tmp_path / "t").read_bytes() != raw
        with pytest.raises(sv.FormatError):
            sv.open(tmp_path / "t")

    def test_a_nesting_of_32_is_read(self, tmp_path):
        hamming().save(tmp_path / "t")
        nested = json.loads("[" * 31 + '"[{"' + "]" * 31)
        (tmp_path / "t").write_bytes(with_facts((tmp_path / "t").read_bytes(), x=nested))
        assert len(sv.open(tmp_path / "t")) == 40

    def test_other_encodings_are_no_json(self):
        for encoding in ("utf-8-sig", "utf-16", "utf-32"):
            with pytest.raises(sv.FormatError, match="not JSON"):
                parse_header('{"a":{}}'.encode(encoding))

    @pytest.mark.parametrize("shape", [[2**40, 2**40, 0], [0, 2**62], [0] + [1] * 8])
    def test_shapes_that_numpy_does_not_take(self, shape, tmp_path):
        empty = sv.SparseTable(np.ones((1, 2)), csr_array(np.zeros((3, 1))))
        empty.save(tmp_path / "t")
        text = json.dumps(shape, separators=(",", ":")).encode()
        raw = (tmp_path / "t").read_bytes()
        (tmp_path / "t").write_bytes(changed(raw, lambda header: header.replace(b'"shape":[0]', b'"shape":' + text, 1)))
        assert (tmp_path / "t").read_bytes() != raw
        with pytest.raises(sv.FormatError, match="too many dimensions or elements"):
            sv.open(tmp_path / "t")


class TestPadding:
    """Bits past ``n_bits``, and codes past the last one: with right checksums, as an attacker makes them."""

    def saved(self, path, blocks, n_codes=40, n_bits=75):
        save_table(path, {"kind": "hamming", "rows": n_codes, "bits": n_bits}, {"codes": blocks})
        return path

    @pytest.mark.parametrize("place", [(2, 2, 0), (2, 2, 7)])
    def test_bits_in_the_last_block_are_refused_at_once(self, place, tmp_path):
        blocks = BlockedCodes.from_rows(random_codes(40, 75), 75).blocks.copy()
        blocks[place] |= np.uint32(1 << 11)
        with pytest.raises(sv.FormatError, match="bits set past bit 74"):
            sv.open(self.saved(tmp_path / "t", blocks))

    def test_bits_elsewhere_are_found_before_they_count(self, tmp_path, isa):
        blocks = BlockedCodes.from_rows(random_codes(40, 75), 75).blocks.copy()
        blocks[0, 2, 3] |= np.uint32(1 << 31 | 1 << 11)
        path = self.saved(tmp_path / "t", blocks)
        with pytest.raises(sv.FormatError, match="bits set past bit 74"):
            sv.open(path, verify=True)
        queries = random_codes(2, 75)
        for ask in (
            lambda index: index.search(queries, k=3),
            lambda index: index.range_search(queries, radius=75),
            lambda index: index.distances(queries, [3]),
            lambda index: index.pairwise(queries),
            lambda index: index.pairwise(),
            lambda index: index.add(queries),
            lambda index: index.remove([0]),
        ):
            with pytest.raises(sv.FormatError, match="bits set past bit 74"):
                ask(sv.open(path))

    def test_rows_and_means_do_not_see_them(self, tmp_path):
        codes = random_codes(40, 75)
        blocks = BlockedCodes.from_rows(codes, 75).blocks.copy()
        blocks[0, 2, 3] |= np.uint32(1 << 11)
        save_table(tmp_path / "t", {"kind": "binary", "rows": 40, "bits": 75, "made_by": {}}, {"codes": blocks})
        table, sound = sv.open(tmp_path / "t"), sv.BinaryTable(codes, 75)
        assert np.array_equal(table.lookup(range(40)), sound.lookup(range(40)))
        assert np.array_equal(table.mean([[3, 4]]), sound.mean([[3, 4]]))
        assert np.array_equal(table.codes([4]), codes[[4]])
        for ask in (lambda: table.codes([3]), lambda: table.most_similar(4), lambda: table.most_similar([4, 5])):
            with pytest.raises(sv.FormatError, match="bits set past bit 74"):
                ask()

    @pytest.mark.parametrize(
        "options", [{}, {"partitions": 7}, {"partitions": 7, "spill": True, "refine_bits": 2}], ids=str
    )
    def test_scores_do_not_see_them(self, tmp_path, options):
        rows = np.random.default_rng(0).standard_normal((400, 12))
        sound = sv.TransformCoding(21, **options).compress(rows)
        facts, tensors = sound.to_content()
        names = ["codes", "spilled.codes"] if "spill" in options else ["codes"]
        for name in names:
            tensors[name] = tensors[name].copy()
            tensors[name][:-1] |= np.uint32(1 << 31 | 1 << 21)
        save_table(tmp_path / "t", facts, tensors)
        with pytest.raises(sv.FormatError, match="bits set past bit 20"):
            sv.open(tmp_path / "t", verify=True)
        table = sv.open(tmp_path / "t")
        for n in (1, 30):
            for probes in (None, 2) if options else (None,):
                found, expected = (t.search(rows[:n], 5, probes=probes) for t in (table, sound))
                assert np.array_equal(found.indices, expected.indices)
                assert np.array_equal(found.scores, expected.scores)

    def test_codes_past_the_last_one(self, tmp_path):
        blocks = BlockedCodes.from_rows(random_codes(48, 75), 75).blocks
        with pytest.raises(sv.FormatError, match="more than the 40 codes"):
            sv.open(self.saved(tmp_path / "t", blocks))

    def test_factors_past_the_last_one(self, tmp_path):
        facts, tensors = with_factors().to_content()
        tensors["factors"] = tensors["factors"].copy()
        tensors["factors"][-1, 0, -1] = 1
        save_table(tmp_path / "t", facts, tensors)
        with pytest.raises(sv.FormatError, match="'factors' holds more than the 40"):
            sv.open(tmp_path / "t", verify=True)

    def test_an_index_that_grows_while_it_is_saved(self, tmp_path):
        """What room holds after the last code, of an addition that was interrupted, is not saved."""
        index = sv.HammingIndex(random_codes(16, 75), 75)
        index.add(random_codes(3, 75))
        index._room.write(19, random_codes(1, 75))
        index.save(tmp_path / "t")
        assert np.array_equal(sv.open(tmp_path / "t", verify=True).pairwise(), index.pairwise())
        facts, tensors = index.to_content()
        before = tensors["codes"].copy()
        index.add(random_codes(3, 75))
        assert np.array_equal(tensors["codes"], before)
        assert len(index) == facts["rows"] + 3

    def test_more_bits_than_kernels_count(self, tmp_path):
        blocks = np.zeros((0, 1 << 19, 16), np.uint32)
        with pytest.raises(sv.FormatError, match="bits is 16777216; expected at most"):
            sv.open(self.saved(tmp_path / "t", blocks, 0, 1 << 24))
