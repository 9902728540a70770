// What the C++ tests need: a check that reports where it failed, random bytes, and buffers that end at a guard page.
#pragma once

#if defined(_WIN32)
#include <process.h>
#include <windows.h>
#define getpid _getpid
#else
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "isa/select.hpp"

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                \
    }                                                                              \
  } while (false)

#define CHECK_THROWS(expression, exception)                                                    \
  do {                                                                                         \
    bool thrown = false;                                                                       \
    try {                                                                                      \
      expression;                                                                              \
    } catch (const exception&) {                                                               \
      thrown = true;                                                                           \
    }                                                                                          \
    if (!thrown) {                                                                             \
      std::fprintf(stderr, "%s:%d: no %s: %s\n", __FILE__, __LINE__, #exception, #expression); \
      std::exit(1);                                                                            \
    }                                                                                          \
  } while (false)

#if defined(_WIN32)

inline std::size_t page_size() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

// `size` bytes in whole pages, with a page after them that cannot be read.
inline char* guarded_pages(std::size_t size, std::size_t page) {
  void* base = VirtualAlloc(nullptr, size + page, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  DWORD before = 0;
  CHECK(base != nullptr && VirtualProtect(static_cast<char*>(base) + size, page, PAGE_NOACCESS, &before) != 0);
  return static_cast<char*>(base);
}

inline void free_pages(void* base, std::size_t) { VirtualFree(base, 0, MEM_RELEASE); }

inline bool make_pipe(const char*) { return false; }  // pipes do not lie in folders

#else

inline std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

inline char* guarded_pages(std::size_t size, std::size_t page) {
  void* base = mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(base != MAP_FAILED && mprotect(static_cast<char*>(base) + size, page, PROT_NONE) == 0);
  return static_cast<char*>(base);
}

inline void free_pages(void* base, std::size_t size) { munmap(base, size); }

inline bool make_pipe(const char* path) {
  CHECK(mkfifo(path, 0600) == 0);
  return true;
}

#endif

#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
constexpr bool kHasThreads = false;  // the one that asks does all parts
#else
constexpr bool kHasThreads = true;
#endif

// `size` elements whose last byte is the last before an unreadable page: reading or writing one further is a crash.
template <typename T>
class Guarded {
 public:
  explicit Guarded(std::size_t size) : size_(size) {
    const std::size_t page = page_size();
    const std::size_t pages = (size * sizeof(T) + page - 1) / page;
    mapped_ = (pages + 1) * page;
    base_ = guarded_pages(pages * page, page);
    data_ = reinterpret_cast<T*>(base_ + pages * page - size * sizeof(T));
    std::memset(base_, 0xA5, pages * page);  // what a kernel fails to write must not look right by chance
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    if (size_) std::memcpy(data_, values.data(), size_ * sizeof(T));
  }
  ~Guarded() { free_pages(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  std::vector<T> copy() const { return std::vector<T>(data_, data_ + size_); }

 private:
  std::size_t size_, mapped_ = 0;
  char* base_ = nullptr;
  T* data_ = nullptr;
};

// Random codes in the row layout, padding bits zero.
inline std::vector<std::uint8_t> random_codes(std::size_t n_codes, std::size_t n_bits, unsigned seed) {
  std::mt19937 random(seed);
  const std::size_t size = slimvec::code_size(n_bits);
  std::vector<std::uint8_t> codes(n_codes * size);
  for (std::uint8_t& byte : codes) byte = static_cast<std::uint8_t>(random());
  if (n_bits % 8) {
    for (std::size_t i = 0; i < n_codes; ++i)
      codes[(i + 1) * size - 1] &= static_cast<std::uint8_t>((1u << n_bits % 8) - 1);
  }
  return codes;
}

inline bool bit_of(const std::uint8_t* code, std::size_t j) { return (code[j / 8] >> (j % 8)) & 1; }

inline std::uint32_t slow_distance(const std::uint8_t* a, const std::uint8_t* b, std::size_t n_bits) {
  std::uint32_t distance = 0;
  for (std::size_t j = 0; j < n_bits; ++j) distance += bit_of(a, j) != bit_of(b, j);
  return distance;
}

// Widths that hit every tail of every kernel: bytes, words, registers, and the 31-word folds of AVX2 and NEON.
inline const std::vector<std::size_t>& widths() {
  static const std::vector<std::size_t> all = {1,  2,  7,   8,   9,   15,  16,  17,  31,  32,  33,  63,   64,  65,
                                               75, 96, 127, 150, 255, 256, 300, 511, 991, 992, 993, 1023, 2049};
  return all;
}
