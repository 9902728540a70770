#include "capi/text_words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <stdexcept>

#include "capi/letters.hpp"
#include "core/utf8.hpp"

namespace slimvec {

namespace {

constexpr std::uint32_t kDottedI = 0x130;  // the one letter of which str.lower makes two: i, and a dot above
constexpr std::uint32_t kSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2;

// The entry of a sorted table that could hold a letter, or its end.
template <typename Entry, std::size_t n>
const Entry* entry_of(const Entry (&table)[n], std::uint32_t letter) {
  const Entry* found = std::lower_bound(std::begin(table), std::end(table), letter,
                                        [](const Entry& entry, std::uint32_t code) { return entry.last < code; });
  return found != std::end(table) && found->first <= letter ? found : std::end(table);
}

template <std::size_t n>
bool holds(const LetterRange (&table)[n], std::uint32_t letter) {
  return entry_of(table, letter) != std::end(table);
}

std::vector<std::uint32_t> decode(std::string_view text) {
  if (!is_utf8(text.data(), text.data() + text.size())) throw std::invalid_argument("the text is not UTF-8");
  std::vector<std::uint32_t> letters;
  for (const char byte : text) {
    const std::uint32_t bits = static_cast<unsigned char>(byte);
    if (bits < 0x80) {
      letters.push_back(bits);
    } else if (bits < 0xC0) {
      letters.back() = letters.back() << 6 | (bits & 0x3F);
    } else {
      letters.push_back(bits & (bits < 0xE0 ? 0x1F : bits < 0xF0 ? 0x0F : 0x07));
    }
  }
  return letters;
}

void append_utf8(std::uint32_t letter, std::string& out) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (letter < 0x80) {
    put(letter);
    return;
  }
  const int more = letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
  put((0xF00u >> (more + 1) & 0xFF) | letter >> (6 * more));
  for (int i = more - 1; i >= 0; --i) put(0x80 | (letter >> (6 * i) & 0x3F));
}

// Whether a capital sigma ends a word: a cased letter before it, and none behind it, whatever is ignored in between.
bool is_final(const std::vector<std::uint32_t>& letters, std::size_t place) {
  std::size_t before = place, after = place + 1;
  while (before > 0 && holds(kIgnored, letters[before - 1])) --before;
  if (before == 0 || !holds(kCased, letters[before - 1])) return false;
  while (after < letters.size() && holds(kIgnored, letters[after])) ++after;
  return after == letters.size() || !holds(kCased, letters[after]);
}

std::uint32_t lower(const std::vector<std::uint32_t>& letters, std::size_t place) {
  const std::uint32_t letter = letters[place];
  if (letter == kSigma) return is_final(letters, place) ? kFinalSigma : kSmallSigma;
  if (letter == kDottedI) return 'i';
  const LowerRun* run = entry_of(kLower, letter);
  const bool changes = run != std::end(kLower) && (letter - run->first) % run->step == 0;
  return changes ? static_cast<std::uint32_t>(static_cast<std::int32_t>(letter) + run->added) : letter;
}

}  // namespace

std::vector<std::string> text_words(std::string_view text) {
  const std::vector<std::uint32_t> letters = decode(text);
  std::vector<std::string> words;
  std::string word;
  std::size_t n_letters = 0;
  const auto end_word = [&] {
    if (n_letters > 1) words.push_back(word);
    word.clear();
    n_letters = 0;
  };
  for (std::size_t place = 0; place < letters.size(); ++place) {
    const std::uint32_t letter = lower(letters, place);
    if (holds(kWord, letter)) {
      append_utf8(letter, word);
      ++n_letters;
    } else {
      end_word();
    }
    if (letters[place] == kDottedI) end_word();  // its dot is no letter
  }
  end_word();
  return words;
}

}  // namespace slimvec
