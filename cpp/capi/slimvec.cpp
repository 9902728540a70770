#include "capi/slimvec.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "capi/classifier.hpp"
#include "capi/table.hpp"
#include "capi/text_words.hpp"
#include "core/utf8.hpp"
#include "core/vocabulary.hpp"

using slimvec::Slots;
using slimvec::TableFile;
using slimvec::Tensor;
using slimvec::Words;

namespace {

thread_local char error_text[512] = "";

// Names in a file may hold what moves a terminal's cursor: control characters, in UTF-8 also C2 80 to C2 9F.
void show_plainly(char* text) {
  for (; *text; ++text) {
    const auto byte = static_cast<unsigned char>(text[0]), next = static_cast<unsigned char>(text[1]);
    const bool is_wide = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (is_wide) text[1] = '?';
    if (is_wide || byte < 0x20 || byte == 0x7F) *text = '?';
  }
}

// Calls work() and returns what it returns, or `failed` after keeping the text of an exception.
template <typename Work, typename Result>
Result guarded(const Work& work, Result failed) {
  try {
    return work();
  } catch (const std::exception& error) {
    std::snprintf(error_text, sizeof error_text, "%s", error.what());
    show_plainly(error_text);
  } catch (...) {
    std::snprintf(error_text, sizeof error_text, "unknown error");
  }
  return failed;
}

struct Vocabulary {
  Words words;
  Slots slots;
  std::vector<std::uint32_t> own_slots;  // of files that hold none, written by early commits
};

// The words stored as `name`, with slots if the file has them.
std::optional<Vocabulary> read_words(const TableFile& file, const std::string& name, std::size_t n) {
  if (!file.has((name + ".text").c_str())) return std::nullopt;
  const Tensor &text = file.tensor((name + ".text").c_str(), {"U8"}, {TableFile::kAny}),
               &offsets = file.tensor((name + ".offsets").c_str(), {"I64"}, {n + 1});
  const std::size_t n_slots = n + n / 3 + 1;
  Vocabulary vocabulary{{text.as<char>(), text.shape[0], offsets.as<std::int64_t>(), n}, {nullptr, n_slots}, {}};
  if (vocabulary.words.offsets[0] != 0 ||
      static_cast<std::uint64_t>(vocabulary.words.offsets[n]) != vocabulary.words.text_size) {
    throw std::runtime_error("the offsets of the words do not span their text: damaged");
  }
  const std::string slots = name + ".slots";
  if (file.has(slots.c_str())) {
    // find_word only reads: Slots is not const because the same struct is filled elsewhere.
    vocabulary.slots.rows =
        const_cast<std::uint32_t*>(file.tensor(slots.c_str(), {"U32"}, {n_slots}).as<std::uint32_t>());
  }
  return vocabulary;
}

std::optional<Vocabulary> read_vocabulary(const TableFile& file, std::size_t n) {
  std::optional<Vocabulary> found = read_words(file, "words", n);
  if (!found || found->slots.rows) return found;
  Vocabulary& vocabulary = *found;
  const std::size_t n_slots = vocabulary.slots.n_slots;
  vocabulary.own_slots.resize(n_slots);
  vocabulary.slots.rows = vocabulary.own_slots.data();
  if (index_words(vocabulary.words, vocabulary.slots) >= 0) throw std::runtime_error("a word appears twice: damaged");
  return found;
}

std::vector<std::int64_t> known_rows(const std::int64_t* rows, std::size_t n_rows) {
  std::vector<std::int64_t> known;
  std::copy_if(rows, rows + n_rows, std::back_inserter(known), [](std::int64_t row) { return row != -1; });
  return known;
}

void check_threads(size_t n_threads) {
  if (n_threads < 1) throw std::out_of_range("n_threads=0; expected at least 1");
}

void check_rows(const std::vector<std::int64_t>& found) {
  if (std::find(found.begin(), found.end(), -1) != found.end()) {
    throw std::runtime_error("some rows have no place among the others: the table is damaged");
  }
}

// Answers a search of any k; places that are left over hold row -1 and score 0. Returns how many are filled.
int64_t search_into(const slimvec::Table& table, slimvec::Asked asked, int64_t* rows, float* scores) {
  const std::size_t k = asked.k, n_queries = asked.queries.n;
  if (k < 1) throw std::out_of_range("k=0; expected at least 1");
  check_threads(asked.n_threads);
  (void)table.original_dim();  // tells of a table that cannot be asked
  const std::size_t n = asked.k = std::min(k, table.n_rows());
  std::vector<std::int64_t> found(n_queries * n);
  std::vector<float> values(n_queries * n);
  if (n > 0) table.search(asked, found.data(), values.data());
  check_rows(found);
  for (std::size_t i = 0; i < n_queries; ++i) {
    std::fill_n(std::copy_n(found.data() + i * n, n, rows + i * k), k - n, -1);
    std::fill_n(std::copy_n(values.data() + i * n, n, scores + i * k), k - n, 0.0f);
  }
  return static_cast<int64_t>(n);
}

slimvec::Metric metric_of(int metric) {
  if (metric == SLIMVEC_COSINE) return slimvec::Metric::kCosine;
  if (metric == SLIMVEC_DOT) return slimvec::Metric::kDot;
  if (metric == SLIMVEC_L2) return slimvec::Metric::kL2;
  throw std::out_of_range("metric=" + std::to_string(metric) + "; expected SLIMVEC_COSINE, SLIMVEC_DOT or SLIMVEC_L2");
}

}  // namespace

struct slimvec_table {
  explicit slimvec_table(const char* path) : file(path) {
    const std::string kind = file.kind();
    if (kind != "binary" && kind != "sparse") {
      throw std::runtime_error("it holds a table of kind " + kind + "; expected binary or sparse");
    }
    table = kind == "binary" ? slimvec::make_binary_table(file) : slimvec::make_sparse_table(file);
    file.check_made_by();
    vocabulary = read_vocabulary(file, table->n_rows());
    if (kind == "sparse") (void)read_words(file, "anchor_words", file.fact("anchors"));
    if (kind == "sparse") read_classifier();
  }

  // A damaged classifier is told of when it is asked: its table is whole, as slimvec.open has it.
  void read_classifier() {
    try {
      const char* count = slimvec::Classifier::count(file);
      if (!count) return;
      if (!vocabulary) throw std::runtime_error("its table has no words");
      const std::optional<Vocabulary> names = read_words(file, "classes", file.fact(count));
      classifier.emplace(file, table->dim(), names ? std::optional<Words>(names->words) : std::nullopt);
    } catch (const std::exception& error) {
      no_classifier = error.what();
    }
  }

  const slimvec::Classifier& classes() const {
    if (!classifier) throw std::runtime_error(no_classifier);
    return *classifier;
  }

  std::size_t checked_class(std::int64_t which) const {
    if (static_cast<std::uint64_t>(which) >= classes().n_classes()) {
      throw std::out_of_range("class " + std::to_string(which) + " is none of " +
                              std::to_string(classes().n_classes()));
    }
    return static_cast<std::size_t>(which);
  }

  // The scores of a text; tells of a table that is not `to_tag` texts, but to classify them, or the other way round.
  std::vector<float> scores_of(const std::vector<std::int64_t>& rows, bool to_tag) const {
    const slimvec::Classifier& asked = classes();
    if (asked.is_tagger() != to_tag) {
      throw std::runtime_error(to_tag ? "this table holds a text classifier: slimvec_classify gives the class of a text"
                                      : "this table holds a text tagger: slimvec_tag gives the tags of a text");
    }
    std::vector<float> mean(table->dim());
    table->mean(rows.data(), rows.size(), mean.data());
    return asked.scores(mean.data());
  }

  std::int64_t classify(const std::vector<std::int64_t>& rows, float* scores) const {
    const std::vector<float> found = scores_of(rows, false);
    std::copy(found.begin(), found.end(), scores);
    return std::max_element(found.begin(), found.end()) - found.begin();
  }

  std::int64_t tag(const std::vector<std::int64_t>& rows, double threshold, std::int64_t* which, float* scores) const {
    const std::vector<float> found = scores_of(rows, true);
    const std::vector<std::int64_t> tags = slimvec::likely_tags(found, threshold);
    std::copy(found.begin(), found.end(), scores);
    std::fill_n(std::copy(tags.begin(), tags.end(), which), found.size() - tags.size(), -1);
    return static_cast<std::int64_t>(tags.size());
  }

  // The rows of the words of a text that the table has.
  std::vector<std::int64_t> rows_of(std::string_view text) const {
    (void)classes();  // tells of a table that cannot be asked
    std::vector<std::int64_t> rows;
    for (const std::string& word : slimvec::text_words(text)) {
      const std::int64_t row = find_word(words().words, words().slots, word);
      if (row >= 0) rows.push_back(row);
    }
    return rows;
  }

  const Vocabulary& words() const {
    if (!vocabulary) throw std::runtime_error("this table has no words, only row numbers");
    return *vocabulary;
  }

  TableFile file;
  std::unique_ptr<slimvec::Table> table;
  std::optional<Vocabulary> vocabulary;
  std::optional<slimvec::Classifier> classifier;
  std::string no_classifier = "this table holds no text classifier or tagger";
};

const char* slimvec_error(void) { return error_text; }

slimvec_table* slimvec_open(const char* path) {
  const auto open = [path] {
    try {
      return new slimvec_table(path);
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string(path) + ": " + error.what());
    }
  };
  return guarded(open, static_cast<slimvec_table*>(nullptr));
}

void slimvec_close(slimvec_table* table) { delete table; }

int64_t slimvec_rows(const slimvec_table* table) { return static_cast<int64_t>(table->table->n_rows()); }

int64_t slimvec_dim(const slimvec_table* table) { return static_cast<int64_t>(table->table->dim()); }

int64_t slimvec_original_dim(const slimvec_table* table) {
  return guarded([=] { return static_cast<int64_t>(table->table->original_dim()); }, int64_t{-1});
}

int64_t slimvec_bits(const slimvec_table* table) { return static_cast<int64_t>(table->table->n_bits()); }

int64_t slimvec_find(const slimvec_table* table, const char* word, size_t length) {
  const auto find = [=] {
    const Vocabulary& vocabulary = table->words();
    const int64_t row = find_word(vocabulary.words, vocabulary.slots, {word, length});
    if (row < 0) throw std::out_of_range("unknown word " + std::string(word, length));
    return row;
  };
  return guarded(find, int64_t{-1});
}

int slimvec_word(const slimvec_table* table, int64_t row, const char** word, size_t* length) {
  const auto read = [=] {
    const Words& words = table->words().words;
    if (static_cast<std::uint64_t>(row) >= words.n_words) {
      throw std::out_of_range("row " + std::to_string(row) + " is outside the table");
    }
    const std::string_view found = words[static_cast<std::size_t>(row)];
    if (!slimvec::is_utf8(found.data(), found.data() + found.size())) {
      throw std::runtime_error("the word of row " + std::to_string(row) + " is not UTF-8: the table is damaged");
    }
    *word = found.data();
    *length = found.size();
    return 0;
  };
  return guarded(read, -1);
}

int slimvec_lookup(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vectors) {
  const auto lookup = [=] {
    table->table->lookup(rows, n_rows, vectors);
    return 0;
  };
  return guarded(lookup, -1);
}

int slimvec_lookup_original(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vectors) {
  const auto lookup = [=] {
    table->table->lookup_original(rows, n_rows, vectors);
    return 0;
  };
  return guarded(lookup, -1);
}

int slimvec_mean(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vector) {
  const auto mean = [=] {
    const std::vector<std::int64_t> known = known_rows(rows, n_rows);
    table->table->mean(known.data(), known.size(), vector);
    return 0;
  };
  return guarded(mean, -1);
}

int slimvec_nearest(const slimvec_table* table, int64_t row, size_t k, size_t n_threads, int64_t* rows,
                    float* similarities) {
  const auto search = [=] {
    const std::size_t n = table->table->n_rows();
    if (k < 1 || k >= n) throw std::out_of_range("k=" + std::to_string(k) + "; expected 1 ... rows - 1");
    check_threads(n_threads);
    std::vector<std::int64_t> found(k + 1);
    std::vector<float> scores(k + 1);
    table->table->nearest(row, k + 1, n_threads, found.data(), scores.data());
    check_rows(found);
    for (std::size_t i = 0, kept = 0; kept < k; ++i) {  // its own row takes one place at most
      if (found[i] == row) continue;
      rows[kept] = found[i];
      similarities[kept++] = scores[i];
    }
    return 0;
  };
  return guarded(search, -1);
}

int64_t slimvec_lists(const slimvec_table* table) { return static_cast<int64_t>(table->table->n_lists()); }

int64_t slimvec_search(const slimvec_table* table, const float* queries, size_t n_queries, size_t k, int metric,
                       size_t n_threads, int64_t* rows, float* scores) {
  const auto search = [=] {
    return search_into(*table->table, {{queries, n_queries}, k, metric_of(metric), slimvec::kAllLists, n_threads}, rows,
                       scores);
  };
  return guarded(search, int64_t{-1});
}

int64_t slimvec_search_lists(const slimvec_table* table, const float* queries, size_t n_queries, size_t k, int metric,
                             size_t n_probes, size_t n_threads, int64_t* rows, float* scores) {
  const auto search = [=] {
    if (n_probes < 1) throw std::out_of_range("n_probes=0; expected at least 1");
    if (table->table->n_lists() == 0) {
      throw std::runtime_error(
          "this table has no lists, and all of it is read, by slimvec_search; make it with "
          "partitions= in Python");
    }
    return search_into(*table->table, {{queries, n_queries}, k, metric_of(metric), n_probes, n_threads}, rows, scores);
  };
  return guarded(search, int64_t{-1});
}

int slimvec_encode(const slimvec_table* table, const float* vectors, size_t n_vectors, uint8_t* codes) {
  const auto encode = [=] {
    std::vector<std::uint8_t> made(n_vectors * slimvec::code_size(table->table->n_bits()));
    table->table->encode({vectors, n_vectors}, made.data());
    std::copy(made.begin(), made.end(), codes);
    return 0;
  };
  return guarded(encode, -1);
}

int64_t slimvec_classes(const slimvec_table* table) {
  return guarded([=] { return static_cast<int64_t>(table->classes().n_classes()); }, int64_t{-1});
}

int slimvec_class_name(const slimvec_table* table, int64_t which, const char** name, size_t* length) {
  const auto read = [=] {
    const std::string_view found = table->classes().name(table->checked_class(which));
    *name = found.data();
    *length = found.size();
    return 0;
  };
  return guarded(read, -1);
}

int slimvec_class_label(const slimvec_table* table, int64_t which, int64_t* label) {
  const auto read = [=] {
    *label = table->classes().label(table->checked_class(which));
    return 0;
  };
  return guarded(read, -1);
}

int64_t slimvec_classify(const slimvec_table* table, const char* text, size_t length, float* scores) {
  return guarded([=] { return table->classify(table->rows_of({text, length}), scores); }, int64_t{-1});
}

int64_t slimvec_classify_rows(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* scores) {
  return guarded([=] { return table->classify(known_rows(rows, n_rows), scores); }, int64_t{-1});
}

int slimvec_is_tagger(const slimvec_table* table) {
  return guarded([=] { return table->classes().is_tagger() ? 1 : 0; }, -1);
}

int64_t slimvec_tag(const slimvec_table* table, const char* text, size_t length, double threshold, int64_t* which,
                    float* scores) {
  return guarded([=] { return table->tag(table->rows_of({text, length}), threshold, which, scores); }, int64_t{-1});
}

int64_t slimvec_tag_rows(const slimvec_table* table, const int64_t* rows, size_t n_rows, double threshold,
                         int64_t* which, float* scores) {
  return guarded([=] { return table->tag(known_rows(rows, n_rows), threshold, which, scores); }, int64_t{-1});
}
