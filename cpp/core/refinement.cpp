#include "core/refinement.hpp"

#include <algorithm>
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

// Products of one query with codes: a bit of a level counts as much as the level does, times a power of two.
class Products {
 public:
  Products(const Kernels& isa, const RowCodes& rows)
      : isa_(isa), rows_(rows), weights_(8 * rows.row_bytes), tables_(kTableEntriesPerByte * rows.row_bytes) {}

  void prepare(const std::int16_t* query) {
    std::size_t bit = 0;
    for (unsigned plane = 0; plane < rows_.bits[0]; ++plane) {
      for (std::size_t j = 0; j < rows_.n_directions && rows_.bits[j] > plane; ++j) {
        weights_[bit++] = query[j] * (1 << (rows_.bits[j] - 1 - plane));
      }
    }
    isa_.weight_tables(weights_.data(), rows_.row_bytes, tables_.data());
    twice_lowest_ = 0;
    for (std::size_t j = 0; j < rows_.n_directions; ++j) {
      twice_lowest_ -= std::int64_t{query[j]} * ((1 << rows_.bits[j]) - 1);
    }
  }

  // Twice the sum over j of query[j] * u of a row.
  std::int64_t twice(std::size_t row) const {
    const std::uint8_t* code = rows_.codes + row * rows_.row_bytes;
    return 2 * isa_.weigh_bits(code, rows_.row_bytes, tables_.data()) + twice_lowest_;
  }

 private:
  const Kernels& isa_;
  const RowCodes& rows_;
  std::vector<std::int32_t> weights_;  // of the bits of a code; 0 past the last
  std::vector<std::int32_t> tables_;
  std::int64_t twice_lowest_ = 0;  // the product with the lowest levels
};

void prefetch(const RowCodes& rows, const Refinement& refinement, std::size_t row) {
  const std::uint8_t* next = rows.codes + row * rows.row_bytes;
  for (std::size_t at = 0; at < rows.row_bytes; at += 64) ask_cache(next + at);
  ask_cache(refinement.numbers + row * refinement.n_numbers);
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
  constexpr std::size_t kRows = 64;  // of a query, at a time
  const std::size_t slices_per_query = ceil_divide(n_ids, kRows);
  std::vector<float> found(n_queries * n_ids);
  Slices slices(n_queries * slices_per_query, 1);
  run_parallel(
      n_threads,
      [&](std::size_t) {
        Products products(isa, rows);
        std::size_t prepared = n_queries;
        for (Range one; slices.next(one);) {
          interrupt.check();
          const std::size_t q = one.begin / slices_per_query, first = one.begin % slices_per_query * kRows;
          if (q != prepared) products.prepare(values + q * rows.n_directions);
          prepared = q;
          for (std::size_t i = first; i < std::min(first + kRows, n_ids); ++i) {
            const std::size_t at = q * n_ids + i;
            const std::int64_t* id = shortlists.ids + at;
            constexpr std::size_t kAhead = 8;
            if (i + kAhead < n_ids && id[kAhead] >= 0) prefetch(rows, refinement, static_cast<std::size_t>(id[kAhead]));
            found[at] = -std::numeric_limits<float>::infinity();
            if (*id < 0) continue;
            const std::size_t row = static_cast<std::size_t>(*id);
            const double product = static_cast<double>(products.twice(row)) / 2;
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
