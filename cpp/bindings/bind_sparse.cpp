#include <pybind11/stl.h>

#include <optional>
#include <utility>

#include "bindings/search_arguments.hpp"
#include "core/sparse_gather.hpp"
#include "core/sparse_search.hpp"

namespace slimvec {

namespace {

// Arrays of several element types come as plain py::array and are told apart here: by a look at kind and size, because
// a lookup of one row takes well under a microsecond, and asking NumPy whether types are equivalent would be most of
// it.
struct ElementTypes {
  char kind;  // NumPy's: 'u', 'i' or 'f'
  std::size_t smallest, largest;
};

constexpr ElementTypes kOffsets32 = {'u', 4, 4}, kInt64 = {'i', 8, 8}, kIndices = {'u', 1, 4}, kFloats = {'f', 2, 4},
                       kBytes = {'u', 1, 1};

bool is_one_of(const py::dtype& type, const ElementTypes& types) {
  const auto size = static_cast<std::size_t>(type.itemsize());
  return type.kind() == types.kind && size >= types.smallest && size <= types.largest;
}

// In the machine's byte order and aligned, elements of the last axis side by side: what pointers may walk over.
void check_plain(const py::array& array, const ElementTypes& types, py::ssize_t n_dimensions, const char* name) {
  const py::dtype type = array.dtype();
  if (!is_one_of(type, types)) throw py::type_error(std::string(name) + " has a dtype that the kernels do not take");
  const char order = type.byteorder();
  const auto size = static_cast<std::uintptr_t>(type.itemsize());
  if (array.ndim() != n_dimensions || (order != '=' && order != '|') ||
      (array.shape(n_dimensions - 1) > 1 && array.strides(n_dimensions - 1) != type.itemsize()) ||
      reinterpret_cast<std::uintptr_t>(array.data()) % size) {
    throw std::invalid_argument(std::string(name) + " must be a plain array of " + std::to_string(n_dimensions) +
                                " dimensions");
  }
}

const void* plain(const py::array& array, const ElementTypes& types, const char* name) {
  check_plain(array, types, 1, name);
  return array.data();
}

// Only sizes are checked here: core/sparse_rows.hpp checks the entries of the rows that a call touches.
// Packed rows come without values.
SparseRows check_rows(const py::array& indptr, const py::array& indices, const std::optional<py::array>& values,
                      std::size_t n_columns) {
  SparseRows rows = {};
  rows.indptr = plain(indptr, indptr.itemsize() == 4 ? kOffsets32 : kInt64, "indptr");
  rows.indices = plain(indices, values ? kIndices : kBytes, "indices");
  if (values) rows.values = plain(*values, kFloats, "values");
  require(indptr.size() >= 1, "indptr must have n_rows + 1 entries");
  require(!values || indices.size() == values->size(), "indices and values must have as many entries");
  rows.n_rows = static_cast<std::size_t>(indptr.size()) - 1;
  rows.n_entries = static_cast<std::size_t>(indices.size());
  rows.n_columns = n_columns;
  rows.indptr_size = static_cast<unsigned>(indptr.itemsize());
  rows.index_size = static_cast<unsigned>(indices.itemsize());
  rows.value_size = values ? static_cast<unsigned>(values->itemsize()) : 0;
  return rows;
}

// Rows may lie apart, at a whole number of elements. The strides of a single row are NumPy's own affair.
Anchors check_anchors(const py::array& anchors) {
  check_plain(anchors, kFloats, 2, "anchors");
  const py::ssize_t size = anchors.itemsize(), d = anchors.shape(1);
  const py::ssize_t apart = anchors.shape(0) > 1 && d > 0 ? anchors.strides(0) : d * size;
  require(apart % size == 0 && apart >= d * size, "anchors must be rows one after the other");
  return {anchors.data(), static_cast<std::size_t>(apart / size), static_cast<std::size_t>(d), size == 2};
}

// So few rows are there before the lock of the interpreter is given up and taken back.
constexpr std::size_t kFewRows = 4;

FloatArray lookup_sparse_rows(const Kernels& isa, const py::array& indptr, const py::array& indices,
                              const std::optional<py::array>& values, const py::array& anchors, const py::array& ids) {
  check_isa(isa);
  const Anchors table = check_anchors(anchors);
  const SparseRows rows = check_rows(indptr, indices, values, size_of(anchors, 0));
  const auto* in = static_cast<const std::int64_t*>(plain(ids, kInt64, "ids"));
  const std::size_t n_ids = size_of(ids, 0);
  FloatArray out = new_array<FloatArray>(n_ids, table.d);
  float* to = out.mutable_data();
  const auto work = [&](Interrupt& interrupt) { sparse_lookup(isa, rows, table, in, n_ids, interrupt, to); };
  if (n_ids > kFewRows) {
    without_gil(work);
  } else {
    Interrupt never(nullptr);
    work(never);
  }
  return out;
}

FloatArray mean_of_sparse_bags(const Kernels& isa, const py::array& indptr, const py::array& indices,
                               const std::optional<py::array>& values, const py::array& anchors, const IdArray& ids,
                               const IdArray& offsets, const std::optional<FloatArray>& weights) {
  check_isa(isa);
  const Anchors table = check_anchors(anchors);
  const SparseRows rows = check_rows(indptr, indices, values, size_of(anchors, 0));
  require(ids.ndim() == 1, "ids must be one-dimensional");
  require(offsets.ndim() == 1 && offsets.shape(0) >= 1, "offsets must be one-dimensional with n_bags + 1 entries");
  require(!weights || (weights->ndim() == 1 && weights->shape(0) == ids.shape(0)),
          "weights must have one entry per id");
  const std::size_t n_bags = size_of(offsets, 0) - 1, n_ids = size_of(ids, 0);
  FloatArray means = new_array<FloatArray>(n_bags, table.d);
  const std::int64_t *in = elements(ids), *bounds = elements(offsets);
  const float* scales = weights ? elements(*weights) : nullptr;
  float* out = means.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    sparse_bag_mean(isa, rows, table, in, n_ids, bounds, n_bags, scales, interrupt, out);
  });
  return means;
}

std::pair<FloatArray, IdArray> search_sparse_rows(const Kernels& isa, const py::array& indptr, const py::array& indices,
                                                  const std::optional<py::array>& values,
                                                  const std::optional<FloatArray>& row_scales,
                                                  const FloatArray& anchor_scores, std::size_t k,
                                                  const std::optional<ByteArray>& mask, std::size_t n_threads) {
  check_isa(isa);
  require(anchor_scores.ndim() == 2, "anchor_scores must have shape (n_queries, n_anchors)");
  const SparseRows rows = check_rows(indptr, indices, values, size_of(anchor_scores, 1));
  require(!row_scales || (row_scales->ndim() == 1 && size_of(*row_scales, 0) == rows.n_rows),
          "row_scales must have one entry per row");
  require(!mask || (mask->ndim() == 1 && size_of(*mask, 0) == ceil_divide(rows.n_rows, 8)),
          "mask must have one bit per row");
  require(k >= 1 && k <= rows.n_rows, "k must lie between 1 and the number of rows");
  require(n_threads >= 1, "n_threads must be at least 1");
  const std::size_t n_queries = size_of(anchor_scores, 0);
  FloatArray scores = new_array<FloatArray>(n_queries, k);
  IdArray found = new_array<IdArray>(n_queries, k);
  const float *in = elements(anchor_scores), *scales = row_scales ? elements(*row_scales) : nullptr;
  const std::uint8_t* allowed = mask ? mask->data() : nullptr;
  float* scores_out = scores.mutable_data();
  std::int64_t* found_out = found.mutable_data();
  without_gil([&](Interrupt& interrupt) {
    n_threads = worthwhile_threads(rows, n_queries, n_threads);
    sparse_search(isa, rows, scales, allowed, in, n_queries, k, n_threads, interrupt, scores_out, found_out);
  });
  return {std::move(scores), std::move(found)};
}

// Damage becomes the exception that damaged files raise everywhere else.
void translate_damage(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const DamagedRows& error) {
    py::set_error(py::module_::import("slimvec.errors").attr("FormatError"), error.what());
  }
}

}  // namespace

void bind_sparse(py::module_& module) {
  using py::arg;
  py::register_local_exception_translator(translate_damage);
  module.def("sparse_lookup", &lookup_sparse_rows, arg("isa"), arg("indptr").noconvert(), arg("indices").noconvert(),
             arg("values").noconvert(), arg("anchors").noconvert(), arg("ids").noconvert());
  module.def("sparse_bag_mean", &mean_of_sparse_bags, arg("isa"), arg("indptr").noconvert(), arg("indices").noconvert(),
             arg("values").noconvert(), arg("anchors").noconvert(), arg("ids").noconvert(), arg("offsets").noconvert(),
             arg("weights").noconvert());
  module.def("sparse_search", &search_sparse_rows, arg("isa"), arg("indptr").noconvert(), arg("indices").noconvert(),
             arg("values").noconvert(), arg("row_scales").noconvert(), arg("anchor_scores").noconvert(), arg("k"),
             arg("mask").noconvert(), arg("n_threads"));
}

}  // namespace slimvec
