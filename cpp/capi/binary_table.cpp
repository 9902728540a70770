// Tables of binary codes.
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "capi/binary_parts.hpp"
#include "capi/code_search.hpp"
#include "capi/table.hpp"
#include "core/lookup.hpp"

namespace slimvec {

namespace {

class BinaryTable : public Table {
 public:
  explicit BinaryTable(const TableFile& file) : parts_(file) {}

  std::size_t n_rows() const override { return parts_.codes.n_codes; }
  std::size_t n_bits() const override { return parts_.n_bits; }
  std::size_t n_lists() const override { return parts_.lists ? parts_.lists->n_lists() : 0; }
  std::size_t dim() const override { return parts_.width(); }
  std::size_t original_dim() const override { return encoder().dim(); }

  void lookup(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(parts_.codes, rows, n);  // before anything is written
    if (parts_.of_signs()) {
      Interrupt never(nullptr);
      slimvec::lookup(parts_.isa, parts_.codes, parts_.n_bits, parts_.places(rows, n).data(), n, never, out);
    } else {
      check_rows(rows, n);
      for (std::size_t i = 0; i < n; ++i) read_row(rows[i], out + i * dim());
    }
  }

  void mean(const std::int64_t* rows, std::size_t n, float* out) const override {
    check_ids(parts_.codes, rows, n);
    if (parts_.of_signs()) {
      const std::int64_t offsets[] = {0, static_cast<std::int64_t>(n)};
      Interrupt never(nullptr);
      bag_mean(parts_.isa, parts_.codes, parts_.n_bits, parts_.places(rows, n).data(), n, offsets, 1, never, out);
      return;
    }
    check_rows(rows, n);
    std::vector<float> one(dim());
    std::vector<double> sums(dim());
    for (std::size_t i = 0; i < n; ++i) {
      read_row(rows[i], one.data());
      for (std::size_t j = 0; j < dim(); ++j) sums[j] += static_cast<double>(one[j]);
    }
    const double size = static_cast<double>(std::max(n, std::size_t{1}));
    std::transform(sums.begin(), sums.end(), out, [size](double sum) { return static_cast<float>(sum / size); });
  }

  void lookup_original(const std::int64_t* rows, std::size_t n, float* out) const override {
    if (!parts_.encoder || !parts_.factors) {
      throw std::runtime_error("original vectors need factors of each row: compress(..., factors=True) in Python");
    }
    check_ids(parts_.codes, rows, n);
    check_rows(rows, n);
    const std::size_t d = original_dim();
    std::vector<float> values(parts_.width());
    for (std::size_t i = 0; i < n; ++i) {
      float* const vector = out + i * d;
      parts_.coded(rows[i], values.data());
      encoder().expand(values.data(), vector);
      if (parts_.second) parts_.second->add_rest(values.data(), vector);
      const float* const centre = centre_of(rows[i]);
      for (std::size_t j = 0; j < d; ++j) vector[j] += centre[j];
    }
  }

  void nearest(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
               float* similarities) const override {
    check_ids(parts_.codes, &row, 1);
    if (parts_.of_signs()) {
      search_packed(parts_, parts_.code(row).data(), 1, k, n_threads, rows, similarities);
    } else {  // distances between codes of several bits mean nothing
      std::vector<float> query(original_dim());
      lookup_original(&row, 1, query.data());
      search({{query.data(), 1}, k, Metric::kCosine, kAllLists, n_threads}, rows, similarities);
    }
  }

  void search(const Asked& asked, std::int64_t* rows, float* scores) const override {
    (void)encoder();
    search_vectors(parts_, asked, rows, scores);
  }

  void encode(Vectors vectors, std::uint8_t* codes) const override {
    encoder().encode(vectors.values, vectors.n, codes);
  }

 private:
  const Encoder& encoder() const {
    if (!parts_.encoder) {
      throw std::runtime_error("this table has no encoder (mean and projection), so it knows of codes only");
    }
    return *parts_.encoder;
  }

  // Before anything is written.
  void check_rows(const std::int64_t* rows, std::size_t n) const {
    parts_.check_bits_of(rows, n);
    for (std::size_t i = 0; i < n && parts_.second; ++i)
      parts_.second->check_bits_of(static_cast<std::size_t>(rows[i]));
  }

  // What was taken off the vector of a row before it was coded.
  const float* centre_of(std::int64_t row) const {
    return parts_.lists && !parts_.of_signs() ? parts_.lists->centroid(parts_.lists->list_of(row)) : encoder().mean();
  }

  // A row of several bits, less the mean, along its directions.
  void read_row(std::int64_t row, float* out) const {
    parts_.coded(row, out);
    if (!parts_.lists) return;
    const float *const centroid = centre_of(row), *const mean = encoder().mean();
    std::vector<float> centred(original_dim()), projected(encoder().width()), shift(parts_.width());
    for (std::size_t j = 0; j < centred.size(); ++j) centred[j] = centroid[j] - mean[j];
    encoder().project(centred.data(), projected.data());
    if (parts_.second) {
      parts_.second->project(centred.data(), projected.data(), shift.data());
    } else {
      shift = projected;
    }
    for (std::size_t j = 0; j < shift.size(); ++j) out[j] += shift[j];
  }

  const BinaryParts parts_;
};

}  // namespace

std::unique_ptr<Table> make_binary_table(const TableFile& file) { return std::make_unique<BinaryTable>(file); }

}  // namespace slimvec
