#include "core/from_disk.hpp"

namespace slimvec {

void FromDisk::Search::want_lists(const BlockedCodes& codes, const Factors& factors, const Lists& lists,
                                  const Spilled* spilled, const std::vector<std::int32_t>& which, std::size_t n_read) {
  if (!asks_ || n_read == lists.n_lists) return;
  for (const std::int32_t list : which) {
    want_list(codes, factors, lists, list);
    if (spilled) want_list(spilled->codes, spilled->factors, spilled->lists, list);
  }
}

void FromDisk::Search::want_list(const BlockedCodes& codes, const Factors& factors, const Lists& lists,
                                 std::int32_t which) {
  const std::size_t begin = static_cast<std::size_t>(lists.starts[which]);
  const std::size_t end = static_cast<std::size_t>(lists.starts[which + 1]);
  if (begin == end) return;
  const std::size_t of_codes = codes.block_words(), of_factors = factors.n_factors * kBlockCodes;
  const std::size_t block = begin / kBlockCodes, n_blocks = ceil_divide(end, kBlockCodes) - block;
  want(codes.blocks + block * of_codes, n_blocks * of_codes * sizeof(std::uint32_t));
  want(factors.values + block * of_factors, n_blocks * of_factors * sizeof(std::uint16_t));
  want(lists.rows + begin, (end - begin) * sizeof(std::uint32_t));
}

void FromDisk::Search::want_rows(const RowCodes& codes, const Refinement& numbers, const std::int64_t* rows,
                                 std::size_t n) {
  if (!asks_) return;
  for (std::size_t i = 0; i < n; ++i) {
    if (rows[i] < 0) continue;
    const std::size_t row = static_cast<std::size_t>(rows[i]);
    want(codes.codes + row * codes.row_bytes, codes.row_bytes);
    want(numbers.numbers + row * numbers.n_numbers, numbers.n_numbers * sizeof(std::uint16_t));
  }
}

}  // namespace slimvec
