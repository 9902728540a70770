#include "core/hamming_search.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/threads.hpp"

namespace slimvec {

namespace {

// The queries of a tile run over one chunk of codes after the other, and limits fall between chunks. A chunk fits the
// smallest L1 cache (32 KB) with room to spare: at 1024 bits, chunks of 128 KB took 2.3 times as long (EPYC Turin). 64
// queries per tile make reading the codes from memory a small part of the work.
constexpr std::size_t kChunkBytes = 24 << 10;
constexpr std::size_t kTileQueries = 64;
// With AVX-512 0.09 ms from cache (EPYC Turin), some four times what starting a thread costs: a search of twice as many
// words breaks even on two threads, one of four times as many gains.
constexpr std::size_t kWordsPerThread = std::size_t{1} << 21;
constexpr std::size_t kMaxThreads = 256;

struct Range {
  std::size_t begin, end;
};

// Part `part` of `parts` nearly equal pieces of 0 ... size - 1.
Range slice(std::size_t size, std::size_t part, std::size_t parts) {
  return {size * part / parts, size * (part + 1) / parts};
}

// Blocks per chunk: a multiple of 4, which is how many the kernels take side by side.
std::size_t chunk_blocks(const BlockedCodes& table) {
  return std::max<std::size_t>(4, kChunkBytes / (table.block_words() * sizeof(std::uint32_t)) / 4 * 4);
}

// Room for what one chunk can append.
struct Hits {
  explicit Hits(std::size_t n_codes) : distances(n_codes), positions(n_codes) {}
  std::vector<std::uint32_t> distances;
  std::vector<std::uint32_t> positions;
};

bool may_be_found(const BlockedCodes& table, Mask mask, std::size_t index) {
  return mask ? (mask[index / 8] >> (index % 8)) & 1 : index < table.n_codes;  // a last block holds padding codes
}

// The first blocks of `blocks` that follow each other and all hold allowed codes.
Range first_run(Mask mask, Range blocks) {
  if (!mask) return blocks;
  const auto any = [mask](std::size_t block) { return mask[2 * block] || mask[2 * block + 1]; };
  while (blocks.begin < blocks.end && !any(blocks.begin)) ++blocks.begin;
  std::size_t end = blocks.begin;
  while (end < blocks.end && any(end)) ++end;
  return {blocks.begin, end};
}

// One query over one chunk: take(distance, index) for every allowed code below `limit`, in rising index. The first
// query to see a chunk finds it `cold`.
template <typename Take>
void scan_chunk(const Kernels& isa, const BlockedCodes& table, Mask mask, Range chunk, const std::uint32_t* query,
                std::uint32_t limit, bool cold, Hits& hits, Take take) {
  for (Range run = first_run(mask, chunk); run.begin < run.end; run = first_run(mask, {run.end, chunk.end})) {
    const std::size_t count =
        isa.hamming_below(table.blocks + run.begin * table.block_words(), run.end - run.begin, table.n_words, query,
                          limit, cold, hits.distances.data(), hits.positions.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = run.begin * kBlockCodes + hits.positions[i];
      if (may_be_found(table, mask, index)) take(hits.distances[i], index);
    }
  }
}

// Calls visit(chunk, q) for every chunk of `blocks` and, within it, every query.
template <typename Visit>
void for_each_chunk(const BlockedCodes& table, Range blocks, std::size_t n_queries, Visit visit) {
  const std::size_t step = chunk_blocks(table);
  for (std::size_t begin = blocks.begin; begin < blocks.end; begin += step) {
    for (std::size_t q = 0; q < n_queries; ++q) visit(Range{begin, std::min(begin + step, blocks.end)}, q);
  }
}

// Scans `blocks` for the queries of one tile; tops[q] takes the candidates of query q.
void scan_tile(const Kernels& isa, const BlockedCodes& table, Mask mask, Range blocks, const std::uint32_t* queries,
               std::size_t n_queries, TopK* tops) {
  Hits hits(chunk_blocks(table) * kBlockCodes);
  for_each_chunk(table, blocks, n_queries, [&](Range chunk, std::size_t q) {
    TopK& top = tops[q];
    const std::uint32_t* query = queries + q * table.n_words;
    scan_chunk(isa, table, mask, chunk, query, top.limit(), q == 0, hits,
               [&top](std::uint32_t distance, std::size_t index) { top.push(make_key(distance, index)); });
    top.tighten();
  });
}

void write_result(TopK& top, std::size_t k, std::int32_t* distances, std::int64_t* indices) {
  const std::vector<Key>& keys = top.sorted();
  for (std::size_t i = 0; i < k; ++i) {
    const bool found = i < keys.size();
    distances[i] = found ? key_distance(keys[i]) : INT32_MAX;
    indices[i] = found ? key_index(keys[i]) : -1;
  }
}

// Enough queries for every thread: each thread takes its share of them over the whole table.
void search_by_queries(const Kernels& isa, const BlockedCodes& table, Mask mask, const std::uint32_t* queries,
                       std::size_t n_queries, std::size_t k, std::size_t n_threads, std::int32_t* distances,
                       std::int64_t* indices) {
  run_parallel(n_threads, [&](std::size_t part) {
    const Range mine = slice(n_queries, part, n_threads);
    for (std::size_t first = mine.begin; first < mine.end; first += kTileQueries) {
      const std::size_t n_tile = std::min(kTileQueries, mine.end - first);
      std::vector<TopK> tops(n_tile, TopK(k));
      scan_tile(isa, table, mask, {0, table.n_blocks()}, queries + first * table.n_words, n_tile, tops.data());
      for (std::size_t q = 0; q < n_tile; ++q) {
        write_result(tops[q], k, distances + (first + q) * k, indices + (first + q) * k);
      }
    }
  });
}

// Few queries: each thread takes its share of the codes; the shares' best are merged.
void search_by_codes(const Kernels& isa, const BlockedCodes& table, Mask mask, const std::uint32_t* queries,
                     std::size_t n_queries, std::size_t k, std::size_t n_threads, std::int32_t* distances,
                     std::int64_t* indices) {
  std::vector<TopK> tops(n_threads * n_queries, TopK(k));
  run_parallel(n_threads, [&](std::size_t part) {
    scan_tile(isa, table, mask, slice(table.n_blocks(), part, n_threads), queries, n_queries,
              tops.data() + part * n_queries);
  });
  for (std::size_t q = 0; q < n_queries; ++q) {
    for (std::size_t part = 1; part < n_threads; ++part) {
      for (const Key key : tops[part * n_queries + q].sorted()) tops[q].push(key);
    }
    write_result(tops[q], k, distances + q * k, indices + q * k);
  }
}

void check_sizes(const BlockedCodes& table, std::size_t n_bits) {
  if (n_bits > kMaxDistance || table.n_codes > kMaxIndex) throw std::invalid_argument("too many bits or codes");
}

std::vector<std::uint32_t> words_of(const std::uint8_t* queries, std::size_t n_queries, std::size_t n_bits) {
  std::vector<std::uint32_t> words(n_queries * words_per_code(n_bits));
  codes_to_words(queries, n_queries, n_bits, words.data());
  return words;
}

}  // namespace

void hamming_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, Mask mask,
                    const std::uint8_t* queries, std::size_t n_queries, std::size_t k, std::size_t n_threads,
                    std::int32_t* distances, std::int64_t* indices) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  check_sizes(table, n_bits);
  const std::vector<std::uint32_t> words = words_of(queries, n_queries, n_bits);
  if (n_queries >= 4 * n_threads) {
    search_by_queries(isa, table, mask, words.data(), n_queries, k, n_threads, distances, indices);
  } else {
    search_by_codes(isa, table, mask, words.data(), n_queries, k, n_threads, distances, indices);
  }
}

std::vector<std::vector<Key>> hamming_range_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits,
                                                   Mask mask, const std::uint8_t* queries, std::size_t n_queries,
                                                   std::uint32_t radius, std::size_t n_threads) {
  check_sizes(table, n_bits);
  const std::vector<std::uint32_t> words = words_of(queries, n_queries, n_bits);
  const std::uint32_t limit =
      std::min(radius, static_cast<std::uint32_t>(n_bits)) + 1;  // the kernel keeps what is below
  std::vector<std::vector<std::vector<Key>>> found(n_threads, std::vector<std::vector<Key>>(n_queries));
  run_parallel(n_threads, [&](std::size_t part) {
    Hits hits(chunk_blocks(table) * kBlockCodes);
    for_each_chunk(table, slice(table.n_blocks(), part, n_threads), n_queries, [&](Range chunk, std::size_t q) {
      std::vector<Key>& keys = found[part][q];
      scan_chunk(isa, table, mask, chunk, words.data() + q * table.n_words, limit, q == 0, hits,
                 [&keys](std::uint32_t distance, std::size_t index) { keys.push_back(make_key(distance, index)); });
    });
  });
  for (std::size_t q = 0; q < n_queries; ++q) {
    std::vector<Key>& all = found[0][q];
    for (std::size_t part = 1; part < n_threads; ++part) {
      all.insert(all.end(), found[part][q].begin(), found[part][q].end());
    }
    std::sort(all.begin(), all.end());
  }
  return std::move(found[0]);
}

std::size_t worthwhile_threads(const BlockedCodes& table, std::size_t n_queries, std::size_t asked) {
  const std::size_t work = table.n_codes * table.n_words * n_queries;
  return std::clamp<std::size_t>(work / kWordsPerThread, 1, std::min(asked, kMaxThreads));
}

void hamming_distances(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* query,
                       std::int32_t* out) {
  const std::vector<std::uint32_t> words = words_of(query, 1, n_bits);
  Hits hits(chunk_blocks(table) * kBlockCodes);
  for_each_chunk(table, {0, table.n_blocks()}, 1, [&](Range chunk, std::size_t) {
    scan_chunk(isa, table, nullptr, chunk, words.data(), UINT32_MAX, true, hits,
               [out](std::uint32_t distance, std::size_t index) { out[index] = static_cast<std::int32_t>(distance); });
  });
}

}  // namespace slimvec
