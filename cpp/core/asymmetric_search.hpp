// Float queries against codes: scores that estimate inner products, from code bits and two or three factors per code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/scan.hpp"

namespace slimvec {

// One float query in the space of the bits: values of at most kQueryPeak (kernels.hpp) and how to scale the dots.
struct AsymmetricQueries {
  const std::int16_t* values;  // n_queries * n_bits
  const float* units;          // n_queries
  const float* offsets;        // n_queries
  std::size_t n_queries;
  std::size_t n_bits;
};

// n_factors float16 per code, blocked: 16 scales, 16 biases and, if n_factors is 3, 16 weights per block of codes.
// `metric` says what they are to estimate; without weights cosines and distances order rows as products do.
struct Factors {
  const std::uint16_t* values;
  std::size_t n_factors;
  Metric metric;
};

// For each query the k allowed codes of the highest score, highest first, ties by the lower index; the same answer on
// every instruction set and for any number of threads. scores and indices have n_queries * k entries; where fewer codes
// are allowed, the rest is score -infinity and index -1.
// Throws std::invalid_argument unless 1 <= k <= table.n_codes and n_bits <= kMaxAsymmetricBits; Interrupted.
void asymmetric_search(const Kernels& isa, const BlockedCodes& table, const Factors& factors, Mask mask,
                       const AsymmetricQueries& queries, std::size_t k, std::size_t n_threads, Interrupt& interrupt,
                       float* scores, std::int64_t* indices);

// For each query, all allowed codes that score above its limit, as keys (top_scores.hpp) in the same order.
std::vector<std::vector<Key>> asymmetric_range_search(const Kernels& isa, const BlockedCodes& table,
                                                      const Factors& factors, Mask mask,
                                                      const AsymmetricQueries& queries, const float* limits,
                                                      std::size_t n_threads, Interrupt& interrupt);

// As asymmetric_search among ids[q * n_ids ... (q + 1) * n_ids) for query q: distinct rows of the table, or -1 for
// none. `rows` is as in hamming_search, and does not concern ids, which are positions.
void asymmetric_rescore(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const std::int64_t* ids,
                        std::size_t n_ids, const AsymmetricQueries& queries, std::size_t k, std::size_t n_threads,
                        Interrupt& interrupt, float* scores, std::int64_t* indices,
                        const std::uint32_t* rows = nullptr);

}  // namespace slimvec
