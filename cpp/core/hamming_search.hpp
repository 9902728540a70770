// Exact nearest codes by Hamming distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/scan.hpp"

namespace slimvec {

// For each of n_queries packed codes the k nearest of the table, nearest first, ties by the lower index; the same
// answer on every instruction set and for any n_threads >= 1. distances and indices have n_queries * k entries; where
// the mask allows fewer than k codes, the rest is distance INT32_MAX and index -1. `rows`, if any, has the index of
// each code, which is then no longer its position; the mask is by positions. Throws std::invalid_argument unless 1 <= k
// <= table.n_codes, and for more codes than a key holds (top_k.hpp); Interrupted.
void hamming_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, Mask mask,
                    const std::uint8_t* queries, std::size_t n_queries, std::size_t k, std::size_t n_threads,
                    Interrupt& interrupt, std::int32_t* distances, std::int64_t* indices,
                    const std::uint32_t* rows = nullptr);

// For each of n_queries packed codes every allowed code within `radius`, as keys (top_k.hpp) in rising order.
std::vector<std::vector<Key>> hamming_range_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits,
                                                   Mask mask, const std::uint8_t* queries, std::size_t n_queries,
                                                   std::uint32_t radius, std::size_t n_threads, Interrupt& interrupt,
                                                   const std::uint32_t* rows = nullptr);

// How many of the `asked` threads are worth using for a search of this size: at least 1.
std::size_t worthwhile_threads(const BlockedCodes& table, std::size_t n_queries, std::size_t asked);

// out[q * n_codes + i] = distance of query q to code i, for all codes.
void hamming_pairwise(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                      std::size_t n_queries, std::size_t n_threads, Interrupt& interrupt, std::int32_t* out);

// out[q * n_ids + i] = distance of query q to code ids[q * n_ids + i].
// Throws std::out_of_range naming an id outside the table.
void hamming_distances(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                       std::size_t n_queries, const std::int64_t* ids, std::size_t n_ids, Interrupt& interrupt,
                       std::int32_t* out);

}  // namespace slimvec
