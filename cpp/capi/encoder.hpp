// From vectors to codes, and back, as the file of a table tells: centre, project, take signs or levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "capi/row_lists.hpp"
#include "capi/table_file.hpp"
#include "kernels/kernels.hpp"

namespace slimvec {

// Codes are made of z = P^T (x - m), for which rows are P c, c what a code stands for along the columns of P. All that
// is summed is summed in one order: the same bits on every instruction set.
class Encoder {
 public:
  // `mean` of d floats, and P, d rows of `width`; both outlive the encoder.
  Encoder(const Kernels& isa, const float* mean, const float* matrix, std::size_t d, std::size_t width);
  virtual ~Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::size_t dim() const { return d_; }
  std::size_t width() const { return width_; }  // of the rows that lookup gives
  const float* mean() const { return mean_; }

  virtual std::size_t n_bits() const = 0;
  virtual bool of_signs() const = 0;  // whether distances between codes mean something

  // out[0 .. columns) = x^T matrix, whose d rows have as many columns.
  void multiply(const float* x, const float* matrix, std::size_t columns, float* out) const;

  // out[0 .. width) = P^T x of a vector x less the mean.
  void project(const float* centred, float* out) const { multiply(centred, matrix_, width_, out); }

  // values[j] = what bit j of a code meets in products with a vector whose projection is given.
  virtual void spread(const float* projected, float* values) const = 0;

  // Packed codes of n rows. Throws std::invalid_argument, naming the row, for what is not finite.
  virtual void encode(const float* rows, std::size_t n, std::uint8_t* codes) const = 0;

  // out[0 .. width) = scale * c.
  virtual void row(const std::uint8_t* code, float scale, float* out) const = 0;

  // vector[0 .. d) = P values.
  void expand(const float* values, float* vector) const;

 protected:
  const Kernels& isa_;

 private:
  const float *const mean_, *const matrix_;
  const std::size_t d_, width_;
  std::vector<std::uint32_t> places_;  // 0 ... d - 1
};

// The encoder that a file tells of, if there is one; `lists`, if any, outlive it. Throws std::runtime_error for one
// that is damaged.
std::unique_ptr<Encoder> read_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits,
                                      const RowLists* lists);

// The same for a file whose codes have several bits along their directions.
std::unique_ptr<Encoder> read_grid_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits,
                                           const RowLists* lists);

// Summed in eight lanes, one after the other at the end.
float dot(const float* a, const float* b, std::size_t n);

// Throws std::invalid_argument, as users' vectors are at fault, unless all values are finite.
void check_finite(const float* values, std::size_t n, std::size_t row);

}  // namespace slimvec
