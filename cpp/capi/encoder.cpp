#include "capi/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/blocked_codes.hpp"

namespace slimvec {

namespace {

class SignEncoder : public Encoder {
 public:
  using Encoder::Encoder;

  std::size_t n_bits() const override { return width(); }
  bool of_signs() const override { return true; }

  void spread(const float* projected, float* values) const override { std::copy_n(projected, n_bits(), values); }

  void encode(const float* rows, std::size_t n, std::uint8_t* codes) const override {
    std::vector<float> centred(dim()), values(n_bits());
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < dim(); ++j) centred[j] = rows[i * dim() + j] - mean()[j];
      project(centred.data(), values.data());
      check_finite(values.data(), n_bits(), i);
      isa_.pack_signs(values.data(), 1, n_bits(), codes + i * code_size(n_bits()));
    }
  }

  void row(const std::uint8_t* code, float scale, float* out) const override {
    isa_.unpack(code, 1, n_bits(), &scale, out);
  }
};

}  // namespace

float dot(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return static_cast<float>(std::accumulate(sums, sums + kLanes, 0.0));
}

void check_finite(const float* values, std::size_t n, std::size_t row) {
  if (std::all_of(values, values + n, [](float value) { return std::isfinite(value); })) return;
  throw std::invalid_argument("NaN or infinity in vector " + std::to_string(row) +
                              " (or a value too large for float32)");
}

Encoder::Encoder(const Kernels& isa, const float* mean, const float* matrix, std::size_t d, std::size_t width)
    : isa_(isa), mean_(mean), matrix_(matrix), d_(d), width_(width) {
  if (d > UINT32_MAX) throw std::runtime_error("its vectors have more dimensions than it can be asked for");
  places_.resize(d);
  std::iota(places_.begin(), places_.end(), std::uint32_t{0});
}

void Encoder::multiply(const float* x, const float* matrix, std::size_t columns, float* out) const {
  const std::uint32_t starts[] = {0, static_cast<std::uint32_t>(d_)};
  isa_.gather_f32(matrix, columns, columns, places_.data(), x, starts, 1, false, out);
}

void Encoder::expand(const float* values, float* vector) const {
  for (std::size_t i = 0; i < d_; ++i) vector[i] = dot(matrix_ + i * width_, values, width_);
}

std::unique_ptr<Encoder> read_encoder(const Kernels& isa, const TableFile& file, std::size_t n_bits,
                                      const RowLists* lists) {
  if (!file.has("mean")) return nullptr;
  if (file.tells("grid")) return read_grid_encoder(isa, file, n_bits, lists);
  const Tensor& mean = file.tensor("mean", {"F32"}, {TableFile::kAny});
  const Tensor& projection = file.tensor("projection", {"F32"}, {mean.shape[0], n_bits});
  return std::make_unique<SignEncoder>(isa, mean.as<float>(), projection.as<float>(), mean.shape[0], n_bits);
}

}  // namespace slimvec
