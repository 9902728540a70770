#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "isa/features.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace {

// Python can make an Isa without its constructor; it names nothing.
const Kernels& known(const Kernels& isa) {
  for (const Kernels* built : built_isas()) {
    if (built == &isa) return isa;
  }
  throw std::invalid_argument("not an instruction set of built_isas()");
}

}  // namespace

void bind_isa(py::module_& module) {
  py::class_<Kernels>(module, "Isa", "One instruction set and its kernels.")
      .def(py::init([]() -> Kernels* { throw py::type_error("instruction sets come from available_isas()"); }))
      .def_property_readonly("name", [](const Kernels& isa) { return std::string(known(isa).name); })
      .def_property_readonly("required", [](const Kernels& isa) { return feature_names(known(isa).required); })
      .def("__repr__", [](const Kernels& isa) { return "<slimvec._core.Isa " + std::string(known(isa).name) + ">"; });

  module.def("built_isas", &built_isas, py::return_value_policy::reference);
  module.def("available_isas", &available_isas, py::return_value_policy::reference);
  module.def("cpu_features", [] { return feature_names(cpu_features()); });
}

}  // namespace slimvec
