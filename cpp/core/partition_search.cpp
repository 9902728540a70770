#include "core/partition_search.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/asymmetric_scan.hpp"
#include "core/platform.hpp"

namespace slimvec {

namespace {

// One query in one list.
struct Visit {
  std::uint32_t list;
  std::uint32_t query;  // within the tile
  float offset;
  bool is_first;  // of its query: limits fall early where the best list comes before all others
};

class ListScan {
 public:
  ListScan(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const Lists& lists, Mask mask,
           const AsymmetricQueries& queries, const Probes& probes)
      : table_(table),
        factors_(factors),
        lists_(lists),
        mask_(mask),
        probes_(probes),
        scan_(isa, table, factors, queries) {
    const std::size_t n_visits = queries.n_queries * probes.n_probes;
    const bool known = std::all_of(probes.lists, probes.lists + n_visits, [&lists](std::int32_t list) {
      return list >= 0 && static_cast<std::size_t>(list) < lists.n_lists;
    });
    if (!known) throw std::invalid_argument("probes names a list that the table does not have");
  }

  // The visits of some queries, those in one list next to each other; of one query, best list first.
  std::vector<Visit> visits(Range queries) const {
    std::vector<Visit> all;
    all.reserve(queries.size() * probes_.n_probes);
    for (std::size_t q = queries.begin; q < queries.end; ++q) {
      for (std::size_t i = 0; i < probes_.n_probes; ++i) {
        const std::size_t at = q * probes_.n_probes + i;
        all.push_back({static_cast<std::uint32_t>(probes_.lists[at]), static_cast<std::uint32_t>(q - queries.begin),
                       probes_.offsets[at], i == 0});
      }
    }
    if (queries.size() > 1) {
      std::sort(all.begin(), all.end(), [](const Visit& a, const Visit& b) {
        if (a.is_first != b.is_first) return a.is_first;
        return a.list != b.list ? a.list < b.list : a.query < b.query;
      });
    }
    return all;
  }

  // Makes `visits` of a tile whose first query is `first_query`; tops[v.query] takes what is found.
  template <typename Top>
  void walk(const Visit* visits, std::size_t n_visits, std::size_t first_query, Interrupt& interrupt, Hits* hits,
            Top* tops) const {
    const std::size_t step = chunk_blocks(table_);
    for (std::size_t begin = 0, end = 0; begin < n_visits; begin = end) {
      interrupt.check();
      while (end < n_visits && visits[end].list == visits[begin].list) ++end;
      if (end < n_visits) prefetch(visits[end].list);
      const Range positions = positions_of(visits[begin].list);
      const Range blocks = blocks_of(positions);
      const bool is_long = blocks.size() * table_.block_words() * sizeof(std::uint32_t) > kAhead;
      for (Range chunk{blocks.begin, 0}; chunk.begin < blocks.end; chunk.begin = chunk.end) {
        chunk.end = std::min(chunk.begin + step, blocks.end);
        for_each_group({begin, end}, [&](Range group) {
          // Past a list that was asked for whole, kernels would ask for what is not read.
          scan(visits, group, chunk, positions, first_query, is_long && group.begin == begin, hits, tops);
        });
      }
    }
  }

 private:
  static constexpr std::size_t kLine = 64;
  static constexpr std::size_t kAhead = 16 << 10;  // bytes of a list: half of a small L1 cache

  Range positions_of(std::size_t list) const {
    return {static_cast<std::size_t>(lists_.starts[list]), static_cast<std::size_t>(lists_.starts[list + 1])};
  }

  static Range blocks_of(Range positions) {
    if (positions.begin == positions.end) return {0, 0};
    return {positions.begin / kBlockCodes, ceil_divide(positions.end, kBlockCodes)};
  }

  // A group of visits to one list, each of another query.
  template <typename Top>
  void scan(const Visit* visits, Range group, Range chunk, Range positions, std::size_t first_query, bool cold,
            Hits* hits, Top* tops) const {
    AsymmetricScan::Asked asked[kGroupQueries];
    for (std::size_t v = 0; v < group.size(); ++v) {
      const Visit& visit = visits[group.begin + v];
      // Rows do not rise along a list, so that one of the same score may yet win.
      asked[v] = {first_query + visit.query, visit.offset, rank_below(tops[visit.query].limit())};
    }
    scan_.scan(chunk, asked, group.size(), cold, hits);
    for (std::size_t v = 0; v < group.size(); ++v) take(chunk, positions, hits[v], tops[visits[group.begin + v].query]);
  }

  template <typename Top>
  void take(Range chunk, Range positions, const Hits& hits, Top& top) const {
    for (std::size_t i = 0; i < hits.count; ++i) {
      const std::size_t position = chunk.begin * kBlockCodes + hits.positions[i];
      if (position < positions.begin || position >= positions.end) continue;  // of the list next door
      const std::size_t row = lists_.rows[position];
      if (row >= table_.n_codes) {
        throw std::out_of_range("the table is damaged: it names row " + std::to_string(row) + " of " +
                                std::to_string(table_.n_codes));
      }
      if (may_be_found(table_, mask_, row)) top.push(make_key(hits.ranks[i], row));
    }
    top.tighten();
  }

  // Asks the cache for the next list, codes and factors, while this one is scanned.
  void prefetch(std::size_t list) const {
    const Range blocks = blocks_of(positions_of(list));
    const auto ask = [](const void* first, std::size_t n_bytes) {
      const char* line = static_cast<const char*>(first);
      for (std::size_t at = 0; at < std::min(n_bytes, kAhead); at += kLine) ask_cache(line + at);
    };
    ask(table_.blocks + blocks.begin * table_.block_words(),
        blocks.size() * table_.block_words() * sizeof(std::uint32_t));
    const std::size_t of_block = factors_.n_factors * kBlockCodes;
    ask(factors_.values + blocks.begin * of_block, blocks.size() * of_block * sizeof(std::uint16_t));
  }

  const BlockedCodes& table_;
  const Factors& factors_;
  const Lists& lists_;
  const Mask mask_;
  const Probes& probes_;
  const AsymmetricScan scan_;
};

// The best rows of each query, gathered in empty_of(query), as scan_for_top reports them.
template <typename EmptyOf, typename Report>
void search_lists(const BlockedCodes& table, const ListScan& lists_of, std::size_t n_queries, const EmptyOf& empty_of,
                  std::size_t n_threads, Interrupt& interrupt, Report report) {
  const auto while_waiting = [&interrupt] { interrupt.ask(); };
  if (n_threads == 1 || n_queries >= 4 * n_threads) {  // each thread takes some queries
    const std::size_t tile = std::min(kTileQueries, ceil_divide(std::max<std::size_t>(n_queries, 1), n_threads));
    Slices tiles(n_queries, tile);
    run_parallel(
        n_threads,
        [&](std::size_t) {
          std::vector<Hits> hits = hits_of_group(table, n_queries);
          for (Range some; tiles.next(some);) {
            auto tops = empty_tops(some, empty_of);
            const std::vector<Visit> visits = lists_of.visits(some);
            lists_of.walk(visits.data(), visits.size(), some.begin, interrupt, hits.data(), tops.data());
            for (std::size_t q = some.begin; q < some.end; ++q) report(q, tops[q - some.begin].sorted());
          }
        },
        while_waiting);
  } else {  // few queries: each thread takes some of the lists, and their best are merged
    const std::vector<Visit> visits = lists_of.visits({0, n_queries});
    auto tops = empty_tops_of_parts(n_threads, n_queries, empty_of);
    constexpr std::size_t kVisits = 4;  // at a time: threads end together
    Slices slices(visits.size(), kVisits);
    run_parallel(
        n_threads,
        [&](std::size_t part) {
          std::vector<Hits> hits = hits_of_group(table, n_queries);
          for (Range some; slices.next(some);) {
            lists_of.walk(visits.data() + some.begin, some.size(), 0, interrupt, hits.data(),
                          tops.data() + part * n_queries);
          }
        },
        while_waiting);
    report_merged(tops, n_queries, n_threads, report);
  }
  interrupt.finish();
}

}  // namespace

void partition_search(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const Lists& lists,
                      Mask mask, const AsymmetricQueries& queries, const Probes& probes, std::size_t k,
                      std::size_t n_threads, Interrupt& interrupt, float* scores, std::int64_t* indices) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  const ListScan lists_of(isa, table, factors, lists, mask, queries, probes);
  search_lists(
      table, lists_of, queries.n_queries, [k](std::size_t) { return TopK(k); }, n_threads, interrupt,
      [=](std::size_t q, const std::vector<Key>& keys) { write_result(keys, k, scores + q * k, indices + q * k); });
}

std::vector<std::vector<Key>> partition_range_search(const Kernels& isa, const BlockedCodes& table,
                                                     const Factors& factors, const Lists& lists, Mask mask,
                                                     const AsymmetricQueries& queries, const Probes& probes,
                                                     const float* limits, std::size_t n_threads, Interrupt& interrupt) {
  const ListScan lists_of(isa, table, factors, lists, mask, queries, probes);
  std::vector<std::vector<Key>> found(queries.n_queries);
  search_lists(
      table, lists_of, queries.n_queries, [=](std::size_t q) { return all_above(limits[q]); }, n_threads, interrupt,
      [&found](std::size_t q, const std::vector<Key>& keys) { found[q] = keys; });
  return found;
}

}  // namespace slimvec
