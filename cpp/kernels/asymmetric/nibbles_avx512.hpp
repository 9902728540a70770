// What AVX-512 looks up for four bits of a code. Everything here is local to the file that includes it.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace {

// Entry i is the sum of +query[bit] or -query[bit] over the four bits of i.
inline __m512i sums_of_nibble(const std::int16_t* query) {
  __m512i sums_i32x16 = _mm512_setzero_si512();
  const __mmask16 entries_with_bit[4] = {0xAAAA, 0xCCCC, 0xF0F0, 0xFF00};
  for (int bit = 0; bit < 4; ++bit) {
    const __m512i value_i32x16 = _mm512_set1_epi32(query[bit]);
    const __m512i minus_i32x16 = _mm512_sub_epi32(sums_i32x16, value_i32x16);
    sums_i32x16 = _mm512_mask_add_epi32(minus_i32x16, entries_with_bit[bit], sums_i32x16, value_i32x16);
  }
  return sums_i32x16;
}

}  // namespace
