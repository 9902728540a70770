#include "core/own_scores.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/platform.hpp"

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
  std::vector<std::size_t> left;  // positions of own codes that were not met, or not among the best
  for (const Key key : spilled) {
    const auto position = static_cast<std::size_t>(key_index(key));
    if (met.insert(row_at(position))) left.push_back(position);
  }
  constexpr std::size_t kAhead = 8;  // of which a core asks memory at a time, nearly
  for (std::size_t i = 0; i < std::min(kAhead, left.size()); ++i) ask_for(left[i]);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (i + kAhead < left.size()) ask_for(left[i + kAhead]);
    const float score = scan_.score(query, offset(query, left[i]), left[i]);
    if (score > -std::numeric_limits<float>::infinity()) found.push_back(make_score_key(score, row_at(left[i])));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::uint32_t OwnScores::row_at(std::size_t position) const {
  const std::uint32_t row = lists_.rows[position];
  if (row < table_.n_codes) return row;
  throw std::out_of_range("the table is damaged: it names row " + std::to_string(row) + " of " +
                          std::to_string(table_.n_codes));
}

// Asks the cache for a code and its factors.
void OwnScores::ask_for(std::size_t position) const {
  const std::size_t block = position / kBlockCodes, of_block = factors_.n_factors * kBlockCodes;
  const std::uint32_t* words = table_.blocks + block * table_.block_words();
  for (std::size_t word = 0; word < table_.n_words; ++word) ask_cache(words + word * kBlockCodes);
  ask_cache(factors_.values + block * of_block);
  ask_cache(factors_.values + (block + 1) * of_block - 1);
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
