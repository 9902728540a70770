#include "core/vocabulary.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/utf8.hpp"

namespace slimvec {

namespace {

// floor(hash * n_slots / 2^64) by 32-bit halves: n_slots stays below 2^32.
std::size_t first_slot(std::uint64_t hash, std::size_t n_slots) {
  const std::uint64_t low = (hash & 0xFFFFFFFFu) * n_slots, high = (hash >> 32) * n_slots;
  return static_cast<std::size_t>((high + (low >> 32)) >> 32);
}

// The slot that holds the word, or the free one where it belongs; n_slots if there is neither.
std::size_t find_slot(const Words& words, const Slots& slots, std::string_view word) {
  std::size_t slot = first_slot(hash_word(word), slots.n_slots);
  for (std::size_t tried = 0; tried < slots.n_slots; ++tried) {
    const std::uint32_t row = slots.rows[slot];
    if (row == kNoRow) return slot;
    if (row >= words.n_words) throw std::invalid_argument("a slot holds a row that does not exist");
    if (words[row] == word) return slot;
    if (++slot == slots.n_slots) slot = 0;
  }
  return slots.n_slots;
}

}  // namespace

std::string_view Words::operator[](std::size_t row) const {
  const std::int64_t begin = offsets[row], end = offsets[row + 1];
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > text_size) {
    throw std::invalid_argument("the offsets of the words fall, or overrun their text");
  }
  return {text + begin, static_cast<std::size_t>(end - begin)};
}

std::uint64_t hash_word(std::string_view word) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char byte : word) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDu;
  hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53u;
  return hash ^ (hash >> 33);
}

std::int64_t find_word(const Words& words, const Slots& slots, std::string_view word) {
  const std::size_t slot = find_slot(words, slots, word);
  if (slot == slots.n_slots || slots.rows[slot] == kNoRow) return -1;
  return static_cast<std::int64_t>(slots.rows[slot]);
}

std::int64_t index_words(const Words& words, const Slots& slots) {
  std::fill_n(slots.rows, slots.n_slots, kNoRow);
  for (std::size_t row = 0; row < words.n_words; ++row) {
    const std::string_view word = words[row];
    if (!is_utf8(word.data(), word.data() + word.size())) throw std::invalid_argument("a word is not UTF-8");
    const std::size_t slot = find_slot(words, slots, word);
    if (slots.rows[slot] != kNoRow) return static_cast<std::int64_t>(row);
    slots.rows[slot] = static_cast<std::uint32_t>(row);
  }
  return -1;
}

std::size_t append_words(char* text, std::int64_t* offsets, std::size_t n_words, const Slots& slots, const Words& added,
                         std::uint8_t* kept) {
  const std::size_t before = n_words;
  for (std::size_t i = 0; i < added.n_words; ++i) {
    const std::string_view word = added[i];
    const std::size_t used = static_cast<std::size_t>(offsets[n_words]);
    const std::size_t slot = find_slot({text, used, offsets, n_words}, slots, word);
    kept[i] = slots.rows[slot] == kNoRow;
    if (!kept[i]) continue;
    std::memcpy(text + used, word.data(), word.size());
    offsets[n_words + 1] = static_cast<std::int64_t>(used + word.size());
    slots.rows[slot] = static_cast<std::uint32_t>(n_words++);
  }
  return n_words - before;
}

}  // namespace slimvec
