/* The trainer's own threads. They wait between jobs; the caller works as thread 0. */
#ifndef TRAINER_THREADS_H
#define TRAINER_THREADS_H

#include "failure.h"

#include <stddef.h>

enum { MAX_THREADS = 64 };

struct pool;

typedef void (*pool_job)(void *context, size_t thread, size_t threads);

struct pool *pool_new(size_t threads, struct failure *failure);
void pool_free(struct pool *pool);
size_t pool_threads(const struct pool *pool);

/* Runs the job once on each thread and waits for all. */
void pool_run(struct pool *pool, pool_job job, void *context);

/* Where part `part` of `parts` begins in 0..total; part `parts` is the end. */
size_t part_begin(size_t total, size_t part, size_t parts);

/* CPU seconds of the calling thread, and of the process. */
double thread_seconds(void);
double process_seconds(void);
/* Seconds by the clock. */
double wall_seconds(void);

#endif
