// The score kernels of every instruction set against plain loops, bit for bit, all inputs and outputs ending at a guard
// page.
#include "check.hpp"
#include "sparse.hpp"

using namespace slimvec;

namespace {

constexpr std::size_t kAnchors = 200;

// Rows of the given lengths, with values whose sums no other order rounds alike.
template <typename Index>
void test_rows(const Kernels& isa, const std::vector<std::uint32_t>& lengths) {
  std::vector<std::uint32_t> offsets(1, 0);
  for (const std::uint32_t length : lengths) offsets.push_back(offsets.back() + length);
  const std::size_t n_entries = offsets.back(), n_rows = lengths.size();
  Guarded<std::uint32_t> starts(offsets);
  Guarded<float> weights(random_floats(n_entries, 1)), anchor_scores(random_floats(kAnchors, 2));
  Guarded<float> scores(n_rows), untouched(n_rows);
  Guarded<Index> indices(n_entries);
  std::mt19937 random(3);
  for (std::size_t j = 0; j < n_entries; ++j) indices[j] = static_cast<Index>(random() % kAnchors);
  const auto score = [&](Guarded<float>& out) {
    return isa.score_rows(indices.data(), sizeof(Index), weights.data(), starts.data(), n_rows, anchor_scores.data(),
                          kAnchors, out.data());
  };

  CHECK(score(scores));
  for (std::size_t row = 0; row < n_rows; ++row) {
    float sum = 0;
    for (std::size_t j = offsets[row]; j < offsets[row + 1]; ++j) {
      const float product = weights[j] * anchor_scores[indices[j]];
      sum += product;
    }
    CHECK(std::memcmp(&scores[row], &sum, sizeof sum) == 0);
  }

  for (std::size_t j = 0; j < n_entries; ++j) {
    const Index good = indices[j];
    indices[j] = j % 2 ? static_cast<Index>(kAnchors) : static_cast<Index>(-1);
    CHECK(!score(untouched));
    indices[j] = good;
  }
  CHECK(n_rows == 0 || std::memcmp(untouched.data(), Guarded<float>(n_rows).data(), n_rows * sizeof(float)) == 0);
}

template <typename Index>
void test_lengths(const Kernels& isa) {
  for (std::uint32_t n_rows = 0; n_rows < 10; ++n_rows) {
    for (std::uint32_t length = 0; length < 14; ++length) {
      test_rows<Index>(isa, std::vector<std::uint32_t>(n_rows, length));
    }
  }
  std::mt19937 random(4);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint32_t> lengths(random() % 20);
    for (std::uint32_t& length : lengths) length = static_cast<std::uint32_t>(random() % 3 ? random() % 12 : 0);
    test_rows<Index>(isa, lengths);
  }
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    test_lengths<std::uint8_t>(*isa);
    test_lengths<std::uint16_t>(*isa);
    test_lengths<std::uint32_t>(*isa);
    std::printf("%s: scores of sparse rows agree with plain loops, bit for bit\n", isa->name);
  }
}
