// The C functions over frozen tables, with bad arguments, and over damaged files.
#include <algorithm>
#include <string>

#include "capi/slimvec.h"
#include "check.hpp"

namespace {

std::string folder;

std::vector<char> read(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  CHECK(file != nullptr);
  std::vector<char> bytes(1 << 16);
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
  std::fclose(file);
  return bytes;
}

void write(const std::string& path, const std::vector<char>& bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  CHECK(file != nullptr);
  CHECK(bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
  std::fclose(file);
}

bool error_holds(const char* text) { return std::strstr(slimvec_error(), text) != nullptr; }

void test_a_binary_table() {
  slimvec_table* table = slimvec_open((folder + "/neighbors/binary.slim").c_str());
  CHECK(table != nullptr && slimvec_rows(table) == 120 && slimvec_dim(table) == 19);
  CHECK(slimvec_find(table, "wort", 4) == 0 && slimvec_find(table, "größe", std::strlen("größe")) == 1);
  const char* word;
  std::size_t length;
  CHECK(slimvec_word(table, 2, &word, &length) == 0 && std::string(word, length) == "new york");

  const std::int64_t rows[] = {0, -1, 119};
  std::vector<float> vectors(2 * 19), mean(19);
  CHECK(slimvec_lookup(table, rows, 1, vectors.data()) == 0);
  CHECK(slimvec_lookup(table, rows + 2, 1, vectors.data() + 19) == 0);
  CHECK(slimvec_mean(table, rows, 3, mean.data()) == 0);
  for (std::size_t j = 0; j < 19; ++j) {
    CHECK(vectors[j] == 1 || vectors[j] == -1);
    CHECK(mean[j] == (vectors[j] + vectors[19 + j]) / 2);
  }
  CHECK(slimvec_mean(table, rows + 1, 1, mean.data()) == 0 && mean == std::vector<float>(19, 0.0f));

  std::vector<std::int64_t> found(119);
  std::vector<float> similarities(119);
  CHECK(slimvec_nearest(table, 5, 119, 2, found.data(), similarities.data()) == 0);
  std::vector<bool> seen(120);
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(i == 0 || similarities[i] <= similarities[i - 1]);
    seen[static_cast<std::size_t>(found[i])] = true;
  }
  CHECK(!seen[5] && static_cast<int>(std::count(seen.begin(), seen.end(), true)) == 119);
  slimvec_close(table);
}

void test_a_sparse_table() {  // its rows are known: tests/data/v1/sparse.json
  for (const char* name : {"/v1/sparse-float32.slim", "/v1/sparse-float16.slim"}) {
    slimvec_table* table = slimvec_open((folder + name).c_str());
    CHECK(table != nullptr && slimvec_rows(table) == 5 && slimvec_dim(table) == 4);
    const std::int64_t rows[] = {0, 1};
    float vectors[8], mean[4];
    CHECK(slimvec_lookup(table, rows, 2, vectors) == 0 && slimvec_mean(table, rows, 2, mean) == 0);
    for (int c = 0; c < 4; ++c) CHECK(mean[c] == (vectors[c] + vectors[4 + c]) / 2);
    CHECK(slimvec_find(table, "new york", 8) == 3);
    slimvec_close(table);
  }
}

void test_words_without_a_hash_table() {
  slimvec_table* table = slimvec_open((folder + "/v1/binary.slim").c_str());
  CHECK(table != nullptr && slimvec_find(table, "dog", 3) == 1 && slimvec_find(table, "cow", 3) == -1);
  slimvec_close(table);
}

void test_bad_arguments() {
  CHECK(slimvec_open("/no/such/file") == nullptr && error_holds("/no/such/file: No such file"));
  CHECK(slimvec_open(folder.c_str()) == nullptr && error_holds(folder.c_str()));
  CHECK(slimvec_open((folder + "/v1/hamming.slim").c_str()) == nullptr && error_holds("expected binary or sparse"));
  CHECK(slimvec_open((folder + "/v1/make.py").c_str()) == nullptr && error_holds("not a table"));
  slimvec_close(nullptr);
  for (const char* name : {"/neighbors/binary.slim", "/neighbors/sparse.slim", "/neighbors/packed.slim"}) {
    slimvec_table* table = slimvec_open((folder + name).c_str());
    CHECK(table != nullptr);
    CHECK(slimvec_find(table, "wor", 3) == -1 && error_holds("unknown word wor"));
    float out[40] = {0};
    const char* word;
    std::size_t length;
    std::int64_t rows[2] = {0, 120};
    CHECK(slimvec_word(table, 120, &word, &length) == -1 && error_holds("row 120"));
    CHECK(slimvec_lookup(table, rows, 2, out) == -1 && error_holds("120") && out[0] == 0);
    CHECK(slimvec_mean(table, rows, 2, out) == -1 && out[0] == 0);
    CHECK(slimvec_nearest(table, 120, 1, 1, rows, out) == -1 && error_holds("120"));
    CHECK(slimvec_nearest(table, -1, 1, 1, rows, out) == -1);
    CHECK(slimvec_nearest(table, 0, 120, 1, rows, out) == -1 && error_holds("k=120"));
    CHECK(slimvec_nearest(table, 0, 0, 1, rows, out) == -1 && slimvec_nearest(table, 0, 1, 0, rows, out) == -1);
    slimvec_close(table);
  }
}

// What is opened all the same must answer, or refuse to, without reading outside the file.
void use(const std::string& path) {
  slimvec_table* table = slimvec_open(path.c_str());
  if (table == nullptr) {
    CHECK(error_holds(path.c_str()));
    return;
  }
  std::vector<float> vector(static_cast<std::size_t>(slimvec_dim(table)));
  const char* word;
  std::size_t length;
  std::int64_t found[3];
  float similarities[3];
  for (std::int64_t row = 0; row < slimvec_rows(table); ++row) {
    (void)slimvec_lookup(table, &row, 1, vector.data());
    if (slimvec_word(table, row, &word, &length) == 0) (void)slimvec_find(table, word, length);
    (void)slimvec_nearest(table, row, 3, 1, found, similarities);
  }
  slimvec_close(table);
}

void test_damage() {
  const std::string path = "damaged-" + std::to_string(getpid()) + ".slim";
  for (const char* name : {"/v1/binary.slim", "/v1/factors.slim", "/v1/sparse-float16.slim"}) {
    const std::vector<char> whole = read(folder + name);
    std::vector<char> damaged = whole;
    for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 29) {
      damaged[bit / 8] = static_cast<char>(whole[bit / 8] ^ 1 << bit % 8);
      write(path, damaged);
      use(path);
      damaged[bit / 8] = whole[bit / 8];
    }
    for (std::size_t size = 0; size < whole.size(); size += 101) {
      write(path, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
      use(path);
    }
  }
  std::remove(path.c_str());
}

}  // namespace

int main(int, char** argv) {
  folder = argv[1];
  test_a_binary_table();
  test_a_sparse_table();
  test_words_without_a_hash_table();
  test_bad_arguments();
  test_damage();
  std::printf("the C functions answer, and refuse what is damaged\n");
}
