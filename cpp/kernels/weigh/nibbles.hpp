// Weights of bits where looking up four bits at a time is fastest: the sums of all sixteen values of each nibble.
#include "kernels/kernels.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kValues = 16;  // of a nibble

inline void nibble_tables(const std::int32_t* weights, std::size_t n_bytes, std::int32_t* tables) {
  for (std::size_t nibble = 0; nibble < 2 * n_bytes; ++nibble) {
    const std::int32_t* own = weights + 4 * nibble;
    std::int32_t* sums = tables + kValues * nibble;
    sums[0] = 0;
    for (std::size_t high = 0; high < 4; ++high) {
      const std::size_t n_below = std::size_t{1} << high;
      for (std::size_t low = 0; low < n_below; ++low) sums[n_below + low] = sums[low] + own[high];
    }
  }
}

inline std::int64_t sum_of_nibbles(const std::uint8_t* code, std::size_t n_bytes, const std::int32_t* tables) {
  std::int64_t low = 0, high = 0;  // two sums, so that one addition need not wait for the other
  for (std::size_t byte = 0; byte < n_bytes; ++byte, tables += 2 * kValues) {
    low += tables[code[byte] & 15u];
    high += tables[kValues + (code[byte] >> 4u)];
  }
  return low + high;
}

}  // namespace

}  // namespace slimvec
