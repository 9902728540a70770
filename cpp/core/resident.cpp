#include "core/resident.hpp"

#include <stdexcept>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>
#endif

namespace slimvec {

#if defined(__linux__)

std::size_t resident_bytes(const void* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(data), end = begin + size;
  const std::uintptr_t first = begin / page * page;
  std::vector<unsigned char> pages((end - first + page - 1) / page);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the page that data lies in
  if (mincore(reinterpret_cast<void*>(first), end - first, pages.data()) != 0) {
    throw std::runtime_error("the system does not tell which pages are resident");
  }
  std::size_t resident = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const std::uintptr_t from = std::max(begin, first + i * page), to = std::min(end, first + (i + 1) * page);
    if (pages[i] & 1) resident += to - from;
  }
  return resident;
}

#else

std::size_t resident_bytes(const void*, std::size_t) {
  throw std::runtime_error("this system does not tell which pages are resident");
}

#endif

}  // namespace slimvec
