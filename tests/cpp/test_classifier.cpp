// A text classifier asked by the C functions: of the frozen file, and of tables that hold none.

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

}  // namespace

int main(int, char** argv) {
  folder = argv[1];
  test_a_classifier();
  std::printf("texts are classified, and what is no text or classifier is refused\n");
}
