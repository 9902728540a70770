// A table file, mapped: a valid .safetensors file whose header is checked before it is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "capi/json.hpp"
#include "core/platform.hpp"

namespace slimvec {

struct Tensor {
  const void* data;
  std::string dtype;  // as safetensors spells it: U8, U32, I64, F16, F32 ...
  std::vector<std::size_t> shape;

  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

// Every error is a std::runtime_error that says what is wrong with the file.
class TableFile {
 public:
  explicit TableFile(const char* path);

  std::string kind() const;
  bool tells(const char* name) const { return facts_.find(name) != nullptr; }  // whatever its fact is
  std::size_t fact(const char* name) const;                      // a size that the header tells of the table
  std::size_t fact(const char* object, const char* name) const;  // one inside another fact
  double real_fact(const char* name, double minimum) const;      // a number
  double real_fact(const char* object, const char* name, double minimum) const;
  bool is_zero(const char* object, const char* name) const;  // whether a fact is there and the integer 0
  const Json* object(const char* name) const;                // a fact that is an object; null if there is none, or null
  void check_object(const char* name, bool is_optional) const;
  void check_made_by() const;
  bool has(const char* name) const { return tensors_.count(name) != 0; }
  bool has_any(const std::string& prefix) const;  // tensors whose name begins so

  // A tensor of one of these dtypes and of this shape, in which kAny stands for any length.
  const Tensor& tensor(const char* name, std::initializer_list<const char*> dtypes,
                       std::initializer_list<std::size_t> shape) const;
  static constexpr std::size_t kAny = ~std::size_t{0};

 private:
  using Place = std::pair<std::size_t, std::size_t>;  // the bounds of its bytes behind the header
  Place add_tensor(const std::string& name, const Json& entry, std::size_t start);

  MappedFile file_;
  Json facts_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace slimvec
