// Which lists of an inverted file a query asks: those whose centroids are nearest.

#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"
#include "kernels/kernels.hpp"

namespace slimvec {

// Rows in integers: entry j of row i is values[i * d + j] * steps[i], integers between -kCentroidPeak and
// kCentroidPeak, so that products are exact.
struct IntegerRows {
  const std::int16_t* values;
  const double* steps;
  std::size_t d;
};

// The same in bytes.
struct ByteRows {
  const std::int8_t* values;
  const double* steps;
  std::size_t d;
};

// What lists are ordered by, beside the product of their centroid with a query.
struct Centroids {
  IntegerRows rows;
  ByteRows lead;               // the same along a few directions, which tell most of a product; values null: none
  const float* inverse_norms;  // null: order is not by cosines
  const float* half_squares;   // null: order is not by distances
  const float* spreads;        // null: order is not by the largest product to be expected in a list
  std::size_t n;
};

struct ListQueries {
  IntegerRows rows;
  IntegerRows lead;  // as many columns as of the centroids
  std::size_t n;
};

// For each query the n_read lists of the largest product (with inverse_norms product * inverse_norm, with half_squares
// product - half_square, with spreads product + spread * length of the query), largest first, ties by the lower list,
// and the products. What is no number comes last. Where there is a lead and n_read is small, only lists among the kWide
// * n_read best by the lead are looked at. Products and squared lengths are sums of integers, times steps in double:
// the same on every instruction set. Throws Interrupted.
constexpr std::size_t kWide = 2;
void nearest_lists(const Kernels& isa, const Centroids& centroids, const ListQueries& queries, std::size_t n_read,
                   Interrupt& interrupt, std::int32_t* lists, float* products);

}  // namespace slimvec
