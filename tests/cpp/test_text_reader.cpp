#include <stdexcept>
#include <string>

#include "check.hpp"
#include "core/text_reader.hpp"
#include "core/utf8.hpp"
#include "core/vocabulary.hpp"

using namespace slimvec;

namespace {

Interrupt never(nullptr);

// Text and rows end at unreadable pages: a parser that looked one byte too far would crash.
void test_lines(const std::string& text, std::size_t dim, std::size_t max_rows, std::size_t n_rows,
                const std::string& words) {
  Guarded<char> guarded(std::vector<char>(text.begin(), text.end()));
  for (const std::size_t n_threads : {1u, 3u}) {
    Guarded<float> rows(dim * max_rows);
    const ParsedRows parsed = parse_lines(guarded.data(), text.size(), dim, rows.data(), max_rows, n_threads, never);
    CHECK(parsed.n_rows == n_rows && parsed.words == words && parsed.offsets.size() == n_rows + 1);
    CHECK(parsed.n_bytes <= text.size());
  }
}

void test_many_lines() {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "w" + std::to_string(i) + " " + std::to_string(i) + " -0.5\n";
  for (const std::size_t bad : {0u, 1u, 500u, 999u, 1000u}) {
    std::string broken = text;
    if (bad < 1000) broken.replace(broken.find("w" + std::to_string(bad) + " "), 1, "\xff");
    Guarded<char> guarded(std::vector<char>(broken.begin(), broken.end()));
    Guarded<float> rows(2000);
    const ParsedRows parsed = parse_lines(guarded.data(), broken.size(), 2, rows.data(), 1000, 4, never);
    CHECK(parsed.n_rows == bad);
    for (std::size_t i = 0; i < bad; ++i) CHECK(rows[2 * i] == static_cast<float>(i) && rows[2 * i + 1] == -0.5f);
  }
}

void test_records() {
  const std::string head = "cat ";
  const float numbers[] = {1.5f, -2.0f};
  std::string text = head + std::string(reinterpret_cast<const char*>(numbers), 8) + "\n";
  text += text;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    Guarded<char> guarded(std::vector<char>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size)));
    Guarded<float> rows(4);
    const ParsedRows parsed = parse_records(guarded.data(), size, 2, rows.data(), 2, never);
    CHECK(parsed.n_rows == (size >= 25 ? 2u : size >= 12 ? 1u : 0u));
    if (parsed.n_rows) CHECK(rows[0] == 1.5f && rows[1] == -2.0f);
  }
}

void test_utf8() {
  const auto valid = [](const std::string& text) { return is_utf8(text.data(), text.data() + text.size()); };
  for (const char* good :
       {"", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(valid(good));
  }
  for (const char* bad : {"\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2\x28\xA1"}) {
    CHECK(!valid(bad));
  }
}

void test_words() {
  std::string text;
  std::vector<std::int64_t> offsets = {0};
  for (int i = 0; i < 500; ++i) {
    text += "w" + std::to_string(i);
    offsets.push_back(static_cast<std::int64_t>(text.size()));
  }
  Guarded<char> guarded(std::vector<char>(text.begin(), text.end()));
  Guarded<std::int64_t> bounds(offsets);
  Guarded<std::uint32_t> slots(667);
  const Slots table = {slots.data(), 667};
  const Words words = {guarded.data(), text.size(), bounds.data(), 500};
  CHECK(index_words(words, table) == -1);
  for (int i = 0; i < 500; ++i) CHECK(find_word(words, table, "w" + std::to_string(i)) == i);
  CHECK(find_word(words, table, "w500") == -1 && find_word(words, table, "") == -1);
  bounds[3] = bounds[2] + 1, bounds[2] = 1 << 20;
  CHECK_THROWS(index_words(words, table), std::invalid_argument);
  for (std::size_t i = 0; i < 667; ++i) slots[i] = 500;  // a row that does not exist
  CHECK_THROWS(find_word(words, table, "w1"), std::invalid_argument);
}

}  // namespace

int main() {
  test_lines("cat 1 2\ndog 3 4\n", 2, 5, 2, "catdog");
  test_lines("cat 1 2\r\ndog 3 4", 2, 5, 2, "catdog");
  test_lines("new york 1 2\n\tx 3 4", 2, 5, 2, "new york\tx");
  test_lines("cat 1 2\n\ndog 3 4\n", 2, 5, 1, "cat");
  test_lines("cat 1 2\ndog 3 4\n", 2, 1, 1, "cat");
  for (const char* bad :
       {"", "cat", "cat 1", "cat 1 x", "cat 1 nan", "cat 1 1e39", "1 2", " 1 2", "\xff 1 2", "cat 1 2e"}) {
    test_lines(bad, 2, 5, 0, "");
  }
  test_many_lines();
  test_records();
  test_utf8();
  test_words();
  std::printf("lines, records and words are read to their last byte and no further\n");
}
