// The words of a text, as TextClassifier takes them in Python.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slimvec {

// Runs of two or more letters, digits or underscores of text.lower(), which is re.findall(r"\b\w\w+\b", text.lower()).
// Throws std::invalid_argument for a text that is not UTF-8.
std::vector<std::string> text_words(std::string_view text);

}  // namespace slimvec
