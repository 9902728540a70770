// Eight weights at a time, those of bits that are not set masked off: no table is to be looked up, or made.
#include <immintrin.h>

#include <cstring>

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kAtOnce = 1024;  // bytes, whose sums fit int32: 2^10 * kLargestWeight < 2^31

// A byte, in all lanes, against the bit of each lane.
inline __m256i masked(__m256i code_u32x8, __m256i bits_u32x8, const std::int32_t* weights) {
  const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(code_u32x8, bits_u32x8), bits_u32x8);
  return _mm256_and_si256(set, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
}

}  // namespace

void slimvec::weight_tables_avx2(const std::int32_t* weights, std::size_t n_bytes, std::int32_t* tables) {
  if (n_bytes) std::memcpy(tables, weights, 8 * n_bytes * sizeof(std::int32_t));
}

std::int64_t slimvec::weigh_bits_avx2(const std::uint8_t* code, std::size_t n_bytes, const std::int32_t* weights) {
  const __m256i first_u32x8 = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i second_u32x8 = _mm256_slli_epi32(first_u32x8, 8), third_u32x8 = _mm256_slli_epi32(first_u32x8, 16);
  const __m256i fourth_u32x8 = _mm256_slli_epi32(first_u32x8, 24);
  std::int64_t total = 0;
  for (std::size_t begin = 0; begin < n_bytes; begin += kAtOnce) {
    const std::size_t end = n_bytes - begin < kAtOnce ? n_bytes : begin + kAtOnce;
    __m256i even_i32x8 = _mm256_setzero_si256(), odd_i32x8 = even_i32x8;
    std::size_t byte = begin;
    for (; byte + 4 <= end; byte += 4) {
      std::int32_t four = 0;
      std::memcpy(&four, code + byte, sizeof four);
      const __m256i code_u32x8 = _mm256_set1_epi32(four);
      const std::int32_t* own = weights + 8 * byte;
      even_i32x8 = _mm256_add_epi32(even_i32x8, masked(code_u32x8, first_u32x8, own));
      odd_i32x8 = _mm256_add_epi32(odd_i32x8, masked(code_u32x8, second_u32x8, own + 8));
      even_i32x8 = _mm256_add_epi32(even_i32x8, masked(code_u32x8, third_u32x8, own + 16));
      odd_i32x8 = _mm256_add_epi32(odd_i32x8, masked(code_u32x8, fourth_u32x8, own + 24));
    }
    for (; byte < end; ++byte) {
      even_i32x8 = _mm256_add_epi32(even_i32x8, masked(_mm256_set1_epi32(code[byte]), first_u32x8, weights + 8 * byte));
    }
    alignas(32) std::int32_t sums[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), _mm256_add_epi32(even_i32x8, odd_i32x8));
    for (const std::int32_t sum : sums) total += sum;
  }
  return total;
}
