// Codes of several bits along some directions: python/slimvec/binary/levels.py tells what they stand for.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "capi/encoder.hpp"
#include "core/blocked_codes.hpp"
#include "core/grid_codes.hpp"

namespace slimvec {

namespace {

constexpr std::uint64_t kMostPasses = 1000;  // as in Python
constexpr double kLeastStep = 0x1p-100;      // of the longest one; in its units a shorter step has no inverse

// What a file tells of the levels, checked.
struct Levels {
  const std::uint8_t* bits;
  const float *steps, *weights;
  std::size_t n;
  double parallel;
  std::size_t n_passes;
};

void check_bits(const std::uint8_t* bits, std::size_t n, std::size_t n_bits) {
  const bool in_order = n > 0 && bits[0] <= kMaxBitsPerDirection && bits[n - 1] >= 1 &&
                        std::is_sorted(bits, bits + n, [](std::uint8_t a, std::uint8_t b) { return a > b; });
  if (!in_order || std::accumulate(bits, bits + n, std::size_t{0}) != n_bits) {
    throw std::runtime_error("tensor bits holds no bits per direction, falling, as many in all as a code has: damaged");
  }
}

void check_steps(const float* steps, const float* weights, std::size_t n) {
  const auto is_step = [](float step) { return step > 0 && std::isfinite(step); };
  const auto is_weight = [](float weight) { return weight >= 0 && std::isfinite(weight); };
  if (!std::all_of(steps, steps + n, is_step) || !std::all_of(weights, weights + n, is_weight)) {
    throw std::runtime_error("tensors steps and weights hold what are no steps and weights: damaged");
  }
  const auto [least, most] = std::minmax_element(steps, steps + n);
  if (static_cast<double>(*least) < static_cast<double>(*most) * kLeastStep) {
    throw std::runtime_error("the steps of its grid are too far apart: damaged");
  }
}

Levels read_levels(const TableFile& file, std::size_t n_bits) {
  const Tensor& bits = file.tensor("bits", {"U8"}, {TableFile::kAny});
  const std::size_t n = bits.shape[0];
  check_bits(bits.as<std::uint8_t>(), n, n_bits);
  const Tensor &steps = file.tensor("steps", {"F32"}, {n}), &weights = file.tensor("weights", {"F32"}, {n});
  check_steps(steps.as<float>(), weights.as<float>(), n);
  const std::size_t n_passes = file.fact("grid", "passes");
  if (n_passes > kMostPasses) throw std::runtime_error("the passes of its grid are out of range: damaged");
  return {bits.as<std::uint8_t>(),
          steps.as<float>(),
          weights.as<float>(),
          n,
          file.real_fact("grid", "parallel", 0),
          n_passes};
}

// What a bit of weight 1 counts: the power of 2 at or below the longest step, dividing by which loses nothing.
float unit_of(const Levels& levels) {
  int exponent = 0;
  (void)std::frexp(*std::max_element(levels.steps, levels.steps + levels.n), &exponent);
  return std::ldexp(1.0f, exponent - 1);
}

class GridEncoder : public Encoder {
 public:
  // `removed`: d rows of n_removed, directions that codes leave out, and the energies of rows with them.
  GridEncoder(const Kernels& isa, const float* mean, const float* directions, std::size_t d, const Levels& levels,
              const float* removed, std::size_t n_removed)
      : Encoder(isa, mean, directions, d, levels.n),
        removed_(removed),
        n_removed_(n_removed),
        unit_(unit_of(levels)),
        parallel_(levels.parallel),
        n_passes_(levels.n_passes) {
    const float parallel = static_cast<float>(levels.parallel);
    for (std::size_t j = 0; j < levels.n; ++j) {
      const float step = levels.steps[j] / unit_, weight = levels.weights[j];
      const float limit = 0.5f * static_cast<float>((1u << levels.bits[j]) - 1u);
      grid_.directions.push_back({step, 1 / step, (weight + parallel) * step, weight * (step * step), limit});
      grid_.bits.push_back(levels.bits[j]);
    }
    for (unsigned plane = 0; plane < grid_.bits.front(); ++plane) {
      for (std::size_t j = 0; j < levels.n && grid_.bits[j] > plane; ++j) {
        const int exponent = static_cast<int>(grid_.bits[j]) - static_cast<int>(plane) - 2;
        bit_weights_.push_back(std::ldexp(grid_.directions[j].step, exponent));
      }
    }
  }

  std::size_t n_bits() const override { return bit_weights_.size(); }
  bool of_signs() const override { return false; }

  void project(const float* x, const float* mean, std::size_t row, float* values) const override {
    std::vector<float> along(width());
    Encoder::project(x, mean, row, along.data());
    for_each_bit([&](std::size_t bit, std::size_t j) { values[bit] = along[j] * bit_weights_[bit]; });
    check_finite(values, n_bits(), row);
  }

  void encode(const float* rows, std::size_t n, std::uint8_t* codes) const override {
    constexpr std::size_t kAtOnce = kBlockCodes;
    std::vector<float> values(kAtOnce * width());
    float parallels[kAtOnce], scales[kAtOnce], products[kAtOnce], energies[kAtOnce];
    for (std::size_t first = 0; first < n; first += kAtOnce) {
      const std::size_t some = std::min(kAtOnce, n - first);
      for (std::size_t i = 0; i < some; ++i) {
        parallels[i] = measure(rows + (first + i) * dim(), first + i, values.data() + i * width());
      }
      grid_codes(isa_, grid_, n_passes_, values.data(), parallels, some, codes + first * code_size(n_bits()), scales,
                 products, energies);
    }
  }

  void row(const std::uint8_t* code, float scale, float* out) const override {
    std::vector<float> signs(n_bits());
    isa_.unpack(code, 1, n_bits(), &scale, signs.data());
    for_each_bit([&](std::size_t bit, std::size_t j) {
      const float counted = signs[bit] * bit_weights_[bit];
      out[j] = bit < width() ? counted : out[j] + counted;  // the highest bits come first
    });
  }

 private:
  // visit(bit, direction) for the bits of a code: the highest of all directions first, then the next ones.
  template <typename Visit>
  void for_each_bit(Visit visit) const {
    std::size_t bit = 0;
    for (unsigned plane = 0; bit < n_bits(); ++plane) {
      for (std::size_t j = 0; j < width() && grid_.bits[j] > plane; ++j) visit(bit++, j);
    }
  }

  // Writes a row along the directions, in units, and returns mu / N, N its energy.
  float measure(const float* x, std::size_t row, float* values) const {
    std::vector<float> centred(dim()), left_out(n_removed_);
    for (std::size_t i = 0; i < dim(); ++i) centred[i] = (x[i] - mean()[i]) / unit_;
    multiply(centred.data(), matrix(), width(), values);
    check_finite(values, width(), row);
    double energy = 0;
    for (const float value : centred) energy += static_cast<double>(value) * static_cast<double>(value);
    multiply(centred.data(), removed_, n_removed_, left_out.data());
    for (const float value : left_out) energy -= static_cast<double>(value) * static_cast<double>(value);
    return energy > 0 ? static_cast<float>(parallel_ / energy) : 0.0f;
  }

  const float* const removed_;
  const std::size_t n_removed_;
  const float unit_;
  const double parallel_;
  const std::size_t n_passes_;
  Grid grid_;
  std::vector<float> bit_weights_;  // what each bit counts, + that or - that, in units
};

}  // namespace

std::unique_ptr<Encoder> read_grid_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits) {
  const Tensor& mean = file.tensor("mean", {"F32"}, {TableFile::kAny});
  const Levels levels = read_levels(file, n_bits);
  const std::size_t d = mean.shape[0];
  const Tensor& directions = file.tensor("directions", {"F32"}, {d, levels.n});
  const Tensor& removed = file.tensor("removed", {"F32"}, {d, TableFile::kAny});
  if (!file.has("factors")) {
    throw std::runtime_error("tensor factors is missing, without which codes of several bits say nothing");
  }
  return std::make_unique<GridEncoder>(isa, mean.as<float>(), directions.as<float>(), d, levels, removed.as<float>(),
                                       removed.shape[1]);
}

}  // namespace slimvec
