// How much of some memory lies in physical memory now.
#pragma once

#include <cstddef>

namespace slimvec {

// Bytes of [data, data + size) whose pages are resident. Of a mapped file these are the pages that the system holds in
// its cache, where others that map the file find them, too. Throws std::runtime_error where the system does not tell.
std::size_t resident_bytes(const void* data, std::size_t size);

}  // namespace slimvec
