// One byte -> eight floats: the byte is broadcast, each lane tests its own bit, a blend picks +s or -s.
#include <immintrin.h>

#include "kernels/kernels.hpp"

void slimvec::unpack_avx2(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, const float* scales,
                          float* out) {
  const std::size_t tail = n_bits % 8;
  const __m256i bit_of_lane_i32x8 = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i lanes_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i tail_mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(tail)), lanes_i32x8);
  for (std::size_t row = 0; row < n_rows; ++row, out += n_bits) {
    const float scale = scales ? scales[row] : 1.0f;
    const __m256 plus_f32x8 = _mm256_set1_ps(scale), minus_f32x8 = _mm256_set1_ps(-scale);
    for (std::size_t bit = 0; bit < n_bits; bit += 8) {
      const __m256i byte_i32x8 = _mm256_and_si256(_mm256_set1_epi32(*codes++), bit_of_lane_i32x8);
      const __m256 is_set = _mm256_castsi256_ps(_mm256_cmpeq_epi32(byte_i32x8, bit_of_lane_i32x8));
      const __m256 values_f32x8 = _mm256_blendv_ps(minus_f32x8, plus_f32x8, is_set);
      if (bit + 8 <= n_bits) {
        _mm256_storeu_ps(out + bit, values_f32x8);
      } else {
        _mm256_maskstore_ps(out + bit, tail_mask, values_f32x8);
      }
    }
  }
}
