#include "capi/float_queries.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

#include "core/hamming_search.hpp"
#include "core/rounding.hpp"

namespace slimvec {

namespace {

constexpr int kNear = 40;  // a power of two: numbers up to so far from 1 are multiplied and added up as they are
constexpr int kFar = 60;   // beside a vector so much longer, the other one is beyond the digits of float32
constexpr double kFarUnit = 0x1p100;  // between the norm of a table and that of its factors, which are about the same
constexpr double kCertainBits = 16;   // of signs that agree: what a code of the table is told by
constexpr std::size_t kFewQueries = 64;  // rows of signs that are looked up before anything is said

int exponent_of(double value) {
  int exponent = 0;
  (void)std::frexp(value, &exponent);
  return exponent;
}

double unit_of(std::optional<double> norm) {
  const int exponent = norm ? exponent_of(*norm) : 0;
  return std::abs(exponent) <= kNear ? 1.0 : std::ldexp(1.0, std::min(exponent, DBL_MAX_EXP - 1));
}

template <typename T>
double norm_of(const T* values, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(squares);
}

// What scores of unit vectors are to be multiplied by to be cosines.
double cosine_of(const QueryEncoder& encoder, const RowFactors& factors) {
  const double own = factors.n_factors == 3 ? 1.0 : factors.norm;  // what stands for the norms of the rows
  return own * (factors.norm / encoder.norm().value_or(factors.norm));
}

bool is_sign(float value) { return value == 1 || value == -1; }

}  // namespace

QueryEncoder::QueryEncoder(const Encoder& encoder, std::optional<double> norm, Metric metric)
    : encoder_(encoder), norm_(norm), metric_(metric), unit_(unit_of(norm)), mean_(encoder.dim()) {
  std::transform(encoder.mean(), encoder.mean() + encoder.dim(), mean_.begin(),
                 [this](float value) { return static_cast<float>(static_cast<double>(value) / unit_); });
  reference_ = norm ? *norm : norm_of(encoder.mean(), encoder.dim());
  if (reference_ == 0) reference_ = 1;
}

QueryEncoder::Query QueryEncoder::project(const float* query, std::size_t row) const {
  const std::size_t d = encoder_.dim();
  check_finite(query, d, row);
  Query made{std::vector<double>(query, query + d), std::vector<float>(d), std::vector<float>(encoder_.width()),
             std::vector<float>(encoder_.n_bits()), 0};
  const double length = norm_of(query, d);
  double factor = 1 / unit_;
  if (length > 0 && metric_ == Metric::kCosine && norm_) {
    factor = *norm_ / unit_ / length;
    made.multiple = 1;
  } else if (length > 0) {  // brought to where it is not too far from what it is compared with
    const int distance = exponent_of(length) - exponent_of(reference_);
    const int beyond = metric_ == Metric::kL2 ? 0 : distance - std::clamp(distance, -kFar, kFar);
    if (metric_ == Metric::kL2 && distance > kFar) {
      throw std::invalid_argument("vector " + std::to_string(row) +
                                  " is so long that distances cannot tell rows of the table apart");
    }
    factor = std::ldexp(1.0, -beyond) / unit_;
    made.multiple = std::ldexp(1.0, beyond);
  }
  if (metric_ == Metric::kL2) made.multiple = 1;
  for (std::size_t i = 0; i < d; ++i) {
    made.vector[i] *= factor;
    made.centred[i] = static_cast<float>(made.vector[i]) - mean_[i];
  }
  encoder_.project(made.centred.data(), made.projected.data());
  encoder_.spread(made.projected.data(), made.values.data());
  check_finite(made.values.data(), made.values.size(), row);
  return made;
}

bool QueryEncoder::may_hold_signs() const {
  if (!norm_) return true;
  const double squares = *norm_ * *norm_, d = static_cast<double>(encoder_.dim());
  return std::abs(squares - d) <= 1e-5 * std::max(squares, d);
}

void QueryEncoder::refuse_codes(const BinaryParts& parts, Vectors queries) const {
  const Kernels& isa = parts.isa;
  const BlockedCodes& table = parts.codes;
  const std::size_t d = encoder_.dim(), n_bits = encoder_.n_bits(), size = code_size(n_bits);
  if (d != n_bits || table.n_codes == 0) return;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < queries.n && asked.size() < kFewQueries; ++i) {
    if (std::all_of(queries.values + i * d, queries.values + (i + 1) * d, is_sign)) asked.push_back(i);
  }
  std::set<std::vector<std::uint8_t>> others;  // codes that encode to other codes
  std::size_t first = queries.n;
  std::int64_t row = -1;
  for (const std::size_t i : asked) {
    std::vector<std::uint8_t> code(size), own(size);
    isa.pack_signs(queries.values + i * d, 1, n_bits, code.data());
    std::int32_t distance = 0;
    std::int64_t found = 0;
    Interrupt never(nullptr);
    hamming_search(isa, table, n_bits, {}, code.data(), 1, 1, 1, never, &distance, &found, parts.rows());
    if (distance != 0) return;
    isa.pack_signs(project(queries.values + i * d, i).values.data(), 1, n_bits, own.data());
    if (own == code) continue;
    if (first == queries.n) {
      first = i;
      row = found;
    }
    others.insert(code);
  }
  const double surplus =
      static_cast<double>(d) - (may_hold_signs() ? std::log2(static_cast<double>(table.n_codes)) : 0);
  if (!others.empty() && static_cast<double>(others.size()) * surplus >= kCertainBits) {
    throw std::invalid_argument("vector " + std::to_string(first) + " is the code of row " + std::to_string(row) +
                                " (slimvec_lookup), which is no vector of the original space (slimvec_lookup_original);"
                                " vectors that only look like codes are taken as twice themselves");
  }
}

FloatQueries::FloatQueries(const BinaryParts& parts, const QueryEncoder& encoder, Vectors queries, std::size_t first,
                           std::size_t n)
    : parts_(parts), n_bits_(parts.n_bits), metric_(encoder.metric()), codes_(n * code_size(n_bits_)) {
  const double unit = encoder.unit() / parts.factors->norm;
  vector_unit_ = unit / parts.factors->norm;
  if (!std::isfinite(cosine_of(encoder, *parts.factors)) || unit <= 1 / kFarUnit || unit >= kFarUnit) {
    throw std::runtime_error("the norms of its vectors are too far apart: the table is damaged");
  }
  values_.reserve(n * n_bits_);
  for (std::size_t i = 0; i < n; ++i) {
    const QueryEncoder::Query query =
        encoder.project(queries.values + (first + i) * encoder.encoder().dim(), first + i);
    parts.isa.pack_signs(query.values.data(), 1, n_bits_, codes_.data() + i * code_size(n_bits_));
    add(encoder, query, first + i);
  }
}

void FloatQueries::add(const QueryEncoder& encoder, const QueryEncoder::Query& query, std::size_t row) {
  const RowFactors& factors = *parts_.factors;
  float peak = 0;
  values_.resize(values_.size() + n_bits_);
  round_rows(query.values.data(), 1, n_bits_, kQueryPeak, values_.data() + values_.size() - n_bits_, &peak);
  const double unit = encoder.unit() / factors.norm;
  double offset = 0, square = 0;
  for (std::size_t i = 0; i < query.vector.size(); ++i) {
    offset += query.vector[i] * static_cast<double>(encoder.mean()[i]);
    square += query.vector[i] * query.vector[i];
  }
  squares_.push_back(square * (encoder.unit() * encoder.unit()) + (factors.n_factors == 2 ? 1 : 0));
  units_.push_back(peak * static_cast<float>(unit / kQueryPeak));
  offsets_.push_back(static_cast<float>(offset * (unit * unit)));
  if (metric_ == Metric::kCosine) {
    multipliers_.push_back(query.multiple > 0 ? cosine_of(encoder, factors) : 0.0);
  } else {
    multipliers_.push_back(query.multiple * (factors.norm * factors.norm));
  }
  if (parts_.lists) {
    vectors_.insert(vectors_.end(), query.vector.begin(), query.vector.end());
  }
  if (parts_.second) {
    const std::size_t n = parts_.second->codes().n_directions;
    std::vector<float> projected(parts_.second->n_directions());
    std::vector<double> values(n);
    parts_.second->project(query.centred.data(), query.projected.data(), projected.data());
    parts_.second->spread(projected.data(), values.data());
    check_finite(projected.data(), projected.size(), row);
    second_.resize(second_.size() + n);
    double largest = 0;
    round_rows(values.data(), 1, n, kQueryPeak, second_.data() + second_.size() - n, &largest);
    second_units_.push_back(largest * (unit / kQueryPeak));
  }
}

AsymmetricQueries FloatQueries::view() const {
  return {values_.data(), units_.data(), offsets_.data(), units_.size(), n_bits_};
}

void FloatQueries::finish(std::size_t k, std::int64_t* rows, float* scores) const {
  std::vector<double> exact(k);
  for (std::size_t q = 0; q < multipliers_.size(); ++q) {
    const double multiplier = multipliers_[q];
    check_all_found(rows, k);
    std::transform(scores, scores + k, exact.begin(),
                   [multiplier](float score) { return static_cast<double>(score) * multiplier; });
    if (metric_ == Metric::kDot) {
      as_products(exact.data(), k, scores);
    } else if (metric_ == Metric::kL2) {
      for (std::size_t i = 0; i < k; ++i) {
        const double distance = std::sqrt(std::max(squares_[q] - 2 * exact[i], 0.0));
        if (!(distance <= static_cast<double>(FLT_MAX))) {
          throw std::overflow_error("distances are beyond float32; divide all vectors by a constant");
        }
        scores[i] = static_cast<float>(-distance);
      }
    } else {
      std::transform(exact.begin(), exact.end(), scores,
                     [](double score) { return static_cast<float>(std::clamp(score, -1.0, 1.0)); });
    }
    if (multiplier == 0) answer_zero_query(k, rows, scores);
    rows += k;
    scores += k;
  }
}

void check_all_found(const std::int64_t* rows, std::size_t n) {
  if (std::find(rows, rows + n, -1) != rows + n) {
    throw std::runtime_error("factors of some rows are no numbers: the table is damaged");
  }
}

void answer_zero_query(std::size_t k, std::int64_t* rows, float* scores) {
  std::iota(rows, rows + k, std::int64_t{0});
  std::fill_n(scores, k, 0.0f);
}

void as_products(const double* values, std::size_t k, float* scores) {
  double largest = 0;
  bool are_numbers = true;
  for (std::size_t i = 0; i < k; ++i) {
    largest = std::max(largest, std::abs(values[i]));
    are_numbers = are_numbers && !std::isnan(values[i]);
  }
  const bool fits =
      largest == 0 || (largest >= static_cast<double>(FLT_MIN) && largest <= static_cast<double>(FLT_MAX));
  if (!are_numbers || !fits) {
    throw std::overflow_error(
        "inner products of a query with its best rows are beyond float32; multiply queries by a "
        "constant, or ask for cosines");
  }
  std::transform(values, values + k, scores, [](double value) { return static_cast<float>(value); });
}

}  // namespace slimvec
