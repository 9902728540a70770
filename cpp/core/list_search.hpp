// Float queries through all stages of a search of lists: prepared, which lists they read, codes, second codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/from_disk.hpp"
#include "core/nearest_lists.hpp"
#include "core/partition_search.hpp"
#include "core/prepared_queries.hpp"
#include "core/refinement.hpp"

namespace slimvec {

struct SecondStage {
  RowCodes rows;
  Refinement numbers;
  Picked<double> picked;
};

// A table whose rows lie in lists and are of unit length, asked for cosines. Each part is what the function that takes
// it says.
struct ListedTable {
  BlockedCodes codes;
  Factors factors;  // two per code
  Lists lists;
  Centroids centroids;  // with inverse_norms; not with half_squares nor spreads
  QueryFrame frame;     // the last directions are those of the lead, if there is one
  Picked<float> picked;
  const float* lead_at_mean;
  std::optional<Spilled> spilled;  // with the same centroids
  std::optional<SecondStage> second;
  double norm;        // what factors are measured in
  double query_norm;  // what queries are brought to
};

struct Wanted {
  std::size_t k;
  std::size_t n_shortlist;  // rows that second codes score, at least k
  std::size_t n_read;       // lists; further ones where these hold fewer than k rows
};

// For each query the k best allowed rows and their cosines, as the stages one after the other find them, to the bit.
// Returns false, and leaves what it found undefined, for queries that are zero, not finite, or very far from 1, and
// where rows are missing. Throws as the stages do.
template <typename Float>
bool list_search(const Kernels& isa, const ListedTable& table, const Float* queries, std::size_t n_queries,
                 const Wanted& wanted, Mask mask, std::size_t n_threads, FromDisk& from_disk, Interrupt& interrupt,
                 float* scores, std::int64_t* indices);

}  // namespace slimvec
