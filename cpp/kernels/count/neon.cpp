// Eight counters stay in two registers while the loop walks down the rows: a tested bit is all ones, and
// subtracting -1 counts it.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

void slimvec::count_bits_neon(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits,
                              std::uint32_t* counts) {
  const std::size_t stride = code_size(n_bits);
  const std::uint32_t low_bits[4] = {1, 2, 4, 8}, high_bits[4] = {16, 32, 64, 128};
  const uint32x4_t low_u32x4 = vld1q_u32(low_bits), high_u32x4 = vld1q_u32(high_bits);
  std::size_t bit = 0;
  for (; bit + 8 <= n_bits; bit += 8) {
    uint32x4_t low_counts_u32x4 = vld1q_u32(counts + bit), high_counts_u32x4 = vld1q_u32(counts + bit + 4);
    for (std::size_t row = 0; row < n_rows; ++row) {
      const uint32x4_t byte_u32x4 = vdupq_n_u32(codes[row * stride + bit / 8]);
      low_counts_u32x4 = vsubq_u32(low_counts_u32x4, vtstq_u32(byte_u32x4, low_u32x4));
      high_counts_u32x4 = vsubq_u32(high_counts_u32x4, vtstq_u32(byte_u32x4, high_u32x4));
    }
    vst1q_u32(counts + bit, low_counts_u32x4);
    vst1q_u32(counts + bit + 4, high_counts_u32x4);
  }
  for (; bit < n_bits; ++bit) {
    for (std::size_t row = 0; row < n_rows; ++row) counts[bit] += (codes[row * stride + bit / 8] >> (bit % 8)) & 1u;
  }
}
