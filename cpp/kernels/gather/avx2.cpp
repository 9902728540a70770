#include <immintrin.h>

#include "kernels/gather/columns.hpp"

namespace {

struct Vector : Unmasked {
  using Floats = __m256;
  static constexpr std::size_t kLanes = 8;
  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats fill(float value) { return _mm256_set1_ps(value); }
  static Floats load(const float* from, Lanes) { return _mm256_loadu_ps(from); }
  static Floats load(const std::uint16_t* from, Lanes) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static void store(float* to, Floats values, Lanes) { _mm256_storeu_ps(to, values); }
  static Floats add_product(Floats sums, Floats a, Floats b) { return _mm256_add_ps(sums, _mm256_mul_ps(a, b)); }
  static float widen(std::uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }
};

}  // namespace

void slimvec::gather_f32_avx2(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                              const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                              float* out) {
  gather<Vector>(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_avx2(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                              const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                              std::size_t n_rows, bool add, float* out) {
  gather<Vector>(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_avx2(const std::uint16_t* halves, std::size_t n, float* out) {
  widen_halves<Vector>(halves, n, out);
}
