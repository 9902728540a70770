#include "core/grid_codes.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace slimvec {

namespace {

constexpr std::size_t kAtOnce = 8;  // directions whose bits of one plane make a byte

// The highest bits of eight bytes, the first byte's lowest. A product moves bit 0 of byte i to bit 56 + i.
std::uint8_t high_bits(const std::uint8_t* bytes) {
  std::uint64_t word;  // little-endian, as blocks of codes are
  std::memcpy(&word, bytes, sizeof word);
  return static_cast<std::uint8_t>((word >> 7 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

// Levels of sixteen rows, counted from 0, the highest bit of each on top of a byte.
void place_levels(const Grid& grid, const float* levels, std::uint8_t* places) {
  for (std::size_t j = 0; j < grid.bits.size(); ++j) {
    const float limit = grid.directions[j].limit;
    const unsigned shift = static_cast<unsigned>(kMaxBitsPerDirection) - grid.bits[j];
    for (std::size_t i = 0; i < kBlockCodes; ++i) {
      const int place = static_cast<int>(levels[j * kBlockCodes + i] + limit);
      places[j * kBlockCodes + i] = static_cast<std::uint8_t>(place << shift);
    }
  }
}

// Appends bits to a code whose bytes are zero.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* code) : code_(code) {}

  // The lowest `n` bits of `bits`, between 1 and 8; those above are zero.
  void append(std::uint8_t bits, std::size_t n) {
    const std::size_t place = at_ / 8, shift = at_ % 8;
    code_[place] = static_cast<std::uint8_t>(code_[place] | bits << shift);
    if (shift + n > 8) code_[place + 1] = static_cast<std::uint8_t>(bits >> (8 - shift));
    at_ += n;
  }

 private:
  std::uint8_t* code_;
  std::size_t at_ = 0;
};

}  // namespace

std::size_t Grid::n_bits() const { return std::accumulate(bits.begin(), bits.end(), std::size_t{0}); }

void grid_codes(const Kernels& isa, const Grid& grid, std::size_t n_passes, const float* values, const float* parallels,
                std::size_t n_rows, std::uint8_t* codes, float* scales, float* products, float* energies) {
  const std::size_t n_directions = grid.directions.size(), size = code_size(grid.n_bits());
  std::vector<std::size_t> planes;  // how many directions have more than p bits: the first ones
  for (std::size_t p = 0; p < grid.bits.front(); ++p) {
    const auto more = [p](std::uint8_t bits) { return bits > p; };
    planes.push_back(static_cast<std::size_t>(std::count_if(grid.bits.begin(), grid.bits.end(), more)));
  }
  std::vector<float> lanes(n_directions * kBlockCodes), levels(n_directions * kBlockCodes);
  std::vector<std::uint8_t> lane_places(n_directions * kBlockCodes), places(n_directions + kAtOnce);
  float nus[kBlockCodes], scale[kBlockCodes], product[kBlockCodes], energy[kBlockCodes];
  std::fill_n(codes, n_rows * size, std::uint8_t{0});
  for (std::size_t first = 0; first < n_rows; first += kBlockCodes) {
    const std::size_t n = std::min(kBlockCodes, n_rows - first);
    for (std::size_t i = 0; i < kBlockCodes; ++i) {
      const std::size_t row = first + std::min(i, n - 1);  // lanes without a row repeat the last one
      nus[i] = parallels[row];
      const float* from = values + row * n_directions;
      float* to = lanes.data() + i;
      for (std::size_t j = 0; j < n_directions; ++j) to[j * kBlockCodes] = from[j];
    }
    isa.grid_levels(lanes.data(), nus, grid.directions.data(), n_directions, n_passes, levels.data(), scale, product,
                    energy);
    std::copy_n(scale, n, scales + first);
    std::copy_n(product, n, products + first);
    std::copy_n(energy, n, energies + first);
    place_levels(grid, levels.data(), lane_places.data());
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n_directions; ++j) places[j] = lane_places[j * kBlockCodes + i];
      BitWriter code(codes + (first + i) * size);
      for (std::size_t here : planes) {
        for (std::size_t j = 0; j < here; j += kAtOnce) {
          const std::size_t some = std::min(kAtOnce, here - j);
          code.append(static_cast<std::uint8_t>(high_bits(places.data() + j) & ((1u << some) - 1)), some);
        }
        for (std::size_t j = 0; j < here; ++j) places[j] = static_cast<std::uint8_t>(places[j] << 1);
      }
    }
  }
}

}  // namespace slimvec
