#include "kernels/score/four_rows.hpp"

bool slimvec::score_rows_avx2(const void* indices, unsigned index_size, const float* weights,
                              const std::uint32_t* starts, std::size_t n_rows, const float* anchor_scores,
                              std::size_t n_anchors, float* scores) {
  return score_rows_by_four(indices, index_size, weights, starts, n_rows, anchor_scores, n_anchors, scores);
}
