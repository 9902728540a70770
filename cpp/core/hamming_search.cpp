#include "core/hamming_search.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace slimvec {

namespace {

// With AVX-512 0.09 ms from cache (EPYC Turin), several times what handing work to a thread costs: a search of twice as
// many words breaks even on two threads, one of four times as many gains.
constexpr std::size_t kWordsPerThread = std::size_t{1} << 21;
constexpr std::size_t kMaxThreads = 256;
// A count for every distance: 16 KB per query at most. Wider codes do without.
constexpr std::size_t kMaxCountedBits = 4096;

// Queries as the kernels take them, and the scan's Below (scan.hpp) over them: ranks are distances.
struct HammingScan {
  HammingScan(const Kernels& kernels, const BlockedCodes& codes, std::size_t n_bits, const std::uint8_t* queries,
              std::size_t n_queries)
      : isa(kernels), table(codes), words(n_queries * codes.n_words) {
    if (table.n_codes > kMaxIndex) throw std::invalid_argument("too many codes");
    codes_to_words(queries, n_queries, n_bits, words.data());
  }

  void operator()(Range blocks, Range queries, const std::uint32_t* limits, bool cold, Hits* hits) const {
    for (std::size_t q = queries.begin; q < queries.end; ++q, ++limits, ++hits) {
      hits->count = isa.hamming_below(table.blocks + blocks.begin * table.block_words(), blocks.size(), table.n_words,
                                      words.data() + q * table.n_words, *limits, cold && q == queries.begin,
                                      hits->ranks.data(), hits->positions.data());
    }
  }

  const Kernels& isa;
  const BlockedCodes& table;
  std::vector<std::uint32_t> words;
};

// Limits that every distance lies below.
std::vector<std::uint32_t> no_limits() { return std::vector<std::uint32_t>(kGroupQueries, UINT32_MAX); }

}  // namespace

void hamming_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, Mask mask,
                    const std::uint8_t* queries, std::size_t n_queries, std::size_t k, std::size_t n_threads,
                    Interrupt& interrupt, std::int32_t* distances, std::int64_t* indices, const std::uint32_t* rows) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  const HammingScan below(isa, table, n_bits, queries, n_queries);
  const auto report = [=](std::size_t q, const std::vector<Key>& keys) {
    for (std::size_t i = 0; i < k; ++i) {
      const bool found = i < keys.size();
      distances[q * k + i] = found ? static_cast<std::int32_t>(key_rank(keys[i])) : INT32_MAX;
      indices[q * k + i] = found ? key_index(keys[i]) : -1;
    }
  };
  if (n_bits <= kMaxCountedBits && !rows) {  // counting keeps the first of equal ranks, so that indices must rise
    scan_for_top(
        table, mask, n_queries, [=](std::size_t) { return CountingTopK(k, n_bits + 1); }, n_threads, interrupt, below,
        report);
  } else {
    scan_for_top(
        table, mask, n_queries, [k](std::size_t) { return TopK(k); }, n_threads, interrupt, below, report, rows);
  }
}

std::vector<std::vector<Key>> hamming_range_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits,
                                                   Mask mask, const std::uint8_t* queries, std::size_t n_queries,
                                                   std::uint32_t radius, std::size_t n_threads, Interrupt& interrupt,
                                                   const std::uint32_t* rows) {
  const HammingScan below(isa, table, n_bits, queries, n_queries);
  const std::uint32_t limit =
      std::min(radius, static_cast<std::uint32_t>(n_bits)) + 1;  // the kernel keeps what is below
  std::vector<std::vector<Key>> found(n_queries);
  scan_for_top(
      table, mask, n_queries, [limit](std::size_t) { return AllBelow(limit); }, n_threads, interrupt, below,
      [&found](std::size_t q, const std::vector<Key>& keys) { found[q] = keys; }, rows);
  return found;
}

std::size_t worthwhile_threads(const BlockedCodes& table, std::size_t n_queries, std::size_t asked) {
  const std::size_t work = table.n_codes * table.n_words * n_queries;
  return std::clamp<std::size_t>(work / kWordsPerThread, 1, std::min(asked, kMaxThreads));
}

void hamming_pairwise(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                      std::size_t n_queries, std::size_t n_threads, Interrupt& interrupt, std::int32_t* out) {
  const HammingScan below(isa, table, n_bits, queries, n_queries);
  const std::vector<std::uint32_t> all = no_limits();
  Slices slices(table.n_blocks(), slice_blocks(table, n_threads));
  run_parallel(
      n_threads,
      [&](std::size_t) {
        std::vector<Hits> hits = hits_of_group(table, n_queries);
        for (Range blocks; slices.next(blocks);) {
          for_each_chunk_and_tile(table, blocks, n_queries, interrupt, [&](Range chunk, Range group) {
            std::int32_t* rows = out + group.begin * table.n_codes;
            scan_chunk(table, nullptr, chunk, group, all.data(), group.begin % kTileQueries == 0, below, hits.data(),
                       [rows, &table](std::size_t q, std::uint32_t rank, std::size_t index) {
                         rows[q * table.n_codes + index] = static_cast<std::int32_t>(rank);
                       });
          });
        }
      },
      [&interrupt] { interrupt.ask(); });
  interrupt.finish();
}

void hamming_distances(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                       std::size_t n_queries, const std::int64_t* ids, std::size_t n_ids, Interrupt& interrupt,
                       std::int32_t* out) {
  const HammingScan below(isa, table, n_bits, queries, n_queries);
  check_ids(table, ids, n_queries * n_ids);
  const std::vector<std::uint32_t> all = no_limits();
  Hits hits(kBlockCodes);
  for (std::size_t q = 0; q < n_queries; ++q) {
    interrupt.check();
    for (std::size_t i = 0; i < n_ids; ++i, ++ids) {
      prefetch_ahead(table, ids, n_ids - i);
      const std::size_t id = static_cast<std::size_t>(*ids), block = id / kBlockCodes;
      below({block, block + 1}, {q, q + 1}, all.data(), false,
            &hits);  // all 16 distances of the block: position is lane
      *out++ = static_cast<std::int32_t>(hits.ranks[id % kBlockCodes]);
    }
  }
  interrupt.finish();
}

}  // namespace slimvec
