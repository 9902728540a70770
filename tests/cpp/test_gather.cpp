// The gather kernels of every instruction set against plain loops, all inputs and outputs ending at a guard page.
#include "check.hpp"
#include "sparse.hpp"

using namespace slimvec;

namespace {

void test_gather(const Kernels& isa, std::size_t d, std::size_t n_rows, bool add) {
  constexpr std::size_t kAnchors = 23;
  const RandomRows rows(n_rows, kAnchors, 6, static_cast<unsigned>(d));
  std::vector<float> anchors = random_floats(kAnchors * d, 1);
  for (float& value : anchors) value = static_cast<float>(static_cast<int>(value * 16)) / 16.0f;  // exact as float16
  Guarded<float> anchors_f32(anchors), out_f32(n_rows * d), out_f16(n_rows * d);
  Guarded<std::uint16_t> anchors_f16(anchors.size());
  for (std::size_t i = 0; i < anchors.size(); ++i) anchors_f16[i] = half_of(anchors[i]);
  Guarded<std::uint32_t> starts(n_rows + 1), indices(rows.indices);
  for (std::size_t i = 0; i <= n_rows; ++i) starts[i] = static_cast<std::uint32_t>(rows.starts[i]);
  Guarded<float> weights(rows.values);
  for (std::size_t i = 0; add && i < n_rows * d; ++i) out_f32[i] = out_f16[i] = static_cast<float>(i % 7);

  isa.gather_f32(anchors_f32.data(), d, d, indices.data(), weights.data(), starts.data(), n_rows, add, out_f32.data());
  isa.gather_f16(anchors_f16.data(), d, d, indices.data(), weights.data(), starts.data(), n_rows, add, out_f16.data());
  for (std::size_t row = 0; row < n_rows; ++row) {
    for (std::size_t c = 0; c < d; ++c) {
      float sum = add ? static_cast<float>((row * d + c) % 7) : 0.0f;
      for (std::size_t j = rows.starts[row]; j < rows.starts[row + 1]; ++j) {
        const float product = rows.values[j] * anchors[rows.indices[j] * d + c];
        sum += product;
      }
      CHECK(out_f32[row * d + c] == sum && out_f16[row * d + c] == sum);
    }
  }
}

// The rounding of every partial sum must be that of the scalar kernel: with these values no order but one gives it.
void test_same_bits(const Kernels& isa, std::size_t d) {
  constexpr std::size_t kAnchors = 50, kEntries = 200;
  Guarded<float> anchors(random_floats(kAnchors * d, 2)), weights(random_floats(kEntries, 3));
  Guarded<std::uint32_t> indices(kEntries), starts(std::vector<std::uint32_t>{0, 150, 150, kEntries});
  for (std::size_t j = 0; j < kEntries; ++j) indices[j] = static_cast<std::uint32_t>(j * 7 % kAnchors);
  Guarded<float> out(3 * d), expected(3 * d);
  isa.gather_f32(anchors.data(), d, d, indices.data(), weights.data(), starts.data(), 3, false, out.data());
  gather_f32_scalar(anchors.data(), d, d, indices.data(), weights.data(), starts.data(), 3, false, expected.data());
  CHECK(std::memcmp(out.data(), expected.data(), 3 * d * sizeof(float)) == 0);
}

void test_widen(const Kernels& isa) {
  Guarded<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < 65536; ++i) all[i] = static_cast<std::uint16_t>(i);
  Guarded<float> out(65536), expected(65536);
  isa.widen_halves(all.data(), 65536, out.data());
  widen_halves_scalar(all.data(), 65536, expected.data());
  CHECK(std::memcmp(out.data(), expected.data(), 65536 * sizeof(float)) == 0);
  CHECK(out[0x3C00] == 1.0f && out[0xC000] == -2.0f && out[1] == 0x1p-24f && out[0x7BFF] == 65504.0f);
  for (std::size_t n = 0; n < 40; ++n) {
    Guarded<std::uint16_t> some(std::vector<std::uint16_t>(n, 0x3C00));
    Guarded<float> ones(n);
    isa.widen_halves(some.data(), n, ones.data());
    for (std::size_t i = 0; i < n; ++i) CHECK(ones[i] == 1.0f);
  }
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    for (std::size_t d :
         {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 128u, 129u, 300u}) {
      for (std::size_t n_rows : {0u, 1u, 2u, 17u}) {
        test_gather(*isa, d, n_rows, false);
        test_gather(*isa, d, n_rows, true);
      }
      test_same_bits(*isa, d);
    }
    test_widen(*isa);
    std::printf("%s: gather agrees with plain loops, bit for bit\n", isa->name);
  }
}
