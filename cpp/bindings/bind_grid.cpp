#include <tuple>

#include "bindings/arrays.hpp"
#include "core/grid_codes.hpp"

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

}  // namespace

void bind_grid(py::module_& module) {
  using py::arg;
  module.def("grid_codes", &codes_of, arg("isa"), arg("values").noconvert(), arg("parallels").noconvert(),
             arg("directions").noconvert(), arg("bits").noconvert(), arg("n_passes"));
}

}  // namespace slimvec
