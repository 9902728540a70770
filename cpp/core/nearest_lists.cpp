#include "core/nearest_lists.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace slimvec {

namespace {

constexpr std::size_t kQueries = 16;       // which meet the same centroids while a cache holds these
constexpr std::size_t kBytes = 16u << 10;  // of centroids, at a time

// Lists in order of what they are worth to one query.
class Ranking {
 public:
  Ranking(const Centroids& centroids, std::size_t n_read)
      : centroids_(centroids), n_read_(n_read), products_(centroids.n), worth_(centroids.n), order_(centroids.n) {}

  void rank(const std::int64_t* dots, double unit, std::int32_t* lists, float* products) {
    for (std::size_t l = 0; l < centroids_.n; ++l) {
      products_[l] = static_cast<double>(dots[l]) * centroids_.steps[l] * unit;
      double worth = products_[l];
      if (centroids_.inverse_norms) worth *= static_cast<double>(centroids_.inverse_norms[l]);
      if (centroids_.half_squares) worth -= static_cast<double>(centroids_.half_squares[l]);
      worth_[l] = worth == worth ? worth : -std::numeric_limits<double>::infinity();
    }
    std::iota(order_.begin(), order_.end(), std::int32_t{0});
    const auto better = [this](std::int32_t a, std::int32_t b) {
      const double of_a = worth_[static_cast<std::size_t>(a)], of_b = worth_[static_cast<std::size_t>(b)];
      return of_a > of_b || (of_a == of_b && a < b);
    };
    const auto end = order_.begin() + static_cast<std::ptrdiff_t>(n_read_);
    if (end != order_.end()) std::nth_element(order_.begin(), end, order_.end(), better);
    std::sort(order_.begin(), end, better);
    for (std::size_t i = 0; i < n_read_; ++i) {
      lists[i] = order_[i];
      products[i] = static_cast<float>(products_[static_cast<std::size_t>(order_[i])]);
    }
  }

 private:
  const Centroids& centroids_;
  std::size_t n_read_;
  std::vector<double> products_, worth_;
  std::vector<std::int32_t> order_;
};

}  // namespace

void nearest_lists(const Kernels& isa, const Centroids& centroids, const std::int16_t* queries, const double* units,
                   std::size_t n_queries, std::size_t n_read, Interrupt& interrupt, std::int32_t* lists,
                   float* products) {
  const std::size_t n = centroids.n, d = centroids.d;
  const std::size_t step = std::max<std::size_t>(1, kBytes / (sizeof(std::int16_t) * std::max<std::size_t>(1, d)));
  std::vector<std::int64_t> dots(std::min(kQueries, n_queries) * n);
  Ranking ranking(centroids, n_read);
  for (std::size_t first = 0; first < n_queries; first += kQueries) {
    const std::size_t n_here = std::min(kQueries, n_queries - first);
    for (std::size_t l = 0; l < n; l += step) {
      interrupt.check();
      const std::size_t n_lists = std::min(step, n - l);
      for (std::size_t q = 0; q < n_here; ++q) {
        isa.centroid_dots(centroids.values + l * d, n_lists, d, queries + (first + q) * d, dots.data() + q * n + l);
      }
    }
    for (std::size_t q = 0; q < n_here; ++q) {
      const std::size_t place = (first + q) * n_read;
      ranking.rank(dots.data() + q * n, units[first + q], lists + place, products + place);
    }
  }
}

}  // namespace slimvec
