// What the score kernels of all instruction sets share. Everything here is local to the file that includes it, because
// each is compiled for another instruction set.
#pragma once

#include "kernels/kernels.hpp"

namespace {

// Without a branch, so that compilers vectorise it.
template <typename Index>
std::uint32_t largest_index(const Index* indices, std::size_t n) {
  Index largest = 0;
  for (std::size_t j = 0; j < n; ++j) largest = largest < indices[j] ? indices[j] : largest;
  return largest;
}

// Entries begin ... end - 1 of one row, added to `score`.
template <typename Index>
float score_row(const Index* indices, const float* weights, std::size_t begin, std::size_t end,
                const float* anchor_scores, float score) {
  for (std::size_t j = begin; j < end; ++j) {
    const float product = weights[j] * anchor_scores[indices[j]];
    score += product;
  }
  return score;
}

// Calls score(indices) with the indices as what they are, if all name anchors.
template <typename Index, typename Score>
bool score_checked(const void* untyped, std::size_t n, std::size_t n_anchors, Score&& score) {
  const Index* indices = static_cast<const Index*>(untyped);
  if (n > 0 && largest_index(indices, n) >= n_anchors) return false;
  score(indices);
  return true;
}

template <typename Score>
bool score_typed(const void* indices, unsigned index_size, std::size_t n, std::size_t n_anchors, Score&& score) {
  if (index_size == 1) return score_checked<std::uint8_t>(indices, n, n_anchors, score);
  if (index_size == 2) return score_checked<std::uint16_t>(indices, n, n_anchors, score);
  return score_checked<std::uint32_t>(indices, n, n_anchors, score);
}

}  // namespace
