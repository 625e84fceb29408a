/* From logits to loss and back, by preflane or by hand. */
#ifndef LOSS_H
#define LOSS_H

#include <preflane.h>
#include <pthread.h>

#include "model.h"

/* What a shard of a batch may hold. */
enum { SHARD_ANSWERS = 4, SHARD_PAIRS = SHARD_ANSWERS / 2, SHARD_ROWS = SHARD_ANSWERS * MOST_TOKENS };

typedef enum { BY_PREFLANE, BY_HAND } method;

typedef struct {
  activations a;
  size_t answers, tokens; /* Rows are [answers, tokens]; padding is masked. */
  int32_t labels[SHARD_ROWS];
  float token_logps[SHARD_ROWS], token_grads[SHARD_ROWS];
  preflane_log_sum_exp sums[SHARD_ROWS];
  method how;
  team *t;
  double seconds_in_loss;
  pthread_mutex_t lock;
  preflane_error error; /* Of the threads that failed, the one with the lowest row. */
} workspace;

/* NULL without memory. */
workspace *workspace_make(team *t, method how);
void workspace_free(workspace *w);

double seconds(void);

/* The rows of some pairs: all chosen answers and then, unless `chosen_only`, all rejected ones. */
void load_answers(workspace *w, const pair *const *pairs, size_t count, int chosen_only);

/* Each of these returns a preflane_code; w->error then says more. */

/* The log-probabilities of the loaded pairs' answers. */
int32_t answer_logps(workspace *w, const parameters *p, float *chosen, float *rejected);
/* Cross entropy of the loaded chosen answers: adds token log-probs to `sum`, overwrites `grad`, divided by `batch_tokens`. */
int32_t supervised(workspace *w, const parameters *p, size_t batch_tokens, preflane_sum *sum, parameters *grad);
/* DPO on the loaded pairs: adds to `metrics`, overwrites `grad`, divided by `batch_pairs`. */
int32_t preference(workspace *w, const parameters *p, double beta, const float *ref_chosen, const float *ref_rejected,
                   size_t batch_pairs, preflane_metrics *metrics, parameters *grad);

#endif
