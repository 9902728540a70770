#include "bindings/search_arguments.hpp"
#include "core/text_reader.hpp"

namespace slimvec {

namespace {

// (rows read, bytes consumed, text of the words, their offsets)
using Parsed = std::tuple<std::size_t, std::size_t, ByteArray, IdArray>;

Parsed as_arrays(const ParsedRows& parsed) {
  ByteArray words(static_cast<py::ssize_t>(parsed.words.size()));
  std::copy(parsed.words.begin(), parsed.words.end(), words.mutable_data());
  return {parsed.n_rows, parsed.n_bytes, words,
          IdArray(static_cast<py::ssize_t>(parsed.offsets.size()), parsed.offsets.data())};
}

void check_shapes(const ByteArray& text, std::size_t dim, const FloatArray& rows) {
  require(text.ndim() == 1, "text must be one-dimensional");
  require(dim >= 1 && rows.ndim() == 2 && size_of(rows, 1) == dim, "rows must have shape (n, dim), dim at least 1");
}

Parsed parse_text_lines(const ByteArray& text, std::size_t dim, FloatArray& rows, std::size_t n_threads) {
  check_shapes(text, dim, rows);
  require(n_threads >= 1, "n_threads must be at least 1");
  const char* in = reinterpret_cast<const char*>(elements(text));
  float* out = rows.mutable_data();
  ParsedRows parsed;
  without_gil([&](Interrupt& interrupt) {
    parsed = parse_lines(in, size_of(text, 0), dim, out, size_of(rows, 0), n_threads, interrupt);
  });
  return as_arrays(parsed);
}

Parsed parse_binary_records(const ByteArray& text, std::size_t dim, FloatArray& rows) {
  check_shapes(text, dim, rows);
  const char* in = reinterpret_cast<const char*>(elements(text));
  float* out = rows.mutable_data();
  ParsedRows parsed;
  without_gil([&](Interrupt& interrupt) {
    parsed = parse_records(in, size_of(text, 0), dim, out, size_of(rows, 0), interrupt);
  });
  return as_arrays(parsed);
}

}  // namespace

void bind_text(py::module_& module) {
  using py::arg;
  module.def("parse_lines", &parse_text_lines, arg("text").noconvert(), arg("dim"), arg("rows").noconvert(),
             arg("n_threads"));
  module.def("parse_records", &parse_binary_records, arg("text").noconvert(), arg("dim"), arg("rows").noconvert());
}

}  // namespace slimvec
