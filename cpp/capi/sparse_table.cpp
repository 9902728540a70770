#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "capi/table.hpp"
#include "core/sparse_gather.hpp"
#include "core/sparse_search.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace {

constexpr int kNear = 40;  // a power of two: numbers up to so far from 1 are multiplied as they are

unsigned size_of(const Tensor& tensor) {
  if (tensor.dtype == "U8") return 1;
  if (tensor.dtype == "U16" || tensor.dtype == "F16") return 2;
  return tensor.dtype == "I64" ? 8 : 4;
}

std::uint64_t offset_at(const Tensor& indptr, std::size_t row) {
  return indptr.dtype == "U32" ? indptr.as<std::uint32_t>()[row] : indptr.as<std::uint64_t>()[row];
}

class SparseTable : public Table {
 public:
  SparseTable(const SparseRows& rows, const Anchors& anchors, const float* inverse_norms)
      : rows_(rows), anchors_(anchors), inverse_norms_(inverse_norms) {}

  std::size_t n_rows() const override { return rows_.n_rows; }
  std::size_t dim() const override { return anchors_.d; }

  void lookup(const std::int64_t* rows, std::size_t n, float* out) const override {
    for (std::size_t i = 0; i < n; ++i) checked_row(rows[i], rows_.n_rows);  // before anything is written
    Interrupt never(nullptr);
    sparse_lookup(isa_, rows_, anchors_, rows, n, never, out);
  }

  void mean(const std::int64_t* rows, std::size_t n, float* out) const override {
    const std::int64_t offsets[] = {0, static_cast<std::int64_t>(n)};
    std::vector<float> vector(dim());
    Interrupt never(nullptr);
    sparse_bag_mean(isa_, rows_, anchors_, rows, n, offsets, 1, nullptr, never, vector.data());
    std::copy(vector.begin(), vector.end(), out);
  }

  std::size_t original_dim() const override { return dim(); }
  void lookup_original(const std::int64_t* rows, std::size_t n, float* out) const override { lookup(rows, n, out); }

  void nearest(std::int64_t row, std::size_t k, std::size_t n_threads, std::int64_t* rows,
               float* similarities) const override {
    std::vector<float> query(dim());
    lookup(&row, 1, query.data());
    if (!std::all_of(query.begin(), query.end(), [](float value) { return std::isfinite(value); })) {
      throw std::runtime_error("row " + std::to_string(row) + " holds NaN or infinity: the table is damaged");
    }
    normalize(query);
    best(query, inverse_norms_, k, n_threads, rows, similarities);
  }

  void search(const Asked& asked, std::int64_t* rows, float* scores) const override {
    if (asked.metric == Metric::kL2) throw std::invalid_argument("distances are asked of tables of codes only");
    const std::size_t k = asked.k;
    std::vector<double> products(k);
    for (std::size_t i = 0; i < asked.queries.n; ++i, rows += k, scores += k) {
      const float* values = asked.queries.values + i * dim();
      check_finite(values, dim(), i);
      std::vector<float> query(values, values + dim());
      if (asked.metric == Metric::kCosine) {
        normalize(query);
        best(query, inverse_norms_, k, asked.n_threads, rows, scores);
        continue;
      }
      const int exponent = bring_near(query);
      best(query, nullptr, k, asked.n_threads, rows, scores);
      std::transform(scores, scores + k, products.begin(),
                     [exponent](float score) { return std::ldexp(static_cast<double>(score), exponent); });
      as_products(products.data(), k, scores);
    }
  }

 private:
  static void normalize(std::vector<float>& vector) {
    double squares = 0;
    for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
    if (squares == 0) return;
    for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / std::sqrt(squares));
  }

  // Divides by a power of two what float32 could not multiply, and returns its exponent, mostly 0.
  static int bring_near(std::vector<float>& vector) {
    float largest = 0;
    for (const float value : vector) largest = std::max(largest, std::abs(value));
    int exponent = 0;
    (void)std::frexp(largest, &exponent);
    if (std::abs(exponent) <= kNear) return 0;
    for (float& value : vector) value = std::ldexp(value, -exponent);
    return exponent;
  }

  void best(const std::vector<float>& query, const float* row_scales, std::size_t k, std::size_t n_threads,
            std::int64_t* rows, float* scores) const {
    const std::vector<float> of_anchors = anchor_scores(query);
    Interrupt never(nullptr);
    sparse_search(isa_, rows_, row_scales, nullptr, of_anchors.data(), 1, k, worthwhile_threads(rows_, 1, n_threads),
                  never, scores, rows);
  }

  // A q, each score summed in the order of the columns, as in Python.
  std::vector<float> anchor_scores(const std::vector<float>& query) const {
    std::vector<float> scores(rows_.n_columns), anchor(anchors_.d);
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const float* values = anchor.data();
      if (anchors_.is_half) {
        isa_.widen_halves(static_cast<const std::uint16_t*>(anchors_.values) + j * anchors_.stride, anchors_.d,
                          anchor.data());
      } else {
        values = static_cast<const float*>(anchors_.values) + j * anchors_.stride;
      }
      for (std::size_t c = 0; c < anchors_.d; ++c) scores[j] += query[c] * values[c];
    }
    return scores;
  }

  const Kernels& isa_ = *available_isas().front();
  const SparseRows rows_;
  const Anchors anchors_;
  const float* inverse_norms_;
};

}  // namespace

std::unique_ptr<Table> make_sparse_table(const TableFile& file) {
  const std::size_t n_rows = file.fact("rows"), n_anchors = file.fact("anchors"), d = file.fact("dimension");
  const char* index = n_anchors <= 1 << 8 ? "U8" : n_anchors <= 1 << 16 ? "U16" : "U32";
  if (n_anchors == 0 || d == 0) throw std::runtime_error("its sizes are out of range");
  const Tensor& anchors = file.tensor("anchors", {"F32", "F16"}, {n_anchors, d});
  const Tensor& indptr = file.tensor("indptr", {"U32", "I64"}, {n_rows + 1});
  const Tensor& norms = file.tensor("inverse_norms", {"F32"}, {n_rows});
  SparseRows rows = {};
  rows.indptr = indptr.data;
  rows.indptr_size = size_of(indptr);
  rows.n_rows = n_rows;
  rows.n_columns = n_anchors;
  const bool is_packed = file.has("packed");
  const Tensor& indices = file.tensor(is_packed ? "packed" : "indices", {is_packed ? "U8" : index}, {TableFile::kAny});
  rows.indices = indices.data;
  rows.index_size = size_of(indices);
  rows.n_entries = indices.shape[0];
  if (!is_packed) {
    const Tensor& values = file.tensor("values", {"F32", "F16"}, {indices.shape[0]});
    rows.values = values.data;
    rows.value_size = size_of(values);
  }
  if (offset_at(indptr, 0) != 0 || offset_at(indptr, n_rows) != rows.n_entries) {
    throw std::runtime_error("the entries of the transform do not fit the offsets of its rows: damaged");
  }
  file.check_object("solver", true);
  return std::make_unique<SparseTable>(rows, Anchors{anchors.data, d, d, anchors.dtype == "F16"}, norms.as<float>());
}

}  // namespace slimvec
