#include "kernels/kernels.hpp"

void slimvec::pack_signs_scalar(const float* rows, std::size_t n_rows, std::size_t n_bits, std::uint8_t* codes) {
  for (std::size_t row = 0; row < n_rows; ++row, rows += n_bits) {
    for (std::size_t bit = 0; bit < n_bits; bit += 8) {
      const std::size_t left = n_bits - bit < 8 ? n_bits - bit : 8;
      unsigned byte = 0;
      for (std::size_t j = 0; j < left; ++j) byte |= static_cast<unsigned>(rows[bit + j] >= 0.0f) << j;
      *codes++ = static_cast<std::uint8_t>(byte);
    }
  }
}
