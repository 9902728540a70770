// One or many float queries over runs of blocked codes: what every search by estimated scores walks with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
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
        tables_(std::make_shared<std::vector<CacheLine>>(queries.n_queries * table.n_words * kLinesPerWord)) {
    if (queries.n_bits > kMaxAsymmetricBits) throw std::invalid_argument("too many bits for asymmetric scores");
    if (table.n_codes > kMaxIndex) throw std::invalid_argument("too many codes");
    std::vector<std::int16_t> padded(table.n_words * kWordBits);  // bits past n_bits count nothing
    for (std::size_t q = 0; q < queries.n_queries; ++q) {
      std::copy_n(queries.values + q * queries.n_bits, queries.n_bits, padded.data());
      isa.asymmetric_tables(padded.data(), table.n_words, (*tables_)[q * table.n_words * kLinesPerWord].bytes);
    }
  }

  // The same queries over other codes of as many bits.
  AsymmetricScan over(const BlockedCodes& table, const Factors& factors) const {
    if (table.n_codes > kMaxIndex) throw std::invalid_argument("too many codes");
    return AsymmetricScan(*this, table, factors);
  }

  // One query of a group: its limit, and an offset that may be another than its own.
  struct Asked {
    std::size_t query;
    float offset;
    std::uint32_t limit;
  };

  void operator()(Range blocks, Range queries, const std::uint32_t* limits, bool cold, Hits* hits) const {
    Asked asked[kGroupQueries];
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const std::size_t query = queries.begin + q;
      asked[q] = {query, queries_.offsets[query], limits[q]};
    }
    Ahead ahead = {};
    if (cold) ahead.parts[0] = lines(blocks, kAhead);
    scan(blocks, asked, queries.size(), ahead, hits);
  }

  // A group of queries, each with its own of `hits`.
  void scan(Range blocks, const Asked* asked, std::size_t n_asked, Ahead& ahead, Hits* hits) const {
    float scores[kGroupQueries][kRun * kBlockCodes];
    AsymmetricQuery queries[kGroupQueries];
    for (std::size_t q = 0; q < n_asked; ++q) {
      queries[q] = query_of(asked[q].query, asked[q].offset, limit_of(asked[q].limit));
      queries[q].scores = scores[q];
      hits[q].count = 0;
    }
    for (std::size_t first = blocks.begin; first < blocks.end; first += kRun) {
      for (std::size_t q = 0; q < n_asked; ++q) queries[q].positions = hits[q].positions.data() + hits[q].count;
      above(first, std::min(kRun, blocks.end - first), ahead, queries, n_asked);
      for (std::size_t q = 0; q < n_asked; ++q) {
        for (std::size_t i = 0; i < queries[q].n_found; ++i, ++hits[q].count) {
          hits[q].ranks[hits[q].count] = score_rank(scores[q][i]);
          hits[q].positions[hits[q].count] += static_cast<std::uint32_t>((first - blocks.begin) * kBlockCodes);
        }
      }
    }
  }

  // The score of one code; minus infinity if it is not a number.
  float score(std::size_t query, std::size_t index) const { return score(query, queries_.offsets[query], index); }

  float score(std::size_t query, float offset, std::size_t index) const {
    float scores[kBlockCodes];
    std::uint32_t lanes[kBlockCodes];
    AsymmetricQuery one = query_of(query, offset, -std::numeric_limits<float>::infinity());
    one.scores = scores, one.positions = lanes;
    Ahead nothing = {};
    above(index / kBlockCodes, 1, nothing, &one, 1);
    const std::uint32_t* lane = std::find(lanes, lanes + one.n_found, index % kBlockCodes);
    return lane == lanes + one.n_found ? -std::numeric_limits<float>::infinity() : scores[lane - lanes];
  }

  // The lines of the codes of some blocks; or as many, from so many bytes after their first one on.
  Ahead::Part lines(Range blocks, std::size_t n_bytes = 0) const {
    const auto* first = reinterpret_cast<const char*>(table_.blocks + blocks.begin * table_.block_words());
    return {first + n_bytes, blocks.size() * table_.block_words() * sizeof(std::uint32_t) / sizeof(CacheLine)};
  }

 private:
  AsymmetricScan(const AsymmetricScan& other, const BlockedCodes& table, const Factors& factors)
      : isa_(other.isa_), table_(table), factors_(factors), queries_(other.queries_), tables_(other.tables_) {}

  // A lookup that straddles two lines costs twice: 1.2 ms per million codes of 300 bits against 2.2 (EPYC Turin).
  struct alignas(64) CacheLine {
    unsigned char bytes[64];
  };
  static constexpr std::size_t kLinesPerWord = kTableBytesPerWord / sizeof(CacheLine);
  static constexpr std::size_t kAhead = 8192;  // bytes of a scan from memory; see hamming/avx512.cpp
  static constexpr std::size_t kRun = 64;      // blocks per call: 16 KB of scores on the stack

  void above(std::size_t block, std::size_t n_blocks, Ahead& ahead, AsymmetricQuery* queries,
             std::size_t n_queries) const {
    isa_.asymmetric_above(table_.blocks + block * table_.block_words(),
                          factors_.values + block * factors_.n_factors * kBlockCodes, n_blocks, table_.n_words, ahead,
                          queries, n_queries);
  }

  AsymmetricQuery query_of(std::size_t query, float offset, float limit) const {
    const AsymmetricScale scale = {queries_.units[query], offset, factors_.n_factors,
                                   factors_.n_factors == 3 ? factors_.metric : Metric::kDot};
    return {tables(query), scale, limit, nullptr, nullptr, 0};
  }

  const unsigned char* tables(std::size_t query) const {
    return (*tables_)[query * table_.n_words * kLinesPerWord].bytes;
  }

  const Kernels& isa_;
  const BlockedCodes& table_;
  const Factors& factors_;
  const AsymmetricQueries& queries_;
  const std::shared_ptr<std::vector<CacheLine>> tables_;
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
