#include "core/refinement.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/asymmetric_scan.hpp"
#include "core/platform.hpp"
#include "core/range.hpp"
#include "core/threads.hpp"

namespace slimvec {

namespace {

// Eight bits as eight bytes of 0 and 1, the lowest first.
std::array<std::uint64_t, 256> spread_bits() {
  std::array<std::uint64_t, 256> spread{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::array<std::uint8_t, 8> bytes{};
    for (unsigned bit = 0; bit < 8; ++bit) bytes[bit] = (byte >> bit) & 1;
    std::memcpy(&spread[byte], bytes.data(), 8);
  }
  return spread;
}

// Directions that have a bit of this height: the first `size`, whose bits start at `first` of a code.
struct Plane {
  std::size_t first, size;
};

class Decoder {
 public:
  explicit Decoder(const RowCodes& rows) : rows_(rows), levels_(ceil_divide(rows.n_directions, 8)) {
    std::size_t first = 0;
    for (unsigned plane = 0; plane < rows.bits[0]; ++plane) {
      const std::size_t size = static_cast<std::size_t>(
          std::find_if(rows.bits, rows.bits + rows.n_directions, [plane](std::uint8_t b) { return b <= plane; }) -
          rows.bits);
      planes_.push_back({first, size});
      first += size;
    }
  }

  // The levels k of a row, a byte each, 0 ... 2^bits - 1; those past the last direction are 0.
  const std::uint8_t* levels(std::size_t row) {
    static const std::array<std::uint64_t, 256> kSpread = spread_bits();
    const std::uint8_t* code = rows_.codes + row * rows_.row_bytes;
    std::fill(levels_.begin(), levels_.end(), 0);
    for (const Plane& plane : planes_) {
      // k is built from its highest bit down: what is there already moves up. Directions without this bit keep theirs.
      for (std::size_t eight = 0; eight * 8 < plane.size; ++eight) {
        const std::size_t left = plane.size - eight * 8;
        std::uint64_t moved = levels_[eight] << 1;  // below 128 each: no bit crosses into the next byte
        std::uint64_t kept = 0;
        unsigned byte = bits_at(code, plane.first + eight * 8);
        if (left < 8) {
          byte &= (1u << left) - 1;
          const std::uint64_t mask = first_bytes(left);
          kept = levels_[eight] & ~mask;
          moved &= mask;
        }
        levels_[eight] = moved + kSpread[byte] + kept;
      }
    }
    return reinterpret_cast<const std::uint8_t*>(levels_.data());
  }

 private:
  // Eight bits of a code from any bit on; zeros past its end.
  unsigned bits_at(const std::uint8_t* code, std::size_t bit) const {
    const std::size_t byte = bit / 8;
    unsigned both = code[byte];
    if (bit % 8 && byte + 1 < rows_.row_bytes) both |= static_cast<unsigned>(code[byte + 1]) << 8;
    return (both >> (bit % 8)) & 0xff;
  }

  static std::uint64_t first_bytes(std::size_t n) {
    std::array<std::uint8_t, 8> bytes{};
    std::fill_n(bytes.begin(), n, std::uint8_t{0xff});
    std::uint64_t mask = 0;
    std::memcpy(&mask, bytes.data(), 8);
    return mask;
  }

  const RowCodes& rows_;
  std::vector<Plane> planes_;
  std::vector<std::uint64_t> levels_;
};

void prefetch(const RowCodes& rows, const Refinement& refinement, std::size_t row) {
  const std::uint8_t* next = rows.codes + row * rows.row_bytes;
  for (std::size_t at = 0; at < rows.row_bytes; at += 64) ask_cache(next + at);
  ask_cache(refinement.numbers + row * refinement.n_numbers);
}

std::int64_t dot(const std::int16_t* values, const std::uint8_t* levels, std::size_t n) {
  constexpr std::size_t kExact = 512;  // 8191 * 255 * 512 < 2^31
  std::int64_t total = 0;
  for (std::size_t first = 0; first < n; first += kExact) {
    const std::size_t last = std::min(first + kExact, n);
    std::int32_t sum = 0;
    for (std::size_t j = first; j < last; ++j) sum += static_cast<std::int32_t>(values[j]) * levels[j];
    total += sum;
  }
  return total;
}

}  // namespace

void refined_search(const Kernels& isa, const RowCodes& rows, const Refinement& refinement, const std::int16_t* values,
                    const double* units, std::size_t n_queries, const Shortlists& shortlists, std::size_t k,
                    std::size_t n_threads, Interrupt& interrupt, float* scores, std::int64_t* indices) {
  const std::size_t n_ids = shortlists.n_ids;
  for (std::size_t i = 0; i < n_queries * n_ids; ++i) {
    const std::int64_t id = shortlists.ids[i];
    if (id < -1 || id >= static_cast<std::int64_t>(rows.n_rows)) {
      throw std::out_of_range("row " + std::to_string(id) + " is outside a table of " + std::to_string(rows.n_rows));
    }
  }
  // u = k - (2^b - 1) / 2, so that a product is that of the levels less one number for each query.
  constexpr std::size_t kRows = 64;  // of a query, at a time
  const std::size_t slices_per_query = ceil_divide(n_ids, kRows);
  std::vector<float> found(n_queries * n_ids);
  Slices slices(n_queries * slices_per_query, 1);
  run_parallel(
      n_threads,
      [&](std::size_t) {
        Decoder decoder(rows);
        for (Range one; slices.next(one);) {
          interrupt.check();
          const std::size_t q = one.begin / slices_per_query, first = one.begin % slices_per_query * kRows;
          const std::int16_t* query = values + q * rows.n_directions;
          std::int64_t twice = 0;
          for (std::size_t j = 0; j < rows.n_directions; ++j)
            twice += std::int64_t{query[j]} * ((1 << rows.bits[j]) - 1);
          for (std::size_t i = first; i < std::min(first + kRows, n_ids); ++i) {
            const std::size_t at = q * n_ids + i;
            const std::int64_t* id = shortlists.ids + at;
            constexpr std::size_t kAhead = 8;
            if (i + kAhead < n_ids && id[kAhead] >= 0) prefetch(rows, refinement, static_cast<std::size_t>(id[kAhead]));
            found[at] = -std::numeric_limits<float>::infinity();
            if (*id < 0) continue;
            const std::size_t row = static_cast<std::size_t>(*id);
            const std::uint8_t* levels = decoder.levels(row);
            const double product = static_cast<double>(2 * dot(query, levels, rows.n_directions) - twice) / 2;
            float numbers[2];
            isa.widen_halves(refinement.numbers + row * refinement.n_numbers, 2, numbers);
            const double gained =
                units[q] * product * static_cast<double>(numbers[0]) + static_cast<double>(numbers[1]);
            const double before = static_cast<double>(shortlists.first[at]);
            const double ratio = shortlists.ratios ? shortlists.ratios[at] : 1.0;
            const double weight = shortlists.weights ? shortlists.weights[at] : 1.0;
            found[at] = static_cast<float>(before * ratio + gained * weight);
          }
        }
      },
      [&interrupt] { interrupt.ask(); });
  interrupt.finish();
  for (std::size_t q = 0; q < n_queries; ++q) {
    TopK top(k);
    for (std::size_t i = q * n_ids; i < (q + 1) * n_ids; ++i) {
      if (found[i] > -std::numeric_limits<float>::infinity()) {
        top.push(make_score_key(found[i], static_cast<std::size_t>(shortlists.ids[i])));
      }
    }
    write_result(top.sorted(), k, scores + q * k, indices + q * k);
  }
}

}  // namespace slimvec
