#include "capi/binary_parts.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "isa/select.hpp"

namespace slimvec {

namespace {

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

std::unique_ptr<const RowFactors> read_factors(const TableFile& file, std::size_t n_blocks) {
  if (!file.has("factors")) return nullptr;
  const Tensor& values = file.tensor("factors", {"F16"}, {n_blocks, TableFile::kAny, kBlockCodes});
  if (values.shape[1] != 2 && values.shape[1] != 3) throw std::runtime_error("its factors are neither 2 nor 3");
  return std::make_unique<const RowFactors>(
      RowFactors{values.as<std::uint16_t>(), values.shape[1],
                 file.real_fact("factors", "norm", std::numeric_limits<double>::min()),
                 file.real_fact("factors", "shrinkage", 0), values.shape[1] == 2 || file.is_zero("factors", "short")});
}

}  // namespace

BinaryParts::BinaryParts(const TableFile& file)
    : isa(*available_isas().front()), codes{nullptr, file.fact("rows"), 0}, n_bits(file.fact("bits")) {
  if (n_bits == 0 || n_bits > kMaxBits) throw std::runtime_error("its number of bits is out of range: damaged");
  codes.n_words = words_per_code(n_bits);
  codes.blocks = file.tensor("codes", {"U32"}, {codes.n_blocks(), codes.n_words, kBlockCodes}).as<std::uint32_t>();
  check_last_block(codes, n_bits);
  factors = read_factors(file, codes.n_blocks());
  const bool has_grid = file.has("mean") && file.tells("grid");
  if (has_grid && !factors) {
    throw std::runtime_error("tensor factors is missing, without which codes of several bits say nothing");
  }
  if (file.has("mean") && file.tells("partition")) {
    if (!factors) throw std::runtime_error("tensor factors is missing, without which lists say nothing: damaged");
    const std::size_t d = file.tensor("mean", {"F32"}, {TableFile::kAny}).shape[0];
    lists = std::make_unique<RowLists>(file, codes.n_codes, d, factors->norm);
  } else if (file.has("partition.rows")) {
    throw std::runtime_error("it holds tensors of a partition that its header does not tell of: damaged");
  }
  encoder = read_encoder(isa, file, n_bits, lists.get());
  if (factors) norm = factors->norm;  // all that files of early versions tell
  if (file.tells("norm")) norm = file.real_fact("norm", std::numeric_limits<double>::min());
  if (file.object("refinement")) {
    if (!has_grid) throw std::runtime_error("it has a refinement, but no codes of several bits: damaged");
    second = std::make_unique<SecondCodes>(isa, file, *encoder, codes.n_codes, factors->n_factors);
  } else if (file.has_any("refinement.")) {
    throw std::runtime_error("it holds tensors of a refinement that its header does not tell of: damaged");
  }
  if (file.object("spilled")) {
    if (!lists || !has_grid) {
      throw std::runtime_error("it tells of rows in second lists that it cannot have: damaged");
    }
    spilled = std::make_unique<SpilledRows>(file, codes, factors->n_factors, lists->n_lists());
    check_last_block(spilled->codes(), n_bits);
  } else if (file.has_any("spilled.")) {
    throw std::runtime_error("it holds tensors of second lists that its header does not tell of: damaged");
  }
}

std::size_t BinaryParts::width() const {
  if (of_signs()) return n_bits;
  return second ? second->n_directions() : encoder->width();
}

std::size_t BinaryParts::place(std::int64_t row) const {
  return lists ? lists->position(row) : static_cast<std::size_t>(row);
}

std::vector<std::int64_t> BinaryParts::places(const std::int64_t* rows, std::size_t n) const {
  std::vector<std::int64_t> at(n);
  std::transform(rows, rows + n, at.begin(),
                 [this](std::int64_t row) { return row < 0 ? row : static_cast<std::int64_t>(place(row)); });
  return at;
}

const std::uint32_t* BinaryParts::rows() const { return lists ? lists->view().rows : nullptr; }

std::vector<std::uint8_t> BinaryParts::code(std::int64_t row) const {
  std::vector<std::uint8_t> packed(code_size(n_bits));
  const auto at = static_cast<std::int64_t>(place(row));
  read_codes(codes, &at, 1, n_bits, packed.data());
  return packed;
}

float BinaryParts::factor(std::int64_t row, std::size_t which) const {
  const std::size_t at = place(row);
  const std::size_t block = at / kBlockCodes * factors->n_factors + which;
  float widened = 0;
  isa.widen_halves(factors->values + block * kBlockCodes + at % kBlockCodes, 1, &widened);
  return widened;
}

void BinaryParts::coded(std::int64_t row, float* values) const {
  // Second codes make up for what the scale overshoots.
  const double unit = second ? factors->norm : factors->norm * factors->shrinkage;
  encoder->row(code(row).data(), factor(row, 0) * static_cast<float>(unit), values);
  if (second) {
    std::fill(values + encoder->width(), values + width(), 0.0f);
    second->add_row(static_cast<std::size_t>(row), factors->norm, values);
  }
}

void BinaryParts::check_bits_of(const std::int64_t* rows, std::size_t n) const {
  if (n_bits % 8 == 0 || is_checked_) return;
  for (std::size_t i = 0; i < n; ++i) {
    if (code(rows[i]).back() >> (n_bits % 8)) throw std::runtime_error(kPastTheLast);
  }
}

void BinaryParts::check_bits() const {
  if (is_checked_) return;
  check_bits_past(codes, n_bits, 0);
  if (spilled) check_bits_past(spilled->codes(), n_bits, 0);
  is_checked_ = true;
}

}  // namespace slimvec
