/* A trainer in one process, with threads of its own. */
#include "training.h"

#include <stdio.h>

int main(int count, char **words)
{
    static struct training training;
    struct options options;
    struct failure failure = { 0 };
    struct ranks ranks = ranks_single();
    int help;
    if (options_read(&options, count, words, 0, &help, &failure) == DONE && help) {
        options_help(words[0], 0);
        return DONE;
    }
    if (failure.status == DONE) {
        if (training_new(&training, &options, &ranks, &failure) == DONE)
            training_run(&training, &failure);
        training_free(&training);
    }
    if (failure.status != DONE)
        fprintf(stderr, "trainer: %s\n", failure.text);
    return failure.status;
}
