#include "capi/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>
#include <stdexcept>

#include "core/utf8.hpp"

namespace slimvec {

namespace {

constexpr int kMaxDepth = 32;  // of objects and arrays in each other
constexpr std::uint64_t kMaxInteger = std::uint64_t{1} << 62;

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// -?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?
bool is_number(std::string_view text) {
  const auto skip = [&text](std::string_view any) {
    const bool found = !text.empty() && any.find(text[0]) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  const auto digits = [&text] {
    const std::size_t before = text.size();
    while (!text.empty() && is_digit(text[0])) text.remove_prefix(1);
    return text.size() < before;
  };
  skip("-");
  if (!skip("0") && !digits()) return false;
  if (skip(".") && !digits()) return false;
  if (skip("eE")) {
    skip("+-");
    if (!digits()) return false;
  }
  return text.empty();
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Json document() {
    require(is_utf8(rest_.data(), rest_.data() + rest_.size()));
    Json value = any(0);
    skip_blanks();
    require(rest_.empty());
    return value;
  }

 private:
  static void require(bool condition) {
    if (!condition) throw std::runtime_error("its header is not JSON: not a table, or damaged");
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r')) take();
  }

  char take() {
    require(!rest_.empty());
    const char first = rest_[0];
    rest_.remove_prefix(1);
    return first;
  }

  bool take_if(char wanted) {
    skip_blanks();
    if (rest_.empty() || rest_[0] != wanted) return false;
    take();
    return true;
  }

  Json any(int depth) {  // NOLINT(misc-no-recursion): kMaxDepth bounds it
    if (take_if('{')) return members('}', true, depth);
    if (take_if('[')) return members(']', false, depth);
    if (take_if('"')) return {Json::Kind::kString, string(), {}};
    const std::size_t size = std::min(rest_.find_first_of(" \t\r\n,]}"), rest_.size());
    require(size > 0);
    Json value{Json::Kind::kNumber, std::string(rest_.substr(0, size)), {}};
    rest_.remove_prefix(size);
    if (value.text == "null" || value.text == "true" || value.text == "false") {
      value.kind = Json::Kind::kWord;
    } else {
      require(is_number(value.text));
    }
    return value;
  }

  Json members(char end, bool named, int depth) {
    require(depth < kMaxDepth);
    Json value{named ? Json::Kind::kObject : Json::Kind::kArray, {}, {}};
    if (take_if(end)) return value;
    do {
      std::string name;
      if (named) {
        require(take_if('"'));
        name = string();
        require(take_if(':'));
      }
      value.members.emplace_back(std::move(name), any(depth + 1));
    } while (take_if(','));
    require(take_if(end));
    if (named) require(are_distinct(value));
    return value;
  }

  // Of names that come twice, readers take one or the other: one file would hold two tables.
  static bool are_distinct(const Json& object) {
    std::vector<std::string_view> names;
    names.reserve(object.members.size());
    for (const auto& [name, value] : object.members) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end();
  }

  // What follows an opening quote, up to the closing one.
  std::string string() {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    std::string text;
    for (char next = take(); next != '"'; next = take()) {
      if (next != '\\') {
        require(static_cast<unsigned char>(next) >= 0x20);
        text += next;
        continue;
      }
      const char escape = take();
      const std::size_t at = kEscapes.find(escape);
      require(escape == 'u' || at != std::string_view::npos);
      if (escape == 'u') {
        append_code_point(text);
      } else {
        text += kMeanings[at];
      }
    }
    return text;
  }

  void append_code_point(std::string& text) {
    std::uint32_t point = code_unit();
    require(point < 0xDC00 || point >= 0xE000);
    if (point >= 0xD800 && point < 0xDC00) {  // the first of two UTF-16 units
      require(take() == '\\' && take() == 'u');
      const std::uint32_t second = code_unit();
      require(second >= 0xDC00 && second < 0xE000);
      point = 0x10000 + ((point - 0xD800) << 10) + (second - 0xDC00);
    }
    const auto append = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (point < 0x80) return append(point);
    if (point >= 0x10000) {
      append(0xF0 | point >> 18);
      append(0x80 | (point >> 12 & 0x3F));
    } else if (point >= 0x800) {
      append(0xE0 | point >> 12);
    }
    append(point < 0x800 ? 0xC0 | point >> 6 : 0x80 | (point >> 6 & 0x3F));
    append(0x80 | (point & 0x3F));
  }

  std::uint32_t code_unit() {
    require(rest_.size() >= 4);
    std::uint32_t unit = 0;
    const std::string digits(rest_.substr(0, 4));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + 4, unit, 16);
    require(error == std::errc() && end == digits.data() + 4);
    rest_.remove_prefix(4);
    return unit;
  }

  std::string_view rest_;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
  if (kind != Kind::kObject) return nullptr;
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::uint64_t Json::integer(const char* name) const {
  std::uint64_t value = 0;
  const char *begin = text.data(), *end = begin + text.size();
  if (text == "-0") ++begin;
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (kind != Kind::kNumber || error != std::errc() || stopped != end || value >= kMaxInteger) {
    throw std::runtime_error(std::string(name) + " is not the integer that it should be: the table is damaged");
  }
  return value;
}

double Json::real(const char* name) const {
  double value = 0;
  std::istringstream reader(text);
  reader.imbue(std::locale::classic());  // a decimal point, whatever the program has set
  const bool is_real = kind == Kind::kNumber && text.find_first_of(".eE") != std::string::npos;
  if (!is_real || !(reader >> value) || !std::isfinite(value)) {
    throw std::runtime_error(std::string(name) + " is not the real number that it should be: the table is damaged");
  }
  return value;
}

const std::string& Json::string(const char* name) const {
  if (kind != Kind::kString) {
    throw std::runtime_error(std::string(name) + " is not the text that it should be: the table is damaged");
  }
  return text;
}

Json parse_json(std::string_view text) { return Parser(text).document(); }

}  // namespace slimvec
