// Codes in the blocked layout (kernels/kernels.hpp), and moving codes in and out of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/platform.hpp"
#include "kernels/kernels.hpp"

namespace slimvec {

constexpr std::size_t kMaxBits = (std::size_t{1} << 24) - 1;  // per code; keeps products of sizes far from overflow

// A view: owns nothing.
struct BlockedCodes {
  const std::uint32_t* blocks;
  std::size_t n_codes;
  std::size_t n_words;  // per code

  std::size_t n_blocks() const { return block_count(n_codes); }
  std::size_t block_words() const { return n_words * kBlockCodes; }
};

// Throws std::out_of_range naming the first of ids[0 .. n_ids) that is outside the table; -1 may stand for none.
void check_ids(const BlockedCodes& table, const std::int64_t* ids, std::size_t n_ids, bool or_none = false);

// Asks the cache for the block of an id a few places on: ids[0 .. left) are still to come, in any order.
inline void prefetch_ahead(const BlockedCodes& table, const std::int64_t* ids, std::size_t left) {
  constexpr std::size_t kAhead = 4;  // 40 cache lines at 300 bits
  if (left <= kAhead || ids[kAhead] < 0) return;
  const std::uint32_t* block = table.blocks + static_cast<std::size_t>(ids[kAhead]) / kBlockCodes * table.block_words();
  for (std::size_t word = 0; word < table.n_words; ++word) ask_cache(block + word * kBlockCodes);
}

// Rows of packed codes -> places first_row ... first_row + n_rows - 1 of `blocks`.
void write_codes(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::size_t first_row,
                 std::uint32_t* blocks);

// The codes `ids[0 .. n_ids)`, row after row. Throws as check_ids does.
void read_codes(const BlockedCodes& table, const std::int64_t* ids, std::size_t n_ids, std::size_t n_bits,
                std::uint8_t* codes);

// Rows of packed codes -> rows of n_words uint32 (zero-padded): how a query is handed to the Hamming kernels.
void codes_to_words(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::uint32_t* words);

}  // namespace slimvec
