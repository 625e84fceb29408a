#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A place in a line, and where to report what is wrong there. */
struct reader {
    const char *at;
    const char *path;
    size_t line;
    size_t answer_tokens;
    struct failure *failure;
};

static int wrong(struct reader *reader, const char *what)
{
    return fail(reader->failure, BAD_INPUT, "%s:%zu: %s", reader->path, reader->line, what);
}

static void skip_spaces(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r')
        reader->at++;
}

static int take(struct reader *reader, char mark)
{
    skip_spaces(reader);
    if (*reader->at != mark)
        return 0;
    reader->at++;
    return 1;
}

/* A string without escapes: ids and keys have none. */
static int read_text(struct reader *reader, char *text, size_t size, const char *what)
{
    char message[160];
    size_t length = 0;
    if (take(reader, '"')) {
        while (reader->at[length] && reader->at[length] != '"' && reader->at[length] != '\\' && length + 1 < size)
            length++;
        if (reader->at[length] == '"') {
            memcpy(text, reader->at, length);
            text[length] = 0;
            reader->at += length + 1;
            return DONE;
        }
    }
    snprintf(message, sizeof message, "%s must be a text in quotes, shorter than %zu bytes, without escapes", what, size);
    return wrong(reader, message);
}

static int read_tokens(struct reader *reader, struct tokens *tokens, const char *key)
{
    char message[160];
    size_t room = 0;
    if (tokens->ids) {
        snprintf(message, sizeof message, "\"%s\" is there twice; each key stands once", key);
        return wrong(reader, message);
    }
    if (!take(reader, '[')) {
        snprintf(message, sizeof message, "\"%s\" must be an array of token ids, such as [12,7]", key);
        return wrong(reader, message);
    }
    do {
        skip_spaces(reader);
        char *end;
        errno = 0;
        const long id = strtol(reader->at, &end, 10);
        if (end == reader->at || (*end && !strchr(" \t\r,]", *end)) || !*end) {
            snprintf(message, sizeof message, "\"%s\", token %zu: a whole number and then , or ] must stand there", key,
                     tokens->length);
            return wrong(reader, message);
        }
        if (errno || id < 0 || id >= VOCABULARY) {
            snprintf(message, sizeof message, "\"%s\", token %zu: id %ld is outside the vocabulary, 0 to %d", key,
                     tokens->length, id, VOCABULARY - 1);
            return wrong(reader, message);
        }
        if (tokens->length == room) {
            room = room ? 2 * room : 64;
            int32_t *more = realloc(tokens->ids, room * sizeof *more);
            if (!more)
                return fail_memory(reader->failure);
            tokens->ids = more;
        }
        tokens->ids[tokens->length++] = (int32_t)id;
        reader->at = end;
    } while (take(reader, ','));
    if (take(reader, ']'))
        return DONE;
    snprintf(message, sizeof message, "\"%s\", after token %zu: , or ] must stand there", key, tokens->length - 1);
    return wrong(reader, message);
}

static int read_member(struct reader *reader, struct pair *pair, int *has_split)
{
    char key[16], value[64];
    if (read_text(reader, key, sizeof key, "a key"))
        return reader->failure->status;
    if (!take(reader, ':'))
        return wrong(reader, "a : must stand after a key");
    if (!strcmp(key, "id"))
        return read_text(reader, value, sizeof value, "\"id\"");
    if (!strcmp(key, "prompt"))
        return read_tokens(reader, &pair->prompt, key);
    if (!strcmp(key, "chosen"))
        return read_tokens(reader, &pair->chosen, key);
    if (!strcmp(key, "rejected"))
        return read_tokens(reader, &pair->rejected, key);
    if (strcmp(key, "split"))
        return wrong(reader, "unknown key; id, split, prompt, chosen and rejected are known");
    if (read_text(reader, value, sizeof value, "\"split\""))
        return reader->failure->status;
    pair->test = !strcmp(value, "test");
    *has_split = 1;
    return pair->test || !strcmp(value, "train") ? DONE : wrong(reader, "\"split\" must be \"train\" or \"test\"");
}

static int read_pair(struct reader *reader, struct pair *pair)
{
    int has_split = 0;
    if (!take(reader, '{'))
        return wrong(reader, "a pair must begin with {");
    do {
        if (read_member(reader, pair, &has_split))
            return reader->failure->status;
    } while (take(reader, ','));
    if (!take(reader, '}'))
        return wrong(reader, "a pair must end with }: the line is cut off, or a comma is missing");
    skip_spaces(reader);
    if (*reader->at)
        return wrong(reader, "there is more after the pair; each line must hold one pair");
    if (!has_split || !pair->prompt.ids || !pair->chosen.ids || !pair->rejected.ids)
        return wrong(reader, "a key is missing; split, prompt, chosen and rejected are needed");
    if (pair->chosen.length > reader->answer_tokens)
        pair->chosen.length = reader->answer_tokens;
    if (pair->rejected.length > reader->answer_tokens)
        pair->rejected.length = reader->answer_tokens;
    return DONE;
}

/* The whole file, with a 0 after it. */
static char *read_file(const char *path, size_t *length, struct failure *failure)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 1 << 16;
    *length = 0;
    if (!file) {
        fail(failure, BAD_INPUT, "%s: %s; give the file of pairs as the argument", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        char *more = realloc(text, room + 1);
        if (!more) {
            fail_memory(failure);
            break;
        }
        text = more;
        *length += fread(text + *length, 1, room - *length, file);
        if (*length < room)
            break;
        room *= 2;
    }
    if (!failure->status && ferror(file))
        fail(failure, BAD_INPUT, "%s: %s", path, strerror(errno));
    fclose(file);
    if (failure->status) {
        free(text);
        return NULL;
    }
    text[*length] = 0;
    return text;
}

static int add_lines(struct dataset *data, struct reader *reader, char *text, size_t length)
{
    size_t room = 0;
    for (char *line = text; line < text + length;) {
        char *end = memchr(line, '\n', (size_t)(text + length - line));
        if (!end)
            end = text + length;
        reader->at = line;
        reader->line++;
        if (memchr(line, 0, (size_t)(end - line)))
            return wrong(reader, "a byte 0; pairs must be text, one JSON object a line");
        *end = 0;
        line = end + 1;
        skip_spaces(reader);
        if (!*reader->at)
            continue;
        if (data->length == room) {
            room = room ? 2 * room : 64;
            struct pair *more = realloc(data->pairs, room * sizeof *more);
            if (!more)
                return fail_memory(reader->failure);
            data->pairs = more;
        }
        struct pair *pair = &data->pairs[data->length++];
        memset(pair, 0, sizeof *pair);
        pair->line = reader->line;
        if (read_pair(reader, pair))
            return reader->failure->status;
    }
    return DONE;
}

static int split(struct dataset *data, const char *path, struct failure *failure)
{
    data->train = malloc((data->length + 1) * sizeof *data->train);
    data->test = malloc((data->length + 1) * sizeof *data->test);
    if (!data->train || !data->test)
        return fail_memory(failure);
    for (size_t i = 0; i < data->length; i++) {
        if (data->pairs[i].test)
            data->test[data->test_length++] = i;
        else
            data->train[data->train_length++] = i;
    }
    if (!data->train_length || !data->test_length)
        return fail(failure, BAD_INPUT, "%s: %zu train and %zu test pairs; at least one of each is needed", path,
                    data->train_length, data->test_length);
    return DONE;
}

int dataset_read(struct dataset *data, const char *path, size_t answer_tokens, struct failure *failure)
{
    struct reader reader = { NULL, path, 0, answer_tokens, failure };
    size_t length;
    memset(data, 0, sizeof *data);
    char *text = read_file(path, &length, failure);
    if (!text)
        return failure->status;
    data->digest = digest_add(DIGEST_BEGIN, text, length);
    if (!add_lines(data, &reader, text, length))
        split(data, path, failure);
    free(text);
    return failure->status;
}

void dataset_free(struct dataset *data)
{
    for (size_t i = 0; i < data->length; i++) {
        free(data->pairs[i].prompt.ids);
        free(data->pairs[i].chosen.ids);
        free(data->pairs[i].rejected.ids);
    }
    free(data->pairs);
    free(data->train);
    free(data->test);
    memset(data, 0, sizeof *data);
}

uint64_t digest_add(uint64_t digest, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ byte[i]) * UINT64_C(0x100000001b3);
    return digest;
}
