// Words and their rows without a dictionary: one text, the offsets of the words in it, and a hash table of rows.
//
// The table is an array of slots, each the number of a row or kNoRow. A word is looked for from slot
// (hash_word(word) * n_slots) >> 64 on, in steps of one, from the last to the first, until a free slot. Any number of
// slots above the number of words and below 2^32 will do; files have n + n / 3 + 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slimvec {

constexpr std::uint32_t kNoRow = 0xFFFFFFFFu;

// Word i is text[offsets[i] .. offsets[i + 1]). The offsets may come from a file that lies: every use checks them.
struct Words {
  const char* text;
  std::size_t text_size;
  const std::int64_t* offsets;  // n_words + 1
  std::size_t n_words;

  std::string_view operator[](std::size_t row) const;  // throws std::invalid_argument for offsets that overrun
};

struct Slots {
  std::uint32_t* rows;
  std::size_t n_slots;
};

// FNV-1a, 64 bits, then the last mixing steps of MurmurHash3: short words differ in the high bits, too.
std::uint64_t hash_word(std::string_view word);

// Returns the row of a word, or -1.
std::int64_t find_word(const Words& words, const Slots& slots, std::string_view word);

// Fills the slots, all of which it clears first. Returns the first row whose word stands at an earlier row, or -1.
// There must be more slots than words. Throws std::invalid_argument for a word that is not UTF-8.
std::int64_t index_words(const Words& words, const Slots& slots);

// Appends those of `added` that are new to a vocabulary with room for all of them, and to its slots.
// kept[i] = 1 if added word i was new. Returns how many were.
std::size_t append_words(char* text, std::int64_t* offsets, std::size_t n_words, const Slots& slots, const Words& added,
                         std::uint8_t* kept);

}  // namespace slimvec
