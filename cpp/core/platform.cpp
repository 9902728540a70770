#include "core/platform.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#include <io.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif
// libc++ reads doubles from its version 20 on, and on macOS by a function that older systems have not.
#if defined(_LIBCPP_VERSION) && (_LIBCPP_VERSION < 200000 || defined(__APPLE__))
#include <locale>  // brings strtod_l, wherever it lies
#define SLIMVEC_DOUBLES_BY_C
#endif

namespace slimvec {

namespace {

[[noreturn]] void fail_by_system(int error) {
  throw std::runtime_error(std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

#if defined(__linux__)

namespace {

// The pages that some bytes lie in.
struct Pages {
  std::uintptr_t size, first, end;

  Pages(const void* data, std::size_t n_bytes)
      : size(static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE))),
        first(reinterpret_cast<std::uintptr_t>(data) / size * size),
        end(reinterpret_cast<std::uintptr_t>(data) + n_bytes) {}

  std::size_t count() const { return (end - first + size - 1) / size; }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the page that data lies in
  void* start() const { return reinterpret_cast<void*>(first); }
};

}  // namespace

std::size_t resident_bytes(const void* data, std::size_t size) {
  if (size == 0) return 0;
  const Pages pages(data, size);
  std::vector<unsigned char> told(pages.count());
  if (mincore(pages.start(), pages.end - pages.first, told.data()) != 0) {
    throw std::runtime_error("the system does not tell which pages are resident");
  }
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(data);
  std::size_t resident = 0;
  for (std::size_t i = 0; i < told.size(); ++i) {
    const std::uintptr_t from = pages.first + i * pages.size, to = from + pages.size;
    if (told[i] & 1) resident += std::min(pages.end, to) - std::max(begin, from);
  }
  return resident;
}

bool read_ahead(const void* data, std::size_t size) {
  if (size == 0) return false;
  const Pages pages(data, size);
  const std::size_t n_bytes = pages.end - pages.first;
  constexpr std::size_t kPages = 256;  // of more than that, all are asked for
  unsigned char told[kPages];
  if (pages.count() <= kPages && mincore(pages.start(), n_bytes, told) == 0 &&
      std::all_of(told, told + pages.count(), [](unsigned char page) { return page & 1; })) {
    return false;
  }
  return madvise(pages.start(), n_bytes, MADV_WILLNEED) == 0;
}

std::uint64_t waits_for_disk() {
  struct rusage usage = {};
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? static_cast<std::uint64_t>(usage.ru_majflt) : 0;
}

#else

bool read_ahead(const void*, std::size_t) { return false; }

std::uint64_t waits_for_disk() { return 0; }

std::size_t resident_bytes(const void*, std::size_t) {
  throw std::runtime_error("this system does not tell which pages are resident");
}

#endif

#if defined(SLIMVEC_DOUBLES_BY_C)

const char* parse_double(const char* p, const char* end, double& value) {
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  const auto is_decimal = [](char c) {
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
  };
  const std::string text(p, std::find_if_not(p, end, is_decimal));  // no hexadecimal digits, and a zero byte behind it
  if (text.empty() || text[0] == '+') return nullptr;
  char* stop = nullptr;
  errno = 0;
  value = strtod_l(text.c_str(), &stop, plain);
  if (stop == text.c_str() || (errno == ERANGE && (value == 0 || std::isinf(value)))) return nullptr;
  return p + (stop - text.c_str());
}

#else

const char* parse_double(const char* p, const char* end, double& value) {
  const std::from_chars_result result = std::from_chars(p, end, value);
  return result.ec == std::errc() ? result.ptr : nullptr;
}

#endif

#if defined(_WIN32)

std::uint64_t process_id() { return 0; }

MappedFile::MappedFile(const char* path) {
  const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0);
  if (length <= 0) fail_by_system(EINVAL);
  std::vector<wchar_t> wide(static_cast<std::size_t>(length));
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide.data(), length);
  // By the C library, whose errors are worded as on other systems.
  const int descriptor = _wopen(wide.data(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
  if (descriptor < 0) fail_by_system(errno);
  struct _stat64 status = {};
  HANDLE mapping = nullptr;
  int error = _fstat64(descriptor, &status) != 0 ? errno : (status.st_mode & _S_IFMT) == _S_IFREG ? 0 : ENODEV;
  size_ = error ? 0 : static_cast<std::size_t>(status.st_size);
  if (!error && size_ == 0) {
    data_ = "";  // an empty file cannot be mapped
  } else if (!error) {
    const HANDLE file = reinterpret_cast<HANDLE>(_get_osfhandle(descriptor));
    mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping) data_ = static_cast<const char*>(MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0));
    if (!data_) error = ENOMEM;
  }
  if (mapping) CloseHandle(mapping);  // the view keeps the file
  _close(descriptor);
  if (error) fail_by_system(error);
}

MappedFile::~MappedFile() {
  if (size_ > 0) UnmapViewOfFile(data_);
}

#else

std::uint64_t process_id() { return static_cast<std::uint64_t>(getpid()); }

MappedFile::MappedFile(const char* path) {
  // A pipe would wait for somebody to write.
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) fail_by_system(errno);
  struct stat status = {};
  void* mapped = MAP_FAILED;
  if (fstat(descriptor, &status) == 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    const bool fits = static_cast<std::uint64_t>(status.st_size) <= std::numeric_limits<std::size_t>::max();
    errno = S_ISDIR(status.st_mode) ? EISDIR : fits ? ENODEV : EFBIG;
    if (S_ISREG(status.st_mode) && fits)
      mapped = mmap(nullptr, std::max(size_, std::size_t{1}), PROT_READ, MAP_SHARED, descriptor, 0);
  }
  const int error = errno;
  close(descriptor);
  if (mapped == MAP_FAILED) fail_by_system(error);
  data_ = static_cast<const char*>(mapped);
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(data_), std::max(size_, std::size_t{1})); }

#endif

}  // namespace slimvec
