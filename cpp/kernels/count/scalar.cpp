#include "kernels/kernels.hpp"

void slimvec::count_bits_scalar(const std::uint8_t* codes, std::size_t n_rows, std::size_t n_bits,
                                std::uint32_t* counts) {
  for (std::size_t row = 0; row < n_rows; ++row, codes += code_size(n_bits)) {
    for (std::size_t j = 0; j < n_bits; ++j) counts[j] += (codes[j / 8] >> (j % 8)) & 1u;
  }
}
