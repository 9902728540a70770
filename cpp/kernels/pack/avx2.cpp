// Eight signs per compare; movemask is already in our bit order (lane 0 = bit 0).
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

// Eight floats -> one byte. Ordered compare: NaN gives 0, and -0.0 >= 0 gives 1.
inline std::uint8_t pack_byte(__m256 values_f32x8) {
  return static_cast<std::uint8_t>(_mm256_movemask_ps(_mm256_cmp_ps(values_f32x8, _mm256_setzero_ps(), _CMP_GE_OQ)));
}

}  // namespace

void slimvec::pack_signs_avx2(const float* rows, std::size_t n_rows, std::size_t n_bits, std::uint8_t* codes) {
  const std::size_t tail = n_bits % 8;
  const __m256i lanes_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i tail_mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(tail)), lanes_i32x8);
  const unsigned tail_bits = (1u << tail) - 1;  // masked-off lanes load as 0.0, whose sign bit would be 1
  for (std::size_t row = 0; row < n_rows; ++row, rows += n_bits) {
    std::size_t bit = 0;
    for (; bit + 8 <= n_bits; bit += 8) *codes++ = pack_byte(_mm256_loadu_ps(rows + bit));
    if (tail) *codes++ = static_cast<std::uint8_t>(pack_byte(_mm256_maskload_ps(rows + bit, tail_mask)) & tail_bits);
  }
}
