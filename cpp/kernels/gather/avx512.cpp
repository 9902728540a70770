// Up to eight registers hold 128 columns of a row while all its anchors are added: `out` is written once, and the eight
// sums hide each other's latency. The last register of a row is masked, so any d runs without a scalar end.
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kMaxVectors = 8;
constexpr __mmask16 kAllLanes = 0xFFFF;

inline __m512 load(const float* from, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, from); }
inline __m512 load(const std::uint16_t* from, __mmask16 lanes) {
  return _mm512_maskz_cvtph_ps(lanes, _mm256_maskz_loadu_epi16(lanes, from));  // unmasked, GCC 12 warns
}

inline __mmask16 first_lanes(std::size_t n) { return n >= kLanes ? kAllLanes : static_cast<__mmask16>((1u << n) - 1); }

template <typename Anchor>
struct Job {
  const Anchor* anchors;
  std::size_t stride, d;
  const std::uint32_t* indices;
  const float* weights;
  const std::uint32_t* starts;
  std::size_t n_rows;
  bool add;
  float* out;
};

// Columns `column` ... of all rows, kVectors registers wide; `last` says which lanes of the last one exist.
template <std::size_t kVectors, typename Anchor>
void gather_columns(const Job<Anchor>& job, std::size_t column, __mmask16 last) {
  const Anchor* anchors = job.anchors + column;
  for (std::size_t row = 0; row < job.n_rows; ++row) {
    float* out = job.out + row * job.d + column;
    __m512 sums_f32x16[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __mmask16 lanes = v + 1 < kVectors ? kAllLanes : last;
      sums_f32x16[v] = job.add ? load(out + v * kLanes, lanes) : _mm512_setzero_ps();
    }
    for (std::size_t j = job.starts[row]; j < job.starts[row + 1]; ++j) {
      const Anchor* anchor = anchors + job.indices[j] * job.stride;
      const __m512 weight_f32x16 = _mm512_set1_ps(job.weights[j]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const __m512 anchor_f32x16 = load(anchor + v * kLanes, v + 1 < kVectors ? kAllLanes : last);
        sums_f32x16[v] = _mm512_add_ps(sums_f32x16[v], _mm512_mul_ps(weight_f32x16, anchor_f32x16));
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(out + v * kLanes, v + 1 < kVectors ? kAllLanes : last, sums_f32x16[v]);
    }
  }
}

template <typename Anchor>
void gather(const Job<Anchor>& job) {
  using Columns = void(const Job<Anchor>&, std::size_t, __mmask16);
  constexpr Columns* by_vectors[kMaxVectors] = {
      gather_columns<1, Anchor>, gather_columns<2, Anchor>, gather_columns<3, Anchor>, gather_columns<4, Anchor>,
      gather_columns<5, Anchor>, gather_columns<6, Anchor>, gather_columns<7, Anchor>, gather_columns<8, Anchor>};
  for (std::size_t column = 0; column < job.d; column += kMaxVectors * kLanes) {
    const std::size_t left = job.d - column;
    const std::size_t n_vectors = left < kMaxVectors * kLanes ? slimvec::ceil_divide(left, kLanes) : kMaxVectors;
    by_vectors[n_vectors - 1](job, column, first_lanes(left - (n_vectors - 1) * kLanes));
  }
}

}  // namespace

void slimvec::gather_f32_avx512(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                                const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                                float* out) {
  gather(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_avx512(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                                const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                                std::size_t n_rows, bool add, float* out) {
  gather(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_avx512(const std::uint16_t* halves, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first_lanes(n - i);
    _mm512_mask_storeu_ps(out + i, lanes, load(halves + i, lanes));
  }
}
