// VPERMD looks up 16 sums at once by the low four bits of each lane, so four bits of 16 codes cost a shift, a lookup
// and an addition: 14 instructions per code of 300 bits.
#include <immintrin.h>

#include "kernels/asymmetric/nibbles_avx512.hpp"
#include "kernels/kernels.hpp"
#include "kernels/prefetch.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr int kLookups = 8;        // per word
constexpr std::size_t kAsked = 2;  // lines ahead, per word and block: a list has more than its codes

// Adds, for each of 16 codes, the sum that bits `shift` ... `shift` + 3 of its word stand for.
template <std::size_t shift>
inline __m512i look_up(__m512i dots_i32x16, __m512i codes_u32x16, const unsigned char* tables) {
  const __m512i table_i32x16 = _mm512_loadu_si512(tables + 16 * shift);
  const __m512i nibbles_u32x16 = _mm512_srli_epi32(codes_u32x16, static_cast<unsigned>(shift));
  return _mm512_add_epi32(dots_i32x16, _mm512_permutexvar_epi32(nibbles_u32x16, table_i32x16));
}

// Two sums, so that one addition need not wait for the other.
template <bool kAsks>
inline __m512i dots_of_block(const std::uint32_t* words, std::size_t n_words, const unsigned char* tables,
                             slimvec::Ahead& ahead) {
  __m512i even_i32x16 = _mm512_setzero_si512(), odd_i32x16 = even_i32x16;
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes, tables += slimvec::kTableBytesPerWord) {
    if (kAsks) slimvec::ask(ahead, kAsked);
    const __m512i codes_u32x16 = _mm512_loadu_si512(words);
    even_i32x16 = look_up<0>(even_i32x16, codes_u32x16, tables);
    odd_i32x16 = look_up<4>(odd_i32x16, codes_u32x16, tables);
    even_i32x16 = look_up<8>(even_i32x16, codes_u32x16, tables);
    odd_i32x16 = look_up<12>(odd_i32x16, codes_u32x16, tables);
    even_i32x16 = look_up<16>(even_i32x16, codes_u32x16, tables);
    odd_i32x16 = look_up<20>(odd_i32x16, codes_u32x16, tables);
    even_i32x16 = look_up<24>(even_i32x16, codes_u32x16, tables);
    odd_i32x16 = look_up<28>(odd_i32x16, codes_u32x16, tables);
  }
  return _mm512_add_epi32(even_i32x16, odd_i32x16);
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
  if (scale.metric == slimvec::Metric::kDot) return scores_f32x16;
  const __m512 weights_f32x16 = factors_of_block(factors + 2 * kBlockCodes);
  if (scale.metric == slimvec::Metric::kCosine) return _mm512_mul_ps(scores_f32x16, weights_f32x16);
  const __mmask16 some = _mm512_cmp_ps_mask(weights_f32x16, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  const __m512 squares_f32x16 = _mm512_mul_ps(weights_f32x16, weights_f32x16);
  const __m512 halves_f32x16 = _mm512_maskz_div_ps(some, _mm512_set1_ps(0.5f), squares_f32x16);
  return _mm512_sub_ps(scores_f32x16, halves_f32x16);
}

// One query.
std::size_t above(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks, std::size_t n_words,
                  slimvec::Ahead& ahead, const slimvec::AsymmetricQuery& query) {
  const slimvec::AsymmetricScale& scale = query.scale;
  const __m512 limit_f32x16 = _mm512_set1_ps(query.limit);
  const __m512i lanes_u32x16 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block, blocks += n_words * kBlockCodes) {
    const __m512i dots_i32x16 = slimvec::is_any(ahead) ? dots_of_block<true>(blocks, n_words, query.tables, ahead)
                                                       : dots_of_block<false>(blocks, n_words, query.tables, ahead);
    const __m512 scores_f32x16 = scores_of_block(dots_i32x16, factors + block * scale.n_factors * kBlockCodes, scale);
    const __mmask16 above = _mm512_cmp_ps_mask(scores_f32x16, limit_f32x16, _CMP_GT_OQ);
    if (!above) continue;
    const __m512i first_u32x16 = _mm512_set1_epi32(static_cast<int>(block * kBlockCodes));
    const __m512i positions_u32x16 = _mm512_add_epi32(first_u32x16, lanes_u32x16);
    _mm512_storeu_ps(query.scores + count, _mm512_maskz_compress_ps(above, scores_f32x16));
    _mm512_storeu_si512(query.positions + count, _mm512_maskz_compress_epi32(above, positions_u32x16));
    count += static_cast<std::size_t>(_mm_popcnt_u32(above));
  }
  return count;
}

}  // namespace

void slimvec::asymmetric_tables_avx512(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  for (std::size_t lookup = 0; lookup < n_words * kLookups; ++lookup, query += 4, tables += 64) {
    _mm512_storeu_si512(tables, sums_of_nibble(query));
  }
}

void slimvec::asymmetric_above_avx512(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                                      std::size_t n_words, Ahead& ahead, AsymmetricQuery* queries,
                                      std::size_t n_queries) {
  for (AsymmetricQuery* query = queries; query != queries + n_queries; ++query) {
    query->n_found = above(blocks, factors, n_blocks, n_words, ahead, *query);
  }
}
