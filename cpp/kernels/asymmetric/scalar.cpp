// Four bits at a time: eight tables of 16 sums per word. The lane loops have a fixed length of 16.
#include <cstring>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kLookups = 8;                         // per word
constexpr std::size_t kEntries = 16;                        // per lookup
using Tables = const std::int32_t (*)[kLookups][kEntries];  // one row of tables per word

// float16 -> float32, exactly. Numbers below the normal range are small integers times 2^-24.
inline float to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu, fraction = half & 0x3FFu;
  std::uint32_t bits = 0;
  if (exponent == 0) {
    const float small = static_cast<float>(fraction) * (1.0f / 16777216.0f);
    std::memcpy(&bits, &small, 4);
  } else {
    bits = (exponent == 0x1Fu ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
  }
  bits |= sign;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

// One query.
std::size_t above(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks, std::size_t n_words,
                  const slimvec::AsymmetricQuery& query) {
  const slimvec::AsymmetricScale& scale = query.scale;
  const Tables sums = reinterpret_cast<Tables>(query.tables);
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block, factors += scale.n_factors * kBlockCodes) {
    std::int32_t dots[kBlockCodes] = {};
    for (std::size_t word = 0; word < n_words; ++word, blocks += kBlockCodes) {
      for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
        const std::uint32_t bits = blocks[lane];
        for (std::size_t lookup = 0; lookup < kLookups; ++lookup) {
          dots[lane] += sums[word][lookup][(bits >> 4 * lookup) & 15];
        }
      }
    }
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
      float score = scale.unit * static_cast<float>(dots[lane]) * to_float(factors[lane]);
      score = score + to_float(factors[kBlockCodes + lane]) + scale.offset;
      if (scale.metric != slimvec::Metric::kDot) {
        const float weight = to_float(factors[2 * kBlockCodes + lane]), square = weight * weight;
        const bool cosine = scale.metric == slimvec::Metric::kCosine;
        score = cosine ? score * weight : weight == 0 ? score : score - 0.5f / square;
      }
      query.scores[count] = score;
      query.positions[count] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
      count += score > query.limit;
    }
  }
  return count;
}

}  // namespace

void slimvec::asymmetric_tables_scalar(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  for (std::size_t lookup = 0; lookup < n_words * kLookups; ++lookup, query += 4) {
    for (std::size_t nibble = 0; nibble < kEntries; ++nibble, tables += 4) {
      std::int32_t sum = 0;
      for (std::size_t bit = 0; bit < 4; ++bit) sum += (nibble >> bit) & 1 ? query[bit] : -query[bit];
      std::memcpy(tables, &sum, 4);
    }
  }
}

void slimvec::asymmetric_above_scalar(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                                      std::size_t n_words, Ahead& /*ahead*/, AsymmetricQuery* queries,
                                      std::size_t n_queries) {
  for (AsymmetricQuery* query = queries; query != queries + n_queries; ++query) {
    query->n_found = above(blocks, factors, n_blocks, n_words, *query);
  }
}
