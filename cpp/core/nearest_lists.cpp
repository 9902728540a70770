#include "core/nearest_lists.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/platform.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kQueries = 16;       // which meet the same centroids while a cache holds these
constexpr std::size_t kBytes = 16u << 10;  // of centroids, at a time

constexpr std::size_t kAhead = 4;  // centroids that the cache is asked for before they are met

void prefetch(const IntegerRows& rows, std::size_t row) {
  const auto* first = reinterpret_cast<const char*>(rows.values + row * rows.d);
  for (std::size_t at = 0; at < rows.d * sizeof(std::int16_t); at += 64) ask_cache(first + at);
}

// Of a row of integers, each of which counts `step`.
double length_of(const std::int16_t* values, std::size_t d, double step) {
  std::int64_t square = 0;
  for (std::size_t i = 0; i < d; ++i) square += std::int64_t{values[i]} * values[i];
  return std::sqrt(static_cast<double>(square)) * step;
}

struct Candidate {
  double worth;
  std::int32_t list;

  bool operator<(const Candidate& other) const {  // comes before it
    return worth > other.worth || (worth == other.worth && list < other.list);
  }
};

// What lists are worth to one query, and which are worth most.
class Ranking {
 public:
  Ranking(const Centroids& centroids) : centroids_(centroids), worth_(centroids.n) {}

  // Before a query is asked for.
  void set_length(double length) { length_ = length; }

  // The best `n_kept` lists by the products of one of the two kinds of rows, in no order.
  const std::vector<Candidate>& best(const IntegerRows& rows, const std::int64_t* dots, double unit,
                                     std::size_t n_kept) {
    for (std::size_t l = 0; l < centroids_.n; ++l) worth_[l] = static_cast<double>(dots[l]) * rows.steps[l] * unit;
    adjust();
    pick(n_kept);
    return candidates_;
  }

  // What a list of that product is worth.
  double worth(double product, std::size_t list) const {
    if (centroids_.inverse_norms) product *= static_cast<double>(centroids_.inverse_norms[list]);
    if (centroids_.half_squares) product -= static_cast<double>(centroids_.half_squares[list]);
    if (centroids_.spreads) product += static_cast<double>(centroids_.spreads[list]) * length_;
    return product == product ? product : -std::numeric_limits<double>::infinity();
  }

 private:
  static constexpr std::size_t kSample = 256;

  void adjust() {
    for (std::size_t l = 0; l < centroids_.n; ++l) worth_[l] = worth(worth_[l], l);
  }

  // A sample says from where on lists are candidates, so that few of them have to be put in order.
  void pick(std::size_t n_kept) {
    const std::size_t n = centroids_.n;
    double least = -std::numeric_limits<double>::infinity();
    if (n >= 4 * kSample && 4 * n_kept <= n) {
      const std::size_t step = n / kSample;
      sample_.clear();
      for (std::size_t l = 0; l < n; l += step) sample_.push_back(worth_[l]);
      const std::size_t rank = sample_.size() * n_kept / n * 5 / 4 + 8;
      std::nth_element(sample_.begin(), sample_.begin() + static_cast<std::ptrdiff_t>(rank), sample_.end(),
                       std::greater<>());
      least = sample_[rank];
    }
    gather(least);
    if (candidates_.size() < n_kept) gather(-std::numeric_limits<double>::infinity());
    const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(n_kept);
    if (end != candidates_.end()) std::nth_element(candidates_.begin(), end, candidates_.end());
    candidates_.resize(n_kept);
  }

  void gather(double least) {
    candidates_.resize(centroids_.n);
    std::size_t count = 0;
    for (std::size_t l = 0; l < centroids_.n; ++l) {
      candidates_[count] = {worth_[l], static_cast<std::int32_t>(l)};
      count += worth_[l] >= least ? 1 : 0;
    }
    candidates_.resize(count);
  }

  const Centroids& centroids_;
  double length_ = 0;
  std::vector<double> worth_, sample_;
  std::vector<Candidate> candidates_;
};

}  // namespace

void nearest_lists(const Kernels& isa, const Centroids& centroids, const ListQueries& queries, std::size_t n_read,
                   Interrupt& interrupt, std::int32_t* lists, float* products) {
  const std::size_t n = centroids.n;
  const bool leads = centroids.lead.values && 2 * kWide * n_read <= n;
  const IntegerRows &known = leads ? centroids.lead : centroids.rows, &asked = leads ? queries.lead : queries.rows;
  const std::size_t d = known.d;
  const std::size_t step = std::max<std::size_t>(1, kBytes / (sizeof(std::int16_t) * std::max<std::size_t>(1, d)));
  std::vector<std::int64_t> dots(std::min(kQueries, queries.n) * n);
  Ranking ranking(centroids);
  std::vector<Candidate> found;
  for (std::size_t first = 0; first < queries.n; first += kQueries) {
    const std::size_t n_here = std::min(kQueries, queries.n - first);
    for (std::size_t l = 0; l < n; l += step) {
      interrupt.check();
      const std::size_t n_lists = std::min(step, n - l);
      for (std::size_t q = 0; q < n_here; ++q) {
        isa.centroid_dots(known.values + l * d, n_lists, d, asked.values + (first + q) * d, dots.data() + q * n + l);
      }
    }
    for (std::size_t q = 0; q < n_here; ++q) {
      const std::size_t query = first + q;
      const double unit = queries.rows.steps[query];
      std::int64_t* own = dots.data() + q * n;
      if (centroids.spreads) {
        const std::size_t whole = queries.rows.d;
        ranking.set_length(length_of(queries.rows.values + query * whole, whole, unit));
      }
      found = ranking.best(known, own, asked.steps[query], leads ? kWide * n_read : n_read);
      const auto product = [&](std::size_t l) { return static_cast<double>(own[l]) * centroids.rows.steps[l] * unit; };
      if (leads) {
        const std::size_t whole = centroids.rows.d;
        for (std::size_t i = 0; i < found.size(); ++i) {
          if (i + kAhead < found.size()) prefetch(centroids.rows, static_cast<std::size_t>(found[i + kAhead].list));
          Candidate& one = found[i];
          const auto l = static_cast<std::size_t>(one.list);
          isa.centroid_dots(centroids.rows.values + l * whole, 1, whole, queries.rows.values + query * whole, own + l);
          one.worth = ranking.worth(product(l), l);
        }
        std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(n_read), found.end());
        found.resize(n_read);
      }
      std::sort(found.begin(), found.end());
      for (std::size_t i = 0; i < n_read; ++i) {
        lists[query * n_read + i] = found[i].list;
        products[query * n_read + i] = static_cast<float>(product(static_cast<std::size_t>(found[i].list)));
      }
    }
  }
}

}  // namespace slimvec
