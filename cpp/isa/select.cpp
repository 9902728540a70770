#include "isa/select.hpp"

#include "isa/features.hpp"

namespace slimvec {

namespace {

// One row per instruction set. `required` repeats the compile flags of CMakeLists.txt; tests compare the two.
// A CPU with AVX-512 but without VPOPCNTDQ (Skylake-X, Cascade Lake) runs the avx2 row.
#ifdef SLIMVEC_AVX512
constexpr std::uint32_t kNeedsAvx512 = kPopcnt | kAvx2 | kF16c | kAvx512f | kAvx512bw | kAvx512vl | kAvx512vpopcntdq;
constexpr Kernels kAvx512Kernels = {"avx512",
                                    kNeedsAvx512,
                                    pack_signs_avx512,
                                    unpack_avx512,
                                    count_bits_avx512,
                                    hamming_below_avx512,
                                    asymmetric_tables_avx512,
                                    asymmetric_above_avx512,
                                    centroid_dots_avx512,
                                    byte_dots_avx512,
                                    weight_tables_avx512,
                                    weigh_bits_avx512,
                                    grid_levels_avx512,
                                    gather_f32_avx512,
                                    gather_f16_avx512,
                                    widen_halves_avx512,
                                    score_rows_avx512};
#endif
#ifdef SLIMVEC_AVX512VBMI  // one scan faster, all else as it is
constexpr Kernels kAvx512vbmiKernels = [] {
  Kernels kernels = kAvx512Kernels;
  kernels.name = "avx512vbmi";
  kernels.required |= kAvx512vbmi | kAvx512vnni;
  kernels.asymmetric_tables = asymmetric_tables_avx512vbmi;
  kernels.asymmetric_above = asymmetric_above_avx512vbmi;
  return kernels;
}();
#endif
#ifdef SLIMVEC_AVX2
constexpr std::uint32_t kNeedsAvx2 = kPopcnt | kAvx2 | kF16c;
constexpr Kernels kAvx2Kernels = {"avx2",
                                  kNeedsAvx2,
                                  pack_signs_avx2,
                                  unpack_avx2,
                                  count_bits_avx2,
                                  hamming_below_avx2,
                                  asymmetric_tables_avx2,
                                  asymmetric_above_avx2,
                                  centroid_dots_avx2,
                                  byte_dots_avx2,
                                  weight_tables_avx2,
                                  weigh_bits_avx2,
                                  grid_levels_avx2,
                                  gather_f32_avx2,
                                  gather_f16_avx2,
                                  widen_halves_avx2,
                                  score_rows_avx2};
#endif
#ifdef SLIMVEC_NEON
constexpr Kernels kNeonKernels = {"neon",
                                  kNeon,
                                  pack_signs_neon,
                                  unpack_neon,
                                  count_bits_neon,
                                  hamming_below_neon,
                                  asymmetric_tables_neon,
                                  asymmetric_above_neon,
                                  centroid_dots_neon,
                                  byte_dots_neon,
                                  weight_tables_neon,
                                  weigh_bits_neon,
                                  grid_levels_neon,
                                  gather_f32_neon,
                                  gather_f16_neon,
                                  widen_halves_neon,
                                  score_rows_neon};
#endif
constexpr Kernels kScalarKernels = {"scalar",
                                    0,
                                    pack_signs_scalar,
                                    unpack_scalar,
                                    count_bits_scalar,
                                    hamming_below_scalar,
                                    asymmetric_tables_scalar,
                                    asymmetric_above_scalar,
                                    centroid_dots_scalar,
                                    byte_dots_scalar,
                                    weight_tables_scalar,
                                    weigh_bits_scalar,
                                    grid_levels_scalar,
                                    gather_f32_scalar,
                                    gather_f16_scalar,
                                    widen_halves_scalar,
                                    score_rows_scalar};

}  // namespace

const std::vector<const Kernels*>& built_isas() {
  static const std::vector<const Kernels*> by_priority = {
#ifdef SLIMVEC_AVX512VBMI
      &kAvx512vbmiKernels,
#endif
#ifdef SLIMVEC_AVX512
      &kAvx512Kernels,
#endif
#ifdef SLIMVEC_AVX2
      &kAvx2Kernels,
#endif
#ifdef SLIMVEC_NEON
      &kNeonKernels,
#endif
      &kScalarKernels};
  return by_priority;
}

const std::vector<const Kernels*>& available_isas() {
  static const std::vector<const Kernels*> available = [] {
    const std::uint32_t have = cpu_features();
    std::vector<const Kernels*> runnable;
    for (const Kernels* isa : built_isas()) {
      if ((isa->required & ~have) == 0) runnable.push_back(isa);
    }
    return runnable;
  }();
  return available;
}

}  // namespace slimvec
