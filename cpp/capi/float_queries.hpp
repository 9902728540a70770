// Float queries on their way to codes: brought to the norm of the table's vectors, projected, made integers for
// kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "capi/encoder.hpp"
#include "core/asymmetric_search.hpp"
#include "core/blocked_codes.hpp"

namespace slimvec {

// Vectors that a table is asked for, `n` rows of as many floats as its original vectors have.
struct Vectors {
  const float* values;
  std::size_t n;
};

// Two or three numbers per code (core/asymmetric_search.hpp) in units of `norm`, the root mean square norm of the
// vectors that the table was made from; `shrinkage` times its scale, a code is nearest to its vector.
struct RowFactors {
  const std::uint16_t* values;
  std::size_t n_factors;
  double norm, shrinkage;
};

// An encoder for queries. A cosine does not depend on a query's length, but codes of centred vectors do: so queries are
// brought to the norm of the table's vectors, if that is known; inner products take them as they are, and so it is in
// python/slimvec/binary/queries.py, which tells more.
class QueryEncoder {
 public:
  QueryEncoder(const Encoder& encoder, std::optional<double> norm, Metric metric);

  struct Query {
    std::vector<double> vector;    // what stands for the query, in units
    std::vector<float> projected;  // one value per bit
    double multiple;               // how many of `vector` the query is; 0 for a query of zeros
  };

  // Throws std::invalid_argument, naming the row, for what is not finite.
  Query project(const float* query, std::size_t row) const;

  // Throws std::invalid_argument where queries are rows of -1 and +1 that are codes of the table instead of vectors.
  void refuse_codes(const Kernels& isa, const BlockedCodes& table, Vectors queries) const;

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

// Queries as the kernels take them: score = ((unit * dot) * scale + bias + offset) * weight * multiplier.
class FloatQueries {
 public:
  // Those from row `first` of `queries` on, `n` of them.
  FloatQueries(const Kernels& isa, const QueryEncoder& encoder, const RowFactors& factors, Vectors queries,
               std::size_t first, std::size_t n);

  AsymmetricQueries view() const;
  Metric metric() const { return metric_; }
  const std::uint8_t* codes() const { return codes_.data(); }  // of the queries themselves

  // Turns the k scores of each query into those of the metric: cosines, none beyond 1, or inner products. Throws
  // std::overflow_error for products beyond float32, and std::runtime_error where rows are missing, whose scores are
  // no numbers.
  void finish(std::size_t k, std::int64_t* rows, float* scores) const;

 private:
  void add(const QueryEncoder& encoder, const RowFactors& factors, const QueryEncoder::Query& query);

  const std::size_t n_bits_;
  const Metric metric_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::int16_t> values_;
  std::vector<float> units_, offsets_;
  std::vector<double> multipliers_;  // 0 for a query of zeros
};

// As alike to one row as to another: a query of zeros gets the first k rows, each of score 0.
void answer_zero_query(std::size_t k, std::int64_t* rows, float* scores);

// The products of a query with its k best rows, as float32. Throws std::overflow_error if they are beyond it.
void as_products(const double* values, std::size_t k, float* scores);

}  // namespace slimvec
