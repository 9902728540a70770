// Searching some lists of codes, and refining a shortlist: against scores that are written out.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "check.hpp"
#include "core/nearest_lists.hpp"
#include "core/partition_search.hpp"
#include "core/refinement.hpp"
#include "core/rounding.hpp"
#include "core/top_scores.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr std::size_t kCodes = 700, kBits = 70, kLists = 9, kQueries = 11;
constexpr std::uint16_t kHalfOne = 0x3c00, kHalfTwo = 0x4000;  // float16

// Codes of which many are alike; scale 1 or 2, bias 0 or 1.
struct Sample {
  std::vector<std::uint32_t> blocks = std::vector<std::uint32_t>(block_count(kCodes) * words_per_code(kBits) * 16);
  std::vector<std::uint16_t> factors = std::vector<std::uint16_t>(block_count(kCodes) * 2 * 16);
  std::vector<std::uint8_t> codes = random_codes(kCodes, kBits, 1);
  std::vector<std::int64_t> starts = {0, 0, 5, 16, 33, 34, 300, 301, 650, kCodes};
  std::vector<std::uint32_t> rows = std::vector<std::uint32_t>(kCodes);
  std::vector<std::int16_t> values = std::vector<std::int16_t>(kQueries * kBits);
  std::vector<float> units = std::vector<float>(kQueries, 0.25f), none = std::vector<float>(kQueries);
  std::vector<std::int32_t> lists;
  std::vector<float> offsets;

  Sample() {
    std::copy_n(codes.begin(), codes.size() / 2, codes.end() - static_cast<std::ptrdiff_t>(codes.size() / 2));
    write_codes(codes.data(), kCodes, kBits, 0, blocks.data());
    std::mt19937 random(2);
    for (std::size_t i = 0; i < factors.size(); ++i) {
      const bool is_scale = i / 16 % 2 == 0, high = random() % 2 != 0;
      factors[i] = is_scale ? (high ? kHalfTwo : kHalfOne) : (high ? kHalfOne : std::uint16_t{0});
    }
    std::iota(rows.begin(), rows.end(), 0u);
    std::shuffle(rows.begin(), rows.end(), random);
    for (std::int16_t& value : values) value = static_cast<std::int16_t>(static_cast<int>(random() % 9) - 4);
    for (std::size_t q = 0; q < kQueries; ++q) {
      std::vector<std::int32_t> order(kLists);
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      lists.insert(lists.end(), order.begin(), order.begin() + 4);
      for (int i = 0; i < 4; ++i) offsets.push_back(static_cast<float>(random() % 3) - 1.0f);
    }
  }

  float score(std::size_t q, std::size_t position, float offset) const {
    int dot = 0;
    for (std::size_t j = 0; j < kBits; ++j) {
      const bool bit = codes[position * code_size(kBits) + j / 8] >> j % 8 & 1;
      dot += bit ? values[q * kBits + j] : -values[q * kBits + j];
    }
    const std::size_t block = position / 16 * 32, lane = position % 16;
    const float scale = factors[block + lane] == kHalfTwo ? 2.0f : 1.0f,
                bias = factors[block + 16 + lane] ? 1.0f : 0.0f;
    return 0.25f * static_cast<float>(dot) * scale + bias + offset;
  }

  std::vector<Key> expected(std::size_t q, std::size_t n_probes, const std::vector<std::uint8_t>& mask) const {
    std::vector<Key> keys;
    for (std::size_t i = q * 4; i < q * 4 + n_probes; ++i) {
      const auto list = static_cast<std::size_t>(lists[i]);
      for (auto p = static_cast<std::size_t>(starts[list]); p < static_cast<std::size_t>(starts[list + 1]); ++p) {
        const bool allowed = mask.empty() || (mask[rows[p] / 8] >> rows[p] % 8 & 1);
        if (allowed) keys.push_back(make_score_key(score(q, p, offsets[i]), rows[p]));
      }
    }
    std::sort(keys.begin(), keys.end());
    return keys;
  }
};

void test_lists(const Kernels& isa, const Sample& sample) {
  const BlockedCodes table = {sample.blocks.data(), kCodes, words_per_code(kBits)};
  const Factors factors = {sample.factors.data(), 2, Metric::kDot};
  const Lists lists = {sample.starts.data(), sample.rows.data(), kLists};
  std::vector<std::uint8_t> some(2 * block_count(kCodes));
  for (std::size_t i = 0; i < kCodes; i += 3) some[i / 8] = static_cast<std::uint8_t>(some[i / 8] | 1u << i % 8);
  for (const std::size_t n_queries : {std::size_t{1}, std::size_t{3}, kQueries}) {
    for (const std::size_t n_threads : {1u, 2u, 5u}) {
      for (const std::size_t k : {std::size_t{1}, std::size_t{20}, kCodes}) {
        for (const std::vector<std::uint8_t>& mask : {std::vector<std::uint8_t>(), some}) {
          const AsymmetricQueries queries = {sample.values.data(), sample.units.data(), sample.none.data(), n_queries,
                                             kBits};
          const Probes probes = {sample.lists.data(), sample.offsets.data(), 4};
          Guarded<float> scores(n_queries * k);
          Guarded<std::int64_t> indices(n_queries * k);
          partition_search(isa, table, factors, lists, nullptr, mask.empty() ? nullptr : mask.data(), queries, probes,
                           k, n_threads, never, scores.data(), indices.data());
          for (std::size_t q = 0; q < n_queries; ++q) {
            const std::vector<Key> expected = sample.expected(q, 4, mask);
            for (std::size_t i = 0; i < k; ++i) {
              const bool found = i < expected.size();
              CHECK(indices[q * k + i] == (found ? key_index(expected[i]) : -1));
              if (found) CHECK(scores[q * k + i] == key_score(expected[i]));
            }
          }
        }
      }
    }
  }
  const std::int32_t unknown = kLists;
  const AsymmetricQueries one = {sample.values.data(), sample.units.data(), sample.none.data(), 1, kBits};
  float score = 0;
  std::int64_t index = 0;
  CHECK_THROWS(partition_search(isa, table, factors, lists, nullptr, nullptr, one, {&unknown, &score, 1}, 1, 1, never,
                                &score, &index),
               std::invalid_argument);
}

// Rows whose codes lie in the lists the other way round, too: a row is found in either of its lists, once, with the
// score of its own code in its own list.
void test_rows_in_two_lists(const Kernels& isa, const Sample& sample) {
  constexpr std::size_t n_dim = 3;
  std::vector<std::int16_t> centroids(kLists * n_dim), whole(kQueries * n_dim);
  for (std::size_t i = 0; i < centroids.size(); ++i) centroids[i] = static_cast<std::int16_t>(i % 7);
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<std::int16_t>(i % 5);
  const std::vector<double> steps(std::max(kLists, kQueries), 0.5);
  const auto offset_of = [&](std::size_t q, std::size_t list) {
    int dot = 0;
    for (std::size_t i = 0; i < n_dim; ++i) dot += centroids[list * n_dim + i] * whole[q * n_dim + i];
    return 0.25f * static_cast<float>(dot);
  };
  std::vector<float> offsets;
  for (std::size_t i = 0; i < kQueries * 4; ++i) {
    offsets.push_back(offset_of(i / 4, static_cast<std::size_t>(sample.lists[i])));
  }
  std::vector<std::int64_t> starts(kLists + 1);
  for (std::size_t list = 0; list <= kLists; ++list) starts[list] = kCodes - sample.starts[kLists - list];
  std::vector<std::uint32_t> positions(kCodes);
  std::iota(positions.begin(), positions.end(), 0u);
  const BlockedCodes table = {sample.blocks.data(), kCodes, words_per_code(kBits)};
  const Factors factors = {sample.factors.data(), 2, Metric::kDot};
  const Lists lists = {sample.starts.data(), sample.rows.data(), kLists};
  const Spilled spilled = {
      table, factors, {starts.data(), positions.data(), kLists}, {centroids.data(), steps.data(), n_dim}};
  const AsymmetricQueries queries = {sample.values.data(), sample.units.data(), sample.none.data(), kQueries, kBits};
  const Probes probes = {sample.lists.data(), offsets.data(), 4, {whole.data(), steps.data(), n_dim}};
  const auto list_at = [](const std::vector<std::int64_t>& from, std::size_t position) {
    const auto past = std::upper_bound(from.begin(), from.end(), static_cast<std::int64_t>(position));
    return static_cast<std::size_t>(past - from.begin()) - 1;
  };
  for (const std::size_t n_threads : {1u, 3u}) {
    Guarded<float> scores(kQueries * kCodes);
    Guarded<std::int64_t> indices(kQueries * kCodes);
    partition_search(isa, table, factors, lists, &spilled, nullptr, queries, probes, kCodes, n_threads, never,
                     scores.data(), indices.data());
    for (std::size_t q = 0; q < kQueries; ++q) {
      const auto asks = [&](std::size_t list) {
        const auto* of_query = sample.lists.data() + q * 4;
        return std::count(of_query, of_query + 4, static_cast<std::int32_t>(list)) > 0;
      };
      std::vector<Key> expected;
      for (std::size_t p = 0; p < kCodes; ++p) {
        const std::size_t own = list_at(sample.starts, p);
        if (!asks(own) && !asks(list_at(starts, p))) continue;
        expected.push_back(make_score_key(sample.score(q, p, offset_of(q, own)), sample.rows[p]));
      }
      std::sort(expected.begin(), expected.end());
      for (std::size_t i = 0; i < kCodes; ++i) {
        const bool found = i < expected.size();
        CHECK(indices[q * kCodes + i] == (found ? key_index(expected[i]) : -1));
        if (found) CHECK(scores[q * kCodes + i] == key_score(expected[i]));
      }
    }
  }
  const std::vector<std::uint32_t> wrong(kCodes, kCodes);
  const auto ask = [&](const Lists& own, const Lists& others) {
    const Spilled damaged = {table, factors, others, spilled.centroids};
    std::vector<float> scores(kQueries);
    std::vector<std::int64_t> indices(kQueries);
    partition_search(isa, table, factors, own, &damaged, nullptr, queries, probes, 1, 1, never, scores.data(),
                     indices.data());
  };
  CHECK_THROWS(ask(lists, {starts.data(), wrong.data(), kLists}), std::out_of_range);
  CHECK_THROWS(ask({starts.data(), wrong.data(), kLists}, spilled.lists), std::out_of_range);
}

// Two bits along each of ten directions and one along five more.
void test_refinement(const Kernels& isa) {
  constexpr std::size_t n_rows = 50, n_ids = 130, n_directions = 15;
  std::vector<std::uint8_t> bits(n_directions, 1);
  std::fill_n(bits.begin(), 10, std::uint8_t{2});
  const std::vector<std::uint8_t> codes = random_codes(n_rows, 25, 3);
  const std::vector<std::uint16_t> numbers(2 * n_rows, kHalfOne);
  std::mt19937 random(4);
  std::vector<std::int16_t> values(2 * n_directions);
  for (std::int16_t& value : values) value = static_cast<std::int16_t>(static_cast<int>(random() % 21) - 10);
  std::vector<std::int64_t> ids(2 * n_ids);
  std::vector<float> first(2 * n_ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<std::int64_t>(random() % (n_rows + 1)) - 1;
    first[i] = static_cast<float>(random() % 4);
  }
  const double units[2] = {1.0, 0.5};
  for (const std::size_t n_threads : {1u, 3u}) {
    Guarded<float> scores(2 * n_ids);
    Guarded<std::int64_t> indices(2 * n_ids);
    const RowCodes rows = {codes.data(), n_rows, code_size(25), bits.data(), n_directions};
    refined_search(isa, rows, {numbers.data(), 2}, values.data(), units, 2,
                   {ids.data(), first.data(), nullptr, nullptr, n_ids}, n_ids, n_threads, never, scores.data(),
                   indices.data());
    for (std::size_t q = 0; q < 2; ++q) {
      std::vector<Key> expected;
      for (std::size_t i = q * n_ids; i < (q + 1) * n_ids; ++i) {
        if (ids[i] < 0) continue;
        const std::uint8_t* code = codes.data() + static_cast<std::size_t>(ids[i]) * code_size(25);
        const auto bit = [code](std::size_t at) { return code[at / 8] >> at % 8 & 1; };
        double product = 0;
        for (std::size_t j = 0; j < n_directions; ++j) {
          const double u = j < 10 ? 2 * bit(j) + bit(15 + j) - 1.5 : bit(j) - 0.5;
          product += values[q * n_directions + j] * u;
        }
        const auto score = static_cast<float>(static_cast<double>(first[i]) + units[q] * product + 1.0);
        expected.push_back(make_score_key(score, static_cast<std::size_t>(ids[i])));
      }
      std::sort(expected.begin(), expected.end());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(indices[q * n_ids + i] == key_index(expected[i]));
        CHECK(scores[q * n_ids + i] == key_score(expected[i]));
      }
    }
  }
  const std::int64_t outside = n_rows;
  float score = 0;
  std::int64_t index = 0;
  const RowCodes rows = {codes.data(), n_rows, code_size(25), bits.data(), n_directions};
  CHECK_THROWS(refined_search(isa, rows, {numbers.data(), 2}, values.data(), units, 1,
                              {&outside, first.data(), nullptr, nullptr, 1}, 1, 1, never, &score, &index),
               std::out_of_range);
}

// Of every two lists that are alike the lower one comes first; in more than one block of queries and of centroids.
void test_nearest_lists(const Kernels& isa) {
  constexpr std::size_t n = 3000, d = 21, n_queries = 18, n_read = 40;
  std::mt19937 random(3);
  std::vector<std::int16_t> centroids(n * d), queries(n_queries * d);
  for (std::int16_t& value : queries) value = static_cast<std::int16_t>(static_cast<int>(random() % 4095) - 2047);
  for (std::size_t i = 0; i < centroids.size(); ++i) {
    centroids[i] = i < centroids.size() / 2 ? static_cast<std::int16_t>(static_cast<int>(random() % 4095) - 2047)
                                            : centroids[i - centroids.size() / 2];
  }
  const std::vector<double> steps(n, 0.5), units(n_queries, 2.0);
  std::vector<float> norms(n);
  for (std::size_t l = 0; l < n; ++l) norms[l] = l % (n / 2) % 2 ? 1.0f : 0.5f;
  std::vector<std::int32_t> lists(n_queries * n_read);
  std::vector<float> products(n_queries * n_read);
  for (const int way : {0, 1, 2, 3}) {
    const float *inverse = way == 1 ? norms.data() : nullptr, *halves = way == 2 ? norms.data() : nullptr;
    const float* spreads = way == 3 ? norms.data() : nullptr;
    const Centroids known = {{centroids.data(), steps.data(), d}, {nullptr, nullptr, 0}, inverse, halves, spreads, n};
    const ListQueries asked = {{queries.data(), units.data(), d}, {nullptr, nullptr, 0}, n_queries};
    nearest_lists(isa, known, asked, n_read, never, lists.data(), products.data());
    for (std::size_t q = 0; q < n_queries; ++q) {
      std::vector<std::int64_t> dots(n);
      for (std::size_t l = 0; l < n; ++l) {
        for (std::size_t j = 0; j < d; ++j) dots[l] += centroids[l * d + j] * queries[q * d + j];
      }
      double square = 0;
      for (std::size_t j = 0; j < d; ++j) square += 4.0 * queries[q * d + j] * queries[q * d + j];
      std::vector<std::int32_t> order(n);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        const auto of = [&](std::int32_t l) {
          const auto place = static_cast<std::size_t>(l);
          return static_cast<double>(dots[place]) * (inverse ? norms[place] : 1.0f) - (halves ? norms[place] : 0.0f) +
                 (spreads ? norms[place] * std::sqrt(square) : 0.0);
        };
        return of(a) > of(b);
      });
      for (std::size_t i = 0; i < n_read; ++i) {
        CHECK(lists[q * n_read + i] == order[i]);
        CHECK(products[q * n_read + i] == static_cast<float>(dots[static_cast<std::size_t>(order[i])]));
      }
    }
  }
}

void test_rounding() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double rows[5][3] = {{1.0, -2.0, 0.5}, {0.0, 0.0, 0.0}, {1.0, nan, 2.0}, {2.0, 0.5, 1.5}, {1e-310, -1e-310, 0}};
  std::int16_t values[15];
  double peaks[5];
  round_rows(&rows[0][0], 5, 3, 2, values, peaks);
  const std::int16_t expected[15] = {1, -2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2};  // halves to even
  CHECK(std::equal(values, values + 15, expected));
  CHECK(peaks[0] == 2.0 && peaks[1] == 0.0 && std::isnan(peaks[2]) && peaks[3] == 2.0 && peaks[4] == 1e-310);
}

}  // namespace

int main() {
  test_rounding();
  const Sample sample;
  for (const Kernels* isa : available_isas()) {
    test_lists(*isa, sample);
    test_rows_in_two_lists(*isa, sample);
    test_nearest_lists(*isa);
    test_refinement(*isa);
    std::printf("%s: lists and shortlists agree with sorting all scores\n", isa->name);
  }
}
