// Second codes of rows on a shortlist against float queries, from exact integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"

namespace slimvec {

// Codes of several bits (grid_codes.hpp), row by row: along direction j one of 2^bits[j] levels, a half integer
// u = k + 1/2 - 2^(bits[j] - 1). The highest bits of all directions come first, then the next ones of those that have
// any; bits fall, none is 0 or above 8.
struct RowCodes {
  const std::uint8_t* codes;  // n_rows * row_bytes
  std::size_t n_rows;
  std::size_t row_bytes;
  const std::uint8_t* bits;  // n_directions
  std::size_t n_directions;
};

// products[q * n_ids + i] = sum over j of values[q * n_directions + j] * u of row ids[q * n_ids + i]; 0 for an id of
// -1. Values are of at most kQueryPeak, so that sums are exact. Throws std::out_of_range naming an id outside;
// Interrupted.
void refined_products(const RowCodes& rows, const std::int16_t* values, std::size_t n_queries, const std::int64_t* ids,
                      std::size_t n_ids, std::size_t n_threads, Interrupt& interrupt, double* products);

}  // namespace slimvec
