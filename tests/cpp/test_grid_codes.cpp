// Codes of several bits: each row's own arithmetic, whatever the other lanes hold; levels that no trial improves; bits
// in their places; buffers that end at a guard page.
#include <cmath>

#include "check.hpp"
#include "core/grid_codes.hpp"

using namespace slimvec;

namespace {

Grid random_grid(std::size_t n_directions, std::mt19937& random) {
  Grid grid;
  std::uniform_real_distribution<float> uniform(0.25f, 1.0f);
  for (std::size_t j = 0; j < n_directions; ++j) {
    const auto bits = static_cast<std::uint8_t>(kMaxBitsPerDirection - kMaxBitsPerDirection * j / n_directions);
    const float step = uniform(random), weight = uniform(random);
    grid.directions.push_back({step, 1.0f / step, (weight + 0.5f) * step, weight * step * step,
                               0.5f * static_cast<float>((1u << bits) - 1u)});
    grid.bits.push_back(bits);
  }
  return grid;
}

struct Outcome {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, products, energies;
};

Outcome run(const Kernels& isa, const Grid& grid, std::size_t n_passes, const std::vector<float>& rows,
            const std::vector<float>& parallels) {
  const std::size_t n = parallels.size();
  Guarded<float> values(rows), nus(parallels), scales(n), products(n), energies(n);
  Guarded<std::uint8_t> codes(n * code_size(grid.n_bits()));
  grid_codes(isa, grid, n_passes, values.data(), nus.data(), n, codes.data(), scales.data(), products.data(),
             energies.data());
  return {codes.copy(), scales.copy(), products.copy(), energies.copy()};
}

// The level of a direction, read bit by bit as grid_codes.hpp says that bits lie.
float level_of(const Grid& grid, const std::uint8_t* code, std::size_t direction) {
  unsigned level = 0;
  std::size_t place = 0;
  for (unsigned plane = 0; plane < kMaxBitsPerDirection; ++plane) {
    for (std::size_t j = 0; j < grid.bits.size(); ++j) {
      if (grid.bits[j] <= plane) continue;
      if (j == direction) level = 2 * level + bit_of(code, place);
      ++place;
    }
  }
  return static_cast<float>(level) - grid.directions[direction].limit;
}

// F of kernels.hpp, in double precision.
double explained(const Grid& grid, const float* values, double nu, const std::vector<float>& levels) {
  double g = 0, b = 0, z = 0;
  for (std::size_t j = 0; j < levels.size(); ++j) {
    const GridDirection& of = grid.directions[j];
    g += static_cast<double>(of.gain) * values[j] * levels[j];
    b += static_cast<double>(of.energy) * levels[j] * levels[j];
    z += static_cast<double>(of.step) * values[j] * levels[j];
  }
  return g * g / (b + nu * z * z);
}

void test_rows(const Kernels& isa) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (std::size_t n_directions : {1u, 2u, 7u, 8u, 9u, 33u}) {
    const Grid grid = random_grid(n_directions, random);
    for (std::size_t n : {0u, 1u, 15u, 16u, 17u, 40u}) {
      std::vector<float> values(n * n_directions), parallels(n, 0.1f);
      for (float& value : values) value = 20 * normal(random);
      for (std::size_t n_passes : {0u, 400u}) {
        const Outcome all = run(isa, grid, n_passes, values, parallels);
        for (std::size_t i = 0; i < n; ++i) {
          const std::vector<float> row(values.begin() + static_cast<std::ptrdiff_t>(i * n_directions),
                                       values.begin() + static_cast<std::ptrdiff_t>((i + 1) * n_directions));
          const Outcome alone = run(isa, grid, n_passes, row, {0.1f});
          const std::size_t size = code_size(grid.n_bits());
          CHECK(std::equal(alone.codes.begin(), alone.codes.end(),
                           all.codes.begin() + static_cast<std::ptrdiff_t>(i * size)));
          CHECK(alone.scales[0] == all.scales[i] && alone.products[0] == all.products[i] &&
                alone.energies[0] == all.energies[i]);
          std::vector<float> levels;
          for (std::size_t j = 0; j < n_directions; ++j) levels.push_back(level_of(grid, alone.codes.data(), j));
          const double reached = explained(grid, row.data(), 0.1, levels);
          for (std::size_t j = 0; j < n_directions; ++j) {
            const float limit = grid.directions[j].limit, level = levels[j];
            CHECK(level >= -limit && level <= limit);
            if (n_passes == 0) {  // the nearest level
              const float place = std::floor(row[j] * grid.directions[j].inverse) + 0.5f;
              CHECK(level == std::min(std::max(place, -limit), limit));
              continue;
            }
            for (float side : {-1.0f, 1.0f}) {  // no neighbour is better
              levels[j] = level + side;
              if (std::abs(levels[j]) <= limit) CHECK(explained(grid, row.data(), 0.1, levels) <= reached * 1.001);
            }
            levels[j] = level;
          }
        }
      }
    }
  }
}

void test_zero_rows(const Kernels& isa) {
  std::mt19937 random(8);
  const Grid grid = random_grid(9, random);
  const Outcome zero = run(isa, grid, 3, std::vector<float>(9, 0.0f), {0.0f});
  CHECK(zero.scales[0] == 0 && zero.products[0] == 0 && zero.energies[0] > 0);
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    test_rows(*isa);
    test_zero_rows(*isa);
    std::printf("grid codes: %s ok\n", isa->name);
  }
}
