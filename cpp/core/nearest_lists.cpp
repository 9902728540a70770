#include "core/nearest_lists.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/platform.hpp"
#include "core/range.hpp"

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
  Ranking(const Centroids& centroids) : centroids_(centroids), worth_(centroids.n), candidates_(centroids.n) {}

  // Before a query is asked for.
  void set_length(double length) { length_ = length; }

  // The best `n_kept` lists in no order, by the products of centroids with a query, in units and these in steps.
  Candidate* best(const std::int64_t* dots, const double* steps, double unit, std::size_t n_kept) {
    const std::size_t n = centroids_.n;
    for (std::size_t l = 0; l < n; ++l) worth_[l] = static_cast<double>(dots[l]) * steps[l] * unit;
    adjust(worth_.data(), 0, n);
    std::size_t n_candidates = gather(least(n_kept));
    if (n_candidates < n_kept) n_candidates = gather(-std::numeric_limits<double>::infinity());
    if (n_kept < n_candidates) {
      Candidate* first = candidates_.data();
      std::nth_element(first, first + n_kept, first + n_candidates);
    }
    return candidates_.data();
  }

  // What a list of that product is worth.
  double worth(double product, std::size_t list) const {
    adjust(&product, list, 1);
    return product;
  }

 private:
  static constexpr std::size_t kSample = 256;

  // Makes products with some lists what these are worth: one step for all, so that compilers take several at once.
  void adjust(double* products, std::size_t first, std::size_t n) const {
    const auto each = [=](const float* of_lists, auto change) {
      if (!of_lists) return;
      for (std::size_t i = 0; i < n; ++i) change(products[i], static_cast<double>(of_lists[first + i]));
    };
    each(centroids_.inverse_norms, [](double& product, double inverse_norm) { product *= inverse_norm; });
    each(centroids_.half_squares, [](double& product, double half_square) { product -= half_square; });
    each(centroids_.spreads, [this](double& product, double spread) { product += spread * length_; });
    constexpr double kLeast = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n; ++i) products[i] = products[i] == products[i] ? products[i] : kLeast;
  }

  // What about n_kept lists are worth at least, as a sample says, so that few have to be put in order.
  double least(std::size_t n_kept) {
    const std::size_t n = centroids_.n;
    if (n < 4 * kSample || 4 * n_kept > n) return -std::numeric_limits<double>::infinity();
    sample_.clear();
    for (std::size_t l = 0; l < n; l += n / kSample) sample_.push_back(worth_[l]);
    const std::size_t rank = sample_.size() * n_kept / n * 5 / 4 + 8;
    std::nth_element(sample_.begin(), sample_.begin() + static_cast<std::ptrdiff_t>(rank), sample_.end(),
                     std::greater<>());
    return sample_[rank];
  }

  std::size_t gather(double least) {
    std::size_t count = 0;
    for (std::size_t l = 0; l < centroids_.n; ++l) {
      candidates_[count] = {worth_[l], static_cast<std::int32_t>(l)};
      count += worth_[l] >= least ? 1 : 0;
    }
    return count;
  }

  const Centroids& centroids_;
  double length_ = 0;
  std::vector<double> worth_, sample_;
  std::vector<Candidate> candidates_;
};

// Products of all centroids with some queries, some centroids at a time: dots[q * n + l].
template <typename Dots, typename Rows>
void tell_dots(Dots dots_of, const Rows& known, std::size_t n, const IntegerRows& asked, Range queries,
               Interrupt& interrupt, std::int64_t* dots) {
  const std::size_t d = known.d;
  const std::size_t step = std::max<std::size_t>(1, kBytes / (sizeof *known.values * std::max<std::size_t>(1, d)));
  for (std::size_t l = 0; l < n; l += step) {
    interrupt.check();
    const std::size_t n_lists = std::min(step, n - l);
    for (std::size_t q = queries.begin; q < queries.end; ++q) {
      dots_of(known.values + l * d, n_lists, d, asked.values + q * d, dots + (q - queries.begin) * n + l);
    }
  }
}

}  // namespace

void nearest_lists(const Kernels& isa, const Centroids& centroids, const ListQueries& queries, std::size_t n_read,
                   Interrupt& interrupt, std::int32_t* lists, float* products) {
  const std::size_t n = centroids.n, whole = centroids.rows.d;
  const bool leads = centroids.lead.values && 2 * kWide * n_read <= n;
  std::vector<std::int64_t> dots(std::min(kQueries, queries.n) * n);
  Ranking ranking(centroids);
  for (Range some{0, 0}; some.begin < queries.n; some.begin = some.end) {
    some.end = std::min(some.begin + kQueries, queries.n);
    if (leads) {
      tell_dots(isa.byte_dots, centroids.lead, n, queries.lead, some, interrupt, dots.data());
    } else {
      tell_dots(isa.centroid_dots, centroids.rows, n, queries.rows, some, interrupt, dots.data());
    }
    for (std::size_t query = some.begin; query < some.end; ++query) {
      const std::int16_t* asked = queries.rows.values + query * whole;
      const double unit = queries.rows.steps[query];
      std::int64_t* own = dots.data() + (query - some.begin) * n;
      if (centroids.spreads) ranking.set_length(length_of(asked, whole, unit));
      const auto product = [&](std::size_t l) { return static_cast<double>(own[l]) * centroids.rows.steps[l] * unit; };
      Candidate* found;
      if (leads) {
        const std::size_t n_looked_at = kWide * n_read;
        found = ranking.best(own, centroids.lead.steps, queries.lead.steps[query], n_looked_at);
        for (std::size_t i = 0; i < n_looked_at; ++i) {
          if (i + kAhead < n_looked_at) prefetch(centroids.rows, static_cast<std::size_t>(found[i + kAhead].list));
          const auto l = static_cast<std::size_t>(found[i].list);
          isa.centroid_dots(centroids.rows.values + l * whole, 1, whole, asked, own + l);
          found[i].worth = ranking.worth(product(l), l);
        }
        std::nth_element(found, found + n_read, found + n_looked_at);
      } else {
        found = ranking.best(own, centroids.rows.steps, unit, n_read);
      }
      std::sort(found, found + n_read);
      for (std::size_t i = 0; i < n_read; ++i) {
        lists[query * n_read + i] = found[i].list;
        products[query * n_read + i] = static_cast<float>(product(static_cast<std::size_t>(found[i].list)));
      }
    }
  }
}

}  // namespace slimvec
