#define _POSIX_C_SOURCE 200809L
#include "loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The host's threads each bring rows; preflane starts none. */
static const preflane_run RUN = {PREFLANE_LEVEL_BEST, 1};

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

workspace *workspace_make(team *t, method how) {
  workspace *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  pthread_mutex_init(&w->lock, NULL);
  w->t = t;
  w->how = how;
  w->a.labels = w->labels;
  w->a.context = calloc(SHARD_ROWS, sizeof *w->a.context);
  w->a.input = calloc(SHARD_ROWS, sizeof *w->a.input);
  w->a.hidden = calloc(SHARD_ROWS, sizeof *w->a.hidden);
  w->a.hidden_grad = calloc(SHARD_ROWS, sizeof *w->a.hidden_grad);
  w->a.input_grad = calloc(SHARD_ROWS, sizeof *w->a.input_grad);
  w->a.logits = calloc(SHARD_ROWS, sizeof *w->a.logits);
  if (w->a.context && w->a.input && w->a.hidden && w->a.hidden_grad && w->a.input_grad && w->a.logits) return w;
  workspace_free(w);
  return NULL;
}

void workspace_free(workspace *w) {
  free(w->a.context);
  free(w->a.input);
  free(w->a.hidden);
  free(w->a.hidden_grad);
  free(w->a.input_grad);
  free(w->a.logits);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

/* --- rows */

static void load_answer(workspace *w, size_t answer, const tokens *prompt, const tokens *text) {
  size_t t, i;
  for (t = 0; t < w->tokens; t++) {
    size_t row = answer * w->tokens + t, at = prompt->count + t;
    w->labels[row] = t < text->count ? text->ids[t] : (int32_t)PREFLANE_IGNORE_INDEX;
    /* The tokens before this one; 0, which ends texts, before the first. */
    for (i = 0; i < CONTEXT; i++) {
      size_t back = CONTEXT - i;
      int32_t id = 0;
      if (t < text->count && at >= back) {
        size_t place = at - back;
        id = place < prompt->count ? prompt->ids[place] : text->ids[place - prompt->count];
      }
      w->a.context[row][i] = id;
    }
  }
}

void load_answers(workspace *w, const pair *const *pairs, size_t count, int chosen_only) {
  size_t i;
  w->answers = chosen_only ? count : 2 * count;
  w->tokens = 1;
  for (i = 0; i < count; i++) {
    if (pairs[i]->chosen.count > w->tokens) w->tokens = pairs[i]->chosen.count;
    if (!chosen_only && pairs[i]->rejected.count > w->tokens) w->tokens = pairs[i]->rejected.count;
  }
  w->a.rows = w->answers * w->tokens;
  for (i = 0; i < count; i++) {
    load_answer(w, i, &pairs[i]->prompt, &pairs[i]->chosen);
    if (!chosen_only) load_answer(w, count + i, &pairs[i]->prompt, &pairs[i]->rejected);
  }
}

/* Where chosen and rejected answers are, and how their tokens add up. */
static preflane_sequences sequences(const workspace *w) {
  preflane_sequences s;
  memset(&s, 0, sizeof s);
  s.targets = preflane_targets_i32(w->labels, w->a.rows);
  s.tokens = w->tokens;
  s.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
  s.reduction = PREFLANE_REDUCE_SUM;
  return s;
}

/* --- each thread its rows, by preflane */

static void note(workspace *w, const preflane_error *error) {
  pthread_mutex_lock(&w->lock);
  if (!w->error.code || error->row < w->error.row) w->error = *error;
  pthread_mutex_unlock(&w->lock);
}

static void token_logps_rows(void *context, size_t first, size_t count) {
  workspace *w = context;
  preflane_logits view = {NULL, 0, VOCABULARY, VOCABULARY, PREFLANE_F32, 0};
  preflane_targets targets = preflane_targets_i32(w->labels, w->a.rows);
  preflane_rows rows;
  preflane_token_outputs outputs = {0};
  preflane_error error;
  view.data = w->a.logits, view.rows = w->a.rows;
  rows.first = first, rows.count = count;
  outputs.logps = w->token_logps, outputs.log_sum_exps = w->sums;
  if (preflane_token_logps(RUN, &view, &targets, NULL, rows, &outputs, NULL, &error)) note(w, &error);
}

static void logits_grad_rows(void *context, size_t first, size_t count) {
  workspace *w = context;
  preflane_logits_mut view = {NULL, 0, VOCABULARY, VOCABULARY, PREFLANE_F32, 0};
  preflane_targets targets = preflane_targets_i32(w->labels, w->a.rows);
  preflane_gradient overwrite = {0, 0};
  preflane_rows rows;
  preflane_error error;
  view.data = w->a.logits, view.rows = w->a.rows;
  rows.first = first, rows.count = count;
  if (preflane_logits_grad_in_place(RUN, &view, &targets, NULL, rows, w->sums, w->token_grads, overwrite, &error))
    note(w, &error);
}

/* --- each thread its rows, by hand: what trainers in C do today */

static void token_logps_rows_by_hand(void *context, size_t first, size_t count) {
  workspace *w = context;
  size_t row, v;
  for (row = first; row < first + count; row++) {
    float *x = w->a.logits[row], most = -INFINITY, sum = 0.0f;
    w->token_logps[row] = 0.0f;
    if (w->labels[row] < 0) continue;
    for (v = 0; v < VOCABULARY; v++)
      if (x[v] > most) most = x[v];
    for (v = 0; v < VOCABULARY; v++) {
      x[v] = expf(x[v] - most);
      sum += x[v];
    }
    for (v = 0; v < VOCABULARY; v++) x[v] /= sum;
    w->token_logps[row] = logf(x[w->labels[row]]);
  }
}

static void logits_grad_rows_by_hand(void *context, size_t first, size_t count) {
  workspace *w = context;
  size_t row, v;
  for (row = first; row < first + count; row++) {
    float *p = w->a.logits[row], seed = w->token_grads[row];
    if (w->labels[row] < 0) continue;
    for (v = 0; v < VOCABULARY; v++) p[v] = seed * ((v == (size_t)w->labels[row] ? 1.0f : 0.0f) - p[v]);
  }
}

/* --- the three computations */

static int32_t token_logps(workspace *w, const parameters *p) {
  double start;
  w->error.code = PREFLANE_OK;
  forward(p, &w->a, 0, VOCABULARY, w->t);
  start = seconds();
  team_run(w->t, w->how == BY_PREFLANE ? token_logps_rows : token_logps_rows_by_hand, w, w->a.rows);
  w->seconds_in_loss += seconds() - start;
  return w->error.code;
}

static int32_t gradient(workspace *w, const parameters *p, parameters *grad) {
  double start = seconds();
  team_run(w->t, w->how == BY_PREFLANE ? logits_grad_rows : logits_grad_rows_by_hand, w, w->a.rows);
  w->seconds_in_loss += seconds() - start;
  if (!w->error.code) backward(p, &w->a, grad, w->t);
  return w->error.code;
}

int32_t answer_logps(workspace *w, const parameters *p, float *chosen, float *rejected) {
  preflane_sequences s = sequences(w);
  if (token_logps(w, p)) return w->error.code;
  return preflane_sequence_logps(&s, w->token_logps, chosen, rejected, &w->error);
}

int32_t supervised(workspace *w, const parameters *p, size_t batch_tokens, preflane_sum *sum, parameters *grad) {
  size_t row;
  if (token_logps(w, p)) return w->error.code;
  if (preflane_sum_add(sum, w->token_logps, w->a.rows, &w->error)) return w->error.code;
  /* Masked rows have log-probability 0 and need no gradient. */
  for (row = 0; row < w->a.rows; row++) w->token_grads[row] = w->labels[row] < 0 ? 0.0f : -1.0f / (float)batch_tokens;
  return gradient(w, p, grad);
}

int32_t preference(workspace *w, const parameters *p, double beta, const float *ref_chosen, const float *ref_rejected,
                   size_t batch_pairs, preflane_metrics *metrics, parameters *grad) {
  float chosen[SHARD_PAIRS], rejected[SHARD_PAIRS], grad_chosen[SHARD_PAIRS], grad_rejected[SHARD_PAIRS];
  preflane_sequences s = sequences(w);
  preflane_loss loss = {PREFLANE_LOSS_DPO, 0, 0.0, 0.0};
  preflane_pairs pairs = {0};
  preflane_pair_outputs outputs = {0};
  double start;
  int32_t code;
  loss.beta = beta;
  if (answer_logps(w, p, chosen, rejected)) return w->error.code;
  pairs.length = w->answers / 2;
  pairs.policy_chosen_logps = chosen, pairs.policy_rejected_logps = rejected;
  pairs.ref_chosen_logps = ref_chosen, pairs.ref_rejected_logps = ref_rejected;
  outputs.grad_chosen_logps = grad_chosen, outputs.grad_rejected_logps = grad_rejected;
  start = seconds();
  code = preflane_evaluate(RUN, &loss, &pairs, &outputs, metrics, &w->error);
  if (!code) code = preflane_token_grads(&s, grad_chosen, grad_rejected, 1.0 / (double)batch_pairs, w->token_grads, &w->error);
  w->seconds_in_loss += seconds() - start;
  return code ? code : gradient(w, p, grad);
}
