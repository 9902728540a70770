// TBL looks up 16 bytes by 16 nibbles. LD4 parts the four bytes of each code, so that the same nibble of 16 codes lies
// in one register. A nibble's sum rounded upwards to seven bits says that most codes score no more than the limit: two
// such bytes add up within a byte, and take 2.5 instructions per nibble and 16 codes. Exact sums of 16 bits take 8 and
// are looked up for few: 33 to 38 instructions per code of 384 bits (counted by QEMU) and not 74.
#include <arm_neon.h>

#include <cstring>

#include "kernels/kernels.hpp"
#include "kernels/prefetch.hpp"

namespace {

using slimvec::kBlockCodes;

constexpr std::size_t kNibbles = 8;  // per word
constexpr std::size_t kEntries = 16;
constexpr std::size_t kWordTables = kNibbles * kEntries;
constexpr std::int32_t kBoundPeak = 127;
constexpr std::size_t kSumWords = 64;         // of 8 nibbles: 16 bits hold what they add up to
constexpr std::size_t kMaxBoundWords = 4096;  // bounds fit int32
constexpr std::size_t kBlocks = 2;            // that share what is loaded of the tables
constexpr std::size_t kQuarters = 4;          // 16 codes are four registers of four sums
constexpr float kLowest = -3.402823466e38f;

// bound = least + unit * (sum of bytes)
struct BoundScale {
  std::int32_t unit, least;
};

// Where the tables of a query lie, for all words: bounds; exact sums, of each nibble 16 low bytes and 16 high ones.
struct Parts {
  std::size_t bounds, sums, scale;

  explicit Parts(std::size_t n_words) : bounds(0), sums(n_words * kWordTables), scale(3 * n_words * kWordTables) {}
};
static_assert(3 * kWordTables + sizeof(BoundScale) <= slimvec::kTableBytesPerWord, "a word's tables fit");

// The largest of a nibble's sums; the least is as far below 0.
inline std::int32_t most_of_nibble(const std::int16_t* query) {
  std::int32_t most = 0;
  for (std::size_t bit = 0; bit < 4; ++bit) most += query[bit] < 0 ? -query[bit] : query[bit];
  return most;
}

// The eight nibbles of a word of 16 codes.
struct Entries {
  uint8x16_t nibbles_u8x16[kNibbles];

  explicit Entries(const std::uint32_t* codes) {
    const uint8x16x4_t bytes_u8x16 = vld4q_u8(reinterpret_cast<const std::uint8_t*>(codes));
    for (std::size_t byte = 0; byte < 4; ++byte) {
      nibbles_u8x16[2 * byte] = vandq_u8(bytes_u8x16.val[byte], vdupq_n_u8(15));
      nibbles_u8x16[2 * byte + 1] = vshrq_n_u8(bytes_u8x16.val[byte], 4);
    }
  }
};

// What the bounds of some blocks, one after the other, add up to.
template <std::size_t n_blocks>
inline void sums_of_blocks(const std::uint32_t* codes, std::size_t n_words, const unsigned char* tables,
                           uint32x4_t sums_u32x4[n_blocks][kQuarters]) {
  const std::size_t block_words = n_words * kBlockCodes;
  for (std::size_t block = 0; block < n_blocks; ++block) {
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) sums_u32x4[block][quarter] = vdupq_n_u32(0);
  }
  while (n_words) {
    uint16x8_t sums_u16x8[n_blocks][2];
    for (auto& of_block : sums_u16x8) of_block[0] = of_block[1] = vdupq_n_u16(0);
    const std::size_t n_here = n_words < kSumWords ? n_words : kSumWords;
    for (std::size_t word = 0; word < n_here; ++word, codes += kBlockCodes, tables += kWordTables) {
      for (std::size_t block = 0; block < n_blocks; ++block) {
        const Entries entries(codes + block * block_words);
        for (std::size_t nibble = 0; nibble < kNibbles; nibble += 2) {
          const unsigned char* table = tables + nibble * kEntries;
          const uint8x16_t first_u8x16 = vqtbl1q_u8(vld1q_u8(table), entries.nibbles_u8x16[nibble]);
          const uint8x16_t second_u8x16 = vqtbl1q_u8(vld1q_u8(table + kEntries), entries.nibbles_u8x16[nibble + 1]);
          const uint8x16_t both_u8x16 = vaddq_u8(first_u8x16, second_u8x16);
          sums_u16x8[block][0] = vaddw_u8(sums_u16x8[block][0], vget_low_u8(both_u8x16));
          sums_u16x8[block][1] = vaddw_high_u8(sums_u16x8[block][1], both_u8x16);
        }
      }
    }
    n_words -= n_here;
    for (std::size_t block = 0; block < n_blocks; ++block) {
      for (std::size_t half = 0; half < 2; ++half) {
        uint32x4_t* sums = sums_u32x4[block] + 2 * half;
        sums[0] = vaddw_u16(sums[0], vget_low_u16(sums_u16x8[block][half]));
        sums[1] = vaddw_high_u16(sums[1], sums_u16x8[block][half]);
      }
    }
  }
}

inline void exact_dots(const std::uint32_t* codes, std::size_t n_words, const unsigned char* tables,
                       int32x4_t dots_i32x4[kQuarters]) {
  for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) dots_i32x4[quarter] = vdupq_n_s32(0);
  for (std::size_t word = 0; word < n_words; ++word, codes += kBlockCodes, tables += 2 * kWordTables) {
    const Entries entries(codes);
    for (std::size_t nibble = 0; nibble < kNibbles; ++nibble) {
      const unsigned char* table = tables + 2 * nibble * kEntries;
      const uint8x16_t low_u8x16 = vqtbl1q_u8(vld1q_u8(table), entries.nibbles_u8x16[nibble]);
      const uint8x16_t high_u8x16 = vqtbl1q_u8(vld1q_u8(table + kEntries), entries.nibbles_u8x16[nibble]);
      const int16x8_t first_i16x8 = vreinterpretq_s16_u8(vzip1q_u8(low_u8x16, high_u8x16));
      const int16x8_t last_i16x8 = vreinterpretq_s16_u8(vzip2q_u8(low_u8x16, high_u8x16));
      dots_i32x4[0] = vaddw_s16(dots_i32x4[0], vget_low_s16(first_i16x8));
      dots_i32x4[1] = vaddw_high_s16(dots_i32x4[1], first_i16x8);
      dots_i32x4[2] = vaddw_s16(dots_i32x4[2], vget_low_s16(last_i16x8));
      dots_i32x4[3] = vaddw_high_s16(dots_i32x4[3], last_i16x8);
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

// One query, and what it has found so far.
class Search {
 public:
  Search(const slimvec::AsymmetricQuery& query, std::size_t n_words)
      : query_(query),
        parts_(n_words),
        all_(query.limit < kLowest || !(query.scale.unit >= 0) || n_words == 0 || n_words > kMaxBoundWords),
        n_words_(n_words) {
    if (n_words) std::memcpy(&bound_, query.tables + parts_.scale, sizeof bound_);
  }

  template <std::size_t n_blocks>
  void search_blocks(const std::uint32_t* codes, const std::uint16_t* factors, std::size_t first) {
    uint32x4_t sums_u32x4[n_blocks][kQuarters];
    if (!all_) sums_of_blocks<n_blocks>(codes, n_words_, query_.tables + parts_.bounds, sums_u32x4);
    for (std::size_t block = 0; block < n_blocks; ++block) {
      if (all_ || may_be_above(sums_u32x4[block], factors)) keep(codes, factors, first + block);
      codes += n_words_ * kBlockCodes, factors += query_.scale.n_factors * kBlockCodes;
    }
  }

  std::size_t n_found() const { return n_found_; }

 private:
  // Whether any of 16 codes may score above the limit. Scores rise with dots, except where a damaged file says
  // otherwise: one that is negative, or no number, has its highest bit set or is not below the limit.
  bool may_be_above(const uint32x4_t sums_u32x4[kQuarters], const std::uint16_t* factors) const {
    const bool cosine = query_.scale.metric == slimvec::Metric::kCosine;
    uint32x4_t below_u32x4 = vdupq_n_u32(UINT32_MAX);
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter, factors += 4) {
      const int32x4_t bounds_i32x4 =
          vmlaq_n_s32(vdupq_n_s32(bound_.least), vreinterpretq_s32_u32(sums_u32x4[quarter]), bound_.unit);
      const float32x4_t most_f32x4 = scores_of_quarter(bounds_i32x4, factors, query_.scale);
      below_u32x4 = vandq_u32(below_u32x4, vcleq_f32(most_f32x4, vdupq_n_f32(query_.limit)));
    }
    factors -= kBlockCodes;
    uint16x8_t signs_u16x8 = vorrq_u16(vld1q_u16(factors), vld1q_u16(factors + kBlockCodes / 2));
    if (cosine) {
      factors += 2 * kBlockCodes;
      const uint16x8_t of_weights_u16x8 = vorrq_u16(vld1q_u16(factors), vld1q_u16(factors + kBlockCodes / 2));
      signs_u16x8 = vorrq_u16(signs_u16x8, of_weights_u16x8);
    }
    return vminvq_u32(below_u32x4) == 0 || (vmaxvq_u16(signs_u16x8) & 0x8000u);
  }

  // Those of a block's codes whose score lies above the limit.
  void keep(const std::uint32_t* codes, const std::uint16_t* factors, std::size_t block) {
    int32x4_t dots_i32x4[kQuarters];
    exact_dots(codes, n_words_, query_.tables + parts_.sums, dots_i32x4);
    float values[kBlockCodes];
    for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
      vst1q_f32(values + 4 * quarter, scores_of_quarter(dots_i32x4[quarter], factors + 4 * quarter, query_.scale));
    }
    std::size_t count = n_found_;
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) {
      query_.scores[count] = values[lane];  // always written, kept only by moving `count`: no branch to mispredict
      query_.positions[count] = static_cast<std::uint32_t>(block * kBlockCodes + lane);
      count += values[lane] > query_.limit;
    }
    n_found_ = count;
  }

  const slimvec::AsymmetricQuery& query_;
  const Parts parts_;
  BoundScale bound_ = {0, 0};
  const bool all_;
  const std::size_t n_words_;
  std::size_t n_found_ = 0;
};

}  // namespace

void slimvec::asymmetric_tables_neon(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  if (n_words == 0) return;
  const Parts parts(n_words);
  std::int32_t unit = 1;
  std::uint32_t least = 0;  // may wrap, as bounds do on their way
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble) {
    const std::int32_t most = most_of_nibble(query + 4 * nibble);
    const std::int32_t needed = (2 * most + kBoundPeak - 1) / kBoundPeak;
    if (needed > unit) unit = needed;
    least -= static_cast<std::uint32_t>(most);
  }
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble, query += 4) {
    unsigned char *bounds = tables + parts.bounds + nibble * kEntries,
                  *exact = tables + parts.sums + 2 * nibble * kEntries;
    const std::int32_t most = most_of_nibble(query);
    for (std::size_t entry = 0; entry < kEntries; ++entry) {
      std::int32_t sum = 0;
      for (std::size_t bit = 0; bit < 4; ++bit) sum += (entry >> bit) & 1 ? query[bit] : -query[bit];
      bounds[entry] = static_cast<unsigned char>((sum + most + unit - 1) / unit);
      exact[entry] = static_cast<unsigned char>(sum & 0xFF);
      exact[kEntries + entry] = static_cast<unsigned char>((sum >> 8) & 0xFF);
    }
  }
  const BoundScale bound = {unit, static_cast<std::int32_t>(least)};
  std::memcpy(tables + parts.scale, &bound, sizeof bound);
}

void slimvec::asymmetric_above_neon(const std::uint32_t* blocks, const std::uint16_t* factors, std::size_t n_blocks,
                                    std::size_t n_words, Ahead& ahead, AsymmetricQuery* queries,
                                    std::size_t n_queries) {
  for (AsymmetricQuery* query = queries; query != queries + n_queries; ++query) {
    Search search(*query, n_words);
    const std::size_t block_factors = query->scale.n_factors * kBlockCodes;
    std::size_t block = 0;
    for (; block + kBlocks <= n_blocks; block += kBlocks) {
      slimvec::ask(ahead, kBlocks * (n_words + 1));  // a list has more lines than those of its codes
      search.search_blocks<kBlocks>(blocks + block * n_words * kBlockCodes, factors + block * block_factors, block);
    }
    if (block < n_blocks) {
      search.search_blocks<1>(blocks + block * n_words * kBlockCodes, factors + block * block_factors, block);
    }
    query->n_found = search.n_found();
  }
}
