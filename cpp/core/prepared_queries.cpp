#include "core/prepared_queries.hpp"

#include <algorithm>
#include <cmath>

namespace slimvec {

std::size_t tell_along(const Kernels& isa, const QueryFrame& frame, const double* vectors, std::size_t n_vectors,
                       float* along) {
  constexpr std::size_t kVectors = 32;  // that share what is read of the directions
  const std::size_t d = frame.d, most = std::min(kVectors, n_vectors);
  std::vector<float> centred(most * d);
  std::vector<std::uint32_t> places(most * d), starts(most + 1);
  for (std::size_t q = 0; q < most; ++q) {
    for (std::size_t i = 0; i < d; ++i) places[q * d + i] = static_cast<std::uint32_t>(i);
    starts[q + 1] = static_cast<std::uint32_t>((q + 1) * d);
  }
  std::size_t bad = n_vectors;
  for (std::size_t first = 0; first < n_vectors; first += kVectors) {
    const std::size_t n_here = std::min(kVectors, n_vectors - first);
    for (std::size_t q = 0; q < n_here; ++q) {
      const double* vector = vectors + (first + q) * d;
      for (std::size_t i = 0; i < d; ++i) centred[q * d + i] = static_cast<float>(vector[i]) - frame.mean[i];
    }
    float* out = along + first * frame.n;
    isa.gather_f32(frame.directions, frame.n, frame.n, places.data(), centred.data(), starts.data(), n_here, false,
                   out);
    const float *begin = out, *end = out + n_here * frame.n;
    const float* wrong = std::find_if_not(begin, end, [](float value) { return std::isfinite(value); });
    if (wrong != end && bad == n_vectors) bad = first + static_cast<std::size_t>(wrong - begin) / frame.n;
  }
  return bad;
}

bool bring_to_norm(double* rows, std::size_t n, std::size_t d, double norm) {
  constexpr double kLeast = 1e-280, kMost = 1e280;  // sums of squares that double holds with all their digits
  std::vector<double> factors(n);
  for (std::size_t i = 0; i < n; ++i) {
    double square = 0;
    for (std::size_t j = 0; j < d; ++j) square += rows[i * d + j] * rows[i * d + j];
    if (!(square > kLeast && square < kMost)) return false;
    factors[i] = norm / std::sqrt(square);
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) rows[i * d + j] *= factors[i];
  }
  return true;
}

void tell_lead(const float* along, std::size_t n_vectors, std::size_t width, const float* at_mean, std::size_t n_lead,
               double* out) {
  for (std::size_t q = 0; q < n_vectors; ++q) {
    const float* last = along + (q + 1) * width - n_lead;
    for (std::size_t j = 0; j < n_lead; ++j) out[q * n_lead + j] = static_cast<double>(last[j] + at_mean[j]);
  }
}

}  // namespace slimvec
