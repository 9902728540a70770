#include "capi/code_search.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "capi/float_queries.hpp"
#include "core/hamming_search.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kOversample = 10;                     // rows of a shortlist for each that is wanted, as in Python
constexpr std::size_t kQueriesAtOnce = 256;                 // whose tables of sums take 10 KB each at 600 bits
constexpr std::size_t kPairsAtOnce = std::size_t{1} << 22;  // of queries and lists, or candidates: 100 MB

class VectorSearch {
 public:
  VectorSearch(const BinaryParts& parts, const Asked& asked, FromDisk::Search& disk)
      : parts_(parts), asked_(asked), disk_(disk), encoder_(*parts.encoder, parts.norm, asked.metric) {
    if (parts.of_signs()) encoder_.refuse_codes(parts, asked.queries);
    if (!parts.factors && asked.metric != Metric::kCosine) {
      const std::string what = asked.metric == Metric::kDot ? "inner products" : "distances";
      throw std::invalid_argument(what + " need the lengths of rows; expected a table with factors");
    }
    if (asked.metric == Metric::kL2 && parts.factors && !parts.factors->tell_lengths) {
      throw std::invalid_argument("distances need the lengths of rows, of which this table is not sure");
    }
    if (parts.second) n_candidates_ = parts.second->n_candidates(asked.k, n_rows());
  }

  void run(std::int64_t* rows, float* scores) const {
    const std::size_t pairs = std::max(n_candidates_, parts_.lists ? parts_.lists->n_lists() : 0);
    const std::size_t step = std::clamp<std::size_t>(kPairsAtOnce / std::max<std::size_t>(pairs, 1), 1, kQueriesAtOnce);
    for (std::size_t first = 0; first < asked_.queries.n; first += step) {
      const std::size_t n = std::min(step, asked_.queries.n - first);
      std::int64_t* const its_rows = rows + first * asked_.k;
      float* const its_scores = scores + first * asked_.k;
      if (parts_.factors) {
        const FloatQueries queries(parts_, encoder_, asked_.queries, first, n);
        by_floats(queries, its_rows, its_scores);
        queries.finish(asked_.k, its_rows, its_scores);
      } else {
        by_codes(first, n, its_rows, its_scores);
      }
    }
  }

 private:
  std::size_t n_rows() const { return parts_.codes.n_codes; }

  // Threads that are worth it where each of n queries meets so many codes.
  std::size_t threads_for(std::size_t n_codes, std::size_t n) const {
    return worthwhile_threads({nullptr, n_codes, parts_.codes.n_words}, n, asked_.n_threads);
  }

  // Queries as codes, which are all that a table without factors can compare.
  void by_codes(std::size_t first, std::size_t n, std::int64_t* rows, float* scores) const {
    const std::size_t d = parts_.encoder->dim(), size = code_size(parts_.n_bits);
    std::vector<std::uint8_t> codes(n * size);
    std::vector<bool> is_zero(n);
    for (std::size_t i = 0; i < n; ++i) {
      const QueryEncoder::Query query = encoder_.project(asked_.queries.values + (first + i) * d, first + i);
      parts_.isa.pack_signs(query.values.data(), 1, parts_.n_bits, codes.data() + i * size);
      is_zero[i] = query.multiple == 0;
    }
    search_packed(parts_, codes.data(), n, asked_.k, asked_.n_threads, rows, scores);
    for (std::size_t i = 0; i < n; ++i) {
      if (is_zero[i]) answer_zero_query(asked_.k, rows + i * asked_.k, scores + i * asked_.k);
    }
  }

  // By bits and factors: of codes of signs those that are near as codes, unless some lists are asked for; of others
  // all; then by second codes.
  void by_floats(const FloatQueries& queries, std::int64_t* rows, float* scores) const {
    if (parts_.second) {
      by_second_codes(queries, rows, scores);
    } else if (parts_.of_signs() && asked_.n_probes == kAllLists) {
      by_shortlist(queries, rows, scores);
    } else {
      scan(queries, asked_.k, rows, scores);
    }
  }

  Factors factors() const { return {parts_.factors->values, parts_.factors->n_factors, asked_.metric}; }

  void by_shortlist(const FloatQueries& queries, std::int64_t* rows, float* scores) const {
    parts_.check_bits();
    const std::size_t n = queries.view().n_queries, k = asked_.k;
    const std::size_t m = k < n_rows() / kOversample ? k * kOversample : n_rows();
    std::vector<std::int64_t> shortlist(n * m);
    std::vector<std::int32_t> distances(n * m);
    Interrupt never(nullptr);
    hamming_search(parts_.isa, parts_.codes, parts_.n_bits, {}, queries.codes(), n, m, threads_for(n_rows(), n), never,
                   distances.data(), shortlist.data(), parts_.rows());
    const std::vector<std::int64_t> places = parts_.places(shortlist.data(), shortlist.size());
    asymmetric_rescore(parts_.isa, parts_.codes, factors(), places.data(), m, queries.view(), k,
                       threads_for(kBlockCodes * m, n), never, scores, rows,
                       parts_.rows());  // each row is in a block of its own
  }

  // The k best of all rows that are read, with scores as kernels give them; where lists hold fewer, -1 in the end.
  void scan(const FloatQueries& queries, std::size_t k, std::int64_t* rows, float* scores) const {
    if (parts_.lists) return scan_lists(queries, k, rows, scores);
    const AsymmetricQueries view = queries.view();
    Interrupt never(nullptr);
    asymmetric_search(parts_.isa, parts_.codes, factors(), {}, view, k, threads_for(n_rows(), view.n_queries), never,
                      scores, rows);
    check_all_found(rows, view.n_queries * k);
  }

  // The lists nearest to each query, and further ones where these hold fewer rows than are wanted in the end.
  void scan_lists(const FloatQueries& queries, std::size_t k, std::int64_t* rows, float* scores) const {
    const std::size_t n_lists = parts_.lists->n_lists();
    std::vector<std::size_t> left(queries.view().n_queries);
    std::iota(left.begin(), left.end(), std::size_t{0});
    std::size_t n_read = asked_.n_probes == kAllLists ? n_lists : std::min(asked_.n_probes, n_lists);
    while (!left.empty()) {
      read_lists(queries, left, n_read, k, rows, scores);
      if (n_read == n_lists) return;
      n_read = n_read > n_lists / kFurther ? n_lists : n_read * kFurther;
      const auto is_done = [=](std::size_t q) { return rows[q * k + asked_.k - 1] >= 0; };
      left.erase(std::remove_if(left.begin(), left.end(), is_done), left.end());
    }
  }

  // n_read lists for some of the queries.
  void read_lists(const FloatQueries& queries, const std::vector<std::size_t>& which, std::size_t n_read, std::size_t k,
                  std::int64_t* rows, float* scores) const {
    const AsymmetricQueries all = queries.view();
    const std::size_t n = which.size(), d = parts_.encoder->dim();
    std::vector<std::int16_t> values(n * all.n_bits);
    std::vector<float> units(n), offsets(n * n_read), found_scores(n * k);
    std::vector<double> vectors(n * d);
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(all.values + which[i] * all.n_bits, all.n_bits, values.data() + i * all.n_bits);
      std::copy_n(queries.vectors() + which[i] * d, d, vectors.data() + i * d);
      units[i] = all.units[which[i]];
    }
    std::vector<std::int32_t> read(n * n_read);
    // Rows of one length are in the order of cosines, whatever the metric.
    const Metric metric = parts_.factors->n_factors == 3 ? asked_.metric : Metric::kCosine;
    const RowLists::Rounded whole = parts_.lists->round(vectors.data(), queries.vector_unit(), n);
    parts_.lists->rank(parts_.isa, metric, whole.view(), n, n_read, read.data(), offsets.data());
    if (parts_.of_signs()) {  // codes of rows themselves, not of what a centroid leaves
      for (std::size_t i = 0; i < n; ++i) std::fill_n(offsets.data() + i * n_read, n_read, all.offsets[which[i]]);
    }
    std::vector<std::int64_t> found(n * k);
    const std::size_t n_codes = n_rows() / parts_.lists->n_lists() * n_read;
    Interrupt never(nullptr);
    std::optional<Spilled> spilled;  // of all lists, each row is in its own
    if (parts_.spilled && n_read < parts_.lists->n_lists()) {
      spilled = parts_.spilled->view(asked_.metric, parts_.lists->centroids());
    }
    const Spilled* const second = spilled ? &*spilled : nullptr;
    disk_.want_lists(parts_.codes, factors(), parts_.lists->view(), second, read, n_read);
    partition_search(parts_.isa, parts_.codes, factors(), parts_.lists->view(), second, {},
                     {values.data(), units.data(), units.data(), n, all.n_bits},
                     {read.data(), offsets.data(), n_read, whole.view()}, k, threads_for(n_codes, n), never,
                     found_scores.data(), found.data());
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(found.data() + i * k, k, rows + which[i] * k);
      std::copy_n(found_scores.data() + i * k, k, scores + which[i] * k);
    }
  }

  void by_second_codes(const FloatQueries& queries, std::int64_t* rows, float* scores) const {
    const std::size_t n = queries.view().n_queries, m = n_candidates_;
    std::vector<std::int64_t> candidates(n * m);
    std::vector<float> first(n * m);
    scan(queries, m, candidates.data(), first.data());
    const Weights weights = weigh(candidates, first);
    const Shortlists shortlists = {candidates.data(), first.data(),
                                   weights.ratios.empty() ? nullptr : weights.ratios.data(),
                                   weights.own.empty() ? nullptr : weights.own.data(), m};
    disk_.want_rows(parts_.second->codes(), parts_.second->numbers(), candidates.data(), candidates.size());
    Interrupt never(nullptr);
    refined_search(parts_.isa, parts_.second->codes(), parts_.second->numbers(), queries.second(),
                   queries.second_units(), n, shortlists, asked_.k, threads_for(m, n), never, scores, rows);
  }

  struct Weights {
    std::vector<double> ratios, own;  // empty: all are 1
  };

  // What the weights of candidates make of their scores, once they are known better than float16 keeps them; the part
  // of a distance that they tell is put right in `first`.
  Weights weigh(const std::vector<std::int64_t>& candidates, std::vector<float>& first) const {
    if (asked_.metric == Metric::kDot || parts_.factors->n_factors < 3) return {};
    const bool of_cosines = asked_.metric == Metric::kCosine;
    const std::size_t n = of_cosines ? candidates.size() : 0;
    Weights weights = {std::vector<double>(n), std::vector<double>(n)};
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i] < 0) continue;
      const double kept = static_cast<double>(parts_.factor(candidates[i], 2));
      const double whole = kept + parts_.second->lost_weight(static_cast<std::size_t>(candidates[i]));
      if (of_cosines) {
        weights.ratios[i] = kept > 0 ? whole / kept : 0;
        weights.own[i] = whole;
      } else {
        const double score = static_cast<double>(first[i]) + half_square(kept) - half_square(whole);
        first[i] = static_cast<float>(score);
      }
    }
    return weights;
  }

  // Half the squared length that a weight tells of.
  static double half_square(double weight) {
    const double square = weight * weight;
    return square > 0 ? 0.5 / square : 0;
  }

  const BinaryParts& parts_;
  const Asked& asked_;
  FromDisk::Search& disk_;
  const QueryEncoder encoder_;
  std::size_t n_candidates_ = 0;  // for second codes
};

}  // namespace

void search_packed(const BinaryParts& parts, const std::uint8_t* queries, std::size_t n, std::size_t k,
                   std::size_t n_threads, std::int64_t* rows, float* cosines) {
  parts.check_bits();
  std::vector<std::int32_t> distances(n * k);
  Interrupt never(nullptr);
  hamming_search(parts.isa, parts.codes, parts.n_bits, {}, queries, n, k, worthwhile_threads(parts.codes, n, n_threads),
                 never, distances.data(), rows, parts.rows());
  const double bits = static_cast<double>(parts.n_bits);
  std::transform(distances.begin(), distances.end(), cosines,
                 [bits](std::int32_t distance) { return static_cast<float>((bits - 2.0 * distance) / bits); });
}

void search_vectors(const BinaryParts& parts, const Asked& asked, std::int64_t* rows, float* scores) {
  FromDisk::Search disk(parts.from_disk);
  VectorSearch(parts, asked, disk).run(rows, scores);
}

}  // namespace slimvec
