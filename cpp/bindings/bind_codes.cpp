#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"

namespace slimvec {

namespace {

ByteArray pack_signs(const Kernels& isa, const FloatArray& rows) {
  require(rows.ndim() == 2 && rows.shape(1) >= 1, "rows must have shape (n, n_bits) with n_bits >= 1");
  const std::size_t n_rows = size_of(rows, 0), n_bits = size_of(rows, 1);
  check_isa(isa);
  check_n_bits(n_bits);
  ByteArray codes = new_array<ByteArray>(n_rows, code_size(n_bits));
  const float* in = elements(rows);
  std::uint8_t* out = codes.mutable_data();
  py::gil_scoped_release unlocked;
  isa.pack_signs(in, n_rows, n_bits, out);
  return codes;
}

FloatArray unpack(const Kernels& isa, const ByteArray& codes, std::size_t n_bits,
                  const std::optional<FloatArray>& scales) {
  check_isa(isa);
  check_codes(codes, n_bits);
  const std::size_t n_rows = size_of(codes, 0);
  require(!scales || (scales->ndim() == 1 && size_of(*scales, 0) == n_rows), "scales must have one entry per code");
  FloatArray rows = new_array<FloatArray>(n_rows, n_bits);
  const std::uint8_t* in = elements(codes);
  const float* scale = scales ? elements(*scales) : nullptr;
  float* out = rows.mutable_data();
  py::gil_scoped_release unlocked;
  isa.unpack(in, n_rows, n_bits, scale, out);
  return rows;
}

void write_blocks(const ByteArray& codes, std::size_t n_bits, std::size_t first_row, WordArray& blocks,
                  std::size_t n_codes) {
  check_codes(codes, n_bits);
  check_blocks(blocks, n_codes, n_bits);
  const std::size_t n_rows = size_of(codes, 0);
  require(n_rows <= n_codes && first_row <= n_codes - n_rows, "codes reach past the last row of blocks");
  const std::uint8_t* in = elements(codes);
  std::uint32_t* out = blocks.mutable_data();
  py::gil_scoped_release unlocked;
  write_codes(in, n_rows, n_bits, first_row, out);
}

ByteArray read_blocks(const WordArray& blocks, std::size_t n_codes, std::size_t n_bits, const IdArray& ids) {
  const BlockedCodes table = check_blocks(blocks, n_codes, n_bits);
  require(ids.ndim() == 1, "ids must be one-dimensional");
  const std::size_t n_ids = size_of(ids, 0);
  ByteArray codes = new_array<ByteArray>(n_ids, code_size(n_bits));
  const std::int64_t* in = elements(ids);
  std::uint8_t* out = codes.mutable_data();
  py::gil_scoped_release unlocked;
  read_codes(table, in, n_ids, n_bits, out);
  return codes;
}

}  // namespace

void bind_codes(py::module_& module) {
  using py::arg;
  module.def("pack_signs", &pack_signs, arg("isa"), arg("rows").noconvert());
  module.def("unpack", &unpack, arg("isa"), arg("codes").noconvert(), arg("n_bits"),
             arg("scales").noconvert() = py::none());
  module.def("write_blocks", &write_blocks, arg("codes").noconvert(), arg("n_bits"), arg("first_row"),
             arg("blocks").noconvert(), arg("n_codes"));
  module.def("read_blocks", &read_blocks, arg("blocks").noconvert(), arg("n_codes"), arg("n_bits"),
             arg("ids").noconvert());
}

}  // namespace slimvec
