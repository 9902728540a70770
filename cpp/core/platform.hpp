// What differs between operating systems and compilers: the only file of the core, with platform.cpp, that asks which.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/prefetch.hpp"

namespace slimvec {

// Bytes of [data, data + size) whose pages are resident. Of a mapped file these are the pages that the system holds in
// its cache, where others that map the file find them, too. Throws std::runtime_error where the system does not tell.
std::size_t resident_bytes(const void* data, std::size_t size);

// Asks the system to read what is missing of a part of a mapped file, and does not wait for it. Returns whether
// something was, as far as the system tells.
bool read_ahead(const void* data, std::size_t size);

// How often this thread has waited until pages were read from a disk; always 0 where the system does not tell.
std::uint64_t waits_for_disk();

// Another number in a forked child than in its parent; zero where processes do not fork.
std::uint64_t process_id();

// What std::from_chars(p, end, value) reads: returns where the number ends; null where none begins, or a double does
// not reach so far. Infinity and NaN may be read as words, or not.
const char* parse_double(const char* p, const char* end, double& value);

// A file, mapped to be read. Others may replace it meanwhile, but not write to it or shorten it.
class MappedFile {
 public:
  // `path` is UTF-8 on Windows. Throws std::runtime_error, with the system's reason, for what is no ordinary file or
  // cannot be mapped.
  explicit MappedFile(const char* path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace slimvec
