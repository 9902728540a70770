// Exact nearest codes by Hamming distance.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/blocked_codes.hpp"

namespace slimvec {

// For each of n_queries packed codes the k nearest of the table, nearest first, ties by the lower index; the same
// answer on every instruction set and for any n_threads >= 1. distances and indices have n_queries * k entries.
// Throws std::invalid_argument unless 1 <= k <= table.n_codes, and for codes wider or more than a key holds
// (top_k.hpp).
void hamming_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                    std::size_t n_queries, std::size_t k, std::size_t n_threads, std::int32_t* distances,
                    std::int64_t* indices);

// How many of the `asked` threads are worth starting for a search of this size: at least 1.
std::size_t worthwhile_threads(const BlockedCodes& table, std::size_t n_queries, std::size_t asked);

// out[i] = distance of the query to code i, for all codes.
void hamming_distances(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* query,
                       std::int32_t* out);

}  // namespace slimvec
