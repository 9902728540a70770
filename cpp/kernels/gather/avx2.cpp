// Up to eight registers hold 64 columns of a row while all its anchors are added: `out` is written once, and the eight
// sums hide each other's latency. Columns past the last whole register are summed one by one, in the same order.
#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kMaxVectors = 8;

inline __m256 load(const float* from) { return _mm256_loadu_ps(from); }
inline __m256 load(const std::uint16_t* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline float widen(float value) { return value; }
inline float widen(std::uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }

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

// Columns `column` ... of all rows, kVectors registers wide.
template <std::size_t kVectors, typename Anchor>
void gather_columns(const Job<Anchor>& job, std::size_t column) {
  const Anchor* anchors = job.anchors + column;
  for (std::size_t row = 0; row < job.n_rows; ++row) {
    float* out = job.out + row * job.d + column;
    __m256 sums_f32x8[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sums_f32x8[v] = job.add ? load(out + v * kLanes) : _mm256_setzero_ps();
    for (std::size_t j = job.starts[row]; j < job.starts[row + 1]; ++j) {
      const Anchor* anchor = anchors + job.indices[j] * job.stride;
      const __m256 weight_f32x8 = _mm256_set1_ps(job.weights[j]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const __m256 products_f32x8 = _mm256_mul_ps(weight_f32x8, load(anchor + v * kLanes));
        sums_f32x8[v] = _mm256_add_ps(sums_f32x8[v], products_f32x8);
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) _mm256_storeu_ps(out + v * kLanes, sums_f32x8[v]);
  }
}

template <typename Anchor>
void gather_last_columns(const Job<Anchor>& job, std::size_t first_column) {
  for (std::size_t row = 0; row < job.n_rows; ++row) {
    for (std::size_t column = first_column; column < job.d; ++column) {
      float* out = job.out + row * job.d + column;
      float sum = job.add ? *out : 0.0f;
      for (std::size_t j = job.starts[row]; j < job.starts[row + 1]; ++j) {
        sum += job.weights[j] * widen(job.anchors[job.indices[j] * job.stride + column]);
      }
      *out = sum;
    }
  }
}

template <typename Anchor>
void gather(const Job<Anchor>& job) {
  using Columns = void(const Job<Anchor>&, std::size_t);
  constexpr Columns* by_vectors[kMaxVectors] = {
      gather_columns<1, Anchor>, gather_columns<2, Anchor>, gather_columns<3, Anchor>, gather_columns<4, Anchor>,
      gather_columns<5, Anchor>, gather_columns<6, Anchor>, gather_columns<7, Anchor>, gather_columns<8, Anchor>};
  std::size_t column = 0;
  while (column + kLanes <= job.d) {
    const std::size_t whole = (job.d - column) / kLanes, n_vectors = whole < kMaxVectors ? whole : kMaxVectors;
    by_vectors[n_vectors - 1](job, column);
    column += n_vectors * kLanes;
  }
  if (column < job.d) gather_last_columns(job, column);
}

}  // namespace

void slimvec::gather_f32_avx2(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                              const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                              float* out) {
  gather(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_avx2(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                              const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                              std::size_t n_rows, bool add, float* out) {
  gather(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_avx2(const std::uint16_t* halves, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) _mm256_storeu_ps(out + i, load(halves + i));
  for (; i < n; ++i) out[i] = widen(halves[i]);
}
