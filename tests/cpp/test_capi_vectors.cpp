// The C functions that take vectors, over frozen tables.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <thread>

#include "capi/slimvec.h"
#include "check.hpp"

namespace {

std::string folder;

bool error_holds(const char* text) { return std::strstr(slimvec_error(), text) != nullptr; }

// What Python found: tests/data/v2/grid.json, and tests/data/v1/factors.json.
void test_vectors() {
  slimvec_table* table = slimvec_open((folder + "/v2/grid.slim").c_str());
  CHECK(table != nullptr && slimvec_rows(table) == 20 && slimvec_dim(table) == 8);
  CHECK(slimvec_original_dim(table) == 12 && slimvec_bits(table) == 29 && slimvec_find(table, "sea", 3) == 4);
  const std::int64_t nearest[5][4] = {{3, 18, 4, 13}, {8, 4, 5, 6}, {9, 5, 8, 7}, {0, 18, 13, 4}, {18, 6, 0, 8}};
  std::vector<std::int64_t> rows(100, 7);
  std::vector<float> scores(100, 7.0f), again(100);
  for (std::int64_t row = 0; row < 5; ++row) {
    CHECK(slimvec_nearest(table, row, 4, 2, rows.data(), scores.data()) == 0);
    CHECK(std::equal(nearest[row], nearest[row] + 4, rows.begin()));
  }

  // Rows asked for by their own vectors, at any length; more than there are leave places over.
  const std::int64_t best[5][3] = {{0, 3, 18}, {8, 4, 1}, {2, 9, 5}, {3, 0, 18}, {4, 18, 6}};
  std::vector<std::int64_t> all(20);
  std::iota(all.begin(), all.end(), std::int64_t{0});
  std::vector<float> vectors(20 * 12);
  CHECK(slimvec_lookup_original(table, all.data(), 20, vectors.data()) == 0);
  std::vector<std::int64_t> found(20 * 25);
  std::vector<float> its(20 * 25);
  CHECK(slimvec_search(table, vectors.data(), 20, 25, SLIMVEC_COSINE, 2, found.data(), its.data()) == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(i >= 5 || std::equal(best[i], best[i] + 3, found.begin() + static_cast<std::ptrdiff_t>(25 * i)));
    for (std::size_t j = 0; j < 20; ++j) CHECK(its[25 * i + j] <= (j == 0 ? 1 : its[25 * i + j - 1]));
    for (std::size_t j = 20; j < 25; ++j) CHECK(found[25 * i + j] == -1 && its[25 * i + j] == 0);
  }
  std::vector<float> longer = vectors;
  for (float& value : longer) value *= 1024;
  CHECK(slimvec_search(table, longer.data(), 20, 5, SLIMVEC_COSINE, 1, rows.data(), scores.data()) == 5);
  CHECK(slimvec_search(table, vectors.data(), 20, 5, SLIMVEC_COSINE, 1, rows.data(), again.data()) == 5);
  CHECK(scores == again);

  // Codes, also of more rows than a block has.
  std::vector<std::uint8_t> codes(20 * 4 + 1, 0xA5), one(4);
  CHECK(slimvec_encode(table, vectors.data(), 20, codes.data()) == 0 && codes[80] == 0xA5);
  CHECK(slimvec_encode(table, vectors.data() + 17 * 12, 1, one.data()) == 0);
  CHECK(std::equal(one.begin(), one.end(), codes.begin() + 17 * 4) && one[3] >> 5 == 0);

  vectors[12 * 3 + 5] = std::nanf("");
  std::fill(scores.begin(), scores.end(), 7.0f);
  CHECK(slimvec_search(table, vectors.data(), 20, 2, SLIMVEC_DOT, 1, rows.data(), scores.data()) == -1);
  CHECK(error_holds("NaN or infinity in vector 3") && scores == std::vector<float>(100, 7.0f));
  CHECK(slimvec_encode(table, vectors.data(), 20, one.data()) == -1 && error_holds("vector 3"));
  CHECK(slimvec_search(table, vectors.data(), 0, 2, SLIMVEC_DOT, 1, rows.data(), scores.data()) == 2);
  CHECK(slimvec_search(table, vectors.data(), 1, 0, SLIMVEC_DOT, 1, rows.data(), scores.data()) == -1);
  CHECK(error_holds("k=0"));
  CHECK(slimvec_search(table, vectors.data(), 1, 1, 7, 1, rows.data(), scores.data()) == -1 && error_holds("metric=7"));
  CHECK(slimvec_search(table, vectors.data(), 1, 1, SLIMVEC_DOT, 0, rows.data(), scores.data()) == -1);
  slimvec_close(table);

  table = slimvec_open((folder + "/v1/factors.slim").c_str());
  CHECK(table != nullptr && slimvec_original_dim(table) == 24 && slimvec_bits(table) == 37);
  const float zeros[24] = {0};
  CHECK(slimvec_search(table, zeros, 1, 3, SLIMVEC_COSINE, 1, rows.data(), scores.data()) == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(rows[i] == all[i] && scores[i] == 0);
  slimvec_close(table);

  table = slimvec_open((folder + "/v1/binary.slim").c_str());  // of codes alone, or with an encoder
  CHECK(table != nullptr);
  CHECK(slimvec_lookup_original(table, all.data(), 1, its.data()) == -1 && error_holds("factors"));
  slimvec_close(table);
  table = slimvec_open((folder + "/v1/sparse-float32.slim").c_str());
  CHECK(table != nullptr && slimvec_original_dim(table) == 4 && slimvec_bits(table) == 0);
  CHECK(slimvec_encode(table, zeros, 1, one.data()) == -1 && error_holds("no codes"));
  CHECK(slimvec_search(table, zeros, 1, 9, SLIMVEC_DOT, 1, rows.data(), scores.data()) == 5 && rows[5] == -1);
  slimvec_close(table);
}

// What Python found: tests/data/v3/lists.json.
void test_refined_codes_in_lists() {
  slimvec_table* table = slimvec_open((folder + "/v3/lists.slim").c_str());
  CHECK(table != nullptr && slimvec_rows(table) == 40 && slimvec_dim(table) == 11 && slimvec_lists(table) == 4);
  CHECK(slimvec_original_dim(table) == 12 && slimvec_bits(table) == 18 && slimvec_find(table, "sea", 3) == 4);
  const std::int64_t nearest[3][4] = {{31, 11, 39, 28}, {8, 17, 39, 30}, {37, 20, 14, 18}};
  std::vector<std::int64_t> rows(40, 7), every(40);
  std::vector<float> scores(40, 7.0f), again(40);
  for (std::int64_t row = 0; row < 3; ++row) {
    CHECK(slimvec_nearest(table, row, 4, 2, rows.data(), scores.data()) == 0);
    CHECK(std::equal(nearest[row], nearest[row] + 4, rows.begin()));
  }

  const float query[12] = {-2, 2, 0, 4, 4, 4, 1, 3, 0, 0, 1, 1};
  const std::int64_t of_one[] = {1, 8, 25, 29}, of_all[] = {1, 8, 17, 30};
  CHECK(slimvec_search_lists(table, query, 1, 4, SLIMVEC_COSINE, 1, 1, rows.data(), scores.data()) == 4);
  CHECK(std::equal(of_one, of_one + 4, rows.begin()));
  CHECK(slimvec_search(table, query, 1, 4, SLIMVEC_COSINE, 1, rows.data(), scores.data()) == 4);
  CHECK(std::equal(of_all, of_all + 4, rows.begin()));

  // One list holds fewer rows than there are: the search goes on until all are found, each once.
  CHECK(slimvec_search_lists(table, query, 1, 40, SLIMVEC_COSINE, 1, 2, rows.data(), scores.data()) == 40);
  CHECK(slimvec_search(table, query, 1, 40, SLIMVEC_COSINE, 1, every.data(), again.data()) == 40);
  CHECK(rows == every && scores == again);
  std::sort(rows.begin(), rows.end());
  for (std::int64_t row = 0; row < 40; ++row) CHECK(rows[static_cast<std::size_t>(row)] == row);

  CHECK(slimvec_search_lists(table, query, 1, 4, SLIMVEC_COSINE, 0, 1, rows.data(), scores.data()) == -1);
  CHECK(error_holds("n_probes=0") && rows[5] == 5);
  slimvec_close(table);
  table = slimvec_open((folder + "/v2/grid.slim").c_str());
  CHECK(table != nullptr && slimvec_lists(table) == 0);
  CHECK(slimvec_search_lists(table, query, 1, 4, SLIMVEC_COSINE, 1, 1, rows.data(), scores.data()) == -1);
  CHECK(error_holds("no lists") && rows[5] == 5);
  slimvec_close(table);
}

// The first who ask make what all share: where rows lie, and the centroids in integers.
void test_several_threads_at_once() {
  slimvec_table* table = slimvec_open((folder + "/v3/lists.slim").c_str());
  CHECK(table != nullptr);
  const float query[12] = {-2, 2, 0, 4, 4, 4, 1, 3, 0, 0, 1, 1};
  constexpr std::size_t kThreads = 4, kFound = 4;
  std::vector<std::int64_t> rows(kThreads * kFound);
  std::vector<float> scores(kThreads * kFound), vectors(kThreads * 12);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const std::int64_t row = 17;
      CHECK(slimvec_search_lists(table, query, 1, kFound, SLIMVEC_COSINE, 1, 1, rows.data() + i * kFound,
                                 scores.data() + i * kFound) == 4);
      CHECK(slimvec_lookup_original(table, &row, 1, vectors.data() + i * 12) == 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  slimvec_close(table);
  for (std::size_t i = 0; i < kThreads; ++i) {
    CHECK(std::equal(rows.begin(), rows.begin() + kFound, rows.begin() + static_cast<std::ptrdiff_t>(i * kFound)));
    CHECK(std::equal(vectors.begin(), vectors.begin() + 12, vectors.begin() + static_cast<std::ptrdiff_t>(i * 12)));
  }
}

}  // namespace

int main(int, char** argv) {
  folder = argv[1];
  test_vectors();
  test_refined_codes_in_lists();
  if (kHasThreads) test_several_threads_at_once();
  std::printf("the C functions find what Python found\n");
}
