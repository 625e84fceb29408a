/* What the C interface promises, in plain C99: results, errors before anything is written, bits. */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preflane.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

static int failures, checks;

static void check(int good, const char *what, int line) {
  checks++;
  if (!good) {
    failures++;
    fprintf(stderr, "line %d: %s\n", line, what);
  }
}
#define CHECK(condition) check((condition) != 0, #condition, __LINE__)

/* That a call was refused with this code, argument and row, and wrote nothing to what is watched. */
static int refused(int32_t code, const preflane_error *error, int32_t want, const char *argument, uint64_t row) {
  int good = code == want && error->code == want && strcmp(error->argument, argument) == 0 && error->row == row &&
             error->message[0] != 0 && memchr(error->message, 0, PREFLANE_MESSAGE_SIZE) != NULL;
  if (!good) fprintf(stderr, "got code %d, argument \"%s\", row %llu: %s\n", (int)code, error->argument,
                     (unsigned long long)error->row, error->message);
  return good;
}

enum { PAIRS = 3, TOKENS = 5, ROWS = 2 * PAIRS * TOKENS, COLUMNS = 37, STRIDE = 40 };

static const preflane_run ONE = {PREFLANE_LEVEL_BEST, 0};

/* A small generator: the same numbers everywhere. */
static uint32_t state = 12345;
static float uniform(void) {
  state = state * 1664525u + 1013904223u;
  return (float)(int32_t)(state >> 8) / 8388608.0f - 1.0f;
}

static preflane_loss dpo(double beta) {
  preflane_loss loss = {PREFLANE_LOSS_DPO, 0, 0.0, 0.0};
  loss.beta = beta;
  return loss;
}

/* The worked pair: policy -12.5, -14; reference -13, -13.25; beta 0.1. */
static void worked_values(void) {
  static const struct {
    int32_t kind;
    double smoothing, loss;
  } CASES[] = {{PREFLANE_LOSS_DPO, 0, 0.632599035317}, {PREFLANE_LOSS_CDPO, 0.1, 0.645099035317},
               {PREFLANE_LOSS_ROBUST, 0.1, 0.616974035317}, {PREFLANE_LOSS_IPO, 0, 14.0625}};
  float pc = -12.5f, pr = -14.0f, rc = -13.0f, rr = -13.25f;
  float loss, chosen, rejected, gradient;
  preflane_pairs pairs = {1, &pc, &pr, &rc, &rr, NULL, 0, 0};
  preflane_pair_outputs outputs = {0};
  preflane_error error;
  size_t i;
  outputs.losses = &loss;
  outputs.chosen_rewards = &chosen;
  outputs.rejected_rewards = &rejected;
  outputs.grad_chosen_logps = &gradient;
  for (i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
    preflane_loss parameters = dpo(0.1);
    preflane_metrics metrics = {0};
    preflane_report report;
    parameters.kind = CASES[i].kind;
    parameters.label_smoothing = CASES[i].smoothing;
    CHECK(preflane_evaluate(ONE, &parameters, &pairs, &outputs, &metrics, &error) == PREFLANE_OK);
    CHECK(loss == (float)CASES[i].loss);
    CHECK(chosen == 0.05f && rejected == -0.075f);
    CHECK(CASES[i].kind != PREFLANE_LOSS_DPO || gradient == (float)-0.0468790626626);
    CHECK(preflane_metrics_report(&metrics, &report, &error) == PREFLANE_OK);
    CHECK(report.pairs == 1 && report.loss == loss && report.rewards_accuracies == 1.0f);
    CHECK(report.chosen_fell == 0.0f && report.rejected_fell == 1.0f && report.both_fell == 0.0f);
  }
  /* Without a reference: said, not guessed. */
  pairs.ref_chosen_logps = pairs.ref_rejected_logps = NULL;
  pairs.reference_free = 1;
  {
    preflane_loss parameters = dpo(0.1);
    preflane_metrics metrics = {0};
    preflane_report report;
    CHECK(preflane_evaluate(ONE, &parameters, &pairs, &outputs, &metrics, NULL) == PREFLANE_OK);
    CHECK(loss == 0.62095704779f);
    CHECK(preflane_metrics_report(&metrics, &report, NULL) == PREFLANE_OK && isnan(report.both_fell));
  }
}

static void pair_errors(void) {
  float in[4][4] = {{-1, -2, -3, -4}, {-2, -2, -2, -2}, {-1, -1, -1, -1}, {-3, -3, -3, -3}};
  float weights[4] = {1, 0, 2, 1}, losses[8] = {7, 7, 7, 7}, margins[4] = {7, 7, 7, 7};
  preflane_metrics metrics, before;
  preflane_loss loss = dpo(0.1);
  preflane_pairs good = {4, in[0], in[1], in[2], in[3], weights, 0, 0}, pairs;
  preflane_pair_outputs some = {0}, outputs;
  preflane_error error;
  memset(&metrics, 0, sizeof metrics);
  before = metrics;
  some.losses = losses;
  some.margins = margins;
#define EVALUATE(run, loss, pairs, outputs) preflane_evaluate(run, loss, pairs, outputs, &metrics, &error)
#define REFUSED(call, code, argument, row) CHECK(refused((call), &error, code, argument, row))
  REFUSED(EVALUATE(ONE, NULL, &good, &some), PREFLANE_ERROR_NULL, "loss", PREFLANE_NO_ROW);
  REFUSED(EVALUATE(ONE, &loss, NULL, &some), PREFLANE_ERROR_NULL, "pairs", PREFLANE_NO_ROW);
  REFUSED(EVALUATE(ONE, &loss, &good, NULL), PREFLANE_ERROR_NULL, "outputs", PREFLANE_NO_ROW);
  pairs = good, pairs.ref_chosen_logps = NULL;
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_NULL, "ref_chosen_logps", PREFLANE_NO_ROW);
  pairs = good, pairs.reference_free = 1;
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  pairs = good, pairs.reference_free = -3;
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  pairs = good, pairs.policy_rejected_logps = (const float *)((const char *)in[1] + 1);
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_ALIGNMENT, "policy_rejected_logps", PREFLANE_NO_ROW);
  pairs = good, pairs.length = SIZE_MAX;
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_LENGTH, "policy_chosen_logps", PREFLANE_NO_ROW);
  pairs.length = SIZE_MAX / 4;
  REFUSED(EVALUATE(ONE, &loss, &pairs, &some), PREFLANE_ERROR_LENGTH, "policy_chosen_logps", PREFLANE_NO_ROW);
  outputs = some, outputs.margins = losses + 1;
  REFUSED(EVALUATE(ONE, &loss, &good, &outputs), PREFLANE_ERROR_OVERLAP, "margins", PREFLANE_NO_ROW);
  CHECK(strstr(error.message, "losses") != NULL);
  outputs = some, outputs.losses = in[3];
  REFUSED(EVALUATE(ONE, &loss, &good, &outputs), PREFLANE_ERROR_OVERLAP, "losses", PREFLANE_NO_ROW);
  outputs = some, outputs.losses = (float *)(void *)&metrics;
  REFUSED(EVALUATE(ONE, &loss, &good, &outputs), PREFLANE_ERROR_OVERLAP, "metrics", PREFLANE_NO_ROW);
  weights[2] = -1.0f;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_WEIGHT, "weights", 2);
  CHECK(strcmp(error.message, "the weight of row 2 is -1; weights must be finite and at least 0") == 0);
  weights[2] = NAN;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_WEIGHT, "weights", 2);
  weights[2] = 2;
  loss.beta = 0;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "beta", PREFLANE_NO_ROW);
  CHECK(strcmp(error.message, "beta is 0; it must be finite and greater than 0") == 0);
  loss.beta = NAN;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "beta", PREFLANE_NO_ROW);
  loss = dpo(0.1), loss.label_smoothing = 0.1;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "label_smoothing", PREFLANE_NO_ROW);
  loss = dpo(0.1), loss.kind = 0;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
  loss.kind = INT32_MIN;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
  loss = dpo(0.1);
  {
    preflane_run run = {99, 0};
    REFUSED(EVALUATE(run, &loss, &good, &some), PREFLANE_ERROR_LEVEL, "level", PREFLANE_NO_ROW);
  }
  /* Nothing of all that wrote anything. */
  CHECK(memcmp(&metrics, &before, sizeof metrics) == 0);
  CHECK(losses[0] == 7 && losses[3] == 7 && margins[0] == 7 && in[3][0] == -3);
  CHECK(EVALUATE(ONE, &loss, &good, &some) == PREFLANE_OK && losses[0] != 7);
  /* An empty batch is none to refuse, whatever its pointers. */
  memset(&pairs, 0, sizeof pairs);
  memset(&outputs, 0, sizeof outputs);
  CHECK(EVALUATE(ONE, &loss, &pairs, &outputs) == PREFLANE_OK);
  CHECK(strcmp(preflane_code_text(PREFLANE_ERROR_WEIGHT), "a weight that is negative, infinite or NaN") == 0);
  CHECK(strcmp(preflane_code_text(-1), "not a preflane_code") == 0 && strcmp(preflane_code_text(14), "not a preflane_code") == 0);
}

/* Levels, partitions and merges: the same bits. */
static void pair_bits(void) {
  enum { N = 1000 };
  static float in[4][N], losses[2][N], gradients[2][N];
  preflane_loss loss = dpo(0.25);
  preflane_metrics whole = {0}, parts = {0};
  preflane_pair_outputs outputs = {0};
  int32_t level;
  size_t i, at;
  for (i = 0; i < 4 * N; i++) in[i / N][i % N] = 50.0f * uniform() - 60.0f;
  in[0][17] = NAN;
  in[1][18] = -INFINITY;
  outputs.losses = losses[0];
  outputs.grad_chosen_logps = gradients[0];
  {
    preflane_pairs pairs = {N, in[0], in[1], in[2], in[3], NULL, 0, 0};
    CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, &whole, NULL) == PREFLANE_OK);
  }
  for (level = PREFLANE_LEVEL_SCALAR; level <= PREFLANE_LEVEL_AVX512; level++) {
    preflane_run run = {0, 1};
    run.level = level;
    if (preflane_check_level(level, NULL) != PREFLANE_OK) {
      printf("level %s: not on this CPU\n", preflane_level_name(level));
      continue;
    }
    memset(&parts, 0, sizeof parts);
    memset(losses[1], 0, sizeof losses[1]);
    for (at = N; at > 0;) {
      size_t n = at < 77 ? at : 77;
      preflane_metrics part = {0};
      preflane_pairs pairs = {0};
      at -= n;
      pairs.length = n;
      pairs.policy_chosen_logps = in[0] + at, pairs.policy_rejected_logps = in[1] + at;
      pairs.ref_chosen_logps = in[2] + at, pairs.ref_rejected_logps = in[3] + at;
      outputs.losses = losses[1] + at, outputs.grad_chosen_logps = gradients[1] + at;
      CHECK(preflane_evaluate(run, &loss, &pairs, &outputs, &part, NULL) == PREFLANE_OK);
      CHECK(preflane_metrics_merge(&parts, &part, NULL) == PREFLANE_OK);
    }
    CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0);
    CHECK(memcmp(gradients[0], gradients[1], sizeof gradients[0]) == 0);
    CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
  }
  CHECK(whole.pairs == N && whole.nonfinite == 2);
  {
    /* The sum in the metrics is one that the sum's functions read. */
    preflane_sum sum = {{0}};
    float total, mean, of_metrics;
    CHECK(preflane_sum_add(&sum, losses[0] + 20, 500, NULL) == PREFLANE_OK);
    CHECK(preflane_sum_add(&sum, losses[0] + 520, N - 520, NULL) == PREFLANE_OK);
    CHECK(preflane_sum_value(&sum, N - 20, &total, &mean, NULL) == PREFLANE_OK && total > 0 && mean == (float)((double)total / (N - 20)));
    CHECK(preflane_sum_merge(&sum, &whole.margins, NULL) == PREFLANE_OK);
    CHECK(preflane_sum_value(&whole.loss, 1, &of_metrics, NULL, NULL) == PREFLANE_OK && isnan(of_metrics));
    CHECK(preflane_sum_merge(&sum, &sum, NULL) == PREFLANE_ERROR_OVERLAP);
  }
}

/* A batch of three pairs: labels as Hugging Face has them, some masked. */
static int64_t labels64[ROWS];
static int32_t labels32[ROWS];
static float logits[ROWS * STRIDE];

static void make_batch(void) {
  size_t row, column;
  for (row = 0; row < ROWS; row++) {
    labels64[row] = row % TOKENS < 2 ? PREFLANE_IGNORE_INDEX : (int64_t)((row * 13) % COLUMNS);
    labels32[row] = (int32_t)labels64[row];
    for (column = 0; column < STRIDE; column++)
      logits[row * STRIDE + column] = column < COLUMNS ? 8.0f * uniform() : NAN;
  }
}

static preflane_logits_mut matrix(float *data) {
  preflane_logits_mut view = {NULL, ROWS, COLUMNS, STRIDE, PREFLANE_F32, 0};
  view.data = data;
  return view;
}

/* The step by its pieces, with row ranges as a host with threads would, and the whole step: the same bits. */
static void step_bits(void) {
  static float by_pieces[ROWS * STRIDE], at_once[ROWS * STRIDE], apart[ROWS * STRIDE];
  static float token_logps[2][ROWS], token_grads[2][ROWS];
  static preflane_log_sum_exp sums[2][ROWS];
  float chosen[2][PAIRS], rejected[2][PAIRS], grads[2][2][PAIRS], losses[2][PAIRS];
  float ref_chosen[PAIRS] = {-9, -10, -11}, ref_rejected[PAIRS] = {-10, -10, -10};
  preflane_metrics metrics[2];
  preflane_token_counts counts = {0, 0, 0}, piece, all;
  preflane_error error;
  size_t first, row, column;
  preflane_sequences sequences;
  preflane_logits view = {logits, ROWS, COLUMNS, STRIDE, PREFLANE_F32, 0};
  preflane_loss loss = dpo(0.1);
  memset(metrics, 0, sizeof metrics);
  memset(&sequences, 0, sizeof sequences);
  sequences.targets = preflane_targets_i64(labels64, ROWS);
  sequences.targets.shifted_tokens = TOKENS;
  sequences.tokens = TOKENS;
  sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
  sequences.reduction = PREFLANE_REDUCE_SUM;

  memcpy(by_pieces, logits, sizeof logits);
  for (first = 0; first < ROWS; first += 7) {
    preflane_rows rows = {0, SIZE_MAX};
    preflane_token_outputs outputs = {0};
    rows.first = first;
    if (first + 7 <= ROWS) rows.count = 7;
    outputs.logps = token_logps[0];
    outputs.log_sum_exps = sums[0];
    CHECK(preflane_token_logps(ONE, &view, &sequences.targets, NULL, rows, &outputs, &piece, &error) == PREFLANE_OK);
    counts.tokens += piece.tokens, counts.masked += piece.masked, counts.nonfinite += piece.nonfinite;
  }
  CHECK(counts.tokens == 2 * PAIRS * 3 && counts.masked == ROWS - 2 * PAIRS * 3 && counts.nonfinite == 0);
  CHECK(preflane_sequence_logps(&sequences, token_logps[0], chosen[0], rejected[0], &error) == PREFLANE_OK);
  {
    preflane_pairs pairs = {PAIRS, NULL, NULL, NULL, NULL, NULL, 0, 0};
    preflane_pair_outputs outputs = {0};
    pairs.policy_chosen_logps = chosen[0], pairs.policy_rejected_logps = rejected[0];
    pairs.ref_chosen_logps = ref_chosen, pairs.ref_rejected_logps = ref_rejected;
    outputs.losses = losses[0];
    outputs.grad_chosen_logps = grads[0][0], outputs.grad_rejected_logps = grads[0][1];
    CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, &metrics[0], &error) == PREFLANE_OK);
  }
  CHECK(preflane_token_grads(&sequences, grads[0][0], grads[0][1], 1.0 / PAIRS, token_grads[0], &error) == PREFLANE_OK);
  for (first = 0; first < ROWS; first += 11) {
    preflane_rows rows = {0, SIZE_MAX};
    preflane_gradient how = {0, 0};
    preflane_logits_mut in_place = matrix(by_pieces);
    rows.first = first;
    if (first + 11 <= ROWS) rows.count = 11;
    CHECK(preflane_logits_grad_in_place(ONE, &in_place, &sequences.targets, NULL, rows, sums[0], token_grads[0], how,
                                        &error) == PREFLANE_OK);
  }

  memcpy(at_once, logits, sizeof logits);
  {
    preflane_step step;
    preflane_step_buffers buffers;
    preflane_step_outputs outputs = {0};
    preflane_logits_mut in_place = matrix(at_once);
    memset(&step, 0, sizeof step);
    step.loss = loss;
    step.sequences = sequences;
    step.sequences.targets = preflane_targets_i32(labels32, ROWS);
    step.sequences.targets.shifted_tokens = TOKENS;
    step.ref_chosen_logps = ref_chosen, step.ref_rejected_logps = ref_rejected;
    step.grad_scale = 1.0 / PAIRS;
    buffers.token_logps = token_logps[1], buffers.log_sum_exps = sums[1], buffers.token_grads = token_grads[1];
    buffers.chosen_logps = chosen[1], buffers.rejected_logps = rejected[1];
    buffers.grad_chosen_logps = grads[1][0], buffers.grad_rejected_logps = grads[1][1];
    outputs.losses = losses[1];
    /* Refused first, with everything as it was. */
    labels32[8] = COLUMNS;
    CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                  PREFLANE_ERROR_TARGET, "labels", 7));
    labels32[8] = (int32_t)labels64[8];
    step.sequences.layout = 0;
    CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                  PREFLANE_ERROR_PARAMETER, "layout", PREFLANE_NO_ROW));
    step.sequences = sequences;
    buffers.chosen_logps = at_once;
    CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                  PREFLANE_ERROR_OVERLAP, "chosen_logps", PREFLANE_NO_ROW));
    buffers.chosen_logps = NULL;
    CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                  PREFLANE_ERROR_NULL, "chosen_logps", PREFLANE_NO_ROW));
    buffers.chosen_logps = chosen[1];
    step.zero_padding = 2;
    CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                  PREFLANE_ERROR_PARAMETER, "zero_padding", PREFLANE_NO_ROW));
    step.zero_padding = 1;
    {
      static const double SCALES[] = {0.0, -0.0, INFINITY, NAN};
      size_t i;
      for (i = 0; i < sizeof SCALES / sizeof SCALES[0]; i++) {
        step.grad_scale = SCALES[i];
        CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                      PREFLANE_ERROR_PARAMETER, "grad_scale", PREFLANE_NO_ROW));
      }
      step.grad_scale = 1.0 / PAIRS;
      step.sequences.tokens = 3 * TOKENS;
      CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "tokens", PREFLANE_NO_ROW));
      step.sequences.tokens = TOKENS;
      metrics[1].ties = 1;
      CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW));
      metrics[1].ties = 0;
      step.loss.reserved = 1;
      CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW));
      step.loss.reserved = 0;
      in_place.reserved = 1;
      CHECK(refused(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW));
      in_place.reserved = 0;
    }
    CHECK(memcmp(at_once, logits, sizeof logits) == 0);
    in_place = matrix(apart);
    memcpy(apart, logits, sizeof logits);
    CHECK(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, NULL, NULL, &error) == PREFLANE_OK);
    for (row = 0; row < ROWS; row++)
      for (column = COLUMNS; column < STRIDE; column++) CHECK(apart[row * STRIDE + column] == 0.0f);
    step.zero_padding = 0;
    in_place = matrix(at_once);
    CHECK(preflane_step_run(ONE, &step, &in_place, &buffers, &outputs, &metrics[1], &all, &error) == PREFLANE_OK);
  }
  CHECK(memcmp(by_pieces, at_once, sizeof at_once) == 0);
  CHECK(memcmp(&metrics[0], &metrics[1], sizeof metrics[0]) == 0);
  CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0 && memcmp(sums[0], sums[1], sizeof sums[0]) == 0);
  CHECK(memcmp(&all, &counts, sizeof all) == 0);
  /* The padding was left alone, as asked; zeroed, as asked. */
  for (row = 0; row < ROWS; row++) {
    double sum = 0;
    for (column = 0; column < COLUMNS; column++) sum += at_once[row * STRIDE + column];
    CHECK(fabs(sum) < 1e-7);
    CHECK(isnan(at_once[row * STRIDE + COLUMNS]));
  }

  /* Beside the logits, with the padding zeroed, then added to itself. */
  {
    preflane_gradient how = {0, 1};
    preflane_rows rows = {0, SIZE_MAX};
    preflane_logits_mut out = matrix(apart);
    CHECK(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out, &error) ==
          PREFLANE_OK);
    for (row = 0; row < ROWS; row++) {
      CHECK(memcmp(apart + row * STRIDE, at_once + row * STRIDE, COLUMNS * sizeof(float)) == 0);
      for (column = COLUMNS; column < STRIDE; column++) CHECK(apart[row * STRIDE + column] == 0.0f);
    }
    how.accumulate = 1;
    CHECK(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out, &error) ==
          PREFLANE_OK);
    for (row = 0; row < ROWS; row++)
      for (column = 0; column < COLUMNS; column++)
        CHECK(fabsf(apart[row * STRIDE + column] - 2 * at_once[row * STRIDE + column]) <= 1e-7f);
    CHECK(refused(preflane_logits_grad_in_place(ONE, &out, &sequences.targets, NULL, rows, sums[0], token_grads[0], how,
                                                &error),
                  &error, PREFLANE_ERROR_PARAMETER, "accumulate", PREFLANE_NO_ROW));
    how.accumulate = 0;
    out.dtype = PREFLANE_F16;
    CHECK(refused(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out,
                                       &error),
                  &error, PREFLANE_ERROR_PARAMETER, "dtype", PREFLANE_NO_ROW));
    out = matrix(logits + 1);
    CHECK(refused(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out,
                                       &error),
                  &error, PREFLANE_ERROR_OVERLAP, "grads", PREFLANE_NO_ROW));
    out = matrix(apart), out.stride = COLUMNS - 1;
    CHECK(refused(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out,
                                       &error),
                  &error, PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW));
    out = matrix(apart);
    rows.first = 3, rows.count = ROWS - 2;
    CHECK(refused(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out,
                                       &error),
                  &error, PREFLANE_ERROR_LENGTH, "rows", PREFLANE_NO_ROW));
    rows.first = SIZE_MAX, rows.count = 2;
    CHECK(refused(preflane_logits_grad(ONE, &view, &sequences.targets, NULL, rows, sums[0], token_grads[0], how, &out,
                                       &error),
                  &error, PREFLANE_ERROR_LENGTH, "rows", PREFLANE_NO_ROW));
  }
  /* A later row of what no memory holds, whose address would come round to before the array. */
  {
    preflane_rows rows = {1, 1};
    preflane_logits wide = {logits, 2, 1, SIZE_MAX / 2 - 2, PREFLANE_BF16, 0};
    preflane_targets targets = preflane_targets_i64(labels64, 2);
    preflane_token_outputs outputs = {0};
    outputs.logps = token_logps[0];
    CHECK(refused(preflane_token_logps(ONE, &wide, &targets, NULL, rows, &outputs, NULL, &error), &error,
                  PREFLANE_ERROR_LENGTH, "logits", PREFLANE_NO_ROW));
    wide.rows = targets.length = SIZE_MAX / 16 + 1, wide.stride = 1;
    targets.label_type = PREFLANE_I32;
    rows.first = SIZE_MAX / 16;
    outputs.log_sum_exps = sums[0] + 1;
    CHECK(refused(preflane_token_logps(ONE, &wide, &targets, NULL, rows, &outputs, NULL, &error), &error,
                  PREFLANE_ERROR_LENGTH, "log_sum_exps", PREFLANE_NO_ROW));
  }
  /* An answer without a token is named. */
  {
    int64_t saved[TOKENS];
    memcpy(saved, labels64 + 4 * TOKENS, sizeof saved);
    for (row = 0; row < TOKENS; row++) labels64[4 * TOKENS + row] = PREFLANE_IGNORE_INDEX;
    CHECK(refused(preflane_sequence_logps(&sequences, token_logps[0], chosen[0], rejected[0], &error), &error,
                  PREFLANE_ERROR_EMPTY_SEQUENCE, "labels", 4));
    memcpy(labels64 + 4 * TOKENS, saved, sizeof saved);
    sequences.tokens = 0;
    CHECK(refused(preflane_sequence_logps(&sequences, token_logps[0], chosen[0], rejected[0], &error), &error,
                  PREFLANE_ERROR_PARAMETER, "tokens", PREFLANE_NO_ROW));
    sequences.tokens = TOKENS, sequences.alpha = 0.5;
    CHECK(refused(preflane_sequence_logps(&sequences, token_logps[0], chosen[0], rejected[0], &error), &error,
                  PREFLANE_ERROR_PARAMETER, "alpha", PREFLANE_NO_ROW));
    sequences.alpha = 0;
  }
  /* Tokens that are not those that the targets are shifted by, both dividing the rows. */
  sequences.tokens = TOKENS * PAIRS;
  CHECK(refused(preflane_sequence_logps(&sequences, token_logps[0], chosen[0], rejected[0], &error), &error,
                PREFLANE_ERROR_PARAMETER, "tokens", PREFLANE_NO_ROW));
  CHECK(refused(preflane_token_grads(&sequences, grads[0][0], grads[0][1], 1, token_grads[0], &error), &error,
                PREFLANE_ERROR_PARAMETER, "tokens", PREFLANE_NO_ROW));
  sequences.tokens = TOKENS;
  /* A scale of 0 is one of a host's own, but none that is infinite is. */
  CHECK(preflane_token_grads(&sequences, grads[0][0], grads[0][1], 0, token_grads[0], &error) == PREFLANE_OK);
  CHECK(token_grads[0][1] == 0);
  CHECK(refused(preflane_token_grads(&sequences, grads[0][0], grads[0][1], INFINITY, token_grads[0], &error), &error,
                PREFLANE_ERROR_PARAMETER, "scale", PREFLANE_NO_ROW));
}

/* Fields for later that are not 0 are refused, wherever they stand. */
static void reserved_fields(void) {
  static float data[2], grads[2], logps[2], seeds[2];
  static preflane_log_sum_exp sums[2];
  static const int32_t LABELS[] = {0, 0};
  const preflane_rows rows = {0, SIZE_MAX};
  const preflane_gradient how = {0, 0};
  preflane_logits in = {data, 2, 1, 1, PREFLANE_F32, 0};
  preflane_logits_mut out = {grads, 2, 1, 1, PREFLANE_F32, 0};
  preflane_targets targets = preflane_targets_i32(LABELS, 2);
  preflane_loss loss = dpo(0.1);
  preflane_pairs pairs = {0, NULL, NULL, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs pair_outputs = {0};
  preflane_token_outputs outputs = {0};
  preflane_error error;
  int i;
  outputs.logps = logps, outputs.log_sum_exps = sums;
  CHECK(preflane_token_logps(ONE, &in, &targets, NULL, rows, &outputs, NULL, &error) == PREFLANE_OK);
  logps[0] = 7;
  for (i = 0; i < 7; i++) {
    uint32_t *field[7];
    field[0] = &loss.reserved, field[1] = &pairs.reserved, field[2] = &in.reserved, field[3] = &targets.reserved;
    field[4] = &out.reserved, field[5] = &sums[0].reserved, field[6] = &sums[1].reserved;
    *field[i] = i % 2 ? 1u : 0x80000000u;
    if (i < 2) {
      CHECK(refused(preflane_evaluate(ONE, &loss, &pairs, &pair_outputs, NULL, &error), &error, PREFLANE_ERROR_PARAMETER,
                    "reserved", PREFLANE_NO_ROW));
    } else if (i < 4) {
      CHECK(refused(preflane_token_logps(ONE, &in, &targets, NULL, rows, &outputs, NULL, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW));
    }
    if (i >= 2) {
      CHECK(refused(preflane_logits_grad(ONE, &in, &targets, NULL, rows, sums, seeds, how, &out, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW));
    }
    if (i > 2) {
      CHECK(refused(preflane_logits_grad_in_place(ONE, &out, &targets, NULL, rows, sums, seeds, how, &error), &error,
                    PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW));
    }
    CHECK(strstr(error.message, "preflane_") != NULL);
    *field[i] = 0;
  }
  CHECK(logps[0] == 7);
  /* A log-sum-exp that no row has. */
  for (i = 0; i < 3; i++) {
    preflane_log_sum_exp saved = sums[1];
    if (i == 0) sums[1].rest = -1e-9;
    if (i == 1) sums[1].rest = INFINITY;
    if (i == 2) sums[1].max = -INFINITY;
    CHECK(refused(preflane_logits_grad(ONE, &in, &targets, NULL, rows, sums, seeds, how, &out, &error), &error,
                  PREFLANE_ERROR_PARAMETER, "log_sum_exps", 1));
    sums[1] = saved;
  }
  CHECK(preflane_logits_grad(ONE, &in, &targets, NULL, rows, sums, seeds, how, &out, &error) == PREFLANE_OK);
}

/* Metrics and sums that no pairs and no values give, as memory that was never begun or was damaged holds them. */
static void damaged_states(void) {
  float in[2] = {-1, -2}, losses[2] = {7, 7}, value = 7, mean = 7;
  preflane_pairs pairs = {2, in, in, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs outputs = {0};
  preflane_loss loss = dpo(0.1);
  preflane_metrics good = {0}, bad, other = {0};
  preflane_report report;
  preflane_sum sum = {{1, 0, 0, 0, 0}}, flipped = {{1, 0, 0, 0, 0}};
  preflane_error error;
  int i;
  outputs.losses = losses;
  CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, &good, &error) == PREFLANE_OK && good.ties == 2);
  losses[0] = 7;
  for (i = 0; i < 8; i++) {
    preflane_metrics before;
    bad = good;
    switch (i) {
      case 0: bad.pairs = 1; break;                             /* fewer than the ties */
      case 1: bad.accurate = 1; break;                          /* with the ties, more than there are */
      case 2: bad.accurate = UINT64_MAX - 1; break;             /* whose sum comes round */
      case 3: bad.referenced = 3; break;
      case 4: bad.nonfinite = 3; break;
      case 5: bad.chosen_fell = 1; break;                       /* without a reference */
      case 6: bad.weights.limbs[4] |= (uint64_t)1 << 63; break; /* a bit that no sum sets */
      default: memset(&bad, 0xa5, sizeof bad); break;
    }
    before = bad;
    CHECK(refused(preflane_evaluate(ONE, &loss, &pairs, &outputs, &bad, &error), &error, PREFLANE_ERROR_PARAMETER,
                  "metrics", PREFLANE_NO_ROW));
    CHECK(refused(preflane_metrics_merge(&other, &bad, &error), &error, PREFLANE_ERROR_PARAMETER, "from",
                  PREFLANE_NO_ROW));
    CHECK(refused(preflane_metrics_merge(&bad, &good, &error), &error, PREFLANE_ERROR_PARAMETER, "into",
                  PREFLANE_NO_ROW));
    CHECK(refused(preflane_metrics_report(&bad, &report, &error), &error, PREFLANE_ERROR_PARAMETER, "metrics",
                  PREFLANE_NO_ROW));
    CHECK(memcmp(&bad, &before, sizeof bad) == 0 && other.pairs == 0 && losses[0] == 7);
  }
  CHECK(preflane_metrics_merge(&other, &good, &error) == PREFLANE_OK && other.pairs == 2);
  flipped.limbs[4] = (uint64_t)1 << 63;
  CHECK(refused(preflane_sum_add(&flipped, in, 2, &error), &error, PREFLANE_ERROR_PARAMETER, "sum", PREFLANE_NO_ROW));
  CHECK(refused(preflane_sum_merge(&sum, &flipped, &error), &error, PREFLANE_ERROR_PARAMETER, "from", PREFLANE_NO_ROW));
  CHECK(refused(preflane_sum_merge(&flipped, &sum, &error), &error, PREFLANE_ERROR_PARAMETER, "into", PREFLANE_NO_ROW));
  CHECK(refused(preflane_sum_value(&flipped, 1, &value, &mean, &error), &error, PREFLANE_ERROR_PARAMETER, "sum",
                PREFLANE_NO_ROW));
  CHECK(value == 7 && mean == 7 && flipped.limbs[0] == 1 && sum.limbs[0] == 1 && sum.limbs[4] == 0);
  /* A call that is done leaves the error as it was. */
  CHECK(preflane_sum_add(&sum, in, 2, &error) == PREFLANE_OK && error.code == PREFLANE_ERROR_PARAMETER);
  CHECK(strcmp(error.argument, "sum") == 0);
}

/* A row in shards, merged backwards: the bits of the whole row. Statistics too. */
static void shards(void) {
  static const size_t CUTS[] = {0, 1, 9, 20, COLUMNS};
  float logp[2], entropy, squares, mean;
  uint8_t top1;
  preflane_log_sum_exp sum[2];
  preflane_scaling scaling = {0.7, 1.0, 30.0};
  preflane_token_outputs outputs = {0};
  preflane_rows rows = {2, 1};
  preflane_row_sum merged, shard;
  preflane_error error;
  int64_t target = labels64[3];
  size_t i;
  preflane_logits view = {logits, ROWS, COLUMNS, STRIDE, PREFLANE_F32, 0};
  preflane_targets targets = preflane_targets_i64(labels64, ROWS);
  static float logps[ROWS], entropies[ROWS], all_squares[ROWS], means[ROWS];
  static uint8_t tops[ROWS];
  static preflane_log_sum_exp sums[ROWS];
  targets.shifted_tokens = TOKENS;
  outputs.logps = logps, outputs.log_sum_exps = sums, outputs.entropies = entropies;
  outputs.log_sum_squares = all_squares, outputs.mean_logits = means, outputs.top1 = tops;
  memset(tops, 0xee, sizeof tops);
  CHECK(preflane_token_logps(ONE, &view, &targets, &scaling, rows, &outputs, NULL, &error) == PREFLANE_OK);
  logp[0] = logps[2], sum[0] = sums[2], entropy = entropies[2], squares = all_squares[2], mean = means[2], top1 = tops[2];
  CHECK(logp[0] < 0 && entropy > 0 && squares < 0 && isfinite(mean) && top1 <= 1 && tops[1] == 0xee && tops[3] == 0xee);
  CHECK(preflane_row_sum_init(&merged, &scaling, &error) == PREFLANE_OK);
  CHECK(preflane_row_sum_value(&merged, NULL, &logp[1], &error) == PREFLANE_ERROR_NO_TARGET);
  for (i = 4; i-- > 0;) {
    size_t start = CUTS[i], end = CUTS[i + 1];
    int64_t place = target >= (int64_t)start && target < (int64_t)end ? target - (int64_t)start : -1;
    CHECK(preflane_row_sum_init(&shard, &scaling, &error) == PREFLANE_OK);
    CHECK(preflane_row_sum_add(ONE, &shard, logits + 2 * STRIDE + start, PREFLANE_F32, end - start, place, &error) ==
          PREFLANE_OK);
    CHECK(preflane_row_sum_merge(&merged, &shard, &error) == PREFLANE_OK);
  }
  CHECK(preflane_row_sum_value(&merged, &sum[1], &logp[1], &error) == PREFLANE_OK);
  CHECK(memcmp(&sum[0], &sum[1], sizeof sum[0]) == 0 && memcmp(&logp[0], &logp[1], sizeof logp[0]) == 0);
  CHECK(refused(preflane_row_sum_add(ONE, &shard, logits, PREFLANE_F32, 4, 4, &error), &error, PREFLANE_ERROR_TARGET,
                "target", PREFLANE_NO_ROW));
  CHECK(strcmp(error.message, "target is 4; it must be a place among the columns given, 0 to 3, or -1") == 0);
  CHECK(refused(preflane_row_sum_add(ONE, &shard, logits, PREFLANE_F32, 4, -2, &error), &error, PREFLANE_ERROR_TARGET,
                "target", PREFLANE_NO_ROW));
  CHECK(refused(preflane_row_sum_add(ONE, &shard, logits, PREFLANE_F32, 0, 0, &error), &error, PREFLANE_ERROR_TARGET,
                "target", PREFLANE_NO_ROW));
  CHECK(refused(preflane_row_sum_add(ONE, &shard, NULL, PREFLANE_F32, 4, 0, &error), &error, PREFLANE_ERROR_NULL,
                "columns", PREFLANE_NO_ROW));
  CHECK(refused(preflane_row_sum_add(ONE, NULL, logits, PREFLANE_F32, 4, 0, &error), &error, PREFLANE_ERROR_NULL, "state",
                PREFLANE_NO_ROW));
  /* A row has one target: not in two chunks, and not in two shards. */
  {
    preflane_row_sum before = merged;
    CHECK(refused(preflane_row_sum_add(ONE, &merged, logits, PREFLANE_F32, 4, 1, &error), &error,
                  PREFLANE_ERROR_PARAMETER, "target", PREFLANE_NO_ROW));
    CHECK(preflane_row_sum_init(&shard, &scaling, &error) == PREFLANE_OK);
    CHECK(preflane_row_sum_add(ONE, &shard, logits, PREFLANE_F32, 4, 1, &error) == PREFLANE_OK);
    CHECK(refused(preflane_row_sum_merge(&merged, &shard, &error), &error, PREFLANE_ERROR_PARAMETER, "from",
                  PREFLANE_NO_ROW));
    CHECK(memcmp(&before, &merged, sizeof before) == 0);
    shard.target = shard.max + 1;
    CHECK(refused(preflane_row_sum_value(&shard, &sum[0], NULL, &error), &error, PREFLANE_ERROR_PARAMETER, "state",
                  PREFLANE_NO_ROW));
  }
  CHECK(refused(preflane_row_sum_add(ONE, &shard, logits, 9, 4, 0, &error), &error, PREFLANE_ERROR_PARAMETER, "dtype",
                PREFLANE_NO_ROW));
  /* Bytes that are no state, and states that do not belong together. */
  scaling.temperature = 2;
  CHECK(preflane_row_sum_init(&shard, &scaling, &error) == PREFLANE_OK);
  CHECK(refused(preflane_row_sum_merge(&merged, &shard, &error), &error, PREFLANE_ERROR_PARAMETER, "from",
                PREFLANE_NO_ROW));
  shard.reserved = 1;
  CHECK(refused(preflane_row_sum_merge(&shard, &merged, &error), &error, PREFLANE_ERROR_PARAMETER, "into",
                PREFLANE_NO_ROW));
  memset(&shard, 0xff, sizeof shard);
  CHECK(preflane_row_sum_merge(&merged, &shard, &error) == PREFLANE_ERROR_PARAMETER);
  memset(&shard, 0, sizeof shard);
  CHECK(preflane_row_sum_value(&shard, &sum[0], NULL, &error) == PREFLANE_ERROR_PARAMETER);
  scaling.soft_cap = -1;
  CHECK(refused(preflane_row_sum_init(&shard, &scaling, &error), &error, PREFLANE_ERROR_PARAMETER, "soft_cap",
                PREFLANE_NO_ROW));
}

/* bf16 and f16 logits and gradients: those of the same values in float, rounded. */
static void halves(void) {
  static uint16_t half[ROWS * STRIDE];
  static float wide[ROWS * STRIDE], grads[ROWS * STRIDE], logps[2][ROWS], seeds[ROWS];
  static preflane_log_sum_exp sums[2][ROWS];
  preflane_rows rows = {0, SIZE_MAX};
  preflane_gradient how = {0, 0};
  preflane_token_outputs outputs = {0};
  preflane_targets targets = preflane_targets_i32(labels32, ROWS);
  preflane_logits from_half = {half, ROWS, COLUMNS, STRIDE, PREFLANE_BF16, 0};
  preflane_logits from_wide = {wide, ROWS, COLUMNS, STRIDE, PREFLANE_F32, 0};
  preflane_logits_mut to_wide = matrix(grads), to_half = {half, ROWS, COLUMNS, STRIDE, PREFLANE_BF16, 0};
  size_t i;
  for (i = 0; i < ROWS * STRIDE; i++) {
    uint32_t bits;
    memcpy(&bits, &logits[i], sizeof bits);
    half[i] = (uint16_t)(bits >> 16);
    bits = (uint32_t)half[i] << 16;
    memcpy(&wide[i], &bits, sizeof bits);
  }
  for (i = 0; i < ROWS; i++) seeds[i] = uniform();
  outputs.logps = logps[0], outputs.log_sum_exps = sums[0];
  CHECK(preflane_token_logps(ONE, &from_half, &targets, NULL, rows, &outputs, NULL, NULL) == PREFLANE_OK);
  outputs.logps = logps[1], outputs.log_sum_exps = sums[1];
  CHECK(preflane_token_logps(ONE, &from_wide, &targets, NULL, rows, &outputs, NULL, NULL) == PREFLANE_OK);
  CHECK(memcmp(logps[0], logps[1], sizeof logps[0]) == 0);
  CHECK(preflane_logits_grad(ONE, &from_half, &targets, NULL, rows, sums[0], seeds, how, &to_wide, NULL) == PREFLANE_OK);
  CHECK(preflane_logits_grad_in_place(ONE, &to_half, &targets, NULL, rows, sums[0], seeds, how, NULL) == PREFLANE_OK);
  for (i = 0; i < ROWS * STRIDE; i++) {
    uint32_t bits;
    float narrow;
    if (i % STRIDE >= COLUMNS) continue;
    bits = (uint32_t)half[i] << 16;
    memcpy(&narrow, &bits, sizeof narrow);
    CHECK(fabsf(narrow - grads[i]) <= fabsf(grads[i]) * 0.00391f);
  }
  /* A wrong label of the range is named by its row in the matrix; one outside of the range is not looked at. */
  {
    preflane_error error;
    labels32[8] = COLUMNS;
    rows.first = 7, rows.count = 5;
    CHECK(refused(preflane_token_logps(ONE, &from_wide, &targets, NULL, rows, &outputs, NULL, &error), &error,
                  PREFLANE_ERROR_TARGET, "labels", 8));
    rows.first = 9;
    CHECK(preflane_token_logps(ONE, &from_wide, &targets, NULL, rows, &outputs, NULL, &error) == PREFLANE_OK);
    labels32[8] = (int32_t)labels64[8];
  }
  from_half.data = (const char *)half + 1;
  CHECK(preflane_token_logps(ONE, &from_half, &targets, NULL, rows, &outputs, NULL, NULL) == PREFLANE_ERROR_ALIGNMENT);
}

/* The modes that would change results are noticed. WITHOUT_MODES: for valgrind, which does not follow all of them. */
static void environment(void) {
  preflane_error error;
  CHECK(preflane_check_environment(&error) == PREFLANE_OK);
#if !defined(WITHOUT_MODES) && defined(FE_UPWARD) && defined(FE_DOWNWARD) && defined(FE_TOWARDZERO)
  {
    static const int MODES[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    size_t i;
    for (i = 0; i < 3; i++) {
      int32_t code;
      fesetround(MODES[i]);
      code = preflane_check_environment(&error);
      fesetround(FE_TONEAREST);
      CHECK(refused(code, &error, PREFLANE_ERROR_ENVIRONMENT, "", PREFLANE_NO_ROW));
    }
  }
#endif
#if !defined(WITHOUT_MODES) && defined(__SSE2__) && defined(__x86_64__)
  {
    /* Traps, by the masks of MXCSR that are taken away. */
    static const struct {
      unsigned masks;
      const char *names;
    } TRAPS[] = {{0x0080, ": invalid operation"},  {0x0200, ": division by zero"}, {0x0400, ": overflow"},
                 {0x0800, ": underflow"},          {0x1000, ": inexact result"},   {0x0100, ": subnormal operand"},
                 {0x0680, ": invalid operation, division by zero, overflow"}};
    size_t i;
    for (i = 0; i < sizeof TRAPS / sizeof TRAPS[0]; i++) {
      unsigned before = _mm_getcsr();
      int32_t code;
      _mm_setcsr(before & ~TRAPS[i].masks & ~0x3fu);
      code = preflane_check_environment(&error);
      _mm_setcsr(before);
      CHECK(refused(code, &error, PREFLANE_ERROR_ENVIRONMENT, "", PREFLANE_NO_ROW));
      CHECK(strlen(error.message) > strlen(TRAPS[i].names) &&
            strcmp(error.message + strlen(error.message) - strlen(TRAPS[i].names), TRAPS[i].names) == 0);
    }
  }
#endif
#if !defined(WITHOUT_MODES) && defined(__SSE__)
  {
    static const unsigned FLAGS[] = {0x8000, 0x0040}; /* flush to zero, denormals are zero */
    size_t i;
    for (i = 0; i < 2; i++) {
      unsigned before = _mm_getcsr();
      int32_t code;
      _mm_setcsr(before | FLAGS[i]);
      code = preflane_check_environment(&error);
      _mm_setcsr(before);
      CHECK(refused(code, &error, PREFLANE_ERROR_ENVIRONMENT, "", PREFLANE_NO_ROW));
    }
  }
#endif
  CHECK(preflane_check_environment(&error) == PREFLANE_OK);
}

/* Threads where the build has them, a refusal where not. */
static void threads(int expected) {
  static float by_one[ROWS * STRIDE], by_many[ROWS * STRIDE], logps[ROWS], seeds[ROWS];
  static preflane_log_sum_exp sums[ROWS];
  preflane_run many = {PREFLANE_LEVEL_BEST, 3};
  preflane_rows rows = {0, SIZE_MAX};
  preflane_gradient how = {0, 0};
  preflane_targets targets = preflane_targets_i32(labels32, ROWS);
  preflane_token_outputs outputs = {0};
  preflane_logits view = {logits, ROWS, COLUMNS, STRIDE, PREFLANE_F32, 0};
  preflane_logits_mut one = matrix(by_one), others = matrix(by_many);
  preflane_error error;
  int32_t code, level = 77;
  size_t i;
  outputs.logps = logps, outputs.log_sum_exps = sums;
  for (i = 0; i < ROWS; i++) seeds[i] = 0.5f;
  code = preflane_token_logps(many, &view, &targets, NULL, rows, &outputs, NULL, &error);
  if (!expected) {
    CHECK(refused(code, &error, PREFLANE_ERROR_THREADS, "threads", PREFLANE_NO_ROW));
    CHECK(preflane_level_from_environment(&level, &error) == PREFLANE_ERROR_OTHER && level == 77);
    return;
  }
  CHECK(code == PREFLANE_OK);
  CHECK(preflane_level_from_environment(&level, &error) == PREFLANE_OK && level == preflane_best_level());
  memcpy(by_one, logits, sizeof logits);
  memcpy(by_many, logits, sizeof logits);
  CHECK(preflane_logits_grad_in_place(ONE, &one, &targets, NULL, rows, sums, seeds, how, &error) == PREFLANE_OK);
  CHECK(preflane_logits_grad_in_place(many, &others, &targets, NULL, rows, sums, seeds, how, &error) == PREFLANE_OK);
  CHECK(memcmp(by_one, by_many, sizeof by_one) == 0);
}

#ifdef BESIDE_ANOTHER_RUST_LIBRARY
int32_t other_rust_library_sum(const int32_t *values, size_t length);
#endif

int main(int argc, char **argv) {
  int with_threads = argc > 1 && strcmp(argv[1], "--threads") == 0;
  char version[32];
  if (argc > 2 || (argc == 2 && !with_threads)) {
    fprintf(stderr, "usage: contract [--threads]\n");
    return 2;
  }
  CHECK(preflane_abi_version() == PREFLANE_ABI_VERSION);
  sprintf(version, "%d.%d.%d", PREFLANE_VERSION_MAJOR, PREFLANE_VERSION_MINOR, PREFLANE_VERSION_PATCH);
  CHECK(strcmp(preflane_version(), version) == 0);
#ifdef BESIDE_ANOTHER_RUST_LIBRARY
  {
    static const int32_t VALUES[] = {1, 2, 39};
    CHECK(other_rust_library_sum(VALUES, 3) == 42);
  }
#endif
  make_batch();
  worked_values();
  pair_errors();
  pair_bits();
  step_bits();
  shards();
  halves();
  reserved_fields();
  damaged_states();
  environment();
  threads(with_threads);
  printf("%d checks, %d failed\n", checks, failures);
  return failures != 0;
}
