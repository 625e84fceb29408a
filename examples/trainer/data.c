#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line being read, and what is wrong with it. */
typedef struct {
  const char *at;
  const char *wrong;
} reader;

static void skip_space(reader *r) {
  while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r') r->at++;
}

static int take(reader *r, char what) {
  skip_space(r);
  if (*r->at != what) return 0;
  r->at++;
  return 1;
}

/* A string without escapes, which is all that these files hold; the text stays in the line. */
static int read_string(reader *r, const char **start, size_t *length) {
  if (!take(r, '"')) return 0;
  *start = r->at;
  while (*r->at && *r->at != '"' && *r->at != '\\') r->at++;
  *length = (size_t)(r->at - *start);
  return take(r, '"');
}

static int read_tokens(reader *r, tokens *out) {
  size_t room = 0;
  if (out->ids) {
    r->wrong = "a key that comes twice";
    return 0;
  }
  if (!take(r, '[')) {
    r->wrong = "an array of token ids is needed";
    return 0;
  }
  if (take(r, ']')) return 1;
  do {
    char *end;
    long id;
    skip_space(r);
    errno = 0;
    id = strtol(r->at, &end, 10);
    if (end == r->at || *r->at == '+' || *end == '.' || *end == 'e' || *end == 'E') {
      r->wrong = "a token id is not an integer";
      return 0;
    }
    if (errno || id < 0 || id >= VOCABULARY) {
      r->wrong = "a token id lies outside the vocabulary of 4096";
      return 0;
    }
    r->at = end;
    if (out->count == room) {
      int32_t *grown = realloc(out->ids, (room = room ? 2 * room : 64) * sizeof *grown);
      if (!grown) {
        r->wrong = "out of memory";
        return 0;
      }
      out->ids = grown;
    }
    out->ids[out->count++] = (int32_t)id;
  } while (take(r, ','));
  if (take(r, ']')) return 1;
  r->wrong = "an array that does not end";
  return 0;
}

static void free_pair(pair *p) {
  free(p->prompt.ids);
  free(p->chosen.ids);
  free(p->rejected.ids);
}

/* One line: fills the pair, says which split it belongs to (1 train, 2 test, 0 wrong). */
static int read_pair(reader *r, pair *out) {
  int split = 0;
  r->wrong = "not an object of strings and arrays of token ids";
  if (!take(r, '{')) return 0;
  do {
    const char *key, *text;
    size_t length, text_length;
    if (!read_string(r, &key, &length) || !take(r, ':')) return 0;
    if (length == 6 && !memcmp(key, "prompt", 6)) {
      if (!read_tokens(r, &out->prompt)) return 0;
    } else if (length == 6 && !memcmp(key, "chosen", 6)) {
      if (!read_tokens(r, &out->chosen)) return 0;
    } else if (length == 8 && !memcmp(key, "rejected", 8)) {
      if (!read_tokens(r, &out->rejected)) return 0;
    } else {
      if (!read_string(r, &text, &text_length)) return 0;
      if (length == 5 && !memcmp(key, "split", 5)) {
        split = text_length == 5 && !memcmp(text, "train", 5) ? 1 : text_length == 4 && !memcmp(text, "test", 4) ? 2 : 0;
        if (!split) {
          r->wrong = "split must be train or test";
          return 0;
        }
      }
    }
  } while (take(r, ','));
  if (!take(r, '}')) return 0;
  skip_space(r);
  if (*r->at) {
    r->wrong = "something follows the object";
    return 0;
  }
  if (!split) r->wrong = "split is missing";
  if (!out->chosen.count || !out->rejected.count || out->chosen.count > MOST_TOKENS || out->rejected.count > MOST_TOKENS) {
    r->wrong = "chosen and rejected need 1 to 256 tokens each";
    return 0;
  }
  return split;
}

static int append(pair_list *list, pair p) {
  /* Grows at powers of two. */
  if ((list->count & (list->count - 1)) == 0) {
    pair *grown = realloc(list->pairs, (list->count ? 2 * list->count : 1) * sizeof p);
    if (!grown) return 0;
    list->pairs = grown;
  }
  list->pairs[list->count++] = p;
  return 1;
}

/* A whole line without its end; NULL at the end of the file. */
static char *read_line(FILE *file, char **line, size_t *room) {
  size_t length = 0;
  int c;
  while ((c = getc(file)) != EOF && c != '\n') {
    if (length + 2 > *room) {
      char *grown = realloc(*line, *room = *room ? 2 * *room : 4096);
      if (!grown) return NULL;
      *line = grown;
    }
    /* A zero byte would hide the rest of the line. */
    (*line)[length++] = (char)(c ? c : '?');
  }
  if (c == EOF && !length) return NULL;
  if (!*line && !(*line = malloc(*room = 64))) return NULL;
  (*line)[length] = 0;
  return *line;
}

int load_pairs(const char *path, dataset *data, char *message, size_t size) {
  FILE *file = fopen(path, "rb");
  char *line = NULL;
  size_t room = 0, number = 0;
  int good = 1;
  memset(data, 0, sizeof *data);
  if (!file) {
    snprintf(message, size, "%s: %s", path, strerror(errno));
    return 0;
  }
  while (good && read_line(file, &line, &room)) {
    reader r = {NULL, NULL};
    pair p = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    int split;
    r.at = line;
    number++;
    split = read_pair(&r, &p);
    if (!split || !append(split == 1 ? &data->train : &data->test, p)) {
      snprintf(message, size, "%s:%lu: %s", path, (unsigned long)number, split ? "out of memory" : r.wrong);
      free_pair(&p);
      good = 0;
    }
  }
  if (good && ferror(file)) {
    snprintf(message, size, "%s: cannot be read", path);
    good = 0;
  }
  if (good && (!data->train.count || !data->test.count)) {
    snprintf(message, size, "%s: has %lu train and %lu test pairs; both are needed", path,
             (unsigned long)data->train.count, (unsigned long)data->test.count);
    good = 0;
  }
  free(line);
  fclose(file);
  if (!good) free_pairs(data);
  return good;
}

static void cut(pair_list *list, size_t count) {
  while (list->count > count) free_pair(&list->pairs[--list->count]);
}

void keep_pairs(dataset *data, size_t train, size_t test) {
  cut(&data->train, train);
  cut(&data->test, test);
}

static void free_list(pair_list *list) {
  cut(list, 0);
  free(list->pairs);
  list->pairs = NULL;
}

void free_pairs(dataset *data) {
  free_list(&data->train);
  free_list(&data->test);
}
