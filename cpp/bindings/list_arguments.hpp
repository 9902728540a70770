// What the bindings of scores share: factors, lists and second codes, checked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include "bindings/arrays.hpp"
#include "core/grid_codes.hpp"
#include "core/nearest_lists.hpp"
#include "core/partition_search.hpp"
#include "core/prepared_queries.hpp"
#include "core/refinement.hpp"

namespace slimvec {

using HalfArray = py::array_t<std::uint16_t, py::array::c_style>;  // float16, as its bits

inline Metric metric_called(const std::string& name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "dot") return Metric::kDot;
  require(name == "l2", "metric must be cosine, dot or l2");
  return Metric::kL2;
}

inline Factors check_factors(const HalfArray& factors, const std::string& metric, const BlockedCodes& table) {
  require(factors.ndim() == 3 && size_of(factors, 0) == table.n_blocks() &&
              (factors.shape(1) == 2 || factors.shape(1) == 3) && size_of(factors, 2) == kBlockCodes,
          "factors must have shape (n_blocks, 2 or 3, 16)");
  return {elements(factors), size_of(factors, 1), metric_called(metric)};
}

using RowArray = py::array_t<std::uint32_t, py::array::c_style>;

inline Lists check_lists(const IdArray& starts, const RowArray& rows, std::size_t n_codes) {
  require(starts.ndim() == 1 && size_of(starts, 0) >= 2, "starts must have one entry per list, and one more");
  const std::size_t n_lists = size_of(starts, 0) - 1;
  const std::int64_t* first = elements(starts);
  require(first[0] == 0 && std::is_sorted(first, first + n_lists + 1) &&
              static_cast<std::uint64_t>(first[n_lists]) == n_codes,
          "starts must rise from 0 to the number of codes");
  require(rows.ndim() == 1 && size_of(rows, 0) == n_codes, "rows must have one entry per code");
  return {first, elements(rows), n_lists};
}

// Rows of integers and their steps, `n` of each, small enough for exact products.
template <typename Made, typename Values>
Made check_rows(const Values& values, const DoubleArray& steps, std::size_t n) {
  require(values.ndim() == 2 && size_of(values, 0) == n, "rows of integers must have shape (n, d)");
  require(steps.ndim() == 1 && size_of(steps, 0) == n, "steps must have one entry per row of integers");
  return {elements(values), elements(steps), size_of(values, 1)};
}

using Rows = std::pair<QueryArray, DoubleArray>;
using RowsOfBytes = std::pair<py::array_t<std::int8_t, py::array::c_style>, DoubleArray>;

inline IntegerRows check_integer_rows(const Rows& rows, std::size_t n) {
  return check_rows<IntegerRows>(rows.first, rows.second, n);
}

inline ByteRows check_byte_rows(const RowsOfBytes& rows, std::size_t n) {
  return check_rows<ByteRows>(rows.first, rows.second, n);
}

// Blocks, how many codes, factors, starts of lists, positions of the rows' own codes, centroids.
using SpilledArrays = std::tuple<WordArray, std::size_t, HalfArray, IdArray, RowArray, Rows>;

// What is spilled of a table.
inline Spilled check_spilled(const SpilledArrays& spilled, std::size_t n_bits, const Factors& own, const Lists& lists) {
  const auto& [blocks, n_codes, factors, starts, positions, centroids] = spilled;
  const BlockedCodes codes = check_blocks(blocks, n_codes, n_bits);
  require(factors.ndim() == 3 && size_of(factors, 0) == codes.n_blocks() && size_of(factors, 1) == own.n_factors &&
              size_of(factors, 2) == kBlockCodes,
          "factors of what is spilled must be as those of all codes");
  const Lists own_lists = check_lists(starts, positions, n_codes);
  require(own_lists.n_lists == lists.n_lists, "lists of what is spilled must be as many as those of all codes");
  return {
      codes, {elements(factors), own.n_factors, own.metric}, own_lists, check_integer_rows(centroids, lists.n_lists)};
}

template <typename Float>
using Columns = std::pair<WordArray, py::array_t<Float, py::array::c_style>>;

template <typename Float>
Picked<Float> check_columns(const Columns<Float>& columns, std::size_t width) {
  require(columns.first.ndim() == 1 && columns.second.ndim() == 1 && columns.first.size() == columns.second.size(),
          "columns must have one factor each");
  const std::size_t n = size_of(columns.first, 0);
  const std::uint32_t* places = elements(columns.first);
  require(std::all_of(places, places + n, [width](std::uint32_t place) { return place < width; }),
          "columns must name directions");
  return {places, elements(columns.second), n};
}

inline RowCodes check_row_codes(const ByteArray& codes, const ByteArray& bits, const HalfArray& numbers) {
  require(bits.ndim() == 1 && size_of(bits, 0) >= 1, "bits must have one entry per direction");
  const std::size_t n_directions = size_of(bits, 0);
  const std::uint8_t* of_direction = elements(bits);
  const auto known = [](std::uint8_t b) { return b >= 1 && b <= kMaxBitsPerDirection; };
  require(std::all_of(of_direction, of_direction + n_directions, known), "bits must lie between 1 and 8");
  require(std::is_sorted(of_direction, of_direction + n_directions, std::greater<>()), "bits must not rise");
  const std::size_t n_bits = std::accumulate(of_direction, of_direction + n_directions, std::size_t{0});
  require(codes.ndim() == 2 && size_of(codes, 1) == code_size(n_bits), "codes must have shape (n, ceil(n_bits / 8))");
  require(numbers.ndim() == 2 && size_of(numbers, 0) == size_of(codes, 0) && size_of(numbers, 1) >= 2,
          "numbers must have shape (n, 2 or 3)");
  return {elements(codes), size_of(codes, 0), size_of(codes, 1), of_direction, n_directions};
}

}  // namespace slimvec
