// How a table of binary codes answers a search: which stages a query goes through.
#pragma once

#include <cstddef>
#include <cstdint>

#include "capi/binary_parts.hpp"
#include "capi/table.hpp"

namespace slimvec {

// By Hamming distance: the k best rows for each of n packed codes, and the cosines of codes as -1 / +1 vectors.
void search_packed(const BinaryParts& parts, const std::uint8_t* queries, std::size_t n, std::size_t k,
                   std::size_t n_threads, std::int64_t* rows, float* cosines);

// By float vectors, as Table::search says; the table has an encoder.
void search_vectors(const BinaryParts& parts, const Asked& asked, std::int64_t* rows, float* scores);

}  // namespace slimvec
