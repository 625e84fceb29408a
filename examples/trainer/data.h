/* Tokenised preference pairs from JSON lines. */
#ifndef DATA_H
#define DATA_H

#include <stddef.h>
#include <stdint.h>

enum { VOCABULARY = 4096, MOST_TOKENS = 256 };

typedef struct {
  int32_t *ids;
  size_t count;
} tokens;

typedef struct {
  tokens prompt, chosen, rejected;
} pair;

typedef struct {
  pair *pairs;
  size_t count;
} pair_list;

typedef struct {
  pair_list train, test;
} dataset;

/* Reads a file whose lines are objects with "split" ("train" or "test") and the arrays "prompt", "chosen" and "rejected" of
 * token ids below VOCABULARY, answers of 1 to MOST_TOKENS. On failure the message says file, line and what is wrong; returns 0. */
int load_pairs(const char *path, dataset *data, char *message, size_t size);
/* Leaves the first pairs of each split. */
void keep_pairs(dataset *data, size_t train, size_t test);
void free_pairs(dataset *data);

#endif
