// The k largest scores of a stream of (score, row), ties by the lower row: top_k.hpp for floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "core/top_k.hpp"

namespace slimvec {

// Scores as ranks (top_k.hpp): the bits of a float, turned so that unsigned integers fall as floats rise. -0 counts as
// 0, and a NaN comes after every number.
inline std::uint32_t score_rank(float score) {
  constexpr std::uint32_t kSign = 0x80000000u;
  if (score != score) return UINT32_MAX;
  score += 0.0f;
  std::uint32_t bits = 0;
  std::memcpy(&bits, &score, 4);
  return bits & kSign ? bits : ~bits & ~kSign;  // more positive: lower; more negative: higher
}

inline float rank_score(std::uint32_t rank) {
  constexpr std::uint32_t kSign = 0x80000000u;
  if (rank == UINT32_MAX) return std::numeric_limits<float>::quiet_NaN();
  const std::uint32_t bits = rank & kSign ? rank : ~rank & ~kSign;
  float score = 0;
  std::memcpy(&score, &bits, 4);
  return score;
}

// The rank of the next lower score, for a limit that lets equal scores in. There is none between 0 and -0.
inline std::uint32_t rank_below(std::uint32_t rank) {
  constexpr std::uint32_t kMinusZero = 0x80000000u;
  if (rank == UINT32_MAX) return rank;
  return rank + 1 == kMinusZero ? rank + 2 : rank + 1;
}

inline Key make_score_key(float score, std::size_t row) { return make_key(score_rank(score), row); }
inline float key_score(Key key) { return rank_score(key_rank(key)); }

// What gathers all scores above a limit; -infinity, which kernels do not keep, is above none.
inline AllBelow all_above(float limit) {
  return AllBelow(limit == -std::numeric_limits<float>::infinity() ? UINT32_MAX : score_rank(limit));
}

// TopK over scores, whose limit is a score.
class TopScores {
 public:
  explicit TopScores(std::size_t k) : top_(k) {}

  // What a score must exceed to enter, as long as rows are pushed in rising order; NaN while anything may.
  float limit() const { return limit_; }
  bool may_enter(float score) const { return !(score <= limit_); }

  void push(Key key) {
    if (top_.push(key)) limit_ = rank_score(top_.limit());
  }

  // The k best in order (all of them if fewer were pushed).
  const std::vector<Key>& sorted() { return top_.sorted(); }

 private:
  TopK top_;
  float limit_ = std::numeric_limits<float>::quiet_NaN();
};

}  // namespace slimvec
