#include "core/blocked_codes.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "slimvec reads the bytes of a code as little-endian words"
#endif

namespace slimvec {

namespace {

// Word `word` of a code of `size` bytes; bytes past its end read as zero.
std::uint32_t load_word(const std::uint8_t* code, std::size_t size, std::size_t word) {
  const std::size_t at = word * 4;
  std::uint32_t value = 0;
  std::memcpy(&value, code + at, size - at < 4 ? size - at : 4);
  return value;
}

}  // namespace

void write_codes(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::size_t first_row,
                 std::uint32_t* blocks) {
  const std::size_t size = code_size(n_bits), n_words = words_per_code(n_bits);
  for (std::size_t row = first_row; row < first_row + n_rows; ++row, codes += size) {
    std::uint32_t* place = blocks + row / kBlockCodes * n_words * kBlockCodes + row % kBlockCodes;
    for (std::size_t word = 0; word < n_words; ++word) place[word * kBlockCodes] = load_word(codes, size, word);
  }
}

void check_ids(const BlockedCodes& table, const std::int64_t* ids, std::size_t n_ids, bool or_none) {
  for (std::size_t i = 0; i < n_ids; ++i) {
    if (or_none && ids[i] == -1) continue;
    if (static_cast<std::uint64_t>(ids[i]) >= table.n_codes) {  // a negative id is a huge unsigned one
      throw std::out_of_range("row " + std::to_string(ids[i]) + " is outside the table's rows 0 ... " +
                              std::to_string(static_cast<std::int64_t>(table.n_codes) - 1));
    }
  }
}

void read_codes(const BlockedCodes& table, const std::int64_t* ids, std::size_t n_ids, std::size_t n_bits,
                std::uint8_t* codes) {
  const std::size_t size = code_size(n_bits);
  check_ids(table, ids, n_ids);
  for (std::size_t i = 0; i < n_ids; ++i, codes += size) {
    const std::size_t row = static_cast<std::size_t>(ids[i]);
    const std::uint32_t* place = table.blocks + row / kBlockCodes * table.block_words() + row % kBlockCodes;
    for (std::size_t at = 0; at < size; at += 4) {
      std::memcpy(codes + at, place + at / 4 * kBlockCodes, size - at < 4 ? size - at : 4);
    }
  }
}

void codes_to_words(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, std::uint32_t* words) {
  const std::size_t size = code_size(n_bits), n_words = words_per_code(n_bits);
  for (std::size_t row = 0; row < n_rows; ++row, codes += size) {
    for (std::size_t word = 0; word < n_words; ++word) *words++ = load_word(codes, size, word);
  }
}

}  // namespace slimvec
