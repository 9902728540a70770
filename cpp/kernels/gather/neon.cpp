#include <arm_neon.h>

#include "kernels/gather/columns.hpp"

namespace {

struct Vector : Unmasked {
  using Floats = float32x4_t;
  static constexpr std::size_t kLanes = 4;
  static Floats zero() { return vdupq_n_f32(0.0f); }
  static Floats fill(float value) { return vdupq_n_f32(value); }
  static Floats load(const float* from, Lanes) { return vld1q_f32(from); }
  static Floats load(const std::uint16_t* from, Lanes) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))); }
  static void store(float* to, Floats values, Lanes) { vst1q_f32(to, values); }
  static Floats add_product(Floats sums, Floats a, Floats b) { return vaddq_f32(sums, vmulq_f32(a, b)); }
  static float widen(std::uint16_t half) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
  }
};

}  // namespace

void slimvec::gather_f32_neon(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                              const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                              float* out) {
  gather<Vector>(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_neon(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                              const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                              std::size_t n_rows, bool add, float* out) {
  gather<Vector>(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_neon(const std::uint16_t* halves, std::size_t n, float* out) {
  widen_halves<Vector>(halves, n, out);
}
