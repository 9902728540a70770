#include <functional>
#include <numeric>
#include <tuple>

#include "bindings/arrays.hpp"
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

py::array_t<double> products_of(const ByteArray& codes, const ByteArray& bits,
                                const py::array_t<std::int16_t, py::array::c_style>& values, const IdArray& ids,
                                std::size_t n_threads) {
  require(bits.ndim() == 1 && size_of(bits, 0) >= 1, "bits must have one entry per direction");
  const std::size_t n_directions = size_of(bits, 0);
  const std::uint8_t* of_direction = elements(bits);
  const auto known = [](std::uint8_t b) { return b >= 1 && b <= kMaxBitsPerDirection; };
  require(std::all_of(of_direction, of_direction + n_directions, known), "bits must lie between 1 and 8");
  require(std::is_sorted(of_direction, of_direction + n_directions, std::greater<>()), "bits must not rise");
  const std::size_t n_bits = std::accumulate(of_direction, of_direction + n_directions, std::size_t{0});
  require(codes.ndim() == 2 && size_of(codes, 1) == code_size(n_bits), "codes must have shape (n, ceil(n_bits / 8))");
  require(values.ndim() == 2 && size_of(values, 1) == n_directions, "values must have shape (n_queries, n_directions)");
  const std::size_t n_queries = size_of(values, 0);
  require(ids.ndim() == 2 && size_of(ids, 0) == n_queries, "ids must have one row per query");
  require(n_threads >= 1, "n_threads must be at least 1");
  const std::size_t n_ids = size_of(ids, 1);
  const std::int16_t* value = elements(values);
  require(std::all_of(value, value + n_queries * n_directions,
                      [](std::int16_t v) { return v >= -kQueryPeak && v <= kQueryPeak; }),
          "values must lie between -8191 and 8191");
  auto products = new_array<py::array_t<double>>(n_queries, n_ids);
  double* out = products.mutable_data();
  const RowCodes rows = {elements(codes), size_of(codes, 0), size_of(codes, 1), of_direction, n_directions};
  const std::int64_t* id = elements(ids);
  without_gil([&](Interrupt& interrupt) {
    constexpr std::size_t kRowsPerThread = 512;  // some 60 microseconds of work
    n_threads = std::clamp<std::size_t>(n_queries * n_ids / kRowsPerThread, 1, n_threads);
    refined_products(rows, value, n_queries, id, n_ids, n_threads, interrupt, out);
  });
  return products;
}

}  // namespace

void bind_grid(py::module_& module) {
  using py::arg;
  module.def("grid_codes", &codes_of, arg("isa"), arg("values").noconvert(), arg("parallels").noconvert(),
             arg("directions").noconvert(), arg("bits").noconvert(), arg("n_passes"));
  module.def("refined_products", &products_of, arg("codes").noconvert(), arg("bits").noconvert(),
             arg("values").noconvert(), arg("ids").noconvert(), arg("n_threads"));
}

}  // namespace slimvec
