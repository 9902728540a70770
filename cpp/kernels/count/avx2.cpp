// Eight counters stay in a register while the loop walks down the rows: a set bit compares to -1, and
// subtracting -1 counts it.
#include <immintrin.h>

#include "kernels/kernels.hpp"

void slimvec::count_bits_avx2(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits,
                              std::uint32_t* counts) {
  const std::size_t stride = code_size(n_bits);
  const __m256i bit_of_lane_i32x8 = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i lanes_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (std::size_t bit = 0; bit < n_bits; bit += 8) {
    const int live_lanes = n_bits - bit < 8 ? static_cast<int>(n_bits - bit) : 8;
    const __m256i live = _mm256_cmpgt_epi32(_mm256_set1_epi32(live_lanes), lanes_i32x8);
    int* const counts_here = reinterpret_cast<int*>(counts + bit);
    __m256i counts_i32x8 = _mm256_maskload_epi32(counts_here, live);
    for (std::size_t row = 0; row < n_rows; ++row) {
      const __m256i byte_i32x8 = _mm256_and_si256(_mm256_set1_epi32(codes[row * stride + bit / 8]), bit_of_lane_i32x8);
      counts_i32x8 = _mm256_sub_epi32(counts_i32x8, _mm256_cmpeq_epi32(byte_i32x8, bit_of_lane_i32x8));
    }
    _mm256_maskstore_epi32(counts_here, live, counts_i32x8);
  }
}
