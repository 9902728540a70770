// The k smallest (rank, index) pairs of a stream, under a falling limit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace slimvec {

// Rank (a Hamming distance, or a score turned round) and index in one integer, so that comparing keys compares ranks
// and breaks ties by the lower index.
using Key = std::uint64_t;
constexpr unsigned kIndexBits = 32;
constexpr std::uint64_t kMaxIndex = (Key{1} << kIndexBits) - 1;
constexpr Key make_key(std::uint64_t rank, std::uint64_t index) { return (rank << kIndexBits) | index; }
constexpr std::uint32_t key_rank(Key key) { return static_cast<std::uint32_t>(key >> kIndexBits); }
constexpr std::int64_t key_index(Key key) { return static_cast<std::int64_t>(key & kMaxIndex); }

// Keys gather in a buffer of at least twice k; a full buffer is cut to its k smallest. Each cut costs O(k) and needs
// k new keys, so a key costs O(1); which k survive does not depend on when cuts happen, because keys are unique.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k), capacity_(2 * k + 16) {}  // memory grows with what comes in

  // A rank at or above this cannot enter, as long as indices are pushed in rising order.
  std::uint32_t limit() const { return limit_; }

  void push(Key key) {
    keys_.push_back(key);
    if (keys_.size() == capacity_) cut();
  }

  // Lowers the limit once a cut is worth it: a fall of the limit saves more pushes than it costs, except that for
  // large k every cut walks k keys, so a quarter of k must have come in.
  void tighten() {
    if (keys_.size() > k_ + k_ / 4) cut();
  }

  // The k smallest keys in rising order (all of them if fewer were pushed).
  const std::vector<Key>& sorted() {
    if (keys_.size() > k_) cut();
    std::sort(keys_.begin(), keys_.end());
    return keys_;
  }

 private:
  void cut() {
    const auto kth = keys_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(keys_.begin(), kth, keys_.end());
    limit_ = key_rank(*kth);
    keys_.resize(k_);
  }

  std::size_t k_;
  std::size_t capacity_;
  std::uint32_t limit_ = UINT32_MAX;
  std::vector<Key> keys_;
};

}  // namespace slimvec
