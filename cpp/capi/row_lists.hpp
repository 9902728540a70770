// Lists of near rows, by which the codes and factors of a table lie: python/slimvec/binary/partition.py tells more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "capi/lazy.hpp"
#include "capi/table_file.hpp"
#include "core/partition_search.hpp"

namespace slimvec {

// Where lists of all rows start, and the last one ends. Throws std::runtime_error for what does not rise.
const std::int64_t* read_starts(const TableFile& file, const char* name, std::size_t n_rows, std::size_t n_lists);

class RowLists {
 public:
  // Of a table whose vectors have d columns and factors are in units of `norm`. Throws std::runtime_error for what is
  // damaged, but for the order of rows, which is looked at when it is first asked for.
  RowLists(const TableFile& file, std::size_t n_rows, std::size_t d, double norm);

  std::size_t n_lists() const { return n_lists_; }
  const float* centroid(std::size_t list) const { return centroids_ + list * d_; }

  // Where the code and the factors of a row lie, and in which list. Like `view`, they throw std::runtime_error where
  // positions are not those of all rows, each once.
  std::size_t position(std::int64_t row) const { return positions()[static_cast<std::size_t>(row)]; }
  std::size_t list_of(std::int64_t row) const;
  Lists view() const;

  // The list that a vector is coded in: that of the nearest centroid, ties to the first.
  std::size_t nearest(const float* vector) const;

  // Vectors and centroids as they meet: `unit` times their product is what a list adds to scores.
  struct Rounded {
    std::vector<std::int16_t> values;
    std::vector<double> steps;
    std::size_t d;

    IntegerRows view() const { return {values.data(), steps.data(), d}; }
  };
  Rounded round(const double* vectors, double unit, std::size_t n) const;
  IntegerRows centroids() const { return met().rows.view(); }

  // For each of n rounded vectors the lists that it asks first and what these add to its scores: of cosines those whose
  // centroid points the way of the vector, as rows are ordered by that. All centroids are looked at whole, which Python
  // does where they are few.
  void rank(const Kernels& isa, Metric metric, const IntegerRows& vectors, std::size_t n, std::size_t n_read,
            std::int32_t* lists, float* products) const;

 private:
  // Centroids as queries meet them.
  struct Met {
    Rounded rows;
    std::vector<float> inverse_norms, half_squares, spreads;
  };
  Met round_centroids() const;
  const Met& met() const;
  std::vector<std::uint32_t> invert() const;
  const std::vector<std::uint32_t>& positions() const;

  const std::size_t n_rows_, d_, n_lists_;
  const double norm_;
  const float* const centroids_;
  const std::int64_t* starts_;
  const std::uint32_t* rows_;
  const float* spreads_ = nullptr;  // how far the rows of each list are from its centroid, where the file tells
  Lazy<std::vector<std::uint32_t>> positions_;
  Lazy<Met> met_;
};

}  // namespace slimvec
