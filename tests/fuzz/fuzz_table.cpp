// Whatever bytes a table file holds, the C functions refuse it, or answer with rows and numbers that there are.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "capi/slimvec.h"
#include "check.hpp"

// Files are copied to the heap instead of being mapped: AddressSanitizer then sees the first byte that is read behind
// the end, and not only the first page.
extern "C" {
void* __real_mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset);
int __real_munmap(void* address, std::size_t size);

static void* copied = nullptr;

void* __wrap_mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset) {
  if (descriptor < 0) return __real_mmap(address, size, protection, flags, descriptor, offset);
  CHECK(copied == nullptr && posix_memalign(&copied, 64, size) == 0);
  CHECK(pread(descriptor, copied, size, offset) >= 0);
  return copied;
}

int __wrap_munmap(void* address, std::size_t size) {
  if (address != copied) return __real_munmap(address, size);
  std::free(copied);
  copied = nullptr;
  return 0;
}
}

namespace {

constexpr std::uint32_t kUnwritten = 0x7FABCDEFu;  // a NaN that no sum makes

class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("table", 0)), path_("/proc/self/fd/" + std::to_string(descriptor_)) {
    CHECK(descriptor_ >= 0);
  }
  const char* path() const { return path_.c_str(); }

  void hold(const std::uint8_t* bytes, std::size_t size) const {
    CHECK(ftruncate(descriptor_, 0) == 0);
    CHECK(pwrite(descriptor_, bytes, size, 0) == static_cast<ssize_t>(size));
  }

 private:
  int descriptor_;
  std::string path_;
};

std::vector<float> unwritten(std::size_t size) {
  std::vector<float> values(size);
  for (float& value : values) std::memcpy(&value, &kUnwritten, sizeof value);
  return values;
}

std::size_t count_unwritten(const std::vector<float>& values) {
  return static_cast<std::size_t>(std::count_if(values.begin(), values.end(), [](const float& value) {
    return std::memcmp(&value, &kUnwritten, sizeof value) == 0;
  }));
}

// All is written by a call that succeeds, nothing by one that fails, and that says why.
bool succeeded(int status, const std::vector<float>& out) {
  CHECK(status == 0 || status == -1);
  CHECK(count_unwritten(out) == (status == 0 ? 0 : out.size()));
  CHECK(status == 0 || slimvec_error()[0] != '\0');
  return status == 0;
}

bool same(float a, float b) { return a == b || (a != a && b != b); }

void ask_words(const slimvec_table* table, std::int64_t row) {
  const char *word = nullptr, *found_word = nullptr;
  std::size_t length = 0, found_length = 0;
  if (slimvec_word(table, row, &word, &length) != 0) return;
  const std::string copy(word, length);  // reads all of it
  const std::int64_t found = slimvec_find(table, copy.data(), copy.size());
  CHECK(found >= -1 && found < slimvec_rows(table));
  if (found < 0) return;  // the hash table is damaged
  CHECK(slimvec_word(table, found, &found_word, &found_length) == 0);
  CHECK(std::string_view(found_word, found_length) == copy);
}

void ask_vectors(const slimvec_table* table, std::int64_t row, bool is_binary) {
  const std::size_t dim = static_cast<std::size_t>(slimvec_dim(table));
  std::vector<float> vector = unwritten(dim), mean = unwritten(dim), both = unwritten(2 * dim);
  const bool found = succeeded(slimvec_lookup(table, &row, 1, vector.data()), vector);
  CHECK(found == succeeded(slimvec_mean(table, &row, 1, mean.data()), mean) || row == -1);
  const std::int64_t rows[] = {row, row};
  CHECK(found == succeeded(slimvec_lookup(table, rows, 2, both.data()), both));
  if (!found) return;
  for (std::size_t j = 0; j < dim; ++j) {
    CHECK(same(both[j], vector[j]) && same(both[dim + j], vector[j]) && same(mean[j], vector[j]));
    CHECK(!is_binary || vector[j] == 1 || vector[j] == -1);
  }
}

void ask_nearest(const slimvec_table* table, std::int64_t row, std::size_t k, bool is_binary) {
  const std::int64_t n = slimvec_rows(table);
  std::vector<std::int64_t> rows(k, -2), again(k, -2);
  std::vector<float> scores = unwritten(k), scores_again = unwritten(k);
  const bool found = succeeded(slimvec_nearest(table, row, k, 1, rows.data(), scores.data()), scores);
  CHECK(found == succeeded(slimvec_nearest(table, row, k, 3, again.data(), scores_again.data()), scores_again));
  CHECK(rows == again);
  if (!found) return;
  for (std::size_t i = 0; i < k; ++i) {
    CHECK(rows[i] >= 0 && rows[i] < n && rows[i] != row);
    CHECK(!is_binary || (scores[i] >= -1 && scores[i] <= 1));
    CHECK(same(scores[i], scores_again[i]));
    // A damaged file may hold numbers of which no cosine can be made: NaN comes last.
    CHECK(i == 0 || scores[i] != scores[i] || scores[i] <= scores[i - 1]);
  }
  std::sort(rows.begin(), rows.end());
  CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
}

void use(const slimvec_table* table, bool is_binary) {
  const std::int64_t n = slimvec_rows(table);
  CHECK(n >= 0 && slimvec_dim(table) > 0);
  std::vector<std::int64_t> rows = {INT64_MIN, -2, -1, n, n + 1, INT64_MAX};
  for (const std::int64_t row : {INT64_C(0), INT64_C(1), INT64_C(2), n / 2, n - 2, n - 1}) {
    if (row >= 0 && row < n) rows.push_back(row);
  }
  for (const std::int64_t row : rows) {
    ask_words(table, row);
    ask_vectors(table, row, is_binary);
    for (const std::int64_t k : {INT64_C(0), INT64_C(1), INT64_C(5), n - 1, n}) {
      if (k >= 0 && k <= 2000) ask_nearest(table, row, static_cast<std::size_t>(k), is_binary);
    }
  }
  for (const std::string_view word : {"", "wort", "\xff", "a word that no table holds"}) {
    const std::int64_t row = slimvec_find(table, word.data(), word.size());
    CHECK(row >= -1 && row < n);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  file.hold(data, size);
  slimvec_table* table = slimvec_open(file.path());
  if (table == nullptr) {
    CHECK(std::strstr(slimvec_error(), file.path()) != nullptr && copied == nullptr);
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  use(table, bytes.find("sparse") == std::string_view::npos);
  slimvec_close(table);
  CHECK(copied == nullptr);
  return 0;
}
