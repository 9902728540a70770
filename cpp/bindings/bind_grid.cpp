#include <functional>
#include <numeric>
#include <tuple>

#include "bindings/arrays.hpp"
#include "bindings/list_arguments.hpp"
#include "bindings/search_arguments.hpp"
#include "core/grid_codes.hpp"
#include "core/refinement.hpp"

namespace slimvec {

namespace {

FloatArray new_vector(std::size_t n) { return FloatArray(static_cast<py::ssize_t>(n)); }

// (n_directions, 4) float32: step, 1 / step, gain, energy; and the bits of each.
Grid check_grid(const FloatArray& directions, const ByteArray& bits) {
  require(directions.ndim() == 2 && size_of(directions, 0) >= 1 && size_of(directions, 1) == 4,
          "directions must have shape (n, 4) with n >= 1");
  const std::size_t n = size_of(directions, 0);
  require(bits.ndim() == 1 && size_of(bits, 0) == n, "bits must have one entry per direction");
  const float* row = elements(directions);
  Grid grid;
  for (std::size_t j = 0; j < n; ++j, row += 4) {
    const std::uint8_t b = *bits.data(static_cast<py::ssize_t>(j));
    require(b >= 1 && b <= kMaxBitsPerDirection, "bits must lie between 1 and 8");
    require(j == 0 || b <= grid.bits.back(), "bits must not rise");
    grid.directions.push_back({row[0], row[1], row[2], row[3], 0.5f * static_cast<float>((1u << b) - 1u)});
    grid.bits.push_back(b);
  }
  check_n_bits(grid.n_bits());
  return grid;
}

std::tuple<ByteArray, FloatArray, FloatArray, FloatArray> codes_of(const Kernels& isa, const FloatArray& values,
                                                                   const FloatArray& parallels,
                                                                   const FloatArray& directions, const ByteArray& bits,
                                                                   std::size_t n_passes) {
  check_isa(isa);
  const Grid grid = check_grid(directions, bits);
  require(values.ndim() == 2 && size_of(values, 1) == grid.bits.size(), "values must have shape (n, n_directions)");
  const std::size_t n_rows = size_of(values, 0);
  require(parallels.ndim() == 1 && size_of(parallels, 0) == n_rows, "parallels must have one entry per row");
  const float *in = elements(values), *nus = elements(parallels);
  require(std::none_of(in, in + n_rows * grid.bits.size(), [](float value) { return value != value; }),
          "values must not hold NaN");
  ByteArray codes = new_array<ByteArray>(n_rows, code_size(grid.n_bits()));
  FloatArray scales = new_vector(n_rows), products = new_vector(n_rows), energies = new_vector(n_rows);
  std::uint8_t* code = codes.mutable_data();
  float *scale = scales.mutable_data(), *product = products.mutable_data(), *energy = energies.mutable_data();
  {
    py::gil_scoped_release unlocked;
    grid_codes(isa, grid, n_passes, in, nus, n_rows, code, scale, product, energy);
  }
  return {std::move(codes), std::move(scales), std::move(products), std::move(energies)};
}

using OptionalDoubles = std::optional<DoubleArray>;

const double* check_doubles(const OptionalDoubles& doubles, std::size_t n_queries, std::size_t n_ids) {
  if (!doubles) return nullptr;
  require(doubles->ndim() == 2 && size_of(*doubles, 0) == n_queries && size_of(*doubles, 1) == n_ids,
          "ratios and weights must have the shape of ids");
  return elements(*doubles);
}

std::pair<FloatArray, IdArray> search_refined(const Kernels& isa, const ByteArray& codes, const ByteArray& bits,
                                              const HalfArray& numbers,
                                              const py::array_t<std::int16_t, py::array::c_style>& values,
                                              const DoubleArray& units, const IdArray& ids, const FloatArray& first,
                                              const OptionalDoubles& ratios, const OptionalDoubles& weights,
                                              std::size_t k, std::size_t n_threads) {
  check_isa(isa);
  const RowCodes rows = check_row_codes(codes, bits, numbers);
  const std::size_t n_directions = rows.n_directions;
  require(values.ndim() == 2 && size_of(values, 1) == n_directions, "values must have shape (n_queries, n_directions)");
  const std::size_t n_queries = size_of(values, 0);
  const std::int16_t* value = elements(values);
  const auto small = [](std::int16_t v) { return v >= -kQueryPeak && v <= kQueryPeak; };
  require(std::all_of(value, value + n_queries * n_directions, small), "values must lie between -8191 and 8191");
  require(units.ndim() == 1 && size_of(units, 0) == n_queries, "units must have one entry per query");
  require(ids.ndim() == 2 && size_of(ids, 0) == n_queries, "ids must have one row per query");
  const std::size_t n_ids = size_of(ids, 1);
  require(first.ndim() == 2 && size_of(first, 0) == n_queries && size_of(first, 1) == n_ids,
          "first must have the shape of ids");
  require(k >= 1 && k <= n_ids, "k must lie between 1 and the number of ids per query");
  require(n_threads >= 1, "n_threads must be at least 1");
  const Shortlists shortlists = {elements(ids), elements(first), check_doubles(ratios, n_queries, n_ids),
                                 check_doubles(weights, n_queries, n_ids), n_ids};
  const Refinement refinement = {elements(numbers), size_of(numbers, 1)};
  const double* unit = elements(units);
  FloatArray scores = new_array<FloatArray>(n_queries, k);
  IdArray indices = new_array<IdArray>(n_queries, k);
  float* scores_out = scores.mutable_data();
  std::int64_t* indices_out = indices.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    constexpr std::size_t kRowsPerThread = 512;  // some 250 microseconds of work
    n_threads = std::clamp<std::size_t>(n_queries * n_ids / kRowsPerThread, 1, n_threads);
    refined_search(isa, rows, refinement, value, unit, n_queries, shortlists, k, n_threads, interrupt, scores_out,
                   indices_out);
  });
  return {std::move(scores), std::move(indices)};
}

}  // namespace

void bind_grid(py::module_& module) {
  using py::arg;
  module.def("grid_codes", &codes_of, arg("isa"), arg("values").noconvert(), arg("parallels").noconvert(),
             arg("directions").noconvert(), arg("bits").noconvert(), arg("n_passes"));
  module.def("refined_search", &search_refined, arg("isa"), arg("codes").noconvert(), arg("bits").noconvert(),
             arg("numbers").noconvert(), arg("values").noconvert(), arg("units").noconvert(), arg("ids").noconvert(),
             arg("first").noconvert(), arg("ratios").noconvert(), arg("weights").noconvert(), arg("k"),
             arg("n_threads"));
}

}  // namespace slimvec
