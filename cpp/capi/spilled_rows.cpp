#include "capi/spilled_rows.hpp"

#include "capi/row_lists.hpp"

namespace slimvec {

SpilledRows::SpilledRows(const TableFile& file, const BlockedCodes& own, std::size_t n_factors, std::size_t n_lists)
    : codes_(own), n_factors_(n_factors) {
  codes_.blocks = file.tensor("spilled.codes", {"U32"}, {own.n_blocks(), own.n_words, kBlockCodes}).as<std::uint32_t>();
  factors_ = file.tensor("spilled.factors", {"F16"}, {own.n_blocks(), n_factors, kBlockCodes}).as<std::uint16_t>();
  lists_ = {read_starts(file, "spilled.starts", own.n_codes, n_lists),
            file.tensor("spilled.positions", {"U32"}, {own.n_codes}).as<std::uint32_t>(), n_lists};
}

Spilled SpilledRows::view(Metric metric, const IntegerRows& centroids) const {
  return {codes_, {factors_, n_factors_, metric}, lists_, centroids};
}

}  // namespace slimvec
