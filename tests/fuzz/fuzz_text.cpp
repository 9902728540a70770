// The compiled readers of text lines and of word2vec's binary records, against slow and obvious ones.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "core/text_reader.hpp"
#include "slow_utf8.hpp"

using namespace slimvec;

namespace {

struct Row {
  std::string word;
  std::vector<float> numbers;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// [+-] digits [. digits] [e [+-] digits], at least one digit in front of the e, and finite as a float. What a double
// cannot tell from zero is refused, too: Python, to which such lines are left, rounds it.
bool slow_number(const std::string& field, float& number) {
  std::size_t i = 0, n_digits = 0, n_nonzero = 0;
  const auto digits = [&] {
    std::size_t n = 0;
    for (; i < field.size() && is_digit(field[i]); ++i, ++n) n_nonzero += field[i] != '0';
    return n;
  };
  if (i < field.size() && (field[i] == '+' || field[i] == '-')) ++i;
  n_digits = digits();
  if (i < field.size() && field[i] == '.') {
    ++i;
    n_digits += digits();
  }
  if (n_digits == 0) return false;
  const bool is_zero = n_nonzero == 0;
  if (i < field.size() && (field[i] == 'e' || field[i] == 'E')) {
    ++i;
    if (i < field.size() && (field[i] == '+' || field[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  if (i != field.size()) return false;
  const double value = std::strtod(field.c_str(), nullptr);
  number = static_cast<float>(value);
  return std::isfinite(number) && (value != 0 || is_zero);
}

// The numbers from the right; what is left is the word.
bool slow_line(std::string_view line, std::size_t dim, Row& row) {
  row.numbers.assign(dim, 0);
  const auto strip = [&] {
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  };
  strip();
  for (std::size_t j = dim; j-- > 0;) {
    std::string field;
    for (; !line.empty() && !is_blank(line.back()); line.remove_suffix(1)) field.insert(field.begin(), line.back());
    if (!slow_number(field, row.numbers[j])) return false;
    strip();
  }
  row.word = line;
  return !line.empty() && slow_is_utf8(line);
}

std::size_t slow_lines(std::string_view text, std::size_t dim, std::size_t max_rows, std::vector<Row>& rows) {
  std::size_t consumed = 0;
  while (rows.size() < max_rows && consumed < text.size()) {
    const std::string_view line = text.substr(consumed, text.find('\n', consumed) - consumed);
    Row row;
    if (!slow_line(line, dim, row)) break;
    rows.push_back(row);
    consumed = std::min(consumed + line.size() + 1, text.size());
  }
  return consumed;
}

std::size_t slow_records(std::string_view bytes, std::size_t dim, std::size_t max_rows, std::vector<Row>& rows) {
  std::size_t consumed = 0;
  while (rows.size() < max_rows) {
    std::size_t begin = consumed;
    while (begin < bytes.size() && bytes[begin] == '\n') ++begin;
    const std::size_t space = bytes.find(' ', begin);
    if (space == std::string_view::npos || bytes.size() - space - 1 < 4 * dim) break;
    Row row = {std::string(bytes.substr(begin, space - begin)), std::vector<float>(dim)};
    std::memcpy(row.numbers.data(), bytes.data() + space + 1, 4 * dim);
    bool is_good = slow_is_utf8(row.word);
    for (const float number : row.numbers) is_good = is_good && std::isfinite(number);
    if (!is_good) break;
    rows.push_back(row);
    consumed = space + 1 + 4 * dim;
  }
  return consumed;
}

void compare(const ParsedRows& parsed, const std::vector<float>& numbers, const std::vector<Row>& rows,
             std::size_t consumed) {
  CHECK(parsed.n_rows == rows.size() && parsed.n_bytes == consumed);
  CHECK(parsed.offsets.size() == rows.size() + 1 && parsed.offsets.front() == 0);
  CHECK(static_cast<std::size_t>(parsed.offsets.back()) == parsed.words.size());
  const float* next = numbers.data();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t begin = static_cast<std::size_t>(parsed.offsets[i]);
    CHECK(parsed.words.substr(begin, static_cast<std::size_t>(parsed.offsets[i + 1]) - begin) == rows[i].word);
    CHECK(rows[i].numbers.empty() || std::memcmp(next, rows[i].numbers.data(), 4 * rows[i].numbers.size()) == 0);
    next += rows[i].numbers.size();
  }
}

}  // namespace

// The first byte says what: lines or records, how wide, at most how many, and how often the rest is repeated, because
// only many lines are shared among threads.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t what = data[0], dim = 1 + what / 2 % 4, repeats = what / 8 % 4 == 3 ? 64 : 1;
  std::vector<char> text;
  text.reserve(std::max(repeats * (size - 1), std::size_t{1}));  // on the heap, and no byte longer
  for (std::size_t i = 0; i < repeats; ++i) text.insert(text.end(), data + 1, data + size);
  const std::string_view view(text.data(), text.size());
  Interrupt never(nullptr);
  for (const std::size_t max_rows : {std::size_t{0}, std::size_t{3}, text.size() + 1}) {
    std::vector<float> numbers(dim * max_rows);
    std::vector<Row> rows;
    if (what % 2) {
      const std::size_t consumed = slow_records(view, dim, max_rows, rows);
      compare(parse_records(text.data(), text.size(), dim, numbers.data(), max_rows, never), numbers, rows, consumed);
      continue;
    }
    const std::size_t consumed = slow_lines(view, dim, max_rows, rows);
    for (const std::size_t n_threads : {1u, 3u}) {
      compare(parse_lines(text.data(), text.size(), dim, numbers.data(), max_rows, n_threads, never), numbers, rows,
              consumed);
    }
  }
  return 0;
}
