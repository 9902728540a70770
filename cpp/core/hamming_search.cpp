#include "core/hamming_search.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "core/threads.hpp"
#include "core/top_k.hpp"

namespace slimvec {

namespace {

// The queries of a tile run over one chunk of codes after the other, and limits fall between chunks. A chunk fits the
// smallest L1 cache (32 KB) with room to spare: at 1024 bits, chunks of 128 KB took 2.3 times as long (EPYC Turin). 64
// queries per tile make reading the codes from memory a small part of the work.
constexpr std::size_t kChunkBytes = 24 << 10;
constexpr std::size_t kTileQueries = 64;
constexpr std::size_t kWordsPerThread = std::size_t{1} << 21;  // about 0.2 ms: ten times what starting a thread costs
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

// One query over one chunk; the first query to see a chunk finds it `cold`. Positions rise, so the padding codes of the
// table's last block are at the end.
std::size_t scan_chunk(const Kernels& isa, const BlockedCodes& table, Range blocks, const std::uint32_t* query,
                       std::uint32_t limit, bool cold, Hits& hits) {
  std::size_t count =
      isa.hamming_below(table.blocks + blocks.begin * table.block_words(), blocks.end - blocks.begin, table.n_words,
                        query, limit, cold, hits.distances.data(), hits.positions.data());
  const std::size_t codes_left = table.n_codes - blocks.begin * kBlockCodes;
  while (count && hits.positions[count - 1] >= codes_left) --count;
  return count;
}

// Scans `blocks` for the queries of one tile; tops[q] takes the candidates of query q.
void scan_tile(const Kernels& isa, const BlockedCodes& table, Range blocks, const std::uint32_t* queries,
               std::size_t n_queries, TopK* tops) {
  const std::size_t step = chunk_blocks(table);
  Hits hits(step * kBlockCodes);
  for (std::size_t begin = blocks.begin; begin < blocks.end; begin += step) {
    const Range chunk = {begin, std::min(begin + step, blocks.end)};
    for (std::size_t q = 0; q < n_queries; ++q) {
      TopK& top = tops[q];
      const std::size_t count = scan_chunk(isa, table, chunk, queries + q * table.n_words, top.limit(), q == 0, hits);
      for (std::size_t i = 0; i < count; ++i) {
        top.push(make_key(hits.distances[i], chunk.begin * kBlockCodes + hits.positions[i]));
      }
      if (count) top.tighten();
    }
  }
}

void write_result(TopK& top, std::size_t k, std::int32_t* distances, std::int64_t* indices) {
  const std::vector<Key>& keys = top.sorted();
  for (std::size_t i = 0; i < k; ++i) {
    distances[i] = key_distance(keys[i]);
    indices[i] = key_index(keys[i]);
  }
}

// Enough queries for every thread: each thread takes its share of them over the whole table.
void search_by_queries(const Kernels& isa, const BlockedCodes& table, const std::uint32_t* queries,
                       std::size_t n_queries, std::size_t k, std::size_t n_threads, std::int32_t* distances,
                       std::int64_t* indices) {
  run_parallel(n_threads, [&](std::size_t part) {
    const Range mine = slice(n_queries, part, n_threads);
    for (std::size_t first = mine.begin; first < mine.end; first += kTileQueries) {
      const std::size_t n_tile = std::min(kTileQueries, mine.end - first);
      std::vector<TopK> tops(n_tile, TopK(k));
      scan_tile(isa, table, {0, table.n_blocks()}, queries + first * table.n_words, n_tile, tops.data());
      for (std::size_t q = 0; q < n_tile; ++q) {
        write_result(tops[q], k, distances + (first + q) * k, indices + (first + q) * k);
      }
    }
  });
}

// Few queries: each thread takes its share of the codes; the shares' best are merged.
void search_by_codes(const Kernels& isa, const BlockedCodes& table, const std::uint32_t* queries, std::size_t n_queries,
                     std::size_t k, std::size_t n_threads, std::int32_t* distances, std::int64_t* indices) {
  std::vector<TopK> tops(n_threads * n_queries, TopK(k));
  run_parallel(n_threads, [&](std::size_t part) {
    scan_tile(isa, table, slice(table.n_blocks(), part, n_threads), queries, n_queries, tops.data() + part * n_queries);
  });
  for (std::size_t q = 0; q < n_queries; ++q) {
    for (std::size_t part = 1; part < n_threads; ++part) {
      for (const Key key : tops[part * n_queries + q].sorted()) tops[q].push(key);
    }
    write_result(tops[q], k, distances + q * k, indices + q * k);
  }
}

}  // namespace

void hamming_search(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* queries,
                    std::size_t n_queries, std::size_t k, std::size_t n_threads, std::int32_t* distances,
                    std::int64_t* indices) {
  if (k < 1 || k > table.n_codes) throw std::invalid_argument("k must lie between 1 and the number of codes");
  if (n_bits > kMaxDistance || table.n_codes > kMaxIndex) throw std::invalid_argument("too many bits or codes");
  std::vector<std::uint32_t> words(n_queries * table.n_words);
  codes_to_words(queries, n_queries, n_bits, words.data());
  if (n_queries >= 4 * n_threads) {
    search_by_queries(isa, table, words.data(), n_queries, k, n_threads, distances, indices);
  } else {
    search_by_codes(isa, table, words.data(), n_queries, k, n_threads, distances, indices);
  }
}

std::size_t worthwhile_threads(const BlockedCodes& table, std::size_t n_queries, std::size_t asked) {
  const std::size_t work = table.n_codes * table.n_words * n_queries;
  return std::clamp<std::size_t>(work / kWordsPerThread, 1, std::min(asked, kMaxThreads));
}

void hamming_distances(const Kernels& isa, const BlockedCodes& table, std::size_t n_bits, const std::uint8_t* query,
                       std::int32_t* out) {
  std::vector<std::uint32_t> words(table.n_words);
  codes_to_words(query, 1, n_bits, words.data());
  const std::size_t step = chunk_blocks(table);
  Hits hits(step * kBlockCodes);
  for (std::size_t begin = 0; begin < table.n_blocks(); begin += step) {
    const Range chunk = {begin, std::min(begin + step, table.n_blocks())};
    const std::size_t count = scan_chunk(isa, table, chunk, words.data(), UINT32_MAX, true, hits);
    for (std::size_t i = 0; i < count; ++i) {
      out[begin * kBlockCodes + hits.positions[i]] = static_cast<std::int32_t>(hits.distances[i]);
    }
  }
}

}  // namespace slimvec
