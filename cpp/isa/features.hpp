// CPU features as bits: what an instruction set needs, and what this machine has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace slimvec {

enum Feature : std::uint32_t {
  kPopcnt = 1u << 0,
  kAvx2 = 1u << 1,
  kAvx512f = 1u << 2,
  kAvx512bw = 1u << 3,
  kAvx512vl = 1u << 4,
  kAvx512vpopcntdq = 1u << 5,
  kNeon = 1u << 6,
  kF16c = 1u << 7,  // float16 <-> float32; every CPU with AVX2 has it
  kAvx512vbmi = 1u << 8,
  kAvx512vnni = 1u << 9,
};

// Features that the CPU has AND whose registers the operating system saves.
std::uint32_t cpu_features();

// Compiler spelling of the features in `bits`: {"avx2", "popcnt", ...}.
std::vector<std::string> feature_names(std::uint32_t bits);

}  // namespace slimvec
