#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "capi/table.hpp"
#include "core/hamming_search.hpp"
#include "core/lookup.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kOversample = 10;      // rows of a shortlist for each that is wanted, as in Python
constexpr std::size_t kQueriesAtOnce = 256;  // whose tables of sums take 10 KB each at 600 bits
constexpr char kPastTheLast[] = "codes have bits set past the last one: the table is damaged";

// Throws if a code from `first_block` on has a bit set past the last of n_bits.
void check_bits_past(const BlockedCodes& codes, std::size_t n_bits, std::size_t first_block) {
  if (n_bits % 32 == 0) return;
  std::uint32_t set = 0;
  for (std::size_t block = first_block; block < codes.n_blocks(); ++block) {
    const std::uint32_t* last_words = codes.blocks + (block + 1) * codes.block_words() - kBlockCodes;
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) set |= last_words[lane];
  }
  if (set >> (n_bits % 32)) throw std::runtime_error(kPastTheLast);
}

// What a table holds beside its codes, each if there is one.
struct Parts {
  std::unique_ptr<Encoder> encoder;
  std::optional<RowFactors> factors;
  std::optional<double> norm;  // root mean square norm of the vectors that the table was made from
};

class BinaryTable : public Table {
 public:
  BinaryTable(const BlockedCodes& codes, std::size_t n_bits, Parts parts)
      : codes_(codes), n_bits_(n_bits), parts_(std::move(parts)) {}

  std::size_t n_rows() const override { return codes_.n_codes; }
  std::size_t n_bits() const override { return n_bits_; }
  std::size_t dim() const override { return of_signs() ? n_bits_ : encoder().width(); }
  std::size_t original_dim() const override { return encoder().dim(); }

  void lookup(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);  // before anything is written
    if (of_signs()) {
      Interrupt never(nullptr);
      slimvec::lookup(isa_, codes_, n_bits_, rows, n, never, out);
    } else {
      check_bits_of(rows, n);
      for (std::size_t i = 0; i < n; ++i) encoder().row(code(rows[i]).data(), scale(rows[i]), out + i * dim());
    }
  }

  void mean(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);
    if (of_signs()) {
      const std::int64_t offsets[] = {0, static_cast<std::int64_t>(n)};
      Interrupt never(nullptr);
      bag_mean(isa_, codes_, n_bits_, rows, n, offsets, 1, never, out);
      return;
    }
    check_bits_of(rows, n);
    std::vector<float> one(dim());
    std::vector<double> sums(dim());
    for (std::size_t i = 0; i < n; ++i) {
      encoder().row(code(rows[i]).data(), scale(rows[i]), one.data());
      for (std::size_t j = 0; j < dim(); ++j) sums[j] += static_cast<double>(one[j]);
    }
    const double size = static_cast<double>(std::max(n, std::size_t{1}));
    std::transform(sums.begin(), sums.end(), out, [size](double sum) { return static_cast<float>(sum / size); });
  }

  void lookup_original(const std::int64_t* rows, std::size_t n, float* out) const override {
    (void)factors();
    check_ids(codes_, rows, n);
    check_bits_of(rows, n);
    const std::size_t d = original_dim();
    for (std::size_t i = 0; i < n; ++i) encoder().reconstruct(code(rows[i]).data(), scale(rows[i]), out + i * d);
  }

  void nearest(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
               float* similarities) const override {
    if (of_signs()) {
      const std::vector<std::uint8_t> query = code(row);
      search_codes(query.data(), 1, k, n_threads, rows, similarities);
    } else {  // distances between codes of several bits mean nothing
      std::vector<float> query(original_dim());
      lookup_original(&row, 1, query.data());
      search({query.data(), 1}, k, Metric::kCosine, n_threads, rows, similarities);
    }
  }

  void search(Vectors queries, std::size_t k, Metric metric, std::size_t n_threads, std::int64_t* rows,
              float* scores) const override {
    const QueryEncoder asked(encoder(), parts_.norm, metric);
    check_bits();
    if (of_signs()) asked.refuse_codes(isa_, codes_, queries);
    if (!parts_.factors && metric == Metric::kDot) {
      throw std::invalid_argument("inner products need the lengths of rows; expected a table with factors");
    }
    for (std::size_t first = 0; first < queries.n; first += kQueriesAtOnce) {
      const std::size_t n = std::min(kQueriesAtOnce, queries.n - first);
      if (parts_.factors) {
        const FloatQueries prepared(isa_, asked, *parts_.factors, queries, first, n);
        search_floats(prepared, k, n_threads, rows + first * k, scores + first * k);
      } else {
        search_by_codes(asked, queries, first, n, k, n_threads, rows + first * k, scores + first * k);
      }
    }
  }

  void encode(Vectors vectors, std::uint8_t* codes) const override {
    encoder().encode(vectors.values, vectors.n, codes);
  }

 private:
  bool of_signs() const { return !parts_.encoder || parts_.encoder->of_signs(); }

  const Encoder& encoder() const {
    if (!parts_.encoder) {
      throw std::runtime_error("this table has no encoder (mean and projection), so it knows of codes only");
    }
    return *parts_.encoder;
  }

  const RowFactors& factors() const {
    if (!parts_.encoder || !parts_.factors) {
      throw std::runtime_error("original vectors need factors of each row: compress(..., factors=True) in Python");
    }
    return *parts_.factors;
  }

  std::vector<std::uint8_t> code(std::int64_t row) const {
    std::vector<std::uint8_t> packed(code_size(n_bits_));
    read_codes(codes_, &row, 1, n_bits_, packed.data());
    return packed;
  }

  // What a bit of weight 1 counts.
  float scale(std::int64_t row) const {
    const RowFactors& own = factors();
    const std::size_t at = static_cast<std::size_t>(row);
    const std::uint16_t* half = own.values + at / kBlockCodes * own.n_factors * kBlockCodes + at % kBlockCodes;
    float widened = 0;
    isa_.widen_halves(half, 1, &widened);
    return widened * static_cast<float>(own.norm * own.shrinkage);
  }

  void search_codes(const std::uint8_t* queries, std::size_t n, std::size_t k, std::size_t n_threads,
                    std::int64_t* rows, float* similarities) const {
    check_bits();
    std::vector<std::int32_t> distances(n * k);
    Interrupt never(nullptr);
    hamming_search(isa_, codes_, n_bits_, {}, queries, n, k, worthwhile_threads(codes_, n, n_threads), never,
                   distances.data(), rows);
    const double bits = static_cast<double>(n_bits_);
    std::transform(distances.begin(), distances.end(), similarities,
                   [bits](std::int32_t distance) { return static_cast<float>((bits - 2.0 * distance) / bits); });
  }

  // Queries as codes, which are all that a table without factors can compare.
  void search_by_codes(const QueryEncoder& asked, Vectors queries, std::size_t first, std::size_t n, std::size_t k,
                       std::size_t n_threads, std::int64_t* rows, float* scores) const {
    std::vector<std::uint8_t> codes(n * code_size(n_bits_));
    std::vector<bool> is_zero(n);
    for (std::size_t i = 0; i < n; ++i) {
      const QueryEncoder::Query query = asked.project(queries.values + (first + i) * original_dim(), first + i);
      isa_.pack_signs(query.projected.data(), 1, n_bits_, codes.data() + i * code_size(n_bits_));
      is_zero[i] = query.multiple == 0;
    }
    search_codes(codes.data(), n, k, n_threads, rows, scores);
    for (std::size_t i = 0; i < n; ++i) {
      if (is_zero[i]) answer_zero_query(k, rows + i * k, scores + i * k);
    }
  }

  // By bits and factors: all rows, or of codes of signs those that are near as codes.
  void search_floats(const FloatQueries& prepared, std::size_t k, std::size_t n_threads, std::int64_t* rows,
                     float* scores) const {
    const AsymmetricQueries queries = prepared.view();
    const std::size_t n = queries.n_queries;
    const Factors per_row = {factors().values, factors().n_factors, prepared.metric()};
    Interrupt never(nullptr);
    if (of_signs()) {
      const std::size_t m = k < n_rows() / kOversample ? k * kOversample : n_rows();
      std::vector<std::int64_t> shortlist(n * m);
      std::vector<std::int32_t> distances(n * m);
      hamming_search(isa_, codes_, n_bits_, {}, prepared.codes(), n, m, worthwhile_threads(codes_, n, n_threads), never,
                     distances.data(), shortlist.data());
      const BlockedCodes as_much = {nullptr, kBlockCodes * m, codes_.n_words};  // each row is in a block of its own
      asymmetric_rescore(isa_, codes_, per_row, shortlist.data(), m, queries, k,
                         worthwhile_threads(as_much, n, n_threads), never, scores, rows);
    } else {
      asymmetric_search(isa_, codes_, per_row, {}, queries, k, worthwhile_threads(codes_, n, n_threads), never, scores,
                        rows);
    }
    prepared.finish(k, rows, scores);
  }

  // Of rows that are about to be read: a bit set past the last one is damage.
  void check_bits_of(const std::int64_t* rows, std::size_t n) const {
    if (n_bits_ % 8 == 0 || is_checked_) return;
    for (std::size_t i = 0; i < n; ++i) {
      if (code(rows[i]).back() >> (n_bits_ % 8)) throw std::runtime_error(kPastTheLast);
    }
  }

  // Before the first search, which reads all codes anyway: a bit set past the last would count in distances.
  void check_bits() const {
    if (is_checked_) return;
    check_bits_past(codes_, n_bits_, 0);
    is_checked_ = true;
  }

  const Kernels& isa_ = *available_isas().front();
  const BlockedCodes codes_;
  const std::size_t n_bits_;
  const Parts parts_;
  mutable std::atomic<bool> is_checked_{false};
};

// The last block holds nothing past the last code. Cheap, and the sign of a header that tells of too few.
void check_last_block(const BlockedCodes& codes, std::size_t n_bits) {
  if (codes.n_codes == 0) return;
  check_bits_past(codes, n_bits, codes.n_blocks() - 1);
  const std::uint32_t* last = codes.blocks + (codes.n_blocks() - 1) * codes.block_words();
  for (std::size_t lane = (codes.n_codes - 1) % kBlockCodes + 1; lane < kBlockCodes; ++lane) {
    for (std::size_t word = 0; word < codes.n_words; ++word) {
      if (last[word * kBlockCodes + lane]) throw std::runtime_error("it holds more codes than it tells of: damaged");
    }
  }
}

std::optional<RowFactors> read_factors(const TableFile& file, std::size_t n_blocks) {
  if (!file.has("factors")) return std::nullopt;
  const Tensor& values = file.tensor("factors", {"F16"}, {n_blocks, TableFile::kAny, kBlockCodes});
  if (values.shape[1] != 2 && values.shape[1] != 3) throw std::runtime_error("its factors are neither 2 nor 3");
  return RowFactors{values.as<std::uint16_t>(), values.shape[1],
                    file.real_fact("factors", "norm", std::numeric_limits<double>::min()),
                    file.real_fact("factors", "shrinkage", 0)};
}

}  // namespace

std::unique_ptr<Table> make_binary_table(const TableFile& file) {
  const std::size_t n_rows = file.fact("rows"), n_bits = file.fact("bits");
  if (n_bits == 0 || n_bits > kMaxBits) throw std::runtime_error("its number of bits is out of range: damaged");
  const std::size_t n_words = words_per_code(n_bits), n_blocks = block_count(n_rows);
  const Tensor& blocks = file.tensor("codes", {"U32"}, {n_blocks, n_words, kBlockCodes});
  const BlockedCodes codes{blocks.as<std::uint32_t>(), n_rows, n_words};
  check_last_block(codes, n_bits);
  if (file.tells("partition")) {
    throw std::runtime_error("its rows lie in lists, which C cannot read yet; compress without partitions");
  }
  if (file.tells("refinement")) {  // and passing over it would answer with other scores than Python
    throw std::runtime_error("it has a refinement of its codes, which C cannot read yet; compress without");
  }
  Parts parts = {read_encoder(*available_isas().front(), file, n_bits), read_factors(file, n_blocks), std::nullopt};
  if (parts.factors) parts.norm = parts.factors->norm;  // all that files of early versions tell
  if (file.tells("norm")) parts.norm = file.real_fact("norm", std::numeric_limits<double>::min());
  return std::make_unique<BinaryTable>(codes, n_bits, std::move(parts));
}

}  // namespace slimvec
