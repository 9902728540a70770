#include <numeric>
#include <stdexcept>

#include "check.hpp"
#include "core/blocked_codes.hpp"

using namespace slimvec;

int main() {
  for (std::size_t n_bits : widths()) {
    for (std::size_t n_codes : {1u, 15u, 16u, 17u, 40u}) {
      const std::size_t n_words = words_per_code(n_bits), size = code_size(n_bits);
      Guarded<std::uint8_t> codes(random_codes(n_codes, n_bits, 7));
      Guarded<std::uint32_t> blocks(block_count(n_codes) * n_words * kBlockCodes);
      const std::size_t split = n_codes / 3;  // written in two pieces, the second from the middle of a block
      write_codes(codes.data(), split, n_bits, 0, blocks.data());
      write_codes(codes.data() + split * size, n_codes - split, n_bits, split, blocks.data());
      for (std::size_t i = 0; i < n_codes; ++i) {  // the layout itself
        for (std::size_t j = 0; j < n_bits; ++j) {
          const std::uint32_t word = blocks[(i / 16 * n_words + j / 32) * 16 + i % 16];
          CHECK(((word >> (j % 32)) & 1) == bit_of(codes.data() + i * size, j));
        }
      }

      const BlockedCodes table = {blocks.data(), n_codes, n_words};
      std::vector<std::int64_t> ids(n_codes);
      std::iota(ids.rbegin(), ids.rend(), 0);
      Guarded<std::uint8_t> back(n_codes * size);
      read_codes(table, ids.data(), n_codes, n_bits, back.data());
      for (std::size_t i = 0; i < n_codes; ++i) {
        CHECK(std::memcmp(back.data() + i * size, codes.data() + (n_codes - 1 - i) * size, size) == 0);
      }
      for (std::int64_t bad :
           {std::int64_t{-1}, std::int64_t{1} << 32, static_cast<std::int64_t>(n_codes), INT64_MIN, INT64_MAX}) {
        CHECK_THROWS(read_codes(table, &bad, 1, n_bits, back.data()), std::out_of_range);
      }
    }
  }
  std::printf("blocked layout: round trips and bounds hold\n");
}
