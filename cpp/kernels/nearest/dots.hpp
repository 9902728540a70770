// What a compiler makes of it for each instruction set: products of pairs of neighbours, added up.
#pragma once

#include "kernels/kernels.hpp"

namespace slimvec {

namespace {

// Products whose sum fits int32: of kCentroidPeak and itself, or -128.
constexpr std::size_t kExactWords = 512, kExactBytes = 8192;

template <std::size_t kExact, typename Entry>
inline std::int64_t dot_of(const Entry* a, const std::int16_t* b, std::size_t d) {
  std::int64_t total = 0;
  for (std::size_t first = 0; first < d; first += kExact) {
    const std::size_t last = first + kExact < d ? first + kExact : d;
    std::int32_t sum = 0;
    for (std::size_t j = first; j < last; ++j) sum += static_cast<std::int32_t>(a[j]) * b[j];
    total += sum;
  }
  return total;
}

template <std::size_t kExact, typename Entry>
inline void all_dots(const Entry* centroids, std::size_t n_centroids, std::size_t d, const std::int16_t* query,
                     std::int64_t* dots) {
  for (std::size_t i = 0; i < n_centroids; ++i) dots[i] = dot_of<kExact>(centroids + i * d, query, d);
}

}  // namespace

}  // namespace slimvec
