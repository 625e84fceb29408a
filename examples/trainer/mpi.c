/* The trainer, data-parallel over the ranks of MPI. */
#include "training.h"
#include "vocabulary.h"

#include <mpi.h>
#include <stdio.h>

static void gather(struct ranks *ranks, void *slots, size_t bytes)
{
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, slots, (int)(SHARDS / ranks->count * bytes), MPI_BYTE,
                  MPI_COMM_WORLD);
}

static int agree(struct ranks *ranks, struct failure *failure)
{
    int mine = failure->status == DONE ? (int)ranks->count : (int)ranks->rank, first;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (first == (int)ranks->count)
        return DONE;
    failure->rank = first;
    MPI_Bcast(failure, (int)sizeof *failure, MPI_BYTE, first, MPI_COMM_WORLD);
    return failure->status;
}

static struct ranks ranks_mpi(struct failure *failure)
{
    struct ranks ranks = { 0, 1, gather, agree };
    int rank, count;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    ranks.rank = (size_t)rank;
    ranks.count = (size_t)count;
    if (SHARDS % count)
        fail(failure, BAD_INPUT, "%d ranks; it must be 1, 2 or 4", count);
    return ranks;
}

static int train(int count, char **words, struct ranks *ranks, struct failure *failure)
{
    static struct training training;
    struct options options;
    int help;
    options_read(&options, count, words, 1, &help, failure);
    if (ranks->agree(ranks, failure))
        return failure->status;
    if (help) {
        if (ranks->rank == 0)
            options_help(words[0], 1);
        return DONE;
    }
    if (training_new(&training, &options, ranks, failure) == DONE) {
        if (options.vocabulary_parallel)
            vocabulary_parallel(&training, failure);
        else
            training_run(&training, failure);
    }
    training_free(&training);
    return failure->status;
}

int main(int count, char **words)
{
    struct failure failure = { 0 };
    int provided;
    /* Only the thread that starts MPI calls it. */
    MPI_Init_thread(&count, &words, MPI_THREAD_FUNNELED, &provided);
    struct ranks ranks = ranks_mpi(&failure);
    if (train(count, words, &ranks, &failure) != DONE) {
        fprintf(stderr, "trainer-mpi: rank %zu of %zu ends: on rank %d: %s\n", ranks.rank, ranks.count, failure.rank,
                failure.text);
        fflush(stderr);
    }
    MPI_Finalize();
    return failure.status;
}
