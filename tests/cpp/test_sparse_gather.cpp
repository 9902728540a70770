#include "check.hpp"
#include "core/sparse_gather.hpp"
#include "sparse.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr std::size_t kAnchors = 200;

template <typename Offset, typename Index>
void test_types(const Kernels& isa, std::size_t d, bool half, std::size_t longest) {
  const RandomRows random_rows(70, kAnchors, longest, static_cast<unsigned>(d));
  GuardedRows<Offset, Index> guarded(random_rows, kAnchors, half);
  const SparseRows rows = guarded.view();
  const std::vector<float> values = random_floats(kAnchors * d, 5);
  const std::size_t stride = d + (half ? 3 : 0);  // with and without a gap between anchors, but none after the last
  Guarded<float> anchors((kAnchors - 1) * stride + d);
  for (std::size_t i = 0; i < kAnchors; ++i) {
    std::memcpy(anchors.data() + i * stride, values.data() + i * d, d * sizeof(float));
  }
  const Anchors table = {anchors.data(), stride, d, false};

  std::vector<std::int64_t> ids(150);
  std::mt19937 random(6);
  for (std::int64_t& id : ids) id = static_cast<std::int64_t>(random() % 70);
  Guarded<float> out(ids.size() * d);
  sparse_lookup(isa, rows, table, ids.data(), ids.size(), never, out.data());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::vector<float> expected = random_rows.dense_row(static_cast<std::size_t>(ids[i]), values, d);
    CHECK(std::memcmp(out.data() + i * d, expected.data(), d * sizeof(float)) == 0);
  }

  // With weights of one, a bag is the sum of its entries in order, divided once.
  const std::vector<std::int64_t> offsets = {0, 0, 1, 4, 140, 150};
  Guarded<float> means((offsets.size() - 1) * d);
  sparse_bag_mean(isa, rows, table, ids.data(), ids.size(), offsets.data(), offsets.size() - 1, nullptr, never,
                  means.data());
  for (std::size_t bag = 0; bag + 1 < offsets.size(); ++bag) {
    RandomRows all(0, kAnchors, 0, 0);
    for (std::int64_t i = offsets[bag]; i < offsets[bag + 1]; ++i) {
      const std::size_t row = static_cast<std::size_t>(ids[static_cast<std::size_t>(i)]);
      for (std::size_t j = random_rows.starts[row]; j < random_rows.starts[row + 1]; ++j) {
        all.indices.push_back(random_rows.indices[j]);
        all.values.push_back(random_rows.values[j]);
      }
    }
    all.starts.push_back(all.indices.size());
    const std::vector<float> sum = all.dense_row(0, values, d);
    const auto size = static_cast<float>(offsets[bag + 1] - offsets[bag]);
    for (std::size_t c = 0; c < d; ++c) CHECK(means[bag * d + c] == (size > 0 ? sum[c] / size : 0.0f));
  }
}

template <typename Call>
void check_damage(Call call) {
  CHECK_THROWS(call(), DamagedRows);
}

void test_damage(const Kernels& isa) {
  const RandomRows random_rows(10, kAnchors, 5, 9);
  const std::vector<float> values = random_floats(kAnchors * 3, 5);
  Guarded<float> out(3);
  const Anchors table = {values.data(), 3, 3, false};
  const std::int64_t bad_ids[] = {10, -1, INT64_MIN, INT64_MAX};
  GuardedRows<std::int64_t, std::uint8_t> good(random_rows, kAnchors, false);
  for (const std::int64_t id : bad_ids) {
    CHECK_THROWS(sparse_lookup(isa, good.view(), table, &id, 1, never, out.data()), std::out_of_range);
  }
  for (const std::int64_t offset : {std::int64_t{-1}, std::int64_t{1000}, INT64_MAX, INT64_MIN}) {
    GuardedRows<std::int64_t, std::uint8_t> bad(random_rows, kAnchors, false);
    bad.indptr[4] = offset;
    for (const std::int64_t id : {3, 4}) {
      check_damage([&] { sparse_lookup(isa, bad.view(), table, &id, 1, never, out.data()); });
    }
  }
  for (std::size_t at = 0; at < random_rows.indices.size(); ++at) {
    GuardedRows<std::uint32_t, std::uint8_t> bad(random_rows, kAnchors, true);
    bad.indices[at] = kAnchors;
    std::int64_t row = 0;
    while (random_rows.starts[static_cast<std::size_t>(row) + 1] <= at) ++row;
    check_damage([&] { sparse_lookup(isa, bad.view(), table, &row, 1, never, out.data()); });
  }
  const std::int64_t id = 0;
  for (const std::vector<std::int64_t>& bad : {std::vector<std::int64_t>{-1, 1}, {1, 0}, {0, 2}, {0, INT64_MAX}}) {
    CHECK_THROWS(sparse_bag_mean(isa, good.view(), table, &id, 1, bad.data(), 1, nullptr, never, out.data()),
                 std::invalid_argument);
  }
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    for (std::size_t d : {1u, 17u, 75u}) {
      for (const bool half : {false, true}) {
        test_types<std::uint32_t, std::uint8_t>(*isa, d, half, 6);
        test_types<std::int64_t, std::uint16_t>(*isa, d, half, 6);
        test_types<std::uint32_t, std::uint32_t>(*isa, d, half, 3000);  // rows that are gathered in pieces
      }
    }
    test_damage(*isa);
    std::printf("%s: rows and bag means of sparse tables hold\n", isa->name);
  }
}
