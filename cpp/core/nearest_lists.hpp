// Which lists of an inverted file a query asks: those whose centroids are nearest.

#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"
#include "kernels/kernels.hpp"

namespace slimvec {

// Centroids in integers: entry j of centroid l is values[l * d + j] * steps[l].
struct Centroids {
  const std::int16_t* values;  // n * d, between -kCentroidPeak and kCentroidPeak
  const double* steps;
  const float* inverse_norms;  // null: order is not by cosines
  const float* half_squares;   // null: order is not by distances
  std::size_t n;
  std::size_t d;
};

// For each query, whose entries are queries[q * d + j] * units[q], the n_read lists of the largest product (with
// inverse_norms product * inverse_norm, with half_squares product - half_square), largest first, ties by the lower
// list, and the products. What is no number comes last. Products are sums of integers, times steps and units in double:
// the same on every instruction set. Throws Interrupted.
void nearest_lists(const Kernels& isa, const Centroids& centroids, const std::int16_t* queries, const double* units,
                   std::size_t n_queries, std::size_t n_read, Interrupt& interrupt, std::int32_t* lists,
                   float* products);

}  // namespace slimvec
