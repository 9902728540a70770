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

  // Whether the limit may have fallen.
  bool push(Key key) {
    keys_.push_back(key);
    if (keys_.size() < capacity_) return false;
    cut();
    return true;
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

// The same for ranks below a small `n_ranks`, such as Hamming distances: how many keys there are of each rank tells the
// k-th rank at any time, so that the limit falls with every key and nothing is ever sorted to find it. With k = 100 a
// search of 50,000 codes takes half the time.
class CountingTopK {
 public:
  CountingTopK(std::size_t k, std::size_t n_ranks)
      : k_(k), capacity_(2 * k + 64), limit_(static_cast<std::uint32_t>(n_ranks)), counts_(n_ranks) {}

  std::uint32_t limit() const { return limit_; }

  void push(Key key) {
    const std::uint32_t rank = key_rank(key);
    if (rank >= limit_) return;  // the limit has fallen since this was found
    keys_.push_back(key);
    ++counts_[rank];
    ++n_below_;
    while (n_below_ >= k_) n_below_ -= counts_[--limit_];
    if (keys_.size() == capacity_) cut();
  }

  void tighten() {}

  const std::vector<Key>& sorted() {
    cut();
    std::sort(keys_.begin(), keys_.end());
    return keys_;
  }

 private:
  // Keeps what is below the limit and, of what is at it, as many of the first as make k. Keys come in rising index, so
  // the first are those that win.
  void cut() {
    std::size_t at_limit = k_ - n_below_;
    const auto loses = [&](Key key) {
      if (key_rank(key) != limit_) return key_rank(key) > limit_;
      if (at_limit == 0) return true;
      --at_limit;
      return false;
    };
    keys_.erase(std::remove_if(keys_.begin(), keys_.end(), loses), keys_.end());
  }

  std::size_t k_;
  std::size_t capacity_;
  std::uint32_t limit_;
  std::size_t n_below_ = 0;  // keys of a rank below the limit: fewer than k
  std::vector<std::uint32_t> counts_;
  std::vector<Key> keys_;
};

// All keys whose rank is below a limit that does not fall.
class AllBelow {
 public:
  explicit AllBelow(std::uint32_t limit) : limit_(limit) {}

  std::uint32_t limit() const { return limit_; }
  void push(Key key) {
    if (key_rank(key) < limit_) keys_.push_back(key);
  }
  void tighten() {}

  const std::vector<Key>& sorted() {
    std::sort(keys_.begin(), keys_.end());
    return keys_;
  }

 private:
  std::uint32_t limit_;
  std::vector<Key> keys_;
};

}  // namespace slimvec
