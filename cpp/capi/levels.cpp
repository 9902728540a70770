#include "capi/levels.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace slimvec {

namespace {

constexpr std::size_t kMostPasses = 1000;  // as in Python
constexpr double kLeastStep = 0x1p-100;    // of the longest one; in its units a shorter step has no inverse

void check_bits(const std::string& name, const std::uint8_t* bits, std::size_t n) {
  const bool in_order = n > 0 && bits[0] <= kMaxBitsPerDirection && bits[n - 1] >= 1 &&
                        std::is_sorted(bits, bits + n, [](std::uint8_t a, std::uint8_t b) { return a > b; });
  if (!in_order) throw std::runtime_error("tensor " + name + " holds no bits per direction, falling: damaged");
}

void check_steps(const std::string& prefix, const float* steps, const float* weights, std::size_t n) {
  const auto is_step = [](float step) { return step > 0 && std::isfinite(step); };
  const auto is_weight = [](float weight) { return weight >= 0 && std::isfinite(weight); };
  if (!std::all_of(steps, steps + n, is_step) || !std::all_of(weights, weights + n, is_weight)) {
    throw std::runtime_error("tensors " + prefix + "steps and " + prefix +
                             "weights hold what are no steps and weights: damaged");
  }
  const auto [least, most] = std::minmax_element(steps, steps + n);
  if (static_cast<double>(*least) < static_cast<double>(*most) * kLeastStep) {
    throw std::runtime_error("the steps of tensor " + prefix + "steps are too far apart: damaged");
  }
}

float unit_of(const float* steps, std::size_t n) {
  int exponent = 0;
  (void)std::frexp(*std::max_element(steps, steps + n), &exponent);
  return std::ldexp(1.0f, exponent - 1);
}

}  // namespace

Levels::Levels(const TableFile& file, const std::string& prefix, double parallel, std::size_t n_passes)
    : parallel_(parallel), n_passes_(n_passes) {
  const std::string of_bits = prefix + "bits", of_steps = prefix + "steps", of_weights = prefix + "weights";
  const Tensor& stored = file.tensor(of_bits.c_str(), {"U8"}, {TableFile::kAny});
  const std::size_t n = stored.shape[0];
  const std::uint8_t* bits = stored.as<std::uint8_t>();
  check_bits(of_bits, bits, n);
  const float *steps = file.tensor(of_steps.c_str(), {"F32"}, {n}).as<float>(),
              *weights = file.tensor(of_weights.c_str(), {"F32"}, {n}).as<float>();
  check_steps(prefix, steps, weights, n);
  if (n_passes > kMostPasses) throw std::runtime_error("the passes of its grid are out of range: damaged");
  unit_ = unit_of(steps, n);
  grid_.bits.assign(bits, bits + n);
  for (std::size_t j = 0; j < n; ++j) {
    const float step = steps[j] / unit_, limit = 0.5f * static_cast<float>((1u << bits[j]) - 1u);
    grid_.directions.push_back(
        {step, 1 / step, (weights[j] + static_cast<float>(parallel)) * step, weights[j] * (step * step), limit});
  }
  for (unsigned plane = 0; plane < bits[0]; ++plane) {
    for (std::size_t j = 0; j < n && bits[j] > plane; ++j) {
      const int exponent = static_cast<int>(bits[j]) - static_cast<int>(plane) - 2;
      bit_weights_.push_back(std::ldexp(grid_.directions[j].step, exponent));
    }
  }
}

void Levels::spread(const float* along, float* values) const {
  for_each_bit([&](std::size_t bit, std::size_t j) { values[bit] = along[j] * bit_weights_[bit]; });
}

void Levels::values(const Kernels& isa, const std::uint8_t* code, float scale, float* out) const {
  std::vector<float> signs(n_bits());
  isa.unpack(code, 1, n_bits(), &scale, signs.data());
  for_each_bit([&](std::size_t bit, std::size_t j) {
    const float counted = signs[bit] * bit_weights_[bit];
    out[j] = bit < n_directions() ? counted : out[j] + counted;  // the highest bits come first
  });
}

}  // namespace slimvec
