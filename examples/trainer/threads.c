#define _POSIX_C_SOURCE 200809L

#include "threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    struct pool *pool;
    size_t thread;
    pthread_t handle;
};

struct pool {
    size_t threads;
    pthread_mutex_t mutex;
    pthread_cond_t begin, end;
    pool_job job; /* null: the workers end */
    void *context;
    unsigned long jobs;
    size_t working;
    struct worker workers[MAX_THREADS];
};

static void *worker_main(void *argument)
{
    const struct worker *worker = argument;
    struct pool *pool = worker->pool;
    unsigned long done = 0;
    for (;;) {
        pthread_mutex_lock(&pool->mutex);
        while (pool->jobs == done)
            pthread_cond_wait(&pool->begin, &pool->mutex);
        done = pool->jobs;
        const pool_job job = pool->job;
        void *context = pool->context;
        pthread_mutex_unlock(&pool->mutex);
        if (!job)
            return NULL;
        job(context, worker->thread, pool->threads);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->working == 0)
            pthread_cond_signal(&pool->end);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void start(struct pool *pool, pool_job job, void *context)
{
    pthread_mutex_lock(&pool->mutex);
    pool->job = job;
    pool->context = context;
    pool->working = pool->threads - 1;
    pool->jobs++;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_run(struct pool *pool, pool_job job, void *context)
{
    if (pool->threads > 1)
        start(pool, job, context);
    job(context, 0, pool->threads);
    pthread_mutex_lock(&pool->mutex);
    while (pool->working > 0)
        pthread_cond_wait(&pool->end, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

struct pool *pool_new(size_t threads, struct failure *failure)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        fail_memory(failure);
        return NULL;
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        struct worker *worker = &pool->workers[pool->threads];
        worker->pool = pool;
        worker->thread = pool->threads;
        if (pthread_create(&worker->handle, NULL, worker_main, worker)) {
            fail(failure, FAILED, "could not start thread %zu of %zu", pool->threads + 1, threads);
            pool_free(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    start(pool, NULL, NULL);
    for (size_t thread = 1; thread < pool->threads; thread++)
        pthread_join(pool->workers[thread].handle, NULL);
    pthread_cond_destroy(&pool->end);
    pthread_cond_destroy(&pool->begin);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

size_t pool_threads(const struct pool *pool)
{
    return pool->threads;
}

size_t part_begin(size_t total, size_t part, size_t parts)
{
    return total / parts * part + total % parts * part / parts;
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double thread_seconds(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

double process_seconds(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double wall_seconds(void)
{
    return seconds(CLOCK_MONOTONIC);
}
