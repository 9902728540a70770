#include "core/utf8.hpp"

namespace slimvec {

bool is_utf8(const char* begin, const char* end) {
  const unsigned char* p = reinterpret_cast<const unsigned char*>(begin);
  const unsigned char* const last = reinterpret_cast<const unsigned char*>(end);
  while (p < last) {
    const unsigned char lead = *p++;
    if (lead < 0x80) continue;
    if (lead < 0xC2 || lead > 0xF4) return false;
    const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (last - p < more) return false;
    // The second byte is where overlong forms, surrogates and numbers beyond the last character show.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (*p < low || *p > high) return false;
    for (int i = 1; i < more; ++i) {
      if ((p[i] & 0xC0) != 0x80) return false;
    }
    p += more;
  }
  return true;
}

}  // namespace slimvec
