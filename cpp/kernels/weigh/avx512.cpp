// Sixteen weights at a time, the bits of a code as their mask: no table is to be looked up, or made.
#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kAtOnce = 2048;  // bytes, whose sums fit int32: 2^10 * kLargestWeight < 2^31

// Adds what the bits of up to eight bytes weigh; weights of bits that are not set are not read.
inline void add_set(std::uint64_t bits, const std::int32_t* weights, __m512i (&sums_i32x16)[2]) {
  for (std::size_t part = 0; part < 4; ++part, bits >>= 16, weights += 16) {
    __m512i& sum_i32x16 = sums_i32x16[part % 2];
    sum_i32x16 = _mm512_add_epi32(sum_i32x16, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(bits), weights));
  }
}

inline std::int64_t sum_of(__m512i lanes_i32x16) {
  const __m512i low_i64x8 = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(lanes_i32x16));
  const __m512i high_i64x8 = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(lanes_i32x16, 1));
  return _mm512_reduce_add_epi64(_mm512_add_epi64(low_i64x8, high_i64x8));
}

}  // namespace

void slimvec::weight_tables_avx512(const std::int32_t* weights, std::size_t n_bytes, std::int32_t* tables) {
  if (n_bytes) std::memcpy(tables, weights, 8 * n_bytes * sizeof(std::int32_t));
}

std::int64_t slimvec::weigh_bits_avx512(const std::uint8_t* code, std::size_t n_bytes, const std::int32_t* weights) {
  std::int64_t total = 0;
  for (std::size_t begin = 0; begin < n_bytes; begin += kAtOnce) {
    const std::size_t end = n_bytes - begin < kAtOnce ? n_bytes : begin + kAtOnce;
    __m512i sums_i32x16[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    std::size_t byte = begin;
    std::uint64_t bits = 0;
    for (; byte + sizeof bits <= end; byte += sizeof bits) {
      std::memcpy(&bits, code + byte, sizeof bits);
      add_set(bits, weights + 8 * byte, sums_i32x16);
    }
    if (byte < end) {
      bits = 0;
      std::memcpy(&bits, code + byte, end - byte);
      add_set(bits, weights + 8 * byte, sums_i32x16);
    }
    total += sum_of(_mm512_add_epi32(sums_i32x16[0], sums_i32x16[1]));
  }
  return total;
}
