#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/list_arguments.hpp"
#include "core/prepared_queries.hpp"
#include "core/rounding.hpp"

namespace slimvec {

namespace {

// Rows in integers, and the largest magnitudes that became the largest of these.
template <typename Float>
using Rounded = std::pair<QueryArray, py::array_t<Float, py::array::c_style>>;

template <typename Float>
Rounded<Float> rounded_rows(const Float* rows, std::size_t n, std::size_t d, std::int16_t largest) {
  QueryArray values = new_array<QueryArray>(n, d);
  py::array_t<Float, py::array::c_style> peaks(static_cast<py::ssize_t>(n));
  round_rows(rows, n, d, largest, values.mutable_data(), peaks.mutable_data());
  return {std::move(values), std::move(peaks)};
}

template <typename Float>
Rounded<Float> rounded(const py::array_t<Float, py::array::c_style>& rows, std::int16_t largest) {
  require(rows.ndim() == 2, "rows must have shape (n, d)");
  require(largest >= 1, "largest must be at least 1");
  return rounded_rows(elements(rows), size_of(rows, 0), size_of(rows, 1), largest);
}

// Some columns of rows, scaled, in integers.
template <typename Float>
Rounded<Float> rounded_columns(const float* rows, std::size_t n, std::size_t width, const Columns<Float>& columns) {
  const Picked<Float> picked = check_columns(columns, width);
  std::vector<Float> scaled(n * picked.n);
  pick_scaled(rows, n, width, picked, scaled.data());
  return rounded_rows(scaled.data(), n, picked.n, kQueryPeak);
}

// The last directions, where vectors are as they are and not less the mean.
Rounded<double> rounded_lead(const float* rows, std::size_t n, std::size_t width, const FloatArray& at_mean) {
  const std::size_t n_lead = size_of(at_mean, 0);
  std::vector<double> lead(n * n_lead);
  tell_lead(rows, n, width, elements(at_mean), n_lead, lead.data());
  return rounded_rows(lead.data(), n, n_lead, kCentroidPeak);
}

double product(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

auto prepared(const Kernels& isa, const DoubleArray& vectors, const FloatArray& mean, const FloatArray& frame,
              const std::optional<Columns<float>>& bits, const std::optional<Columns<double>>& second,
              const std::optional<FloatArray>& lead_at_mean) {
  check_isa(isa);
  require(vectors.ndim() == 2 && mean.ndim() == 1 && size_of(mean, 0) == size_of(vectors, 1),
          "vectors must have shape (n, d), and mean (d,)");
  const std::size_t n = size_of(vectors, 0), d = size_of(vectors, 1);
  require(frame.ndim() == 2 && size_of(frame, 0) == d && d <= UINT32_MAX, "frame must have shape (d, n_directions)");
  const std::size_t width = size_of(frame, 1);
  require(!lead_at_mean || (lead_at_mean->ndim() == 1 && size_of(*lead_at_mean, 0) <= width),
          "lead_at_mean must have one entry for each of the last directions");
  const double* rows = elements(vectors);
  FloatArray along = new_array<FloatArray>(n, width);
  float* told = along.mutable_data();
  std::size_t bad = 0;
  {
    const QueryFrame directions = {elements(mean), elements(frame), d, width};
    py::gil_scoped_release unlocked;
    bad = tell_along(isa, directions, rows, n, told);
  }
  Rounded<float> values =
      bits ? rounded_columns(told, n, width, *bits) : rounded_rows<float>(told, n, width, kQueryPeak);
  std::optional<Rounded<double>> of_second, asking, leading;
  if (second) of_second = rounded_columns(told, n, width, *second);
  if (lead_at_mean) {
    asking = rounded_rows(rows, n, d, kCentroidPeak);
    if (lead_at_mean->size()) leading = rounded_lead(told, n, width, *lead_at_mean);
  }
  DoubleArray at_mean(static_cast<py::ssize_t>(n)), squares(static_cast<py::ssize_t>(n));
  const std::vector<double> wide_mean(elements(mean), elements(mean) + d);
  for (std::size_t q = 0; q < n; ++q) {
    at_mean.mutable_data()[q] = product(rows + q * d, wide_mean.data(), d);
    squares.mutable_data()[q] = product(rows + q * d, rows + q * d, d);
  }
  return std::make_tuple(std::move(along), bad, std::move(values), std::move(of_second), std::move(asking),
                         std::move(leading), std::move(at_mean), std::move(squares));
}

// Rows at a norm; none where squares do not tell their lengths.
std::optional<DoubleArray> at_norm(const DoubleArray& rows, double norm) {
  require(rows.ndim() == 2, "rows must have shape (n, d)");
  const std::size_t n = size_of(rows, 0), d = size_of(rows, 1);
  DoubleArray made = new_array<DoubleArray>(n, d);
  std::copy_n(elements(rows), n * d, made.mutable_data());
  if (!bring_to_norm(made.mutable_data(), n, d, norm)) return std::nullopt;
  return made;
}

}  // namespace

void bind_queries(py::module_& module) {
  using py::arg;
  module.def("round_rows", &rounded<float>, arg("rows").noconvert(), arg("largest"));
  module.def("round_rows", &rounded<double>, arg("rows").noconvert(), arg("largest"));
  module.def("at_norm", &at_norm, arg("rows").noconvert(), arg("norm"));
  module.def("prepare_queries", &prepared, arg("isa"), arg("vectors").noconvert(), arg("mean").noconvert(),
             arg("frame").noconvert(), arg("bits").noconvert(), arg("second").noconvert(),
             arg("lead_at_mean").noconvert());
}

}  // namespace slimvec
