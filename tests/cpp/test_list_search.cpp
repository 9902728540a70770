// All stages of a search of lists at once: the same on every instruction set, for any number of threads, alone or among
// others; and scores that are written out.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "check.hpp"
#include "core/list_search.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);
FromDisk from_disk;

constexpr std::size_t kCodes = 400, kDim = 40, kBits = 33, kLists = 7, kLead = 3, kSecond = 20, kQueries = 6;
constexpr std::uint16_t kHalfOne = 0x3c00, kHalfQuarter = 0x3400;  // float16
constexpr std::size_t kK = 9, kShortlist = 30;
constexpr double kNorm = 0.5, kQueryNorm = 1.5;

template <typename T>
std::vector<T> numbers(std::size_t n, unsigned seed, double largest) {
  std::mt19937 random(seed);
  std::vector<T> made(n);
  for (T& value : made) value = static_cast<T>((static_cast<double>(random() % 2001) / 1000 - 1) * largest);
  return made;
}

// Bits are along the first directions, second codes along some of these; the last ones are those of the lead.
struct Sample {
  static constexpr std::size_t kWidth = kBits + kLead;
  std::vector<std::uint8_t> codes = random_codes(kCodes, kBits, 1), second = random_codes(kCodes, kSecond, 2);
  std::vector<std::uint32_t> blocks = std::vector<std::uint32_t>(block_count(kCodes) * words_per_code(kBits) * 16);
  std::vector<std::uint16_t> factors = std::vector<std::uint16_t>(block_count(kCodes) * 2 * 16, kHalfQuarter);
  std::vector<std::uint16_t> second_numbers = std::vector<std::uint16_t>(kCodes * 2, kHalfOne);
  std::vector<std::int64_t> starts = {0, 0, 50, 61, 200, 210, 333, kCodes};
  std::vector<std::uint32_t> rows = std::vector<std::uint32_t>(kCodes);
  std::vector<std::int16_t> centroids = numbers<std::int16_t>(kLists * kDim, 3, 2047);
  std::vector<std::int8_t> lead = numbers<std::int8_t>(kLists * kLead, 4, 127);
  std::vector<double> steps = std::vector<double>(kLists, 1e-4);
  std::vector<float> inverse_norms = std::vector<float>(kLists, 1.0f), mean = numbers<float>(kDim, 5, 0.1),
                     directions = numbers<float>(kDim * kWidth, 6, 1), lead_mean = numbers<float>(kLead, 7, 0.1);
  std::vector<std::uint32_t> columns = std::vector<std::uint32_t>(kBits), second_columns = {3, 1, 7, 32, 8, 9, 11, 20};
  std::vector<std::uint8_t> bits = {3, 3, 3, 3, 2, 2, 2, 2};
  std::vector<float> column_factors = std::vector<float>(kBits, 0.5f);
  std::vector<double> second_factors = std::vector<double>(8, 0.25);
  std::vector<float> queries = numbers<float>(kQueries * kDim, 8, 3);

  Sample() {
    write_codes(codes.data(), kCodes, kBits, 0, blocks.data());
    std::iota(columns.begin(), columns.end(), 0u);
    std::iota(rows.begin(), rows.end(), 0u);
    std::shuffle(rows.begin(), rows.end(), std::mt19937(9));
  }

  ListedTable table(bool leads, bool refined) const {
    const ByteRows first = leads ? ByteRows{lead.data(), steps.data(), kLead} : ByteRows{nullptr, nullptr, 0};
    std::optional<SecondStage> stage;
    if (refined) {
      const RowCodes of_rows = {second.data(), kCodes, code_size(kSecond), bits.data(), bits.size()};
      stage = {of_rows, {second_numbers.data(), 2}, {second_columns.data(), second_factors.data(), bits.size()}};
    }
    return {{blocks.data(), kCodes, words_per_code(kBits)},
            {factors.data(), 2, Metric::kCosine},
            {starts.data(), rows.data(), kLists},
            {{centroids.data(), steps.data(), kDim}, first, inverse_norms.data(), nullptr, nullptr, kLists},
            {mean.data(), directions.data(), kDim, kWidth},
            {columns.data(), column_factors.data(), kBits},
            lead_mean.data(),
            {},
            stage,
            kNorm,
            kQueryNorm};
  }
};

struct Found {
  std::vector<float> scores;
  std::vector<std::int64_t> rows;
};

Found found(const Kernels& isa, const ListedTable& table, const float* queries, std::size_t n, std::size_t n_read,
            Mask mask, std::size_t n_threads) {
  Guarded<float> scores(n * kK);
  Guarded<std::int64_t> rows(n * kK);
  CHECK(list_search(isa, table, queries, n, {kK, kShortlist, n_read}, mask, n_threads, from_disk, never, scores.data(),
                    rows.data()));
  return {{scores.data(), scores.data() + n * kK}, {rows.data(), rows.data() + n * kK}};
}

void test_agreement(const Sample& sample) {
  const Kernels& plain = *available_isas().back();
  std::vector<std::uint8_t> some(2 * block_count(kCodes));
  for (std::size_t i = 0; i < kCodes; i += 5) some[i / 8] = static_cast<std::uint8_t>(some[i / 8] | 1u << i % 8);
  for (const bool leads : {false, true}) {
    for (const bool refined : {false, true}) {
      const ListedTable table = sample.table(leads, refined);
      for (const std::size_t n_read : {std::size_t{1}, std::size_t{3}, kLists}) {
        for (const Mask mask : {Mask{nullptr}, Mask{some.data()}}) {
          const Found all = found(plain, table, sample.queries.data(), kQueries, n_read, mask, 1);
          for (const std::int64_t row : all.rows) CHECK(!mask || row % 5 == 0);
          for (const Kernels* isa : available_isas()) {
            for (const std::size_t n_threads : {1u, 3u}) {
              const Found own = found(*isa, table, sample.queries.data(), kQueries, n_read, mask, n_threads);
              CHECK(own.rows == all.rows && own.scores == all.scores);
            }
            for (std::size_t q = 0; q < kQueries; ++q) {
              const Found own = found(*isa, table, sample.queries.data() + q * kDim, 1, n_read, mask, 1);
              CHECK(
                  std::equal(own.rows.begin(), own.rows.end(), all.rows.begin() + static_cast<std::ptrdiff_t>(q * kK)));
            }
          }
        }
      }
    }
  }
}

// Of codes alone in all lists, in double.
void test_scores(const Sample& sample) {
  const ListedTable table = sample.table(false, false);
  const Found all = found(*available_isas().front(), table, sample.queries.data(), kQueries, kLists, nullptr, 1);
  std::vector<std::size_t> positions(kCodes);
  for (std::size_t p = 0; p < kCodes; ++p) positions[sample.rows[p]] = p;
  for (std::size_t q = 0; q < kQueries; ++q) {
    double square = 0;
    const float* query = sample.queries.data() + q * kDim;
    for (std::size_t i = 0; i < kDim; ++i) square += double{query[i]} * double{query[i]};
    for (std::size_t i = 0; i < kK; ++i) {
      const std::size_t position = positions[static_cast<std::size_t>(all.rows[q * kK + i])];
      const auto after =
          std::upper_bound(sample.starts.begin(), sample.starts.end(), static_cast<std::int64_t>(position));
      const auto list = static_cast<std::size_t>(after - sample.starts.begin()) - 1;
      double dot = 0, product = 0;
      for (std::size_t d = 0; d < kDim; ++d) {
        const double entry = double{query[d]} * kQueryNorm / std::sqrt(square);
        product += entry * 1e-4 * double{sample.centroids[list * kDim + d] * 1.0};
        for (std::size_t j = 0; j < kBits; ++j) {
          const bool bit = sample.codes[position * code_size(kBits) + j / 8] >> j % 8 & 1;
          const double along = (entry - double{sample.mean[d]}) * double{sample.directions[d * Sample::kWidth + j]} / 2;
          dot += bit ? along : -along;
        }
      }
      // In units of the norm: a scale and a bias of a quarter.
      const double score = (dot / kNorm * 0.25 + 0.25 + product / kNorm / kNorm) * kNorm * (kNorm / kQueryNorm);
      CHECK(std::abs(score) < 1 && std::abs(double{all.scores[q * kK + i]} - score) < 1e-3);
    }
  }
}

void test_what_is_out_of_the_ordinary(const Sample& sample) {
  const Kernels& isa = *available_isas().front();
  const ListedTable table = sample.table(true, true);
  std::vector<float> scores(kK);
  std::vector<std::int64_t> rows(kK);
  std::vector<double> query(kDim, 1.0);
  const auto finds = [&](const Wanted& wanted, Mask mask) {
    return list_search(isa, table, query.data(), 1, wanted, mask, 1, from_disk, never, scores.data(), rows.data());
  };
  const Wanted wanted = {kK, kShortlist, 2};
  CHECK(finds(wanted, nullptr));
  const std::vector<std::uint8_t> none(2 * block_count(kCodes));
  CHECK(!finds(wanted, none.data()));
  for (const double wrong : {1e200, std::numeric_limits<double>::quiet_NaN()}) {
    query[3] = wrong;
    CHECK(!finds(wanted, nullptr));
  }
  std::fill(query.begin(), query.end(), 0.0);
  CHECK(!finds(wanted, nullptr));
}

}  // namespace

int main() {
  const Sample sample;
  test_agreement(sample);
  test_scores(sample);
  test_what_is_out_of_the_ordinary(sample);
  std::printf("all stages at once agree\n");
}
