// Codes in the blocked layout (kernels/kernels.hpp), and moving codes in and out of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace slimvec {

// A view: owns nothing.
struct BlockedCodes {
  const std::uint32_t* blocks;
  std::size_t n_codes;
  std::size_t n_words;  // per code

  std::size_t n_blocks() const { return block_count(n_codes); }
  std::size_t block_words() const { return n_words * kBlockCodes; }
};

// Rows of packed codes -> places first_row ... first_row + n_rows - 1 of `blocks`.
void write_codes(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::size_t first_row,
                 std::uint32_t* blocks);

// The codes `ids[0 .. n_ids)`, row after row. Throws std::out_of_range naming the first id outside the table.
void read_codes(const BlockedCodes& table, const std::int64_t* ids, std::size_t n_ids, std::size_t n_bits,
                std::uint8_t* codes);

// Rows of packed codes -> rows of n_words uint32 (zero-padded): how a query is handed to the Hamming kernels.
void codes_to_words(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::uint32_t* words);

}  // namespace slimvec
