// Float queries against codes that lie list by list, of which a search reads some: an inverted file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/asymmetric_search.hpp"
#include "core/nearest_lists.hpp"

namespace slimvec {

// List l holds the positions starts[l] ... starts[l + 1] - 1 of the blocked codes, and position p the code of the row
// rows[p]. Lists share blocks: none is padded.
struct Lists {
  const std::int64_t* starts;  // n_lists + 1, rising from 0 to the number of codes
  const std::uint32_t* rows;
  std::size_t n_lists;
};

// The row that lies at a position. Throws std::out_of_range where that is none of n_rows.
inline std::size_t row_at(const Lists& lists, std::size_t position, std::size_t n_rows, const char* what = "row ") {
  const std::size_t row = lists.rows[position];
  if (row < n_rows) return row;
  throw std::out_of_range("the table is damaged: it names " + (what + std::to_string(row)) + " of " +
                          std::to_string(n_rows));
}

// Other codes of some rows, each in another list than the row's own: what the centroid of that one leaves. A search
// finds a row in either list.
struct Spilled {
  BlockedCodes codes;  // of as many bits as own ones
  Factors factors;     // as many, and of the same metric
  Lists lists;         // as many; lists.rows[p] is the position of the row's own code
  IntegerRows centroids;
};

// The lists that each query asks, best first, and what is added to the scores in each of them.
struct Probes {
  const std::int32_t* lists;  // n_queries * n_probes, no list twice for a query
  const float* offsets;       // in place of the query's own
  std::size_t n_probes;
  IntegerRows queries = {nullptr, nullptr, 0};  // as they meet centroids, where something is spilled
};

// Times as many lists are read where those asked for hold too few rows; as FURTHER of Python.
constexpr std::size_t kFurther = 4;

// For each query the k allowed rows of the highest score in the lists that it asks; order, ties and what is missing as
// in asymmetric_search. `mask` is by rows. What is spilled, if anything is, leads to more rows, as many as k or more of
// the best by what is spilled; their scores are those of their own codes.
// Throws std::invalid_argument as there, or for a list outside; std::out_of_range where `rows` names no row of the
// table; Interrupted.
void partition_search(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const Lists& lists,
                      const Spilled* spilled, Mask mask, const AsymmetricQueries& queries, const Probes& probes,
                      std::size_t k, std::size_t n_threads, Interrupt& interrupt, float* scores, std::int64_t* indices);

// For each query, all allowed rows in the lists that it asks that score above its limit, as asymmetric_range_search.
std::vector<std::vector<Key>> partition_range_search(const Kernels& isa, const BlockedCodes& table,
                                                     const Factors& factors, const Lists& lists, Mask mask,
                                                     const AsymmetricQueries& queries, const Probes& probes,
                                                     const float* limits, std::size_t n_threads, Interrupt& interrupt);

}  // namespace slimvec
