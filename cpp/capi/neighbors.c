/* An example: prints the words most similar to each word, as `slimvec neighbors TABLE WORD...` does, of a table of any
 * kind that C opens: of codes, also refined or in lists, or of anchors. */
#include <stdio.h>
#include <string.h>

#include "capi/slimvec.h"

#ifdef _WIN32
#include <windows.h>
/* windows.h first */
#include <shellapi.h>
#include <stdlib.h>

/* The arguments in UTF-8, as words are, for main gets them in a code page of the user's. Kept until the end. */
static char** utf8_arguments(int* argc) {
  wchar_t** wide = CommandLineToArgvW(GetCommandLineW(), argc);
  char** arguments = wide ? calloc((size_t)*argc + 1, sizeof(char*)) : NULL;
  if (arguments == NULL) abort();
  for (int i = 0; i < *argc; ++i) {
    const int length = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
    arguments[i] = calloc((size_t)length + 1, 1);
    if (arguments[i] == NULL) abort();
    WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, arguments[i], length, NULL, NULL);
  }
  return arguments;
}
#endif

enum { kMost = 10 };

/* A terminal obeys control characters, of one byte or, from C2 80 to C2 9F, of two: they are printed as \x1b. */
static void print_word(const char* word, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    const unsigned char byte = (unsigned char)word[i], next = i + 1 < length ? (unsigned char)word[i + 1] : 0;
    const int is_wide = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    if (is_wide || byte < 0x20 || byte == 0x7F) {
      printf("\\x%02x", (unsigned)(is_wide ? next : byte));
    } else {
      putchar(byte);
    }
    i += (size_t)is_wide;
  }
  putchar('\n');
}

static int print_neighbors(const slimvec_table* table, const char* word) {
  const int64_t others = slimvec_rows(table) - 1;
  const size_t k = others < kMost ? (size_t)others : kMost;
  int64_t rows[kMost];
  float similarities[kMost];
  const int64_t row = slimvec_find(table, word, strlen(word));
  if (row < 0 || (k > 0 && slimvec_nearest(table, row, k, 1, rows, similarities) != 0)) return -1;
  puts(word);
  for (size_t i = 0; i < k; ++i) {
    const char* name;
    size_t length;
    if (slimvec_word(table, rows[i], &name, &length) != 0) return -1;
    printf("  %6.3f  ", (double)similarities[i]);
    print_word(name, length);
  }
  return 0;
}

int main(int argc, char** argv) {
#ifdef _WIN32
  argv = utf8_arguments(&argc);
#endif
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
