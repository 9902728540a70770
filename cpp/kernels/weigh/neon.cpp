#include "kernels/weigh/nibbles.hpp"

void slimvec::weight_tables_neon(const std::int32_t* weights, std::size_t n_bytes, std::int32_t* tables) {
  nibble_tables(weights, n_bytes, tables);
}

std::int64_t slimvec::weigh_bits_neon(const std::uint8_t* code, std::size_t n_bytes, const std::int32_t* tables) {
  return sum_of_nibbles(code, n_bytes, tables);
}
