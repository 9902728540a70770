#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "check.hpp"
#include "core/from_disk.hpp"

#if defined(__linux__) && !defined(SLIMVEC_EMULATED)  // qemu-user answers that everything is resident

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <thread>

using namespace slimvec;

namespace {

constexpr std::size_t kPage = 1 << 16;  // of most systems or a multiple: rows lie on whole pages
constexpr std::size_t kRows = 64;

// A file of rows, mapped, of which the system has nothing in memory.
class ColdRows {
 public:
  explicit ColdRows(const std::string& path) : path_(path) {
    const std::vector<char> bytes(kRows * kPage, 'x');
    std::FILE* file = std::fopen(path.c_str(), "wb");
    CHECK(file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    CHECK(std::fflush(file) == 0 && fsync(fileno(file)) == 0);
    std::fclose(file);
    forget();
  }
  ~ColdRows() {
    mapped_.reset();
    std::remove(path_.c_str());
  }
  ColdRows(const ColdRows&) = delete;
  ColdRows& operator=(const ColdRows&) = delete;

  void forget() {
    for (int turn = 0; turn < 100; ++turn) {
      mapped_.reset();  // what is mapped and was looked at is not forgotten
      const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
      CHECK(descriptor >= 0);
      CHECK(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
      close(descriptor);
      mapped_ = std::make_unique<MappedFile>(path_.c_str());
      if (resident() == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // nor is what comes just now
    }
  }

  RowCodes rows() const {
    static constexpr std::uint8_t kOne[] = {1};
    return {reinterpret_cast<const std::uint8_t*>(mapped_->data()), kRows, kPage, kOne, 1};
  }
  char look_at(std::size_t row) const { return const_cast<const volatile char*>(mapped_->data())[row * kPage]; }
  std::size_t resident() const { return resident_bytes(mapped_->data(), mapped_->size()); }

  // Whether so much comes to be resident: what is asked for is not waited for.
  bool comes(std::size_t size) const {
    for (int turn = 0; turn < 1000 && resident() != size; ++turn) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return resident() == size;
  }

 private:
  const std::string path_;
  std::unique_ptr<MappedFile> mapped_;
};

const std::uint16_t kNumbers[kRows * 2] = {};

void ask(FromDisk& table, const ColdRows& cold, const std::vector<std::int64_t>& rows) {
  FromDisk::Search search(table);
  search.want_rows(cold.rows(), {kNumbers, 2}, rows.data(), rows.size());
}

void test_reading_ahead(ColdRows& cold) {
  const std::uint8_t* const row = cold.rows().codes + 9 * kPage;
  CHECK(read_ahead(row + 10, kPage - 20));
  CHECK(cold.comes(kPage));
  CHECK(!read_ahead(row + 10, kPage - 20));
  CHECK(!read_ahead(row, 0));
  cold.forget();
}

void test_rows_come_alone(ColdRows& cold) {
  FromDisk table;
  ask(table, cold, {40, 3, -1, 17, 3});
  CHECK(cold.comes(3 * kPage));
  cold.forget();
}

void test_lists_come_alone(ColdRows& cold) {
  constexpr std::size_t kWords = kPage / kBlockCodes / sizeof(std::uint32_t);  // a block is a row of the file
  const BlockedCodes codes = {reinterpret_cast<const std::uint32_t*>(cold.rows().codes), kRows * kBlockCodes, kWords};
  const std::vector<std::uint16_t> factors(2 * codes.n_codes);
  const std::vector<std::uint32_t> rows(codes.n_codes);
  const std::int64_t starts[] = {0, 5, 5, 100, static_cast<std::int64_t>(codes.n_codes)};
  FromDisk table;
  {
    FromDisk::Search search(table);
    search.want_lists(codes, {factors.data(), 2, Metric::kCosine}, {starts, rows.data(), 4}, nullptr, {2, 1}, 2);
  }
  CHECK(cold.comes(7 * kPage));  // of positions 5 to 99
  cold.forget();
}

void test_asking_ends_and_begins_again(ColdRows& cold) {
  FromDisk table;
  ask(table, cold, {5});
  CHECK(cold.comes(kPage));
  for (int i = 0; i < 100; ++i) ask(table, cold, {5});
  cold.forget();
  ask(table, cold, {5});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(cold.resident() == 0);
  {
    FromDisk::Search search(table);
    for (std::size_t row = 0; row < kRows; ++row) CHECK(cold.look_at(row) == 'x');  // and so all have come
  }
  cold.forget();
  ask(table, cold, {5});
  CHECK(cold.comes(kPage));
  cold.forget();
}

}  // namespace

int main(int, char** arguments) {
  ColdRows cold(std::string(arguments[1]) + "/cold-rows");
  if (cold.resident() > 0) {
    std::printf("left out: this file system keeps what it is told to forget\n");
    return 0;
  }
  test_reading_ahead(cold);
  test_rows_come_alone(cold);
  test_lists_come_alone(cold);
  test_asking_ends_and_begins_again(cold);
  std::printf("of a mapped file comes what is asked for\n");
}

#else

int main() { std::printf("left out: this system does not tell which pages are resident\n"); }

#endif
