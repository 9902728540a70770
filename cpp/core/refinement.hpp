// Second codes of rows on a shortlist against float queries, from exact integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"
#include "kernels/kernels.hpp"

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

// What a code adds to the score that a row has already, with `product` the sum over j of values[j] * u, in float64:
//   score = first * ratio + (unit * product * numbers[0] + numbers[1]) * weight
// numbers are float16, n_numbers of them per row, of which the first two are read.
struct Refinement {
  const std::uint16_t* numbers;  // n_rows * n_numbers
  std::size_t n_numbers;
};

// A shortlist for each query: rows, -1 for none, and their scores so far.
struct Shortlists {
  const std::int64_t* ids;  // n_queries * n_ids
  const float* first;       // n_queries * n_ids
  const double* ratios;     // n_queries * n_ids; null: 1
  const double* weights;    // n_queries * n_ids; null: 1
  std::size_t n_ids;
};

// For each query the k rows of its shortlist with the highest scores, order, ties and what is missing as in
// asymmetric_search. values are n_queries * n_directions, of at most kQueryPeak, so that products are exact; units
// n_queries. Throws std::out_of_range naming an id outside; Interrupted.
void refined_search(const Kernels& isa, const RowCodes& rows, const Refinement& refinement, const std::int16_t* values,
                    const double* units, std::size_t n_queries, const Shortlists& shortlists, std::size_t k,
                    std::size_t n_threads, Interrupt& interrupt, float* scores, std::int64_t* indices);

}  // namespace slimvec
