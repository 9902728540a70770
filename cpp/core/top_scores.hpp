// The k largest scores of a stream of (score, row), ties by the lower row: top_k.hpp for floats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace slimvec {

// A score and its row in one integer whose rising order is (score descending, row ascending). -0 counts as 0, and a NaN
// comes after every number.
using ScoreKey = std::uint64_t;
constexpr std::uint64_t kMaxScoredRows = std::uint64_t{1} << 32;

inline ScoreKey make_score_key(float score, std::size_t row) {
  constexpr std::uint32_t kSign = 0x80000000u;
  std::uint32_t rank = UINT32_MAX;  // NaN
  if (score == score) {
    score += 0.0f;
    std::memcpy(&rank, &score, 4);
    rank = rank & kSign ? rank : ~rank & ~kSign;  // more positive: lower; more negative: higher
  }
  return std::uint64_t{rank} << 32 | row;
}

inline float key_score(ScoreKey key) {
  constexpr std::uint32_t kSign = 0x80000000u;
  const std::uint32_t rank = static_cast<std::uint32_t>(key >> 32);
  if (rank == UINT32_MAX) return std::numeric_limits<float>::quiet_NaN();
  const std::uint32_t bits = rank & kSign ? rank : ~rank & ~kSign;
  float score;
  std::memcpy(&score, &bits, 4);
  return score;
}

inline std::int64_t key_row(ScoreKey key) { return static_cast<std::int64_t>(key & UINT32_MAX); }

class TopScores {
 public:
  explicit TopScores(std::size_t k) : k_(k), capacity_(2 * k + 16) {}  // memory grows with what comes in

  // What a score must exceed to enter, as long as rows are pushed in rising order; NaN while anything may.
  float limit() const { return limit_; }
  bool may_enter(float score) const { return !(score <= limit_); }

  void push(ScoreKey key) {
    keys_.push_back(key);
    if (keys_.size() == capacity_) cut();
  }

  // The k best in order (all of them if fewer were pushed).
  const std::vector<ScoreKey>& sorted() {
    if (keys_.size() > k_) cut();
    std::sort(keys_.begin(), keys_.end());
    return keys_;
  }

 private:
  void cut() {
    const auto kth = keys_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(keys_.begin(), kth, keys_.end());
    limit_ = key_score(*kth);
    keys_.resize(k_);
  }

  std::size_t k_;
  std::size_t capacity_;
  float limit_ = std::numeric_limits<float>::quiet_NaN();
  std::vector<ScoreKey> keys_;
};

}  // namespace slimvec
