// Whether bytes are UTF-8.
#pragma once

namespace slimvec {

// Strict: no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_utf8(const char* begin, const char* end);

}  // namespace slimvec
