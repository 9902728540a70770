#include "capi/spilled_rows.hpp"

#include <algorithm>
#include <stdexcept>

namespace slimvec {

SpilledRows::SpilledRows(const TableFile& file, const BlockedCodes& own, std::size_t n_factors, std::size_t n_lists)
    : codes_(own), n_factors_(n_factors) {
  codes_.blocks = file.tensor("spilled.codes", {"U32"}, {own.n_blocks(), own.n_words, kBlockCodes}).as<std::uint32_t>();
  factors_ = file.tensor("spilled.factors", {"F16"}, {own.n_blocks(), n_factors, kBlockCodes}).as<std::uint16_t>();
  const std::int64_t* starts = file.tensor("spilled.starts", {"I64"}, {n_lists + 1}).as<std::int64_t>();
  if (starts[0] != 0 || static_cast<std::uint64_t>(starts[n_lists]) != own.n_codes ||
      !std::is_sorted(starts, starts + n_lists + 1)) {
    throw std::runtime_error("tensor spilled.starts does not rise from 0 to the number of rows: damaged");
  }
  lists_ = {starts, file.tensor("spilled.positions", {"U32"}, {own.n_codes}).as<std::uint32_t>(), n_lists};
}

Spilled SpilledRows::view(Metric metric, const IntegerRows& centroids) const {
  return {codes_, {factors_, n_factors_, metric}, lists_, centroids};
}

}  // namespace slimvec
