#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

#include "bindings/list_arguments.hpp"
#include "bindings/search_arguments.hpp"
#include "core/list_search.hpp"

namespace slimvec {

namespace {

template <typename Float>
using FloatsOf = py::array_t<Float, py::array::c_style>;

// As many columns as codes have bits, or directions.
template <typename Float>
Picked<Float> check_all_columns(const Columns<Float>& columns, std::size_t width, std::size_t n) {
  const Picked<Float> picked = check_columns(columns, width);
  require(picked.n == n, "columns must be as many as the codes have");
  return picked;
}

// A table in lists, whose arrays are checked once and not at every search; it holds on to them.
class ListSearch {
 public:
  using Codes = std::tuple<WordArray, std::size_t, std::size_t, HalfArray>;      // blocks, n_codes, n_bits, factors
  using Second = std::tuple<ByteArray, ByteArray, HalfArray, Columns<double>>;   // codes, bits, numbers, columns
  using Frame = std::tuple<FloatArray, FloatArray, Columns<float>, FloatArray>;  // mean, frame, columns, lead's mean

  ListSearch(Codes codes, std::pair<IdArray, RowArray> lists, Rows centroids, FloatArray inverse_norms,
             std::optional<RowsOfBytes> lead, std::optional<SpilledArrays> spilled, Frame frame,
             std::optional<Second> second, std::pair<double, double> norms)
      : held_(std::move(codes), std::move(lists), std::move(centroids), std::move(inverse_norms), std::move(lead),
              std::move(spilled), std::move(frame), std::move(second)),
        table_(checked(norms)) {}

  template <typename Float>
  std::optional<std::pair<FloatArray, IdArray>> search(const Kernels& isa, const FloatsOf<Float>& queries,
                                                       std::size_t k, std::size_t n_shortlist, std::size_t n_read,
                                                       const OptionalMask& mask, std::size_t n_threads) const {
    check_isa(isa);
    require(queries.ndim() == 2 && size_of(queries, 1) == table_.frame.d, "queries must have shape (n, d)");
    require(k >= 1 && k <= n_shortlist && n_shortlist <= table_.codes.n_codes,
            "k and the rows of a shortlist must lie between 1 and the number of codes");
    require(n_read >= 1 && n_read <= table_.lists.n_lists, "n_read must lie between 1 and the number of lists");
    require(n_threads >= 1, "n_threads must be at least 1");
    const Mask allowed = check_mask(mask, table_.codes);
    const std::size_t n = size_of(queries, 0);
    const Float* rows = elements(queries);
    FloatArray scores = new_array<FloatArray>(n, k);
    IdArray indices = new_array<IdArray>(n, k);
    float* scores_out = scores.mutable_data();
    std::int64_t* indices_out = indices.mutable_data();
    bool found = false;
    without_gil([&](Interrupt& interrupt) {
      found = list_search(isa, table_, rows, n, {k, n_shortlist, n_read}, allowed, n_threads, from_disk_, interrupt,
                          scores_out, indices_out);
    });
    if (!found) return std::nullopt;
    return std::make_pair(std::move(scores), std::move(indices));
  }

 private:
  ListedTable checked(std::pair<double, double> norms) const {
    const auto& [codes, lists, centroids, inverse_norms, lead, spilled, frame, second] = held_;
    const auto& [blocks, n_codes, n_bits, factors] = codes;
    const auto& [mean, directions, columns, lead_at_mean] = frame;
    require(n_bits <= kMaxAsymmetricBits, "n_bits must be at most " + std::to_string(kMaxAsymmetricBits));
    const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
    const Factors own = check_factors(factors, "cosine", table);
    require(own.n_factors == 2, "factors must have two numbers per code");
    const Lists parts = check_lists(lists.first, lists.second, n_codes);
    require(parts.n_lists <= INT32_MAX, "there must be fewer than 2^31 lists");
    require(mean.ndim() == 1 && directions.ndim() == 2 && size_of(directions, 0) == size_of(mean, 0) &&
                size_of(mean, 0) <= UINT32_MAX,
            "frame must have shape (d, n_directions)");
    const std::size_t d = size_of(mean, 0), width = size_of(directions, 1);
    Centroids known = {check_integer_rows(centroids, parts.n_lists), {}, nullptr, nullptr, nullptr, parts.n_lists};
    require(inverse_norms.ndim() == 1 && size_of(inverse_norms, 0) == parts.n_lists,
            "inverse_norms must have one entry per centroid");
    known.inverse_norms = elements(inverse_norms);
    if (lead) known.lead = check_byte_rows(*lead, parts.n_lists);
    require(known.rows.d == d, "centroids must be as wide as queries");
    require(lead_at_mean.ndim() == 1 && size_of(lead_at_mean, 0) == known.lead.d && known.lead.d <= width,
            "lead_at_mean must have one entry for each of the last directions");
    std::optional<Spilled> more;
    if (spilled) {
      more = check_spilled(*spilled, n_bits, own, parts);
      require(more->centroids.d == d, "centroids must be as wide as queries");
    }
    std::optional<SecondStage> stage;
    if (second) {
      const auto& [second_codes, bits, numbers, second_columns] = *second;
      const RowCodes rows = check_row_codes(second_codes, bits, numbers);
      require(rows.n_rows == n_codes, "there must be second codes of all rows");
      stage = {
          rows, {elements(numbers), size_of(numbers, 1)}, check_all_columns(second_columns, width, rows.n_directions)};
    }
    return {table,
            own,
            parts,
            known,
            {elements(mean), elements(directions), d, width},
            check_all_columns(columns, width, n_bits),
            elements(lead_at_mean),
            more,
            stage,
            norms.first,
            norms.second};
  }

  const std::tuple<Codes, std::pair<IdArray, RowArray>, Rows, FloatArray, std::optional<RowsOfBytes>,
                   std::optional<SpilledArrays>, Frame, std::optional<Second>>
      held_;
  const ListedTable table_;
  mutable FromDisk from_disk_;
};

}  // namespace

void bind_list_search(py::module_& module) {
  using py::arg;
  py::class_<ListSearch> search(module, "ListSearch");
  search.def(py::init<ListSearch::Codes, std::pair<IdArray, RowArray>, Rows, FloatArray, std::optional<RowsOfBytes>,
                      std::optional<SpilledArrays>, ListSearch::Frame, std::optional<ListSearch::Second>,
                      std::pair<double, double>>(),
             arg("codes").noconvert(), arg("lists").noconvert(), arg("centroids").noconvert(),
             arg("inverse_norms").noconvert(), arg("lead").noconvert(), arg("spilled").noconvert(),
             arg("frame").noconvert(), arg("second").noconvert(), arg("norms"));
  const auto bind = [&search](auto method) {
    search.def("search", method, arg("isa"), arg("queries").noconvert(), arg("k"), arg("n_shortlist"), arg("n_read"),
               arg("mask").noconvert(), arg("n_threads"));
  };
  bind(&ListSearch::search<float>);
  bind(&ListSearch::search<double>);
}

}  // namespace slimvec
