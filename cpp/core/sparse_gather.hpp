// Rows of E = T A made on the fly: single rows, and means of bags of rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"
#include "core/sparse_rows.hpp"

namespace slimvec {

// A view of the rows of A: rows.n_columns anchors of d columns each, `stride` elements apart, float32 or (is_half)
// float16.
struct Anchors {
  const void* values;
  std::size_t stride, d;
  bool is_half;
};

// out[i] = row ids[i] of T A, d floats; zeros for a row without entries. Sums run in stored order, see GatherF32.
// Throws std::out_of_range for an id outside the table and DamagedRows for entries that point outside.
void sparse_lookup(const Kernels& isa, const SparseRows& rows, const Anchors& anchors, const std::int64_t* ids,
                   std::size_t n_ids, Interrupt& interrupt, float* out);

// out[b] = sum of weights[i] * row ids[i] over i in offsets[b] .. offsets[b + 1), divided by the sum of those weights
// (added in float64, rounded to float32); null weights mean 1. Zeros where that sum is 0. A bag is one long sparse row:
// weights[i] * value is rounded first, then all products are added in the order of the bag.
// Throws as sparse_lookup, and std::invalid_argument for offsets that fall or overrun n_ids.
void sparse_bag_mean(const Kernels& isa, const SparseRows& rows, const Anchors& anchors, const std::int64_t* ids,
                     std::size_t n_ids, const std::int64_t* offsets, std::size_t n_bags, const float* weights,
                     Interrupt& interrupt, float* out);

}  // namespace slimvec
