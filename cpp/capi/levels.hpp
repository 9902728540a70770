// The levels of codes of several bits, as a file tells of them: python/slimvec/binary/levels.py tells what they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "capi/table_file.hpp"
#include "core/grid_codes.hpp"

namespace slimvec {

class Levels {
 public:
  // Those of the tensors that begin with `prefix`; `parallel` and `n_passes` are what the header says of them. Throws
  // std::runtime_error for what is damaged.
  Levels(const TableFile& file, const std::string& prefix, double parallel, std::size_t n_passes);

  std::size_t n_bits() const { return bit_weights_.size(); }
  std::size_t n_directions() const { return grid_.bits.size(); }
  const std::uint8_t* bits() const { return grid_.bits.data(); }  // of each direction
  const Grid& grid() const { return grid_; }                      // in units
  double parallel() const { return parallel_; }
  std::size_t n_passes() const { return n_passes_; }

  // What a bit of weight 1 counts: the power of 2 at or below the longest step, dividing by which loses nothing.
  float unit() const { return unit_; }

  // values[bit] = what each bit counts, + that or - that, times what is along its direction; all in units.
  void spread(const float* along, float* values) const;

  // out[0 .. n_directions) = scale times the levels of a packed code.
  void values(const Kernels& isa, const std::uint8_t* code, float scale, float* out) const;

 private:
  // visit(bit, direction) for the bits of a code: the highest of all directions first, then the next ones.
  template <typename Visit>
  void for_each_bit(Visit visit) const {
    std::size_t bit = 0;
    for (unsigned plane = 0; plane < grid_.bits.front(); ++plane) {
      for (std::size_t j = 0; j < n_directions() && grid_.bits[j] > plane; ++j) visit(bit++, j);
    }
  }

  double parallel_;
  std::size_t n_passes_;
  float unit_;
  Grid grid_;
  std::vector<float> bit_weights_;
};

}  // namespace slimvec
