#include "core/asymmetric_search.hpp"

#include <limits>
#include <stdexcept>
#include <vector>

#include "core/asymmetric_scan.hpp"

namespace slimvec {

void asymmetric_search(const Kernels& isa, const BlockedCodes& table, const Factors& factors, Mask mask,
                       const AsymmetricQueries& queries, std::size_t k, std::size_t n_threads, Interrupt& interrupt,
                       float* scores, std::int64_t* indices) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  const AsymmetricScan below(isa, table, factors, queries);
  scan_for_top(
      table, mask, queries.n_queries, [k](std::size_t) { return TopK(k); }, n_threads, interrupt, below,
      [=](std::size_t q, const std::vector<Key>& keys) { write_result(keys, k, scores + q * k, indices + q * k); });
}

std::vector<std::vector<Key>> asymmetric_range_search(const Kernels& isa, const BlockedCodes& table,
                                                      const Factors& factors, Mask mask,
                                                      const AsymmetricQueries& queries, const float* limits,
                                                      std::size_t n_threads, Interrupt& interrupt) {
  const AsymmetricScan below(isa, table, factors, queries);
  std::vector<std::vector<Key>> found(queries.n_queries);
  scan_for_top(
      table, mask, queries.n_queries, [=](std::size_t q) { return all_above(limits[q]); }, n_threads, interrupt, below,
      [&found](std::size_t q, const std::vector<Key>& keys) { found[q] = keys; });
  return found;
}

void asymmetric_rescore(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const std::int64_t* ids,
                        std::size_t n_ids, const AsymmetricQueries& queries, std::size_t k, std::size_t n_threads,
                        Interrupt& interrupt, float* scores, std::int64_t* indices, const std::uint32_t* rows) {
  if (k < 1 || k > n_ids) throw std::invalid_argument("k must lie between 1 and the number of ids per query");
  check_ids(table, ids, queries.n_queries * n_ids, true);
  const AsymmetricScan score_codes(isa, table, factors, queries);
  Slices slices(queries.n_queries, 1);
  run_parallel(
      n_threads,
      [&](std::size_t) {
        for (Range one; slices.next(one);) {
          interrupt.check();
          TopK top(k);
          const std::int64_t* id = ids + one.begin * n_ids;
          for (std::size_t i = 0; i < n_ids; ++i, ++id) {
            prefetch_ahead(table, id, n_ids - i);
            if (*id < 0) continue;
            const std::size_t at = static_cast<std::size_t>(*id);
            const float score = score_codes.score(one.begin, at);
            if (score > -std::numeric_limits<float>::infinity()) top.push(make_score_key(score, rows ? rows[at] : at));
          }
          write_result(top.sorted(), k, scores + one.begin * k, indices + one.begin * k);
        }
      },
      [&interrupt] { interrupt.ask(); });
  interrupt.finish();
}

}  // namespace slimvec
