#include "core/list_search.hpp"

#include <algorithm>
#include <vector>

#include "core/hamming_search.hpp"
#include "core/rounding.hpp"

namespace slimvec {

namespace {

// Rows of integers, and what each counts.
template <typename Float>
struct Rounded {
  std::vector<std::int16_t> values;
  std::vector<Float> steps;

  Rounded() = default;
  Rounded(const Float* rows, std::size_t n, std::size_t d, std::int16_t largest, Float step) : values(n * d), steps(n) {
    round_rows(rows, n, d, largest, values.data(), steps.data());
    for (Float& peak : steps) peak *= step;
  }
};

template <typename Float>
Rounded<Float> rounded_columns(const std::vector<float>& along, std::size_t n, std::size_t width,
                               const Picked<Float>& picked, Float step) {
  std::vector<Float> own(n * picked.n);
  pick_scaled(along.data(), n, width, picked, own.data());
  return {own.data(), n, picked.n, kQueryPeak, step};
}

class Asked {
 public:
  Asked(const ListedTable& table, const std::vector<double>& vectors, const std::vector<float>& along, std::size_t n)
      : table_(table),
        values_(
            rounded_columns(along, n, table.frame.n, table.picked, static_cast<float>(1 / table.norm / kQueryPeak))),
        whole_(vectors.data(), n, table.frame.d, kCentroidPeak, 1 / table.norm / table.norm / kCentroidPeak),
        zeros_(n) {
    const std::size_t n_lead = table.centroids.lead.d;
    if (n_lead) {
      std::vector<double> lead(n * n_lead);
      tell_lead(along.data(), n, table.frame.n, table.lead_at_mean, n_lead, lead.data());
      lead_ = {lead.data(), n, n_lead, kCentroidPeak, 1 / table.norm / table.norm / kCentroidPeak};
    }
    if (table.second) {
      second_ = rounded_columns(along, n, table.frame.n, table.second->picked, 1 / table.norm / kQueryPeak);
    }
  }

  ListQueries to_lists(std::size_t first, std::size_t n) const {
    const std::size_t d = table_.frame.d, n_lead = table_.centroids.lead.d;
    IntegerRows lead = {nullptr, nullptr, 0};
    if (n_lead) lead = {lead_.values.data() + first * n_lead, lead_.steps.data() + first, n_lead};
    return {{whole_.values.data() + first * d, whole_.steps.data() + first, d}, lead, n};
  }

  AsymmetricQueries to_codes(std::size_t first, std::size_t n) const {
    const std::size_t n_bits = table_.picked.n;
    return {values_.values.data() + first * n_bits, values_.steps.data() + first, zeros_.data(), n, n_bits};
  }

  const Rounded<double>& second() const { return second_; }

 private:
  const ListedTable& table_;
  Rounded<float> values_;
  Rounded<double> whole_;
  Rounded<double> lead_, second_;  // empty where there is none
  std::vector<float> zeros_;       // offsets are those of lists
};

// What some queries find in so many lists each, by first codes.
void read_lists(const Kernels& isa, const ListedTable& table, const Asked& asked, std::size_t first, std::size_t n,
                std::size_t n_read, std::size_t k, Mask mask, std::size_t n_threads, FromDisk::Search& disk,
                Interrupt& interrupt, float* scores, std::int64_t* rows) {
  std::vector<std::int32_t> lists(n * n_read);
  std::vector<float> products(n * n_read);
  nearest_lists(isa, table.centroids, asked.to_lists(first, n), n_read, interrupt, lists.data(), products.data());
  const std::size_t about = table.codes.n_codes / table.lists.n_lists * n_read;
  n_threads = worthwhile_threads({nullptr, about, table.codes.n_words}, n, n_threads);
  // Of all lists, each row is in its own.
  const Spilled* spilled = table.spilled && n_read < table.lists.n_lists ? &*table.spilled : nullptr;
  disk.want_lists(table.codes, table.factors, table.lists, spilled, lists, n_read);
  partition_search(isa, table.codes, table.factors, table.lists, spilled, mask, asked.to_codes(first, n),
                   {lists.data(), products.data(), n_read, asked.to_lists(first, n).rows}, k, n_threads, interrupt,
                   scores, rows);
}

}  // namespace

template <typename Float>
bool list_search(const Kernels& isa, const ListedTable& table, const Float* queries, std::size_t n_queries,
                 const Wanted& wanted, Mask mask, std::size_t n_threads, FromDisk& from_disk, Interrupt& interrupt,
                 float* scores, std::int64_t* indices) {
  FromDisk::Search disk(from_disk);
  constexpr std::size_t kRowsPerThread = 512;  // of second codes
  const std::size_t k = wanted.k, n_first = table.second ? wanted.n_shortlist : k;
  std::vector<double> vectors(queries, queries + n_queries * table.frame.d);
  if (!bring_to_norm(vectors.data(), n_queries, table.frame.d, table.query_norm)) return false;
  std::vector<float> along(n_queries * table.frame.n);
  if (tell_along(isa, table.frame, vectors.data(), n_queries, along.data()) < n_queries) return false;
  const Asked asked(table, vectors, along, n_queries);
  std::vector<float> first(n_queries * n_first);
  std::vector<std::int64_t> rows(n_queries * n_first);
  read_lists(isa, table, asked, 0, n_queries, wanted.n_read, n_first, mask, n_threads, disk, interrupt, first.data(),
             rows.data());
  for (std::size_t q = 0; q < n_queries; ++q) {
    std::int64_t* own = rows.data() + q * n_first;
    for (std::size_t n_read = wanted.n_read; own[k - 1] < 0 && n_read < table.lists.n_lists;) {
      n_read = std::min(kFurther * n_read, table.lists.n_lists);
      read_lists(isa, table, asked, q, 1, n_read, n_first, mask, n_threads, disk, interrupt, first.data() + q * n_first,
                 own);
    }
  }
  if (table.second) {
    const Shortlists shortlists = {rows.data(), first.data(), nullptr, nullptr, n_first};
    disk.want_rows(table.second->rows, table.second->numbers, rows.data(), rows.size());
    n_threads = std::clamp<std::size_t>(n_queries * n_first / kRowsPerThread, 1, n_threads);
    refined_search(isa, table.second->rows, table.second->numbers, asked.second().values.data(),
                   asked.second().steps.data(), n_queries, shortlists, k, n_threads, interrupt, scores, indices);
  } else {
    std::copy(first.begin(), first.end(), scores);
    std::copy(rows.begin(), rows.end(), indices);
  }
  if (std::find(indices, indices + n_queries * k, -1) != indices + n_queries * k) return false;
  const double multiplier = table.norm * (table.norm / table.query_norm);
  std::transform(scores, scores + n_queries * k, scores, [multiplier](float score) {
    return static_cast<float>(std::clamp(static_cast<double>(score) * multiplier, -1.0, 1.0));
  });
  return true;
}

template bool list_search(const Kernels&, const ListedTable&, const float*, std::size_t, const Wanted&, Mask,
                          std::size_t, FromDisk&, Interrupt&, float*, std::int64_t*);
template bool list_search(const Kernels&, const ListedTable&, const double*, std::size_t, const Wanted&, Mask,
                          std::size_t, FromDisk&, Interrupt&, float*, std::int64_t*);

}  // namespace slimvec
