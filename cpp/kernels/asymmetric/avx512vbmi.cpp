// VPERMB looks up 64 bytes at once in four tables of 16, so that two lookups take all eight nibbles of a word of 16
// codes, and VPDPBUSD adds the four bytes of each, times what one of them stands for. They are a nibble's sum rounded
// upwards: what they add up to says that most codes score no more than the limit, and few are looked up exactly.
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kNibbles = 8;  // per word
constexpr std::size_t kEntries = 16;
// A word's tables: bounds, and the low and high bytes of exact sums. In each, the low nibbles of the word's four bytes,
// then the high ones. Behind them the steps of its bounds, and in the first word what all bounds are made of.
constexpr std::size_t kBounds = 0, kLowBytes = 128, kHighBytes = 256, kSteps = 384, kBoundScale = 392;
constexpr std::int32_t kBoundPeak = 255, kStepPeak = 127;
constexpr std::int32_t kZero = 1 << 15;       // what is added to a sum, so that it is not negative
constexpr std::size_t kMaxBoundWords = 4096;  // bounds fit int32
constexpr std::size_t kAtOnce = 4;            // blocks that share what is loaded of the tables
constexpr std::size_t kPrefetchAhead = 8192;  // bytes; see hamming/avx512.cpp
constexpr float kLowest = -3.402823466e38f;

// bound = least + unit * (sum of bytes times their steps)
struct BoundScale {
  std::int32_t unit, least;
};

inline std::size_t place_of(std::size_t nibble) { return nibble % 2 * 4 + nibble / 2; }

inline std::int32_t ceil_divide_positive(std::int32_t n, std::int32_t by) { return (n + by - 1) / by; }

inline void copy_bytes(void* to, const void* from, std::size_t n_bytes) {
  for (std::size_t i = 0; i < n_bytes; ++i) {
    static_cast<unsigned char*>(to)[i] = static_cast<const unsigned char*>(from)[i];
  }
}

inline std::int32_t wrapping_difference(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
}

// The largest of a nibble's sums; the least is as far below 0.
inline std::int32_t most_of_nibble(const std::int16_t* query) {
  std::int32_t most = 0;
  for (std::size_t bit = 0; bit < 4; ++bit) most += query[bit] < 0 ? -query[bit] : query[bit];
  return most;
}

// Entry i is the sum of +query[bit] or -query[bit] over the four bits of i.
inline __m512i sums_of_nibble(const std::int16_t* query) {
  __m512i sums_i32x16 = _mm512_setzero_si512();
  const __mmask16 entries_with_bit[4] = {0xAAAA, 0xCCCC, 0xF0F0, 0xFF00};
  for (int bit = 0; bit < 4; ++bit) {
    const __m512i value_i32x16 = _mm512_set1_epi32(query[bit]);
    const __m512i minus_i32x16 = _mm512_sub_epi32(sums_i32x16, value_i32x16);
    sums_i32x16 = _mm512_mask_add_epi32(minus_i32x16, entries_with_bit[bit], sums_i32x16, value_i32x16);
  }
  return sums_i32x16;
}

// The lowest byte of each lane.
inline void store_bytes(unsigned char* to, __m512i values_u32x16) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(values_u32x16));
}

inline __m512i four_bytes_repeated(const unsigned char* from) {
  std::int32_t four;
  copy_bytes(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

// What is looked up for the low and for the high nibbles of a word's bytes, and what it is multiplied by.
struct WordTables {
  __m512i low_u8x64, high_u8x64, low_steps_i8x64, high_steps_i8x64;

  WordTables(const unsigned char* tables, const unsigned char* steps)
      : low_u8x64(_mm512_loadu_si512(tables)),
        high_u8x64(_mm512_loadu_si512(tables + 64)),
        low_steps_i8x64(four_bytes_repeated(steps)),
        high_steps_i8x64(four_bytes_repeated(steps + 4)) {}
};

// Adds, for each of 16 codes, the bytes that its word's eight nibbles name.
inline __m512i look_up(__m512i sums_i32x16, __m512i codes_u32x16, const WordTables& word) {
  const __m512i nibble_u8x64 = _mm512_set1_epi8(15);
  const __m512i table_u8x64 = _mm512_set1_epi32(0x30201000);  // which of four tables a byte of a word takes
  constexpr int kMaskThenOr = 0xEA;                           // (a & b) | c
  const __m512i lows_u8x64 = _mm512_ternarylogic_epi32(codes_u32x16, nibble_u8x64, table_u8x64, kMaskThenOr);
  const __m512i highs_u8x64 =
      _mm512_ternarylogic_epi32(_mm512_srli_epi32(codes_u32x16, 4), nibble_u8x64, table_u8x64, kMaskThenOr);
  const __m512i low_u8x64 = _mm512_permutexvar_epi8(lows_u8x64, word.low_u8x64);
  const __m512i high_u8x64 = _mm512_permutexvar_epi8(highs_u8x64, word.high_u8x64);
  sums_i32x16 = _mm512_dpbusd_epi32(sums_i32x16, low_u8x64, word.low_steps_i8x64);
  return _mm512_dpbusd_epi32(sums_i32x16, high_u8x64, word.high_steps_i8x64);
}

// Sums of the bytes at `kTable` of `tables`, times their steps if they are bounds, of the codes of some blocks.
template <std::size_t kBlocks, std::size_t kTable, bool kCold>
inline void sums_of_blocks(const std::uint32_t* words, std::size_t n_words, const unsigned char* tables,
                           __m512i sums_i32x16[kBlocks]) {
  constexpr unsigned char kOnes[kNibbles] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (std::size_t block = 0; block < kBlocks; ++block) sums_i32x16[block] = _mm512_setzero_si512();
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes, tables += slimvec::kTableBytesPerWord) {
    const WordTables tables_of_word(tables + kTable, kTable == kBounds ? tables + kSteps : kOnes);
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const std::uint32_t* codes = words + block * n_words * kBlockCodes;
      if (kCold) _mm_prefetch(reinterpret_cast<const char*>(codes) + kPrefetchAhead, _MM_HINT_T0);
      sums_i32x16[block] = look_up(sums_i32x16[block], _mm512_loadu_si512(codes), tables_of_word);
    }
  }
}

inline __m512 factors_of_block(const std::uint16_t* factors) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(factors)));
}

inline __m512 scores_of_block(__m512i dots_i32x16, const std::uint16_t* factors,
                              const slimvec::AsymmetricScale& scale) {
  const __m512 dots_f32x16 = _mm512_mul_ps(_mm512_set1_ps(scale.unit), _mm512_cvtepi32_ps(dots_i32x16));
  __m512 scores_f32x16 = _mm512_mul_ps(dots_f32x16, factors_of_block(factors));
  scores_f32x16 = _mm512_add_ps(scores_f32x16, factors_of_block(factors + kBlockCodes));
  scores_f32x16 = _mm512_add_ps(scores_f32x16, _mm512_set1_ps(scale.offset));
  if (!scale.weigh) return scores_f32x16;
  return _mm512_mul_ps(scores_f32x16, factors_of_block(factors + 2 * kBlockCodes));
}

// Which of 16 codes may score above the limit. Scores rise with dots, except where a damaged file says otherwise.
inline __mmask16 may_be_above(__m512i bounds_i32x16, const std::uint16_t* factors,
                              const slimvec::AsymmetricScale& scale, __m512 limit_f32x16) {
  const __m512 most_f32x16 = scores_of_block(bounds_i32x16, factors, scale);
  const __mmask16 may = _mm512_cmp_ps_mask(most_f32x16, limit_f32x16, _CMP_NLE_UQ);
  __m256i signs_u16x16 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(factors));
  if (scale.weigh) {
    const auto* weights = reinterpret_cast<const __m256i*>(factors + 2 * kBlockCodes);
    signs_u16x16 = _mm256_or_si256(signs_u16x16, _mm256_loadu_si256(weights));
  }
  return static_cast<__mmask16>(may | _mm256_movepi16_mask(signs_u16x16));
}

// One query over blocks, and what it appends.
struct Scan {
  const std::uint32_t* blocks;
  const std::uint16_t* factors;
  std::size_t n_words;
  const unsigned char* tables;
  const slimvec::AsymmetricScale& scale;
  __m512 limit_f32x16;
  bool all;  // bounds would say nothing
  BoundScale bound;
  float* scores;
  std::uint32_t* positions;
  std::size_t count = 0;

  template <std::size_t kBlocks, bool kCold>
  void take(std::size_t first) {
    __m512i sums_i32x16[kBlocks];
    const std::uint32_t* codes = blocks + first * n_words * kBlockCodes;
    sums_of_blocks<kBlocks, kBounds, kCold>(codes, n_words, tables, sums_i32x16);
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const __m512i least_i32x16 = _mm512_set1_epi32(bound.least), unit_i32x16 = _mm512_set1_epi32(bound.unit);
      const __m512i bounds_i32x16 = _mm512_add_epi32(least_i32x16, _mm512_mullo_epi32(unit_i32x16, sums_i32x16[block]));
      if (all || may_be_above(bounds_i32x16, factors_of(first + block), scale, limit_f32x16))
        take_exactly(first + block);
    }
  }

 private:
  const std::uint16_t* factors_of(std::size_t block) const { return factors + block * scale.n_factors * kBlockCodes; }

  // Those codes of a block that score above the limit.
  void take_exactly(std::size_t block) {
    const std::uint32_t* codes = blocks + block * n_words * kBlockCodes;
    __m512i low_i32x16, high_i32x16;
    sums_of_blocks<1, kLowBytes, false>(codes, n_words, tables, &low_i32x16);
    sums_of_blocks<1, kHighBytes, false>(codes, n_words, tables, &high_i32x16);
    const auto zero = static_cast<std::uint32_t>(n_words * kNibbles) * kZero;  // sums may wrap, dots do not
    const __m512i dots_i32x16 = _mm512_sub_epi32(_mm512_add_epi32(_mm512_slli_epi32(high_i32x16, 8), low_i32x16),
                                                 _mm512_set1_epi32(static_cast<std::int32_t>(zero)));
    const __m512 scores_f32x16 = scores_of_block(dots_i32x16, factors_of(block), scale);
    const __mmask16 above = _mm512_cmp_ps_mask(scores_f32x16, limit_f32x16, _CMP_GT_OQ);
    if (!above) return;
    const __m512i lanes_u32x16 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first_u32x16 = _mm512_set1_epi32(static_cast<int>(block * kBlockCodes));
    const __m512i positions_u32x16 = _mm512_add_epi32(first_u32x16, lanes_u32x16);
    _mm512_storeu_ps(scores + count, _mm512_maskz_compress_ps(above, scores_f32x16));
    _mm512_storeu_si512(positions + count, _mm512_maskz_compress_epi32(above, positions_u32x16));
    count += static_cast<std::size_t>(_mm_popcnt_u32(above));
  }
};

}  // namespace

void slimvec::asymmetric_tables_avx512vbmi(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  if (n_words == 0) return;
  BoundScale bound = {1, 0};
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble) {
    const std::int32_t most = most_of_nibble(query + 4 * nibble);
    const std::int32_t unit = ceil_divide_positive(2 * most, kBoundPeak * kStepPeak);
    if (unit > bound.unit) bound.unit = unit;
    bound.least = wrapping_difference(bound.least, most);
  }
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble, query += 4) {
    unsigned char* word = tables + nibble / kNibbles * kTableBytesPerWord;
    unsigned char* table = word + place_of(nibble % kNibbles) * kEntries;
    const std::int32_t most = most_of_nibble(query);
    const std::int32_t step = ceil_divide_positive(2 * most, kBoundPeak * bound.unit);
    word[kSteps + place_of(nibble % kNibbles)] = static_cast<unsigned char>(step);
    // Rounded upwards: a quotient that is no whole number lies further above one than floats round.
    const __m512i sums_i32x16 = sums_of_nibble(query);
    const __m512 above_least_f32x16 = _mm512_cvtepi32_ps(_mm512_add_epi32(sums_i32x16, _mm512_set1_epi32(most)));
    const __m512 step_f32x16 = _mm512_set1_ps(static_cast<float>(step > 0 ? step * bound.unit : 1));
    store_bytes(table + kBounds, _mm512_cvt_roundps_epi32(_mm512_div_ps(above_least_f32x16, step_f32x16),
                                                          _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC));
    const __m512i positive_i32x16 = _mm512_add_epi32(sums_i32x16, _mm512_set1_epi32(kZero));
    store_bytes(table + kLowBytes, positive_i32x16);
    store_bytes(table + kHighBytes, _mm512_srli_epi32(positive_i32x16, 8));
  }
  copy_bytes(tables + kBoundScale, &bound, sizeof bound);
}

std::size_t slimvec::asymmetric_above_avx512vbmi(const std::uint32_t* blocks, const std::uint16_t* factors,
                                                 std::size_t n_blocks, std::size_t n_words, const unsigned char* tables,
                                                 const AsymmetricScale& scale, float limit, bool cold, float* scores,
                                                 std::uint32_t* positions) {
  const bool all = limit < kLowest || !(scale.unit >= 0) || n_words == 0 || n_words > kMaxBoundWords;
  BoundScale bound = {0, 0};
  if (n_words) copy_bytes(&bound, tables + kBoundScale, sizeof bound);
  Scan scan = {blocks, factors, n_words, tables, scale, _mm512_set1_ps(limit), all, bound, scores, positions};
  std::size_t block = 0;
  for (; block + kAtOnce <= n_blocks; block += kAtOnce) {
    cold ? scan.take<kAtOnce, true>(block) : scan.take<kAtOnce, false>(block);
  }
  for (; block < n_blocks; ++block) cold ? scan.take<1, true>(block) : scan.take<1, false>(block);
  return scan.count;
}
