// Changes of table files that leave them readable enough for the code behind the parser to be reached: the length in
// front fits the header, numbers become other numbers, and entries come twice or not at all.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Span = std::pair<std::size_t, std::size_t>;  // where it begins, and how long it is

struct File {
  std::string header, body;
};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  void change(File& file) {
    switch (below(11)) {
      case 0:
        return change_bytes(file.header, 16);
      case 1:
      case 2:
        return replace(file.header, pick(runs(file.header, is_digit)), number());
      case 3:
        return copy_run(file.header, is_digit);
      case 4:
        return copy_run(file.header, is_name);
      case 5:
        return repeat_entry(file.header);
      case 6:
        return replace(file.header, pick(entries(file.header)), "");
      case 7:
        return resize(file.body);
      case 8:
        return copy_block(file.body);
      case 9:
        return set_element(file.body);
      default:
        return change_bytes(file.body, 64);
    }
  }

  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_name(char c) { return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

  static std::vector<Span> runs(const std::string& text, bool (*belongs)(char)) {
    std::vector<Span> found;
    for (std::size_t i = 0, end = 0; i < text.size(); i = end + 1) {
      end = i;
      while (end < text.size() && belongs(text[end])) ++end;
      if (end > i) found.emplace_back(i, end - i);
    }
    return found;
  }

  // "name":{...}, with its comma: the entries of tensors.
  static std::vector<Span> entries(const std::string& text) {
    std::vector<Span> found;
    for (std::size_t i = text.find(",\""); i != std::string::npos; i = text.find(",\"", i + 1)) {
      const std::size_t brace = text.find(":{", i), end = text.find('}', i);
      if (brace < end && end != std::string::npos) found.emplace_back(i, end + 1 - i);
    }
    return found;
  }

  Span pick(const std::vector<Span>& spans) { return spans.empty() ? Span{0, 0} : spans[below(spans.size())]; }

  static void replace(std::string& text, Span span, const std::string& by) {
    text.replace(span.first, span.second, by);
  }

  std::string number() {
    static const char* const kOdd[] = {
        "-1", "1e3", "1.0", "null", "1x", "01", "18446744073709551615", "4611686018427387904"};
    if (below(4) == 0) return kOdd[below(std::size(kOdd))];
    const std::uint64_t power = std::uint64_t{1} << below(64);
    return std::to_string(below(2) ? below(130) : power - 1 + below(3));
  }

  void copy_run(std::string& text, bool (*belongs)(char)) {
    const std::vector<Span> all = runs(text, belongs);
    const Span from = pick(all);
    replace(text, pick(all), text.substr(from.first, from.second));
  }

  void repeat_entry(std::string& header) {
    const std::vector<Span> all = entries(header);
    const Span from = pick(all);
    header.insert(pick(all).first, header.substr(from.first, from.second));
  }

  void change_bytes(std::string& text, std::size_t most) {
    if (text.empty()) return;
    const std::size_t size = std::min(text.size(), 1 + below(most)), begin = below(text.size() - size + 1);
    LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(&text[begin]), size, size);
  }

  void resize(std::string& body) {
    body.resize(below(3) ? body.size() + 64 - below(128) % (body.size() + 1) : below(body.size() + 1));
  }

  void copy_block(std::string& body) {
    if (body.size() < 64) return;
    const std::size_t last = body.size() / 64;
    const std::string block = body.substr(64 * below(last), 64);
    body.replace(64 * below(last), 64, block);
  }

  void set_element(std::string& body) {
    static constexpr std::int64_t kValues[] = {0,          1,          -1,        2,         0x7F800000,
                                               0x7FC00000, 0x7F7FFFFF, INT64_MAX, INT64_MIN, 1 << 30};
    const std::size_t size = std::size_t{1} << below(4), n = body.size() / size;
    if (n == 0) return;
    const std::int64_t value = below(2) ? kValues[below(std::size(kValues))] : static_cast<std::int64_t>(below(140));
    std::memcpy(&body[size * below(n)], &value, size);
  }

  std::minstd_rand random_;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  Mutator mutator(seed);
  std::uint64_t header_size = 0;
  if (size >= sizeof header_size) std::memcpy(&header_size, data, sizeof header_size);
  if (header_size == 0 || header_size > size - sizeof header_size || mutator.below(20) == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  const char* const text = reinterpret_cast<const char*>(data) + sizeof header_size;
  File file = {std::string(text, header_size),
               std::string(text + header_size, size - sizeof header_size - header_size)};
  for (std::size_t i = 1 + mutator.below(3); i > 0; --i) mutator.change(file);

  // Blanks at the end take up what became longer or shorter, so that tensors stay aligned.
  file.header.erase(file.header.find_last_not_of(' ') + 1);
  file.header.resize((file.header.size() + 8 + 63) / 64 * 64 - 8, ' ');
  header_size = file.header.size();
  if (sizeof header_size + header_size > max_size) return LLVMFuzzerMutate(data, size, max_size);
  file.body.resize(std::min(file.body.size(), max_size - sizeof header_size - header_size));
  std::memcpy(data, &header_size, sizeof header_size);
  std::memcpy(data + sizeof header_size, file.header.data(), file.header.size());
  std::memcpy(data + sizeof header_size + header_size, file.body.data(), file.body.size());
  return sizeof header_size + header_size + file.body.size();
}
