// From vectors to codes, and back, as the file of a table tells: centre, project, take signs or levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

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

  // values[j] = what bit j of a code meets in the product of codes with x - mean. `mean` is that of vectors measured as
  // x is. Throws std::invalid_argument, naming the row, if a value is not finite.
  virtual void project(const float* x, const float* mean, std::size_t row, float* values) const;

  // Packed codes of n rows; throws as `project` does.
  virtual void encode(const float* rows, std::size_t n, std::uint8_t* codes) const = 0;

  // out[0 .. width) = scale * c.
  virtual void row(const std::uint8_t* code, float scale, float* out) const = 0;

  // vector[0 .. d) = m + scale * P c.
  void reconstruct(const std::uint8_t* code, float scale, float* vector) const;

 protected:
  const float* matrix() const { return matrix_; }

  // out[0 .. columns) = x^T matrix.
  void multiply(const float* x, const float* matrix, std::size_t columns, float* out) const;

  const Kernels& isa_;

 private:
  const float *const mean_, *const matrix_;
  const std::size_t d_, width_;
  std::vector<std::uint32_t> places_;  // 0 ... d - 1
};

// The encoder that a file tells of, if there is one. Throws std::runtime_error for one that is damaged.
std::unique_ptr<Encoder> read_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits);

// The same for a file whose codes have several bits along their directions.
std::unique_ptr<Encoder> read_grid_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits);

// Throws std::invalid_argument, as users' vectors are at fault, unless all values are finite.
void check_finite(const float* values, std::size_t n, std::size_t row);

}  // namespace slimvec
