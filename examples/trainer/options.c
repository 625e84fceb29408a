#include "options.h"

#include "data.h"
#include "threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "usage: %s [options] [pairs.jsonl]\n"
    "\n"
    "Trains a small language model on the chosen answers, then with DPO on the pairs.\n"
    "The bits of all results depend on the seed, the pairs and the sizes, not on threads or ranks.\n"
    "\n"
    "  --short                   a small run of some seconds: a smaller model, answers of 48 tokens\n"
    "  --threads N               threads of this process (default 1)\n"
    "  --seed N                  of the first parameters and the order of the pairs (default 1)\n"
    "  --softmax WAY             preflane (default) or handwritten, to compare the time\n"
    "  --batch N                 pairs a step (default 8)\n"
    "  --answer-tokens N         cuts longer answers (default 128)\n"
    "  --supervised-epochs N, --dpo-epochs N\n"
    "  --supervised-rate X, --dpo-rate X\n"
    "                            learning rates\n"
    "  --beta X                  of DPO (default 0.1)\n"
    "  --steps N                 at most N steps in each phase\n"
    "  --help\n";

static const char RANKS_HELP[] =
    "\n"
    "With several ranks (1, 2 or 4; start it with mpirun):\n"
    "  --vocabulary-parallel     instead of DPO: log-probabilities of held-out tokens with the vocabulary cut among the\n"
    "                            ranks, compared with those of whole rows\n"
    "  --fail-on-rank R          rank R meets a label that is out of range: all ranks end with its message\n"
    "  --die-on-rank R           rank R is aborted\n";

static void defaults(struct options *options)
{
    memset(options, 0, sizeof *options);
    options->data = "pairs.jsonl";
    options->model.vocabulary = VOCABULARY;
    options->model.context = 8;
    options->model.embedding = 32;
    options->model.hidden = 64;
    options->seed = 1;
    options->threads = 1;
    options->batch = 8;
    options->answer_tokens = 128;
    options->supervised_epochs = 4;
    options->dpo_epochs = 2;
    options->steps = (size_t)-1;
    options->print_every = 10;
    options->beta = 0.1;
    options->supervised_rate = 3e-3;
    options->dpo_rate = 3e-4;
    options->fail_on_rank = options->die_on_rank = -1;
}

static void make_short(struct options *options)
{
    options->model.context = 4;
    options->model.embedding = 16;
    options->model.hidden = 32;
    options->answer_tokens = 48;
    options->supervised_epochs = 3;
    options->dpo_epochs = 2;
}

static int read_whole(const char *name, const char *word, size_t least, size_t most, size_t *value,
                      struct failure *failure)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(word, &end, 10);
    if (errno || *word < '0' || *word > '9' || *end || number < least || number > most)
        return fail(failure, BAD_INPUT, "%s must be a whole number from %zu to %zu, not \"%s\"", name, least, most, word);
    *value = (size_t)number;
    return DONE;
}

static int read_real(const char *name, const char *word, double *value, struct failure *failure)
{
    char *end;
    *value = strtod(word, &end);
    if (end == word || *end || !(*value > 0 && *value <= 1000))
        return fail(failure, BAD_INPUT, "%s must be a number above 0 and at most 1000, not \"%s\"", name, word);
    return DONE;
}

static int read_value(struct options *options, const char *name, const char *word, int several_ranks,
                      struct failure *failure)
{
    const size_t any = (size_t)-1 / 2;
    size_t number = 0;
    if (!strcmp(name, "--threads"))
        return read_whole(name, word, 1, MAX_THREADS, &options->threads, failure);
    if (!strcmp(name, "--batch"))
        return read_whole(name, word, 1, 1024, &options->batch, failure);
    if (!strcmp(name, "--answer-tokens"))
        return read_whole(name, word, 1, 65536, &options->answer_tokens, failure);
    if (!strcmp(name, "--supervised-epochs"))
        return read_whole(name, word, 0, 100000, &options->supervised_epochs, failure);
    if (!strcmp(name, "--dpo-epochs"))
        return read_whole(name, word, 0, 100000, &options->dpo_epochs, failure);
    if (!strcmp(name, "--steps"))
        return read_whole(name, word, 0, any, &options->steps, failure);
    if (!strcmp(name, "--supervised-rate"))
        return read_real(name, word, &options->supervised_rate, failure);
    if (!strcmp(name, "--dpo-rate"))
        return read_real(name, word, &options->dpo_rate, failure);
    if (!strcmp(name, "--beta"))
        return read_real(name, word, &options->beta, failure);
    if (!strcmp(name, "--seed")) {
        read_whole(name, word, 0, any, &number, failure);
        options->seed = number;
        return failure->status;
    }
    if (!strcmp(name, "--softmax")) {
        options->handwritten = !strcmp(word, "handwritten");
        if (!options->handwritten && strcmp(word, "preflane"))
            return fail(failure, BAD_INPUT, "--softmax must be preflane or handwritten, not \"%s\"", word);
        return DONE;
    }
    if (several_ranks && (!strcmp(name, "--fail-on-rank") || !strcmp(name, "--die-on-rank"))) {
        read_whole(name, word, 0, 3, &number, failure);
        *(name[2] == 'f' ? &options->fail_on_rank : &options->die_on_rank) = (int)number;
        return failure->status;
    }
    return fail(failure, BAD_INPUT, "unknown option %s; see --help", name);
}

int options_read(struct options *options, int count, char **words, int several_ranks, int *help, struct failure *failure)
{
    int files = 0;
    *help = 0;
    defaults(options);
    /* First the sizes, so that --short may stand anywhere. */
    for (int i = 1; i < count; i++)
        if (!strcmp(words[i], "--short"))
            make_short(options);
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (!strcmp(word, "--short"))
            continue;
        if (!strcmp(word, "--help")) {
            *help = 1;
            return DONE;
        }
        if (several_ranks && !strcmp(word, "--vocabulary-parallel")) {
            options->vocabulary_parallel = 1;
        } else if (word[0] == '-') {
            /* A missing value is an empty one: no option takes that. */
            if (read_value(options, word, ++i < count ? words[i] : "", several_ranks, failure))
                return failure->status;
        } else if (files++) {
            return fail(failure, BAD_INPUT, "one file of pairs at most; \"%s\" is another", word);
        } else {
            options->data = word;
        }
    }
    return DONE;
}

void options_help(const char *program, int several_ranks)
{
    printf(HELP, program);
    if (several_ranks)
        fputs(RANKS_HELP, stdout);
}
