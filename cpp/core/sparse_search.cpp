#include "core/sparse_search.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "core/threads.hpp"
#include "core/top_scores.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kChunkRows = 64;    // checked, then used while in L1
constexpr std::size_t kTileQueries = 64;  // share a chunk; their scores are four AVX-512 registers per row
// Up to so many queries run one by one: over 4 M entries 1.2 ms each, where up to eight together take 6 to 8 (EPYC
// Turin).
constexpr std::size_t kFewQueries = 6;
constexpr std::size_t kEntriesPerThread = std::size_t{1} << 18;  // 0.12 ms for one query: a few times a thread's start
constexpr std::size_t kMaxThreads = 256;

// Some consecutive rows.
struct Chunk {
  std::size_t first_row, n_rows;
  Range range;  // their entries, or the bytes of packed rows
  std::uint32_t starts[kChunkRows + 1];
  const float* weights;
  std::vector<float> widened;          // holds the weights where they are not stored as float32
  std::vector<std::uint32_t> indices;  // copies, for the gather kernel, or unpacked
};

// The bytes of packed rows become entries, and starts[i] the first entry of row i.
void unpack_chunk(const Kernels& isa, const SparseRows& rows, Chunk& chunk) {
  if (chunk.widened.size() < chunk.range.size()) chunk.widened.resize(chunk.range.size());
  if (chunk.indices.size() < chunk.range.size()) chunk.indices.resize(chunk.range.size());
  std::uint32_t n_entries = 0, begin = 0;
  for (std::size_t i = 0; i < chunk.n_rows; ++i) {
    const std::uint32_t end = chunk.starts[i + 1];
    const std::size_t n = packed_entries(end - begin);
    std::uint32_t column = 0;
    unpack_entries(isa, rows, {chunk.range.begin + begin, chunk.range.begin + end}, 0, n, column,
                   chunk.indices.data() + n_entries, chunk.widened.data() + n_entries);
    n_entries += static_cast<std::uint32_t>(n);
    chunk.starts[i + 1] = n_entries;
    begin = end;
  }
  chunk.weights = chunk.widened.data();
}

void read_chunk(const Kernels& isa, const SparseRows& rows, std::size_t first_row, std::size_t n_rows, Chunk& chunk) {
  chunk.first_row = first_row;
  chunk.n_rows = n_rows;
  chunk.range = copy_offsets(rows, first_row, n_rows, chunk.starts);
  if (rows.is_packed()) {
    unpack_chunk(isa, rows, chunk);
    return;
  }
  if (rows.value_size == 4) {
    chunk.weights = static_cast<const float*>(rows.values) + chunk.range.begin;
    return;
  }
  if (chunk.widened.size() < chunk.range.size()) chunk.widened.resize(chunk.range.size());
  copy_values(isa, rows, chunk.range, chunk.widened.data());
  chunk.weights = chunk.widened.data();
}

// What makes sums into candidates.
struct Ranking {
  const std::uint8_t* mask;
  const float* row_scales;

  void offer(float score, std::size_t row, TopScores& top) const {
    if (top.may_enter(score) && (!mask || (mask[row / 8] >> (row % 8)) & 1)) top.push(make_score_key(score, row));
  }
};

void score_chunk(const Kernels& isa, const SparseRows& rows, const Chunk& chunk, const float* anchor_scores,
                 const Ranking& ranking, float* scores, TopScores& top) {
  const void* stored = static_cast<const char*>(rows.indices) + chunk.range.begin * rows.index_size;
  const void* indices = rows.is_packed() ? chunk.indices.data() : stored;
  const unsigned index_size = rows.is_packed() ? sizeof(std::uint32_t) : rows.index_size;
  if (!isa.score_rows(indices, index_size, chunk.weights, chunk.starts, chunk.n_rows, anchor_scores, rows.n_columns,
                      scores)) {
    check_indices(rows, chunk.range);  // says which is damaged
  }
  if (ranking.row_scales) {
    for (std::size_t i = 0; i < chunk.n_rows; ++i) scores[i] *= ranking.row_scales[chunk.first_row + i];
  }
  unsigned any = 0;  // without a branch per row: most chunks hold nothing
  for (std::size_t i = 0; i < chunk.n_rows; ++i) any |= top.may_enter(scores[i]);
  for (std::size_t i = 0; any && i < chunk.n_rows; ++i) ranking.offer(scores[i], chunk.first_row + i, top);
}

// Floats from the start of a cache line on: where rows are whole lines, no load or store of a kernel crosses one.
class Lines {
 public:
  explicit Lines(std::size_t n) : room_(n + kLineFloats) {}
  float* data() { return room_.data() + first(); }
  const float* data() const { return room_.data() + first(); }

 private:
  static constexpr std::size_t kLineFloats = 16;
  std::size_t first() const {
    return kLineFloats - reinterpret_cast<std::uintptr_t>(room_.data()) / sizeof(float) % kLineFloats;
  }
  std::vector<float> room_;
};

// A tile of queries: n_queries x n_columns anchor scores. Side by side they are anchors of n_queries columns, and the
// gather kernel scores a row for all of them at once.
struct Tile {
  std::size_t n_queries, n_columns;
  const float* anchor_scores;
  Lines columns;  // n_columns x n_queries; empty for few queries, which one by one are faster

  bool is_small() const { return n_queries <= kFewQueries; }
};

Tile make_tile(const float* anchor_scores, std::size_t n_columns, std::size_t n_queries) {
  Tile tile = {n_queries, n_columns, anchor_scores, Lines(n_queries <= kFewQueries ? 0 : n_columns * n_queries)};
  if (tile.is_small()) return tile;
  for (std::size_t q = 0; q < n_queries; ++q) {
    for (std::size_t j = 0; j < n_columns; ++j)
      tile.columns.data()[j * n_queries + q] = anchor_scores[q * n_columns + j];
  }
  return tile;
}

// Scales the scores of a chunk, and leaves in `best` the largest of each query: a chunk that holds nothing for a query,
// the usual case, costs that query no look at its scores.
void scale_scores(const Chunk& chunk, const float* row_scales, std::size_t n_queries, float* scores, float* best) {
  std::fill(best, best + n_queries, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < chunk.n_rows; ++i, scores += n_queries) {
    const float scale = row_scales ? row_scales[chunk.first_row + i] : 1.0f;
    for (std::size_t q = 0; q < n_queries; ++q) {
      scores[q] *= scale;
      best[q] = best[q] < scores[q] ? scores[q] : best[q];
    }
  }
}

void score_tile(const Kernels& isa, const SparseRows& rows, Chunk& chunk, const Tile& tile, const Ranking& ranking,
                float* scores, float* best, TopScores* tops) {
  const std::size_t n = tile.n_queries;
  if (!rows.is_packed()) {
    if (chunk.indices.size() < chunk.range.size()) chunk.indices.resize(chunk.range.size());
    copy_indices(rows, chunk.range, chunk.indices.data());
  }
  isa.gather_f32(tile.columns.data(), n, n, chunk.indices.data(), chunk.weights, chunk.starts, chunk.n_rows, false,
                 scores);
  scale_scores(chunk, ranking.row_scales, n, scores, best);
  for (std::size_t q = 0; q < n; ++q) {
    if (!tops[q].may_enter(best[q])) continue;  // a NaN, which `best` passes over, enters only while anything may
    for (std::size_t i = 0; i < chunk.n_rows; ++i) ranking.offer(scores[i * n + q], chunk.first_row + i, tops[q]);
  }
}

// Rows first_row ... end_row - 1 for the queries of one tile; tops[q] takes the candidates of query q.
void scan_rows(const Kernels& isa, const SparseRows& rows, const Ranking& ranking, std::size_t first_row,
               std::size_t end_row, const Tile& tile, Interrupt& interrupt, TopScores* tops) {
  Chunk chunk = {};
  Lines scores(kChunkRows * tile.n_queries), best(tile.n_queries);
  for (std::size_t row = first_row; row < end_row; row += kChunkRows) {
    interrupt.check();
    read_chunk(isa, rows, row, std::min(kChunkRows, end_row - row), chunk);
    for (std::size_t q = 0; tile.is_small() && q < tile.n_queries; ++q) {
      score_chunk(isa, rows, chunk, tile.anchor_scores + q * tile.n_columns, ranking, scores.data(), tops[q]);
    }
    if (!tile.is_small()) score_tile(isa, rows, chunk, tile, ranking, scores.data(), best.data(), tops);
  }
}

void write_result(TopScores& top, std::size_t k, float* scores, std::int64_t* indices) {
  const std::vector<Key>& keys = top.sorted();
  for (std::size_t i = 0; i < k; ++i) {
    const bool is_found = i < keys.size();
    scores[i] = is_found ? key_score(keys[i]) : -std::numeric_limits<float>::infinity();
    indices[i] = is_found ? key_index(keys[i]) : -1;
  }
}

}  // namespace

void sparse_search(const Kernels& isa, const SparseRows& rows, const float* row_scales, const std::uint8_t* mask,
                   const float* anchor_scores, std::size_t n_queries, std::size_t k, std::size_t n_threads,
                   Interrupt& interrupt, float* scores, std::int64_t* indices) {
  if (k < 1 || k > rows.n_rows) throw std::invalid_argument("k must lie between 1 and the number of rows");
  if (rows.n_rows > kMaxIndex) throw std::invalid_argument("too many rows");
  const Ranking ranking = {mask, row_scales};
  for (std::size_t first = 0; first < n_queries; first += kTileQueries) {
    const std::size_t n = std::min(kTileQueries, n_queries - first);
    const Tile tile = make_tile(anchor_scores + first * rows.n_columns, rows.n_columns, n);
    std::vector<TopScores> tops(n_threads * n, TopScores(k));
    run_parallel(
        n_threads,
        [&](std::size_t part) {
          scan_rows(isa, rows, ranking, rows.n_rows * part / n_threads, rows.n_rows * (part + 1) / n_threads, tile,
                    interrupt, tops.data() + part * n);
        },
        [&interrupt] { interrupt.ask(); });
    for (std::size_t q = 0; q < n; ++q) {
      for (std::size_t part = 1; part < n_threads; ++part) {
        for (const Key key : tops[part * n + q].sorted()) tops[q].push(key);
      }
      write_result(tops[q], k, scores + (first + q) * k, indices + (first + q) * k);
    }
  }
  interrupt.finish();
}

std::size_t worthwhile_threads(const SparseRows& rows, std::size_t n_queries, std::size_t asked) {
  const std::size_t work = (rows.n_entries + rows.n_rows) * std::min(n_queries, kTileQueries);
  return std::clamp<std::size_t>(work / kEntriesPerThread, 1, std::min(asked, kMaxThreads));
}

}  // namespace slimvec
