// Sixteen counters stay in a register while the loop walks down the rows: two bytes of a code are the mask of
// an add.
#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

void slimvec::count_bits_avx512(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits,
                                std::uint32_t* counts) {
  const std::size_t stride = code_size(n_bits);
  const __m512i one_u32x16 = _mm512_set1_epi32(1);
  for (std::size_t bit = 0; bit < n_bits; bit += 16) {
    const std::size_t live_bits = n_bits - bit < 16 ? n_bits - bit : 16;
    const std::size_t live_bytes = (live_bits + 7) / 8;
    const __mmask16 live = static_cast<__mmask16>((1u << live_bits) - 1);
    __m512i counts_u32x16 = _mm512_maskz_loadu_epi32(live, counts + bit);
    for (std::size_t row = 0; row < n_rows; ++row) {
      __mmask16 is_set = 0;
      std::memcpy(&is_set, codes + row * stride + bit / 8, live_bytes);
      counts_u32x16 = _mm512_mask_add_epi32(counts_u32x16, is_set, counts_u32x16, one_u32x16);
    }
    _mm512_mask_storeu_epi32(counts + bit, live, counts_u32x16);
  }
}
