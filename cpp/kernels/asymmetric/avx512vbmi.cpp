// VPERMB looks up 64 bytes at once in four tables of 16, so that two lookups take all eight nibbles of a word of 16
// codes, and VPDPBUSD adds the four bytes of each, times what one of them stands for. They are a nibble's sum rounded
// upwards: what they add up to says that most codes score no more than the limit, and few are looked up exactly.
// Places of entries are made of codes once for several queries.
//
// In cache a code of 384 bits takes 1.5 cycles (EPYC Turin), 1.15 of them for sums: a word of four blocks and four
// queries is 76 vector instructions, of which this CPU takes 3.1 in a cycle, whichever unit they need. So nothing is
// won by adding two bytes before they are multiplied, which only moves work. Six bits at a time, of codes laid anew
// byte by byte, would make it 0.9, and lose as much again by laying and by rougher bounds; all four blocks at once
// against the limit, by the largest of their factors, gives back a tenth in cache, and nothing in searches of real
// codes.
#include <immintrin.h>

#include <cstring>

#include "kernels/asymmetric/nibbles_avx512.hpp"
#include "kernels/kernels.hpp"
#include "kernels/prefetch.hpp"

namespace {

using slimvec::AsymmetricQuery;
using slimvec::AsymmetricScale;
using slimvec::kBlockCodes;
using slimvec::Metric;

constexpr std::size_t kNibbles = 8;  // per word
constexpr std::size_t kEntries = 16;
constexpr std::size_t kWordTables =
    kNibbles * kEntries;  // the low nibbles of the word's four bytes, then the high ones
constexpr std::size_t kBoundPeak = 255, kStepPeak = 127;
constexpr std::int32_t kZero = 1 << 15;       // what is added to a sum, so that it is not negative
constexpr std::size_t kMaxBoundWords = 4096;  // bounds fit int32
constexpr std::size_t kQueries = 4;           // that share what codes are made into: all registers are in use
constexpr std::size_t kBlocks = 4;            // that share what is loaded of the tables
constexpr std::size_t kLine = 64;
constexpr float kLowest = -3.402823466e38f;

// bound = least + unit * (sum of bytes times their steps)
struct BoundScale {
  std::int32_t unit, least;
};

// Where the tables of a query lie, for all words: bounds, the low and the high bytes of exact sums, the steps of
// bounds. Each part is dense, as tables of several queries are in use at once.
struct Parts {
  std::size_t bounds, low_bytes, high_bytes, steps, scale;

  explicit Parts(std::size_t n_words)
      : bounds(0),
        low_bytes(n_words * kWordTables),
        high_bytes(2 * n_words * kWordTables),
        steps(3 * n_words * kWordTables),
        scale(steps + n_words * kNibbles) {}
};
static_assert(3 * kWordTables + kNibbles + sizeof(BoundScale) <= slimvec::kTableBytesPerWord, "a word's tables fit");

// Where a nibble stands among those of a word: low ones first.
inline std::size_t place_of(std::size_t nibble) { return nibble % 2 * 4 + nibble / 2; }

// The largest of a nibble's sums; the least is as far below 0.
inline std::size_t most_of_nibble(const std::int16_t* query) {
  int most = 0;
  for (std::size_t bit = 0; bit < 4; ++bit) most += query[bit] < 0 ? -query[bit] : query[bit];
  return static_cast<std::size_t>(most);
}

// The lowest byte of each lane.
inline void store_bytes(unsigned char* to, __m512i values_u32x16) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(values_u32x16));
}

inline __m512i four_bytes_repeated(const unsigned char* from) {
  std::int32_t four;
  std::memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

// What is looked up for the low and for the high nibbles of a word's bytes, and what it is multiplied by.
struct WordTables {
  __m512i low_u8x64, high_u8x64, low_steps_i8x64, high_steps_i8x64;

  WordTables(const unsigned char* tables, const unsigned char* steps)
      : low_u8x64(_mm512_loadu_si512(tables)),
        high_u8x64(_mm512_loadu_si512(tables + kLine)),
        low_steps_i8x64(four_bytes_repeated(steps)),
        high_steps_i8x64(four_bytes_repeated(steps + 4)) {}
};

// Which entries the low and the high nibbles of a word of 16 codes name: the nibble, and which of four tables.
struct Entries {
  __m512i low_u8x64, high_u8x64;

  Entries() = default;
  explicit Entries(const std::uint32_t* codes) {
    const __m512i nibble_u8x64 = _mm512_set1_epi8(15), table_u8x64 = _mm512_set1_epi32(0x30201000);
    constexpr int kMaskThenOr = 0xEA;  // (a & b) | c
    const __m512i codes_u32x16 = _mm512_loadu_si512(codes);
    const __m512i shifted_u32x16 = _mm512_srli_epi32(codes_u32x16, 4);
    low_u8x64 = _mm512_ternarylogic_epi32(codes_u32x16, nibble_u8x64, table_u8x64, kMaskThenOr);
    high_u8x64 = _mm512_ternarylogic_epi32(shifted_u32x16, nibble_u8x64, table_u8x64, kMaskThenOr);
  }
};

// Adds, for each of 16 codes, the bytes that its word's eight nibbles name, to sums that may be one.
inline void look_up(const Entries& entries, const WordTables& word, __m512i& low_sums_i32x16,
                    __m512i& high_sums_i32x16) {
  const __m512i low_u8x64 = _mm512_permutexvar_epi8(entries.low_u8x64, word.low_u8x64);
  const __m512i high_u8x64 = _mm512_permutexvar_epi8(entries.high_u8x64, word.high_u8x64);
  low_sums_i32x16 = _mm512_dpbusd_epi32(low_sums_i32x16, low_u8x64, word.low_steps_i8x64);
  high_sums_i32x16 = _mm512_dpbusd_epi32(high_sums_i32x16, high_u8x64, word.high_steps_i8x64);
}

// What turns the dots of 16 codes into scores. Scores rise with dots, except where a damaged file says otherwise.
struct BlockFactors {
  __m512 scales_f32x16, biases_f32x16, weights_f32x16, halves_f32x16;  // halves: of squared lengths
  __mmask16 negative;

  BlockFactors() = default;
  BlockFactors(const std::uint16_t* factors, const AsymmetricScale& scale) {
    const auto load = [factors](std::size_t kind) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(factors + kind * kBlockCodes));
    };
    scales_f32x16 = _mm512_cvtph_ps(load(0));
    biases_f32x16 = _mm512_cvtph_ps(load(1));
    weights_f32x16 = _mm512_set1_ps(1);
    halves_f32x16 = _mm512_setzero_ps();
    negative = _mm256_movepi16_mask(load(0));
    if (scale.metric == Metric::kDot) return;
    const __m512 third_f32x16 = _mm512_cvtph_ps(load(2));
    if (scale.metric == Metric::kCosine) {
      weights_f32x16 = third_f32x16;
      negative = static_cast<__mmask16>(negative | _mm256_movepi16_mask(load(2)));
    } else {
      const __mmask16 some = _mm512_cmp_ps_mask(third_f32x16, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      const __m512 squares_f32x16 = _mm512_mul_ps(third_f32x16, third_f32x16);
      halves_f32x16 = _mm512_maskz_div_ps(some, _mm512_set1_ps(0.5f), squares_f32x16);
    }
  }

  __m512 scores_f32x16(__m512i dots_i32x16, const AsymmetricScale& scale) const {
    const __m512 dots_f32x16 = _mm512_mul_ps(_mm512_set1_ps(scale.unit), _mm512_cvtepi32_ps(dots_i32x16));
    const __m512 scaled_f32x16 = _mm512_mul_ps(dots_f32x16, scales_f32x16);
    const __m512 biased_f32x16 = _mm512_add_ps(scaled_f32x16, biases_f32x16);
    const __m512 products_f32x16 = _mm512_add_ps(biased_f32x16, _mm512_set1_ps(scale.offset));
    return _mm512_mul_ps(_mm512_sub_ps(products_f32x16, halves_f32x16), weights_f32x16);
  }
};

// One query, and what it has found so far.
class Search {
 public:
  Search() = default;
  Search(const AsymmetricQuery& query, std::size_t n_words)
      : query_(&query),
        parts_(n_words),
        all_(query.limit < kLowest || !(query.scale.unit >= 0) || n_words == 0 || n_words > kMaxBoundWords),
        n_words_(n_words) {
    if (n_words) std::memcpy(&bound_, query.tables + parts_.scale, sizeof bound_);
  }

  WordTables bounds_of(std::size_t word) const {
    return {query_->tables + parts_.bounds + word * kWordTables, query_->tables + parts_.steps + word * kNibbles};
  }

  // Some blocks whose bounds add up to what is given.
  template <std::size_t n_blocks>
  void take(const __m512i* sums_i32x16, const std::uint32_t* codes, const BlockFactors* factors, std::size_t first) {
    std::size_t which[n_blocks] = {}, n_taken = 0;
    for (std::size_t block = 0; block < n_blocks; ++block) {
      which[n_taken] = block;
      n_taken += all_ || may_be_above(sums_i32x16[block], factors[block]);
    }
    if (n_blocks > 1 && n_taken > 1) {  // together, as each would wait for its own sums
      __m512i dots_i32x16[n_blocks];
      exact_dots<n_blocks>(codes, dots_i32x16);
      for (std::size_t i = 0; i < n_taken; ++i) keep(dots_i32x16[which[i]], factors[which[i]], first + which[i]);
    } else if (n_taken == 1) {
      __m512i dots_i32x16[1];
      exact_dots<1>(codes + which[0] * n_words_ * kBlockCodes, dots_i32x16);
      keep(dots_i32x16[0], factors[which[0]], first + which[0]);
    }
  }

  std::size_t n_found() const { return n_found_; }

 private:
  bool may_be_above(__m512i sums_i32x16, const BlockFactors& factors) const {
    const __m512i least_i32x16 = _mm512_set1_epi32(bound_.least), unit_i32x16 = _mm512_set1_epi32(bound_.unit);
    const __m512i bounds_i32x16 = _mm512_add_epi32(least_i32x16, _mm512_mullo_epi32(unit_i32x16, sums_i32x16));
    const __m512 most_f32x16 = factors.scores_f32x16(bounds_i32x16, query_->scale);
    return (factors.negative | _mm512_cmp_ps_mask(most_f32x16, _mm512_set1_ps(query_->limit), _CMP_NLE_UQ)) != 0;
  }

  template <std::size_t n_blocks>
  void exact_dots(const std::uint32_t* codes, __m512i dots_i32x16[n_blocks]) const {
    const unsigned char *low_tables = query_->tables + parts_.low_bytes,
                        *high_tables = query_->tables + parts_.high_bytes;
    __m512i low_i32x16[n_blocks], high_i32x16[n_blocks];
    for (std::size_t block = 0; block < n_blocks; ++block) {
      low_i32x16[block] = high_i32x16[block] = _mm512_setzero_si512();
    }
    for (std::size_t word = 0; word < n_words_; ++word, codes += kBlockCodes) {
      constexpr unsigned char kOnes[kNibbles] = {1, 1, 1, 1, 1, 1, 1, 1};
      const WordTables low(low_tables + word * kWordTables, kOnes), high(high_tables + word * kWordTables, kOnes);
      for (std::size_t block = 0; block < n_blocks; ++block) {
        const Entries entries(codes + block * n_words_ * kBlockCodes);
        look_up(entries, low, low_i32x16[block], low_i32x16[block]);
        look_up(entries, high, high_i32x16[block], high_i32x16[block]);
      }
    }
    const auto zero = static_cast<std::uint32_t>(n_words_ * kNibbles) * kZero;  // sums may wrap, dots do not
    for (std::size_t block = 0; block < n_blocks; ++block) {
      const __m512i sums_i32x16 = _mm512_add_epi32(_mm512_slli_epi32(high_i32x16[block], 8), low_i32x16[block]);
      dots_i32x16[block] = _mm512_sub_epi32(sums_i32x16, _mm512_set1_epi32(static_cast<std::int32_t>(zero)));
    }
  }

  // Those of a block's codes whose score lies above the limit.
  void keep(__m512i dots_i32x16, const BlockFactors& factors, std::size_t block) {
    const __m512 scores_f32x16 = factors.scores_f32x16(dots_i32x16, query_->scale);
    const __mmask16 above = _mm512_cmp_ps_mask(scores_f32x16, _mm512_set1_ps(query_->limit), _CMP_GT_OQ);
    if (!above) return;
    const __m512i lanes_u32x16 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first_u32x16 = _mm512_set1_epi32(static_cast<int>(block * kBlockCodes));
    const __m512i positions_u32x16 = _mm512_add_epi32(first_u32x16, lanes_u32x16);
    _mm512_storeu_ps(query_->scores + n_found_, _mm512_maskz_compress_ps(above, scores_f32x16));
    _mm512_storeu_si512(query_->positions + n_found_, _mm512_maskz_compress_epi32(above, positions_u32x16));
    n_found_ += static_cast<std::size_t>(_mm_popcnt_u32(above));
  }

  const AsymmetricQuery* query_ = nullptr;
  Parts parts_{0};
  BoundScale bound_ = {0, 0};
  bool all_ = true;
  std::size_t n_words_ = 0, n_found_ = 0;
};

// Codes and their factors, block by block.
struct Blocks {
  const std::uint32_t* codes;
  const std::uint16_t* factors;
  std::size_t n_words;
  const AsymmetricScale& scale;  // the same factors for all queries
  slimvec::Ahead& ahead;

  const std::uint32_t* codes_of(std::size_t block) const { return codes + block * n_words * kBlockCodes; }
  BlockFactors factors_of(std::size_t block) const { return {factors + block * scale.n_factors * kBlockCodes, scale}; }
};

// What the bounds of some queries add up to in some blocks.
template <std::size_t n_queries, std::size_t n_blocks>
inline void sums_of_blocks(const std::uint32_t* codes, std::size_t n_words, slimvec::Ahead& ahead,
                           const Search* searches, __m512i result_i32x16[n_queries][n_blocks]) {
  // In registers, as the result would not be. A query alone has two sums for each block, which need not wait so long.
  constexpr std::size_t kSums = n_queries == 1 ? 2 : 1;
  __m512i sums_i32x16[n_queries][n_blocks][kSums];
  for (auto& of_query : sums_i32x16) {
    for (auto& of_block : of_query) {
      for (__m512i& sum_i32x16 : of_block) sum_i32x16 = _mm512_setzero_si512();
    }
  }
  for (std::size_t word = 0; word < n_words; ++word, codes += kBlockCodes) {
    slimvec::ask(ahead, n_blocks + 1);  // a list has more lines than those of its codes
    Entries entries[n_blocks];
    for (std::size_t block = 0; block < n_blocks; ++block) {
      entries[block] = Entries(codes + block * n_words * kBlockCodes);
    }
    for (std::size_t query = 0; query < n_queries; ++query) {
      const WordTables tables = searches[query].bounds_of(word);
      for (std::size_t block = 0; block < n_blocks; ++block) {
        __m512i* sums = sums_i32x16[query][block];
        look_up(entries[block], tables, sums[0], sums[kSums - 1]);
      }
    }
  }
  for (std::size_t query = 0; query < n_queries; ++query) {
    for (std::size_t block = 0; block < n_blocks; ++block) {
      const __m512i* sums = sums_i32x16[query][block];
      result_i32x16[query][block] = kSums == 1 ? sums[0] : _mm512_add_epi32(sums[0], sums[kSums - 1]);
    }
  }
}

// Some queries over some blocks.
template <std::size_t n_queries, std::size_t n_blocks>
inline void search_blocks(const Blocks& blocks, std::size_t first, Search* searches) {
  const std::uint32_t* codes = blocks.codes_of(first);
  __m512i sums_i32x16[n_queries][n_blocks];
  sums_of_blocks<n_queries, n_blocks>(codes, blocks.n_words, blocks.ahead, searches, sums_i32x16);
  BlockFactors factors[n_blocks];
  for (std::size_t block = 0; block < n_blocks; ++block) factors[block] = blocks.factors_of(first + block);
  for (std::size_t query = 0; query < n_queries; ++query) {
    searches[query].template take<n_blocks>(sums_i32x16[query], codes, factors, first);
  }
}

// Some queries over all blocks.
template <std::size_t n_queries>
void search_all(const Blocks& blocks, std::size_t n_blocks, AsymmetricQuery* queries) {
  Search searches[n_queries];
  for (std::size_t query = 0; query < n_queries; ++query) searches[query] = Search(queries[query], blocks.n_words);
  std::size_t block = 0;
  for (; block + kBlocks <= n_blocks; block += kBlocks) search_blocks<n_queries, kBlocks>(blocks, block, searches);
  switch (n_blocks - block) {
    case 3:
      search_blocks<n_queries, 3>(blocks, block, searches);
      break;
    case 2:
      search_blocks<n_queries, 2>(blocks, block, searches);
      break;
    case 1:
      search_blocks<n_queries, 1>(blocks, block, searches);
      break;
    default:
      break;
  }
  for (std::size_t query = 0; query < n_queries; ++query) queries[query].n_found = searches[query].n_found();
}

}  // namespace

void slimvec::asymmetric_tables_avx512vbmi(const std::int16_t* query, std::size_t n_words, unsigned char* tables) {
  if (n_words == 0) return;
  const Parts parts(n_words);
  std::size_t unit = 1;
  std::uint32_t least = 0;  // may wrap, as bounds do on their way
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble) {
    const std::size_t most = most_of_nibble(query + 4 * nibble);
    const std::size_t needed = ceil_divide(2 * most, kBoundPeak * kStepPeak);
    if (needed > unit) unit = needed;
    least -= static_cast<std::uint32_t>(most);
  }
  for (std::size_t nibble = 0; nibble < n_words * kNibbles; ++nibble, query += 4) {
    const std::size_t place = nibble / kNibbles * kNibbles + place_of(nibble % kNibbles);
    unsigned char* table = tables + place * kEntries;
    const std::size_t most = most_of_nibble(query), step = ceil_divide(2 * most, kBoundPeak * unit);
    tables[parts.steps + place] = static_cast<unsigned char>(step);
    // Rounded upwards: a quotient that is no whole number lies further above one than floats round.
    const __m512i sums_i32x16 = sums_of_nibble(query);
    const __m512i above_least_i32x16 = _mm512_add_epi32(sums_i32x16, _mm512_set1_epi32(static_cast<int>(most)));
    const __m512 above_least_f32x16 = _mm512_cvtepi32_ps(above_least_i32x16);
    const __m512 step_f32x16 = _mm512_set1_ps(static_cast<float>(step > 0 ? step * unit : 1));
    store_bytes(table + parts.bounds, _mm512_cvt_roundps_epi32(_mm512_div_ps(above_least_f32x16, step_f32x16),
                                                               _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC));
    const __m512i positive_i32x16 = _mm512_add_epi32(sums_i32x16, _mm512_set1_epi32(kZero));
    store_bytes(table + parts.low_bytes, positive_i32x16);
    store_bytes(table + parts.high_bytes, _mm512_srli_epi32(positive_i32x16, 8));
  }
  const BoundScale bound = {static_cast<std::int32_t>(unit), static_cast<std::int32_t>(least)};
  std::memcpy(tables + parts.scale, &bound, sizeof bound);
}

void slimvec::asymmetric_above_avx512vbmi(const std::uint32_t* blocks, const std::uint16_t* factors,
                                          std::size_t n_blocks, std::size_t n_words, Ahead& ahead,
                                          AsymmetricQuery* queries, std::size_t n_queries) {
  while (n_queries) {
    const Blocks all = {blocks, factors, n_words, queries->scale, ahead};
    const std::size_t n_here = n_queries < kQueries ? 1 : kQueries;
    n_here == 1 ? search_all<1>(all, n_blocks, queries) : search_all<kQueries>(all, n_blocks, queries);
    queries += n_here, n_queries -= n_here;
  }
}
