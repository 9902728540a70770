// Four rows side by side in 128-bit vectors, for AVX2 and AVX-512.
//
// The floats that a core can load per cycle are what limits this sum: one score and one weight per entry in plain C++.
// Here four weights are one load, and only the scores are loaded one by one (gather instructions take longer than the
// loads they stand for). A row's products lie in one vector, so four rows are transposed to be added in stored order.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels/score/rows.hpp"

namespace {

constexpr std::size_t kRows = 4;

// Left to itself, GCC makes calls of the steps, whose vectors then pass through memory.
#define SLIMVEC_STEP [[gnu::always_inline]] inline

// The scores of two and of four entries. Indices of 16 bits come as one word: shifts are cheaper than loads here.
template <typename Index>
SLIMVEC_STEP __m128 two_scores(const Index* indices, const float* anchor_scores) {
  return _mm_insert_ps(_mm_load_ss(anchor_scores + indices[0]), _mm_load_ss(anchor_scores + indices[1]), 0x10);
}

template <typename Index>
SLIMVEC_STEP __m128 four_scores(const Index* indices, const float* anchor_scores) {
  return _mm_movelh_ps(two_scores(indices, anchor_scores), two_scores(indices + 2, anchor_scores));
}

SLIMVEC_STEP __m128 four_scores(const std::uint16_t* indices, const float* anchor_scores) {
  std::uint64_t word = 0;
  std::memcpy(&word, indices, sizeof word);
  const std::uint64_t apart[4] = {word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32 & 0xFFFF, word >> 48};
  return four_scores(apart, anchor_scores);
}

SLIMVEC_STEP __m128 two_weights(const float* weights) {
  return _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights)));
}

// Adds four entries of each row.
template <typename Index>
SLIMVEC_STEP __m128 add_four(const Index* indices, const float* weights, const std::uint32_t* starts,
                             const float* anchor_scores, __m128 sums_f32x4) {
  __m128 entries_f32x4[4];
  for (std::size_t row = 0; row < kRows; ++row) {
    entries_f32x4[row] =
        _mm_mul_ps(_mm_loadu_ps(weights + starts[row]), four_scores(indices + starts[row], anchor_scores));
  }
  _MM_TRANSPOSE4_PS(entries_f32x4[0], entries_f32x4[1], entries_f32x4[2], entries_f32x4[3]);
  for (const __m128& entry_f32x4 : entries_f32x4) sums_f32x4 = _mm_add_ps(sums_f32x4, entry_f32x4);
  return sums_f32x4;
}

// Adds two entries of each row.
template <typename Index>
SLIMVEC_STEP __m128 add_two(const Index* indices, const float* weights, const std::uint32_t* starts,
                            const float* anchor_scores, __m128 sums_f32x4) {
  __m128 pairs_f32x4[2];  // of rows 0 and 1, of rows 2 and 3
  for (std::size_t pair = 0; pair < 2; ++pair) {
    const std::uint32_t first = starts[2 * pair], second = starts[2 * pair + 1];
    pairs_f32x4[pair] = _mm_mul_ps(
        _mm_movelh_ps(two_weights(weights + first), two_weights(weights + second)),
        _mm_movelh_ps(two_scores(indices + first, anchor_scores), two_scores(indices + second, anchor_scores)));
  }
  sums_f32x4 = _mm_add_ps(sums_f32x4, _mm_shuffle_ps(pairs_f32x4[0], pairs_f32x4[1], 0x88));
  return _mm_add_ps(sums_f32x4, _mm_shuffle_ps(pairs_f32x4[0], pairs_f32x4[1], 0xDD));
}

template <typename Index>
void score_four_rows(const Index* indices, const float* weights, const std::uint32_t* starts,
                     const float* anchor_scores, float* scores) {
  std::uint32_t shortest = starts[1] - starts[0], j = 0;
  for (std::size_t row = 1; row < kRows; ++row) {
    const std::uint32_t length = starts[row + 1] - starts[row];
    shortest = length < shortest ? length : shortest;
  }
  __m128 sums_f32x4 = _mm_setzero_ps();
  for (; j + 4 <= shortest; j += 4) {
    sums_f32x4 = add_four(indices + j, weights + j, starts, anchor_scores, sums_f32x4);
  }
  for (; j + 2 <= shortest; j += 2) {
    sums_f32x4 = add_two(indices + j, weights + j, starts, anchor_scores, sums_f32x4);
  }
  _mm_storeu_ps(scores, sums_f32x4);
  if (kRows * j == starts[kRows] - starts[0]) return;
  for (std::size_t row = 0; row < kRows; ++row) {
    scores[row] = score_row(indices, weights, starts[row] + j, starts[row + 1], anchor_scores, scores[row]);
  }
}

bool score_rows_by_four(const void* indices, unsigned index_size, const float* weights, const std::uint32_t* starts,
                        std::size_t n_rows, const float* anchor_scores, std::size_t n_anchors, float* scores) {
  return score_typed(indices, index_size, starts[n_rows], n_anchors, [&](const auto* typed) {
    std::size_t i = 0;
    for (; i + kRows <= n_rows; i += kRows) score_four_rows(typed, weights, starts + i, anchor_scores, scores + i);
    for (; i < n_rows; ++i) scores[i] = score_row(typed, weights, starts[i], starts[i + 1], anchor_scores, 0.0f);
  });
}

}  // namespace
