#include "core/partition_search.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

#include "core/asymmetric_scan.hpp"
#include "core/own_scores.hpp"
#include "core/platform.hpp"

namespace slimvec {

namespace {

// The best of both kinds of codes of a query: neither keeps the other out.
struct TwoTops {
  TopK own;      // by rows
  TopK spilled;  // by the positions of own codes
};

template <typename Top>
Top& part_of(Top& top, bool) {
  return top;
}

inline TopK& part_of(TwoTops& top, bool is_own) { return is_own ? top.own : top.spilled; }

template <typename Top>
void absorb(Top& top, Top& other) {
  for (const Key key : other.sorted()) top.push(key);
}

inline void absorb(TwoTops& top, TwoTops& other) {
  absorb(top.own, other.own);
  absorb(top.spilled, other.spilled);
}

// One query in one list.
struct Visit {
  std::uint32_t list;
  std::uint32_t query;  // within the tile
  float offset;
  bool is_first;  // of its query: limits fall early where the best list comes before all others
};

class ListScan {
 public:
  ListScan(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const Lists& lists,
           const Spilled* spilled, Mask mask, const AsymmetricQueries& queries, const Probes& probes)
      : table_(table),
        lists_(lists),
        mask_(mask),
        probes_(probes),
        own_{table, factors, lists, {isa, table, factors, queries}} {
    if (spilled) {
      spilled_.emplace(
          Entries{spilled->codes, spilled->factors, spilled->lists, own_.scan.over(spilled->codes, spilled->factors)});
    }
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
      const auto walk_one = [&](const Entries& entries) {
        const Ahead next = end < n_visits ? ahead(entries, visits[end].list) : Ahead{};
        walk_list(entries, visits, {begin, end}, first_query, step, next, hits, tops);
      };
      walk_one(own_);
      if (spilled_) walk_one(*spilled_);
    }
  }

  const AsymmetricScan& own_scan() const { return own_.scan; }

 private:
  static constexpr std::size_t kLine = 64;
  static constexpr std::size_t kAhead = 16 << 10;  // bytes of a list: half of a small L1 cache

  // Codes that lie list by list.
  struct Entries {
    const BlockedCodes& codes;
    const Factors& factors;
    const Lists& lists;
    const AsymmetricScan scan;

    Range positions_of(std::size_t list) const {
      return {static_cast<std::size_t>(lists.starts[list]), static_cast<std::size_t>(lists.starts[list + 1])};
    }
  };

  template <typename Top>
  void walk_list(const Entries& entries, const Visit* visits, Range of_list, std::size_t first_query, std::size_t step,
                 Ahead next, Hits* hits, Top* tops) const {
    const Range positions = entries.positions_of(visits[of_list.begin].list);
    const Range blocks = blocks_of(positions);
    next.parts[0] = entries.scan.lines({head_of(blocks).end, blocks.end});
    for (Range chunk{blocks.begin, 0}; chunk.begin < blocks.end; chunk.begin = chunk.end) {
      chunk.end = std::min(chunk.begin + step, blocks.end);
      for_each_group(of_list, [&](Range group) {
        Ahead nothing = {};
        scan(entries, visits, group, chunk, positions, first_query, group.begin == of_list.begin ? next : nothing, hits,
             tops);
      });
    }
    ask(next, SIZE_MAX);
  }

  // The blocks of a list that the cache is asked for while the list before is scanned; the others follow while it is.
  Range head_of(Range blocks) const {
    const std::size_t n_blocks = ceil_divide(kAhead, table_.block_words() * sizeof(std::uint32_t));
    return {blocks.begin, std::min(blocks.begin + n_blocks, blocks.end)};
  }

  static Range blocks_of(Range positions) {
    if (positions.begin == positions.end) return {0, 0};
    return {positions.begin / kBlockCodes, ceil_divide(positions.end, kBlockCodes)};
  }

  // A group of visits to one list, each of another query.
  template <typename Top>
  void scan(const Entries& entries, const Visit* visits, Range group, Range chunk, Range positions,
            std::size_t first_query, Ahead& ahead, Hits* hits, Top* tops) const {
    AsymmetricScan::Asked asked[kGroupQueries] = {};
    for (std::size_t v = 0; v < group.size(); ++v) {
      const Visit& visit = visits[group.begin + v];
      // Rows do not rise along a list, so that one of the same score may yet win.
      const std::uint32_t limit = part_of(tops[visit.query], &entries == &own_).limit();
      asked[v] = {first_query + visit.query, visit.offset, rank_below(limit)};
    }
    entries.scan.scan(chunk, asked, group.size(), ahead, hits);
    for (std::size_t v = 0; v < group.size(); ++v) {
      take(entries, chunk, positions, hits[v], part_of(tops[visits[group.begin + v].query], &entries == &own_));
    }
  }

  template <typename Top>
  void take(const Entries& entries, Range chunk, Range positions, const Hits& hits, Top& top) const {
    const bool is_own = &entries == &own_;
    for (std::size_t i = 0; i < hits.count; ++i) {
      const std::size_t position = chunk.begin * kBlockCodes + hits.positions[i];
      if (position < positions.begin || position >= positions.end) continue;  // of the list next door
      const std::size_t known = row_at(entries.lists, position, table_.n_codes, is_own ? "row " : "the code of row ");
      if (mask_) {
        const std::size_t row = is_own ? known : row_at(lists_, known, table_.n_codes);
        if (!may_be_found(table_, mask_, row)) continue;
      }
      top.push(make_key(hits.ranks[i], known));
    }
    top.tighten();
  }

  // What a scan of the list before asks the cache for; the first part is its own.
  Ahead ahead(const Entries& entries, std::size_t list) const {
    const Range positions = entries.positions_of(list), blocks = blocks_of(positions);
    const auto lines = [](const void* first, std::size_t n_bytes) {
      return Ahead::Part{static_cast<const char*>(first), ceil_divide(std::min(n_bytes, kAhead), kLine)};
    };
    const std::size_t of_block = entries.factors.n_factors * kBlockCodes;
    return {{{nullptr, 0},
             entries.scan.lines(head_of(blocks)),
             lines(entries.factors.values + blocks.begin * of_block, blocks.size() * of_block * sizeof(std::uint16_t)),
             lines(entries.lists.rows + positions.begin, positions.size() * sizeof(std::uint32_t))}};
  }

  const BlockedCodes& table_;
  const Lists& lists_;
  const Mask mask_;
  const Probes& probes_;
  const Entries own_;
  std::optional<const Entries> spilled_;
};

// What is best for each query, gathered in empty_of(query): report(query, what was gathered), by any thread.
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
            for (std::size_t q = some.begin; q < some.end; ++q) report(q, tops[q - some.begin]);
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
    for (std::size_t q = 0; q < n_queries; ++q) {
      for (std::size_t part = 1; part < n_threads; ++part) absorb(tops[q], tops[part * n_queries + q]);
      report(q, tops[q]);
    }
  }
  interrupt.finish();
}

}  // namespace

void partition_search(const Kernels& isa, const BlockedCodes& table, const Factors& factors, const Lists& lists,
                      const Spilled* spilled, Mask mask, const AsymmetricQueries& queries, const Probes& probes,
                      std::size_t k, std::size_t n_threads, Interrupt& interrupt, float* scores,
                      std::int64_t* indices) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  const ListScan lists_of(isa, table, factors, lists, spilled, mask, queries, probes);
  const auto write = [=](std::size_t q, const std::vector<Key>& keys) {
    write_result(keys, k, scores + q * k, indices + q * k);
  };
  if (!spilled) {
    search_lists(
        table, lists_of, queries.n_queries, [k](std::size_t) { return TopK(k); }, n_threads, interrupt,
        [&write](std::size_t q, TopK& top) { write(q, top.sorted()); });
    return;
  }
  constexpr std::size_t kLeast = 40;  // second codes that are kept: of near rows, some promise too much
  const std::size_t n_spilled = std::max(k, kLeast);
  const auto none = [k, n_spilled](std::size_t) { return TwoTops{TopK(k), TopK(n_spilled)}; };
  const OwnScores own_scores(isa, table, lists, spilled->centroids, probes.queries, lists_of.own_scan());
  search_lists(table, lists_of, queries.n_queries, none, n_threads, interrupt, [&](std::size_t q, TwoTops& tops) {
    write(q, own_scores.with(q, tops.own.sorted(), tops.spilled.sorted()));
  });
}

std::vector<std::vector<Key>> partition_range_search(const Kernels& isa, const BlockedCodes& table,
                                                     const Factors& factors, const Lists& lists, Mask mask,
                                                     const AsymmetricQueries& queries, const Probes& probes,
                                                     const float* limits, std::size_t n_threads, Interrupt& interrupt) {
  const ListScan lists_of(isa, table, factors, lists, nullptr, mask, queries, probes);
  std::vector<std::vector<Key>> found(queries.n_queries);
  search_lists(
      table, lists_of, queries.n_queries, [=](std::size_t q) { return all_above(limits[q]); }, n_threads, interrupt,
      [&found](std::size_t q, AllBelow& top) { found[q] = top.sorted(); });
  return found;
}

}  // namespace slimvec
