// Codes of several bits, sixteen rows side by side, one to a lane: all instruction sets run this text, whose loops over
// lanes compilers turn into vectors of theirs. Every operation is one of IEEE float32 on its own lane, in a stated
// order, so all give the same bits. Everything here is local to the file that includes it.
#pragma once

#include "kernels/kernels.hpp"

namespace {

constexpr std::size_t kLanes = slimvec::kBlockCodes;

// What the descent knows of its rows: F = G^2 / H with H = B + nu Z^2.
struct Sums {
  alignas(64) float g[kLanes];  // sum of gains * u
  alignas(64) float b[kLanes];  // sum of energies * u * u
  alignas(64) float z[kLanes];  // sum of steps * value * u: the product of a row and its code
};

// Tries the neighbour of level `u` on the side where F rises, and keeps it if it is better; both lie within `limit`.
inline void descend(const slimvec::GridDirection& of, const float* values, const float* parallels, float* u,
                    Sums& sums) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const float gain = of.gain * values[i], product = of.step * values[i], nu = parallels[i];
    const float h = sums.b[i] + nu * sums.z[i] * sums.z[i];
    const float slope = gain * h - sums.g[i] * (of.energy * u[i] + nu * sums.z[i] * product);
    const float side = slope > 0.0f ? 1.0f : -1.0f;
    const float next = u[i] + side;
    const float g = sums.g[i] + side * gain;
    const float b = sums.b[i] + of.energy * (1.0f + 2.0f * side * u[i]);
    const float z = sums.z[i] + side * product;
    const float new_h = b + nu * z * z;
    const bool better = (g * g * h > sums.g[i] * sums.g[i] * new_h) & (next <= of.limit) & (next >= -of.limit);
    u[i] = better ? next : u[i];
    sums.g[i] = better ? g : sums.g[i];
    sums.b[i] = better ? b : sums.b[i];
    sums.z[i] = better ? z : sums.z[i];
  }
}

// The nearest level of each value, as the half integer u; with one bit its sign, exactly.
inline void nearest(const slimvec::GridDirection& of, const float* values, float* u) {
  const float half = of.limit + 0.5f;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const float place = values[i] * of.inverse;
    const float inside = place < -half ? -half : place > half ? half : place;
    const float whole = static_cast<float>(static_cast<std::int32_t>(inside));
    const float level = (whole > inside ? whole - 1.0f : whole) + 0.5f;  // floor, then the middle
    u[i] = level > of.limit ? of.limit : level;
  }
}

inline void grid_levels(const float* values, const float* parallels, const slimvec::GridDirection* directions,
                        std::size_t n_directions, std::size_t n_passes, float* levels, float* scales, float* products,
                        float* energies) {
  Sums sums = {};
  alignas(64) float energy[kLanes] = {};
  for (std::size_t j = 0; j < n_directions; ++j) {
    const slimvec::GridDirection& of = directions[j];
    const float* row_values = values + j * kLanes;
    float* u = levels + j * kLanes;
    nearest(of, row_values, u);
    for (std::size_t i = 0; i < kLanes; ++i) {
      sums.g[i] += of.gain * row_values[i] * u[i];
      sums.b[i] += of.energy * (u[i] * u[i]);
      sums.z[i] += of.step * row_values[i] * u[i];
    }
  }
  for (std::size_t pass = 0; pass < n_passes; ++pass) {
    for (std::size_t j = 0; j < n_directions; ++j) {
      descend(directions[j], values + j * kLanes, parallels, levels + j * kLanes, sums);
    }
  }
  for (std::size_t j = 0; j < n_directions; ++j) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const float c = directions[j].step * levels[j * kLanes + i];
      energy[i] += c * c;
    }
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    const float h = sums.b[i] + parallels[i] * sums.z[i] * sums.z[i];
    scales[i] = h > 0.0f ? sums.g[i] / h : 0.0f;
    products[i] = sums.z[i];
    energies[i] = energy[i];
  }
}

}  // namespace
