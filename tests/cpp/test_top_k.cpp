#include "check.hpp"
#include "core/top_k.hpp"

using namespace slimvec;

int main() {
  CHECK(key_rank(make_key(0xFFFFFFFE, 987654321)) == 0xFFFFFFFE);
  CHECK(key_index(make_key(12345, 987654321)) == 987654321);
  CHECK(make_key(1, 5) < make_key(2, 0) && make_key(1, 5) < make_key(1, 6));

  std::mt19937 random(12);
  for (std::size_t k : {1u, 2u, 10u, 100u}) {
    for (std::size_t n : {1u, 5u, 50u, 5000u}) {
      TopK top(k);
      std::vector<Key> all;
      for (std::size_t i = 0; i < n; ++i) {
        const auto distance = static_cast<std::uint32_t>(random() % 20);
        all.push_back(make_key(distance, i));
        if (distance < top.limit()) top.push(all.back());  // as the search does: at the limit, a later index loses
        if (random() % 8 == 0) top.tighten();
      }
      std::sort(all.begin(), all.end());
      all.resize(std::min(k, n));
      CHECK(top.sorted() == all);
    }
  }
  std::printf("top-k agrees with sorting\n");
}
