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

// The nearest rows that Python found: tests/data/v1/later.json.
void test_frozen_tables() {
  const struct {
    const char* name;
    std::int64_t dim, nearest[5][4];
  } tables[] = {
      {"slots", 37, {{1, 2, 4, 3}, {4, 0, 3, 2}, {0, 3, 4, 1}, {4, 1, 2, 0}, {1, 3, 0, 2}}},
      {"packed", 2, {{4, 3, 1, 2}, {0, 4, 3, 2}, {0, 1, 3, 4}, {4, 0, 1, 2}, {0, 3, 1, 2}}},
      {"layer", 4, {{2, 1, 4, 3}, {3, 0, 4, 2}, {3, 0, 4, 1}, {2, 1, 4, 0}, {0, 1, 2, 3}}},
  };
  for (const auto& expected : tables) {
    slimvec_table* table = slimvec_open((folder + "/v1/" + expected.name + ".slim").c_str());
    CHECK(table != nullptr && slimvec_rows(table) == 5 && slimvec_dim(table) == expected.dim);
    CHECK(slimvec_find(table, "new york", 8) == 3);
    for (std::int64_t row = 0; row < 5; ++row) {
      std::int64_t found[4];
      float similarities[4];
      CHECK(slimvec_nearest(table, row, 4, 1, found, similarities) == 0);
      CHECK(std::equal(found, found + 4, expected.nearest[row]));
    }
    slimvec_close(table);
  }
  slimvec_table* classifier = slimvec_open((folder + "/v1/classifier.slim").c_str());
  CHECK(classifier != nullptr && slimvec_dim(classifier) == 3 && slimvec_find(classifier, "film", 4) >= 0);
  slimvec_close(classifier);
}

// A file of a header and `n_words` codes words of 32 bits.
void write_table(const std::string& path, const std::string& header, const std::vector<std::uint32_t>& codes) {
  std::vector<char> bytes(8 + header.size());
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  const char* first = reinterpret_cast<const char*>(codes.data());
  bytes.insert(bytes.end(), first, first + 4 * codes.size());
  write(path, bytes);
}

std::string with(std::string text, const std::string& old, const std::string& replacement) {
  CHECK(text.find(old) != std::string::npos);
  text.replace(text.find(old), old.size(), replacement);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

// Codes of 33 bits: `n_rows` of them, in two words of 16 lanes.
std::string header_of(int n_rows) {
  return "{\"__metadata__\":{\"format\":\"slimvec\",\"format_version\":\"1\",\"facts\":\"{\\\"kind\\\": "
         "\\\"binary\\\", "
         "\\\"rows\\\": " +
         std::to_string(n_rows) +
         ", \\\"bits\\\": 33, \\\"made_by\\\": {}}\"},\"codes\":{\"dtype\":\"U32\",\"shape\":[1,2,16],"
         "\"data_offsets\":[0,128]}}";
}

void test_one_row() {
  const std::string path = "one-" + std::to_string(getpid()) + ".slim";
  std::vector<std::uint32_t> codes(32);
  codes[0] = 5;
  write_table(path, with(header_of(1), "{", "{"), codes);
  slimvec_table* table = slimvec_open(path.c_str());
  CHECK(table != nullptr && slimvec_rows(table) == 1 && slimvec_dim(table) == 33);
  const std::int64_t rows[] = {0, 0};
  float vectors[66], mean[33], similarity;
  std::int64_t found = 7;
  CHECK(slimvec_lookup(table, rows, 2, vectors) == 0 && slimvec_mean(table, rows, 2, mean) == 0);
  CHECK(vectors[0] == 1 && vectors[1] == -1 && mean[2] == 1 && mean[32] == -1);
  CHECK(slimvec_nearest(table, 0, 1, 2, &found, &similarity) == -1 && error_holds("k=1") && found == 7);
  CHECK(slimvec_find(table, "a", 1) == -1 && error_holds("no words"));
  slimvec_close(table);
  std::remove(path.c_str());
}

void test_lying_headers() {
  const std::string path = "lies-" + std::to_string(getpid()) + ".slim", good = header_of(2);
  const std::vector<std::uint32_t> codes(32);
  const std::string deep = std::string(32, '[') + std::string(32, ']'), legal = deep.substr(1, 62);
  const struct {
    const char* old;
    std::string replacement;
    bool is_legal;
  } changes[] = {
      {"{", " {", true},
      {"2,", "-0,", false},  // no rows, but a block
      {"\\\"rows", "\\\"x\\\": " + legal + ", \\\"rows", true},
      {"\\\"rows", "\\\"x\\\": " + deep + ", \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": [1.5e-3, -0, null, true, \\\"\\\\u20ac\\\"], \\\"rows", true},
      {"\\\"rows", "\\\"bits\\\": 33, \\\"rows", false},  // one name twice: one file, two tables
      {"\\\"rows", "\\\"x\\\": NaN, \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": -Infinity, \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": word, \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": 01, \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": 1., \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": \\\"\x01\\\", \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": \\\"\xff\\\", \\\"rows", false},
      {"\\\"rows", "\\\"x\\\": \\\"\\\\udc00\\\", \\\"rows", false},
      {"\\\"made_by\\\": {}", "\\\"made_by\\\": []", false},
      {"\\\"made_by\\\": {}", "\\\"made_by\\\": {\\\"parameters\\\": 3}", false},
      {"\"format\"", "\"x\":1,\"format\"", false},
      {"\"dtype\"", "\"x\":1,\"dtype\"", false},
      {"[0,128]", "[0,64]", false},
      {"[0,128]}", "[0,128]},\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[128,128]}", true},
      {"[0,128]}", "[0,128]},\"x\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,16]}", false},     // shared
      {"[0,128]}", "[0,128]},\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[128,129]}", false},  // outside
      {"[1,2,16]", "[1,1,16]", false},
      {"[0,128]}", "[0,128]},\"x\":{\"dtype\":\"U8\",\"shape\":[0,4611686018427387903],\"data_offsets\":[0,0]}", false},
  };
  for (const auto& change : changes) {
    write_table(path, with(good, change.old, change.replacement), codes);
    slimvec_table* table = slimvec_open(path.c_str());
    if ((table != nullptr) != change.is_legal) std::printf("%s -> %s\n", change.old, change.replacement.c_str());
    CHECK((table != nullptr) == change.is_legal);
    slimvec_close(table);
  }
  std::vector<std::uint32_t> longer(34);  // a hole at the end
  write_table(path, with(good, "{", "{"), longer);
  CHECK(slimvec_open(path.c_str()) == nullptr && error_holds("longer than its tensors"));
  std::remove(path.c_str());
}

void test_bits_past_the_last_one() {
  const std::string path = "bits-" + std::to_string(getpid()) + ".slim";
  std::vector<std::uint32_t> codes(64);
  const std::string two_blocks = with(with(header_of(18), "[1,2,16]", "[2,2,16]"), "[0,128]", "[0,256]");
  for (const std::size_t past : {32u + 2, 32u + 16 + 2, 32u + 16}) {  // of a code that is not there, and of one that is
    std::fill(codes.begin(), codes.end(), 0u);
    codes[past] = 1u << 4;
    write_table(path, two_blocks, codes);
    CHECK(slimvec_open(path.c_str()) == nullptr && error_holds("damaged"));
  }
  std::fill(codes.begin(), codes.end(), 0u);
  codes[16 + 1] = 1u << 31;  // in the first block: found before it counts
  write_table(path, two_blocks, codes);
  slimvec_table* table = slimvec_open(path.c_str());
  CHECK(table != nullptr);
  std::int64_t found[17] = {7};
  float similarities[17];
  for (int again = 0; again < 2; ++again) {
    CHECK(slimvec_nearest(table, 0, 17, 1, found, similarities) == -1 && error_holds("past the last") && found[0] == 7);
  }
  slimvec_close(table);
  std::remove(path.c_str());
}

void test_errors_are_plain_text() {
  const std::string path = "plain-" + std::to_string(getpid()) + ".slim";
  const std::string kind = "\\\\u001b[2J\\\\u009b2J\\\\u007f";
  write_table(path, with(header_of(1), "\\\"binary\\\"", "\\\"" + kind + "\\\""), std::vector<std::uint32_t>(32));
  CHECK(slimvec_open(path.c_str()) == nullptr && error_holds("kind ?[2J??2J?; expected"));
  std::remove(path.c_str());
}

void test_places() {
  const std::string path = "pipe-" + std::to_string(getpid());
  if (!make_pipe(path.c_str())) return;
  CHECK(slimvec_open(path.c_str()) == nullptr && error_holds(path.c_str()));  // at once
  std::remove(path.c_str());
  CHECK(slimvec_open("/dev/zero") == nullptr && slimvec_open("") == nullptr);
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
  std::vector<float> original(static_cast<std::size_t>(std::max(slimvec_original_dim(table), INT64_C(0))), 0.5f);
  std::vector<std::uint8_t> code(static_cast<std::size_t>(slimvec_bits(table) + 7) / 8);
  const char* word;
  std::size_t length;
  std::int64_t found[3];
  float similarities[3];
  for (std::int64_t row = 0; row < slimvec_rows(table); ++row) {
    (void)slimvec_lookup(table, &row, 1, vector.data());
    if (slimvec_word(table, row, &word, &length) == 0) (void)slimvec_find(table, word, length);
    (void)slimvec_nearest(table, row, 3, 1, found, similarities);
    (void)slimvec_search(table, original.data(), 1, 3, SLIMVEC_DOT, 1, found, similarities);
    (void)slimvec_lookup_original(table, &row, 1, original.data());
    (void)slimvec_search_lists(table, original.data(), 1, 3, SLIMVEC_L2, 1, 1, found, similarities);
    (void)slimvec_search(table, original.data(), 1, 3, SLIMVEC_COSINE, 1, found, similarities);
    (void)slimvec_encode(table, original.data(), 1, code.data());
  }
  slimvec_close(table);
}

// Damage is about memory. Where what is looked for are races, or each instruction is emulated, less of it is enough.
#if defined(__SANITIZE_THREAD__) || defined(SLIMVEC_EMULATED)
constexpr std::size_t kEveryBit = 29 * 17, kEverySize = 101 * 17;
#else
constexpr std::size_t kEveryBit = 29, kEverySize = 101;
#endif

void test_damage() {
  const std::string path = "damaged-" + std::to_string(getpid()) + ".slim";
  for (const char* name :
       {"/v1/binary.slim", "/v1/factors.slim", "/v1/sparse-float16.slim", "/v2/grid.slim", "/v3/lists.slim"}) {
    const std::vector<char> whole = read(folder + name);
    std::vector<char> damaged = whole;
    for (std::size_t bit = 0; bit < 8 * whole.size(); bit += kEveryBit) {
      damaged[bit / 8] = static_cast<char>(whole[bit / 8] ^ 1 << bit % 8);
      write(path, damaged);
      use(path);
      damaged[bit / 8] = whole[bit / 8];
    }
    for (std::size_t size = 0; size < whole.size(); size += kEverySize) {
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
  test_frozen_tables();
  test_one_row();
  test_lying_headers();
  test_bits_past_the_last_one();
  test_errors_are_plain_text();
  test_places();
  test_words_without_a_hash_table();
  test_bad_arguments();
  test_damage();
  std::printf("the C functions answer, and refuse what is damaged\n");
}
