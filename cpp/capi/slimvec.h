/* slimvec in C: tables that the Python library or the command line wrote, opened by mapping, on machines without
 * Python. Words and rows to vectors, means, nearest rows of rows and of vectors, codes of new vectors, and classes
 * or tags of texts, by the same code and with the same answers.
 *
 *   slimvec_table* table = slimvec_open("glove.slim");
 *   if (table == NULL) puts(slimvec_error());
 *   int64_t row = slimvec_find(table, "king", 4);
 *   slimvec_nearest(table, row, 10, 1, rows, similarities);
 *   slimvec_close(table);
 *
 * Functions that can fail return -1 (or NULL), having written nothing, and slimvec_error() tells why. No exception
 * leaves them. A table may be used by several threads at once. Its file is mapped: it may be replaced meanwhile, as
 * slimvec does when it saves, but must not be written to or shortened.
 */
#ifndef SLIMVEC_H
#define SLIMVEC_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(SLIMVEC_EXPORTS) /* while the library itself is built */
#define SLIMVEC_API __declspec(dllexport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define SLIMVEC_API __attribute__((visibility("default")))
#else
#define SLIMVEC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct slimvec_table slimvec_table;

/* Opens a table of binary codes or of anchors. To be closed; closing NULL does nothing. */
SLIMVEC_API slimvec_table* slimvec_open(const char* path);
SLIMVEC_API void slimvec_close(slimvec_table* table);

/* Why the last call that failed on this thread did: valid until the next one fails. */
SLIMVEC_API const char* slimvec_error(void);

/* Number of rows, and of floats per row as slimvec_lookup gives it: the bits of a code, of codes of several bits their
 * directions, or the columns of the anchors. */
SLIMVEC_API int64_t slimvec_rows(const slimvec_table* table);
SLIMVEC_API int64_t slimvec_dim(const slimvec_table* table);

/* Number of floats of a vector like those that the table was made from; -1 of a table of codes alone. */
SLIMVEC_API int64_t slimvec_original_dim(const slimvec_table* table);

/* Number of bits of a code; 0 of a table of anchors. */
SLIMVEC_API int64_t slimvec_bits(const slimvec_table* table);

/* The row of a word of `length` bytes of UTF-8, or -1 if the table does not have it. */
SLIMVEC_API int64_t slimvec_find(const slimvec_table* table, const char* word, size_t length);

/* Points `word` to the word of a row: UTF-8 inside the table, without a final zero. */
SLIMVEC_API int slimvec_word(const slimvec_table* table, int64_t row, const char** word, size_t* length);

/* vectors[i * dim ...] = the vector of rows[i]: of a table of codes -1 and +1, of codes of several bits what is left of
 * the original vector, less the mean, along each direction, by all that the table keeps of it. */
SLIMVEC_API int slimvec_lookup(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vectors);

/* vectors[i * original_dim ...] = a vector like the one that rows[i] was made from. Tables of codes need factors. */
SLIMVEC_API int slimvec_lookup_original(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vectors);

/* vector[0 .. dim) = the mean of these rows. Rows of -1, as slimvec_find returns for unknown words, are left out;
 * zeros if none is left. */
SLIMVEC_API int slimvec_mean(const slimvec_table* table, const int64_t* rows, size_t n_rows, float* vector);

/* What scores are: cosines, for which a vector may have any length, inner products, or negated Euclidean distances, so
 * that 0 is the highest; these last of tables of codes whose file tells the lengths of all rows. */
enum { SLIMVEC_COSINE = 0, SLIMVEC_DOT = 1, SLIMVEC_L2 = 2 };

/* For each of n_queries vectors of original_dim floats the k rows of the highest score, or an estimate of it, highest
 * first, ties by the lower row: rows[i * k ...] and scores[i * k ...]. Returns how many each vector found: k or, of a
 * smaller table, all rows, after which places are left over, with row -1 and score 0. To a vector of zeros rows are
 * alike, but for distances. At most n_threads threads search. */
SLIMVEC_API int64_t slimvec_search(const slimvec_table* table, const float* queries, size_t n_queries, size_t k,
                                   int metric, size_t n_threads, int64_t* rows, float* scores);

/* The number of lists that rows lie in, of which slimvec_search reads all; 0 of a table without. */
SLIMVEC_API int64_t slimvec_lists(const slimvec_table* table);

/* As slimvec_search, but of each vector only the n_probes nearest lists are read, and further ones where these hold
 * fewer than k rows. */
SLIMVEC_API int64_t slimvec_search_lists(const slimvec_table* table, const float* queries, size_t n_queries, size_t k,
                                         int metric, size_t n_probes, size_t n_threads, int64_t* rows, float* scores);

/* codes[i * ((bits + 7) / 8) ...] = the packed code of vectors[i * original_dim ...], made as the table's own were. */
SLIMVEC_API int slimvec_encode(const slimvec_table* table, const float* vectors, size_t n_vectors, uint8_t* codes);

/* The k rows most similar to a row by cosine, itself left out: most similar first, ties by the lower row.
 * k lies between 1 and slimvec_rows - 1; at most n_threads threads search. */
SLIMVEC_API int slimvec_nearest(const slimvec_table* table, int64_t row, size_t k, size_t n_threads, int64_t* rows,
                                float* similarities);

/* Number of classes of a text classifier, as TextClassifier.save wrote it, or of tags of a text tagger, as
 * TextTagger.save did; -1 of a table that holds neither. */
SLIMVEC_API int64_t slimvec_classes(const slimvec_table* table);

/* 1 of a table that holds a text tagger, 0 of one that holds a text classifier, -1 of others. */
SLIMVEC_API int slimvec_is_tagger(const slimvec_table* table);

/* Points `name` to the name of a class or tag, 0 and on: UTF-8 inside the table, without a final zero. Where classes
 * are numbers, slimvec_class_label gives that of a class instead. */
SLIMVEC_API int slimvec_class_name(const slimvec_table* table, int64_t which, const char** name, size_t* length);
SLIMVEC_API int slimvec_class_label(const slimvec_table* table, int64_t which, int64_t* label);

/* The class of a text of `length` bytes of UTF-8, and scores[0 .. classes): logits, the same bits as
 * TextClassifier.logits; exp(score) over the sum of all is the probability. Words are found as in Python, and unknown
 * ones left out. Of equal scores the first class is returned; -1 on failure. */
SLIMVEC_API int64_t slimvec_classify(const slimvec_table* table, const char* text, size_t length, float* scores);

/* The same of a text whose words are these rows; rows of -1, as slimvec_find returns for unknown words, are left out.
 */
SLIMVEC_API int64_t slimvec_classify_rows(const slimvec_table* table, const int64_t* rows, size_t n_rows,
                                          float* scores);

/* The tags of a text, any number of them, by a text tagger: which[0 .. n) are those whose probability is `threshold` or
 * more (0 gives all, 1 none), the most probable first; it has room for all, and holds -1 from n on. scores are logits
 * as of slimvec_classify, the same bits as TextTagger.logits: 1 / (1 + exp(-score)) is the probability, and scores are
 * compared with log(threshold / (1 - threshold)). Returns n, or -1 on failure. */
SLIMVEC_API int64_t slimvec_tag(const slimvec_table* table, const char* text, size_t length, double threshold,
                                int64_t* which, float* scores);

/* The same of a text whose words are these rows, as of slimvec_classify_rows. */
SLIMVEC_API int64_t slimvec_tag_rows(const slimvec_table* table, const int64_t* rows, size_t n_rows, double threshold,
                                     int64_t* which, float* scores);

#ifdef __cplusplus
}
#endif

#endif
