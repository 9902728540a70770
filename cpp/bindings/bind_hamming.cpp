#include <utility>

#include "bindings/arrays.hpp"
#include "core/hamming_search.hpp"

namespace slimvec {

namespace {

std::pair<DistanceArray, IdArray> search(const Kernels& isa, const WordArray& blocks, std::size_t n_codes,
                                         std::size_t n_bits, const ByteArray& queries, std::size_t k,
                                         std::size_t n_threads) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(queries, n_bits);
  require(k >= 1 && k <= n_codes, "k must lie between 1 and the number of codes");
  require(n_threads >= 1, "n_threads must be at least 1");
  const std::size_t n_queries = size_of(queries, 0);
  DistanceArray distances = new_array<DistanceArray>(n_queries, k);
  IdArray indices = new_array<IdArray>(n_queries, k);
  const std::uint8_t* in = elements(queries);
  std::int32_t* distances_out = distances.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  {
    py::gil_scoped_release unlocked;
    n_threads = worthwhile_threads(table, n_queries, n_threads);
    hamming_search(isa, table, n_bits, in, n_queries, k, n_threads, distances_out, indices_out);
  }
  return {std::move(distances), std::move(indices)};
}

DistanceArray distances_to_all(const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits,
                               const ByteArray& query) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  check_codes(query, n_bits);
  require(query.shape(0) == 1, "query must be a single code");
  DistanceArray distances({static_cast<py::ssize_t>(n_codes)});
  const std::uint8_t* in = elements(query);
  std::int32_t* out = distances.mutable_data();
  py::gil_scoped_release unlocked;
  hamming_distances(isa, table, n_bits, in, out);
  return distances;
}

}  // namespace

void bind_hamming(py::module_& module) {
  using py::arg;
  module.def("hamming_search", &search, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("queries").noconvert(), arg("k"), arg("n_threads"));
  module.def("hamming_distances", &distances_to_all, arg("isa"), arg("blocks").noconvert(), arg("n_codes"),
             arg("n_bits"), arg("query").noconvert());
}

}  // namespace slimvec
