// Asking the cache for memory before it is read.
#pragma once

#include "kernels/kernels.hpp"

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <immintrin.h>
#endif

namespace slimvec {

namespace {

// Asks the cache for the line that holds this byte, which need not exist: not everywhere can it be asked.
inline void ask_cache(const void* address) {
#if !defined(_MSC_VER) || defined(__clang__)
  __builtin_prefetch(address);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
  static_cast<void>(address);
#endif
}

inline bool is_any(const Ahead& ahead) {
  for (const Ahead::Part& part : ahead.parts) {
    if (part.n_lines) return true;
  }
  return false;
}

// Asks for the next lines, at most so many.
inline void ask(Ahead& ahead, std::size_t most) {
  constexpr std::size_t kLine = 64;
  for (Ahead::Part& part : ahead.parts) {
    for (; most && part.n_lines; --most, --part.n_lines, part.first += kLine) ask_cache(part.first);
  }
}

}  // namespace

}  // namespace slimvec
