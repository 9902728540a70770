// Exact dots: VPERMD looks up eight sums at once by the low three bits of each lane, eleven times per word, the last by
// two bits. That is slow, and few codes score above the limit. So VPSHUFB first looks up bytes by four bits, 32 codes
// at once, whose sum is no less than the dot: three times as fast (EPYC Milan). What it lets through is computed exactly.
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kLookups = 11;  // per word
constexpr std::size_t kTableBytes = 32;

// Behind the exact tables of a word, tables of 16 bytes for its eight nibbles: an entry times a step is no less than
// the nibble's sum plus the largest sum that any code has there. Behind those of the first word, Bound.
constexpr std::size_t kNibbles = 8;
constexpr std::size_t kEntries = 16;
constexpr std::size_t kByteTables = kLookups * kTableBytes;
constexpr std::size_t kBound = kByteTables + kNibbles * kEntries;
constexpr std::size_t kSumWords = 32;         // 256 bytes fit 16 bits
constexpr std::size_t kAhead = 4096;          // bytes: from memory, 3.3 ns a code of 300 bits instead of 8
constexpr std::size_t kMaxBoundWords = 2048;  // bounds fit int32

struct Bound {
  std::int32_t step, largest;  // dot <= step * sum of entries - largest
};
static_assert(kBound + sizeof(Bound) <= slimvec::kTableBytesPerWord);

inline __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

// Sums of one lookup: entry i is the sum of +query[bit] or -query[bit] over its bits.
inline __m256i sums_of_bits(const std::int16_t* query, int n_bits) {
  const __m256i entries_u32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i sums_i32x8 = _mm256_setzero_si256();
  for (int bit = 0; bit < n_bits; ++bit) {
    const __m256i bit_u32x8 = _mm256_set1_epi32(1 << bit);
    const __m256i is_set = _mm256_cmpeq_epi32(_mm256_and_si256(entries_u32x8, bit_u32x8), bit_u32x8);
    const __m256i plus_i32x8 = _mm256_set1_epi32(query[bit]), minus_i32x8 = _mm256_set1_epi32(-query[bit]);
    sums_i32x8 = _mm256_add_epi32(sums_i32x8, _mm256_blendv_epi8(minus_i32x8, plus_i32x8, is_set));
  }
  return sums_i32x8;
}

// Dots of eight codes, half a block. Two sums, so that one addition need not wait for the other.
inline __m256i dots_of_half(const std::uint32_t* words, std::size_t n_words, const unsigned char* tables) {
  __m256i even_i32x8 = _mm256_setzero_si256(), odd_i32x8 = even_i32x8;
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes, tables += slimvec::kTableBytesPerWord) {
    __m256i codes_u32x8 = load(words);
    for (std::size_t lookup = 0; lookup + 1 < kLookups; lookup += 2) {
      const __m256i next_u32x8 = _mm256_srli_epi32(codes_u32x8, 3);
      const __m256i even_sums_i32x8 = load(tables + lookup * kTableBytes);
      const __m256i odd_sums_i32x8 = load(tables + (lookup + 1) * kTableBytes);
      even_i32x8 = _mm256_add_epi32(even_i32x8, _mm256_permutevar8x32_epi32(even_sums_i32x8, codes_u32x8));
      odd_i32x8 = _mm256_add_epi32(odd_i32x8, _mm256_permutevar8x32_epi32(odd_sums_i32x8, next_u32x8));
      codes_u32x8 = _mm256_srli_epi32(codes_u32x8, 6);
    }
    const __m256i last_sums_i32x8 = load(tables + (kLookups - 1) * kTableBytes);
    even_i32x8 = _mm256_add_epi32(even_i32x8, _mm256_permutevar8x32_epi32(last_sums_i32x8, codes_u32x8));
  }
  return _mm256_add_epi32(even_i32x8, odd_i32x8);
}

inline __m256 factors_of_half(const std::uint16_t* factors) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factors)));
}

inline __m256 scores_of_half(__m256i dots_i32x8, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale) {
  const __m256 dots_f32x8 = _mm256_mul_ps(_mm256_set1_ps(scale.unit), _mm256_cvtepi32_ps(dots_i32x8));
  __m256 scores_f32x8 = _mm256_mul_ps(dots_f32x8, factors_of_half(factors));
  scores_f32x8 = _mm256_add_ps(scores_f32x8, factors_of_half(factors + kBlockCodes));
  scores_f32x8 = _mm256_add_ps(scores_f32x8, _mm256_set1_ps(scale.offset));
  if (!scale.weigh) return scores_f32x8;
  return _mm256_mul_ps(scores_f32x8, factors_of_half(factors + 2 * kBlockCodes));
}

inline std::int32_t sum_of_sizes(const std::int16_t* query) {
  std::int32_t sum = 0;
  for (int bit = 0; bit < 4; ++bit) sum += query[bit] < 0 ? -query[bit] : query[bit];
  return sum;
}

// Eight entries of a nibble: the least whole numbers that, times `step`, reach the sums plus `largest`.
inline __m256i entries_of_sums(__m256i sums_i32x8, std::int32_t largest, std::int32_t step) {
  const __m256i raised_i32x8 = _mm256_add_epi32(sums_i32x8, _mm256_set1_epi32(largest));
  const __m256 shares_f32x8 =
      _mm256_mul_ps(_mm256_cvtepi32_ps(raised_i32x8), _mm256_set1_ps(1.0f / static_cast<float>(step)));
  const __m256i below_i32x8 = _mm256_cvttps_epi32(shares_f32x8);
  const __m256i reached_i32x8 = _mm256_mullo_epi32(below_i32x8, _mm256_set1_epi32(step));
  return _mm256_sub_epi32(below_i32x8, _mm256_cmpgt_epi32(raised_i32x8, reached_i32x8));  // one more where too low
}

inline void make_byte_table(const std::int16_t* query, std::int32_t step, unsigned char* table) {
  const std::int32_t largest = sum_of_sizes(query);
  const __m256i sums_i32x8 = sums_of_bits(query, 3), fourth_i32x8 = _mm256_set1_epi32(query[3]);
  const __m256i first_i32x8 = entries_of_sums(_mm256_sub_epi32(sums_i32x8, fourth_i32x8), largest, step);
  const __m256i last_i32x8 = entries_of_sums(_mm256_add_epi32(sums_i32x8, fourth_i32x8), largest, step);
  const __m256i mixed_u16x16 = _mm256_packus_epi32(first_i32x8, last_i32x8);  // by lanes: 0-3, 8-11, 4-7, 12-15
  const __m256i entries_u16x16 = _mm256_permute4x64_epi64(mixed_u16x16, 0xD8);
  const __m128i low_u16x8 = _mm256_castsi256_si128(entries_u16x16);
  const __m128i high_u16x8 = _mm256_extracti128_si256(entries_u16x16, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(table), _mm_packus_epi16(low_u16x8, high_u16x8));
}

inline void make_byte_tables(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  Bound bound = {1, 0};
  std::int32_t most = 0;
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble) {
    const std::int32_t largest = sum_of_sizes(query + 4 * nibble);
    bound.largest += largest;
    most = largest > most ? largest : most;
  }
  if (most) bound.step = (2 * most + 254) / 255;
  std::memcpy(tables + kBound, &bound, sizeof(bound));
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble) {
    unsigned char* table = tables + nibble / kNibbles * slimvec::kTableBytesPerWord + kByteTables;
    make_byte_table(query + 4 * nibble, bound.step, table + nibble % kNibbles * kEntries);
  }
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

// bounds[i] >= the dot of code i of two blocks.
inline void bounds_of_blocks(const std::uint32_t* first, const std::uint32_t* second, std::size_t n_words,
                             const unsigned char* tables, const Bound& bound, __m256i bounds_i32x8[4]) {
  for (std::size_t half = 0; half < 4; ++half) bounds_i32x8[half] = _mm256_set1_epi32(-bound.largest);
  const __m256i step_i32x8 = _mm256_set1_epi32(bound.step);
  while (n_words) {
    ByteSums sums;
    const std::size_t n_here = n_words < kSumWords ? n_words : kSumWords;
    for (std::size_t word = 0; word < n_here; ++word) {
      _mm_prefetch(reinterpret_cast<const char*>(first) + kAhead, _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(second) + kAhead, _MM_HINT_T0);
      const PartedBytes x(first), y(second);
      const unsigned char* table = tables + kByteTables;
      look_up(_mm256_unpacklo_epi64(x.first_u8x32, y.first_u8x32), table, sums);
      look_up(_mm256_unpackhi_epi64(x.first_u8x32, y.first_u8x32), table + 2 * kEntries, sums);
      look_up(_mm256_unpacklo_epi64(x.last_u8x32, y.last_u8x32), table + 4 * kEntries, sums);
      look_up(_mm256_unpackhi_epi64(x.last_u8x32, y.last_u8x32), table + 6 * kEntries, sums);
      first += kBlockCodes, second += kBlockCodes, tables += slimvec::kTableBytesPerWord;
    }
    n_words -= n_here;
    const __m256i blocks_u16x16[2] = {sums.first_u16x16(), sums.second_u16x16()};
    for (std::size_t half = 0; half < 4; ++half) {
      const __m256i block_u16x16 = blocks_u16x16[half / 2];
      const __m128i half_u16x8 =
          half % 2 ? _mm256_extracti128_si256(block_u16x16, 1) : _mm256_castsi256_si128(block_u16x16);
      const __m256i sums_i32x8 = _mm256_mullo_epi32(_mm256_cvtepu16_epi32(half_u16x8), step_i32x8);
      bounds_i32x8[half] = _mm256_add_epi32(bounds_i32x8[half], sums_i32x8);
    }
  }
}

// The dot of one code.
inline std::int32_t dot_of_code(const std::uint32_t* words, std::size_t n_words, const unsigned char* tables) {
  std::int32_t dot = 0;
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes, tables += slimvec::kTableBytesPerWord) {
    std::uint32_t bits = *words;
    for (std::size_t lookup = 0; lookup < kLookups; ++lookup, bits >>= 3) {
      std::int32_t sum = 0;
      std::memcpy(&sum, tables + lookup * kTableBytes + 4 * (bits & 7), sizeof(sum));
      dot += sum;
    }
  }
  return dot;
}

// Which of eight codes may score above the limit. Scores rise with dots, except where a damaged file says otherwise.
inline unsigned may_be_above(__m256i bounds_i32x8, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale,
                             __m256 limit_f32x8) {
  const __m256 most_f32x8 = scores_of_half(bounds_i32x8, factors, scale);
  __m256 may_f32x8 = _mm256_cmp_ps(most_f32x8, limit_f32x8, _CMP_NLE_UQ);
  may_f32x8 = _mm256_or_ps(may_f32x8, factors_of_half(factors));
  if (scale.weigh) may_f32x8 = _mm256_or_ps(may_f32x8, factors_of_half(factors + 2 * kBlockCodes));
  return static_cast<unsigned>(_mm256_movemask_ps(may_f32x8));
}

// What one call appends.
struct Found {
  float* scores;
  std::uint32_t* positions;
  std::size_t count = 0;

  // Those of eight codes, of which `asked` may be above the limit.
  void take(__m256i dots_i32x8, unsigned asked, const std::uint16_t* factors, const slimvec::AsymmetricScale& scale,
            __m256 limit_f32x8, std::size_t first) {
    const __m256 scores_f32x8 = scores_of_half(dots_i32x8, factors, scale);
    const __m256 are_above = _mm256_cmp_ps(scores_f32x8, limit_f32x8, _CMP_GT_OQ);
    unsigned above = static_cast<unsigned>(_mm256_movemask_ps(are_above)) & asked;
    if (!above) return;
    float values[8];
    _mm256_storeu_ps(values, scores_f32x8);
    for (; above; above &= above - 1) {
      const unsigned kept = static_cast<unsigned>(__builtin_ctz(above));
      scores[count] = values[kept];
      positions[count++] = static_cast<std::uint32_t>(first + kept);
    }
  }
};

}  // namespace

void slimvec::asymmetric_tables_avx2(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  if (n_words) make_byte_tables(query, n_words, tables);
  for (std::size_t word = 0; word < n_words; ++word, query += 32, tables += kTableBytesPerWord) {
    for (std::size_t lookup = 0; lookup < kLookups; ++lookup) {
      const __m256i sums_i32x8 = sums_of_bits(query + 3 * lookup, lookup + 1 < kLookups ? 3 : 2);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(tables + lookup * kTableBytes), sums_i32x8);
    }
  }
}

std::size_t slimvec::asymmetric_above_avx2(const std::uint32_t* blocks, const std::uint16_t* factors,
                                           std::size_t n_blocks, std::size_t n_words, const unsigned char* tables,
                                           const AsymmetricScale& scale, float limit, bool /*cold*/, float* scores,
                                           std::uint32_t* positions) {
  const __m256 limit_f32x8 = _mm256_set1_ps(limit);
  Found found = {scores, positions};
  Bound bound = {};
  const bool all = limit == -std::numeric_limits<float>::infinity() || !(scale.unit >= 0) || n_words > kMaxBoundWords;
  if (n_words) std::memcpy(&bound, tables + kBound, sizeof(bound));
  for (std::size_t block = 0; block < n_blocks; block += 2) {
    const std::uint32_t* first = blocks + block * n_words * kBlockCodes;
    const bool is_last = block + 1 == n_blocks;
    __m256i bounds_i32x8[4];
    if (!all) {
      bounds_of_blocks(first, is_last ? first : first + n_words * kBlockCodes, n_words, tables, bound, bounds_i32x8);
    }
    for (std::size_t half = 0; half < (is_last ? 2u : 4u); ++half) {
      const std::uint32_t* codes = first + half / 2 * n_words * kBlockCodes + half % 2 * 8;
      const std::uint16_t* half_factors = factors + (block + half / 2) * scale.n_factors * kBlockCodes + half % 2 * 8;
      const unsigned asked = all ? 0xFF : may_be_above(bounds_i32x8[half], half_factors, scale, limit_f32x8);
      if (!asked) continue;
      const bool is_single = !(asked & (asked - 1));
      const __m256i dots_i32x8 = is_single
                                     ? _mm256_set1_epi32(dot_of_code(codes + __builtin_ctz(asked), n_words, tables))
                                     : dots_of_half(codes, n_words, tables);
      found.take(dots_i32x8, asked, half_factors, scale, limit_f32x8, 8 * (2 * block + half));
    }
  }
  return found.count;
}
