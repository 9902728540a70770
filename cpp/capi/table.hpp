// A table as the C functions see it: rows that become vectors, and are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "capi/table_file.hpp"

namespace slimvec {

// Rows are checked: std::out_of_range names one that the table does not have.
class Table {
 public:
  Table() = default;
  virtual ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  virtual std::size_t n_rows() const = 0;
  virtual std::size_t dim() const = 0;
  virtual void lookup(const std::int64_t* rows, std::size_t n, float* out) const = 0;
  virtual void mean(const std::int64_t* rows, std::size_t n, float* out) const = 0;

  // The k best rows for a row, which may be among them, best first; 1 <= k <= n_rows.
  virtual void search(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
                      float* similarities) const = 0;
};

// The table that a file describes, which must outlive it. Throws std::runtime_error for one that is damaged.
std::unique_ptr<Table> make_binary_table(const TableFile& file);
std::unique_ptr<Table> make_sparse_table(const TableFile& file);

}  // namespace slimvec
