#include "core/platform.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#if defined(_WIN32)
#include <io.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace slimvec {

namespace {

[[noreturn]] void fail_by_system(int error) {
  throw std::runtime_error(std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

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
    errno = S_ISDIR(status.st_mode) ? EISDIR : ENODEV;
    if (S_ISREG(status.st_mode))
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
