#include "bindings/arrays.hpp"
#include "core/platform.hpp"

namespace slimvec {

namespace {

std::size_t resident(const py::array& array) {
  require((array.flags() & py::array::c_style) != 0, "array must be contiguous");
  return resident_bytes(array.data(), static_cast<std::size_t>(array.nbytes()));
}

}  // namespace

void bind_memory(py::module_& module) {
  using py::arg;
  module.def("resident_bytes", &resident, arg("array").noconvert());
}

}  // namespace slimvec
