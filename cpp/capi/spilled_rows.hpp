// Codes of rows in second lists: python/slimvec/binary/spilled.py tells more.
#pragma once

#include "capi/table_file.hpp"
#include "core/partition_search.hpp"

namespace slimvec {

class SpilledRows {
 public:
  // Beside the codes and factors of a table in so many lists. Throws std::runtime_error for what is damaged, but for
  // positions, which a search looks at as it meets them.
  SpilledRows(const TableFile& file, const BlockedCodes& own, std::size_t n_factors, std::size_t n_lists);

  Spilled view(Metric metric, const IntegerRows& centroids) const;
  const BlockedCodes& codes() const { return codes_; }

 private:
  BlockedCodes codes_;
  const std::uint16_t* factors_;
  const std::size_t n_factors_;
  Lists lists_;
};

}  // namespace slimvec
