// Two bytes are a mask register: one blend makes sixteen floats.
#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

void slimvec::unpack_avx512(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, const float* scales,
                            float* out) {
  const std::size_t tail = n_bits % 16;
  const std::size_t tail_bytes = (tail + 7) / 8;
  const __mmask16 tail_mask = static_cast<__mmask16>((1u << tail) - 1);
  for (std::size_t row = 0; row < n_rows; ++row, out += n_bits) {
    const float scale = scales ? scales[row] : 1.0f;
    const __m512 plus_f32x16 = _mm512_set1_ps(scale), minus_f32x16 = _mm512_set1_ps(-scale);
    std::size_t bit = 0;
    for (; bit + 16 <= n_bits; bit += 16, codes += 2) {
      __mmask16 bits;
      std::memcpy(&bits, codes, 2);
      _mm512_storeu_ps(out + bit, _mm512_mask_blend_ps(bits, minus_f32x16, plus_f32x16));
    }
    if (tail) {
      __mmask16 bits = 0;
      std::memcpy(&bits, codes, tail_bytes);
      _mm512_mask_storeu_ps(out + bit, tail_mask, _mm512_mask_blend_ps(bits, minus_f32x16, plus_f32x16));
      codes += tail_bytes;
    }
  }
}
