// VPSHUFB looks up 16 bytes by 16 nibbles, for 32 codes at once. A nibble's sum is 16 bits wide: its high bytes alone
// say that most codes score no more than the limit, so that low bytes are looked up for few.
#include <immintrin.h>

#include "kernels/kernels.hpp"
#include "kernels/prefetch.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kNibbles = 8;  // per word
constexpr std::size_t kEntries = 16;
constexpr std::size_t kHighBytes = kNibbles * kEntries;  // behind the low bytes of a word
constexpr std::int32_t kZero = 1 << 15;                  // what is added to a sum, so that it is not negative
constexpr std::size_t kSumWords = 32;                    // 256 bytes add up to 16 bits
constexpr std::size_t kMaxBoundWords = 4096;             // bounds fit int32
constexpr float kLowest = -3.402823466e38f;
constexpr std::size_t kAsked = 3;  // lines ahead, per word of two blocks: a list has more than its codes

// Place of the lowest bit that is set: an intrinsic, as compilers differ in names for the instruction.
inline unsigned lowest_bit(unsigned mask) { return static_cast<unsigned>(_mm_popcnt_u32((mask & (0u - mask)) - 1)); }

inline __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

inline __m256 factors_of_half(const std::uint16_t* factors) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factors)));
}

inline __m256 scores_of_half(__m256i dots_i32x8, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale) {
  const __m256 dots_f32x8 = _mm256_mul_ps(_mm256_set1_ps(scale.unit), _mm256_cvtepi32_ps(dots_i32x8));
  __m256 scores_f32x8 = _mm256_mul_ps(dots_f32x8, factors_of_half(factors));
  scores_f32x8 = _mm256_add_ps(scores_f32x8, factors_of_half(factors + kBlockCodes));
  scores_f32x8 = _mm256_add_ps(scores_f32x8, _mm256_set1_ps(scale.offset));
  if (scale.metric == slimvec::Metric::kDot) return scores_f32x8;
  const __m256 weights_f32x8 = factors_of_half(factors + 2 * kBlockCodes);
  if (scale.metric == slimvec::Metric::kCosine) return _mm256_mul_ps(scores_f32x8, weights_f32x8);
  const __m256 none_f32x8 = _mm256_cmp_ps(weights_f32x8, _mm256_setzero_ps(), _CMP_EQ_OQ);
  const __m256 halves_f32x8 = _mm256_div_ps(_mm256_set1_ps(0.5f), _mm256_mul_ps(weights_f32x8, weights_f32x8));
  return _mm256_sub_ps(scores_f32x8, _mm256_andnot_ps(none_f32x8, halves_f32x8));
}

// Sums of entries of 32 codes, in 16 bits: of those at odd places, and even + 256 * odd.
struct ByteSums {
  __m256i all_u16x16 = _mm256_setzero_si256(), odd_u16x16 = all_u16x16;

  void add(__m256i bytes_u8x32) {
    // A product with (0, 1), as shifts would wait for the units that look up.
    odd_u16x16 = _mm256_add_epi16(odd_u16x16, _mm256_maddubs_epi16(bytes_u8x32, _mm256_set1_epi16(0x100)));
    all_u16x16 = _mm256_add_epi16(all_u16x16, bytes_u8x32);
  }
  // Of the first and of the second block, by code.
  __m256i first_u16x16() const {
    return _mm256_permute4x64_epi64(_mm256_unpacklo_epi16(even_u16x16(), odd_u16x16), 0xD8);
  }
  __m256i second_u16x16() const {
    return _mm256_permute4x64_epi64(_mm256_unpackhi_epi16(even_u16x16(), odd_u16x16), 0xD8);
  }

 private:
  __m256i even_u16x16() const { return _mm256_sub_epi16(all_u16x16, _mm256_slli_epi16(odd_u16x16, 8)); }
};

// Bytes 0 and 1 of the codes of half blocks a and b, and bytes 2 and 3: by lanes, four codes of a, four of b.
struct PartedBytes {
  __m256i first_u8x32, last_u8x32;

  explicit PartedBytes(const std::uint32_t* words) {
    const __m256i by_place_u8x32 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256i a_u8x32 = _mm256_shuffle_epi8(load(words), by_place_u8x32);
    const __m256i b_u8x32 = _mm256_shuffle_epi8(load(words + kBlockCodes / 2), by_place_u8x32);
    first_u8x32 = _mm256_unpacklo_epi32(a_u8x32, b_u8x32);
    last_u8x32 = _mm256_unpackhi_epi32(a_u8x32, b_u8x32);
  }
};

// Adds the entries of the two nibbles of a byte.
inline void look_up(__m256i bytes_u8x32, const unsigned char* table, ByteSums& sums) {
  const __m256i nibble_u8x32 = _mm256_set1_epi8(15);
  const auto table_of = [table](std::size_t nibble) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + nibble * kEntries)));
  };
  const __m256i high_u8x32 = _mm256_and_si256(_mm256_srli_epi16(bytes_u8x32, 4), nibble_u8x32);
  sums.add(_mm256_shuffle_epi8(table_of(0), _mm256_and_si256(bytes_u8x32, nibble_u8x32)));
  sums.add(_mm256_shuffle_epi8(table_of(1), high_u8x32));
}

// Sums of the bytes that `table`, of the first word, says, of the codes of two blocks, by eight.
template <bool kAsks>
inline void sums_of_blocks(const std::uint32_t* first, const std::uint32_t* second, std::size_t n_words,
                           const unsigned char* table, slimvec::Ahead& ahead, __m256i sums_i32x8[4]) {
  for (std::size_t half = 0; half < 4; ++half) sums_i32x8[half] = _mm256_setzero_si256();
  while (n_words) {
    ByteSums sums;
    const std::size_t n_here = n_words < kSumWords ? n_words : kSumWords;
    for (std::size_t word = 0; word < n_here; ++word) {
      if (kAsks) slimvec::ask(ahead, kAsked);
      const PartedBytes x(first), y(second);
      look_up(_mm256_unpacklo_epi64(x.first_u8x32, y.first_u8x32), table, sums);
      look_up(_mm256_unpackhi_epi64(x.first_u8x32, y.first_u8x32), table + 2 * kEntries, sums);
      look_up(_mm256_unpacklo_epi64(x.last_u8x32, y.last_u8x32), table + 4 * kEntries, sums);
      look_up(_mm256_unpackhi_epi64(x.last_u8x32, y.last_u8x32), table + 6 * kEntries, sums);
      first += kBlockCodes, second += kBlockCodes, table += slimvec::kTableBytesPerWord;
    }
    n_words -= n_here;
    const __m256i blocks_u16x16[2] = {sums.first_u16x16(), sums.second_u16x16()};
    for (std::size_t half = 0; half < 4; ++half) {
      const __m256i block_u16x16 = blocks_u16x16[half / 2];
      const __m128i half_u16x8 =
          half % 2 ? _mm256_extracti128_si256(block_u16x16, 1) : _mm256_castsi256_si128(block_u16x16);
      sums_i32x8[half] = _mm256_add_epi32(sums_i32x8[half], _mm256_cvtepu16_epi32(half_u16x8));
    }
  }
}

// Which of eight codes may score above the limit. Scores rise with dots, except where a damaged file says otherwise.
inline unsigned may_be_above(__m256i bounds_i32x8, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale,
                             __m256 limit_f32x8) {
  const __m256 most_f32x8 = scores_of_half(bounds_i32x8, factors, scale);
  __m256 may_f32x8 = _mm256_cmp_ps(most_f32x8, limit_f32x8, _CMP_NLE_UQ);
  may_f32x8 = _mm256_or_ps(may_f32x8, factors_of_half(factors));
  if (scale.metric == slimvec::Metric::kCosine) {
    may_f32x8 = _mm256_or_ps(may_f32x8, factors_of_half(factors + 2 * kBlockCodes));
  }
  return static_cast<unsigned>(_mm256_movemask_ps(may_f32x8));
}

// What one call appends.
struct Found {
  float* scores;
  std::uint32_t* positions;
  std::size_t count = 0;

  // Those of eight codes that score above the limit.
  void take(__m256i dots_i32x8, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale, __m256 limit_f32x8,
            std::size_t first) {
    const __m256 scores_f32x8 = scores_of_half(dots_i32x8, factors, scale);
    const __m256 are_above = _mm256_cmp_ps(scores_f32x8, limit_f32x8, _CMP_GT_OQ);
    unsigned above = static_cast<unsigned>(_mm256_movemask_ps(are_above));
    if (!above) return;
    float values[8];
    _mm256_storeu_ps(values, scores_f32x8);
    for (; above; above &= above - 1) {
      const unsigned kept = lowest_bit(above);
      scores[count] = values[kept];
      positions[count++] = static_cast<std::uint32_t>(first + kept);
    }
  }
};

// One query.
std::size_t above(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks, std::size_t n_words,
                  slimvec::Ahead& ahead, const slimvec::AsymmetricQuery& query) {
  const slimvec::AsymmetricScale& scale = query.scale;
  const __m256 limit_f32x8 = _mm256_set1_ps(query.limit);
  const auto n_nibbles = static_cast<std::uint32_t>(n_words * kNibbles);  // sums may wrap, dots do not
  // dot = 256 * (sum of high bytes) + sum of low bytes - zero, and a low byte is at most 255.
  const std::uint32_t zero = n_nibbles * kZero, most = zero - 255 * n_nibbles;
  const __m256i zero_i32x8 = _mm256_set1_epi32(static_cast<std::int32_t>(zero));
  const __m256i most_i32x8 = _mm256_set1_epi32(static_cast<std::int32_t>(most));
  const bool all = query.limit < kLowest || !(scale.unit >= 0) || n_words > kMaxBoundWords;
  Found found = {query.scores, query.positions};
  for (std::size_t block = 0; block < n_blocks; block += 2) {
    const std::uint32_t* first = blocks + block * n_words * kBlockCodes;
    const bool is_last = block + 1 == n_blocks;
    const std::uint32_t* second = is_last ? first : first + n_words * kBlockCodes;
    const std::size_t n_halves = is_last ? 2 : 4;
    __m256i high_i32x8[4];
    (slimvec::is_any(ahead) ? sums_of_blocks<true> : sums_of_blocks<false>)(first, second, n_words,
                                                                            query.tables + kHighBytes, ahead,
                                                                            high_i32x8);
    unsigned asked[4] = {};
    const auto factors_of = [&](std::size_t half) {
      return factors + (block + half / 2) * scale.n_factors * kBlockCodes + half % 2 * 8;
    };
    for (std::size_t half = 0; half < n_halves; ++half) {
      high_i32x8[half] = _mm256_slli_epi32(high_i32x8[half], 8);
      const __m256i bounds_i32x8 = _mm256_sub_epi32(high_i32x8[half], most_i32x8);
      asked[half] = all ? 0xFF : may_be_above(bounds_i32x8, factors_of(half), scale, limit_f32x8);
    }
    if (!(asked[0] | asked[1] | asked[2] | asked[3])) continue;
    __m256i low_i32x8[4];
    sums_of_blocks<false>(first, second, n_words, query.tables, ahead, low_i32x8);
    for (std::size_t half = 0; half < n_halves; ++half) {
      if (!asked[half]) continue;
      const __m256i dots_i32x8 = _mm256_sub_epi32(_mm256_add_epi32(high_i32x8[half], low_i32x8[half]), zero_i32x8);
      found.take(dots_i32x8, factors_of(half), scale, limit_f32x8, 8 * (2 * block + half));
    }
  }
  return found.count;
}

}  // namespace

void slimvec::asymmetric_tables_avx2(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble, query += 4) {
    unsigned char* low = tables + nibble / kNibbles * kTableBytesPerWord + nibble % kNibbles * kEntries;
    std::int32_t sums[kEntries] = {kZero - query[0] - query[1] - query[2] - query[3]};
    for (std::size_t bit = 0; bit < 4; ++bit) {
      const std::size_t n_below = std::size_t{1} << bit;
      for (std::size_t below = 0; below < n_below; ++below) sums[n_below + below] = sums[below] + 2 * query[bit];
    }
    for (std::size_t entry = 0; entry < kEntries; ++entry) {
      low[entry] = static_cast<unsigned char>(sums[entry] & 0xFF);
      low[kHighBytes + entry] = static_cast<unsigned char>(sums[entry] >> 8);
    }
  }
}

void slimvec::asymmetric_above_avx2(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                                    std::size_t n_words, Ahead& ahead, AsymmetricQuery* queries,
                                    std::size_t n_queries) {
  for (AsymmetricQuery* query = queries; query != queries + n_queries; ++query) {
    query->n_found = above(blocks, factors, n_blocks, n_words, ahead, *query);
  }
}
