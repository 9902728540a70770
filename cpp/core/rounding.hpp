// Rows of floats in integers, as many steps either side of 0 as their largest entry has.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace slimvec {

// For each row of d floats: its largest magnitude, and every entry over it times `largest`, rounded to the nearest
// integer, half to even. A row of zeros has a peak of 0, and zeros; one with NaN or infinity a peak of NaN, and zeros.
// Zeros, too, has a row whose largest magnitude is so small, noise, that it has no inverse.
template <typename Float>
void round_rows(const Float* rows, std::size_t n, std::size_t d, std::int16_t largest, std::int16_t* values,
                Float* peaks) {
  for (std::size_t i = 0; i < n; ++i) {
    const Float* row = rows + i * d;
    Float peak = 0;
    bool finite = true;
    for (std::size_t j = 0; j < d; ++j) {
      const Float magnitude = std::fabs(row[j]);
      peak = magnitude > peak ? magnitude : peak;
      finite &= magnitude <= std::numeric_limits<Float>::max();  // NaN is not
    }
    const Float step = finite && peak > 0 ? static_cast<Float>(largest) / peak : 0;
    const bool told = finite && step <= std::numeric_limits<Float>::max();
    for (std::size_t j = 0; j < d; ++j) {
      values[i * d + j] = told ? static_cast<std::int16_t>(std::lrint(row[j] * step)) : std::int16_t{0};
    }
    peaks[i] = finite ? peak : std::numeric_limits<Float>::quiet_NaN();
  }
}

}  // namespace slimvec
