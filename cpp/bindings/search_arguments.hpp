// What the bindings of searches share: the mask, and running without the GIL so that Ctrl-C still works.
#pragma once

#include <pybind11/stl.h>

#include <optional>

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

}  // namespace slimvec
