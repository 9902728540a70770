// TBL looks up 16 bytes by 16 nibbles. LD4 parts the four bytes of each code, so that the same nibble of 16 codes lies
// in one register; each sum is 16 bits wide, looked up as a low and a high byte.
#include <arm_neon.h>

#include "kernels/kernels.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kLookups = 8;      // per word
constexpr std::size_t kTableBytes = 32;  // per lookup: 16 low bytes, 16 high bytes
constexpr std::size_t kQuarters = 4;     // 16 codes are four registers of four sums

// Adds, for each of 16 codes, the sum that its nibble stands for.
inline void look_up(uint8x16_t nibbles_u8x16, const unsigned char* table, int32x4_t dots_i32x4[kQuarters]) {
  const uint8x16_t low_u8x16 = vqtbl1q_u8(vld1q_u8(table), nibbles_u8x16);
  const uint8x16_t high_u8x16 = vqtbl1q_u8(vld1q_u8(table + 16), nibbles_u8x16);
  const int16x8_t first_i16x8 = vreinterpretq_s16_u8(vzip1q_u8(low_u8x16, high_u8x16));
  const int16x8_t last_i16x8 = vreinterpretq_s16_u8(vzip2q_u8(low_u8x16, high_u8x16));
  dots_i32x4[0] = vaddw_s16(dots_i32x4[0], vget_low_s16(first_i16x8));
  dots_i32x4[1] = vaddw_s16(dots_i32x4[1], vget_high_s16(first_i16x8));
  dots_i32x4[2] = vaddw_s16(dots_i32x4[2], vget_low_s16(last_i16x8));
  dots_i32x4[3] = vaddw_s16(dots_i32x4[3], vget_high_s16(last_i16x8));
}

inline void dots_of_block(const std::uint32_t* words, std::size_t n_words, const unsigned char* tables,
                          int32x4_t dots_i32x4[kQuarters]) {
  for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) dots_i32x4[quarter] = vdupq_n_s32(0);
  for (std::size_t word = 0; word < n_words; ++word, words += kBlockCodes, tables += slimvec::kTableBytesPerWord) {
    const uint8x16x4_t bytes_u8x16 = vld4q_u8(reinterpret_cast<const std::uint8_t*>(words));
    for (std::size_t byte = 0; byte < 4; ++byte) {
      const uint8x16_t low_nibbles_u8x16 = vandq_u8(bytes_u8x16.val[byte], vdupq_n_u8(15));
      look_up(low_nibbles_u8x16, tables + 2 * byte * kTableBytes, dots_i32x4);
      look_up(vshrq_n_u8(bytes_u8x16.val[byte], 4), tables + (2 * byte + 1) * kTableBytes, dots_i32x4);
    }
  }
}

inline float32x4_t factors_of_quarter(const std::uint16_t* factors) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(factors)));
}

inline float32x4_t scores_of_quarter(int32x4_t dots_i32x4, const std::uint16_t* factors,
                                     const slimvec::AsymmetricScale& scale) {
  const float32x4_t dots_f32x4 = vmulq_f32(vdupq_n_f32(scale.unit), vcvtq_f32_s32(dots_i32x4));
  float32x4_t scores_f32x4 = vmulq_f32(dots_f32x4, factors_of_quarter(factors));
  scores_f32x4 = vaddq_f32(scores_f32x4, factors_of_quarter(factors + kBlockCodes));
  scores_f32x4 = vaddq_f32(scores_f32x4, vdupq_n_f32(scale.offset));
  if (scale.metric == slimvec::Metric::kDot) return scores_f32x4;
  const float32x4_t weights_f32x4 = factors_of_quarter(factors + 2 * kBlockCodes);
  if (scale.metric == slimvec::Metric::kCosine) return vmulq_f32(scores_f32x4, weights_f32x4);
  const uint32x4_t none_u32x4 = vceqzq_f32(weights_f32x4);
  const float32x4_t halves_f32x4 = vdivq_f32(vdupq_n_f32(0.5f), vmulq_f32(weights_f32x4, weights_f32x4));
  return vsubq_f32(scores_f32x4, vbslq_f32(none_u32x4, vdupq_n_f32(0), halves_f32x4));
}

// One query.
std::size_t above(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks, std::size_t n_words,
                  const slimvec::AsymmetricQuery& query) {
  const slimvec::AsymmetricScale& scale = query.scale;
  std::size_t count = 0;
  for (std::size_t block = 0; block < n_blocks; ++block, factors += scale.n_factors * kBlockCodes) {
    int32x4_t dots_i32x4[kQuarters];
    dots_of_block(blocks + block * n_words * kBlockCodes, n_words, query.tables, dots_i32x4);
    float values[kBlockCodes];
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
      vst1q_f32(values + 4 * quarter, scores_of_quarter(dots_i32x4[quarter], factors + 4 * quarter, scale));
    }
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
      query.scores[count] = values[lane];  // always written, kept only by moving `count`: no branch to mispredict
      query.positions[count] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
      count += values[lane] > query.limit;
    }
  }
  return count;
}

}  // namespace

void slimvec::asymmetric_tables_neon(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  for (std::size_t lookup = 0; lookup < n_words * kLookups; ++lookup, query += 4) {
    unsigned char* table = tables + lookup / kLookups * kTableBytesPerWord + lookup % kLookups * kTableBytes;
    for (unsigned nibble = 0; nibble < 16; ++nibble) {
      int sum = 0;
      for (unsigned bit = 0; bit < 4; ++bit) sum += (nibble >> bit) & 1 ? query[bit] : -query[bit];
      table[nibble] = static_cast<unsigned char>(sum & 0xFF);
      table[16 + nibble] = static_cast<unsigned char>((sum >> 8) & 0xFF);
    }
  }
}

void slimvec::asymmetric_above_neon(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                                    std::size_t n_words, bool /*cold*/, AsymmetricQuery* queries,
                                    std::size_t n_queries) {
  for (AsymmetricQuery* query = queries; query != queries + n_queries; ++query) {
    query->n_found = above(blocks, factors, n_blocks, n_words, *query);
  }
}
