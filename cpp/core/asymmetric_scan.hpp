// One or many float queries over runs of blocked codes: what every search by estimated scores walks with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "core/asymmetric_search.hpp"
#include "core/top_scores.hpp"

namespace slimvec {

// A limit for kernels, which keep scores above it.
inline float limit_of(std::uint32_t rank) {
  return rank == UINT32_MAX ? -std::numeric_limits<float>::infinity() : rank_score(rank);
}

// The scan's Below (scan.hpp) over float queries.
class AsymmetricScan {
 public:
  AsymmetricScan(const Kernels& isa, const BlockedCodes& table, const Factors& factors,
                 const AsymmetricQueries& queries)
      : isa_(isa),
        table_(table),
        factors_(factors),
        queries_(queries),
        tables_(queries.n_queries * table.n_words * kLinesPerWord) {
    if (queries.n_bits > kMaxAsymmetricBits) throw std::invalid_argument("too many bits for asymmetric scores");
    if (table.n_codes > kMaxIndex) throw std::invalid_argument("too many codes");
    std::vector<std::int16_t> padded(table.n_words * kWordBits);  // bits past n_bits count nothing
    for (std::size_t q = 0; q < queries.n_queries; ++q) {
      std::copy_n(queries.values + q * queries.n_bits, queries.n_bits, padded.data());
      isa.asymmetric_tables(padded.data(), table.n_words, tables_[q * table.n_words * kLinesPerWord].bytes);
    }
  }

  std::size_t operator()(Range blocks, std::size_t query, std::uint32_t limit, bool cold, Hits& hits) const {
    return with_offset(queries_.offsets[query], blocks, query, limit, cold, hits);
  }

  // The same, with another offset than the query's own.
  std::size_t with_offset(float offset, Range blocks, std::size_t query, std::uint32_t limit, bool cold,
                          Hits& hits) const {
    float scores[kRun * kBlockCodes];
    std::size_t count = 0;
    for (std::size_t first = blocks.begin; first < blocks.end; first += kRun) {
      const std::size_t n_blocks = std::min(kRun, blocks.end - first);
      const std::size_t found =
          above(first, n_blocks, query, offset, limit_of(limit), cold, scores, hits.positions.data() + count);
      for (std::size_t i = 0; i < found; ++i, ++count) {
        hits.ranks[count] = score_rank(scores[i]);
        hits.positions[count] += static_cast<std::uint32_t>((first - blocks.begin) * kBlockCodes);
      }
    }
    return count;
  }

  // The score of one code; minus infinity if it is not a number.
  float score(std::size_t query, std::size_t index) const {
    float scores[kBlockCodes];
    std::uint32_t lanes[kBlockCodes];
    const std::size_t found = above(index / kBlockCodes, 1, query, queries_.offsets[query],
                                    -std::numeric_limits<float>::infinity(), false, scores, lanes);
    const std::uint32_t* lane = std::find(lanes, lanes + found, index % kBlockCodes);
    return lane == lanes + found ? -std::numeric_limits<float>::infinity() : scores[lane - lanes];
  }

 private:
  // A lookup that straddles two lines costs twice: 1.2 ms per million codes of 300 bits against 2.2 (EPYC Turin).
  struct alignas(64) CacheLine {
    unsigned char bytes[64];
  };
  static constexpr std::size_t kLinesPerWord = kTableBytesPerWord / sizeof(CacheLine);
  static constexpr std::size_t kRun = 64;  // blocks per call: 4 KB of scores on the stack

  std::size_t above(std::size_t block, std::size_t n_blocks, std::size_t query, float offset, float limit, bool cold,
                    float* scores, std::uint32_t* positions) const {
    const AsymmetricScale scale = {queries_.units[query], offset, factors_.n_factors,
                                   factors_.weigh && factors_.n_factors == 3};
    return isa_.asymmetric_above(table_.blocks + block * table_.block_words(),
                                 factors_.values + block * factors_.n_factors * kBlockCodes, n_blocks, table_.n_words,
                                 tables(query), scale, limit, cold, scores, positions);
  }

  const unsigned char* tables(std::size_t query) const { return tables_[query * table_.n_words * kLinesPerWord].bytes; }

  const Kernels& isa_;
  const BlockedCodes& table_;
  const Factors& factors_;
  const AsymmetricQueries& queries_;
  std::vector<CacheLine> tables_;
};

// The k best as results give them: where there are fewer, score -infinity and index -1.
inline void write_result(const std::vector<Key>& keys, std::size_t k, float* scores, std::int64_t* indices) {
  for (std::size_t i = 0; i < k; ++i) {
    const bool found = i < keys.size();
    scores[i] = found ? key_score(keys[i]) : -std::numeric_limits<float>::infinity();
    indices[i] = found ? key_index(keys[i]) : -1;
  }
}

}  // namespace slimvec
