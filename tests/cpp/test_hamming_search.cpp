#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include "check.hpp"
#include "core/hamming_search.hpp"
#include "core/top_k.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

using Expected = std::vector<std::vector<Key>>;  // per query, in rising order

void check_top(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, Mask mask,
               const std::vector<std::uint8_t>& queries, std::size_t k, std::size_t n_threads,
               const Expected& expected) {
  Guarded<std::int32_t> distances(expected.size() * k);
  Guarded<std::int64_t> indices(expected.size() * k);
  hamming_search(isa, table, n_bits, mask, queries.data(), expected.size(), k, n_threads, never, distances.data(),
                 indices.data());
  for (std::size_t q = 0; q < expected.size(); ++q) {
    for (std::size_t i = 0; i < k; ++i) {
      const bool found = i < expected[q].size();
      CHECK(distances[q * k + i] == (found ? static_cast<std::int32_t>(key_rank(expected[q][i])) : INT32_MAX));
      CHECK(indices[q * k + i] == (found ? key_index(expected[q][i]) : -1));
    }
  }
}

void check_range(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, Mask mask,
                 const std::vector<std::uint8_t>& queries, std::size_t radius, std::size_t n_threads,
                 Expected expected) {
  for (std::vector<Key>& keys : expected) {
    const Key beyond = make_key(radius + 1, 0);
    keys.erase(std::lower_bound(keys.begin(), keys.end(), beyond), keys.end());
  }
  CHECK(hamming_range_search(isa, table, n_bits, mask, queries.data(), expected.size(),
                             static_cast<std::uint32_t>(radius), n_threads, never) == expected);
}

// No code, about every third code, and one run of codes with nothing around it.
std::vector<std::vector<std::uint8_t>> make_masks(std::size_t n_codes) {
  std::vector<std::vector<std::uint8_t>> masks(3, std::vector<std::uint8_t>(2 * block_count(n_codes)));
  std::mt19937 random(13);
  for (std::size_t i = 0; i < n_codes; ++i) {
    const auto bit = static_cast<std::uint8_t>(1u << i % 8);
    if (random() % 3 == 0) masks[1][i / 8] |= bit;
    if (i >= n_codes / 3 && i < n_codes / 2) masks[2][i / 8] |= bit;
  }
  return masks;
}

// Few distinct codes make ties certain; 3000 codes are several chunks. Threads are started however small the work.
void test_search(const Kernels& isa, std::size_t n_codes, std::size_t n_bits, std::size_t n_queries) {
  std::vector<std::uint8_t> codes = random_codes(n_codes, n_bits, 10);
  const std::size_t size = code_size(n_bits);
  for (std::size_t i = n_codes / 2; i < n_codes; ++i) {
    std::copy_n(codes.begin() + static_cast<std::ptrdiff_t>((i % 7) * size), size,
                codes.begin() + static_cast<std::ptrdiff_t>(i * size));
  }
  const std::vector<std::uint8_t> queries = random_codes(n_queries, n_bits, 11);
  Guarded<std::uint32_t> blocks(block_count(n_codes) * words_per_code(n_bits) * kBlockCodes);
  write_codes(codes.data(), n_codes, n_bits, 0, blocks.data());
  const BlockedCodes table = {blocks.data(), n_codes, words_per_code(n_bits)};

  const std::vector<std::vector<std::uint8_t>> masks = make_masks(n_codes);
  std::vector<std::vector<Key>> ranked(n_queries);
  Guarded<std::int32_t> all(n_queries * n_codes), some(n_queries * 2);
  std::vector<std::int64_t> ids;
  for (std::size_t q = 0; q < n_queries; ++q) {
    ids.push_back(static_cast<std::int64_t>(q % n_codes));
    ids.push_back(static_cast<std::int64_t>(n_codes - 1));
  }
  hamming_pairwise(isa, table, n_bits, queries.data(), n_queries, 3, never, all.data());
  hamming_distances(isa, table, n_bits, queries.data(), n_queries, ids.data(), 2, never, some.data());
  for (std::size_t q = 0; q < n_queries; ++q) {
    for (std::size_t i = 0; i < n_codes; ++i) {
      const std::uint32_t slow = slow_distance(codes.data() + i * size, queries.data() + q * size, n_bits);
      CHECK(all[q * n_codes + i] == static_cast<std::int32_t>(slow));
      ranked[q].push_back(make_key(slow, i));
    }
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(some[2 * q + i] == all[q * n_codes + static_cast<std::size_t>(ids[2 * q + i])]);
    }
    std::sort(ranked[q].begin(), ranked[q].end());
  }
  for (const Mask mask : {Mask{nullptr}, Mask{masks[0].data()}, Mask{masks[1].data()}, Mask{masks[2].data()}}) {
    std::vector<std::vector<Key>> allowed(n_queries);
    for (std::size_t q = 0; q < n_queries; ++q) {
      for (const Key key : ranked[q]) {
        const std::size_t i = static_cast<std::size_t>(key_index(key));
        if (!mask || bit_of(mask, i)) allowed[q].push_back(key);
      }
    }
    for (std::size_t n_threads : {1u, 2u, 3u, 7u}) {
      for (std::size_t k : {std::size_t{1}, std::size_t{10}, n_codes / 2, n_codes}) {
        if (k >= 1 && k <= n_codes) check_top(isa, table, n_bits, mask, queries, k, n_threads, allowed);
      }
      for (std::size_t radius : {std::size_t{0}, n_bits / 2, n_bits, n_bits + 5}) {
        check_range(isa, table, n_bits, mask, queries, radius, n_threads, allowed);
      }
    }
  }
}

// A "yes" stops the search within one poll, on every thread, and says so.
void test_interrupt(const Kernels& isa) {
  const std::size_t n_codes = 200000, n_queries = 2000;
  const std::vector<std::uint32_t> blocks(block_count(n_codes) * kBlockCodes * 4);
  const std::vector<std::uint8_t> queries(n_queries * 16);
  std::vector<std::int32_t> distances(n_queries);
  std::vector<std::int64_t> indices(n_queries);
  static int questions;
  questions = 0;
  for (const std::size_t n_threads : {1u, 3u}) {
    Interrupt at_once([] { return ++questions > 0; });
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // the first question is due
    CHECK_THROWS(hamming_search(isa, {blocks.data(), n_codes, 4}, 128, nullptr, queries.data(), n_queries, 1, n_threads,
                                at_once, distances.data(), indices.data()),
                 Interrupted);
  }
  CHECK(questions == 2);
}

// Eight threads search one table side by side, each with threads of its own.
void test_callers_side_by_side(const Kernels& isa) {
  const std::size_t n_codes = 3000, n_bits = 300, n_queries = 8;
  const std::vector<std::uint8_t> codes = random_codes(n_codes, n_bits, 14);
  std::vector<std::uint32_t> blocks(block_count(n_codes) * words_per_code(n_bits) * kBlockCodes);
  write_codes(codes.data(), n_codes, n_bits, 0, blocks.data());
  const BlockedCodes table = {blocks.data(), n_codes, words_per_code(n_bits)};
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      std::vector<std::int32_t> distances(n_queries);
      std::vector<std::int64_t> indices(n_queries);
      Interrupt mine(nullptr);
      for (std::size_t call = 0; call < 20; ++call) {  // the queries are codes, so each finds itself
        const std::size_t first = (caller * 20 + call) * n_queries;
        hamming_search(isa, table, n_bits, nullptr, codes.data() + first * code_size(n_bits), n_queries, 1,
                       1 + call % 3, mine, distances.data(), indices.data());
        for (std::size_t q = 0; q < n_queries; ++q) {
          CHECK(distances[q] == 0 && indices[q] == static_cast<std::int64_t>(first + q));
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

void test_worthwhile_threads() {
  const BlockedCodes small = {nullptr, 1000, 10}, big = {nullptr, 1000000, 10};
  CHECK(worthwhile_threads(small, 1, 8) == 1);
  CHECK(worthwhile_threads(big, 1, 2) == 2);
  CHECK(worthwhile_threads(big, 1, 100) == 4);
  CHECK(worthwhile_threads(big, 1000, 1) == 1);
  CHECK(worthwhile_threads(big, 1000000, 1000000) == 256);
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    for (std::size_t n_codes : {1u, 15u, 16u, 17u, 1023u, 1025u, 3000u}) test_search(*isa, n_codes, 75, 3);
    test_search(*isa, 300, 1, 2);       // every distance is 0 or 1: nothing but ties
    test_search(*isa, 3000, 2049, 10);  // 10 queries: two threads share the queries, three share the codes
    test_search(*isa, 50, 300, 200);    // several tiles of queries
    test_search(*isa, 50, 300, 0);
    test_worthwhile_threads();
    std::int32_t distance;
    std::int64_t index;
    const std::uint32_t block[16] = {};
    const std::uint8_t query = 0;
    CHECK_THROWS(hamming_search(*isa, {block, 1, 1}, 8, nullptr, &query, 1, 2, 1, never, &distance, &index),
                 std::invalid_argument);
    CHECK_THROWS(hamming_search(*isa, {block, 1, 1}, 8, nullptr, &query, 1, 0, 1, never, &distance, &index),
                 std::invalid_argument);
    CHECK_THROWS(hamming_search(*isa, {block, 0, 1}, 8, nullptr, &query, 1, 1, 1, never, &distance, &index),
                 std::invalid_argument);
    const std::size_t too_many = static_cast<std::size_t>(kMaxIndex + 1);  // 0 where sizes have 32 bits: none has rows
    CHECK_THROWS(hamming_search(*isa, {block, too_many, 1}, 8, nullptr, &query, 1, 1, 1, never, &distance, &index),
                 std::invalid_argument);  // more codes than a key holds
    for (const std::int64_t outside : {std::int64_t{-1}, std::int64_t{1}, INT64_MAX}) {
      CHECK_THROWS(hamming_distances(*isa, {block, 1, 1}, 8, &query, 1, &outside, 1, never, &distance),
                   std::out_of_range);
    }
    test_interrupt(*isa);
    if (kHasThreads) test_callers_side_by_side(*isa);
    std::printf("%s: search agrees with sorting all distances\n", isa->name);
  }
}
