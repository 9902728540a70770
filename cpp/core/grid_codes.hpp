// Codes of several bits: rows put on a grid (GridLevels of kernels/kernels.hpp), and their levels packed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"

namespace slimvec {

constexpr std::size_t kMaxBitsPerDirection = 8;

// The grid of a code. Its bits come plane by plane: the highest bit of each direction, then the next one of those that
// have more, and so on; so a code begins with signs.
struct Grid {
  std::vector<GridDirection> directions;
  std::vector<std::uint8_t> bits;  // of each direction, between 1 and kMaxBitsPerDirection, never rising

  std::size_t n_bits() const;
};

// values[i * n_directions + j] of n_rows rows -> codes in the row layout and, for each row, what GridLevels returns.
void grid_codes(const Kernels& isa, const Grid& grid, std::size_t n_passes, const float* values, const float* parallels,
                std::size_t n_rows, std::uint8_t* codes, float* scales, float* products, float* energies);

}  // namespace slimvec
