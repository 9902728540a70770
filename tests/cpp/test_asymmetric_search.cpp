#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "check.hpp"
#include "core/asymmetric_search.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// float16 values with few bits, so that their bits are easily made: +-(1 + i / 1024) * 2^-exponent.
std::uint16_t half(bool negative, unsigned exponent, unsigned fraction) {
  return static_cast<std::uint16_t>((negative ? 0x8000u : 0u) | (15 - exponent) << 10 | fraction);
}

float value_of(std::uint16_t bits) {
  const float magnitude = bits & 0x7C00u ? std::ldexp(1.0f + static_cast<float>(bits & 0x3FFu) / 1024.0f,
                                                      static_cast<int>((bits >> 10) & 31u) - 15)
                                         : std::ldexp(static_cast<float>(bits & 0x3FFu), -24);
  return bits & 0x8000u ? -magnitude : magnitude;
}

struct Sample {
  Sample(std::size_t codes, std::size_t bits, std::size_t queries, std::size_t factors_per_code)
      : n_codes(codes),
        n_bits(bits),
        n_queries(queries),
        n_factors(factors_per_code),
        rows(random_codes(codes, bits, 20)),
        blocks(block_count(codes) * words_per_code(bits) * kBlockCodes),
        factors(block_count(codes) * factors_per_code * kBlockCodes),
        values(queries * bits),
        units(queries),
        offsets(queries) {
    write_codes(rows.data(), codes, bits, 0, blocks.data());
    std::mt19937 random(21);
    for (std::size_t i = 0; i < block_count(codes) * factors_per_code * kBlockCodes; ++i) {
      const bool bias = i / kBlockCodes % factors_per_code == 1;
      // Scales and weights are positive, some below the normal range of float16; few distinct values make ties.
      factors[i] =
          i % 11 == 0 ? static_cast<std::uint16_t>(random() % 1024) : half(bias && random() % 2, random() % 4, 0);
    }
    for (std::size_t i = 0; i < queries * bits; ++i) {
      const int value = static_cast<int>(random() % 16383) - 8191;
      const bool skewed = i / bits % 2 == 1;  // a query whose values are of very different sizes
      values[i] = static_cast<std::int16_t>(skewed ? value / (1 << i % 13) : value);
    }
    for (std::size_t q = 0; q < queries; ++q) units[q] = 1.0f / 8192, offsets[q] = static_cast<float>(q) - 1.0f;
  }

  BlockedCodes table() { return {blocks.data(), n_codes, words_per_code(n_bits)}; }
  AsymmetricQueries queries() { return {values.data(), units.data(), offsets.data(), n_queries, n_bits}; }

  float slow_score(std::size_t q, std::size_t code, Metric metric) {
    std::int32_t dot = 0;
    for (std::size_t j = 0; j < n_bits; ++j) {
      const std::int32_t value = values[q * n_bits + j];
      dot += bit_of(rows.data() + code * code_size(n_bits), j) ? value : -value;
    }
    const std::uint16_t* of_block = factors.data() + code / kBlockCodes * n_factors * kBlockCodes + code % kBlockCodes;
    float score = units[q] * static_cast<float>(dot);
    score = score * value_of(of_block[0]);
    score = score + value_of(of_block[kBlockCodes]);
    score = score + offsets[q];
    if (metric == Metric::kDot || n_factors == 2) return score;
    const float weight = value_of(of_block[2 * kBlockCodes]), square = weight * weight;
    if (metric == Metric::kCosine) return score * weight;
    return weight == 0 ? score : score - 0.5f / square;
  }

  const std::size_t n_codes, n_bits, n_queries, n_factors;
  std::vector<std::uint8_t> rows;
  Guarded<std::uint32_t> blocks;
  Guarded<std::uint16_t> factors;
  Guarded<std::int16_t> values;
  std::vector<float> units, offsets;
};

using Ranked = std::vector<std::pair<float, std::int64_t>>;  // (-score, index) in rising order

void check_result(const Ranked& expected, std::size_t k, const float* scores, const std::int64_t* indices) {
  for (std::size_t i = 0; i < k; ++i) {
    const bool found = i < expected.size();
    CHECK(scores[i] == (found ? -expected[i].first : kLowest));
    CHECK(indices[i] == (found ? expected[i].second : -1));
  }
}

void test_search(const Kernels& isa, Sample& sample, Metric metric) {
  const Factors factors = {sample.factors.data(), sample.n_factors, metric};
  std::vector<std::uint8_t> mask(2 * block_count(sample.n_codes));
  for (std::size_t i = 0; i < sample.n_codes; i += 3) mask[i / 8] |= static_cast<std::uint8_t>(1u << i % 8);
  const std::size_t n_ids = sample.n_codes / 2 + 1;
  std::vector<std::int64_t> ids(sample.n_queries * n_ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {  // every other row, and none in the last place
    ids[i] = i % n_ids + 1 < n_ids ? static_cast<std::int64_t>(sample.n_codes - 1 - 2 * (i % n_ids)) : -1;
  }
  for (const int way : {0, 1, 2}) {
    std::vector<Ranked> expected(sample.n_queries);
    for (std::size_t i = 0; i < sample.n_codes; ++i) {
      const std::int64_t id = static_cast<std::int64_t>(i);
      const auto end = ids.begin() + static_cast<std::ptrdiff_t>(n_ids);
      if (way == 1 ? i % 3 != 0 : way == 2 && std::find(ids.begin(), end, id) == end) continue;
      for (std::size_t q = 0; q < sample.n_queries; ++q) {
        expected[q].emplace_back(-sample.slow_score(q, i, metric), id);
      }
    }
    for (Ranked& ranked : expected) std::sort(ranked.begin(), ranked.end());
    for (const std::size_t k : {std::size_t{1}, sample.n_codes / 2 + 1}) {
      Guarded<float> scores(sample.n_queries * k);
      Guarded<std::int64_t> indices(sample.n_queries * k);
      for (const std::size_t n_threads : {1u, 3u}) {
        if (way == 2) {
          asymmetric_rescore(isa, sample.table(), factors, ids.data(), n_ids, sample.queries(), k, n_threads, never,
                             scores.data(), indices.data());
        } else {
          asymmetric_search(isa, sample.table(), factors, way ? mask.data() : nullptr, sample.queries(), k, n_threads,
                            never, scores.data(), indices.data());
        }
        for (std::size_t q = 0; q < sample.n_queries; ++q) {
          check_result(expected[q], k, &scores[q * k], &indices[q * k]);
        }
      }
    }
  }
}

void test_bad_input(const Kernels& isa) {
  Sample sample(20, 40, 1, 2);
  const Factors factors = {sample.factors.data(), 2, Metric::kDot};
  float score;
  std::int64_t index;
  for (const std::size_t k : {0u, 21u}) {
    CHECK_THROWS(
        asymmetric_search(isa, sample.table(), factors, nullptr, sample.queries(), k, 1, never, &score, &index),
        std::invalid_argument);
  }
  for (const std::int64_t id : {std::int64_t{-2}, std::int64_t{20}}) {
    CHECK_THROWS(
        asymmetric_rescore(isa, sample.table(), factors, &id, 1, sample.queries(), 1, 1, never, &score, &index),
        std::out_of_range);
  }
  AsymmetricQueries wide = sample.queries();
  wide.n_bits = kMaxAsymmetricBits + 1;  // dots would not fit
  CHECK_THROWS(asymmetric_search(isa, sample.table(), factors, nullptr, wide, 1, 1, never, &score, &index),
               std::invalid_argument);
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    for (const std::size_t n_bits : {1u, 31u, 32u, 33u, 75u, 300u, 1024u}) {
      for (const std::size_t n_codes : {1u, 15u, 16u, 17u, 300u}) {
        Sample two(n_codes, n_bits, 2, 2), three(n_codes, n_bits, 2, 3);
        test_search(*isa, two, Metric::kCosine);
        for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) test_search(*isa, three, metric);
      }
    }
    Sample wide(300, 4200, 2, 2);  // several chunks, and sums of bytes that outgrow 16 bits
    std::fill_n(wide.values.data(), wide.n_bits, kQueryPeak);
    test_search(*isa, wide, Metric::kCosine);
    Sample chunks(9000, 64, 13, 3);  // several chunks of codes; enough queries to be shared out
    test_search(*isa, chunks, Metric::kCosine);
    test_bad_input(*isa);
    std::printf("%s: asymmetric search agrees with sorting all scores\n", isa->name);
  }
}
