#include "kernels/nearest/dots.hpp"

void slimvec::centroid_dots_avx2(const std::int16_t* centroids, std::size_t n_centroids, std::size_t d,
                                 const std::int16_t* query, std::int64_t* dots) {
  all_dots<kExactWords>(centroids, n_centroids, d, query, dots);
}

void slimvec::byte_dots_avx2(const std::int8_t* centroids, std::size_t n_centroids, std::size_t d,
                             const std::int16_t* query, std::int64_t* dots) {
  all_dots<kExactBytes>(centroids, n_centroids, d, query, dots);
}
