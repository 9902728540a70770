#include "check.hpp"
#include "core/top_k.hpp"

using namespace slimvec;

namespace {

// Ranks below 20 make ties; keys come in rising index, as in a search.
template <typename Top>
void test_top(Top top, std::size_t k, std::size_t n, std::mt19937& random, bool falling) {
  std::vector<Key> all;
  for (std::size_t i = 0; i < n; ++i) {
    const auto rank = static_cast<std::uint32_t>(falling ? 19 - 20 * i / n : random() % 20);
    all.push_back(make_key(rank, i));
    if (rank < top.limit()) top.push(all.back());  // as the search does: at the limit, a later index loses
    if (random() % 8 == 0) top.tighten();
  }
  std::sort(all.begin(), all.end());
  all.resize(std::min(k, n));
  CHECK(top.sorted() == all);
}

}  // namespace

int main() {
  CHECK(key_rank(make_key(0xFFFFFFFE, 987654321)) == 0xFFFFFFFE);
  CHECK(key_index(make_key(12345, 987654321)) == 987654321);
  CHECK(make_key(1, 5) < make_key(2, 0) && make_key(1, 5) < make_key(1, 6));

  std::mt19937 random(12);
  for (std::size_t k : {1u, 2u, 10u, 100u}) {
    for (std::size_t n : {1u, 5u, 50u, 5000u}) {
      for (const bool falling : {false, true}) {  // falling ranks: every key enters, and most are thrown out again
        test_top(TopK(k), k, n, random, falling);
        test_top(CountingTopK(k, 20), k, n, random, falling);
      }
    }
  }
  std::printf("top-k agrees with sorting\n");
}
