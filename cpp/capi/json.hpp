// JSON as the headers of table files hold it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slimvec {

struct Json {
  enum class Kind { kWord, kNumber, kString, kArray, kObject };  // words: null, true, false

  Kind kind = Kind::kWord;
  std::string text;                                   // of a word, a number as written, or a string
  std::vector<std::pair<std::string, Json>> members;  // of an object, or, without names, of an array

  bool is_null() const { return kind == Kind::kWord && text == "null"; }

  // The member of that name; null if this is no object or has none.
  const Json* find(std::string_view name) const;

  // Throws std::runtime_error, calling the value `name`, unless this is an integer from 0 on and below 2^62, a finite
  // number with a point or an exponent, or a string.
  std::uint64_t integer(const char* name) const;
  double real(const char* name) const;
  const std::string& string(const char* name) const;
};

// Throws std::runtime_error for what is not JSON in UTF-8, nested more than 32 deep, or has a name twice in an object.
Json parse_json(std::string_view text);

}  // namespace slimvec
