// AVX2 has no vector popcount: VPSHUFB looks up the count of each nibble (Mula's method). Byte counts are added up
// over up to 31 words (31 * 8 = 248 still fits a byte) before MADDUBS and MADD fold the four bytes of each code.
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kWordsPerFold = 31;
constexpr std::size_t kPrefetchAhead = 8192;  // bytes; see avx512.cpp

// Place of the lowest bit that is set: an intrinsic, as compilers differ in names for the instruction.
inline unsigned lowest_bit(unsigned mask) { return static_cast<unsigned>(_mm_popcnt_u32((mask & (0u - mask)) - 1)); }

inline __m256i popcount_bytes(__m256i x_u8x32) {
  const __m256i count_of_nibble = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                   0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low_nibble = _mm256_set1_epi8(0x0F);
  const __m256i low_u8x32 = _mm256_and_si256(x_u8x32, low_nibble);
  const __m256i high_u8x32 = _mm256_and_si256(_mm256_srli_epi16(x_u8x32, 4), low_nibble);
  return _mm256_add_epi8(_mm256_shuffle_epi8(count_of_nibble, low_u8x32),
                         _mm256_shuffle_epi8(count_of_nibble, high_u8x32));
}

// Sums of the four bytes of each 32-bit lane.
inline __m256i fold_bytes(__m256i counts_u8x32) {
  const __m256i pairs_i16x16 = _mm256_maddubs_epi16(counts_u8x32, _mm256_set1_epi8(1));
  return _mm256_madd_epi16(pairs_i16x16, _mm256_set1_epi16(1));
}

inline __m256i different_bytes(const std::uint32_t* half_word, __m256i query_u32x8) {
  const __m256i codes_u32x8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(half_word));
  return popcount_bytes(_mm256_xor_si256(codes_u32x8, query_u32x8));
}

}  // namespace

std::size_t slimvec::hamming_below_avx2(const std::uint32_t* blocks, std::size_t n_blocks, std::size_t n_words,
                                        const std::uint32_t* query, std::uint32_t limit, bool cold,
                                        std::uint32_t* distances, std::uint32_t* positions) {
  // Distances and limits stay below 2^31, so a signed compare serves once the limit is clipped.
  const std::uint32_t signed_limit = limit < 0x7FFFFFFFu ? limit : 0x7FFFFFFFu;
  const __m256i limit_i32x8 = _mm256_set1_epi32(static_cast<int>(signed_limit));
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block) {
    __m256i low_sums_i32x8 = _mm256_setzero_si256(), high_sums_i32x8 = low_sums_i32x8;
    for (std::size_t first = 0; first < n_words; first += kWordsPerFold) {
      const std::size_t last = first + kWordsPerFold < n_words ? first + kWordsPerFold : n_words;
      __m256i low_counts_u8x32 = _mm256_setzero_si256(), high_counts_u8x32 = low_counts_u8x32;
      for (std::size_t word = first; word < last; ++word, blocks += kBlockCodes) {
        if (cold) _mm_prefetch(reinterpret_cast<const char*>(blocks) + kPrefetchAhead, _MM_HINT_T0);
        const __m256i query_u32x8 = _mm256_set1_epi32(static_cast<int>(query[word]));
        low_counts_u8x32 = _mm256_add_epi8(low_counts_u8x32, different_bytes(blocks, query_u32x8));
        high_counts_u8x32 = _mm256_add_epi8(high_counts_u8x32, different_bytes(blocks + 8, query_u32x8));
      }
      low_sums_i32x8 = _mm256_add_epi32(low_sums_i32x8, fold_bytes(low_counts_u8x32));
      high_sums_i32x8 = _mm256_add_epi32(high_sums_i32x8, fold_bytes(high_counts_u8x32));
    }
    const __m256 low_below = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit_i32x8, low_sums_i32x8));
    const __m256 high_below = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit_i32x8, high_sums_i32x8));
    unsigned below = static_cast<unsigned>(_mm256_movemask_ps(low_below)) |
                     static_cast<unsigned>(_mm256_movemask_ps(high_below)) << 8;
    if (!below) continue;
    std::uint32_t sums[kBlockCodes];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), low_sums_i32x8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8), high_sums_i32x8);
    for (; below; below &= below - 1) {
      const unsigned lane = lowest_bit(below);
      distances[count] = sums[lane];
      positions[count++] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
    }
  }
  return count;
}
