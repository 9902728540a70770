// Walking over blocked codes in the order that caches like, on several threads, keeping the best of each query.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/blocked_codes.hpp"
#include "core/interrupt.hpp"
#include "core/range.hpp"
#include "core/threads.hpp"
#include "core/top_k.hpp"

namespace slimvec {

// Which codes may be found: bit i % 8 of byte i / 8 for code i, two bytes per block, bits of padding codes clear. Null
// allows every code. Blocks of which no code is allowed are not read.
using Mask = const std::uint8_t*;

// The queries of a tile run over one chunk of codes after the other, and limits fall between chunks. A chunk fits the
// smallest L1 cache (32 KB) with room to spare: at 1024 bits, chunks of 128 KB took 2.3 times as long (EPYC Turin). 64
// queries per tile make reading the codes from memory a small part of the work.
constexpr std::size_t kChunkBytes = 24 << 10;
constexpr std::size_t kTileQueries = 64;
// Queries that a kernel may take side by side over a chunk.
constexpr std::size_t kGroupQueries = 4;
// A thread asks for a part of the codes at a time: large enough that asking is nothing, small enough that threads
// end together.
constexpr std::size_t kMaxSliceChunks = 64;

// Blocks per chunk: a multiple of 4, which is how many the kernels take side by side.
inline std::size_t chunk_blocks(const BlockedCodes& table) {
  return std::max<std::size_t>(4, kChunkBytes / (table.block_words() * sizeof(std::uint32_t)) / 4 * 4);
}

// Blocks per slice: whole chunks.
inline std::size_t slice_blocks(const BlockedCodes& table, std::size_t n_threads) {
  const std::size_t chunk = chunk_blocks(table);
  return chunk * std::clamp<std::size_t>(table.n_blocks() / (4 * n_threads * chunk), 1, kMaxSliceChunks);
}

// Hands out 0 ... size - 1 in slices, in rising order, each to one thread.
class Slices {
 public:
  Slices(std::size_t size, std::size_t step) : size_(size), step_(step) {}
  bool next(Range& slice) {
    slice.begin = std::min(next_.fetch_add(step_), size_);
    slice.end = std::min(slice.begin + step_, size_);
    return slice.begin < slice.end;
  }

 private:
  const std::size_t size_, step_;
  std::atomic<std::size_t> next_{0};
};

// Room for what a kernel can append in one chunk: ranks (small is good) and positions within the blocks given, of which
// the first `count` are of the last call.
struct Hits {
  explicit Hits(std::size_t n_codes) : ranks(n_codes), positions(n_codes) {}
  std::vector<std::uint32_t> ranks;
  std::vector<std::uint32_t> positions;
  std::size_t count = 0;
};

// The same for each query of a group, where there are so many queries in all.
inline std::vector<Hits> hits_of_group(const BlockedCodes& table, std::size_t n_queries) {
  return std::vector<Hits>(std::min(n_queries, kGroupQueries), Hits(chunk_blocks(table) * kBlockCodes));
}

// Calls visit(group) for every kGroupQueries of `queries`.
template <typename Visit>
void for_each_group(Range queries, Visit visit) {
  for (Range group{queries.begin, 0}; group.begin < queries.end; group.begin = group.end) {
    group.end = std::min(group.begin + kGroupQueries, queries.end);
    visit(group);
  }
}

inline bool may_be_found(const BlockedCodes& table, Mask mask, std::size_t index) {
  return mask ? (mask[index / 8] >> (index % 8)) & 1 : index < table.n_codes;  // a last block holds padding codes
}

// The first blocks of `blocks` that follow each other and all hold allowed codes.
inline Range first_run(Mask mask, Range blocks) {
  if (!mask) return blocks;
  const auto any = [mask](std::size_t block) { return mask[2 * block] || mask[2 * block + 1]; };
  while (blocks.begin < blocks.end && !any(blocks.begin)) ++blocks.begin;
  std::size_t end = blocks.begin;
  while (end < blocks.end && any(end)) ++end;
  return {blocks.begin, end};
}

// A Below is called as below(blocks, queries, limits, cold, hits): for each of a group of queries it puts the codes of
// a range of blocks whose rank lies below the query's limit into its own of `hits`, in rising position. `cold`: the
// blocks come from memory.

// A group of queries over one chunk: take(query, rank, index), queries counted within the group, for every allowed code
// below the query's limit, in rising index. The first group to see a chunk finds it cold.
template <typename Below, typename Take>
void scan_chunk(const BlockedCodes& table, Mask mask, Range chunk, Range queries, const std::uint32_t* limits,
                bool cold, const Below& below, Hits* hits, Take take) {
  for (Range run = first_run(mask, chunk); run.begin < run.end; run = first_run(mask, {run.end, chunk.end})) {
    below(run, queries, limits, cold, hits);
    for (std::size_t query = 0; query < queries.size(); ++query) {
      for (std::size_t i = 0; i < hits[query].count; ++i) {
        const std::size_t index = run.begin * kBlockCodes + hits[query].positions[i];
        if (may_be_found(table, mask, index)) take(query, hits[query].ranks[i], index);
      }
    }
  }
}

// Calls visit(chunk, group) for every chunk of `blocks` and, within it, every group of `queries`.
template <typename Visit>
void for_each_chunk(const BlockedCodes& table, Range blocks, Range queries, Interrupt& interrupt, Visit visit) {
  const std::size_t step = chunk_blocks(table);
  for (std::size_t begin = blocks.begin; begin < blocks.end; begin += step) {
    interrupt.check();
    const Range chunk = {begin, std::min(begin + step, blocks.end)};
    for_each_group(queries, [&](Range group) { visit(chunk, group); });
  }
}

// The same for all of n_queries, a tile of them after the other.
template <typename Visit>
void for_each_chunk_and_tile(const BlockedCodes& table, Range blocks, std::size_t n_queries, Interrupt& interrupt,
                             Visit visit) {
  for (std::size_t first = 0; first < n_queries; first += kTileQueries) {
    for_each_chunk(table, blocks, {first, std::min(first + kTileQueries, n_queries)}, interrupt, visit);
  }
}

// Scans `blocks` for `queries`; tops[q - queries.begin] takes the candidates of query q.
template <typename Top, typename Below>
void scan_tile(const BlockedCodes& table, Mask mask, const std::uint32_t* rows, Range blocks, Range queries,
               Interrupt& interrupt, const Below& below, Hits* hits, Top* tops) {
  // Where rows do not rise along the codes, one of the same rank as the last may yet win.
  const auto limit_for = [rows](std::uint32_t limit) { return rows && limit != UINT32_MAX ? limit + 1 : limit; };
  for_each_chunk(table, blocks, queries, interrupt, [&](Range chunk, Range group) {
    Top* of_group = tops + (group.begin - queries.begin);
    std::uint32_t limits[kGroupQueries];
    for (std::size_t q = 0; q < group.size(); ++q) limits[q] = limit_for(of_group[q].limit());
    scan_chunk(table, mask, chunk, group, limits, group.begin == queries.begin, below, hits,
               [of_group, rows](std::size_t q, std::uint32_t rank, std::size_t index) {
                 of_group[q].push(make_key(rank, rows ? rows[index] : index));
               });
    for (std::size_t q = 0; q < group.size(); ++q) of_group[q].tighten();
  });
}

// Reports what n_parts threads found for each query, tops[part * n_queries + query], in rising order.
template <typename Top, typename Report>
void report_merged(std::vector<Top>& tops, std::size_t n_queries, std::size_t n_parts, Report report) {
  for (std::size_t q = 0; q < n_queries; ++q) {
    std::vector<Key> merged;
    for (std::size_t part = 0; part < n_parts; ++part) {
      const std::vector<Key>& keys = tops[part * n_queries + q].sorted();
      merged.insert(merged.end(), keys.begin(), keys.end());
    }
    std::sort(merged.begin(), merged.end());
    report(q, merged);
  }
}

// What gathers the keys of some queries: empty_of(query) for each.
template <typename EmptyOf>
auto empty_tops(Range queries, const EmptyOf& empty_of) {
  std::vector<decltype(empty_of(0))> tops;
  tops.reserve(queries.size());
  for (std::size_t q = queries.begin; q < queries.end; ++q) tops.push_back(empty_of(q));
  return tops;
}

// The same once for each of n_parts threads: those of query q in `part` at part * n_queries + q.
template <typename EmptyOf>
auto empty_tops_of_parts(std::size_t n_parts, std::size_t n_queries, const EmptyOf& empty_of) {
  return empty_tops({0, n_parts * n_queries}, [=](std::size_t i) { return empty_of(i % n_queries); });
}

// For each of n_queries the best allowed codes by (rank, index), gathered in empty_of(query): report(query, keys) for
// each query, by any thread, with at least as many of the lowest keys as are gathered, in rising order. Where `rows`
// are given, rows[index] is the index by which a code is known, but for the mask; then a rank is no score.
template <typename EmptyOf, typename Below, typename Report>
void scan_for_top(const BlockedCodes& table, Mask mask, std::size_t n_queries, const EmptyOf& empty_of,
                  std::size_t n_threads, Interrupt& interrupt, const Below& below, Report report,
                  const std::uint32_t* rows = nullptr) {
  const auto while_waiting = [&interrupt] { interrupt.ask(); };
  if (n_queries >= 4 * n_threads) {  // enough queries for every thread: each takes some over the whole table
    const std::size_t tile = std::min(kTileQueries, ceil_divide(n_queries, n_threads));
    Slices tiles(n_queries, tile);
    run_parallel(
        n_threads,
        [&](std::size_t) {
          std::vector<Hits> hits = hits_of_group(table, n_queries);
          for (Range queries; tiles.next(queries);) {
            auto tops = empty_tops(queries, empty_of);
            scan_tile(table, mask, rows, {0, table.n_blocks()}, queries, interrupt, below, hits.data(), tops.data());
            for (std::size_t q = queries.begin; q < queries.end; ++q) report(q, tops[q - queries.begin].sorted());
          }
        },
        while_waiting);
  } else {  // few queries: each thread takes some of the codes, and their best are merged
    auto tops = empty_tops_of_parts(n_threads, n_queries, empty_of);
    Slices slices(table.n_blocks(), slice_blocks(table, n_threads));
    run_parallel(
        n_threads,
        [&](std::size_t part) {
          std::vector<Hits> hits = hits_of_group(table, n_queries);
          for (Range blocks; slices.next(blocks);) {
            scan_tile(table, mask, rows, blocks, {0, n_queries}, interrupt, below, hits.data(),
                      tops.data() + part * n_queries);
          }
        },
        while_waiting);
    report_merged(tops, n_queries, n_threads, report);
  }
  interrupt.finish();
}

}  // namespace slimvec
