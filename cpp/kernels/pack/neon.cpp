// Eight signs per byte: two compares, each lane kept at its bit's weight, summed across.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

namespace {

inline std::uint8_t pack_byte(float32x4_t low_f32x4, float32x4_t high_f32x4) {
  const std::uint32_t low_weights[4] = {1, 2, 4, 8}, high_weights[4] = {16, 32, 64, 128};
  const uint32x4_t low_u32x4 = vandq_u32(vcgezq_f32(low_f32x4), vld1q_u32(low_weights));
  const uint32x4_t high_u32x4 = vandq_u32(vcgezq_f32(high_f32x4), vld1q_u32(high_weights));
  return static_cast<std::uint8_t>(vaddvq_u32(vorrq_u32(low_u32x4, high_u32x4)));
}

}  // namespace

void slimvec::pack_signs_neon(const float* rows, std::size_t n_rows, std::size_t n_bits, std::uint8_t* codes) {
  for (std::size_t row = 0; row < n_rows; ++row, rows += n_bits) {
    std::size_t bit = 0;
    for (; bit + 8 <= n_bits; bit += 8) *codes++ = pack_byte(vld1q_f32(rows + bit), vld1q_f32(rows + bit + 4));
    if (bit < n_bits) {
      float tail[8] = {-1, -1, -1, -1, -1, -1, -1, -1};  // lanes past the end must pack to 0
      for (std::size_t j = 0; bit + j < n_bits; ++j) tail[j] = rows[bit + j];
      *codes++ = pack_byte(vld1q_f32(tail), vld1q_f32(tail + 4));
    }
  }
}
