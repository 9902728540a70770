from typing import Any, TypeAlias

from numpy import float32, float64, floating, int8, int16, int32, int64, integer, uint8, uint16, uint32, unsignedinteger
from numpy.typing import NDArray

_Spilled: TypeAlias = tuple[
    NDArray[uint32], int, NDArray[uint16], NDArray[int64], NDArray[uint32], tuple[NDArray[int16], NDArray[float64]]
]  # blocks, n_codes, factors, starts, positions, centroids

__version__: str
compiler: str
flags: str

class Isa:
    @property
    def name(self) -> str: ...
    @property
    def required(self) -> list[str]: ...

def built_isas() -> list[Isa]: ...
def available_isas() -> list[Isa]: ...
def cpu_features() -> list[str]: ...
def pack_signs(isa: Isa, rows: NDArray[float32]) -> NDArray[uint8]: ...
def unpack(
    isa: Isa, codes: NDArray[uint8], n_bits: int, scales: NDArray[float32] | None = None
) -> NDArray[float32]: ...
def grid_codes(
    isa: Isa,
    values: NDArray[float32],
    parallels: NDArray[float32],
    directions: NDArray[float32],
    bits: NDArray[uint8],
    n_passes: int,
) -> tuple[NDArray[uint8], NDArray[float32], NDArray[float32], NDArray[float32]]: ...
def refined_search(
    isa: Isa,
    codes: NDArray[uint8],
    bits: NDArray[uint8],
    numbers: NDArray[uint16],
    values: NDArray[int16],
    units: NDArray[float64],
    ids: NDArray[int64],
    first: NDArray[float32],
    ratios: NDArray[float64] | None,
    weights: NDArray[float64] | None,
    k: int,
    n_threads: int,
) -> tuple[NDArray[float32], NDArray[int64]]: ...
def write_blocks(codes: NDArray[uint8], n_bits: int, first_row: int, blocks: NDArray[uint32], n_codes: int) -> None: ...
def read_blocks(blocks: NDArray[uint32], n_codes: int, n_bits: int, ids: NDArray[int64]) -> NDArray[uint8]: ...
def lookup(isa: Isa, blocks: NDArray[uint32], n_codes: int, n_bits: int, ids: NDArray[int64]) -> NDArray[float32]: ...
def bag_mean(
    isa: Isa, blocks: NDArray[uint32], n_codes: int, n_bits: int, ids: NDArray[int64], offsets: NDArray[int64]
) -> NDArray[float32]: ...
def hamming_range_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    queries: NDArray[uint8],
    radius: int,
    mask: NDArray[uint8] | None,
    n_threads: int,
    rows: NDArray[uint32] | None = None,
) -> tuple[NDArray[int64], NDArray[int32], NDArray[int64]]: ...
def hamming_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    queries: NDArray[uint8],
    k: int,
    mask: NDArray[uint8] | None,
    n_threads: int,
    rows: NDArray[uint32] | None = None,
) -> tuple[NDArray[int32], NDArray[int64]]: ...
def hamming_pairwise(
    isa: Isa, blocks: NDArray[uint32], n_codes: int, n_bits: int, queries: NDArray[uint8], n_threads: int
) -> NDArray[int32]: ...
def hamming_distances(
    isa: Isa, blocks: NDArray[uint32], n_codes: int, n_bits: int, queries: NDArray[uint8], ids: NDArray[int64]
) -> NDArray[int32]: ...
def asymmetric_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[uint16],
    metric: str,
    queries: NDArray[int16],
    units: NDArray[float32],
    offsets: NDArray[float32],
    k: int,
    mask: NDArray[uint8] | None,
    n_threads: int,
) -> tuple[NDArray[float32], NDArray[int64]]: ...
def asymmetric_range_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[uint16],
    metric: str,
    queries: NDArray[int16],
    units: NDArray[float32],
    offsets: NDArray[float32],
    limits: NDArray[float32],
    mask: NDArray[uint8] | None,
    n_threads: int,
) -> tuple[NDArray[int64], NDArray[float32], NDArray[int64]]: ...
def asymmetric_rescore(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[uint16],
    metric: str,
    ids: NDArray[int64],
    queries: NDArray[int16],
    units: NDArray[float32],
    offsets: NDArray[float32],
    k: int,
    n_threads: int,
    rows: NDArray[uint32] | None = None,
) -> tuple[NDArray[float32], NDArray[int64]]: ...
def round_rows(rows: NDArray[floating], largest: int) -> tuple[NDArray[int16], NDArray[Any]]: ...
def at_norm(rows: NDArray[float64], norm: float) -> NDArray[float64] | None: ...
def prepare_queries(
    isa: Isa,
    vectors: NDArray[float64],
    mean: NDArray[float32],
    frame: NDArray[float32],
    bits: tuple[NDArray[uint32], NDArray[float32]] | None,
    second: tuple[NDArray[uint32], NDArray[float64]] | None,
    lead_at_mean: NDArray[float32] | None,
) -> tuple[
    NDArray[float32],
    int,
    tuple[NDArray[int16], NDArray[float32]],
    tuple[NDArray[int16], NDArray[float64]] | None,
    tuple[NDArray[int16], NDArray[float64]] | None,
    tuple[NDArray[int16], NDArray[float64]] | None,
    NDArray[float64],
    NDArray[float64],
]: ...

class ListSearch:
    def __init__(
        self,
        codes: tuple[NDArray[uint32], int, int, NDArray[uint16]],
        lists: tuple[NDArray[int64], NDArray[uint32]],
        centroids: tuple[NDArray[int16], NDArray[float64]],
        inverse_norms: NDArray[float32],
        lead: tuple[NDArray[int8], NDArray[float64]] | None,
        spilled: _Spilled | None,
        frame: tuple[NDArray[float32], NDArray[float32], tuple[NDArray[uint32], NDArray[float32]], NDArray[float32]],
        second: tuple[NDArray[uint8], NDArray[uint8], NDArray[uint16], tuple[NDArray[uint32], NDArray[float64]]] | None,
        norms: tuple[float, float],
    ) -> None: ...
    def search(
        self,
        isa: Isa,
        queries: NDArray[floating],
        k: int,
        n_shortlist: int,
        n_read: int,
        mask: NDArray[uint8] | None,
        n_threads: int,
    ) -> tuple[NDArray[float32], NDArray[int64]] | None: ...

def nearest_lists(
    isa: Isa,
    centroids: tuple[NDArray[int16], NDArray[float64]],
    inverse_norms: NDArray[float32] | None,
    half_squares: NDArray[float32] | None,
    spreads: NDArray[float32] | None,
    queries: tuple[NDArray[int16], NDArray[float64]],
    lead: tuple[tuple[NDArray[int8], NDArray[float64]], tuple[NDArray[int16], NDArray[float64]]] | None,
    n_read: int,
) -> tuple[NDArray[int32], NDArray[float32]]: ...
def partition_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[uint16],
    metric: str,
    starts: NDArray[int64],
    rows: NDArray[uint32],
    queries: NDArray[int16],
    units: NDArray[float32],
    lists: NDArray[int32],
    offsets: NDArray[float32],
    spilled: tuple[_Spilled, tuple[NDArray[int16], NDArray[float64]]] | None,
    k: int,
    mask: NDArray[uint8] | None,
    n_threads: int,
) -> tuple[NDArray[float32], NDArray[int64]]: ...
def partition_range_search(
    isa: Isa,
    blocks: NDArray[uint32],
    n_codes: int,
    n_bits: int,
    factors: NDArray[uint16],
    metric: str,
    starts: NDArray[int64],
    rows: NDArray[uint32],
    queries: NDArray[int16],
    units: NDArray[float32],
    lists: NDArray[int32],
    offsets: NDArray[float32],
    limits: NDArray[float32],
    mask: NDArray[uint8] | None,
    n_threads: int,
) -> tuple[NDArray[int64], NDArray[float32], NDArray[int64]]: ...
def sparse_lookup(
    isa: Isa,
    indptr: NDArray[integer],
    indices: NDArray[unsignedinteger],
    values: NDArray[floating] | None,
    anchors: NDArray[floating],
    ids: NDArray[int64],
) -> NDArray[float32]: ...
def sparse_bag_mean(
    isa: Isa,
    indptr: NDArray[integer],
    indices: NDArray[unsignedinteger],
    values: NDArray[floating] | None,
    anchors: NDArray[floating],
    ids: NDArray[int64],
    offsets: NDArray[int64],
    weights: NDArray[float32] | None,
) -> NDArray[float32]: ...
def sparse_search(
    isa: Isa,
    indptr: NDArray[integer],
    indices: NDArray[unsignedinteger],
    values: NDArray[floating] | None,
    row_scales: NDArray[float32] | None,
    anchor_scores: NDArray[float32],
    k: int,
    mask: NDArray[uint8] | None,
    n_threads: int,
) -> tuple[NDArray[float32], NDArray[int64]]: ...
def parse_lines(
    text: NDArray[uint8], dim: int, rows: NDArray[float32], n_threads: int
) -> tuple[int, int, NDArray[uint8], NDArray[int64]]: ...
def parse_records(
    text: NDArray[uint8], dim: int, rows: NDArray[float32]
) -> tuple[int, int, NDArray[uint8], NDArray[int64]]: ...
def find_word(text: NDArray[uint8], offsets: NDArray[int64], slots: NDArray[uint32], word: bytes) -> int: ...
def index_words(text: NDArray[uint8], offsets: NDArray[int64], slots: NDArray[uint32]) -> int: ...
def append_words(
    text: NDArray[uint8],
    offsets: NDArray[int64],
    n_words: int,
    slots: NDArray[uint32],
    new_text: NDArray[uint8],
    new_offsets: NDArray[int64],
) -> NDArray[uint8]: ...
def resident_bytes(array: NDArray[Any]) -> int: ...
