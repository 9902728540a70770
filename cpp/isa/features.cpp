#include "isa/features.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace slimvec {

#if defined(__x86_64__) || defined(__i386__)

namespace {

// XCR0 tells which register files the operating system saves on a context switch. Spelt as assembly because the
// intrinsic needs -mxsave, and this file must run on every x86 CPU.
std::uint64_t saved_state() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

}  // namespace

std::uint32_t cpu_features() {
  constexpr std::uint64_t kYmmState = 0x06, kZmmState = 0xE6;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return 0;
  std::uint32_t found = 0;
  if (ecx & (1u << 23)) found |= kPopcnt;
  const bool os_saves_vectors = (ecx & (1u << 27)) != 0;  // OSXSAVE: xgetbv may be executed
  const bool f16c = (ecx & (1u << 29)) != 0;
  if (!os_saves_vectors || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;

  const std::uint64_t state = saved_state();
  if ((state & kYmmState) == kYmmState && (ebx & (1u << 5))) found |= kAvx2;
  if ((state & kYmmState) == kYmmState && f16c) found |= kF16c;
  if ((state & kZmmState) == kZmmState) {
    if (ebx & (1u << 16)) found |= kAvx512f;
    if (ebx & (1u << 30)) found |= kAvx512bw;
    if (ebx & (1u << 31)) found |= kAvx512vl;
    if (ecx & (1u << 14)) found |= kAvx512vpopcntdq;
  }
  return found;
}

#elif defined(__aarch64__)

std::uint32_t cpu_features() { return kNeon; }  // part of the AArch64 baseline

#else

std::uint32_t cpu_features() { return 0; }

#endif

std::vector<std::string> feature_names(std::uint32_t bits) {
  static constexpr const char* kNames[] = {"popcnt",          "avx2", "avx512f", "avx512bw", "avx512vl",
                                           "avx512vpopcntdq", "neon", "f16c"};
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < sizeof(kNames) / sizeof(kNames[0]); ++i) {
    if (bits & (1u << i)) names.emplace_back(kNames[i]);
  }
  return names;
}

}  // namespace slimvec
