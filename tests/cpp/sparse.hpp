// Random CSR rows in guarded buffers, of any element types, and the slow sums that the answers are compared with.
#pragma once

#include <algorithm>
#include <vector>

#include "check.hpp"
#include "core/sparse_rows.hpp"

// Offsets, indices and values that end at guard pages. Values are small multiples of 1/8, which float16 holds exactly;
// half_of() needs no more than that.
inline std::uint16_t half_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  if ((bits & 0x7FFFFFFFu) == 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | (((bits >> 23 & 0xFFu) - 112) << 10) | (bits >> 13 & 0x3FFu));
}

struct RandomRows {
  std::vector<std::size_t> starts;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;

  RandomRows(std::size_t n_rows, std::size_t n_columns, std::size_t longest, unsigned seed) : starts(1, 0) {
    std::mt19937 random(seed);
    for (std::size_t row = 0; row < n_rows; ++row) {
      const std::size_t n = random() % (longest + 1);
      for (std::size_t j = 0; j < n; ++j) {
        indices.push_back(static_cast<std::uint32_t>(random() % n_columns));
        values.push_back(static_cast<float>(static_cast<int>(random() % 65) - 32) / 8.0f);
      }
      starts.push_back(indices.size());
    }
  }

  std::vector<float> dense_row(std::size_t row, const std::vector<float>& anchors, std::size_t d) const {
    std::vector<float> sum(d, 0.0f);
    for (std::size_t j = starts[row]; j < starts[row + 1]; ++j) {
      for (std::size_t c = 0; c < d; ++c) {
        const float product = values[j] * anchors[indices[j] * d + c];
        sum[c] += product;
      }
    }
    return sum;
  }
};

template <typename Offset, typename Index>
struct GuardedRows {
  Guarded<Offset> indptr;
  Guarded<Index> indices;
  Guarded<float> values;
  Guarded<std::uint16_t> halves;
  bool is_half;
  std::size_t n_columns;

  GuardedRows(const RandomRows& rows, std::size_t columns, bool half)
      : indptr(rows.starts.size()),
        indices(rows.indices.size()),
        values(rows.values),
        halves(rows.values.size()),
        is_half(half),
        n_columns(columns) {
    for (std::size_t i = 0; i < rows.starts.size(); ++i) indptr[i] = static_cast<Offset>(rows.starts[i]);
    for (std::size_t i = 0; i < rows.indices.size(); ++i) indices[i] = static_cast<Index>(rows.indices[i]);
    for (std::size_t i = 0; i < rows.values.size(); ++i) halves[i] = half_of(rows.values[i]);
  }

  slimvec::SparseRows view() {
    const void* stored = is_half ? static_cast<const void*>(halves.data()) : values.data();
    return {indptr.data(),         indices.data(), stored,        indptr.copy().size() - 1, n_columns,
            indices.copy().size(), sizeof(Offset), sizeof(Index), is_half ? 2u : 4u};
  }
};

inline std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}
