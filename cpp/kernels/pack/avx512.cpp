// Sixteen signs per compare; the mask register is already in our bit order (lane 0 = bit 0).
#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

void slimvec::pack_signs_avx512(const float* rows, std::size_t n_rows, std::size_t n_bits, std::uint8_t* codes) {
  const std::size_t tail = n_bits % 16;
  const std::size_t tail_bytes = (tail + 7) / 8;
  const __mmask16 tail_mask = static_cast<__mmask16>((1u << tail) - 1);
  const __m512 zero_f32x16 = _mm512_setzero_ps();
  for (std::size_t row = 0; row < n_rows; ++row, rows += n_bits) {
    std::size_t bit = 0;
    for (; bit + 16 <= n_bits; bit += 16, codes += 2) {
      const __mmask16 bits = _mm512_cmp_ps_mask(_mm512_loadu_ps(rows + bit), zero_f32x16, _CMP_GE_OQ);
      std::memcpy(codes, &bits, 2);
    }
    if (tail) {
      const __m512 values_f32x16 = _mm512_maskz_loadu_ps(tail_mask, rows + bit);
      const __mmask16 bits = _mm512_mask_cmp_ps_mask(tail_mask, values_f32x16, zero_f32x16, _CMP_GE_OQ);
      std::memcpy(codes, &bits, tail_bytes);
      codes += tail_bytes;
    }
  }
}
