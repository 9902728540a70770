#include <atomic>
#include <limits>
#include <stdexcept>
#include <vector>

#include "capi/table.hpp"
#include "core/hamming_search.hpp"
#include "core/lookup.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace {

// Throws if a code from `first_block` on has a bit set past the last of n_bits.
void check_bits_past(const BlockedCodes& codes, std::size_t n_bits, std::size_t first_block) {
  if (n_bits % 32 == 0) return;
  std::uint32_t set = 0;
  for (std::size_t block = first_block; block < codes.n_blocks(); ++block) {
    const std::uint32_t* last_words = codes.blocks + (block + 1) * codes.block_words() - kBlockCodes;
    for (std::size_t lane = 0; lane < kBlockCodes; ++lane) set |= last_words[lane];
  }
  if (set >> (n_bits % 32)) throw std::runtime_error("codes have bits set past the last one: the table is damaged");
}

class BinaryTable : public Table {
 public:
  BinaryTable(const BlockedCodes& codes, std::size_t n_bits) : codes_(codes), n_bits_(n_bits) {}

  std::size_t n_rows() const override { return codes_.n_codes; }
  std::size_t dim() const override { return n_bits_; }

  void lookup(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);  // before anything is written
    Interrupt never(nullptr);
    slimvec::lookup(isa_, codes_, n_bits_, rows, n, never, out);
  }

  void mean(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);
    const std::int64_t offsets[] = {0, static_cast<std::int64_t>(n)};
    Interrupt never(nullptr);
    bag_mean(isa_, codes_, n_bits_, rows, n, offsets, 1, never, out);
  }

  void search(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
              float* similarities) const override {
    check_bits();
    std::vector<std::uint8_t> query(code_size(n_bits_));
    read_codes(codes_, &row, 1, n_bits_, query.data());
    std::vector<std::int32_t> distances(k);
    Interrupt never(nullptr);
    hamming_search(isa_, codes_, n_bits_, {}, query.data(), 1, k, worthwhile_threads(codes_, 1, n_threads), never,
                   distances.data(), rows);
    const double bits = static_cast<double>(n_bits_);
    for (std::size_t i = 0; i < k; ++i) similarities[i] = static_cast<float>((bits - 2.0 * distances[i]) / bits);
  }

 private:
  // Before the first search, which reads all codes anyway: a bit set past the last would count in distances.
  void check_bits() const {
    if (is_checked_) return;
    check_bits_past(codes_, n_bits_, 0);
    is_checked_ = true;
  }

  const Kernels& isa_ = *available_isas().front();
  const BlockedCodes codes_;
  const std::size_t n_bits_;
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

// What C does not use, but Python would refuse, is refused here, too.
void check_encoder_and_factors(const TableFile& file, std::size_t n_blocks, std::size_t n_bits) {
  file.check_real("norm", std::numeric_limits<double>::min());
  if (file.has("mean")) {
    const Tensor& mean = file.tensor("mean", {"F32"}, {TableFile::kAny});
    (void)file.tensor("projection", {"F32"}, {mean.shape[0], n_bits});
  }
  if (!file.has("factors")) return;
  const Tensor& factors = file.tensor("factors", {"F16"}, {n_blocks, TableFile::kAny, kBlockCodes});
  if (factors.shape[1] != 2 && factors.shape[1] != 3) throw std::runtime_error("its factors are neither 2 nor 3");
  (void)file.real_fact("factors", "norm", std::numeric_limits<double>::min());
  (void)file.real_fact("factors", "shrinkage", 0);
}

}  // namespace

std::unique_ptr<Table> make_binary_table(const TableFile& file) {
  const std::size_t n_rows = file.fact("rows"), n_bits = file.fact("bits");
  if (n_bits == 0 || n_bits > kMaxBits) throw std::runtime_error("its number of bits is out of range: damaged");
  const std::size_t n_words = words_per_code(n_bits), n_blocks = block_count(n_rows);
  const Tensor& blocks = file.tensor("codes", {"U32"}, {n_blocks, n_words, kBlockCodes});
  const BlockedCodes codes{blocks.as<std::uint32_t>(), n_rows, n_words};
  check_last_block(codes, n_bits);
  check_encoder_and_factors(file, n_blocks, n_bits);
  return std::make_unique<BinaryTable>(codes, n_bits);
}

}  // namespace slimvec
