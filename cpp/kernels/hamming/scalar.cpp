// Plain C++ for any CPU: no POPCNT instruction is assumed. The lane loops have a fixed length of 16, so a compiler
// turns them into whatever vectors the ABI guarantees (SSE2 on x86-64).
#include "kernels/kernels.hpp"

namespace {

// Bits set in a word, by adding neighbours: pairs, nibbles, bytes, then all bytes into the top one.
inline std::uint32_t popcount(std::uint32_t x) {
  x = x - ((x >> 1) & 0x55555555u);
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  x = (x + (x >> 4)) & 0x0F0F0F0Fu;
  x = x + (x >> 8);
  return (x + (x >> 16)) & 0xFFu;
}

}  // namespace

std::size_t slimvec::hamming_below_scalar(const std::uint32_t* blocks, std::size_t n_blocks, std::size_t n_words,
                                          const std::uint32_t* query, std::uint32_t limit, bool /*cold*/,
                                          std::uint32_t* distances, std::uint32_t* positions) {
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block) {
    std::uint32_t sums[kBlockCodes] = {};
    for (std::size_t word = 0; word < n_words; ++word, blocks += kBlockCodes) {
      for (std::size_t lane = 0; lane < kBlockCodes; ++lane) sums[lane] += popcount(blocks[lane] ^ query[word]);
    }
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
      distances[count] = sums[lane];  // always written, kept only by moving `count`: no branch to mispredict
      positions[count] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
      count += sums[lane] < limit;
    }
  }
  return count;
}
