#include "core/text_reader.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/platform.hpp"
#include "core/threads.hpp"
#include "core/utf8.hpp"

namespace slimvec {

namespace {

constexpr std::size_t kLinesPerThread = 64;  // fewer are not worth waking a thread for
constexpr std::uint64_t kExactIntegers = std::uint64_t{1} << 53;
constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                   1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// "-0.123456": digits below 2^53 over a power of ten that a double holds exactly, so one division rounds correctly.
// Returns the end of the number, or null if it is of another form: an exponent, more digits, no number at all.
const char* parse_plain(const char* p, const char* end, double& value) {
  const bool negative = p < end && *p == '-';
  p += negative;
  std::uint64_t digits = 0;
  const char* const start = p;
  const char* point = nullptr;
  for (; p < end; ++p) {
    const unsigned digit = static_cast<unsigned>(static_cast<unsigned char>(*p)) - '0';
    if (digit <= 9) {
      digits = 10 * digits + digit;
    } else if (*p == '.' && !point) {
      point = p;
    } else {
      break;
    }
  }
  const std::ptrdiff_t n_digits = p - start - (point ? 1 : 0);
  if (n_digits < 1 || n_digits > 18 || digits > kExactIntegers || (p < end && !is_blank(*p))) return nullptr;
  value = static_cast<double>(digits) / kPowersOfTen[point ? p - point - 1 : 0];
  if (negative) value = -value;
  return p;
}

// Returns the end of a finite float32 that a blank or `end` follows, or null.
const char* parse_number(const char* p, const char* end, float& number) {
  double value = 0;
  const char* stop = parse_plain(p, end, value);
  if (!stop) {
    if (p < end && *p == '+') {  // parse_double takes no plus sign
      ++p;
      if (p < end && *p == '-') return nullptr;
    }
    stop = parse_double(p, end, value);
    if (!stop || (stop < end && !is_blank(*stop))) return nullptr;
  }
  number = static_cast<float>(value);
  return std::isfinite(number) ? stop : nullptr;
}

// The common line: no blank in the word, every field right. False says nothing: from_the_right() decides.
bool from_the_left(const char* p, const char* end, std::size_t dim, float* row, std::string_view& word) {
  const char* const begin = p;
  while (p < end && !is_blank(*p)) ++p;
  word = {begin, static_cast<std::size_t>(p - begin)};
  for (std::size_t j = 0; j < dim; ++j) {
    while (p < end && is_blank(*p)) ++p;
    p = parse_number(p, end, row[j]);
    if (!p) return false;
  }
  return p == end && !word.empty();
}

bool from_the_right(const char* begin, const char* end, std::size_t dim, float* row, std::string_view& word) {
  for (std::size_t j = dim; j-- > 0;) {
    const char* start = end;
    while (start > begin && !is_blank(start[-1])) --start;
    if (start == end || parse_number(start, end, row[j]) != end) return false;
    end = start;
    while (end > begin && is_blank(end[-1])) --end;
  }
  word = {begin, static_cast<std::size_t>(end - begin)};
  return !word.empty();
}

bool parse_line(const char* begin, const char* end, std::size_t dim, float* row, std::string_view& word) {
  while (end > begin && is_blank(end[-1])) --end;
  return (from_the_left(begin, end, dim, row, word) || from_the_right(begin, end, dim, row, word)) &&
         is_utf8(word.data(), word.data() + word.size());
}

void add_word(ParsedRows& parsed, std::string_view word) {
  parsed.words += word;
  parsed.offsets.push_back(static_cast<std::int64_t>(parsed.words.size()));
  ++parsed.n_rows;
}

// Where the first lines end, at most so many: line i is [bounds[i], bounds[i + 1]), its newline included.
std::vector<std::size_t> find_lines(const char* text, std::size_t size, std::size_t max_lines) {
  std::vector<std::size_t> bounds = {0};
  while (bounds.back() < size && bounds.size() <= max_lines) {
    const std::size_t begin = bounds.back();
    const void* newline = std::memchr(text + begin, '\n', size - begin);
    bounds.push_back(newline ? static_cast<std::size_t>(static_cast<const char*>(newline) - text) + 1 : size);
  }
  return bounds;
}

}  // namespace

ParsedRows parse_lines(const char* text, std::size_t size, std::size_t dim, float* rows, std::size_t max_rows,
                       std::size_t n_threads, Interrupt& interrupt) {
  const std::vector<std::size_t> bounds = find_lines(text, size, max_rows);
  const std::size_t n_lines = bounds.size() - 1;
  const std::size_t n_parts = std::clamp<std::size_t>(n_lines / kLinesPerThread, 1, n_threads);
  std::vector<ParsedRows> parts(n_parts);
  std::atomic<std::size_t> first_bad{n_lines};
  run_parallel(
      n_parts,
      [&](std::size_t part) {
        const std::size_t first = part * n_lines / n_parts, last = (part + 1) * n_lines / n_parts;
        for (std::size_t line = first; line < last && line < first_bad.load(std::memory_order_relaxed); ++line) {
          interrupt.check();
          std::string_view word;
          if (!parse_line(text + bounds[line], text + bounds[line + 1], dim, rows + line * dim, word)) {
            std::size_t known = first_bad;
            while (line < known && !first_bad.compare_exchange_weak(known, line)) {
            }
            return;
          }
          add_word(parts[part], word);
        }
      },
      [&] { interrupt.ask(); });
  interrupt.finish();

  ParsedRows all;
  all.offsets.push_back(0);
  for (const ParsedRows& part : parts) {
    // Parts after the first bad line may hold rows, which do not count: the next call meets them again.
    if (all.n_rows == first_bad) break;
    const std::int64_t base = static_cast<std::int64_t>(all.words.size());
    for (const std::int64_t offset : part.offsets) all.offsets.push_back(base + offset);
    all.words += part.words;
    all.n_rows += part.n_rows;
  }
  all.n_bytes = bounds[all.n_rows];
  return all;
}

ParsedRows parse_records(const char* bytes, std::size_t size, std::size_t dim, float* rows, std::size_t max_rows,
                         Interrupt& interrupt) {
  ParsedRows parsed;
  parsed.offsets.push_back(0);
  const std::size_t row_bytes = dim * sizeof(float);
  while (parsed.n_rows < max_rows) {
    interrupt.check();
    std::size_t begin = parsed.n_bytes;
    while (begin < size && bytes[begin] == '\n') ++begin;
    const void* space = std::memchr(bytes + begin, ' ', size - begin);
    if (!space) break;
    const std::size_t end = static_cast<std::size_t>(static_cast<const char*>(space) - bytes);
    if (size - end - 1 < row_bytes || !is_utf8(bytes + begin, bytes + end)) break;
    float* row = rows + parsed.n_rows * dim;
    std::memcpy(row, bytes + end + 1, row_bytes);
    if (!std::all_of(row, row + dim, [](float number) { return std::isfinite(number); })) break;
    add_word(parsed, {bytes + begin, end - begin});
    parsed.n_bytes = end + 1 + row_bytes;
  }
  interrupt.finish();
  return parsed;
}

}  // namespace slimvec
