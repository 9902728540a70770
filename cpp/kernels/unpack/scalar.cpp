#include "kernels/kernels.hpp"

void slimvec::unpack_scalar(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits, const float* scales,
                            float* out) {
  for (std::size_t row = 0; row < n_rows; ++row, codes += code_size(n_bits), out += n_bits) {
    const float scale = scales ? scales[row] : 1.0f;
    for (std::size_t j = 0; j < n_bits; ++j) out[j] = (codes[j / 8] >> (j % 8)) & 1 ? scale : -scale;
  }
}
