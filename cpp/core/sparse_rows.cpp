#include "core/sparse_rows.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/platform.hpp"

namespace slimvec {

namespace {

std::uint64_t offset(const SparseRows& rows, std::size_t i) {
  if (rows.indptr_size == 4) return static_cast<const std::uint32_t*>(rows.indptr)[i];
  return static_cast<const std::uint64_t*>(rows.indptr)[i];  // a negative offset is a huge unsigned one
}

const char* at(const void* array, std::size_t element, unsigned size) {
  return static_cast<const char*>(array) + element * size;
}

template <typename Index>
const Index* typed(const void* array, std::size_t element) {
  return static_cast<const Index*>(array) + element;
}

// Loops without branches, which compilers vectorise: what is wrong is found after the loop.
template <typename Offset>
bool copy_rising(const Offset* offsets, std::size_t n_rows, std::uint32_t* starts) {
  Offset falls = 0;  // as wide as the offsets: a bool would keep the loop from vectors
  for (std::size_t i = 0; i < n_rows; ++i) falls |= offsets[i] > offsets[i + 1];
  for (std::size_t i = 0; i <= n_rows; ++i) starts[i] = static_cast<std::uint32_t>(offsets[i] - offsets[0]);
  return falls == 0;
}

template <typename Index>
std::uint32_t largest(const Index* indices, std::size_t n) {
  Index found = 0;
  for (std::size_t i = 0; i < n; ++i) found = std::max(found, indices[i]);
  return found;
}

// Copies, and returns the largest index copied.
template <typename Index>
std::uint32_t widen(const Index* indices, std::size_t n, std::uint32_t* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = indices[i];
  return largest(out, n);
}

void check_largest(const SparseRows& rows, std::uint32_t index) {
  if (index < rows.n_columns) return;
  throw DamagedRows("index " + std::to_string(index) + " is outside the " + std::to_string(rows.n_columns) +
                    " anchors: the table is damaged");
}

// The two weights of a byte, low half first: a load instead of shifts and conversions.
struct WeightTable {
  float of_byte[256][2];
};

constexpr WeightTable make_weight_table() {
  WeightTable table = {};
  for (int byte = 0; byte < 256; ++byte) {
    table.of_byte[byte][0] = static_cast<float>((byte % 16 ^ 8) - 8);
    table.of_byte[byte][1] = static_cast<float>((byte / 16 ^ 8) - 8);
  }
  return table;
}

constexpr WeightTable kWeights = make_weight_table();

void prefetch(const char* begin, const char* end) {
  constexpr std::ptrdiff_t kLine = 64;
  constexpr std::ptrdiff_t kMaxLines = 4;  // 64 entries of float32: longer rows are left to the hardware's prefetcher
  end = std::min(end, begin + kMaxLines * kLine);
  for (; begin < end; begin += kLine) ask_cache(begin);
}

}  // namespace

std::size_t checked_row(std::int64_t id, std::size_t n_rows) {
  if (static_cast<std::uint64_t>(id) < n_rows) return static_cast<std::size_t>(id);
  const std::string rows =
      n_rows ? "the table's rows 0 ... " + std::to_string(n_rows - 1) : std::string("the table, which is empty");
  throw std::out_of_range("row " + std::to_string(id) + " is outside " + rows);
}

Range range_of(const SparseRows& rows, std::size_t row) {
  const std::uint64_t begin = offset(rows, row), end = offset(rows, row + 1);
  if (begin > end || end > rows.n_entries) {
    throw DamagedRows("the offsets of row " + std::to_string(row) + " fall or overrun: the table is damaged");
  }
  return {static_cast<std::size_t>(begin), static_cast<std::size_t>(end)};
}

Range copy_offsets(const SparseRows& rows, std::size_t first_row, std::size_t n_rows, std::uint32_t* starts) {
  const bool rising = rows.indptr_size == 4 ? copy_rising(typed<std::uint32_t>(rows.indptr, first_row), n_rows, starts)
                                            : copy_rising(typed<std::uint64_t>(rows.indptr, first_row), n_rows, starts);
  const std::uint64_t begin = offset(rows, first_row), end = offset(rows, first_row + n_rows);
  if (!rising || end > rows.n_entries || end - begin > UINT32_MAX) {
    throw DamagedRows("the offsets of rows " + std::to_string(first_row) + " ... " +
                      std::to_string(first_row + n_rows - 1) + " fall or overrun: the table is damaged");
  }
  return {static_cast<std::size_t>(begin), static_cast<std::size_t>(end)};
}

void check_indices(const SparseRows& rows, Range entries) {
  if (entries.size() == 0) return;
  const std::size_t first = entries.begin, n = entries.size();
  check_largest(rows, rows.index_size == 1   ? largest(typed<std::uint8_t>(rows.indices, first), n)
                      : rows.index_size == 2 ? largest(typed<std::uint16_t>(rows.indices, first), n)
                                             : largest(typed<std::uint32_t>(rows.indices, first), n));
}

void copy_indices(const SparseRows& rows, Range entries, std::uint32_t* out) {
  if (entries.size() == 0) return;
  const std::size_t first = entries.begin, n = entries.size();
  check_largest(rows, rows.index_size == 1   ? widen(typed<std::uint8_t>(rows.indices, first), n, out)
                      : rows.index_size == 2 ? widen(typed<std::uint16_t>(rows.indices, first), n, out)
                                             : widen(typed<std::uint32_t>(rows.indices, first), n, out));
}

void copy_values(const Kernels& isa, const SparseRows& rows, Range entries, float* out) {
  if (entries.size() == 0) return;
  const char* from = at(rows.values, entries.begin, rows.value_size);
  if (rows.value_size == 4) {
    std::memcpy(out, from, entries.size() * sizeof(float));
  } else {
    isa.widen_halves(reinterpret_cast<const std::uint16_t*>(from), entries.size(), out);
  }
}

void unpack_entries(const Kernels& isa, const SparseRows& rows, Range bytes, std::size_t first, std::size_t n,
                    std::uint32_t& column, std::uint32_t* indices, float* values) {
  if (n == 0) return;
  const std::uint8_t* row = static_cast<const std::uint8_t*>(rows.indices) + bytes.begin;
  const std::uint8_t *gaps = row + 2, *weights = gaps + packed_entries(bytes.size());
  const auto half = static_cast<std::uint16_t>(row[0] | row[1] << 8);
  float scale = 0;
  isa.widen_halves(&half, 1, &scale);
  std::uint32_t here = column, last = 0;  // not in `column` itself, which the compiler must think `indices` overwrites
  for (std::size_t j = 0; j < n; ++j) {
    here += gaps[first + j];
    indices[j] = here;
    last = std::max(last, here);
  }
  column = here;
  check_largest(rows, last);
  std::size_t j = 0;
  if (first % 2 != 0) values[j++] = scale * kWeights.of_byte[weights[first / 2]][1];
  for (; j + 2 <= n; j += 2) {
    const float* both = kWeights.of_byte[weights[(first + j) / 2]];
    values[j] = scale * both[0];
    values[j + 1] = scale * both[1];
  }
  if (j < n) values[j] = scale * kWeights.of_byte[weights[(first + j) / 2]][0];
}

void prefetch_offsets(const SparseRows& rows, std::int64_t id) {
  if (static_cast<std::uint64_t>(id) < rows.n_rows) {
    ask_cache(at(rows.indptr, static_cast<std::size_t>(id), rows.indptr_size));
  }
}

void prefetch_entries(const SparseRows& rows, std::int64_t id) {
  if (static_cast<std::uint64_t>(id) >= rows.n_rows) return;
  const std::uint64_t begin = offset(rows, static_cast<std::size_t>(id));
  const std::uint64_t end = offset(rows, static_cast<std::size_t>(id) + 1);
  if (begin >= end || end > rows.n_entries) return;
  const std::size_t first = static_cast<std::size_t>(begin), last = static_cast<std::size_t>(end);
  prefetch(at(rows.indices, first, rows.index_size), at(rows.indices, last, rows.index_size));
  if (!rows.is_packed()) prefetch(at(rows.values, first, rows.value_size), at(rows.values, last, rows.value_size));
}

}  // namespace slimvec
