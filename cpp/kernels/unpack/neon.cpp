// One byte -> eight floats: the byte is broadcast, each lane tests its own bit, a select picks +s or -s.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

void slimvec::unpack_neon(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, const float* scales,
                          float* out) {
  const std::uint32_t low_bits[4] = {1, 2, 4, 8}, high_bits[4] = {16, 32, 64, 128};
  const uint32x4_t low_u32x4 = vld1q_u32(low_bits), high_u32x4 = vld1q_u32(high_bits);
  for (std::size_t row = 0; row < n_rows; ++row, codes += code_size(n_bits), out += n_bits) {
    const float scale = scales ? scales[row] : 1.0f;
    const float32x4_t plus_f32x4 = vdupq_n_f32(scale), minus_f32x4 = vdupq_n_f32(-scale);
    std::size_t bit = 0;
    for (; bit + 8 <= n_bits; bit += 8) {
      const uint32x4_t byte_u32x4 = vdupq_n_u32(codes[bit / 8]);
      vst1q_f32(out + bit, vbslq_f32(vtstq_u32(byte_u32x4, low_u32x4), plus_f32x4, minus_f32x4));
      vst1q_f32(out + bit + 4, vbslq_f32(vtstq_u32(byte_u32x4, high_u32x4), plus_f32x4, minus_f32x4));
    }
    for (; bit < n_bits; ++bit) out[bit] = (codes[bit / 8] >> (bit % 8)) & 1 ? scale : -scale;
  }
}
