#include "capi/second_codes.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/blocked_codes.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kMeasuredFor = 10;  // rows that are asked for, as in Python; fewer need as many candidates

// How many times as many first codes as rows a search asks for. The other number is for originals, which C has none of.
std::uint64_t read_oversample(const TableFile& file) {
  const Json* times = file.object("refinement")->find("oversample");
  if (!times || times->kind != Json::Kind::kArray || times->members.size() != 2) {
    throw std::runtime_error("oversample is not the two numbers that it should be: damaged");
  }
  const std::uint64_t first = times->members[0].second.integer("oversample"),
                      second = times->members[1].second.integer("oversample");
  if (first < 1 || second < 1) throw std::runtime_error("oversample is out of range: damaged");
  return first;
}

void check_order(const std::uint32_t* order, std::size_t n, std::size_t n_directions) {
  std::vector<std::uint32_t> sorted(order, order + n);
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() || sorted.back() >= n_directions) {
    throw std::runtime_error("tensor refinement.order names no directions, or one of them twice: damaged");
  }
}

}  // namespace

SecondCodes::SecondCodes(const Kernels& isa, const TableFile& file, const Encoder& encoder, std::size_t n_rows,
                         std::size_t n_factors)
    : isa_(isa),
      encoder_(encoder),
      levels_(file, "refinement.", 0, file.fact("refinement", "passes")),
      n_rows_(n_rows),
      row_bytes_(code_size(levels_.n_bits())),
      n_numbers_(n_factors),
      oversample_(read_oversample(file)) {
  const Tensor& rest = file.tensor("refinement.rest", {"F32"}, {encoder.dim(), TableFile::kAny});
  rest_ = rest.as<float>();
  n_rest_ = rest.shape[1];
  order_ = file.tensor("refinement.order", {"U32"}, {levels_.n_directions()}).as<std::uint32_t>();
  check_order(order_, levels_.n_directions(), n_directions());
  codes_ = file.tensor("refinement.codes", {"U8"}, {n_rows, row_bytes_}).as<std::uint8_t>();
  numbers_ = file.tensor("refinement.numbers", {"F16"}, {n_rows, n_factors}).as<std::uint16_t>();
}

RowCodes SecondCodes::codes() const { return {codes_, n_rows_, row_bytes_, levels_.bits(), levels_.n_directions()}; }

std::size_t SecondCodes::n_candidates(std::size_t k, std::size_t n_rows) const {
  const std::size_t times = std::max(k, kMeasuredFor);
  return oversample_ < n_rows / times ? static_cast<std::size_t>(oversample_) * times : n_rows;
}

void SecondCodes::project(const float* centred, const float* projected, float* out) const {
  std::copy_n(projected, encoder_.width(), out);
  encoder_.multiply(centred, rest_, n_rest_, out + encoder_.width());
}

void SecondCodes::spread(const float* projected, double* values) const {
  for (std::size_t j = 0; j < levels_.n_directions(); ++j) {
    values[j] = static_cast<double>(projected[order_[j]]) * static_cast<double>(levels_.grid().directions[j].step);
  }
}

float SecondCodes::number(std::size_t row, std::size_t which) const {
  float widened = 0;
  isa_.widen_halves(numbers_ + row * n_numbers_ + which, 1, &widened);
  return widened;
}

void SecondCodes::check_bits_of(std::size_t row) const {
  if (levels_.n_bits() % 8 != 0 && codes_[(row + 1) * row_bytes_ - 1] >> (levels_.n_bits() % 8)) {
    throw std::runtime_error("tensor refinement.codes has bits set past the last one: damaged");
  }
}

void SecondCodes::add_row(std::size_t row, double norm, float* values) const {
  std::vector<float> own(levels_.n_directions());
  levels_.values(isa_, codes_ + row * row_bytes_, number(row, 0) * static_cast<float>(norm), own.data());
  for (std::size_t j = 0; j < own.size(); ++j) values[order_[j]] += own[j];
}

void SecondCodes::add_rest(const float* values, float* vector) const {
  for (std::size_t i = 0; i < encoder_.dim(); ++i) {
    vector[i] += dot(rest_ + i * n_rest_, values + encoder_.width(), n_rest_);
  }
}

}  // namespace slimvec
