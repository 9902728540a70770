#include <stdexcept>
#include <string>

#include "check.hpp"
#include "core/platform.hpp"

using namespace slimvec;

namespace {

void test_resident_bytes() {
#if defined(__linux__)
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), size = 8 * page;
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED);
  madvise(mapped, size, MADV_NOHUGEPAGE);  // some kernels have no huge pages to refuse
  char* bytes = static_cast<char*>(mapped);
#ifndef SLIMVEC_EMULATED  // qemu-user answers that everything is resident
  CHECK(resident_bytes(bytes, size) == 0);
  bytes[3 * page] = bytes[5 * page] = 1;
  CHECK(resident_bytes(bytes, size) == 2 * page);
  CHECK(resident_bytes(bytes + 3 * page + 10, 20) == 20);
  CHECK(resident_bytes(bytes + 3 * page - 7, 2 * page + 14) == page + 7);
#endif
  std::memset(bytes, 1, size);
  CHECK(resident_bytes(bytes, size) == size);
  CHECK(resident_bytes(bytes + 1, 0) == 0);
  munmap(mapped, size);
#else
  CHECK_THROWS(resident_bytes("text", 4), std::runtime_error);
#endif
}

void test_mapped_file(const std::string& folder) {
  const std::string path = folder + "/mapped-file";
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'001}}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);  // line ends of every kind among them
    std::FILE* file = std::fopen(path.c_str(), "wb");
    CHECK(file != nullptr && std::fwrite(bytes.data(), 1, size, file) == size);
    std::fclose(file);
    const MappedFile mapped(path.c_str());
    CHECK(mapped.size() == size && mapped.data() != nullptr);
    CHECK(size == 0 || std::memcmp(mapped.data(), bytes.data(), size) == 0);
  }
  std::remove(path.c_str());
  CHECK_THROWS(MappedFile(path.c_str()), std::runtime_error);
  CHECK_THROWS(MappedFile(folder.c_str()), std::runtime_error);
  CHECK_THROWS(MappedFile(""), std::runtime_error);
}

}  // namespace

int main(int, char** arguments) {
  test_resident_bytes();
  test_mapped_file(arguments[1]);
  ask_cache(nullptr);  // no more than a wish
  std::printf("resident bytes are counted, files mapped\n");
}
