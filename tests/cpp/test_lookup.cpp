#include <stdexcept>

#include "check.hpp"
#include "core/lookup.hpp"

using namespace slimvec;

Interrupt never(nullptr);

int main() {
  constexpr std::size_t kCodes = 200;
  for (const Kernels* isa : available_isas()) {
    for (std::size_t n_bits : widths()) {
      const std::size_t size = code_size(n_bits);
      const std::vector<std::uint8_t> codes = random_codes(kCodes, n_bits, 8);
      Guarded<std::uint32_t> blocks(block_count(kCodes) * words_per_code(n_bits) * kBlockCodes);
      write_codes(codes.data(), kCodes, n_bits, 0, blocks.data());
      const BlockedCodes table = {blocks.data(), kCodes, words_per_code(n_bits)};

      std::vector<std::int64_t> ids(150);  // more than are copied out at once
      std::mt19937 random(9);
      for (std::int64_t& id : ids) id = static_cast<std::int64_t>(random() % kCodes);
      Guarded<float> rows(ids.size() * n_bits);
      lookup(*isa, table, n_bits, ids.data(), ids.size(), never, rows.data());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::uint8_t* code = codes.data() + static_cast<std::size_t>(ids[i]) * size;
        for (std::size_t j = 0; j < n_bits; ++j) CHECK(rows[i * n_bits + j] == (bit_of(code, j) ? 1.0f : -1.0f));
      }

      const std::vector<std::int64_t> offsets = {0, 0, 1, 4, 140, 150};
      Guarded<float> means((offsets.size() - 1) * n_bits);
      bag_mean(*isa, table, n_bits, ids.data(), ids.size(), offsets.data(), offsets.size() - 1, never, means.data());
      for (std::size_t bag = 0; bag + 1 < offsets.size(); ++bag) {
        for (std::size_t j = 0; j < n_bits; ++j) {
          double sum = 0;
          for (std::int64_t i = offsets[bag]; i < offsets[bag + 1]; ++i)
            sum += rows[static_cast<std::size_t>(i) * n_bits + j];
          const std::int64_t bag_size = offsets[bag + 1] - offsets[bag];
          CHECK(means[bag * n_bits + j] == (bag_size ? static_cast<float>(sum / static_cast<double>(bag_size)) : 0.0f));
        }
      }

      const std::int64_t bad_id = kCodes;
      CHECK_THROWS(lookup(*isa, table, n_bits, &bad_id, 1, never, rows.data()), std::out_of_range);
      for (const std::vector<std::int64_t>& bad :
           {std::vector<std::int64_t>{-1, 1}, {3, 2}, {0, 151}, {0, INT64_MAX}}) {
        CHECK_THROWS(bag_mean(*isa, table, n_bits, ids.data(), ids.size(), bad.data(), 1, never, means.data()),
                     std::invalid_argument);
      }
    }
    std::printf("%s: lookup and bag means hold\n", isa->name);
  }
}
