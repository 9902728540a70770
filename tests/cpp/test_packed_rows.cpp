// Packed rows against the same rows as float32 with uint32 columns, bit for bit, their bytes ending at a guard page.
#include "check.hpp"
#include "core/sparse_gather.hpp"
#include "core/sparse_search.hpp"
#include "sparse.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

constexpr std::uint16_t kHalfOfScale = 0x3800;  // 0.5
constexpr std::size_t kWidth = 33;

// Rows of the given lengths, both ways.
struct BothWays {
  std::size_t n_rows, n_columns = 1;
  std::vector<std::uint32_t> starts{0}, offsets{0}, indices;
  std::vector<float> values;
  std::vector<std::uint8_t> bytes;

  explicit BothWays(const std::vector<std::size_t>& lengths) : n_rows(lengths.size()) {
    std::mt19937 random(5);
    for (const std::size_t n : lengths) {
      std::vector<std::uint8_t> row;
      if (n) row = {kHalfOfScale & 0xFF, kHalfOfScale >> 8};
      std::vector<std::uint8_t> weights((n + 1) / 2);
      std::uint32_t column = 0;
      for (std::size_t j = 0; j < n; ++j) {
        const auto gap = static_cast<std::uint8_t>(random() % 256);
        const int weight = static_cast<int>(random() % 16) - 8;
        row.push_back(gap);
        weights[j / 2] = static_cast<std::uint8_t>(weights[j / 2] | (weight & 15) << (j % 2 * 4));
        indices.push_back(column += gap);
        values.push_back(0.5f * static_cast<float>(weight));
        n_columns = std::max<std::size_t>(n_columns, column + 1);
      }
      row.insert(row.end(), weights.begin(), weights.end());
      bytes.insert(bytes.end(), row.begin(), row.end());
      starts.push_back(static_cast<std::uint32_t>(indices.size()));
      offsets.push_back(static_cast<std::uint32_t>(bytes.size()));
    }
  }

  SparseRows plain() const {
    return {starts.data(), indices.data(), values.data(), n_rows, n_columns, indices.size(), 4, 4, 4};
  }
};

SparseRows packed_view(Guarded<std::uint32_t>& offsets, Guarded<std::uint8_t>& bytes, std::size_t n_bytes,
                       const BothWays& rows) {
  return {offsets.data(), bytes.data(), nullptr, rows.n_rows, rows.n_columns, n_bytes, 4, 1, 0};
}

void test_rows(const Kernels& isa, const std::vector<std::size_t>& lengths) {
  const BothWays rows(lengths);
  Guarded<std::uint32_t> offsets(rows.offsets);
  Guarded<std::uint8_t> bytes(rows.bytes);
  const SparseRows plain = rows.plain(), packed = packed_view(offsets, bytes, rows.bytes.size(), rows);

  const std::vector<float> matrix = random_floats(rows.n_columns * kWidth, 6);
  const Anchors anchors = {matrix.data(), kWidth, kWidth, false};
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < 2 * rows.n_rows; ++i) ids.push_back(static_cast<std::int64_t>(i * 7 % rows.n_rows));
  std::vector<float> out(ids.size() * kWidth), expected(out.size());
  sparse_lookup(isa, packed, anchors, ids.data(), ids.size(), never, out.data());
  sparse_lookup(isa, plain, anchors, ids.data(), ids.size(), never, expected.data());
  CHECK(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)) == 0);

  for (const std::size_t n_queries : {1u, 9u}) {
    const std::vector<float> anchor_scores = random_floats(n_queries * rows.n_columns, 7);
    const std::size_t k = std::min<std::size_t>(5, rows.n_rows);
    std::vector<float> scores(n_queries * k), expected_scores(scores.size());
    std::vector<std::int64_t> found(scores.size()), expected_found(scores.size());
    sparse_search(isa, packed, nullptr, nullptr, anchor_scores.data(), n_queries, k, 2, never, scores.data(),
                  found.data());
    sparse_search(isa, plain, nullptr, nullptr, anchor_scores.data(), n_queries, k, 1, never, expected_scores.data(),
                  expected_found.data());
    CHECK(scores == expected_scores && found == expected_found);
  }
}

void test_damage(const Kernels& isa) {
  const BothWays rows({3, 0, 10, 1});
  std::vector<float> out(4 * kWidth), matrix(rows.n_columns * kWidth);
  const Anchors anchors = {matrix.data(), kWidth, kWidth, false};
  const std::int64_t ids[] = {0, 1, 2, 3};
  for (std::size_t row : {0u, 2u, 3u}) {
    std::vector<std::uint8_t> damaged = rows.bytes;
    const std::size_t n = packed_entries(rows.offsets[row + 1] - rows.offsets[row]);
    for (std::size_t j = 0; j < n; ++j) damaged[rows.offsets[row] + 2 + j] = 255;
    Guarded<std::uint32_t> offsets(rows.offsets);
    Guarded<std::uint8_t> bytes(damaged);
    SparseRows packed = packed_view(offsets, bytes, damaged.size(), rows);
    packed.n_columns = 200;
    CHECK_THROWS(sparse_lookup(isa, packed, anchors, ids, 4, never, out.data()), DamagedRows);
  }
  for (std::uint32_t wrong : {0u, 1u, 2u, 3u, 1000u, UINT32_MAX}) {  // whatever the length of a row, no byte outside
    Guarded<std::uint32_t> offsets(rows.offsets);
    Guarded<std::uint8_t> bytes(rows.bytes);
    offsets[3] = wrong;
    const SparseRows packed = packed_view(offsets, bytes, rows.bytes.size(), rows);
    try {
      sparse_lookup(isa, packed, anchors, ids, 4, never, out.data());
      CHECK(wrong <= rows.bytes.size());
    } catch (const DamagedRows&) {
    }
  }
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    test_rows(*isa, {1});
    test_rows(*isa, {0, 0, 0});
    test_rows(*isa, {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 25, 24});
    test_rows(*isa, {3, 1023, 2, 1024, 1025, 0, 3000, 1});  // longer than the stage of a lookup
    test_rows(*isa, std::vector<std::size_t>(200, 25));
    test_damage(*isa);
    std::printf("%s: packed rows agree with plain ones, bit for bit\n", isa->name);
  }
}
