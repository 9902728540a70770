#include "capi/row_lists.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

#include "core/nearest_lists.hpp"
#include "core/rounding.hpp"

namespace slimvec {

namespace {

constexpr float kDeviations = 4;         // of a row from its centroid that are to be expected among all, as in Python
constexpr std::size_t kMostDigits = 18;  // of a number of neighbours, as in Python

[[noreturn]] void fail_calibration() {
  throw std::runtime_error("its calibration is no rising numbers of lists, and shares for each: damaged");
}

bool is_share(const Json& value) {
  if (value.kind != Json::Kind::kNumber) return false;
  const bool is_real = value.text.find_first_of(".eE") != std::string::npos;
  const double share = is_real ? value.real("a share") : static_cast<double>(value.integer("a share"));
  return share >= 0 && share <= 1;
}

// The numbers of neighbours that shares are told for, of each of which there are n_measured.
std::set<std::string> read_shares(const Json& calibration, const char* name, std::size_t n_measured) {
  const Json* shares = calibration.find(name);
  if (!shares || shares->kind != Json::Kind::kObject || shares->members.empty()) fail_calibration();
  std::set<std::string> numbers;
  for (const auto& [number, of] : shares->members) {
    const bool is_number = !number.empty() && number.size() <= kMostDigits && number[0] != '0' &&
                           number.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number || of.kind != Json::Kind::kArray || of.members.size() != n_measured ||
        !std::all_of(of.members.begin(), of.members.end(), [](const auto& one) { return is_share(one.second); })) {
      fail_calibration();
    }
    numbers.insert(number);
  }
  return numbers;
}

// Which only Python uses, for recall=; held to what Python holds it to.
void check_calibration(const Json& calibration, std::size_t n_lists) {
  const Json* probes = calibration.find("probes");
  if (!probes || probes->kind != Json::Kind::kArray || probes->members.empty()) fail_calibration();
  std::uint64_t last = 0;
  for (const auto& [none, one] : probes->members) {
    const std::uint64_t next = one.integer("a number of lists");
    if (next <= last) fail_calibration();
    last = next;
  }
  const std::size_t n = probes->members.size();
  if (last != n_lists || read_shares(calibration, "recall", n) != read_shares(calibration, "reach", n)) {
    fail_calibration();
  }
}

// Those for other metrics.
void check_calibrations(const Json& calibrations, std::size_t n_lists) {
  if (calibrations.kind != Json::Kind::kObject) fail_calibration();
  for (const auto& [metric, calibration] : calibrations.members) {
    if (metric != "dot" && metric != "l2") fail_calibration();
    check_calibration(calibration, n_lists);
  }
}

std::size_t count_lists(const TableFile& file, std::size_t d) {
  const Tensor& centroids = file.tensor("centroids", {"F32"}, {TableFile::kAny, d});
  const std::size_t n = centroids.shape[0];
  const float* values = centroids.as<float>();
  const bool all_finite = std::all_of(values, values + n * d, [](float value) { return std::isfinite(value); });
  if (n == 0 || n > INT32_MAX || !all_finite) {
    throw std::runtime_error("tensor centroids holds what are no centroids: damaged");
  }
  return n;
}

// Summed in eight lanes, one after the other at the end.
double squared_distance(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  const auto add = [&](std::size_t lane, std::size_t i) {
    const double apart = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sums[lane] += apart * apart;
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(lane, i + lane);
  }
  for (; i < n; ++i) add(0, i);
  return std::accumulate(sums, sums + kLanes, 0.0);
}

}  // namespace

const std::int64_t* read_starts(const TableFile& file, const char* name, std::size_t n_rows, std::size_t n_lists) {
  const std::int64_t* starts = file.tensor(name, {"I64"}, {n_lists + 1}).as<std::int64_t>();
  if (starts[0] != 0 || static_cast<std::uint64_t>(starts[n_lists]) != n_rows ||
      !std::is_sorted(starts, starts + n_lists + 1)) {
    throw std::runtime_error(std::string("tensor ") + name + " does not rise from 0 to the number of rows: damaged");
  }
  return starts;
}

RowLists::RowLists(const TableFile& file, std::size_t n_rows, std::size_t d, double norm)
    : n_rows_(n_rows),
      d_(d),
      n_lists_(count_lists(file, d)),
      norm_(norm),
      centroids_(file.tensor("centroids", {"F32"}, {n_lists_, d}).as<float>()),
      starts_(read_starts(file, "partition.starts", n_rows, n_lists_)),
      rows_(file.tensor("partition.rows", {"U32"}, {n_rows}).as<std::uint32_t>()) {
  file.check_object("partition", false);
  const Json* calibration = file.object("partition")->find("calibration");
  if (calibration && !calibration->is_null()) check_calibration(*calibration, n_lists_);
  if (const Json* others = file.object("partition")->find("calibrations")) check_calibrations(*others, n_lists_);
  if (file.has("partition.spreads")) {
    spreads_ = file.tensor("partition.spreads", {"F32"}, {n_lists_}).as<float>();
    if (!std::all_of(spreads_, spreads_ + n_lists_,
                     [](float spread) { return std::isfinite(spread) && spread >= 0; })) {
      throw std::runtime_error("tensor partition.spreads holds what are no distances: damaged");
    }
  }
}

std::vector<std::uint32_t> RowLists::invert() const {
  constexpr std::uint32_t kNowhere = UINT32_MAX;
  std::vector<std::uint32_t> positions(n_rows_, kNowhere);
  for (std::size_t at = 0; at < n_rows_; ++at) {
    if (rows_[at] >= n_rows_ || positions[rows_[at]] != kNowhere) {
      throw std::runtime_error("tensor partition.rows names row " + std::to_string(rows_[at]) +
                               (rows_[at] < n_rows_ ? " twice: damaged" : ", which the table does not have: damaged"));
    }
    positions[rows_[at]] = static_cast<std::uint32_t>(at);
  }
  return positions;
}

const std::vector<std::uint32_t>& RowLists::positions() const {
  return positions_.get([this] { return invert(); });
}

std::size_t RowLists::list_of(std::int64_t row) const {
  const auto at = static_cast<std::int64_t>(position(row));
  return static_cast<std::size_t>(std::upper_bound(starts_, starts_ + n_lists_ + 1, at) - starts_) - 1;
}

Lists RowLists::view() const {
  (void)positions();
  return {starts_, rows_, n_lists_};
}

std::size_t RowLists::nearest(const float* vector) const {
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t list = 0; list < n_lists_; ++list) {
    const double distance = squared_distance(vector, centroid(list), d_);
    if (distance < least) {
      least = distance;
      best = list;
    }
  }
  return best;
}

RowLists::Met RowLists::round_centroids() const {
  const std::vector<double> wide(centroids_, centroids_ + n_lists_ * d_);
  Met met{round(wide.data(), 1.0, n_lists_), {}, {}, {}};
  for (std::size_t list = 0; list < n_lists_; ++list) {
    double squares = 0;
    for (std::size_t i = list * d_; i < (list + 1) * d_; ++i) squares += wide[i] * wide[i];
    const double norm = std::sqrt(squares);
    met.inverse_norms.push_back(norm > 0 ? static_cast<float>(1 / norm) : 1.0f);
    met.half_squares.push_back(static_cast<float>(squares / 2 / norm_ / norm_));
  }
  const float times = kDeviations / std::sqrt(static_cast<float>(d_));
  for (std::size_t list = 0; spreads_ && list < n_lists_; ++list) met.spreads.push_back(times * spreads_[list]);
  return met;
}

const RowLists::Met& RowLists::met() const {
  return met_.get([this] { return round_centroids(); });
}

RowLists::Rounded RowLists::round(const double* vectors, double unit, std::size_t n) const {
  Rounded rows{std::vector<std::int16_t>(n * d_), std::vector<double>(n), d_};
  round_rows(vectors, n, d_, kCentroidPeak, rows.values.data(), rows.steps.data());
  for (double& step : rows.steps) step *= unit / kCentroidPeak;
  return rows;
}

void RowLists::rank(const Kernels& isa, Metric metric, const IntegerRows& vectors, std::size_t n, std::size_t n_read,
                    std::int32_t* lists, float* products) const {
  const Met& met = this->met();
  const Centroids centroids = {met.rows.view(),
                               {nullptr, nullptr, 0},
                               metric == Metric::kCosine ? met.inverse_norms.data() : nullptr,
                               metric == Metric::kL2 ? met.half_squares.data() : nullptr,
                               metric == Metric::kDot && !met.spreads.empty() ? met.spreads.data() : nullptr,
                               n_lists_};
  Interrupt never(nullptr);
  nearest_lists(isa, centroids, {vectors, {nullptr, nullptr, 0}, n}, n_read, never, lists, products);
}

}  // namespace slimvec
