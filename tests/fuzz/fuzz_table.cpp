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

void ask_vectors(const slimvec_table* table, std::int64_t row, bool of_signs) {
  const std::size_t dim = static_cast<std::size_t>(slimvec_dim(table));
  std::vector<float> vector = unwritten(dim), mean = unwritten(dim), both = unwritten(2 * dim);
  const bool found = succeeded(slimvec_lookup(table, &row, 1, vector.data()), vector);
  CHECK(found == succeeded(slimvec_mean(table, &row, 1, mean.data()), mean) || row == -1);
  const std::int64_t rows[] = {row, row};
  CHECK(found == succeeded(slimvec_lookup(table, rows, 2, both.data()), both));
  if (!found) return;
  for (std::size_t j = 0; j < dim; ++j) {
    CHECK(same(both[j], vector[j]) && same(both[dim + j], vector[j]) && same(mean[j], vector[j]));
    CHECK(!of_signs || vector[j] == 1 || vector[j] == -1);
  }
}

// Rows that there are, each once, of falling scores; places that are left over are none.
void check_found(const slimvec_table* table, const std::vector<std::int64_t>& rows, const std::vector<float>& scores,
                 std::size_t n_found, bool are_cosines) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i >= n_found) {
      CHECK(rows[i] == -1 && scores[i] == 0);
      continue;
    }
    CHECK(rows[i] >= 0 && rows[i] < slimvec_rows(table));
    CHECK(!are_cosines || (scores[i] >= -1 && scores[i] <= 1));
    // A damaged file may hold numbers of which no cosine can be made: NaN comes last.
    CHECK(i == 0 || scores[i] != scores[i] || scores[i] <= scores[i - 1]);
  }
  std::vector<std::int64_t> sorted(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(n_found));
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
}

// By all lists, or by n_probes of them.
std::int64_t search(const slimvec_table* table, const std::vector<float>& vectors, std::size_t n, std::size_t k,
                    int metric, std::size_t n_probes, std::size_t n_threads, std::int64_t* rows, float* scores) {
  if (n_probes == 0) return slimvec_search(table, vectors.data(), n, k, metric, n_threads, rows, scores);
  return slimvec_search_lists(table, vectors.data(), n, k, metric, n_probes, n_threads, rows, scores);
}

void ask_search(const slimvec_table* table, const std::vector<float>& vectors, std::size_t n, std::size_t k, int metric,
                std::size_t n_probes, bool is_binary) {
  std::vector<std::int64_t> rows(n * k, -2), again(n * k, -2);
  std::vector<float> scores = unwritten(n * k), scores_again = unwritten(n * k);
  const std::int64_t found = search(table, vectors, n, k, metric, n_probes, 1, rows.data(), scores.data());
  CHECK(found == search(table, vectors, n, k, metric, n_probes, 3, again.data(), scores_again.data()));
  CHECK(found < 0 || n_probes == 0 || slimvec_lists(table) > 0);
  CHECK(succeeded(found < 0 ? -1 : 0, scores) == succeeded(found < 0 ? -1 : 0, scores_again) && rows == again);
  if (found < 0) return;
  CHECK(found == std::min(slimvec_rows(table), static_cast<std::int64_t>(k)));
  for (std::size_t i = 0; i < n; ++i) {
    const auto first = static_cast<std::ptrdiff_t>(i * k), last = static_cast<std::ptrdiff_t>((i + 1) * k);
    for (std::size_t j = i * k; j < (i + 1) * k; ++j) CHECK(same(scores[j], scores_again[j]));
    check_found(table, {rows.begin() + first, rows.begin() + last}, {scores.begin() + first, scores.begin() + last},
                static_cast<std::size_t>(found), is_binary && metric == SLIMVEC_COSINE);
  }
}

// A row as its vector, vectors of small numbers and of none, and what is no vector.
void ask_by_vectors(const slimvec_table* table, std::int64_t row, bool is_binary) {
  const std::int64_t d = slimvec_original_dim(table), bits = slimvec_bits(table);
  CHECK(d >= -1 && bits >= 0 && is_binary == (bits > 0));
  if (d < 0 || d > 4096) return;
  const std::size_t dim = static_cast<std::size_t>(d), size = static_cast<std::size_t>(bits + 7) / 8;
  std::vector<float> vectors = unwritten(3 * dim);
  std::vector<float> original = unwritten(dim);
  if (succeeded(slimvec_lookup_original(table, &row, 1, original.data()), original)) {
    std::copy(original.begin(), original.end(), vectors.begin());
  } else {
    std::fill_n(vectors.begin(), dim, 1.0f);
  }
  for (std::size_t i = 0; i < dim; ++i) {
    vectors[dim + i] = static_cast<float>(static_cast<int>((i * 7 + static_cast<std::size_t>(row & 15)) % 11) - 5);
    vectors[2 * dim + i] = 0;
  }
  for (const int metric : {+SLIMVEC_COSINE, +SLIMVEC_DOT, 2}) {
    for (const std::size_t k : {0u, 1u, 7u}) {
      for (const std::size_t n_probes : {0u, 1u, 3u}) ask_search(table, vectors, 3, k, metric, n_probes, is_binary);
    }
  }
  std::vector<std::uint8_t> codes(3 * size, 0xA5), alone(size);
  const std::vector<std::uint8_t> before = codes;
  if (slimvec_encode(table, vectors.data(), 3, codes.data()) != 0) {
    CHECK(codes == before);
    return;
  }
  CHECK(slimvec_encode(table, vectors.data() + dim, 1, alone.data()) == 0);
  CHECK(std::equal(alone.begin(), alone.end(), codes.begin() + static_cast<std::ptrdiff_t>(size)));
  CHECK(bits % 8 == 0 || alone.back() >> (bits % 8) == 0);
}

void ask_nearest(const slimvec_table* table, std::int64_t row, std::size_t k, bool is_binary) {
  std::vector<std::int64_t> rows(k, -2), again(k, -2);
  std::vector<float> scores = unwritten(k), scores_again = unwritten(k);
  const bool found = succeeded(slimvec_nearest(table, row, k, 1, rows.data(), scores.data()), scores);
  CHECK(found == succeeded(slimvec_nearest(table, row, k, 3, again.data(), scores_again.data()), scores_again));
  CHECK(rows == again);
  if (!found) return;
  check_found(table, rows, scores, k, is_binary);
  for (std::size_t i = 0; i < k; ++i) CHECK(rows[i] != row && same(scores[i], scores_again[i]));
}

// All classes once and in order of their scores, the first `n` of them those that reach one half.
void check_tags(std::vector<std::int64_t> which, const std::vector<float>& scores, std::int64_t n) {
  for (std::size_t i = 0; i < which.size(); ++i) {
    const float score = scores[static_cast<std::size_t>(which[i])];
    CHECK((score >= 0) == (static_cast<std::int64_t>(i) < n));
    CHECK(i == 0 || scores[static_cast<std::size_t>(which[i - 1])] >= score);
  }
  std::sort(which.begin(), which.end());
  for (std::size_t i = 0; i < which.size(); ++i) CHECK(which[i] == static_cast<std::int64_t>(i));
}

void ask_tags(const slimvec_table* table, std::string_view text, std::vector<float> scores) {
  const std::size_t n = scores.size();
  std::vector<std::int64_t> likely(n, -2), all(n, -2);
  std::vector<float> again = scores;
  const std::int64_t found = slimvec_tag(table, text.data(), text.size(), 0.5, likely.data(), scores.data());
  if (!succeeded(found < 0 ? -1 : 0, scores)) {
    CHECK(std::count(likely.begin(), likely.end(), -2) == static_cast<std::ptrdiff_t>(n));
    return;
  }
  CHECK(slimvec_tag(table, text.data(), text.size(), 0, all.data(), again.data()) == static_cast<std::int64_t>(n));
  CHECK(again == scores && std::equal(likely.begin(), likely.begin() + found, all.begin()));
  CHECK(std::count(likely.begin(), likely.end(), -1) == static_cast<std::ptrdiff_t>(n) - found);
  check_tags(all, scores, found);
}

// Classes or tags, and scores, of texts, if there is a classifier or tagger; numbers that are finite, and nothing after
// a failure.
void ask_classes(const slimvec_table* table) {
  const std::int64_t n = slimvec_classes(table);
  CHECK(n == -1 || n > 0);
  const int is_tagger = slimvec_is_tagger(table);
  CHECK(is_tagger == -1 ? n == -1 : n > 0 && is_tagger <= 1);
  std::int64_t label = 0;
  const char* name = nullptr;
  std::size_t length = 0;
  CHECK(slimvec_class_name(table, n, &name, &length) == -1 && slimvec_class_label(table, -1, &label) == -1);
  if (n < 0) return;
  for (std::int64_t which = 0; which < std::min(n, INT64_C(9)); ++which) {
    const bool is_named = slimvec_class_name(table, which, &name, &length) == 0;
    CHECK(is_named != (slimvec_class_label(table, which, &label) == 0));
    const std::string copy(is_named ? name : "", is_named ? length : 0);  // reads all of it
    CHECK(is_named || copy.empty());
  }
  for (const std::string_view text : {"", "a good wort", "GRÖSSE ΑΣ İ", "\xff", "cat cat x 日本"}) {
    std::vector<float> scores = unwritten(static_cast<std::size_t>(n));
    const std::int64_t which = slimvec_classify(table, text.data(), text.size(), scores.data());
    if (is_tagger) ask_tags(table, text, scores);
    if (!succeeded(which < 0 ? -1 : 0, scores)) continue;
    CHECK(!is_tagger);
    CHECK(which < n && *std::max_element(scores.begin(), scores.end()) == scores[static_cast<std::size_t>(which)]);
    for (const float score : scores) CHECK(score - score == 0);
  }
}

void use(const slimvec_table* table, bool is_binary, bool of_signs) {
  const std::int64_t n = slimvec_rows(table);
  CHECK(n >= 0 && slimvec_dim(table) > 0);
  std::vector<std::int64_t> rows = {INT64_MIN, -2, -1, n, n + 1, INT64_MAX};
  for (const std::int64_t row : {INT64_C(0), INT64_C(1), INT64_C(2), n / 2, n - 2, n - 1}) {
    if (row >= 0 && row < n) rows.push_back(row);
  }
  for (const std::int64_t row : rows) {
    ask_words(table, row);
    ask_vectors(table, row, of_signs);
    ask_by_vectors(table, row, is_binary);
    for (const std::int64_t k : {INT64_C(0), INT64_C(1), INT64_C(5), n - 1, n}) {
      if (k >= 0 && k <= 2000) ask_nearest(table, row, static_cast<std::size_t>(k), is_binary);
    }
  }
  ask_classes(table);
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
  const bool is_binary = slimvec_bits(table) > 0, has_directions = bytes.find("directions") != std::string_view::npos;
  use(table, is_binary, is_binary && !has_directions);
  slimvec_close(table);
  CHECK(copied == nullptr);
  return 0;
}
