#include "kernels/nearest/dots.hpp"

void slimvec::centroid_dots_avx2(const std::int16_t* centroids, std::size_t n_centroids, std::size_t d,
                                 const std::int16_t* query, std::int64_t* dots) {
  centroid_dots(centroids, n_centroids, d, query, dots);
}
