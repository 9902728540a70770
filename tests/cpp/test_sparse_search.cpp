#include <cmath>

#include "check.hpp"
#include "core/sparse_search.hpp"
#include "core/top_scores.hpp"
#include "sparse.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr std::size_t kColumns = 90;

void test_top_scores() {
  const float in_order[] = {INFINITY, 1e30f, 1.0f, 1e-45f, 0.0f, -1e-45f, -1.0f, -1e30f, -INFINITY, std::nanf("")};
  for (std::size_t i = 0; i + 1 < 10; ++i) {
    CHECK(make_score_key(in_order[i], 9) < make_score_key(in_order[i + 1], 0));
    CHECK(key_score(make_score_key(in_order[i], 7)) == in_order[i] && key_index(make_score_key(in_order[i], 7)) == 7);
  }
  CHECK(std::isnan(key_score(make_score_key(-std::nanf(""), 0))));
  CHECK(make_score_key(-0.0f, 3) == make_score_key(0.0f, 3) && make_score_key(1, 5) < make_score_key(1, 6));
  CHECK(key_index(make_score_key(0, kMaxIndex)) == static_cast<std::int64_t>(kMaxIndex));
}

// Against sorting all scores, which are multiples of 1/8 and so tie often.
template <typename Offset, typename Index>
void test_search(const Kernels& isa, std::size_t n_rows, std::size_t n_queries, bool half) {
  const RandomRows random_rows(n_rows, kColumns, 5, 11);
  GuardedRows<Offset, Index> guarded(random_rows, kColumns, half);
  std::vector<float> values(n_queries * kColumns), scales(n_rows);
  std::mt19937 random(12);
  for (float& value : values) value = static_cast<float>(random() % 5) - 2.0f;
  for (float& scale : scales) scale = static_cast<float>(random() % 3);
  Guarded<float> anchor_scores(values), row_scales(scales);
  Guarded<std::uint8_t> mask(ceil_divide(n_rows, 8));
  for (std::size_t i = 0; i < ceil_divide(n_rows, 8); ++i) mask[i] = static_cast<std::uint8_t>(random() & random());

  for (const bool masked : {false, true}) {
    for (std::size_t k : {std::size_t{1}, std::min<std::size_t>(10, n_rows), n_rows}) {
      for (std::size_t n_threads : {1u, 3u}) {
        Guarded<float> scores(n_queries * k);
        Guarded<std::int64_t> indices(n_queries * k);
        sparse_search(isa, guarded.view(), row_scales.data(), masked ? mask.data() : nullptr, anchor_scores.data(),
                      n_queries, k, n_threads, never, scores.data(), indices.data());
        for (std::size_t q = 0; q < n_queries; ++q) {
          std::vector<std::pair<float, std::size_t>> ranked;
          const std::vector<float> query(values.begin() + static_cast<std::ptrdiff_t>(q * kColumns),
                                         values.begin() + static_cast<std::ptrdiff_t>((q + 1) * kColumns));
          for (std::size_t row = 0; row < n_rows; ++row) {
            if (masked && !bit_of(mask.data(), row)) continue;
            ranked.emplace_back(-(random_rows.dense_row(row, query, 1)[0] * scales[row]), row);
          }
          std::sort(ranked.begin(), ranked.end());
          for (std::size_t i = 0; i < k; ++i) {
            const bool found = i < ranked.size();
            CHECK(scores[q * k + i] == (found ? -ranked[i].first : -INFINITY));
            CHECK(indices[q * k + i] == (found ? static_cast<std::int64_t>(ranked[i].second) : -1));
          }
        }
      }
    }
  }
}

void test_bad_input(const Kernels& isa) {
  const RandomRows random_rows(70, kColumns, 5, 13);
  GuardedRows<std::int64_t, std::uint16_t> good(random_rows, kColumns, true);
  const std::vector<float> anchor_scores(2 * kColumns);
  std::vector<float> scores(200);
  std::vector<std::int64_t> indices(200);
  const auto search = [&](const SparseRows& rows, std::size_t n_queries, std::size_t k) {
    sparse_search(isa, rows, nullptr, nullptr, anchor_scores.data(), n_queries, k, 1, never, scores.data(),
                  indices.data());
  };
  CHECK_THROWS(search(good.view(), 1, 0), std::invalid_argument);
  CHECK_THROWS(search(good.view(), 1, 71), std::invalid_argument);
  for (std::size_t n_queries : {1u, 2u}) {
    for (const std::int64_t offset : {std::int64_t{-1}, std::int64_t{10000}, INT64_MAX, INT64_MIN}) {
      for (std::size_t at : {0u, 5u, 70u}) {
        GuardedRows<std::int64_t, std::uint16_t> bad(random_rows, kColumns, true);
        bad.indptr[at] = offset;
        CHECK_THROWS(search(bad.view(), n_queries, 3), DamagedRows);
      }
    }
    for (std::size_t at = 0; at < random_rows.indices.size(); at += 7) {
      GuardedRows<std::uint32_t, std::uint16_t> bad(random_rows, kColumns, false);
      bad.indices[at] = 65535;
      CHECK_THROWS(search(bad.view(), n_queries, 3), DamagedRows);
    }
  }
}

void test_worthwhile_threads() {
  SparseRows rows = {};
  rows.n_rows = 1000, rows.n_entries = 10000;
  CHECK(worthwhile_threads(rows, 1, 8) == 1);
  rows.n_rows = 1000000, rows.n_entries = 10000000;
  CHECK(worthwhile_threads(rows, 1, 2) == 2);
  CHECK(worthwhile_threads(rows, 1000, 1) == 1);
  CHECK(worthwhile_threads(rows, 1000, 100000) == 256);
}

}  // namespace

int main() {
  test_top_scores();
  test_worthwhile_threads();
  for (const Kernels* isa : available_isas()) {
    for (std::size_t n_rows : {1u, 63u, 64u, 65u, 500u}) {
      for (std::size_t n_queries : {0u, 1u, 2u, 65u}) {
        test_search<std::uint32_t, std::uint8_t>(*isa, n_rows, n_queries, false);
        test_search<std::int64_t, std::uint16_t>(*isa, n_rows, n_queries, true);
      }
    }
    test_search<std::uint32_t, std::uint32_t>(*isa, 100, 3, false);
    test_bad_input(*isa);
    std::printf("%s: search of sparse tables agrees with sorting all scores\n", isa->name);
  }
}
