// Second codes of rows, of what the first ones leave: python/slimvec/binary/refinement.py tells more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "capi/encoder.hpp"
#include "capi/levels.hpp"
#include "capi/table_file.hpp"
#include "core/refinement.hpp"

namespace slimvec {

// The directions of second codes are those of the first ones and, behind these, the rest.
class SecondCodes {
 public:
  // Of rows whose first codes, with n_factors each, are made by `encoder`, which must outlive this. Throws
  // std::runtime_error for what is damaged.
  SecondCodes(const Kernels& isa, const TableFile& file, const Encoder& encoder, std::size_t n_rows,
              std::size_t n_factors);

  std::size_t n_directions() const { return encoder_.width() + n_rest_; }
  RowCodes codes() const;
  Refinement numbers() const { return {numbers_, n_numbers_}; }

  // How many first codes of n_rows a search for k rows looks at again.
  std::size_t n_candidates(std::size_t k, std::size_t n_rows) const;

  // out[0 .. n_directions) = P^T x of a vector x less the mean, of which the encoder's part is given.
  void project(const float* centred, const float* projected, float* out) const;

  // values[j] = what level j of a code meets in products with a vector of that projection, in as many places as
  // codes() has directions.
  void spread(const float* projected, double* values) const;

  void check_bits_of(std::size_t row) const;  // throws std::runtime_error for bits past the last one

  // values[0 .. n_directions) += what the second code of a row says, whose scales are in units of `norm`.
  void add_row(std::size_t row, double norm, float* values) const;

  // vector[0 .. d) += what values say along the rest of the directions.
  void add_rest(const float* values, float* vector) const;

  // What float16 cut off the weight of a row.
  double lost_weight(std::size_t row) const { return static_cast<double>(number(row, 2)); }

 private:
  float number(std::size_t row, std::size_t which) const;

  const Kernels& isa_;
  const Encoder& encoder_;
  const Levels levels_;
  const float* rest_;  // d rows of n_rest
  std::size_t n_rest_;
  const std::uint32_t* order_;  // which directions levels are along
  const std::uint8_t* codes_;
  std::size_t n_rows_, row_bytes_;
  const std::uint16_t* numbers_;
  std::size_t n_numbers_;
  std::uint64_t oversample_;  // of ten rows or more that are asked for
};

}  // namespace slimvec
