// VPERMD looks up eight sums at once by the low three bits of each lane: eleven lookups per word, the last by two bits.
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kLookups = 11;  // per word
constexpr std::size_t kTableBytes = 32;

// Place of the lowest bit that is set: an intrinsic, as compilers differ in names for the instruction.
inline unsigned lowest_bit(unsigned mask) { return static_cast<unsigned>(_mm_popcnt_u32((mask & (0u - mask)) - 1)); }

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

}  // namespace

void slimvec::asymmetric_tables_avx2(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
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
  std::size_t count = 0;
  for (std::size_t half = 0; half < 2 * n_blocks; ++half) {
    const std::size_t block = half / 2, lane = half % 2 * 8;
    const __m256i dots_i32x8 = dots_of_half(blocks + block * n_words * kBlockCodes + lane, n_words, tables);
    const std::uint16_t* half_factors = factors + block * scale.n_factors * kBlockCodes + lane;
    const __m256 scores_f32x8 = scores_of_half(dots_i32x8, half_factors, scale);
    const __m256 are_above = _mm256_cmp_ps(scores_f32x8, limit_f32x8, _CMP_GT_OQ);
    unsigned above = static_cast<unsigned>(_mm256_movemask_ps(are_above));
    if (!above) continue;
    float values[8];
    _mm256_storeu_ps(values, scores_f32x8);
    for (; above; above &= above - 1) {
      const unsigned kept = lowest_bit(above);
      scores[count] = values[kept];
      positions[count++] = static_cast<std::uint32_t>(8 * half + kept);
    }
  }
  return count;
}
