// Vocabularies against std::map, also with offsets and slots that lie, and is_utf8 against a slow decoder.
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "core/utf8.hpp"
#include "core/vocabulary.hpp"
#include "slow_utf8.hpp"

using namespace slimvec;

namespace {

struct Text {
  std::string text;
  std::vector<std::int64_t> offsets = {0};

  void add(const std::string& word) {
    text += word;
    offsets.push_back(static_cast<std::int64_t>(text.size()));
  }
  Words words() const { return {text.data(), text.size(), offsets.data(), offsets.size() - 1}; }
};

// Words are what stands between newlines.
Text split(const std::string& input) {
  Text words;
  std::string word;
  for (const char c : input) {
    if (c == '\n') {
      words.add(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

void test_index(const Text& text, const std::string& other) {
  const Words words = text.words();
  std::map<std::string, std::int64_t> rows;
  std::int64_t repeated = -1;
  bool is_text = true;
  for (std::size_t i = 0; i < words.n_words && repeated < 0 && is_text; ++i) {
    is_text = slow_is_utf8(words[i]);
    const bool is_new = !is_text || rows.emplace(words[i], static_cast<std::int64_t>(i)).second;
    if (!is_new) repeated = static_cast<std::int64_t>(i);
  }
  std::vector<std::uint32_t> filled(words.n_words + words.n_words / 3 + 1);
  const Slots slots = {filled.data(), filled.size()};
  if (!is_text) {
    CHECK_THROWS(index_words(words, slots), std::invalid_argument);
    return;
  }
  CHECK(index_words(words, slots) == repeated);
  for (const auto& [word, row] : rows) CHECK(find_word(words, slots, word) == row);
  CHECK(find_word(words, slots, other) == (rows.count(other) ? rows[other] : -1));
}

void test_append(const Text& text) {
  const Words all = text.words();
  std::vector<char> kept_text(text.text.size() + 1);
  std::vector<std::int64_t> offsets(all.n_words + 1);
  std::vector<std::uint32_t> filled(all.n_words + all.n_words / 3 + 1, kNoRow);
  std::vector<std::uint8_t> kept(all.n_words);
  const Slots slots = {filled.data(), filled.size()};
  const std::size_t half = all.n_words / 2;
  std::size_t n = append_words(kept_text.data(), offsets.data(), 0, slots, {all.text, all.text_size, all.offsets, half},
                               kept.data());
  n += append_words(kept_text.data(), offsets.data(), n, slots,
                    {all.text, all.text_size, all.offsets + half, all.n_words - half}, kept.data() + half);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < all.n_words; ++i) {
    const std::size_t row = seen.size();
    CHECK(kept[i] == seen.insert(std::string(all[i])).second);
    if (kept[i]) CHECK((Words{kept_text.data(), text.text.size(), offsets.data(), n}[row] == all[i]));
  }
  CHECK(n == seen.size());
}

// Offsets and slots as a file may hold them.
void test_lies(const std::string& bytes) {
  const std::size_t n_words = bytes.size() / 16;
  if (n_words == 0) return;
  std::vector<std::int64_t> offsets(n_words + 1);
  std::memcpy(offsets.data(), bytes.data(), 8 * n_words);
  std::vector<std::uint32_t> slots(n_words + n_words / 3 + 1, kNoRow);
  std::memcpy(slots.data(), bytes.data() + 8 * n_words, 4 * n_words);
  const Words words = {bytes.data(), bytes.size(), offsets.data(), n_words};
  for (const std::string& word : {std::string(), bytes.substr(0, 3), bytes}) {
    try {
      const std::int64_t row = find_word(words, {slots.data(), slots.size()}, word);
      CHECK(row == -1 || words[static_cast<std::size_t>(row)] == word);
    } catch (const std::invalid_argument&) {
    }
  }
  try {
    CHECK(index_words(words, {slots.data(), slots.size()}) < static_cast<std::int64_t>(n_words));
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const std::vector<char> heap(bytes.begin(), bytes.end());  // no byte longer
  CHECK(is_utf8(heap.data(), heap.data() + heap.size()) == slow_is_utf8(bytes));
  const Text text = split(bytes);
  test_index(text, bytes.substr(0, 3));
  test_append(text);
  test_lies(bytes);
  return 0;
}
