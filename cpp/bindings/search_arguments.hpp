// What the bindings of searches share: the mask, and running without the GIL so that Ctrl-C still works.
#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "core/scan.hpp"

namespace slimvec {

using OptionalMask = std::optional<ByteArray>;

// Two bytes per block; bits of padding codes must be clear, because nothing else keeps those codes out.
inline Mask check_mask(const OptionalMask& mask, const BlockedCodes& table) {
  if (!mask) return nullptr;
  require(mask->ndim() == 1 && size_of(*mask, 0) == 2 * table.n_blocks(), "mask must have two bytes per block");
  for (std::size_t i = table.n_codes; i < table.n_blocks() * kBlockCodes; ++i) {
    require(!((mask->data()[i / 8] >> (i % 8)) & 1), "mask must not allow codes past the last one");
  }
  return elements(*mask);
}

using OptionalRows = std::optional<WordArray>;

// Which row each code is; null where they lie by rows.
inline const std::uint32_t* check_rows(const OptionalRows& rows, std::size_t n_codes) {
  if (!rows) return nullptr;
  require(rows->ndim() == 1 && size_of(*rows, 0) == n_codes, "rows must have one entry for each code");
  const std::uint32_t* own = elements(*rows);
  require(std::all_of(own, own + n_codes, [n_codes](std::uint32_t row) { return row < n_codes; }),
          "rows must name rows of the table");
  return own;
}

// Calls work(interrupt) without the GIL. A signal handler that raises, as Ctrl-C's does, ends the work, and what it
// raised goes on from here.
template <typename Work>
void without_gil(Work work) {
  try {
    py::gil_scoped_release unlocked;
    Interrupt interrupt([] {
      py::gil_scoped_acquire locked;
      return PyErr_CheckSignals() != 0;
    });
    work(interrupt);
  } catch (const Interrupted&) {
    throw py::error_already_set();
  }
}

// What was found for each query, one after the other: offsets, what value_of(key) is, and indices.
template <typename Value, typename ValueOf>
std::tuple<IdArray, py::array_t<Value, py::array::c_style>, IdArray> one_after_the_other(
    const std::vector<std::vector<Key>>& found, ValueOf value_of) {
  IdArray offsets({static_cast<py::ssize_t>(found.size() + 1)});
  std::int64_t* bound = offsets.mutable_data();
  *bound = 0;
  for (const std::vector<Key>& keys : found) {
    bound[1] = bound[0] + static_cast<std::int64_t>(keys.size());
    ++bound;
  }
  py::array_t<Value, py::array::c_style> values({static_cast<py::ssize_t>(*bound)});
  IdArray indices({static_cast<py::ssize_t>(*bound)});
  Value* value = values.mutable_data();
  std::int64_t* index = indices.mutable_data();
  for (const std::vector<Key>& keys : found) {
    value = std::transform(keys.begin(), keys.end(), value, value_of);
    index = std::transform(keys.begin(), keys.end(), index, key_index);
  }
  return {std::move(offsets), std::move(values), std::move(indices)};
}

}  // namespace slimvec
