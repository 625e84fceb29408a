/* Tokenised preference pairs, one JSON object a line: id, split, prompt, chosen, rejected. */
#ifndef TRAINER_DATA_H
#define TRAINER_DATA_H

#include "failure.h"

#include <stddef.h>
#include <stdint.h>

enum { VOCABULARY = 4096 };

struct tokens {
    int32_t *ids;
    size_t length;
};

struct pair {
    struct tokens prompt, chosen, rejected;
    size_t line;
    int test; /* held out */
};

struct dataset {
    struct pair *pairs;
    size_t length;
    size_t *train, *test; /* places in pairs */
    size_t train_length, test_length;
    uint64_t digest; /* of all that was read */
};

/* Answers keep their first answer_tokens. */
int dataset_read(struct dataset *data, const char *path, size_t answer_tokens, struct failure *failure);
void dataset_free(struct dataset *data);

/* FNV-1a, 64 bits. */
#define DIGEST_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t digest_add(uint64_t digest, const void *bytes, size_t length);

#endif
