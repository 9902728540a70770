/* An example: prints the words most similar to each word, as `slimvec neighbors TABLE WORD...` does. */
#include <stdio.h>
#include <string.h>

#include "capi/slimvec.h"

enum { kMost = 10 };

static int print_neighbors(const slimvec_table* table, const char* word) {
  const int64_t others = slimvec_rows(table) - 1;
  const size_t k = others < kMost ? (size_t)others : kMost;
  int64_t rows[kMost];
  float similarities[kMost];
  const int64_t row = slimvec_find(table, word, strlen(word));
  if (row < 0 || slimvec_nearest(table, row, k, 1, rows, similarities) != 0) return -1;
  puts(word);
  for (size_t i = 0; i < k; ++i) {
    const char* name;
    size_t length;
    if (slimvec_word(table, rows[i], &name, &length) != 0) return -1;
    printf("  %6.3f  %.*s\n", (double)similarities[i], (int)length, name);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s TABLE WORD...\n", argv[0]);
    return 2;
  }
  slimvec_table* table = slimvec_open(argv[1]);
  int failed = table == NULL;
  for (int i = 2; i < argc && !failed; ++i) failed = print_neighbors(table, argv[i]) != 0;
  if (failed) fprintf(stderr, "%s\n", slimvec_error());
  slimvec_close(table);
  return failed ? 2 : 0;
}
