// Float queries on their way to codes: brought to the norm of the table's vectors, projected, made integers for
// kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "capi/binary_parts.hpp"
#include "core/asymmetric_search.hpp"
#include "core/blocked_codes.hpp"

namespace slimvec {

// Vectors that a table is asked for, `n` rows of as many floats as its original vectors have.
struct Vectors {
  const float* values;
  std::size_t n;
};

// An encoder for queries. A cosine does not depend on a query's length, but codes of centred vectors do: so queries are
// brought to the norm of the table's vectors, if that is known; inner products and distances take them as they are, and
// so it is in python/slimvec/binary/queries.py, which tells more.
class QueryEncoder {
 public:
  QueryEncoder(const Encoder& encoder, std::optional<double> norm, Metric metric);

  struct Query {
    std::vector<double> vector;             // what stands for the query, in units
    std::vector<float> centred, projected;  // less the mean, and along the encoder's directions
    std::vector<float> values;              // one per bit
    double multiple;  // how many of `vector` the query is; 0 for a query of zeros but for distances
  };

  // Throws std::invalid_argument, naming the row, for what is not finite, and for distances if it is too long for them.
  Query project(const float* query, std::size_t row) const;

  // Throws std::invalid_argument where queries are rows of -1 and +1 that are codes of the table instead of vectors.
  void refuse_codes(const BinaryParts& parts, Vectors queries) const;

  const Encoder& encoder() const { return encoder_; }
  const std::vector<float>& mean() const { return mean_; }  // in units
  double unit() const { return unit_; }                     // a power of two next to the norm, where that is far from 1
  std::optional<double> norm() const { return norm_; }
  Metric metric() const { return metric_; }

 private:
  bool may_hold_signs() const;  // whether the table's vectors may be rows of -1 and +1

  const Encoder& encoder_;
  const std::optional<double> norm_;
  const Metric metric_;
  const double unit_;
  std::vector<float> mean_;
  double reference_;  // a length that queries may be told to be far from
};

// Queries as the kernels take them: score = ((unit * dot) * scale + bias + offset) * weight * multiplier. Of distances
// kernels give <x, q> - |x|^2 / 2.
class FloatQueries {
 public:
  // Those from row `first` of `queries` on, `n` of them, against a table that has factors.
  FloatQueries(const BinaryParts& parts, const QueryEncoder& encoder, Vectors queries, std::size_t first,
               std::size_t n);

  AsymmetricQueries view() const;
  Metric metric() const { return metric_; }
  const std::uint8_t* codes() const { return codes_.data(); }    // of the queries themselves
  const double* vectors() const { return vectors_.data(); }      // where there are lists: what stands for them
  double vector_unit() const { return vector_unit_; }            // times a centroid: a product in units of the factors
  const std::int16_t* second() const { return second_.data(); }  // where there are second codes: as values
  const double* second_units() const { return second_units_.data(); }

  // Turns the k scores of each query into those of the metric: cosines, none beyond 1, inner products or negated
  // distances. Throws std::overflow_error for what is beyond float32, and std::runtime_error where rows are missing,
  // whose scores are no numbers.
  void finish(std::size_t k, std::int64_t* rows, float* scores) const;

 private:
  void add(const QueryEncoder& encoder, const QueryEncoder::Query& query, std::size_t row);

  const BinaryParts& parts_;
  const std::size_t n_bits_;
  const Metric metric_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::int16_t> values_;
  std::vector<float> units_, offsets_;
  std::vector<double> vectors_;
  double vector_unit_ = 1;
  std::vector<std::int16_t> second_;
  std::vector<double> second_units_;
  std::vector<double> multipliers_;  // 0 for a query of zeros, but for distances
  std::vector<double> squares_;      // for distances: of its length, and of that of rows which are all as long
};

// Throws std::runtime_error where rows are missing, whose scores are no numbers.
void check_all_found(const std::int64_t* rows, std::size_t n);

// As alike to one row as to another: a query of zeros gets the first k rows, each of score 0.
void answer_zero_query(std::size_t k, std::int64_t* rows, float* scores);

// The products of a query with its k best rows, as float32. Throws std::overflow_error if they are beyond it.
void as_products(const double* values, std::size_t k, float* scores);

}  // namespace slimvec
