#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/search_arguments.hpp"
#include "core/hamming_search.hpp"

namespace slimvec {

namespace {

std::pair<DistanceArray, IdArray> search(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                         std::size_t n_bits, const ByteArray& queries, std::size_t k,
                                         const OptionalMask& mask, std::size_t n_threads, const OptionalRows& rows) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(queries, n_bits);
  require(k >= 1 && k <= n_codes, "k must lie between 1 and the number of codes");
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  const std::uint32_t* own_rows = check_rows(rows, n_codes);
  const std::size_t n_queries = size_of(queries, 0);
  DistanceArray distances = new_array<DistanceArray>(n_queries, k);
  IdArray indices = new_array<IdArray>(n_queries, k);
  const std::uint8_t* in = elements(queries);
  std::int32_t* distances_out = distances.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(table, n_queries, n_threads);
    hamming_search(isa, table, n_bits, allowed, in, n_queries, k, n_threads, interrupt, distances_out, indices_out,
                   own_rows);
  });
  return {std::move(distances), std::move(indices)};
}

std::tuple<IdArray, DistanceArray, IdArray> range_search(const Kernels& isa, const WordArray& blocks,
                                                         std::size_t n_codes, std::size_t n_bits,
                                                         const ByteArray& queries, std::uint32_t radius,
                                                         const OptionalMask& mask, std::size_t n_threads,
                                                         const OptionalRows& rows) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(queries, n_bits);
  require(n_threads >= 1, "n_threads must be at least 1");
  const Mask allowed = check_mask(mask, table);
  const std::uint32_t* own_rows = check_rows(rows, n_codes);
  const std::size_t n_queries = size_of(queries, 0);
  const std::uint8_t* in = elements(queries);
  std::vector<std::vector<Key>> found;
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(table, n_queries, n_threads);
    found = hamming_range_search(isa, table, n_bits, allowed, in, n_queries, radius, n_threads, interrupt, own_rows);
  });
  return one_after_the_other<std::int32_t>(found, [](Key key) { return static_cast<std::int32_t>(key_rank(key)); });
}

DistanceArray pairwise(const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits,
                       const ByteArray& queries, std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(queries, n_bits);
  require(n_threads >= 1, "n_threads must be at least 1");
  const std::size_t n_queries = size_of(queries, 0);
  DistanceArray distances = new_array<DistanceArray>(n_queries, n_codes);
  const std::uint8_t* in = elements(queries);
  std::int32_t* out = distances.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(table, n_queries, n_threads);
    hamming_pairwise(isa, table, n_bits, in, n_queries, n_threads, interrupt, out);
  });
  return distances;
}

DistanceArray distances_to(const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits,
                           const ByteArray& queries, const IdArray& ids) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(queries, n_bits);
  const std::size_t n_queries = size_of(queries, 0);
  require(ids.ndim() == 2 && size_of(ids, 0) == n_queries, "ids must have one row per query");
  const std::size_t n_ids = size_of(ids, 1);
  DistanceArray distances = new_array<DistanceArray>(n_queries, n_ids);
  const std::uint8_t* in = elements(queries);
  const std::int64_t* rows = elements(ids);
  std::int32_t* out = distances.mutable_data();
  without_gil(
      [&](Interrupt& interrupt) { hamming_distances(isa, table, n_bits, in, n_queries, rows, n_ids, interrupt, out); });
  return distances;
}

}  // namespace

void bind_hamming(py::module_& module) {
  using py::arg;
  module.def("hamming_search", &search, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("queries").noconvert(), arg("k"), arg("mask").noconvert(), arg("n_threads"),
             arg("rows").noconvert() = py::none());
  module.def("hamming_range_search", &range_search, arg("isa"), arg("blocks").noconvert(), arg("n_codes"),
             arg("n_bits"), arg("queries").noconvert(), arg("radius"), arg("mask").noconvert(), arg("n_threads"),
             arg("rows").noconvert() = py::none());
  module.def("hamming_pairwise", &pairwise, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("queries").noconvert(), arg("n_threads"));
  module.def("hamming_distances", &distances_to, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("queries").noconvert(), arg("ids").noconvert());
}

}  // namespace slimvec
