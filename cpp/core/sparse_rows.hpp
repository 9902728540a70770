// The sparse transform T of E = T A in CSR form, and how its entries reach the kernels.
//
// Indices come from files that may be damaged, and checking a whole table on opening would read all of it. So nothing
// is trusted and nothing is checked twice: the entries that a call needs are copied out, widened to one type, and the
// copies are checked. What was checked is what the kernels use, even if the file changes meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "core/range.hpp"
#include "kernels/kernels.hpp"

namespace slimvec {

// Offsets or indices that point outside their arrays.
struct DamagedRows : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A view: owns nothing. Sizes of elements are in bytes.
//
// Where value_size is 0 the rows are *packed*: indptr counts bytes, and a row of n entries is 2 + n + ceil(n / 2)
// bytes of `indices`: its scale as float16, a byte per entry by how much its column lies above that of the entry before
// (of the first: above 0), and the weights, two to a byte, low half first, as signed integers that the scale
// multiplies.
struct SparseRows {
  const void* indptr;   // n_rows + 1 offsets: uint32 or int64
  const void* indices;  // n_entries column numbers, uint8, uint16 or uint32, or so many packed bytes
  const void* values;   // n_entries weights: float32 or float16; not looked at for packed rows
  std::size_t n_rows, n_columns, n_entries;
  unsigned indptr_size, index_size, value_size;
  bool is_packed() const { return value_size == 0; }
};

// Row `id` as an unsigned number. Throws std::out_of_range for an id outside the table.
std::size_t checked_row(std::int64_t id, std::size_t n_rows);

// Where in `indices` a row lies: its entries or, packed, its bytes. Throws DamagedRows if the offsets fall or overrun.
Range range_of(const SparseRows& rows, std::size_t row);

// The offsets of n_rows consecutive rows, counted from the first one's: n_rows + 1 entries in `starts`. Returns where
// the rows lie. Throws DamagedRows if the offsets fall or overrun, or lie 2^32 or more apart.
Range copy_offsets(const SparseRows& rows, std::size_t first_row, std::size_t n_rows, std::uint32_t* starts);

// Throws DamagedRows for an index that is not below n_columns.
void check_indices(const SparseRows& rows, Range entries);

// Copies entries out as uint32 and float32. Throws DamagedRows for an index that is not below n_columns.
void copy_indices(const SparseRows& rows, Range entries, std::uint32_t* out);
void copy_values(const Kernels& isa, const SparseRows& rows, Range entries, float* out);

// How many entries a packed row of so many bytes has.
inline std::size_t packed_entries(std::size_t n_bytes) { return n_bytes > 2 ? (n_bytes - 2) * 2 / 3 : 0; }

// Copies some entries of the packed row whose bytes these are, from entry `first` on; `column` is that of the entry
// before, 0 for the first, and becomes that of the last. Throws DamagedRows for a column that is not below n_columns.
void unpack_entries(const Kernels& isa, const SparseRows& rows, Range bytes, std::size_t first, std::size_t n,
                    std::uint32_t& column, std::uint32_t* indices, float* values);

// Asks the cache for a row that will be needed soon; damage is of no consequence.
void prefetch_offsets(const SparseRows& rows, std::int64_t id);
void prefetch_entries(const SparseRows& rows, std::int64_t id);

}  // namespace slimvec
