#include "model.h"

#include <math.h>
#include <string.h>

static uint64_t next(uint64_t *state) {
  uint64_t x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static void fill(float *to, size_t count, float range, uint64_t *state) {
  size_t i;
  for (i = 0; i < count; i++) to[i] = ((float)(next(state) >> 40) / 8388608.0f - 1.0f) * range;
}

void initialise(parameters *p, uint64_t seed) {
  fill(&p->embedding[0][0], VOCABULARY * WIDTH, 0.5f, &seed);
  fill(&p->hidden[0][0], INPUT * HIDDEN, sqrtf(6.0f / INPUT), &seed);
  fill(&p->output[0][0], HIDDEN * VOCABULARY, sqrtf(1.0f / HIDDEN), &seed);
}

/* --- forward, rows shared out among the threads */

typedef struct {
  const parameters *p;
  activations *a;
  size_t first, count;
} forward_job;

static void hidden_row(const parameters *p, activations *a, size_t row) {
  float *h = a->hidden[row];
  size_t i, j;
  for (i = 0; i < CONTEXT; i++) memcpy(&a->input[row][i * WIDTH], p->embedding[a->context[row][i]], sizeof p->embedding[0]);
  memset(h, 0, sizeof a->hidden[0]);
  for (i = 0; i < INPUT; i++)
    for (j = 0; j < HIDDEN; j++) h[j] += a->input[row][i] * p->hidden[i][j];
  for (j = 0; j < HIDDEN; j++) h[j] = h[j] > 0.0f ? h[j] : 0.0f;
}

/* Tiles keep a part of the weights in the cache for many rows; each sum still goes through the hidden units in order. */
enum { TILE = 512, ROW_TILE = 32, UNROLLED = 4 };

static void logits_tile(const parameters *p, activations *a, size_t row, size_t last, size_t column, size_t end) {
  size_t r, k, v;
  for (r = row; r < last; r++) {
    float *x = a->logits[r];
    const float *h = a->hidden[r];
    if (a->labels[r] < 0) continue;
    for (v = column; v < end; v++) x[v] = 0.0f;
    for (k = 0; k < HIDDEN; k += UNROLLED) {
      const float *w0 = p->output[k], *w1 = p->output[k + 1], *w2 = p->output[k + 2], *w3 = p->output[k + 3];
      for (v = column; v < end; v++) x[v] = (((x[v] + h[k] * w0[v]) + h[k + 1] * w1[v]) + h[k + 2] * w2[v]) + h[k + 3] * w3[v];
    }
  }
}

static void forward_rows(void *context, size_t first, size_t count) {
  forward_job *job = context;
  size_t row, column, end = job->first + job->count;
  for (row = first; row < first + count; row++)
    if (job->a->labels[row] >= 0) hidden_row(job->p, job->a, row);
  for (row = first; row < first + count; row += ROW_TILE)
    for (column = job->first; column < end; column += TILE)
      logits_tile(job->p, job->a, row, row + ROW_TILE < first + count ? row + ROW_TILE : first + count, column,
                  column + TILE < end ? column + TILE : end);
}

void forward(const parameters *p, activations *a, size_t first, size_t count, team *t) {
  forward_job job;
  job.p = p, job.a = a, job.first = first, job.count = count;
  team_run(t, forward_rows, &job, a->rows);
}

/* --- backward: first by rows, then by parameters */

typedef struct {
  const parameters *p;
  activations *a;
  parameters *grad;
} backward_job;

enum { LANES = 16 };

/* Sixteen sums side by side and then their sum: an order that the code fixes and a compiler can make vectors of. */
static float dot(const float *x, const float *y, size_t count) {
  float lanes[LANES] = {0}, sum = 0.0f;
  size_t i, lane;
  for (i = 0; i < count; i += LANES)
    for (lane = 0; lane < LANES; lane++) lanes[lane] += x[i + lane] * y[i + lane];
  for (lane = 0; lane < LANES; lane++) sum += lanes[lane];
  return sum;
}

/* Rows whose logits stay in the cache while all weights go by. */
enum { BACK_TILE = 8 };

static void backward_rows(void *context, size_t first, size_t count) {
  backward_job *job = context;
  activations *a = job->a;
  size_t tile, row, i, j, end = first + count;
  for (tile = first; tile < end; tile += BACK_TILE) {
    size_t last = tile + BACK_TILE < end ? tile + BACK_TILE : end;
    for (j = 0; j < HIDDEN; j++)
      for (row = tile; row < last; row++)
        if (a->labels[row] >= 0)
          a->hidden_grad[row][j] = a->hidden[row][j] > 0.0f ? dot(job->p->output[j], a->logits[row], VOCABULARY) : 0.0f;
    for (i = 0; i < INPUT; i++)
      for (row = tile; row < last; row++)
        if (a->labels[row] >= 0) a->input_grad[row][i] = dot(job->p->hidden[i], a->hidden_grad[row], HIDDEN);
  }
}

static void output_grads(void *context, size_t first, size_t count) {
  backward_job *job = context;
  size_t tile, j, row, v;
  memset(job->grad->output[first], 0, count * sizeof job->grad->output[0]);
  for (tile = 0; tile < VOCABULARY; tile += TILE)
    for (row = 0; row < job->a->rows; row++) {
      const float *dx = job->a->logits[row];
      if (job->a->labels[row] < 0) continue;
      for (j = first; j < first + count; j++) {
        float *g = job->grad->output[j], h = job->a->hidden[row][j];
        /* Adding zeros would not change the sum. */
        if (h == 0.0f) continue;
        for (v = tile; v < tile + TILE; v++) g[v] += h * dx[v];
      }
    }
}

static void hidden_grads(void *context, size_t first, size_t count) {
  backward_job *job = context;
  size_t i, row, j;
  for (i = first; i < first + count; i++) {
    float *g = job->grad->hidden[i];
    memset(g, 0, sizeof job->grad->hidden[i]);
    for (row = 0; row < job->a->rows; row++) {
      float x = job->a->input[row][i];
      if (job->a->labels[row] < 0) continue;
      for (j = 0; j < HIDDEN; j++) g[j] += x * job->a->hidden_grad[row][j];
    }
  }
}

/* Each thread looks at all rows for the tokens that are its own. */
static void embedding_grads(void *context, size_t first, size_t count) {
  backward_job *job = context;
  size_t row, i, d;
  memset(job->grad->embedding[first], 0, count * sizeof job->grad->embedding[0]);
  for (row = 0; row < job->a->rows; row++) {
    if (job->a->labels[row] < 0) continue;
    for (i = 0; i < CONTEXT; i++) {
      size_t token = (size_t)job->a->context[row][i];
      if (token < first || token >= first + count) continue;
      for (d = 0; d < WIDTH; d++) job->grad->embedding[token][d] += job->a->input_grad[row][i * WIDTH + d];
    }
  }
}

void backward(const parameters *p, activations *a, parameters *grad, team *t) {
  backward_job job;
  job.p = p, job.a = a, job.grad = grad;
  team_run(t, backward_rows, &job, a->rows);
  team_run(t, output_grads, &job, HIDDEN);
  team_run(t, hidden_grads, &job, INPUT);
  team_run(t, embedding_grads, &job, VOCABULARY);
}

/* --- parameters as one block of floats */

enum { PARAMETERS = sizeof(parameters) / sizeof(float) };

typedef struct {
  float *p, *first, *second;
  const float *grad;
  float rate, first_correction, second_correction;
} adam_job;

static void adam_range(void *context, size_t first, size_t count) {
  adam_job *job = context;
  size_t i;
  for (i = first; i < first + count; i++) {
    float g = job->grad[i];
    float m = job->first[i] = 0.9f * job->first[i] + 0.1f * g;
    float v = job->second[i] = 0.99f * job->second[i] + 0.01f * (g * g);
    job->p[i] -= job->rate * (m / job->first_correction) / (sqrtf(v / job->second_correction) + 1e-8f);
  }
}

void adam_start(adam *state) {
  memset(state, 0, sizeof *state);
  state->first_power = state->second_power = 1.0f;
}

void adam_step(parameters *p, const parameters *grad, adam *state, float rate, team *t) {
  adam_job job;
  state->first_power *= 0.9f;
  state->second_power *= 0.99f;
  job.p = (float *)p, job.first = (float *)&state->first, job.second = (float *)&state->second;
  job.grad = (const float *)grad;
  job.rate = rate;
  job.first_correction = 1.0f - state->first_power, job.second_correction = 1.0f - state->second_power;
  team_run(t, adam_range, &job, PARAMETERS);
}

typedef struct {
  float *into;
  const float *more;
} add_job;

static void add_range(void *context, size_t first, size_t count) {
  add_job *job = context;
  size_t i;
  for (i = first; i < first + count; i++) job->into[i] += job->more[i];
}

void add_gradient(parameters *into, const parameters *more, team *t) {
  add_job job;
  job.into = (float *)into, job.more = (const float *)more;
  team_run(t, add_range, &job, PARAMETERS);
}
