#include <stdexcept>
#include <vector>

#include "capi/table.hpp"
#include "core/hamming_search.hpp"
#include "core/lookup.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace {

class BinaryTable : public Table {
 public:
  BinaryTable(const BlockedCodes& codes, std::size_t n_bits) : codes_(codes), n_bits_(n_bits) {}

  std::size_t n_rows() const override { return codes_.n_codes; }
  std::size_t dim() const override { return n_bits_; }

  void lookup(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);  // before anything is written
    slimvec::lookup(isa_, codes_, n_bits_, rows, n, out);
  }

  void mean(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(codes_, rows, n);
    const std::int64_t offsets[] = {0, static_cast<std::int64_t>(n)};
    bag_mean(isa_, codes_, n_bits_, rows, n, offsets, 1, out);
  }

  void search(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
              float* similarities) const override {
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
  const Kernels& isa_ = *available_isas().front();
  const BlockedCodes codes_;
  const std::size_t n_bits_;
};

}  // namespace

std::unique_ptr<Table> make_binary_table(const TableFile& file) {
  const std::size_t n_rows = file.fact("rows"), n_bits = file.fact("bits");
  if (n_bits == 0 || n_bits > kMaxBits) throw std::runtime_error("its number of bits is out of range: damaged");
  const std::size_t n_words = words_per_code(n_bits);
  const Tensor& blocks = file.tensor("codes", {"U32"}, {block_count(n_rows), n_words, kBlockCodes});
  return std::make_unique<BinaryTable>(BlockedCodes{blocks.as<std::uint32_t>(), n_rows, n_words}, n_bits);
}

}  // namespace slimvec
