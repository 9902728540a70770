// Gathers in vector registers, for AVX2, AVX-512 and NEON: up to eight registers hold columns of a row while all its
// anchors are added, so that `out` is written once and the eight sums hide each other's latency. Everything here is
// local to the file that includes it, because each is compiled for another instruction set.
//
// That file says in a struct `Vector` what a register is: kLanes `Floats`, made by zero and fill, moved by load and
// store, summed by add_product, which rounds twice. With kMasks, load and store touch no other lanes than the `Lanes`
// they are told, and the last register of a row may be part empty. Without, registers of one float, made by widen, take
// the columns past the last whole register.
#pragma once

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kMaxVectors = 8;

// What a Vector without masks inherits: all its lanes exist, always.
struct Unmasked {
  static constexpr bool kMasks = false;
  struct Lanes {};
  static Lanes first_lanes(std::size_t) { return {}; }
};

template <typename Vector>
struct OneFloat : Unmasked {
  using Floats = float;
  static constexpr std::size_t kLanes = 1;
  static float zero() { return 0.0f; }
  static float fill(float value) { return value; }
  static float load(const float* from, Lanes) { return *from; }
  static float load(const std::uint16_t* from, Lanes) { return Vector::widen(*from); }
  static void store(float* to, float value, Lanes) { *to = value; }
  static float add_product(float sum, float a, float b) { return sum + a * b; }
};

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
template <typename Vector, std::size_t kVectors, typename Anchor>
void gather_columns(const Job<Anchor>& job, std::size_t column, typename Vector::Lanes last) {
  constexpr std::size_t kLanes = Vector::kLanes;
  const auto lanes = [last](std::size_t v) { return v + 1 < kVectors ? Vector::first_lanes(kLanes) : last; };
  const Anchor* anchors = job.anchors + column;
  for (std::size_t row = 0; row < job.n_rows; ++row) {
    float* out = job.out + row * job.d + column;
    typename Vector::Floats sums[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[v] = job.add ? Vector::load(out + v * kLanes, lanes(v)) : Vector::zero();
    }
    for (std::size_t j = job.starts[row]; j < job.starts[row + 1]; ++j) {
      const Anchor* anchor = anchors + job.indices[j] * job.stride;
      const typename Vector::Floats weight = Vector::fill(job.weights[j]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[v] = Vector::add_product(sums[v], weight, Vector::load(anchor + v * kLanes, lanes(v)));
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) Vector::store(out + v * kLanes, sums[v], lanes(v));
  }
}

// How many of n values go through registers.
template <typename Vector>
std::size_t in_registers(std::size_t n) {
  return Vector::kMasks ? n : n / Vector::kLanes * Vector::kLanes;
}

// Columns `column` ... end - 1 of all rows; without masks, whole registers.
template <typename Vector, typename Anchor>
void gather_between(const Job<Anchor>& job, std::size_t column, std::size_t end) {
  using Columns = void(const Job<Anchor>&, std::size_t, typename Vector::Lanes);
  constexpr Columns* by_vectors[kMaxVectors] = {gather_columns<Vector, 1, Anchor>, gather_columns<Vector, 2, Anchor>,
                                                gather_columns<Vector, 3, Anchor>, gather_columns<Vector, 4, Anchor>,
                                                gather_columns<Vector, 5, Anchor>, gather_columns<Vector, 6, Anchor>,
                                                gather_columns<Vector, 7, Anchor>, gather_columns<Vector, 8, Anchor>};
  constexpr std::size_t kLanes = Vector::kLanes;
  for (; column < end; column += kMaxVectors * kLanes) {
    const std::size_t left = end - column;
    const std::size_t n_vectors = left < kMaxVectors * kLanes ? slimvec::ceil_divide(left, kLanes) : kMaxVectors;
    by_vectors[n_vectors - 1](job, column, Vector::first_lanes(left - (n_vectors - 1) * kLanes));
  }
}

template <typename Vector, typename Anchor>
void gather(const Job<Anchor>& job) {
  const std::size_t end = in_registers<Vector>(job.d);
  gather_between<Vector>(job, 0, end);
  if constexpr (!Vector::kMasks) gather_between<OneFloat<Vector>>(job, end, job.d);
}

template <typename Vector>
void widen_halves(const std::uint16_t* halves, std::size_t n, float* out) {
  const std::size_t end = in_registers<Vector>(n);
  for (std::size_t i = 0; i < end; i += Vector::kLanes) {
    const typename Vector::Lanes lanes = Vector::first_lanes(n - i);
    Vector::store(out + i, Vector::load(halves + i, lanes), lanes);
  }
  if constexpr (!Vector::kMasks) {
    for (std::size_t i = end; i < n; ++i) out[i] = Vector::widen(halves[i]);
  }
}

}  // namespace
