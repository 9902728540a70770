#include "bindings/search_arguments.hpp"
#include "core/lookup.hpp"

namespace slimvec {

namespace {

FloatArray lookup_rows(const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits,
                       const IdArray& ids) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  require(ids.ndim() == 1, "ids must be one-dimensional");
  const std::size_t n_ids = size_of(ids, 0);
  FloatArray rows = new_array<FloatArray>(n_ids, n_bits);
  const std::int64_t* in = elements(ids);
  float* out = rows.mutable_data();
  without_gil([&](Interrupt& interrupt) { lookup(isa, table, n_bits, in, n_ids, interrupt, out); });
  return rows;
}

FloatArray mean_of_bags(const Kernels& isa, const WordArray& blocks, std::size_t n_codes, std::size_t n_bits,
                        const IdArray& ids, const IdArray& offsets) {
  check_isa(isa);
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  require(ids.ndim() == 1, "ids must be one-dimensional");
  require(offsets.ndim() == 1 && offsets.shape(0) >= 1, "offsets must be one-dimensional with n_bags + 1 entries");
  const std::size_t n_bags = size_of(offsets, 0) - 1, n_ids = size_of(ids, 0);
  FloatArray means = new_array<FloatArray>(n_bags, n_bits);
  const std::int64_t *in = elements(ids), *bounds = elements(offsets);
  float* out = means.mutable_data();
  without_gil([&](Interrupt& interrupt) { bag_mean(isa, table, n_bits, in, n_ids, bounds, n_bags, interrupt, out); });
  return means;
}

}  // namespace

void bind_lookup(py::module_& module) {
  using py::arg;
  module.def("lookup", &lookup_rows, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("ids").noconvert());
  module.def("bag_mean", &mean_of_bags, arg("isa"), arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("ids").noconvert(), arg("offsets").noconvert());
}

}  // namespace slimvec
