#include <sys/mman.h>
#include <unistd.h>

#include "check.hpp"
#include "core/resident.hpp"

using namespace slimvec;

int main() {
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
  std::printf("resident bytes are counted\n");
}
