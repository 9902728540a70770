// Array types of the Python border. They are taken with noconvert(): a wrong dtype or layout is a TypeError, never a
// hidden copy; python/slimvec coerces and explains first. Shapes are checked here again, because memory safety must
// not rest on the caller.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/blocked_codes.hpp"
#include "isa/select.hpp"

namespace slimvec {

namespace py = pybind11;

using FloatArray = py::array_t<float, py::array::c_style>;
using ByteArray = py::array_t<std::uint8_t, py::array::c_style>;
using WordArray = py::array_t<std::uint32_t, py::array::c_style>;
using IdArray = py::array_t<std::int64_t, py::array::c_style>;
using QueryArray = py::array_t<std::int16_t, py::array::c_style>;
using DoubleArray = py::array_t<double, py::array::c_style>;
using DistanceArray = py::array_t<std::int32_t, py::array::c_style>;

inline void require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}

inline void require(bool holds, const char* message) {  // makes no string unless there is something to say
  if (!holds) throw std::invalid_argument(message);
}

inline std::size_t size_of(const py::array& array, py::ssize_t axis) {
  return static_cast<std::size_t>(array.shape(axis));
}

template <typename Array>
Array new_array(std::size_t rows, std::size_t columns) {
  return Array({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
}

// Elements for C++ to read: NumPy lets an array lie at any address, C++ does not.
template <typename T>
const T* elements(const py::array_t<T, py::array::c_style>& array) {
  require(reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) == 0, "arrays must be aligned");
  return array.data();
}

// Only an instruction set that this CPU runs gets through: Python can get hold of others, and even of an empty one.
inline const Kernels& check_isa(const Kernels& isa, const std::vector<const Kernels*>& among = available_isas()) {
  require(std::find(among.begin(), among.end(), &isa) != among.end(), "isa must be one of available_isas()");
  return isa;
}

inline void check_n_bits(std::size_t n_bits) {
  require(n_bits >= 1 && n_bits <= kMaxBits, "n_bits must lie between 1 and " + std::to_string(kMaxBits));
}

// Row-layout codes: (n, code_size(n_bits)) uint8.
inline void check_codes(const ByteArray& codes, std::size_t n_bits) {
  check_n_bits(n_bits);
  require(
      codes.ndim() == 2 && size_of(codes, 1) == code_size(n_bits),
      "codes must have shape (n, " + std::to_string(code_size(n_bits)) + ") for " + std::to_string(n_bits) + " bits");
}

// Blocked codes: (block_count(n_codes), words_per_code(n_bits), 16) uint32, aligned.
inline BlockedCodes check_blocks(const WordArray& blocks, std::size_t n_codes, std::size_t n_bits) {
  check_n_bits(n_bits);
  require(blocks.ndim() == 3 && size_of(blocks, 0) == block_count(n_codes) &&
              size_of(blocks, 1) == words_per_code(n_bits) && size_of(blocks, 2) == kBlockCodes,
          "blocks must have shape (" + std::to_string(block_count(n_codes)) + ", " +
              std::to_string(words_per_code(n_bits)) + ", 16)");
  return {elements(blocks), n_codes, words_per_code(n_bits)};
}

}  // namespace slimvec
