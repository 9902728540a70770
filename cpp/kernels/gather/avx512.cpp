#include <immintrin.h>

#include "kernels/gather/columns.hpp"

namespace {

struct Vector {
  using Floats = __m512;
  using Lanes = __mmask16;
  static constexpr bool kMasks = true;
  static constexpr std::size_t kLanes = 16;
  static Lanes first_lanes(std::size_t n) { return n >= kLanes ? Lanes{0xFFFF} : static_cast<Lanes>((1u << n) - 1); }
  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats fill(float value) { return _mm512_set1_ps(value); }
  static Floats load(const float* from, Lanes lanes) { return _mm512_maskz_loadu_ps(lanes, from); }
  static Floats load(const std::uint16_t* from, Lanes lanes) {
    return _mm512_maskz_cvtph_ps(lanes, _mm256_maskz_loadu_epi16(lanes, from));  // unmasked, GCC 12 warns
  }
  static void store(float* to, Floats values, Lanes lanes) { _mm512_mask_storeu_ps(to, lanes, values); }
  static Floats add_product(Floats sums, Floats a, Floats b) { return _mm512_add_ps(sums, _mm512_mul_ps(a, b)); }
};

}  // namespace

void slimvec::gather_f32_avx512(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                                const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                                float* out) {
  gather<Vector>(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_avx512(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                                const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                                std::size_t n_rows, bool add, float* out) {
  gather<Vector>(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_avx512(const std::uint16_t* halves, std::size_t n, float* out) {
  widen_halves<Vector>(halves, n, out);
}
