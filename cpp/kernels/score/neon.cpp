// As the scalar kernel: NEON has no gather, and what it gains is the vectorised look at the indices.
#include "kernels/score/rows.hpp"

bool slimvec::score_rows_neon(const void* indices, unsigned index_size, const float* weights,
                              const std::uint32_t* starts, std::size_t n_rows, const float* anchor_scores,
                              std::size_t n_anchors, float* scores) {
  return score_typed(indices, index_size, starts[n_rows], n_anchors, [&](const auto* typed) {
    for (std::size_t i = 0; i < n_rows; ++i) {
      scores[i] = score_row(typed, weights, starts[i], starts[i + 1], anchor_scores, 0.0f);
    }
  });
}
