// The parts of a table of binary codes, as its file tells of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "capi/encoder.hpp"
#include "capi/row_lists.hpp"
#include "capi/second_codes.hpp"
#include "capi/spilled_rows.hpp"
#include "core/blocked_codes.hpp"
#include "core/from_disk.hpp"

namespace slimvec {

// Two or three numbers per code (core/asymmetric_search.hpp) in units of `norm`, the root mean square norm of the
// vectors that the table was made from; `shrinkage` times its scale, a code is nearest to its vector.
struct RowFactors {
  const std::uint16_t* values;
  std::size_t n_factors;
  double norm, shrinkage;
  bool tell_lengths;  // of each vector: all are 1, or weights are their inverses
};

// Rows are those of the table.
struct BinaryParts {
  explicit BinaryParts(const TableFile& file);  // throws std::runtime_error for what is damaged

  const Kernels& isa;
  BlockedCodes codes;
  std::size_t n_bits;
  std::unique_ptr<const RowFactors> factors;
  std::unique_ptr<RowLists> lists;  // and what lies by rows lies by their positions, but for second codes
  std::unique_ptr<Encoder> encoder;
  std::optional<double> norm;  // root mean square norm of the vectors that the table was made from
  std::unique_ptr<SecondCodes> second;
  std::unique_ptr<SpilledRows> spilled;

  mutable FromDisk from_disk;

  bool of_signs() const { return !encoder || encoder->of_signs(); }
  std::size_t width() const;  // of the rows that lookup gives

  // Where the codes and factors of rows lie; of -1, which stands for none, -1. And which row lies at each place, null
  // where each lies at its own number.
  std::size_t place(std::int64_t row) const;
  std::vector<std::int64_t> places(const std::int64_t* rows, std::size_t n) const;
  const std::uint32_t* rows() const;

  std::vector<std::uint8_t> code(std::int64_t row) const;
  float factor(std::int64_t row, std::size_t which) const;

  // What a row of several bits says along all directions: of its vector less the mean or, in lists, the centroid.
  void coded(std::int64_t row, float* values) const;

  // A bit set past the last one is damage: of rows that are about to be read, and of all codes before the first search,
  // which would count it, and reads them anyway.
  void check_bits_of(const std::int64_t* rows, std::size_t n) const;
  void check_bits() const;

 private:
  mutable std::atomic<bool> is_checked_{false};
};

}  // namespace slimvec
