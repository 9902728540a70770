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

  // The member of that name; null if this is no object or has none.
  const Json* find(std::string_view name) const;

  // Throws std::runtime_error, calling the value `name`, unless this is an integer from 0 to 2^62 or a string.
  std::uint64_t integer(const char* name) const;
  const std::string& string(const char* name) const;
};

// Throws std::runtime_error for what is not JSON, or nested more than 32 deep.
Json parse_json(std::string_view text);

}  // namespace slimvec
