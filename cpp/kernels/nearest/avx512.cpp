// Four centroids at a time, so that what a query is and the sums across lanes are shared by them.
#include <immintrin.h>

#include "kernels/nearest/dots.hpp"

namespace {

constexpr std::size_t kEntries = 32, kRows = 4;

inline __m512i entries_i16x32(const std::int16_t* from) { return _mm512_loadu_si512(from); }

inline __m512i entries_i16x32(const std::int8_t* from) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

inline __m512i some_entries_i16x32(__mmask32 which, const std::int16_t* from) {
  return _mm512_maskz_loadu_epi16(which, from);
}

inline __m512i some_entries_i16x32(__mmask32 which, const std::int8_t* from) {
  return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(which, from));
}

// The sums of the lanes of four.
inline __m128i lane_sums_i32x4(const __m512i (&of_i32x16)[kRows]) {
  const __m512i a_i32x16 = _mm512_add_epi32(_mm512_unpacklo_epi32(of_i32x16[0], of_i32x16[1]),
                                            _mm512_unpackhi_epi32(of_i32x16[0], of_i32x16[1]));
  const __m512i b_i32x16 = _mm512_add_epi32(_mm512_unpacklo_epi32(of_i32x16[2], of_i32x16[3]),
                                            _mm512_unpackhi_epi32(of_i32x16[2], of_i32x16[3]));
  const __m512i all_i32x16 =
      _mm512_add_epi32(_mm512_unpacklo_epi64(a_i32x16, b_i32x16), _mm512_unpackhi_epi64(a_i32x16, b_i32x16));
  const __m256i half_i32x8 =
      _mm256_add_epi32(_mm512_castsi512_si256(all_i32x16), _mm512_extracti64x4_epi64(all_i32x16, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half_i32x8), _mm256_extracti128_si256(half_i32x8, 1));
}

// Sums that fit int32: of up to kExact entries.
template <typename Entry>
inline __m128i dots_i32x4(const Entry* rows, std::size_t stride, std::size_t d, const std::int16_t* query) {
  __m512i sums_i32x16[kRows];
  for (__m512i& sum_i32x16 : sums_i32x16) sum_i32x16 = _mm512_setzero_si512();
  std::size_t j = 0;
  for (; j + kEntries <= d; j += kEntries) {
    const __m512i query_i16x32 = _mm512_loadu_si512(query + j);
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512i products_i32x16 = _mm512_madd_epi16(entries_i16x32(rows + row * stride + j), query_i16x32);
      sums_i32x16[row] = _mm512_add_epi32(sums_i32x16[row], products_i32x16);
    }
  }
  if (j < d) {
    const auto which = static_cast<__mmask32>((1ull << (d - j)) - 1);
    const __m512i query_i16x32 = _mm512_maskz_loadu_epi16(which, query + j);
    for (std::size_t row = 0; row < kRows; ++row) {
      const __m512i own_i16x32 = some_entries_i16x32(which, rows + row * stride + j);
      sums_i32x16[row] = _mm512_add_epi32(sums_i32x16[row], _mm512_madd_epi16(own_i16x32, query_i16x32));
    }
  }
  return lane_sums_i32x4(sums_i32x16);
}

template <std::size_t kExact, typename Entry>
inline void dots_by_four(const Entry* centroids, std::size_t n_centroids, std::size_t d, const std::int16_t* query,
                         std::int64_t* dots) {
  std::size_t i = 0;
  for (; i + kRows <= n_centroids; i += kRows) {
    __m256i sums_i64x4 = _mm256_setzero_si256();
    for (std::size_t first = 0; first < d; first += kExact) {
      const std::size_t n_here = d - first < kExact ? d - first : kExact;
      const __m128i part_i32x4 = dots_i32x4(centroids + i * d + first, d, n_here, query + first);
      sums_i64x4 = _mm256_add_epi64(sums_i64x4, _mm256_cvtepi32_epi64(part_i32x4));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dots + i), sums_i64x4);
  }
  slimvec::all_dots<kExact>(centroids + i * d, n_centroids - i, d, query, dots + i);
}

}  // namespace

void slimvec::centroid_dots_avx512(const std::int16_t* centroids, std::size_t n_centroids, std::size_t d,
                                   const std::int16_t* query, std::int64_t* dots) {
  dots_by_four<kExactWords>(centroids, n_centroids, d, query, dots);
}

void slimvec::byte_dots_avx512(const std::int8_t* centroids, std::size_t n_centroids, std::size_t d,
                               const std::int16_t* query, std::int64_t* dots) {
  dots_by_four<kExactBytes>(centroids, n_centroids, d, query, dots);
}
