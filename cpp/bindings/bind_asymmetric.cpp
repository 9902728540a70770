#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/list_arguments.hpp"
#include "bindings/search_arguments.hpp"
#include "core/asymmetric_search.hpp"
#include "core/hamming_search.hpp"
#include "core/nearest_lists.hpp"
#include "core/partition_search.hpp"
#include "core/top_scores.hpp"

namespace slimvec {

namespace {

AsymmetricQueries check_queries(const QueryArray& queries, const FloatArray& units, const FloatArray& offsets,
                                std::size_t n_bits) {
  require(n_bits <= kMaxAsymmetricBits, "n_bits must be at most " + std::to_string(kMaxAsymmetricBits));
  require(queries.ndim() == 2 && size_of(queries, 1) == n_bits, "queries must have shape (n_queries, n_bits)");
  const std::size_t n_queries = size_of(queries, 0);
  require(units.ndim() == 1 && size_of(units, 0) == n_queries, "units must have one entry per query");
  require(offsets.ndim() == 1 && size_of(offsets, 0) == n_queries, "offsets must have one entry per query");
  const std::int16_t* values = elements(queries);
  const bool small = std::all_of(values, values + n_queries * n_bits,
                                 [](std::int16_t value) { return value >= -kQueryPeak && value <= kQueryPeak; });
  require(small, "queries must lie between -8191 and 8191");
  return {values, elements(units), elements(offsets), n_queries, n_bits};
}

std::pair<FloatArray, IdArray> search(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                      std::size_t n_bits, const HalfArray& factors, const std::string& metric,
                                      const QueryArray& queries, const FloatArray& units, const FloatArray& offsets,
                                      std::size_t k, const OptionalMask& mask, std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  const Factors per_code = check_factors(factors, metric, table);
  const AsymmetricQueries asked = check_queries(queries, units, offsets, n_bits);
  require(k >= 1 && k <= n_codes, "k must lie between 1 and the number of codes");
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  FloatArray scores = new_array<FloatArray>(asked.n_queries, k);
  IdArray indices = new_array<IdArray>(asked.n_queries, k);
  float* scores_out = scores.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(table, asked.n_queries, n_threads);
    asymmetric_search(isa, table, per_code, allowed, asked, k, n_threads, interrupt, scores_out, indices_out);
  });
  return {std::move(scores), std::move(indices)};
}

const float* check_limits(const FloatArray& limits, const AsymmetricQueries& queries) {
  require(limits.ndim() == 1 && size_of(limits, 0) == queries.n_queries, "limits must have one entry per query");
  return elements(limits);
}

std::tuple<IdArray, FloatArray, IdArray> range_search(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                                      std::size_t n_bits, const HalfArray& factors,
                                                      const std::string& metric, const QueryArray& queries,
                                                      const FloatArray& units, const FloatArray& offsets,
                                                      const FloatArray& limits, const OptionalMask& mask,
                                                      std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  const Factors per_code = check_factors(factors, metric, table);
  const AsymmetricQueries asked = check_queries(queries, units, offsets, n_bits);
  const float* above = check_limits(limits, asked);
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  std::vector<std::vector<Key>> found;
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(table, asked.n_queries, n_threads);
    found = asymmetric_range_search(isa, table, per_code, allowed, asked, above, n_threads, interrupt);
  });
  return one_after_the_other<float>(found, key_score);
}

std::pair<FloatArray, IdArray> rescore(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                       std::size_t n_bits, const HalfArray& factors, const std::string& metric,
                                       const IdArray& ids, const QueryArray& queries, const FloatArray& units,
                                       const FloatArray& offsets, std::size_t k, std::size_t n_threads,
                                       const OptionalRows& rows) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  const Factors per_code = check_factors(factors, metric, table);
  const AsymmetricQueries asked = check_queries(queries, units, offsets, n_bits);
  const std::uint32_t* own_rows = check_rows(rows, n_codes);
  require(ids.ndim() == 2 && size_of(ids, 0) == asked.n_queries, "ids must have one row per query");
  const std::size_t n_ids = size_of(ids, 1);
  require(k >= 1 && k <= n_ids, "k must lie between 1 and the number of ids per query");
  require(n_threads >= 1, "n_threads must be at least 1");
  FloatArray scores = new_array<FloatArray>(asked.n_queries, k);
  IdArray indices = new_array<IdArray>(asked.n_queries, k);
  const std::int64_t* positions = elements(ids);
  float* scores_out = scores.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads =
        std::min(n_threads, worthwhile_threads({nullptr, 16 * n_ids, table.n_words}, asked.n_queries, n_threads));
    asymmetric_rescore(isa, table, per_code, positions, n_ids, asked, k, n_threads, interrupt, scores_out, indices_out,
                       own_rows);
  });
  return {std::move(scores), std::move(indices)};
}

using ListArray = py::array_t<std::int32_t, py::array::c_style>;
Probes check_probes(const ListArray& lists, const FloatArray& offsets, std::size_t n_queries) {
  require(lists.ndim() == 2 && offsets.ndim() == 2 && size_of(offsets, 0) == size_of(lists, 0) &&
              size_of(offsets, 1) == size_of(lists, 1) && size_of(lists, 1) >= 1,
          "lists and offsets must have shape (n_queries, n_probes)");
  require(size_of(lists, 0) == n_queries, "lists must have one row per query");
  return {elements(lists), elements(offsets), size_of(lists, 1)};
}

// Queries as they meet centroids.
template <typename OfLists>
IntegerRows check_whole_queries(const Rows& queries, std::size_t n, const OfLists& centroids) {
  const IntegerRows rows = check_integer_rows(queries, n);
  require(rows.d == centroids.d, "queries must be as wide as centroids");
  require(std::all_of(rows.values, rows.values + n * rows.d,
                      [](std::int16_t value) { return value >= -kCentroidPeak && value <= kCentroidPeak; }),
          "queries must lie between -2047 and 2047");
  return rows;
}

std::size_t threads_for(const BlockedCodes& table, const Lists& lists, const Probes& probes, std::size_t n_queries,
                        std::size_t n_threads) {
  const std::size_t about = table.n_codes / lists.n_lists * std::min(probes.n_probes, lists.n_lists);
  return worthwhile_threads({nullptr, about, table.n_words}, n_queries, n_threads);  // codes that a query meets
}

std::pair<FloatArray, IdArray> search_lists(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                            std::size_t n_bits, const HalfArray& factors, const std::string& metric,
                                            const IdArray& starts, const RowArray& rows, const QueryArray& queries,
                                            const FloatArray& units, const ListArray& lists, const FloatArray& offsets,
                                            const std::optional<std::pair<SpilledArrays, Rows>>& spilled, std::size_t k,
                                            const OptionalMask& mask, std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  const Factors per_code = check_factors(factors, metric, table);
  const AsymmetricQueries asked = check_queries(queries, units, units, n_bits);  // offsets are those of the lists
  Probes probes = check_probes(lists, offsets, asked.n_queries);
  const Lists parts = check_lists(starts, rows, n_codes);
  std::optional<Spilled> more;
  if (spilled) {
    const auto& [arrays, rows_asked] = *spilled;
    more = check_spilled(arrays, n_bits, per_code, parts);
    probes.queries = check_whole_queries(rows_asked, asked.n_queries, more->centroids);
  }
  require(k >= 1 && k <= n_codes, "k must lie between 1 and the number of codes");
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  FloatArray scores = new_array<FloatArray>(asked.n_queries, k);
  IdArray indices = new_array<IdArray>(asked.n_queries, k);
  float* scores_out = scores.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads = threads_for(table, parts, probes, asked.n_queries, n_threads);
    partition_search(isa, table, per_code, parts, more ? &*more : nullptr, allowed, asked, probes, k, n_threads,
                     interrupt, scores_out, indices_out);
  });
  return {std::move(scores), std::move(indices)};
}

std::tuple<IdArray, FloatArray, IdArray> range_search_lists(
    const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits, const HalfArray& factors,
    const std::string& metric, const IdArray& starts, const RowArray& rows, const QueryArray& queries,
    const FloatArray& units, const ListArray& lists, const FloatArray& offsets, const FloatArray& limits,
    const OptionalMask& mask, std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  const Factors per_code = check_factors(factors, metric, table);
  const AsymmetricQueries asked = check_queries(queries, units, units, n_bits);
  const Probes probes = check_probes(lists, offsets, asked.n_queries);
  const Lists parts = check_lists(starts, rows, n_codes);
  const float* above = check_limits(limits, asked);
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  std::vector<std::vector<Key>> found;
  without_gil([&](Interrupt& interrupt) {
    n_threads = threads_for(table, parts, probes, asked.n_queries, n_threads);
    found = partition_range_search(isa, table, per_code, parts, allowed, asked, probes, above, n_threads, interrupt);
  });
  return one_after_the_other<float>(found, key_score);
}

std::pair<ListArray, FloatArray> lists_near(const Kernels& isa, const Rows& centroids,
                                            const std::optional<FloatArray>& inverse_norms,
                                            const std::optional<FloatArray>& half_squares,
                                            const std::optional<FloatArray>& spreads, const Rows& queries,
                                            const std::optional<std::pair<RowsOfBytes, Rows>>& lead,
                                            std::size_t n_read) {
  check_isa(isa);
  require(centroids.first.ndim() == 2 && queries.first.ndim() == 2, "centroids and queries must have shape (n, d)");
  const std::size_t n = size_of(centroids.first, 0), n_queries = size_of(queries.first, 0);
  require(n <= INT32_MAX, "there must be fewer than 2^31 centroids");
  const auto fits = [n](const std::optional<FloatArray>& values) {
    return !values || (values->ndim() == 1 && size_of(*values, 0) == n);
  };
  require(fits(inverse_norms), "inverse_norms must have one entry per centroid");
  require(fits(half_squares), "half_squares must have one entry per centroid");
  require(fits(spreads), "spreads must have one entry per centroid");
  require(n_read >= 1 && n_read <= n, "n_read must lie between 1 and the number of centroids");
  const auto given = [](const std::optional<FloatArray>& values) { return values ? elements(*values) : nullptr; };
  Centroids known = {
      check_integer_rows(centroids, n), {}, given(inverse_norms), given(half_squares), given(spreads), n};
  ListQueries asked = {check_whole_queries(queries, n_queries, known.rows), {}, n_queries};
  if (lead) {
    known.lead = check_byte_rows(lead->first, n);
    asked.lead = check_whole_queries(lead->second, n_queries, known.lead);
  }
  ListArray lists = new_array<ListArray>(n_queries, n_read);
  FloatArray products = new_array<FloatArray>(n_queries, n_read);
  std::int32_t* lists_out = lists.mutable_data();
  float* products_out = products.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    nearest_lists(isa, known, asked, n_read, interrupt, lists_out, products_out);
    interrupt.finish();
  });
  return {std::move(lists), std::move(products)};
}

}  // namespace

void bind_asymmetric(py::module_& module) {
  using py::arg;
  module.def("asymmetric_search", &search, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("factors").noconvert(), arg("metric"), arg("queries").noconvert(), arg("units").noconvert(),
             arg("offsets").noconvert(), arg("k"), arg("mask").noconvert(), arg("n_threads"));
  module.def("asymmetric_rescore", &rescore, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("factors").noconvert(), arg("metric"), arg("ids").noconvert(), arg("queries").noconvert(),
             arg("units").noconvert(), arg("offsets").noconvert(), arg("k"), arg("n_threads"),
             arg("rows").noconvert() = py::none());
  module.def("asymmetric_range_search", &range_search, arg("isa"), arg("blocks").noconvert(), arg("n_codes"),
             arg("n_bits"), arg("factors").noconvert(), arg("metric"), arg("queries").noconvert(),
             arg("units").noconvert(), arg("offsets").noconvert(), arg("limits").noconvert(), arg("mask").noconvert(),
             arg("n_threads"));
  module.def("nearest_lists", &lists_near, arg("isa"), arg("centroids").noconvert(), arg("inverse_norms").noconvert(),
             arg("half_squares").noconvert(), arg("spreads").noconvert(), arg("queries").noconvert(),
             arg("lead").noconvert(), arg("n_read"));
  module.def("partition_search", &search_lists, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("factors").noconvert(), arg("metric"), arg("starts").noconvert(), arg("rows").noconvert(),
             arg("queries").noconvert(), arg("units").noconvert(), arg("lists").noconvert(), arg("offsets").noconvert(),
             arg("spilled").noconvert(), arg("k"), arg("mask").noconvert(), arg("n_threads"));
  module.def("partition_range_search", &range_search_lists, arg("isa"), arg("blocks").noconvert(), arg("n_codes"),
             arg("n_bits"), arg("factors").noconvert(), arg("metric"), arg("starts").noconvert(),
             arg("rows").noconvert(), arg("queries").noconvert(), arg("units").noconvert(), arg("lists").noconvert(),
             arg("offsets").noconvert(), arg("limits").noconvert(), arg("mask").noconvert(), arg("n_threads"));
}

}  // namespace slimvec
