// Exact best rows of T A by inner product or cosine, from the scores of the anchors alone: (T A) q = T (A q).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interrupt.hpp"
#include "core/sparse_rows.hpp"

namespace slimvec {

// For each of n_queries, whose anchor scores s = A q are the rows of anchor_scores (n_queries x n_columns): the k rows
// of the largest scores, largest first, ties by the lower row, NaN last. The score of row i is the sum of t_ij s_j in
// stored order, product and sum rounded one after the other, times row_scales[i] unless that is null: the same on every
// instruction set, for any number of threads, and alone or in a batch. Only rows whose bit in `mask` is set (bit i % 8
// of byte i / 8; null sets all) may be found; where they are fewer than k, the rest is score -infinity and row -1.
// Throws std::invalid_argument unless 1 <= k <= n_rows <= 2^32, DamagedRows for entries that point outside, and
// Interrupted.
void sparse_search(const Kernels& isa, const SparseRows& rows, const float* row_scales, const std::uint8_t* mask,
                   const float* anchor_scores, std::size_t n_queries, std::size_t k, std::size_t n_threads,
                   Interrupt& interrupt, float* scores, std::int64_t* indices);

// How many of the `asked` threads are worth starting for a search of this size: at least 1.
std::size_t worthwhile_threads(const SparseRows& rows, std::size_t n_queries, std::size_t asked);

}  // namespace slimvec
