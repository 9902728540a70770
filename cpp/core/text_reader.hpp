// Embedding files: lines of a word and its numbers (word2vec, GloVe, fastText), and word2vec's binary records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/interrupt.hpp"

namespace slimvec {

// What a piece of a file held: the rows went where the caller said, the words are here.
struct ParsedRows {
  std::size_t n_rows = 0;
  std::size_t n_bytes = 0;            // consumed: whole lines or records
  std::string words;                  // one after the other
  std::vector<std::int64_t> offsets;  // n_rows + 1
};

// Parses lines of text[0 .. size): a word, then `dim` numbers, separated by blanks. Fields are counted from the right,
// so that words may hold blanks. A line ends at a newline, or at `size`: the caller passes whole lines.
//
// Stops after max_rows lines, and before the first line that is not as described: a blank one, a wrong number of
// fields, a number that is not a finite float32, a word that is not UTF-8. Whoever calls explains that line.
// Numbers are rounded to double first and then to float, as Python's float() and NumPy do.
ParsedRows parse_lines(const char* text, std::size_t size, std::size_t dim, float* rows, std::size_t max_rows,
                       std::size_t n_threads, Interrupt& interrupt);

// Parses records: a word, a space, and `dim` little-endian floats; newlines before a word are skipped. Stops after
// max_rows records, before one that is not whole, and before one whose word is not UTF-8 or whose numbers are not
// finite.
ParsedRows parse_records(const char* bytes, std::size_t size, std::size_t dim, float* rows, std::size_t max_rows,
                         Interrupt& interrupt);

}  // namespace slimvec
