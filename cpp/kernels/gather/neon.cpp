// Up to eight registers hold 32 columns of a row while all its anchors are added: `out` is written once, and the eight
// sums hide each other's latency. Columns past the last whole register are summed one by one, in the same order.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kMaxVectors = 8;

inline float32x4_t load(const float* from) { return vld1q_f32(from); }
inline float32x4_t load(const std::uint16_t* from) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))); }
inline float widen(float value) { return value; }
inline float widen(std::uint16_t half) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

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
    float32x4_t sums_f32x4[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sums_f32x4[v] = job.add ? load(out + v * kLanes) : vdupq_n_f32(0.0f);
    for (std::size_t j = job.starts[row]; j < job.starts[row + 1]; ++j) {
      const Anchor* anchor = anchors + job.indices[j] * job.stride;
      const float32x4_t weight_f32x4 = vdupq_n_f32(job.weights[j]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const float32x4_t products_f32x4 = vmulq_f32(weight_f32x4, load(anchor + v * kLanes));
        sums_f32x4[v] = vaddq_f32(sums_f32x4[v], products_f32x4);
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) vst1q_f32(out + v * kLanes, sums_f32x4[v]);
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

void slimvec::gather_f32_neon(const float* anchors, std::size_t stride, std::size_t d, const std::uint32_t* indices,
                              const float* weights, const std::uint32_t* starts, std::size_t n_rows, bool add,
                              float* out) {
  gather(Job<float>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::gather_f16_neon(const std::uint16_t* anchors, std::size_t stride, std::size_t d,
                              const std::uint32_t* indices, const float* weights, const std::uint32_t* starts,
                              std::size_t n_rows, bool add, float* out) {
  gather(Job<std::uint16_t>{anchors, stride, d, indices, weights, starts, n_rows, add, out});
}

void slimvec::widen_halves_neon(const std::uint16_t* halves, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) vst1q_f32(out + i, load(halves + i));
  for (; i < n; ++i) out[i] = widen(halves[i]);
}
