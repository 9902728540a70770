// Float queries made what kernels take: projected, and rounded to integers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"

namespace slimvec {

// Directions that vectors less a mean are told along: column c is directions[i * n + c].
struct QueryFrame {
  const float* mean;  // d
  const float* directions;
  std::size_t d, n;
};

// Brings rows of d numbers to a norm, unless one is so short, so long or so far from finite that squares do not tell:
// then it returns false, and changes nothing.
bool bring_to_norm(double* rows, std::size_t n, std::size_t d, double norm);

// along[q * n + c] = sum over rising i of (float(vectors[q * d + i]) - mean[i]) * directions[i * n + c], each product
// and sum rounded to float32: the same on every instruction set, and for a vector whatever comes with it. Returns the
// first vector of which some are no finite numbers, or n_vectors.
std::size_t tell_along(const Kernels& isa, const QueryFrame& frame, const double* vectors, std::size_t n_vectors,
                       float* along);

// The last n_lead of `width` products with vectors less a mean, as those with vectors as they are.
void tell_lead(const float* along, std::size_t n_vectors, std::size_t width, const float* at_mean, std::size_t n_lead,
               double* out);

// Some of the directions that queries are told along, and what their products are multiplied by.
template <typename Float>
struct Picked {
  const std::uint32_t* columns;
  const Float* factors;
  std::size_t n;
};

// out[q * picked.n + j] = rows[q * width + picked.columns[j]] * picked.factors[j], in Float.
template <typename Float>
void pick_scaled(const float* rows, std::size_t n_rows, std::size_t width, const Picked<Float>& picked, Float* out) {
  for (std::size_t q = 0; q < n_rows; ++q) {
    for (std::size_t j = 0; j < picked.n; ++j) {
      out[q * picked.n + j] = static_cast<Float>(rows[q * width + picked.columns[j]]) * picked.factors[j];
    }
  }
}

}  // namespace slimvec
