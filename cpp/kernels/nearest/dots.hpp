// What a compiler makes of it for each instruction set: products of pairs of neighbours, added up.
#include "kernels/kernels.hpp"

namespace slimvec {

namespace {

inline std::int64_t dot_of(const std::int16_t* a, const std::int16_t* b, std::size_t d) {
  constexpr std::size_t kExact = 512;  // kCentroidPeak^2 * 512 < 2^31
  std::int64_t total = 0;
  for (std::size_t first = 0; first < d; first += kExact) {
    const std::size_t last = first + kExact < d ? first + kExact : d;
    std::int32_t sum = 0;
    for (std::size_t j = first; j < last; ++j) sum += static_cast<std::int32_t>(a[j]) * b[j];
    total += sum;
  }
  return total;
}

inline void centroid_dots(const std::int16_t* centroids, std::size_t n_centroids, std::size_t d,
                          const std::int16_t* query, std::int64_t* dots) {
  for (std::size_t i = 0; i < n_centroids; ++i) dots[i] = dot_of(centroids + i * d, query, d);
}

}  // namespace

}  // namespace slimvec
