// Plain C++: one anchor after the other is added to the output row, which stays in L1; the loop over columns is what a
// compiler vectorises for the ABI floor.
#include <cstring>

#include "kernels/kernels.hpp"

namespace {

inline float widen(float value) { return value; }

// Exponent and mantissa moved into a float's place come out 2^112 too small, subnormals included: one exact product.
inline float widen(std::uint16_t half) {
  const std::uint32_t rest = half & 0x7FFFu;
  std::uint32_t bits = rest << 13;
  float value;
  std::memcpy(&value, &bits, 4);
  value *= 0x1p112f;
  std::memcpy(&bits, &value, 4);
  if (rest >= 0x7C00u) bits = 0x7F800000u | rest << 13;  // infinity and NaN
  if (rest > 0x7C00u) bits |= 0x00400000u;               // a quiet NaN, as the conversion instructions make
  bits |= static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::memcpy(&value, &bits, 4);
  return value;
}

template <typename Anchor>
void gather(const Anchor* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
            const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add, float* out) {
  for (std::size_t row = 0; row < n_rows; ++row, out += d) {
    if (!add) std::memset(out, 0, d * sizeof(float));
    for (std::size_t j = starts[row]; j < starts[row + 1]; ++j) {
      const Anchor* anchor = anchors + indices[j] * stride;
      for (std::size_t c = 0; c < d; ++c) out[c] += weights[j] * widen(anchor[c]);
    }
  }
}

}  // namespace

void slimvec::gather_f32_scalar(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                                const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                                float* out) {
  gather(anchors, stride, d, indices, weights, starts, n_rows, add, out);
}

void slimvec::gather_f16_scalar(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                                const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                                std::size_t n_rows, bool add, float* out) {
  gather(anchors, stride, d, indices, weights, starts, n_rows, add, out);
}

void slimvec::widen_halves_scalar(const std::uint16_t* halves, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = widen(halves[i]);
}
