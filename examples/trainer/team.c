#include "team.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
  team *of;
  unsigned number;
  pthread_t thread;
} member;

struct team {
  pthread_mutex_t lock;
  pthread_cond_t begin, end;
  member *members; /* All but the calling thread. */
  unsigned threads, busy;
  unsigned long round;
  int stop;
  work job;
  void *context;
  size_t items;
};

static void part(team *t, unsigned number) {
  size_t first = t->items * number / t->threads, next = t->items * (number + 1) / t->threads;
  if (next > first) t->job(t->context, first, next - first);
}

static void *serve(void *argument) {
  member *m = argument;
  team *t = m->of;
  unsigned long seen = 0;
  pthread_mutex_lock(&t->lock);
  for (;;) {
    while (t->round == seen && !t->stop) pthread_cond_wait(&t->begin, &t->lock);
    if (t->stop) break;
    seen = t->round;
    pthread_mutex_unlock(&t->lock);
    part(t, m->number);
    pthread_mutex_lock(&t->lock);
    if (--t->busy == 0) pthread_cond_signal(&t->end);
  }
  pthread_mutex_unlock(&t->lock);
  return NULL;
}

team *team_start(unsigned threads) {
  team *t = calloc(1, sizeof *t);
  unsigned i;
  if (!t) return NULL;
  t->members = calloc(threads, sizeof *t->members);
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->begin, NULL);
  pthread_cond_init(&t->end, NULL);
  t->threads = 1;
  for (i = 1; t->members && i < threads; i++) {
    t->members[i].of = t;
    t->members[i].number = i;
    if (pthread_create(&t->members[i].thread, NULL, serve, &t->members[i])) break;
    t->threads = i + 1;
  }
  if (t->threads == threads) return t;
  team_stop(t);
  return NULL;
}

void team_run(team *t, work job, void *context, size_t items) {
  pthread_mutex_lock(&t->lock);
  t->job = job;
  t->context = context;
  t->items = items;
  t->busy = t->threads - 1;
  t->round++;
  pthread_cond_broadcast(&t->begin);
  pthread_mutex_unlock(&t->lock);
  part(t, 0);
  pthread_mutex_lock(&t->lock);
  while (t->busy) pthread_cond_wait(&t->end, &t->lock);
  pthread_mutex_unlock(&t->lock);
}

void team_stop(team *t) {
  unsigned i;
  pthread_mutex_lock(&t->lock);
  t->stop = 1;
  pthread_cond_broadcast(&t->begin);
  pthread_mutex_unlock(&t->lock);
  for (i = 1; i < t->threads; i++) pthread_join(t->members[i].thread, NULL);
  pthread_cond_destroy(&t->begin);
  pthread_cond_destroy(&t->end);
  pthread_mutex_destroy(&t->lock);
  free(t->members);
  free(t);
}
