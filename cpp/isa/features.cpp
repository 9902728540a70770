#include "isa/features.hpp"

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#define SLIMVEC_X86
#include <intrin.h>
#elif defined(__x86_64__) || defined(__i386__)
#define SLIMVEC_X86
#include <cpuid.h>
#endif

namespace slimvec {

#if defined(SLIMVEC_X86)

namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// XCR0 tells which register files the operating system saves on a context switch.
#if defined(_MSC_VER) && !defined(__clang__)

bool ask_cpu(unsigned leaf, Registers& answer) {
  int values[4];
  __cpuid(values, 0);
  if (static_cast<unsigned>(values[0]) < leaf) return false;
  __cpuidex(values, static_cast<int>(leaf), 0);
  answer = {static_cast<unsigned>(values[0]), static_cast<unsigned>(values[1]), static_cast<unsigned>(values[2]),
            static_cast<unsigned>(values[3])};
  return true;
}

std::uint64_t saved_state() { return _xgetbv(0); }

#else

bool ask_cpu(unsigned leaf, Registers& answer) {
  return __get_cpuid_count(leaf, 0, &answer.eax, &answer.ebx, &answer.ecx, &answer.edx) != 0;
}

// Spelt as assembly because the intrinsic needs -mxsave, and this file must run on every x86 CPU.
std::uint64_t saved_state() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

#endif

}  // namespace

std::uint32_t cpu_features() {
  constexpr std::uint64_t kYmmState = 0x06, kZmmState = 0xE6;
  Registers basic, extended;
  if (!ask_cpu(1, basic)) return 0;
  std::uint32_t found = 0;
  if (basic.ecx & (1u << 23)) found |= kPopcnt;
  const bool os_saves_vectors = (basic.ecx & (1u << 27)) != 0;  // OSXSAVE: xgetbv may be executed
  const bool f16c = (basic.ecx & (1u << 29)) != 0;
  if (!os_saves_vectors || !ask_cpu(7, extended)) return found;

  const std::uint64_t state = saved_state();
  if ((state & kYmmState) == kYmmState && (extended.ebx & (1u << 5))) found |= kAvx2;
  if ((state & kYmmState) == kYmmState && f16c) found |= kF16c;
  if ((state & kZmmState) == kZmmState) {
    if (extended.ebx & (1u << 16)) found |= kAvx512f;
    if (extended.ebx & (1u << 30)) found |= kAvx512bw;
    if (extended.ebx & (1u << 31)) found |= kAvx512vl;
    if (extended.ecx & (1u << 1)) found |= kAvx512vbmi;
    if (extended.ecx & (1u << 11)) found |= kAvx512vnni;
    if (extended.ecx & (1u << 14)) found |= kAvx512vpopcntdq;
  }
  return found;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

std::uint32_t cpu_features() { return kNeon; }  // part of the AArch64 baseline

#else

std::uint32_t cpu_features() { return 0; }

#endif

std::vector<std::string> feature_names(std::uint32_t bits) {
  static constexpr const char* kNames[] = {"popcnt",          "avx2", "avx512f", "avx512bw",   "avx512vl",
                                           "avx512vpopcntdq", "neon", "f16c",    "avx512vbmi", "avx512vnni"};
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < sizeof(kNames) / sizeof(kNames[0]); ++i) {
    if (bits & (1u << i)) names.emplace_back(kNames[i]);
  }
  return names;
}

}  // namespace slimvec
