#include "core/lookup.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace slimvec {

namespace {

constexpr std::size_t kRowsAtOnce = 64;  // codes copied out of the blocks per kernel call: 2.4 KB at 300 bits

}  // namespace

void lookup(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::int64_t* ids,
            std::size_t n_ids, Interrupt& interrupt, float* out) {
  std::vector<std::uint8_t> codes(std::min(n_ids, kRowsAtOnce) * code_size(n_bits));
  for (std::size_t first = 0; first < n_ids; first += kRowsAtOnce) {
    interrupt.check();
    const std::size_t n_rows = std::min(kRowsAtOnce, n_ids - first);
    read_codes(table, ids + first, n_rows, n_bits, codes.data());
    isa.unpack(codes.data(), n_rows, n_bits, nullptr, out + first * n_bits);
  }
}

void bag_mean(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::int64_t* ids,
              std::size_t n_ids, const std::int64_t* offsets, std::size_t n_bags, Interrupt& interrupt, float* out) {
  std::vector<std::uint8_t> codes(kRowsAtOnce * code_size(n_bits));
  std::vector<std::uint32_t> counts(n_bits);
  for (std::size_t bag = 0; bag < n_bags; ++bag, out += n_bits) {
    const std::int64_t begin = offsets[bag], end = offsets[bag + 1];
    if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > n_ids) {
      throw std::invalid_argument("offsets must not fall and must stay within the ids");
    }
    if (bag % kRowsAtOnce == 0) interrupt.check();
    std::fill(counts.begin(), counts.end(), 0u);
    for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
      const std::size_t n_rows = std::min(kRowsAtOnce, static_cast<std::size_t>(end - first));
      read_codes(table, ids + first, n_rows, n_bits, codes.data());
      if (first > begin) interrupt.check();  // of a small bag, looking would be felt
      isa.count_bits(codes.data(), n_rows, n_bits, counts.data());
    }
    const std::int64_t size = end - begin;
    for (std::size_t j = 0; j < n_bits; ++j) {  // `set` bits are +1, the other size - set are -1
      const std::int64_t sum = 2 * static_cast<std::int64_t>(counts[j]) - size;
      out[j] = size ? static_cast<float>(static_cast<double>(sum) / static_cast<double>(size)) : 0.0f;
    }
  }
}

}  // namespace slimvec
