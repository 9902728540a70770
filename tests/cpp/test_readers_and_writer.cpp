// Eight threads search codes while one makes others, puts them together and hands them on, as an index does. What a
// search has been given never changes; ThreadSanitizer tells if it does. SLIMVEC_SECONDS says how long.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

#include "check.hpp"
#include "core/grid_codes.hpp"
#include "core/hamming_search.hpp"
#include "core/partition_search.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr std::size_t kDirections = 40, kBits = 70, kReaders = 8, kQueries = 3, kNeighbours = 5, kMostRows = 4000;
constexpr std::size_t kLists = 4, kFound = kQueries * kNeighbours;
constexpr std::uint16_t kHalfOne = 0x3c00, kHalfTwo = 0x4000;  // float16

Grid two_bits_and_one() {
  Grid grid;
  for (std::size_t j = 0; j < kDirections; ++j) {
    const bool two = j < kBits - kDirections;
    grid.bits.push_back(two ? 2 : 1);
    grid.directions.push_back({0.5f, 2.0f, 0.6f, 0.3f, two ? 1.5f : 0.5f});
  }
  return grid;
}

struct Queries {
  std::vector<std::uint8_t> codes = random_codes(kQueries, kBits, 1);
  std::vector<std::int16_t> values = std::vector<std::int16_t>(kQueries * kBits);
  std::vector<float> units = std::vector<float>(kQueries, 0.25f), none = std::vector<float>(kQueries);
  std::vector<std::int32_t> lists = {0, 2, 3, 1, 2, 0};  // two for each
  std::vector<float> offsets = {0, 1, 1, 0, 0, -1};

  Queries() {
    std::mt19937 random(2);
    for (std::int16_t& value : values) value = static_cast<std::int16_t>(static_cast<int>(random() % 99) - 49);
  }
};

struct Answers {
  std::vector<std::int32_t> distances = std::vector<std::int32_t>(kFound);
  std::vector<float> scores = std::vector<float>(kFound), of_lists = std::vector<float>(kFound);
  std::vector<std::int64_t> ids = std::vector<std::int64_t>(3 * kFound);

  bool operator==(const Answers& other) const {
    return distances == other.distances && scores == other.scores && of_lists == other.of_lists && ids == other.ids;
  }
};

// Rows of an index: codes and factors in blocks, lists of them, which are there, and what queries are answered.
struct Segment {
  explicit Segment(std::size_t n)
      : n_codes(n),
        blocks(block_count(n) * words_per_code(kBits) * kBlockCodes),
        factors(block_count(n) * 2 * kBlockCodes),
        mask(block_count(n) * kBlockCodes / 8),
        starts(kLists + 1),
        rows(n) {
    for (std::size_t list = 0; list <= kLists; ++list) starts[list] = static_cast<std::int64_t>(n * list / kLists);
    std::iota(rows.rbegin(), rows.rend(), 0u);
  }

  BlockedCodes table() const { return {blocks.data(), n_codes, words_per_code(kBits)}; }

  Answers asked(const Kernels& isa, const Queries& queries, std::size_t n_threads) const {
    Answers found;
    const Factors numbers = {factors.data(), 2, Metric::kDot};
    const AsymmetricQueries asking = {queries.values.data(), queries.units.data(), queries.none.data(), kQueries,
                                      kBits};
    hamming_search(isa, table(), kBits, mask.data(), queries.codes.data(), kQueries, kNeighbours, n_threads, never,
                   found.distances.data(), found.ids.data());
    asymmetric_search(isa, table(), numbers, mask.data(), asking, kNeighbours, n_threads, never, found.scores.data(),
                      found.ids.data() + kFound);
    partition_search(isa, table(), numbers, {starts.data(), rows.data(), kLists}, nullptr, mask.data(), asking,
                     {queries.lists.data(), queries.offsets.data(), 2}, kNeighbours, n_threads, never,
                     found.of_lists.data(), found.ids.data() + 2 * kFound);
    return found;
  }

  std::size_t n_codes;
  std::vector<std::uint32_t> blocks;
  std::vector<std::uint16_t> factors;
  std::vector<std::uint8_t> mask;
  std::vector<std::int64_t> starts;
  std::vector<std::uint32_t> rows;
  Answers answers;
};

using Shared = std::shared_ptr<const Segment>;

// Which segment is searched: all that readers and the writer share.
class Current {
 public:
  Shared get() const {
    const std::lock_guard<std::mutex> held(lock_);
    return segment_;
  }
  void set(Shared segment) {
    const std::lock_guard<std::mutex> held(lock_);
    segment_.swap(segment);
  }

 private:
  mutable std::mutex lock_;
  Shared segment_;
};

// Encodes some rows and puts them behind those that are there; a third of all is marked as removed.
Shared grown(const Segment* before, const Kernels& isa, const Grid& grid, const Queries& queries,
             std::mt19937& random) {
  const std::size_t n_old = before == nullptr || before->n_codes >= kMostRows ? 0 : before->n_codes;
  const std::size_t n_new = 50 + random() % 500, size = code_size(kBits);
  std::normal_distribution<float> normal;
  std::vector<float> values(n_new * kDirections), parallels(n_new, 0.1f), scales(n_new), products(n_new), sums(n_new);
  for (float& value : values) value = normal(random);
  std::vector<std::uint8_t> codes((n_old + n_new) * size);
  if (n_old) {
    std::vector<std::int64_t> all(n_old);
    std::iota(all.begin(), all.end(), 0);
    read_codes(before->table(), all.data(), n_old, kBits, codes.data());
  }
  grid_codes(isa, grid, 2, values.data(), parallels.data(), n_new, codes.data() + n_old * size, scales.data(),
             products.data(), sums.data());
  auto made = std::make_shared<Segment>(n_old + n_new);
  write_codes(codes.data(), made->n_codes, kBits, 0, made->blocks.data());
  for (std::uint16_t& factor : made->factors) factor = random() % 2 ? kHalfOne : kHalfTwo;
  if (n_old) std::copy_n(before->factors.begin(), n_old / kBlockCodes * 2 * kBlockCodes, made->factors.begin());
  for (std::size_t i = 0; i < made->n_codes; ++i) {
    if (random() % 3) made->mask[i / 8] = static_cast<std::uint8_t>(made->mask[i / 8] | 1u << i % 8);
  }
  made->answers = made->asked(isa, queries, 1);
  return made;
}

double seconds() {
  const char* given = std::getenv("SLIMVEC_SECONDS");
  return given == nullptr ? 1.0 : std::atof(given);
}

}  // namespace

int main() {
  if (!kHasThreads) {
    std::printf("SKIPPED: there are no threads here\n");
    return 0;
  }
  const Grid grid = two_bits_and_one();
  const Queries queries;
  const std::vector<const Kernels*> isas = available_isas();
  std::mt19937 random(3);
  Current current;
  current.set(grown(nullptr, *isas[0], grid, queries, random));
  std::atomic<bool> ended{false};
  std::vector<std::size_t> n_searches(kReaders);
  std::vector<std::thread> readers;
  for (std::size_t reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&, reader] {
      do {
        const Shared seen = current.get();
        CHECK(seen->asked(*isas[reader % isas.size()], queries, 1 + reader % 3) == seen->answers);
        ++n_searches[reader];
      } while (!ended);
    });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds());
  std::size_t n_changes = 0;
  for (; n_changes < 3 || std::chrono::steady_clock::now() < end; ++n_changes) {
    const Shared seen = current.get();
    current.set(grown(seen.get(), *isas[n_changes % isas.size()], grid, queries, random));
  }
  ended = true;
  for (std::thread& reader : readers) reader.join();
  std::printf("%zu readers saw whole segments in %zu searches, while %zu were made\n", kReaders,
              std::accumulate(n_searches.begin(), n_searches.end(), std::size_t{0}), n_changes);
}
