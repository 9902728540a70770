// VCNT counts the bits of each byte. Byte counts are added up over up to 31 words (31 * 8 = 248 still fits a byte)
// before two pairwise additions fold the four bytes of each code.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kWordsPerFold = 31;
constexpr std::size_t kQuarters = 4;  // a word of 16 codes is four registers of four codes

inline uint8x16_t different_bytes(const std::uint32_t* codes, uint32x4_t query_u32x4) {
  return vcntq_u8(vreinterpretq_u8_u32(veorq_u32(vld1q_u32(codes), query_u32x4)));
}

// Counts of `n_words` <= 31 words of one block, added to the 16 sums.
inline void add_words(const std::uint32_t* words, std::size_t n_words, const std::uint32_t* query,
                      uint32x4_t sums_u32x4[kQuarters]) {
  uint8x16_t counts_u8x16[kQuarters] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes) {
    const uint32x4_t query_u32x4 = vdupq_n_u32(query[word]);
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
      counts_u8x16[quarter] = vaddq_u8(counts_u8x16[quarter], different_bytes(words + 4 * quarter, query_u32x4));
    }
  }
  for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
    sums_u32x4[quarter] = vpadalq_u16(sums_u32x4[quarter], vpaddlq_u8(counts_u8x16[quarter]));
  }
}

}  // namespace

std::size_t slimvec::hamming_below_neon(const std::uint32_t* blocks, std::size_t n_blocks, std::size_t n_words,
                                        const std::uint32_t* query, std::uint32_t limit, bool /*cold*/,
                                        std::uint32_t* distances, std::uint32_t* positions) {
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block, blocks += n_words * kBlockCodes) {
    uint32x4_t sums_u32x4[kQuarters] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
    for (std::size_t first = 0; first < n_words; first += kWordsPerFold) {
      const std::size_t left = n_words - first < kWordsPerFold ? n_words - first : kWordsPerFold;
      add_words(blocks + first * kBlockCodes, left, query + first, sums_u32x4);
    }
    const uint32x4_t least_u32x4 =
        vminq_u32(vminq_u32(sums_u32x4[0], sums_u32x4[1]), vminq_u32(sums_u32x4[2], sums_u32x4[3]));
    if (vminvq_u32(least_u32x4) >= limit) continue;
    std::uint32_t sums[kBlockCodes];
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) vst1q_u32(sums + 4 * quarter, sums_u32x4[quarter]);
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
      distances[count] = sums[lane];  // always written, kept only by moving `count`: no branch to mispredict
      positions[count] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
      count += sums[lane] < limit;
    }
  }
  return count;
}
