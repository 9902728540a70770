#include "core/own_scores.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace slimvec {

namespace {

// Rows, of which at most as many come as it was made for: a hash table of twice that size.
class RowSet {
 public:
  explicit RowSet(std::size_t n) {
    while (size_ < 2 * n) size_ *= 2;
    rows_.assign(size_, kNone);
  }

  // Whether it was not there.
  bool insert(std::uint32_t row) {
    constexpr std::uint32_t kGolden = 2654435769u;  // 2^32 over the golden ratio
    const std::uint32_t mixed = row * kGolden;  // rows that follow each other part, and by the high bits periodic ones
    for (std::size_t at = (mixed ^ mixed >> 16) & (size_ - 1);; at = (at + 1) & (size_ - 1)) {
      if (rows_[at] == row) return false;
      if (rows_[at] == kNone) {
        rows_[at] = row;
        return true;
      }
    }
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;  // which no table numbers a row by
  std::size_t size_ = 16;
  std::vector<std::uint32_t> rows_;
};

}  // namespace

std::vector<Key> OwnScores::with(std::size_t query, const std::vector<Key>& own,
                                 const std::vector<Key>& spilled) const {
  RowSet met(own.size() + spilled.size());
  std::vector<Key> found;
  found.reserve(own.size() + spilled.size());
  for (const Key key : own) {
    if (met.insert(static_cast<std::uint32_t>(key_index(key)))) found.push_back(key);
  }
  std::vector<std::int64_t> left;  // positions of own codes that were not met, or not among the best
  for (const Key key : spilled) {
    const std::size_t row = row_at(lists_, static_cast<std::size_t>(key_index(key)), table_.n_codes);
    if (met.insert(static_cast<std::uint32_t>(row))) left.push_back(key_index(key));
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    prefetch_ahead(table_, left.data() + i, left.size() - i);
    const auto at = static_cast<std::size_t>(left[i]);
    const float score = scan_.score(query, offset(query, at), at);
    if (score > -std::numeric_limits<float>::infinity()) found.push_back(make_score_key(score, lists_.rows[at]));
  }
  std::sort(found.begin(), found.end());
  return found;
}

// As nearest_lists gives it for the list that a code lies in.
float OwnScores::offset(std::size_t query, std::size_t position) const {
  const std::int64_t* end = lists_.starts + lists_.n_lists + 1;
  const auto past = std::upper_bound(lists_.starts, end, static_cast<std::int64_t>(position));
  const std::size_t list = static_cast<std::size_t>(past - lists_.starts) - 1, d = centroids_.d;
  std::int64_t dot = 0;
  isa_.centroid_dots(centroids_.values + list * d, 1, d, queries_.values + query * d, &dot);
  return static_cast<float>(static_cast<double>(dot) * centroids_.steps[list] * queries_.steps[query]);
}

}  // namespace slimvec
