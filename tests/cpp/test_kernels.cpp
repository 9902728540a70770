// Every kernel of every instruction set against a bit-by-bit loop, all inputs and outputs ending at a guard page.
#include <cmath>
#include <limits>

#include "check.hpp"
#include "core/blocked_codes.hpp"

using namespace slimvec;

namespace {

const std::vector<std::size_t> kRowCounts = {0, 1, 2, 3, 17};

void test_pack(const Kernels& isa) {
  const float special[] = {0.0f,
                           -0.0f,
                           1e-45f,
                           -1e-45f,
                           std::nanf(""),
                           -std::nanf(""),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity()};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (std::size_t n_bits : widths()) {
    for (std::size_t n_rows : kRowCounts) {
      Guarded<float> rows(n_rows * n_bits);
      for (std::size_t i = 0; i < n_rows * n_bits; ++i) rows[i] = random() % 4 ? normal(random) : special[random() % 8];
      Guarded<std::uint8_t> codes(n_rows * code_size(n_bits));
      isa.pack_signs(rows.data(), n_rows, n_bits, codes.data());
      for (std::size_t i = 0; i < n_rows; ++i) {
        const std::uint8_t* code = codes.data() + i * code_size(n_bits);
        for (std::size_t j = 0; j < 8 * code_size(n_bits); ++j) {
          CHECK(bit_of(code, j) == (j < n_bits && rows[i * n_bits + j] >= 0.0f));
        }
      }
    }
  }
}

void test_unpack(const Kernels& isa) {
  for (std::size_t n_bits : widths()) {
    for (std::size_t n_rows : kRowCounts) {
      Guarded<std::uint8_t> codes(random_codes(n_rows, n_bits, 2));
      Guarded<float> scales(n_rows);
      for (std::size_t i = 0; i < n_rows; ++i) scales[i] = 0.25f * static_cast<float>(i) - 1.0f;
      Guarded<float> plain(n_rows * n_bits), scaled(n_rows * n_bits);
      isa.unpack(codes.data(), n_rows, n_bits, nullptr, plain.data());
      isa.unpack(codes.data(), n_rows, n_bits, scales.data(), scaled.data());
      for (std::size_t i = 0; i < n_rows * n_bits; ++i) {
        const bool bit = bit_of(codes.data() + i / n_bits * code_size(n_bits), i % n_bits);
        CHECK(plain[i] == (bit ? 1.0f : -1.0f));
        CHECK(scaled[i] == (bit ? scales[i / n_bits] : -scales[i / n_bits]));
      }
    }
  }
}

void test_count_bits(const Kernels& isa) {
  for (std::size_t n_bits : widths()) {
    for (std::size_t n_rows : kRowCounts) {
      Guarded<std::uint8_t> codes(random_codes(n_rows, n_bits, 3));
      Guarded<std::uint32_t> counts(n_bits);
      for (std::size_t j = 0; j < n_bits; ++j) counts[j] = static_cast<std::uint32_t>(j) * 1000003u;  // added to
      isa.count_bits(codes.data(), n_rows, n_bits, counts.data());
      for (std::size_t j = 0; j < n_bits; ++j) {
        std::uint32_t expected = static_cast<std::uint32_t>(j) * 1000003u;
        for (std::size_t i = 0; i < n_rows; ++i) expected += bit_of(codes.data() + i * code_size(n_bits), j);
        CHECK(counts[j] == expected);
      }
    }
  }
}

void test_hamming_below(const Kernels& isa) {
  for (std::size_t n_bits : widths()) {
    for (std::size_t n_blocks : {0u, 1u, 2u, 3u, 4u, 5u, 9u}) {
      const std::size_t n_codes = n_blocks * kBlockCodes, n_words = words_per_code(n_bits);
      std::vector<std::uint8_t> codes = random_codes(n_codes, n_bits, 4);
      if (n_codes)
        std::fill(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(code_size(n_bits)), std::uint8_t{0});
      const std::vector<std::uint8_t> query = random_codes(1, n_bits, 5);
      const std::size_t size = code_size(n_bits);
      if (n_codes) {  // the last code differs in every bit: byte counters that were folded too late would overflow
        std::uint8_t* opposite = codes.data() + (n_codes - 1) * size;
        for (std::size_t j = 0; j < size; ++j) opposite[j] = static_cast<std::uint8_t>(~query[j]);
        if (n_bits % 8) opposite[size - 1] &= static_cast<std::uint8_t>((1u << n_bits % 8) - 1);
      }
      Guarded<std::uint32_t> blocks(n_blocks * n_words * kBlockCodes), words(n_words);
      write_codes(codes.data(), n_codes, n_bits, 0, blocks.data());
      codes_to_words(query.data(), 1, n_bits, words.data());
      const std::uint32_t half = static_cast<std::uint32_t>(n_bits / 2);
      for (std::uint32_t limit : {0u, 1u, half, half + 1, static_cast<std::uint32_t>(n_bits), UINT32_MAX}) {
        for (const bool cold : {false, true}) {
          Guarded<std::uint32_t> distances(n_codes), positions(n_codes);
          const std::size_t count = isa.hamming_below(blocks.data(), n_blocks, n_words, words.data(), limit, cold,
                                                      distances.data(), positions.data());
          std::size_t expected = 0;
          for (std::size_t i = 0; i < n_codes; ++i) {
            const std::uint32_t distance = slow_distance(codes.data() + i * code_size(n_bits), query.data(), n_bits);
            if (distance >= limit) continue;
            CHECK(expected < count && distances[expected] == distance && positions[expected] == i);
            ++expected;
          }
          CHECK(count == expected);
        }
      }
    }
  }
}

void test_weigh_bits(const Kernels& isa) {
  std::mt19937 random(6);
  for (std::size_t n_bytes : {0u, 1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 31u, 150u, 1024u, 1025u, 2048u, 2049u, 6000u}) {
    for (const bool largest : {false, true}) {  // all bits set, all weights as large as can be: sums leave int32
      Guarded<std::uint8_t> code(n_bytes);
      Guarded<std::int32_t> weights(8 * n_bytes), tables(kTableEntriesPerByte * n_bytes);
      for (std::size_t i = 0; i < n_bytes; ++i) code[i] = static_cast<std::uint8_t>(largest ? 255 : random() % 256);
      for (std::size_t j = 0; j < 8 * n_bytes; ++j) {
        const auto magnitude = static_cast<std::int32_t>(random() % (kLargestWeight + 1u));
        weights[j] = largest ? kLargestWeight : random() % 2 ? magnitude : -magnitude;
      }
      isa.weight_tables(weights.data(), n_bytes, tables.data());
      std::int64_t expected = 0;
      for (std::size_t j = 0; j < 8 * n_bytes; ++j) expected += bit_of(code.data(), j) ? weights[j] : 0;
      CHECK(isa.weigh_bits(code.data(), n_bytes, tables.data()) == expected);
    }
  }
}

}  // namespace

int main() {
  for (const Kernels* isa : available_isas()) {
    test_pack(*isa);
    test_unpack(*isa);
    test_count_bits(*isa);
    test_hamming_below(*isa);
    test_weigh_bits(*isa);
    std::printf("%s: kernels agree with the bit-by-bit loops\n", isa->name);
  }
}
