// Codes of several bits along some directions: python/slimvec/binary/levels.py tells what they stand for.
#include <algorithm>
#include <stdexcept>

#include "capi/encoder.hpp"
#include "capi/levels.hpp"
#include "core/blocked_codes.hpp"
#include "core/grid_codes.hpp"

namespace slimvec {

namespace {

class GridEncoder : public Encoder {
 public:
  // `removed`: d rows of n_removed, directions that codes leave out, and the energies of rows with them. `lists`, if
  // any: rows are coded less the centroid of their list.
  GridEncoder(const Kernels& isa, const float* mean, const float* directions, std::size_t d, Levels levels,
              const float* removed, std::size_t n_removed, const RowLists* lists)
      : Encoder(isa, mean, directions, d, levels.n_directions()),
        levels_(std::move(levels)),
        removed_(removed),
        n_removed_(n_removed),
        lists_(lists) {}

  std::size_t n_bits() const override { return levels_.n_bits(); }
  bool of_signs() const override { return false; }

  void spread(const float* projected, float* values) const override { levels_.spread(projected, values); }

  void encode(const float* rows, std::size_t n, std::uint8_t* codes) const override {
    constexpr std::size_t kAtOnce = kBlockCodes;
    std::vector<float> values(kAtOnce * width());
    float parallels[kAtOnce], scales[kAtOnce], products[kAtOnce], energies[kAtOnce];
    for (std::size_t first = 0; first < n; first += kAtOnce) {
      const std::size_t some = std::min(kAtOnce, n - first);
      for (std::size_t i = 0; i < some; ++i) {
        parallels[i] = measure(rows + (first + i) * dim(), first + i, values.data() + i * width());
      }
      grid_codes(isa_, levels_.grid(), levels_.n_passes(), values.data(), parallels, some,
                 codes + first * code_size(n_bits()), scales, products, energies);
    }
  }

  void row(const std::uint8_t* code, float scale, float* out) const override { levels_.values(isa_, code, scale, out); }

 private:
  // Writes a row along the directions, in units, and returns mu / N, N its energy.
  float measure(const float* x, std::size_t row, float* values) const {
    const float* const centre = lists_ ? lists_->centroid(lists_->nearest(x)) : mean();
    std::vector<float> centred(dim()), left_out(n_removed_);
    for (std::size_t i = 0; i < dim(); ++i) centred[i] = (x[i] - centre[i]) / levels_.unit();
    project(centred.data(), values);
    check_finite(values, width(), row);
    double energy = 0;
    for (const float value : centred) energy += static_cast<double>(value) * static_cast<double>(value);
    multiply(centred.data(), removed_, n_removed_, left_out.data());
    for (const float value : left_out) energy -= static_cast<double>(value) * static_cast<double>(value);
    return energy > 0 ? static_cast<float>(levels_.parallel() / energy) : 0.0f;
  }

  const Levels levels_;
  const float* const removed_;
  const std::size_t n_removed_;
  const RowLists* const lists_;
};

}  // namespace

std::unique_ptr<Encoder> read_grid_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits,
                                           const RowLists* lists) {
  const Tensor& mean = file.tensor("mean", {"F32"}, {TableFile::kAny});
  Levels levels(file, "", file.real_fact("grid", "parallel", 0), file.fact("grid", "passes"));
  if (levels.n_bits() != n_bits) {
    throw std::runtime_error("tensor bits holds not as many bits in all as a code has: damaged");
  }
  const std::size_t d = mean.shape[0];
  const Tensor& directions = file.tensor("directions", {"F32"}, {d, levels.n_directions()});
  const Tensor& removed = file.tensor("removed", {"F32"}, {d, TableFile::kAny});
  return std::make_unique<GridEncoder>(isa, mean.as<float>(), directions.as<float>(), d, std::move(levels),
                                       removed.as<float>(), removed.shape[1], lists);
}

}  // namespace slimvec
