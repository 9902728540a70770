// Contracts of the compiled kernels: the only header that a kernel file includes besides intrinsics and, next to it,
// what the instruction sets share.
//
// A *code* is one row of bits. Bit j is `value_j >= 0`, least significant bit first, so that the bytes equal
// numpy.packbits(x >= 0, axis=1, bitorder="little"); bits past n_bits are zero.
//
//   row layout      code_size = ceil(n_bits / 8) bytes per code, codes one after the other.
//   blocked layout  blocks of 16 codes, word-major: word 0 of the 16 codes as 16 uint32, then word 1, ...;
//                   n_words = ceil(n_bits / 32) words per code, the last block padded with zero codes.
//                   One vector register holds the same word of 16 (AVX-512), 8 (AVX2) or 4 (NEON) codes, so
//                   distances build up lane by lane and no horizontal sum is ever needed.
//
// Every kernel reads and writes exactly what its contract names, asks for no alignment beyond that of the element type,
// and gives the same bits on every instruction set. python/slimvec/reference/ states each kernel in NumPy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slimvec {

constexpr std::size_t kBlockCodes = 16;  // codes per block of the blocked layout
constexpr std::size_t kWordBits = 32;    // bits per word of the blocked layout

constexpr std::size_t ceil_divide(std::size_t n, std::size_t by) { return n / by + (n % by != 0); }  // cannot overflow
constexpr std::size_t code_size(std::size_t n_bits) { return ceil_divide(n_bits, 8); }
constexpr std::size_t words_per_code(std::size_t n_bits) { return ceil_divide(n_bits, kWordBits); }
constexpr std::size_t block_count(std::size_t n_codes) { return ceil_divide(n_codes, kBlockCodes); }

// codes[i] bit j = rows[i * n_bits + j] >= 0; a NaN gives 0.        numpy: packbits(rows >= 0, 1, "little")
using PackSigns = void(const float* rows, std::size_t n_rows, std::size_t n_bits, std::uint8_t* codes);

// out[i * n_bits + j] = bit ? +scales[i] : -scales[i]; null scales mean 1.    numpy: where(bit, s, -s)
using Unpack = void(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, const float* scales, float* out);

// counts[j] += how many of the n_rows codes have bit j set.         numpy: counts += unpackbits(codes).sum(0)
using CountBits = void(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::uint32_t* counts);

// Distances of one query to whole blocks, keeping those below `limit`: appends (distance, position) in rising
// position, position counted from the first code given, and returns how many. Both outputs need room for
// 16 * n_blocks entries; entries past the returned count are scratch. The padding codes of a last block count like
// any other: the caller drops their positions.        numpy: d = popcount(codes ^ query).sum(1); nonzero(d < limit)
// `cold` says that the blocks come from memory rather than cache; it changes the speed, never the answer.
using HammingBelow = std::size_t(const std::uint32_t* blocks, std::size_t n_blocks, std::size_t n_words,
                                 const std::uint32_t* query, std::uint32_t limit, bool cold, std::uint32_t* distances,
                                 std::uint32_t* positions);

// A float query against codes: dot = sum over the bits of +query[j] where bit j is set and -query[j] where it is not,
// with query values rounded to integers of at most kQueryPeak, so that dots are exact and equal everywhere. Each kernel
// looks up the sum of a few bits at a time; AsymmetricTables prepares what it looks up, 512 bytes per word, from
// `query`, n_words * 32 values. dots fit int32 up to kMaxAsymmetricBits.
constexpr std::int16_t kQueryPeak = 8191;  // the sum of four fits an int16
constexpr std::size_t kTableBytesPerWord = 512;
constexpr std::size_t kMaxAsymmetricBits = (std::size_t{1} << 18) - 1;
using AsymmetricTables = void(const std::int16_t* query, std::size_t n_words, unsigned char* tables);

// What scores estimate: cosines, inner products, or what orders rows by distance, <x, q> - |x|^2 / 2.
enum class Metric : std::uint8_t { kCosine, kDot, kL2 };

// What turns dots into scores, all float32, without fused operations:
//   product = (unit * dot) * scale[i] + bias[i] + offset
//   score   = product * weight[i]                                       for cosines
//           = product                                                   for inner products
//           = product - 0.5 / (weight[i] * weight[i]), 0 for weight 0   for distances
// `factors` holds, per block, 16 float16 scales, 16 biases and, if n_factors is 3, 16 weights: of rows of one length
// there are none, and products order them.
struct AsymmetricScale {
  float unit, offset;
  std::size_t n_factors;  // 2 or 3 per code are stored
  Metric metric;          // kDot where there are 2
};

// One query of a scan, and what is found for it: `scores` and `positions` need room for 16 * n_blocks entries, of which
// the first n_found count and the others are scratch.
struct AsymmetricQuery {
  const unsigned char* tables;
  AsymmetricScale scale;
  float limit;
  float* scores;
  std::uint32_t* positions;
  std::size_t n_found;
};

// Memory that is needed next: a scan may ask its cache for so many lines of each part, in their order, and takes off
// what it has asked for. Asked for line by line they come while it computes; all at once, it waits for them.
struct Ahead {
  struct Part {
    const char* first;
    std::size_t n_lines;  // of 64 bytes
  };
  Part parts[4];
};

// For each of a few queries the scores of whole blocks that lie above its limit: (score, position) as HammingBelow
// gives them. A NaN is never kept.
//           numpy: s = reference.asymmetric_scores(...); nonzero(s > limit)
using AsymmetricAbove = void(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                             std::size_t n_words, Ahead& ahead, AsymmetricQuery* queries, std::size_t n_queries);

// dots[i] = sum over j of centroids[i * d + j] * query[j], all of at most kCentroidPeak, so that they are exact.
//                                                  numpy: centroids.astype(int64) @ query
constexpr std::int16_t kCentroidPeak = 2047;
using CentroidDots = void(const std::int16_t* centroids, std::size_t n_centroids, std::size_t d,
                          const std::int16_t* query, std::int64_t* dots);

// The same for centroids of bytes.
using ByteDots = void(const std::int8_t* centroids, std::size_t n_centroids, std::size_t d, const std::int16_t* query,
                      std::int64_t* dots);

// The sum of the weights of the bits that are set in one code of n_bytes, row by row, from 8 * n_bytes weights of at
// most kLargestWeight either side of 0. WeightTables prepares what is looked up, kTableEntriesPerByte for each byte.
//                                                  numpy: unpackbits(code, bitorder="little") @ weights
constexpr std::int32_t kLargestWeight = kQueryPeak * 128;
constexpr std::size_t kTableEntriesPerByte = 32;
using WeightTables = void(const std::int32_t* weights, std::size_t n_bytes, std::int32_t* tables);
using WeighBits = std::int64_t(const std::uint8_t* code, std::size_t n_bytes, const std::int32_t* tables);

// Codes of several bits: along each of a row's directions one of 2^b levels step * u, u a half integer between -limit
// and limit = (2^b - 1) / 2. From the nearest levels on, a level moves to a neighbour wherever that raises
//   F = G^2 / H,  G = sum of gain v u,  Z = sum of step v u,  H = sum of energy u^2 + nu Z^2,
// the part of a row that the best multiple G / H of its code explains, in a metric that also counts errors along the
// row itself (Python's slimvec.binary.levels tells why). `n_passes` times over the directions, in their order.
struct GridDirection {
  float step, inverse;  // 1 / step
  float gain, energy;   // (weight + mu) * step, weight * step^2
  float limit;
};

// Sixteen rows at a time. values[j * 16 + i] is row i along direction j, parallels[i] its nu; levels, n_directions *
// 16, get u; scales G / H (0 where H is 0), products Z, energies the sum of (step u)^2. Sums run over rising j,
// products from the left, all in float32 without fused operations.         numpy: slimvec.reference.grid_codes
using GridLevels = void(const float* values, const float* parallels, const GridDirection* directions,
                        std::size_t n_directions, std::size_t n_passes, float* levels, float* scales, float* products,
                        float* energies);

// Sparse tables hold rows of T A: a row of T names a few *anchors* (rows of A, d columns each) and their weights.
//
// out[i * d + c] = sum of weights[j] * anchors[indices[j] * stride + c] over j from starts[i] to starts[i + 1] - 1.
//                                                  numpy: for j: out[i] += weights[j] * anchors[indices[j]]
// Every element is summed in rising j, product and sum rounded one after the other (no FMA), from 0 or, with `add`,
// from what `out` holds: one order for all instruction sets. Indices are the caller's to check. Anchors are fastest
// where each starts a cache line. gather_f16 takes anchors in float16 and widens them as it goes.
using GatherF32 = void(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                       const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add, float* out);
using GatherF16 = void(const std::uint16_t* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                       const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add, float* out);

// out[i] = halves[i], float16 to float32: exact.                    numpy: halves.astype(float32)
using WidenHalves = void(const std::uint16_t* halves, std::size_t n, float* out);

// One query against sparse rows, from its scores of the anchors alone:
//   scores[i] = sum of weights[j] * anchor_scores[indices[j]] over j from starts[i] to starts[i + 1] - 1
//                                                  numpy: for j: scores[i] += weights[j] * anchor_scores[indices[j]]
// summed in the order of a gather; starts[0] is 0. Indices (uint8, uint16 or uint32: index_size is in bytes) are
// checked here, where they are about to be used: returns false, having written nothing, if one is not below n_anchors.
using ScoreRows = bool(const void* indices, unsigned index_size, const float* weights, const std::uint32_t* starts,
                       std::size_t n_rows, const float* anchor_scores, std::size_t n_anchors, float* scores);

// One instruction set: its name, the CPU features it needs (isa/features.hpp) and its kernels.
struct Kernels {
  const char* name;
  std::uint32_t required;
  PackSigns* pack_signs;
  Unpack* unpack;
  CountBits* count_bits;
  HammingBelow* hamming_below;
  AsymmetricTables* asymmetric_tables;
  AsymmetricAbove* asymmetric_above;
  CentroidDots* centroid_dots;
  ByteDots* byte_dots;
  WeightTables* weight_tables;
  WeighBits* weigh_bits;
  GridLevels* grid_levels;
  GatherF32* gather_f32;
  GatherF16* gather_f16;
  WidenHalves* widen_halves;
  ScoreRows* score_rows;
};

PackSigns pack_signs_scalar, pack_signs_avx2, pack_signs_avx512, pack_signs_neon;
Unpack unpack_scalar, unpack_avx2, unpack_avx512, unpack_neon;
CountBits count_bits_scalar, count_bits_avx2, count_bits_avx512, count_bits_neon;
HammingBelow hamming_below_scalar, hamming_below_avx2, hamming_below_avx512, hamming_below_neon;
AsymmetricTables asymmetric_tables_scalar, asymmetric_tables_avx2, asymmetric_tables_avx512,
    asymmetric_tables_avx512vbmi, asymmetric_tables_neon;
AsymmetricAbove asymmetric_above_scalar, asymmetric_above_avx2, asymmetric_above_avx512, asymmetric_above_avx512vbmi,
    asymmetric_above_neon;
CentroidDots centroid_dots_scalar, centroid_dots_avx2, centroid_dots_avx512, centroid_dots_neon;
ByteDots byte_dots_scalar, byte_dots_avx2, byte_dots_avx512, byte_dots_neon;
WeightTables weight_tables_scalar, weight_tables_avx2, weight_tables_avx512, weight_tables_neon;
WeighBits weigh_bits_scalar, weigh_bits_avx2, weigh_bits_avx512, weigh_bits_neon;
GridLevels grid_levels_scalar, grid_levels_avx2, grid_levels_avx512, grid_levels_neon;
GatherF32 gather_f32_scalar, gather_f32_avx2, gather_f32_avx512, gather_f32_neon;
GatherF16 gather_f16_scalar, gather_f16_avx2, gather_f16_avx512, gather_f16_neon;
WidenHalves widen_halves_scalar, widen_halves_avx2, widen_halves_avx512, widen_halves_neon;
ScoreRows score_rows_scalar, score_rows_avx2, score_rows_avx512, score_rows_neon;

}  // namespace slimvec
