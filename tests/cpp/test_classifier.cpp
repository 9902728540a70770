// A text classifier and a text tagger asked by the C functions: of the frozen files, and of tables that hold none.

#include <limits>
#include <string>
#include <vector>

#include "capi/slimvec.h"
#include "check.hpp"

namespace {

std::string folder;

bool error_holds(const char* text) { return std::strstr(slimvec_error(), text) != nullptr; }

void test_a_classifier() {
  slimvec_table* table = slimvec_open((folder + "/v1/classifier.slim").c_str());
  CHECK(table != nullptr && slimvec_classes(table) == 2);
  const char* name = nullptr;
  std::size_t length = 0;
  std::int64_t label = 0;
  std::vector<float> scores(2), of_rows(2);
  const std::int64_t which = slimvec_classify(table, "A GOOD film", 11, scores.data());
  CHECK(which >= 0 && scores[static_cast<std::size_t>(which)] > scores[static_cast<std::size_t>(1 - which)]);
  CHECK(slimvec_class_name(table, which, &name, &length) == 0 && length > 0);
  const std::int64_t rows[] = {-1, slimvec_find(table, "good", 4), slimvec_find(table, "film", 4)};
  CHECK(slimvec_classify_rows(table, rows, 3, of_rows.data()) == which && of_rows == scores);  // "a" is too short
  CHECK(slimvec_class_label(table, 0, &label) == -1 && error_holds("have names"));
  CHECK(slimvec_class_name(table, 2, &name, &length) == -1 && error_holds("none of 2"));
  CHECK(slimvec_classify(table, "\xff", 1, scores.data()) == -1 && error_holds("UTF-8") && of_rows == scores);
  slimvec_close(table);

  table = slimvec_open((folder + "/neighbors/binary.slim").c_str());
  CHECK(table != nullptr && slimvec_classes(table) == -1 && error_holds("no text classifier"));
  CHECK(slimvec_classify(table, "good", 4, scores.data()) == -1);
  slimvec_close(table);
}

void test_a_tagger() {
  slimvec_table* table = slimvec_open((folder + "/v5/tagger.slim").c_str());
  CHECK(table != nullptr && slimvec_classes(table) == 2 && slimvec_is_tagger(table) == 1);
  const char* name = nullptr;
  std::size_t length = 0;
  std::vector<float> scores(2), again(2);
  std::vector<std::int64_t> which(2, -2);
  CHECK(slimvec_tag(table, "RAIN", 4, 0.5, which.data(), scores.data()) == 1 && which[1] == -1);
  CHECK(scores[static_cast<std::size_t>(which[0])] > 0 && scores[static_cast<std::size_t>(1 - which[0])] < 0);
  CHECK(slimvec_class_name(table, which[0], &name, &length) == 0 && std::string(name, length) == "weather");
  const std::int64_t rows[] = {-1, slimvec_find(table, "rain", 4)}, tag = which[0];
  CHECK(slimvec_tag_rows(table, rows, 2, 0, which.data(), again.data()) == 2 && again == scores && which[0] == tag);
  CHECK(slimvec_tag_rows(table, rows, 2, 1, which.data(), again.data()) == 0 && which[0] == -1 && which[1] == -1);
  which = {7, 7};
  for (const double threshold : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(slimvec_tag(table, "sea", 3, threshold, which.data(), again.data()) == -1 && error_holds("between 0 and 1"));
  }
  CHECK(slimvec_tag(table, "\xff", 1, 0.5, which.data(), again.data()) == -1 && error_holds("UTF-8"));
  CHECK(slimvec_classify(table, "sea", 3, again.data()) == -1 && error_holds("slimvec_tag"));
  CHECK(again == scores && which[0] == 7 && which[1] == 7);
  slimvec_close(table);

  table = slimvec_open((folder + "/v1/classifier.slim").c_str());
  CHECK(slimvec_is_tagger(table) == 0);
  CHECK(slimvec_tag(table, "good", 4, 0.5, which.data(), again.data()) == -1 && error_holds("slimvec_classify"));
  slimvec_close(table);
  table = slimvec_open((folder + "/neighbors/sparse.slim").c_str());
  CHECK(slimvec_is_tagger(table) == -1 && error_holds("no text classifier or tagger"));
  slimvec_close(table);
}

}  // namespace

int main(int, char** argv) {
  folder = argv[1];
  test_a_classifier();
  test_a_tagger();
  std::printf("texts are classified and tagged, and what is no text, classifier or tagger is refused\n");
}
