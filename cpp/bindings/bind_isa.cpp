#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "isa/features.hpp"
#include "isa/select.hpp"

namespace slimvec {

void bind_isa(py::module_& module) {
  // Python can make an Isa without its constructor, so even its properties look before they read.
  py::class_<Kernels>(module, "Isa", "One instruction set and its kernels.")
      .def(py::init([]() -> Kernels* { throw py::type_error("instruction sets come from available_isas()"); }))
      .def_property_readonly("name", [](const Kernels& isa) { return std::string(check_isa(isa, built_isas()).name); })
      .def_property_readonly("required",
                             [](const Kernels& isa) { return feature_names(check_isa(isa, built_isas()).required); })
      .def("__repr__", [](const Kernels& isa) {
        return "<slimvec._core.Isa " + std::string(check_isa(isa, built_isas()).name) + ">";
      });

  module.def("built_isas", &built_isas, py::return_value_policy::reference);
  module.def("available_isas", &available_isas, py::return_value_policy::reference);
  module.def("cpu_features", [] { return feature_names(cpu_features()); });
}

}  // namespace slimvec
