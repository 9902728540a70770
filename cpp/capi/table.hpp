// A table as the C functions see it: rows that become vectors, and are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include "capi/float_queries.hpp"
#include "capi/table_file.hpp"

namespace slimvec {

constexpr std::size_t kAllLists = 0;

// What is searched for: the k best rows for each of some vectors of original_dim floats, 1 <= k <= n_rows, among those
// of so many lists, if rows lie in lists.
struct Asked {
  Vectors queries;
  std::size_t k;
  Metric metric;
  std::size_t n_probes;
  std::size_t n_threads;
};

// Rows are checked: std::out_of_range names one that the table does not have. Whoever fails has written nothing.
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

  // Vectors like those that the table was made from, and how many floats they have: std::runtime_error if the table
  // does not know.
  virtual std::size_t original_dim() const = 0;
  virtual void lookup_original(const std::int64_t* rows, std::size_t n, float* out) const = 0;

  // The k best rows for a row, which may be among them, best first; 1 <= k <= n_rows. A row of -1 is damage.
  virtual void nearest(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
                       float* similarities) const = 0;

  // rows[i * k ...] and scores[i * k ...] for vector i, best first.
  virtual void search(const Asked& asked, std::int64_t* rows, float* scores) const = 0;

  // How many lists rows lie in; 0: in none.
  virtual std::size_t n_lists() const { return 0; }

  // Packed codes of n_bits, 0 of tables that have none, of new vectors.
  virtual std::size_t n_bits() const { return 0; }
  virtual void encode(Vectors, std::uint8_t*) const {
    throw std::runtime_error("a table of anchors has no codes; expected a table of codes");
  }
};

// The table that a file describes, which must outlive it. Throws std::runtime_error for one that is damaged.
std::unique_ptr<Table> make_binary_table(const TableFile& file);
std::unique_ptr<Table> make_sparse_table(const TableFile& file);

}  // namespace slimvec
