// Codes back to floats: single rows, and the mean of bags of rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/blocked_codes.hpp"
#include "core/interrupt.hpp"

namespace slimvec {

// out[i] = the code ids[i] as n_bits floats -1 / +1. Throws std::out_of_range for an id outside the table.
void lookup(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::int64_t* ids,
            std::size_t n_ids, Interrupt& interrupt, float* out);

// out[b] = mean of the codes ids[offsets[b] .. offsets[b + 1]) as -1 / +1; zeros for an empty bag. Bits are counted
// as integers and divided once, so the result is the same on every instruction set and in any order of ids.
// Throws std::out_of_range for an id outside the table, std::invalid_argument for offsets that fall or overrun n_ids.
void bag_mean(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::int64_t* ids,
              std::size_t n_ids, const std::int64_t* offsets, std::size_t n_bags, Interrupt& interrupt, float* out);

}  // namespace slimvec
