// Table of contents of slimvec._core: each bind_*.cpp owns one concept.
#include <pybind11/pybind11.h>

namespace slimvec {

void bind_isa(pybind11::module_& module);
void bind_codes(pybind11::module_& module);
void bind_lookup(pybind11::module_& module);
void bind_grid(pybind11::module_& module);
void bind_list_search(pybind11::module_& module);
void bind_hamming(pybind11::module_& module);
void bind_asymmetric(pybind11::module_& module);
void bind_memory(pybind11::module_& module);
void bind_queries(pybind11::module_& module);
void bind_sparse(pybind11::module_& module);
void bind_text(pybind11::module_& module);
void bind_vocabulary(pybind11::module_& module);

}  // namespace slimvec

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "Compiled core of slimvec; python/slimvec is its public face.";
  module.attr("__version__") = SLIMVEC_VERSION;
  module.attr("compiler") = SLIMVEC_COMPILER;
  module.attr("flags") = SLIMVEC_FLAGS;
  slimvec::bind_isa(module);
  slimvec::bind_codes(module);
  slimvec::bind_lookup(module);
  slimvec::bind_grid(module);
  slimvec::bind_list_search(module);
  slimvec::bind_hamming(module);
  slimvec::bind_asymmetric(module);
  slimvec::bind_memory(module);
  slimvec::bind_queries(module);
  slimvec::bind_sparse(module);
  slimvec::bind_text(module);
  slimvec::bind_vocabulary(module);
}
