// Rows that a search has met in several lists: each once, with the score of its own code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/asymmetric_scan.hpp"
#include "core/partition_search.hpp"

namespace slimvec {

class OwnScores {
 public:
  // `scan` is over `table`, whose codes lie by `lists`; it and all else are kept by reference.
  OwnScores(const Kernels& isa, const BlockedCodes& table, const Lists& lists, const IntegerRows& centroids,
            const IntegerRows& queries, const AsymmetricScan& scan)
      : isa_(isa), table_(table), lists_(lists), centroids_(centroids), queries_(queries), scan_(scan) {}

  // Keys of rows in rising order: of `own`, and of the rows that `spilled` found and these lack. An index of `spilled`
  // is the position of the row's own code. Throws std::out_of_range where `lists` name no row of the table.
  std::vector<Key> with(std::size_t query, const std::vector<Key>& own, const std::vector<Key>& spilled) const;

 private:
  float offset(std::size_t query, std::size_t position) const;

  const Kernels& isa_;
  const BlockedCodes& table_;
  const Lists& lists_;
  const IntegerRows& centroids_;
  const IntegerRows& queries_;
  const AsymmetricScan& scan_;
};

}  // namespace slimvec
