/* Every function of the interface that computes, on ordinary and on real inputs: what programs need that watch the calls.
 *
 * The program that includes this defines what is done around each call:
 *   static void before(const char *function);
 *   static void after(const char *function, int32_t code, const char *message);
 */
#ifndef PREFLANE_TEST_CALLS_H
#define PREFLANE_TEST_CALLS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preflane.h"

static void before(const char *function);
static void after(const char *function, int32_t code, const char *message);

static preflane_error call_error;
#define CALL(function, arguments)                                \
  do {                                                           \
    int32_t call_code;                                           \
    before(#function);                                           \
    call_code = function arguments;                              \
    after(#function, call_code, call_code ? call_error.message : ""); \
  } while (0)

/* A small generator: the same numbers everywhere. */
static uint32_t calls_state = 2463534242u;
static float uniform(void) {
  calls_state = calls_state * 1664525u + 1013904223u;
  return (float)(int32_t)(calls_state >> 8) / 8388608.0f - 1.0f;
}

enum { MOST_PAIRS = 1200, MOST_COLUMNS = 4099, CALL_ROWS = 8 };

/* Log-probabilities of pairs: policy chosen, policy rejected, reference chosen, reference rejected. */
static float pair_inputs[4][MOST_PAIRS], pair_weights[MOST_PAIRS], pair_results[9][MOST_PAIRS];

static void every_loss(preflane_run run, size_t pairs, int weighted, int reference_free) {
  static const preflane_loss LOSSES[] = {
      {PREFLANE_LOSS_DPO, 0, 0.1, 0},      {PREFLANE_LOSS_DPO, 0, 2.5, 0},     {PREFLANE_LOSS_CDPO, 0, 0.1, 0.1},
      {PREFLANE_LOSS_CDPO, 0, 0.3, 0},     {PREFLANE_LOSS_ROBUST, 0, 0.1, 0.2}, {PREFLANE_LOSS_IPO, 0, 0.1, 0},
      {PREFLANE_LOSS_IPO, 0, 0.05, 0},     {PREFLANE_LOSS_HINGE, 0, 0.5, 0},
  };
  static preflane_metrics total, part;
  static preflane_sum sum;
  preflane_pairs in = {0, NULL, NULL, NULL, NULL, NULL, 0, 0};
  preflane_report report;
  size_t i;
  float value, mean;
  memset(&total, 0, sizeof total);
  memset(&sum, 0, sizeof sum);
  in.length = pairs;
  in.policy_chosen_logps = pair_inputs[0], in.policy_rejected_logps = pair_inputs[1];
  if (!reference_free) in.ref_chosen_logps = pair_inputs[2], in.ref_rejected_logps = pair_inputs[3];
  if (weighted) in.weights = pair_weights;
  in.reference_free = reference_free;
  for (i = 0; i < sizeof LOSSES / sizeof LOSSES[0]; i++) {
    preflane_pair_outputs out;
    out.losses = pair_results[0], out.chosen_rewards = pair_results[1], out.rejected_rewards = pair_results[2];
    out.margins = pair_results[3], out.grad_chosen_logps = pair_results[4], out.grad_rejected_logps = pair_results[5];
    out.grad_ref_chosen_logps = pair_results[6], out.grad_ref_rejected_logps = pair_results[7];
    out.grad_beta = pair_results[8];
    memset(&part, 0, sizeof part);
    CALL(preflane_evaluate, (run, &LOSSES[i], &in, &out, &part, &call_error));
    CALL(preflane_metrics_merge, (&total, &part, &call_error));
    CALL(preflane_metrics_report, (&total, &report, &call_error));
    CALL(preflane_sum_add, (&sum, pair_results[0], pairs, &call_error));
    CALL(preflane_sum_merge, (&sum, &part.margins, &call_error));
    CALL(preflane_sum_value, (&sum, pairs, &value, &mean, &call_error));
  }
}

static void all_pairs(preflane_run run) {
  /* Whole groups of lanes and what is left of them, on every level. */
  static const size_t LENGTHS[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 512, 513, 1200};
  size_t kind, i, j;
  for (kind = 0; kind < 5; kind++) {
    for (i = 0; i < MOST_PAIRS; i++) {
      float base = -60.0f + 50.0f * uniform();
      pair_weights[i] = i % 5 == 0 ? 0.0f : 1.0f + uniform();
      for (j = 0; j < 4; j++) {
        switch (kind) {
          case 0: pair_inputs[j][i] = base + 3.0f * uniform(); break;          /* as they come */
          case 1: pair_inputs[j][i] = base; break;                             /* all alike: margins of 0 */
          case 2: pair_inputs[j][i] = -1500.0f + 1400.0f * uniform(); break;   /* saturated */
          case 3: pair_inputs[j][i] = j == 0 ? base + 10.0f : base; break;     /* where losses of IPO and hinge are 0 */
          default: pair_inputs[j][i] = j % 2 ? -1e-6f * (float)i : -1e5f; break; /* sizes apart */
        }
      }
    }
    for (i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) every_loss(run, LENGTHS[i], i % 2 == 0, i % 3 == 0);
  }
}

/* Pairs of models: four columns after one another, little-endian floats. */
static size_t real_pairs(const char *path) {
  FILE *file = fopen(path, "rb");
  static unsigned char bytes[16 * MOST_PAIRS];
  size_t length = file ? fread(bytes, 1, sizeof bytes, file) : 0, pairs = length / 16, i;
  if (file) fclose(file);
  for (i = 0; i < 4 * pairs; i++) {
    const unsigned char *b = bytes + 4 * i;
    uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    memcpy(&pair_inputs[i / pairs][i % pairs], &bits, sizeof bits);
    pair_weights[i % pairs] = 1.0f;
  }
  return pairs;
}

/* Two answers of four tokens each, some masked: one pair. */
static float row_logits[CALL_ROWS * MOST_COLUMNS], row_grads[CALL_ROWS * MOST_COLUMNS], row_results[6][CALL_ROWS];
static uint16_t row_halves[2][CALL_ROWS * MOST_COLUMNS];
static preflane_log_sum_exp row_sums[CALL_ROWS];
static uint8_t row_top1[CALL_ROWS];
static int32_t row_labels[CALL_ROWS];

static void every_row_call(preflane_run run, int32_t dtype, size_t columns, size_t stride, const preflane_scaling *scaling,
                           int plain) {
  static preflane_metrics metrics;
  static float by_pair[8];
  const preflane_rows rows = {0, SIZE_MAX};
  const preflane_gradient overwrite = {0, 1}, add = {1, 0};
  const void *data = dtype == PREFLANE_F32 ? (const void *)row_logits : row_halves[0];
  void *grads = dtype == PREFLANE_F32 ? (void *)row_grads : row_halves[1];
  size_t size = dtype == PREFLANE_F32 ? sizeof(float) : sizeof(uint16_t), part;
  preflane_logits in = {NULL, CALL_ROWS, 0, 0, 0, 0};
  preflane_logits_mut out = {NULL, CALL_ROWS, 0, 0, 0, 0};
  preflane_token_outputs outputs;
  preflane_token_counts counts;
  preflane_sequences sequences;
  int32_t reduction;
  in.data = data, in.columns = columns, in.stride = stride, in.dtype = dtype;
  out.data = grads, out.columns = columns, out.stride = stride, out.dtype = dtype;
  memset(&sequences, 0, sizeof sequences);
  sequences.targets = preflane_targets_i32(row_labels, CALL_ROWS);
  sequences.tokens = 4;
  sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
  outputs.logps = row_results[0], outputs.log_sum_exps = row_sums, outputs.entropies = row_results[1];
  outputs.log_sum_squares = row_results[2], outputs.mean_logits = row_results[3], outputs.top1 = row_top1;
  if (plain) outputs.entropies = outputs.log_sum_squares = outputs.mean_logits = NULL, outputs.top1 = NULL;
  CALL(preflane_token_logps, (run, &in, &sequences.targets, scaling, rows, &outputs, &counts, &call_error));
  for (reduction = PREFLANE_REDUCE_SUM; reduction <= PREFLANE_REDUCE_LENGTH_DESENSITIZED; reduction++) {
    sequences.reduction = reduction;
    sequences.alpha = reduction == PREFLANE_REDUCE_LENGTH_DESENSITIZED ? 0.5 : 0;
    CALL(preflane_sequence_logps, (&sequences, row_results[0], by_pair, by_pair + 1, &call_error));
    CALL(preflane_token_grads, (&sequences, by_pair, by_pair + 1, 0.01, row_results[4], &call_error));
  }
  sequences.reduction = PREFLANE_REDUCE_SUM, sequences.alpha = 0;
  for (part = 0; part < CALL_ROWS; part++) row_results[4][part] = 0.25f * uniform();
  row_results[4][3] = 0.0f;
  CALL(preflane_logits_grad,
       (run, &in, &sequences.targets, scaling, rows, row_sums, row_results[4], overwrite, &out, &call_error));
  CALL(preflane_logits_grad,
       (run, &in, &sequences.targets, scaling, rows, row_sums, row_results[4], add, &out, &call_error));
  memcpy(grads, data, size * (CALL_ROWS * stride));
  CALL(preflane_logits_grad_in_place,
       (run, &out, &sequences.targets, scaling, rows, row_sums, row_results[4], overwrite, &call_error));
  {
    static const preflane_loss DPO = {PREFLANE_LOSS_DPO, 0, 0.1, 0};
    float reference[2] = {-20, -21};
    preflane_step step;
    preflane_step_buffers buffers;
    preflane_step_outputs results;
    memset(&step, 0, sizeof step);
    step.loss = DPO, step.sequences = sequences, step.scaling = scaling, step.grad_scale = 1;
    step.ref_chosen_logps = reference, step.ref_rejected_logps = reference + 1;
    buffers.token_logps = row_results[0], buffers.log_sum_exps = row_sums, buffers.token_grads = row_results[4];
    buffers.chosen_logps = by_pair, buffers.rejected_logps = by_pair + 1;
    buffers.grad_chosen_logps = by_pair + 2, buffers.grad_rejected_logps = by_pair + 3;
    results.losses = by_pair + 4, results.chosen_rewards = by_pair + 5, results.rejected_rewards = by_pair + 6;
    results.margins = by_pair + 7;
    memcpy(grads, data, size * (CALL_ROWS * stride));
    memset(&metrics, 0, sizeof metrics);
    CALL(preflane_step_run, (run, &step, &out, &buffers, &results, &metrics, &counts, &call_error));
  }
  {
    /* The first row in two shards, which are merged. */
    static preflane_row_sum whole, shard;
    preflane_log_sum_exp sum;
    float logp;
    size_t half = columns / 2;
    CALL(preflane_row_sum_init, (&whole, scaling, &call_error));
    CALL(preflane_row_sum_init, (&shard, scaling, &call_error));
    CALL(preflane_row_sum_add, (run, &whole, data, dtype, half, -1, &call_error));
    CALL(preflane_row_sum_add,
         (run, &shard, (const char *)data + size * half, dtype, columns - half, 0, &call_error));
    CALL(preflane_row_sum_merge, (&whole, &shard, &call_error));
    CALL(preflane_row_sum_value, (&whole, &sum, &logp, &call_error));
  }
}

/* A float as bfloat16 or as IEEE half, rounded towards 0; halves are within their range here. */
static uint16_t narrow(float x, int32_t dtype) {
  uint32_t bits, magnitude;
  memcpy(&bits, &x, sizeof bits);
  if (dtype == PREFLANE_BF16) return (uint16_t)(bits >> 16);
  magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return (uint16_t)(bits >> 16 & 0x8000) | 0x7c00;
  return (uint16_t)((bits >> 16 & 0x8000) | (magnitude < 0x38800000 ? 0 : (magnitude - 0x38000000) >> 13));
}

static void every_type(preflane_run run, size_t columns, size_t stride) {
  static const preflane_scaling SCALINGS[] = {{0.7, 1, 0}, {1, 0.0625, 0}, {1, 1, 30}, {0.5, 2, 50}};
  int32_t dtype;
  size_t i;
  for (i = 0; i < CALL_ROWS; i++) row_labels[i] = i % 4 == 1 ? -100 : (int32_t)(i * 31 % columns);
  for (dtype = PREFLANE_F32; dtype <= PREFLANE_F16; dtype++) {
    for (i = 0; dtype != PREFLANE_F32 && i < CALL_ROWS * stride; i++) row_halves[0][i] = narrow(row_logits[i], dtype);
    every_row_call(run, dtype, columns, stride, NULL, 0);
    every_row_call(run, dtype, columns, stride, NULL, 1);
    for (i = 0; i < sizeof SCALINGS / sizeof SCALINGS[0]; i++) every_row_call(run, dtype, columns, stride, &SCALINGS[i], 0);
  }
}

static void all_rows(preflane_run run) {
  static const size_t COLUMNS[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40, 65, 2047, 2048, 2049, 4096};
  size_t kind, i, row, column;
  for (kind = 0; kind < 6; kind++) {
    for (i = 0; i < sizeof COLUMNS / sizeof COLUMNS[0]; i++) {
      size_t columns = COLUMNS[i], stride = columns + i % 4;
      /* The longest ones once: it is the ends of rows that differ. */
      if (columns > 100 && kind % 2) continue;
      for (row = 0; row < CALL_ROWS; row++) {
        for (column = 0; column < stride; column++) {
          float x = uniform();
          switch (kind) {
            case 0: x *= 8.0f; break;                                         /* as they come */
            case 1: x = 0.5f; break;                                          /* all alike */
            case 2: x = column == row * 31 % columns ? 30.0f : 3.0f * x; break; /* nearly certain */
            case 3: x = column % 3 == 1 ? -INFINITY : 5.0f * x; break;        /* masked columns */
            case 4: x *= 1000.0f; break;                                      /* far apart */
            default: x = 0.0f; break;
          }
          /* What lies between the columns and the stride is nobody's. */
          row_logits[row * stride + column] = column < columns ? x : NAN;
        }
        if (kind == 3) row_logits[row * stride + row * 31 % columns] = 1.0f;
      }
      every_type(run, columns, stride);
    }
  }
}

/* Rows of a safetensors file of float logits: as many as there are here. */
static size_t real_rows(const char *path, size_t columns) {
  FILE *file = fopen(path, "rb");
  unsigned char head[8], b[4];
  size_t read = 0, header, i;
  if (!file) return 0;
  if (fread(head, 1, sizeof head, file) == sizeof head) {
    header = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    /* The labels come first: two sequences of five int64_t. */
    if (fseek(file, (long)(8 + header + 80), SEEK_SET) == 0) {
      for (i = 0; i < CALL_ROWS * columns && fread(b, 1, sizeof b, file) == sizeof b; i++) {
        uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&row_logits[i], &bits, sizeof bits);
        read++;
      }
    }
  }
  fclose(file);
  return read / columns;
}

/* What is refused says so in numbers, whole and broken, of any size. */
static void refusals(preflane_run run) {
  static const double BETAS[] = {0, -0.1, -1e300, INFINITY, -3, 1e18 * -7};
  preflane_pairs in = {0, NULL, NULL, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs out;
  preflane_loss loss = {PREFLANE_LOSS_DPO, 0, 0, 0};
  size_t i;
  memset(&out, 0, sizeof out);
  for (i = 0; i < sizeof BETAS / sizeof BETAS[0]; i++) {
    loss.beta = BETAS[i];
    before("preflane_evaluate");
    after("preflane_evaluate", preflane_evaluate(run, &loss, &in, &out, NULL, &call_error) != PREFLANE_ERROR_PARAMETER,
          "not refused");
  }
}

/* All of it, on one level. Returns whether the files were there. */
static int all_calls(preflane_run run, const char *pairs, const char *logits) {
  enum { REAL_COLUMNS = 4096 };
  size_t n;
  all_pairs(run);
  all_rows(run);
  refusals(run);
  n = real_pairs(pairs);
  if (n == 0 || real_rows(logits, REAL_COLUMNS) != CALL_ROWS) return 0;
  every_loss(run, n, 0, 0);
  every_loss(run, n, 1, 1);
  every_type(run, REAL_COLUMNS, REAL_COLUMNS);
  return 1;
}

#endif
