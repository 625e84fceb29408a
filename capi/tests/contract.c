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

/* The worked pair: policy -12.5, -14; reference -13, -13.25; beta 0.1. */
static void worked_values(void) {
  const struct {
    preflane_loss of;
    double loss;
  } CASES[] = {{preflane_dpo(0.1), 0.632599035317}, {preflane_cdpo(0.1, 0.1), 0.645099035317},
               {preflane_robust(0.1, 0.1), 0.616974035317}, {preflane_ipo(0.1), 14.0625}};
  float pc = -12.5f, pr = -14.0f, rc = -13.0f, rr = -13.25f;
  float loss, chosen, rejected, gradient;
  preflane_pairs pairs = {1, &pc, &pr, &rc, &rr, NULL, NULL, 0, 0};
  preflane_pair_outputs outputs = {0};
  preflane_error error;
  size_t i;
  outputs.losses = &loss;
  outputs.chosen_rewards = &chosen;
  outputs.rejected_rewards = &rejected;
  outputs.grad_chosen_logps = &gradient;
  for (i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
    preflane_metrics metrics = {0};
    preflane_report report;
    CHECK(preflane_evaluate(ONE, &CASES[i].of, &pairs, &outputs, &metrics, &error) == PREFLANE_OK);
    CHECK(loss == (float)CASES[i].loss);
    CHECK(chosen == 0.05f && rejected == -0.075f);
    CHECK(CASES[i].of.kind != PREFLANE_LOSS_DPO || gradient == (float)-0.0468790626626);
    CHECK(preflane_metrics_report(&metrics, &report, &error) == PREFLANE_OK);
    CHECK(report.pairs == 1 && report.loss == loss && report.rewards_accuracies == 1.0f);
    CHECK(report.chosen_fell == 0.0f && report.rejected_fell == 1.0f && report.both_fell == 0.0f);
  }
  /* Without a reference: said, not guessed. */
  pairs.ref_chosen_logps = pairs.ref_rejected_logps = NULL;
  pairs.reference_free = 1;
  {
    preflane_loss parameters = preflane_dpo(0.1);
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
  preflane_loss loss = preflane_dpo(0.1);
  preflane_pairs good = {4, in[0], in[1], in[2], in[3], weights, NULL, 0, 0}, pairs;
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
  loss.parameters[0] = 0;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "beta", PREFLANE_NO_ROW);
  CHECK(strcmp(error.message, "beta is 0; it must be finite and greater than 0") == 0);
  loss.parameters[0] = NAN;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "beta", PREFLANE_NO_ROW);
  loss = preflane_dpo(0.1), loss.parameters[1] = 0.1;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "parameters", 1);
  CHECK(strcmp(error.message, "parameter 1 is 0.1; it must be 0, for the loss has parameters 0 to 0") == 0);
  loss = preflane_dpo(0.1), loss.kind = 0;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
  loss.kind = INT32_MIN;
  REFUSED(EVALUATE(ONE, &loss, &good, &some), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
  loss = preflane_dpo(0.1);
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
  CHECK(strcmp(preflane_code_text(PREFLANE_ERROR_COLUMN), "a number of the loss's column outside its range") == 0);
  CHECK(strcmp(preflane_code_text(-1), "not a preflane_code") == 0 && strcmp(preflane_code_text(20), "not a preflane_code") == 0);
}

/* Levels, partitions and merges: the same bits. */
static void pair_bits(void) {
  enum { N = 1000 };
  static float in[4][N], losses[2][N], gradients[2][N];
  preflane_loss loss = preflane_dpo(0.25);
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
    preflane_pairs pairs = {N, in[0], in[1], in[2], in[3], NULL, NULL, 0, 0};
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
  preflane_loss loss = preflane_dpo(0.1);
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
    preflane_pairs pairs = {PAIRS, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0};
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
  preflane_loss loss = preflane_dpo(0.1);
  preflane_pairs pairs = {0, NULL, NULL, NULL, NULL, NULL, NULL, 1, 0};
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
  preflane_pairs pairs = {2, in, in, NULL, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs outputs = {0};
  preflane_loss loss = preflane_dpo(0.1);
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

/* Every loss of the library's list, by what the list says of it. */
static void loss_list(void) {
  static const float pc[2] = {-12.5f, -30}, pr[2] = {-14, -28}, rc[2] = {-13, -29}, rr[2] = {-13.25f, -29.5f};
  static const uint8_t desirable[2] = {1, 0};
  static const size_t offsets[2] = {0, 2};
  float losses[2];
  preflane_pairs pairs = {2, pc, pr, rc, rr, NULL, NULL, 0, 0};
  preflane_labelled labelled = {2, pc, rc, desirable, NULL, 0, 0, NULL};
  preflane_listed listed = {2, 1, pc, rc, offsets, NULL, NULL, 0, 0};
  preflane_pair_outputs pair_outputs = {0};
  preflane_labelled_outputs labelled_outputs = {0};
  preflane_listed_outputs listed_outputs = {0};
  preflane_list_scratch scratch[2];
  preflane_error error;
  preflane_loss loss;
  float numbers[2] = {0, 0};
  size_t i, j, k, with_column = 0;
  pair_outputs.losses = labelled_outputs.losses = listed_outputs.losses = losses;
  CHECK(preflane_loss_count() >= 8);
  for (i = 0; i < preflane_loss_count(); i++) {
    preflane_loss_description about;
    CHECK(preflane_loss_describe(i, &about, &error) == PREFLANE_OK);
    CHECK(about.name[0] && about.formula[0] && about.source[0] && about.aliases && about.kind > 0);
    CHECK(about.parameter_count <= PREFLANE_LOSS_PARAMETERS && (about.reference == 0 || about.reference == 1));
    CHECK(preflane_loss_by_name(about.name, &loss, &error) == PREFLANE_OK && loss.kind == about.kind && loss.reserved == 0);
    for (j = 0; j < PREFLANE_LOSS_PARAMETERS; j++) {
      const preflane_loss_parameter *parameter = &about.parameters[j];
      if (j >= about.parameter_count) {
        CHECK(loss.parameters[j] == 0 && parameter->name == NULL && parameter->grid_length == 0);
        continue;
      }
      CHECK(loss.parameters[j] == parameter->default_value && parameter->name[0] && parameter->meaning[0] &&
            parameter->requirement[0] && parameter->grid_length > 0);
    }
    if (about.column.name) {
      const preflane_loss_parameter *column = &about.column;
      with_column++;
      CHECK(column->name[0] && column->meaning[0] && column->requirement[0] && column->grid_length > 1);
      CHECK(isfinite(column->default_value));
      numbers[0] = (float)column->grid[0], numbers[1] = (float)column->grid[1];
    } else {
      CHECK(!about.column.meaning && !about.column.requirement && !about.column.grid && about.column.grid_length == 0);
    }
#define GIVE_COLUMN(numbers) (pairs.column = labelled.column = listed.column = (numbers))
    GIVE_COLUMN(about.column.name ? numbers : NULL);
    /* With a reference, if it is defined with one. */
    pairs.reference_free = labelled.reference_free = listed.reference_free = !about.reference;
    pairs.ref_chosen_logps = labelled.ref_logps = listed.ref_logps = about.reference ? rc : NULL;
    pairs.ref_rejected_logps = about.reference ? rr : NULL;
#define EVALUATE_AS(shape_of, loss)                                                                                  \
  ((shape_of) == PREFLANE_SHAPE_PAIRWISE ? preflane_evaluate(ONE, loss, &pairs, &pair_outputs, NULL, &error)         \
   : (shape_of) == PREFLANE_SHAPE_LABELLED                                                                           \
       ? preflane_evaluate_labelled(ONE, loss, &labelled, &labelled_outputs, NULL, &error)                           \
       : preflane_evaluate_listed(ONE, loss, &listed, &listed_outputs, NULL, scratch, 2, &error))
    /* Those of samples have functions of their own. */
    if (about.shape == PREFLANE_SHAPE_CONTRASTIVE) {
      for (j = PREFLANE_SHAPE_PAIRWISE; j <= PREFLANE_SHAPE_LISTED; j++)
        REFUSED(EVALUATE_AS((int32_t)j, &loss), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
      continue;
    }
    /* Each value of the grids, one parameter after the other. */
    for (j = 0; j < about.parameter_count; j++) {
      for (k = 0; k < about.parameters[j].grid_length; k++) {
        preflane_loss other = loss;
        other.parameters[j] = about.parameters[j].grid[k];
        losses[0] = NAN;
        CHECK(EVALUATE_AS(about.shape, &other) == PREFLANE_OK && !isnan(losses[0]));
      }
    }
    for (k = 0; k < about.column.grid_length; k++) {
      numbers[k % 2] = (float)about.column.grid[k];
      losses[0] = NAN;
      CHECK(EVALUATE_AS(about.shape, &loss) == PREFLANE_OK && !isnan(losses[0]));
    }
    losses[0] = 7;
    /* A column that is missing, one that the loss does not take, and numbers outside of the range. */
    GIVE_COLUMN(about.column.name ? NULL : numbers);
    REFUSED(EVALUATE_AS(about.shape, &loss), PREFLANE_ERROR_LENGTH, "column", PREFLANE_NO_ROW);
    CHECK(strcmp(error.message, about.column.name ? "column has 0 elements where 2 are needed"
                                                  : "column has 2 elements where 0 are needed") == 0);
    GIVE_COLUMN(about.column.name ? numbers : NULL);
    for (k = 0; about.column.name && k < 3; k++) {
      float saved = numbers[1];
      numbers[1] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
      REFUSED(EVALUATE_AS(about.shape, &loss), PREFLANE_ERROR_COLUMN, "column", 1);
      CHECK(strstr(error.message, about.column.name) != NULL && strstr(error.message, about.column.requirement) != NULL);
      numbers[1] = saved;
    }
    for (j = 0; j < PREFLANE_LOSS_PARAMETERS; j++) {
      preflane_loss other = loss;
      other.parameters[j] = NAN;
      if (j < about.parameter_count) {
        CHECK(refused(EVALUATE_AS(about.shape, &other), &error, PREFLANE_ERROR_PARAMETER, about.parameters[j].name,
                      PREFLANE_NO_ROW));
        CHECK(strstr(error.message, about.parameters[j].requirement) != NULL);
      } else {
        CHECK(refused(EVALUATE_AS(about.shape, &other), &error, PREFLANE_ERROR_PARAMETER, "parameters", j));
      }
    }
    for (j = PREFLANE_SHAPE_PAIRWISE; j <= PREFLANE_SHAPE_LISTED; j++) {
      if ((int32_t)j == about.shape) continue;
      CHECK(refused(EVALUATE_AS((int32_t)j, &loss), &error, PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW));
    }
    CHECK(losses[0] == 7);
  }
  CHECK(with_column >= 20);
  CHECK(refused(preflane_loss_describe(i, NULL, &error), &error, PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW));
  {
    preflane_loss_description about;
    CHECK(refused(preflane_loss_describe(i, &about, &error), &error, PREFLANE_ERROR_PARAMETER, "index", PREFLANE_NO_ROW));
  }
  /* Aliases, case, and names that no loss has. */
  CHECK(preflane_loss_by_name("Sigmoid", &loss, &error) == PREFLANE_OK && loss.kind == PREFLANE_LOSS_DPO);
  CHECK(preflane_loss_by_name("plackett-luce", &loss, &error) == PREFLANE_OK && loss.kind == PREFLANE_LOSS_PLACKETT_LUCE);
  loss.kind = 77;
  CHECK(refused(preflane_loss_by_name("dpoo\x01", &loss, &error), &error, PREFLANE_ERROR_PARAMETER, "name", PREFLANE_NO_ROW));
  CHECK(strcmp(error.message, "no loss is called dpoo?; preflane_loss_describe tells the names of all") == 0);
  CHECK(preflane_loss_by_name("", &loss, &error) == PREFLANE_ERROR_PARAMETER);
  CHECK(preflane_loss_by_name("a name that is far longer than any loss's name or alias could ever be, and then some", &loss,
                              &error) == PREFLANE_ERROR_PARAMETER);
  CHECK(refused(preflane_loss_by_name(NULL, &loss, &error), &error, PREFLANE_ERROR_NULL, "name", PREFLANE_NO_ROW));
  CHECK(refused(preflane_loss_by_name("dpo", NULL, &error), &error, PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW));
  CHECK(loss.kind == 77);
  loss = preflane_simpo(2.5, 0.5);
  CHECK(loss.kind == PREFLANE_LOSS_SIMPO && loss.parameters[0] == 2.5 && loss.parameters[1] == 0.5 && loss.parameters[2] == 0);
  loss = preflane_kto(0.1, 2, 3);
  CHECK(loss.kind == PREFLANE_LOSS_KTO && loss.parameters[1] == 2 && loss.parameters[2] == 3 && loss.parameters[3] == 0);
}

/* What losses take beside log-probabilities: of pairs, in a step, and token by token. */
static void columns(void) {
  float pc[2] = {-12.5f, -30}, pr[2] = {-14, -28}, rc[2] = {-13, -29}, rr[2] = {-13.25f, -29.5f};
  float given[2] = {0.5f, -3}, losses[2] = {7, 7}, by_chosen[2], by_ref[2], plain[2];
  preflane_loss rebel = preflane_rebel(2), soft = preflane_soft_dpo(0.1), dpo = preflane_dpo(0.1), other = preflane_partial_return();
  preflane_pairs pairs = {2, pc, pr, rc, rr, NULL, NULL, 0, 0};
  preflane_pair_outputs outputs = {0};
  preflane_loss_description about;
  preflane_error error;
  size_t i;
  /* What the list says of it. */
  for (i = 0; i < preflane_loss_count(); i++) {
    CHECK(preflane_loss_describe(i, &about, &error) == PREFLANE_OK);
    if (about.kind == PREFLANE_LOSS_REBEL) break;
  }
  CHECK(strcmp(about.column.name, "reward_difference") == 0 && strcmp(about.column.requirement, "finite") == 0);
  CHECK(about.column.default_value == 0 && about.column.grid[0] == 0.5 && about.reference == 1);
  outputs.losses = losses, outputs.grad_chosen_logps = by_chosen, outputs.grad_ref_chosen_logps = by_ref;
  pairs.column = given;
  /* (h - eta r)^2 with h = 1.25 and -2.5. */
  CHECK(preflane_evaluate(ONE, &rebel, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
  CHECK(losses[0] == 0.0625f && losses[1] == 12.25f && by_chosen[0] == 0.5f && by_ref[1] == -7);
  losses[0] = 7;
  REFUSED(preflane_evaluate(ONE, &dpo, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_LENGTH, "column", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluate(ONE, &soft, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_COLUMN, "column", 1);
  CHECK(strcmp(error.message, "the preference of row 1 is -3; it must be at least 0 and at most 1") == 0);
  outputs.losses = given;
  REFUSED(preflane_evaluate(ONE, &rebel, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_OVERLAP, "losses", PREFLANE_NO_ROW);
  outputs.losses = losses;
  pairs.column = (const float *)((const char *)given + 1);
  REFUSED(preflane_evaluate(ONE, &rebel, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_ALIGNMENT, "column", PREFLANE_NO_ROW);
  pairs.column = NULL;
  REFUSED(preflane_evaluate(ONE, &rebel, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_LENGTH, "column", PREFLANE_NO_ROW);
  CHECK(losses[0] == 7);
  /* A certain preference is DPO. */
  given[0] = given[1] = 1;
  CHECK(preflane_evaluate(ONE, &dpo, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
  outputs.losses = plain, pairs.column = given;
  CHECK(preflane_evaluate(ONE, &soft, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
  CHECK(fabsf(losses[0] - plain[0]) <= 6e-8f && fabsf(losses[1] - plain[1]) <= 6e-8f);
  /* Returns of segments: without parameters, with a preference, and the same loss as DPO with beta 1. */
  given[1] = 0;
  pairs.ref_chosen_logps = pairs.ref_rejected_logps = NULL, pairs.reference_free = 1;
  CHECK(preflane_evaluate(ONE, &other, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
  CHECK(fabs(plain[0] - log1p(exp(-1.5))) <= 1e-7 && fabs(plain[1] - log1p(exp(-2.0))) <= 1e-7);
  other.parameters[0] = 1;
  REFUSED(preflane_evaluate(ONE, &other, &pairs, &outputs, NULL, &error), PREFLANE_ERROR_PARAMETER, "parameters", 0);
  CHECK(strcmp(error.message, "parameter 0 is 1; it must be 0, for the loss has parameters none") == 0 ||
        strcmp(error.message, "parameter 0 is 1; it must be 0, for the loss has no parameters") == 0);
  /* A step: the results of its pairs, and the refusals of each phase. */
  {
    static float dlogits[ROWS * STRIDE];
    static double memory[ROWS * 3 + PAIRS * 2];
    float reference[PAIRS] = {-9, -10, -11}, rewards[PAIRS] = {0.5f, -1, 2}, of_step[PAIRS], of_pairs[PAIRS], untouched;
    preflane_step step;
    preflane_step_buffers buffers;
    preflane_step_outputs results = {0};
    preflane_logits_mut in_place = matrix(dlogits);
    const preflane_rows some = {0, 3};
    memset(&step, 0, sizeof step);
    CHECK(preflane_step_buffers_in(memory, sizeof memory, 2 * PAIRS, TOKENS, &buffers, &error) == PREFLANE_OK);
    memcpy(dlogits, logits, sizeof logits);
    step.loss = rebel, step.grad_scale = 1, step.column = rewards;
    step.sequences.targets = preflane_targets_i64(labels64, ROWS), step.sequences.targets.shifted_tokens = TOKENS;
    step.sequences.tokens = TOKENS, step.sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
    step.sequences.reduction = PREFLANE_REDUCE_SUM;
    step.ref_chosen_logps = step.ref_rejected_logps = reference;
    results.losses = of_step;
    for (i = 0; i < 3; i++) {
      int32_t code = i == 1 ? PREFLANE_ERROR_COLUMN : PREFLANE_ERROR_LENGTH;
      uint64_t row = i == 1 ? 2 : PREFLANE_NO_ROW;
      step.loss = i == 2 ? dpo : rebel, step.column = i == 0 ? NULL : rewards;
      rewards[2] = i == 1 ? NAN : 2;
      untouched = buffers.token_logps[0];
      REFUSED(preflane_step_run(ONE, &step, &in_place, &buffers, &results, NULL, NULL, &error), code, "column", row);
      REFUSED(preflane_step_forward(ONE, &step, &in_place, some, &buffers, NULL, &error), code, "column", row);
      REFUSED(preflane_step_pairs(ONE, &step, &buffers, &results, NULL, &error), code, "column", row);
      CHECK(memcmp(&untouched, &buffers.token_logps[0], sizeof untouched) == 0 && memcmp(dlogits, logits, sizeof logits) == 0);
    }
    step.loss = rebel;
    CHECK(preflane_step_run(ONE, &step, &in_place, &buffers, &results, NULL, NULL, &error) == PREFLANE_OK);
    pairs.length = PAIRS, pairs.policy_chosen_logps = buffers.chosen_logps, pairs.policy_rejected_logps = buffers.rejected_logps;
    pairs.ref_chosen_logps = pairs.ref_rejected_logps = reference, pairs.reference_free = 0, pairs.column = rewards;
    memset(&outputs, 0, sizeof outputs);
    outputs.losses = of_pairs;
    CHECK(preflane_evaluate(ONE, &rebel, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
    CHECK(memcmp(of_step, of_pairs, sizeof of_step) == 0 && of_step[0] > 0);
  }
  /* Token by token there is none to give: the default counts, which for a preference is certain. */
  {
    preflane_evaluator evaluator;
    preflane_scored scored;
    int32_t is_pair;
    CHECK(preflane_evaluator_init(&evaluator, &soft, PREFLANE_REDUCE_SUM, &error) == PREFLANE_OK);
    for (i = 0; i < 2; i++) {
      CHECK(preflane_evaluator_begin(&evaluator, i ? PREFLANE_SIDE_REJECTED : PREFLANE_SIDE_CHOSEN, &error) == PREFLANE_OK);
      CHECK(preflane_evaluator_tokens(&evaluator, i ? pr : pc, i ? rr : rc, 1, &error) == PREFLANE_OK);
      CHECK(preflane_evaluator_end(&evaluator, NULL, &scored, &is_pair, &error) == PREFLANE_OK);
    }
    CHECK(is_pair == 1 && fabsf(scored.loss - losses[0]) <= 6e-8f);
  }
}

/* AOT: two distributions in order, the loss over them, and gradients brought back. */
static void distributions(void) {
  enum { N = 3 };
  float pc[N] = {-12.5f, -10, -30}, pr[N] = {-14, -9, -31}, rc[N] = {-13, -10, -29}, rr[N] = {-13.25f, -11, -29};
  float in_order[4][N], losses[N], by_chosen[N], back[N] = {7, 7, 7};
  size_t first[N], second[N], i;
  const double differences[N] = {-1, 0.75, 0.5}; /* -1, 1, 1.5 less 0, 0.25, 1 */
  preflane_loss loss = preflane_aot(0.1, 0);
  preflane_pairs good = {N, pc, pr, rc, rr, NULL, NULL, 0, 0}, pairs;
  preflane_pair_outputs outputs = {0};
  preflane_error error;
  CHECK(preflane_aot_order(&good, PREFLANE_COMPARED_LOG_RATIOS, first, second, &error) == PREFLANE_OK);
  CHECK(first[0] == 2 && first[1] == 1 && first[2] == 0 && second[0] == 2 && second[1] == 0 && second[2] == 1);
  CHECK(preflane_aot_order(&good, PREFLANE_COMPARED_MARGINS, first, second, &error) == PREFLANE_OK);
  CHECK(first[0] == 1 && first[1] == 2 && first[2] == 0 && second[0] == 2 && second[1] == 0 && second[2] == 1);
  CHECK(preflane_aot_gather(pc, first, N, in_order[0], &error) == PREFLANE_OK && in_order[0][1] == -30);
  CHECK(preflane_aot_gather(pr, first, N, in_order[1], &error) == PREFLANE_OK);
  CHECK(preflane_aot_gather(rc, second, N, in_order[2], &error) == PREFLANE_OK);
  CHECK(preflane_aot_gather(rr, second, N, in_order[3], &error) == PREFLANE_OK);
  pairs = good, pairs.policy_chosen_logps = in_order[0], pairs.policy_rejected_logps = in_order[1];
  pairs.ref_chosen_logps = in_order[2], pairs.ref_rejected_logps = in_order[3];
  outputs.losses = losses, outputs.grad_chosen_logps = by_chosen;
  CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, NULL, &error) == PREFLANE_OK);
  for (i = 0; i < N; i++) CHECK(fabs(losses[i] - log1p(exp(-0.1 * differences[i]))) <= 1e-7);
  CHECK(preflane_aot_scatter(by_chosen, first, N, back, &error) == PREFLANE_OK);
  for (i = 0; i < N; i++) CHECK(back[first[i]] == by_chosen[i]);
  /* Without a reference the second one is level, and rows stay where they are. */
  pairs = good, pairs.ref_chosen_logps = pairs.ref_rejected_logps = NULL, pairs.reference_free = 1;
  CHECK(preflane_aot_order(&pairs, PREFLANE_COMPARED_MARGINS, first, second, &error) == PREFLANE_OK);
  CHECK(first[0] == 1 && second[0] == 0 && second[1] == 1 && second[2] == 2);
  /* NaN comes last. */
  pc[1] = NAN;
  CHECK(preflane_aot_order(&pairs, PREFLANE_COMPARED_MARGINS, first, second, &error) == PREFLANE_OK && first[2] == 1);
  pc[1] = -10;
  /* Refusals, and nothing is written. */
  first[0] = 77, second[0] = 78, back[0] = 7;
#define AOT_ORDER(pairs, first, second) preflane_aot_order(pairs, PREFLANE_COMPARED_MARGINS, first, second, &error)
  REFUSED(AOT_ORDER(NULL, first, second), PREFLANE_ERROR_NULL, "pairs", PREFLANE_NO_ROW);
  REFUSED(AOT_ORDER(&good, NULL, second), PREFLANE_ERROR_NULL, "first", PREFLANE_NO_ROW);
  REFUSED(AOT_ORDER(&good, first, NULL), PREFLANE_ERROR_NULL, "second", PREFLANE_NO_ROW);
  REFUSED(AOT_ORDER(&good, first, first + 1), PREFLANE_ERROR_OVERLAP, "second", PREFLANE_NO_ROW);
  REFUSED(AOT_ORDER(&good, first, (size_t *)(void *)((char *)second + 1)), PREFLANE_ERROR_ALIGNMENT, "second", PREFLANE_NO_ROW);
  for (i = 0; i < 3; i++) {
    static const int32_t NONE[] = {0, 3, INT32_MIN};
    REFUSED(preflane_aot_order(&good, NONE[i], first, second, &error), PREFLANE_ERROR_PARAMETER, "compared", PREFLANE_NO_ROW);
  }
  pairs = good, pairs.policy_chosen_logps = NULL;
  REFUSED(AOT_ORDER(&pairs, first, second), PREFLANE_ERROR_NULL, "policy_chosen_logps", PREFLANE_NO_ROW);
  pairs = good, pairs.ref_rejected_logps = NULL;
  REFUSED(AOT_ORDER(&pairs, first, second), PREFLANE_ERROR_NULL, "ref_rejected_logps", PREFLANE_NO_ROW);
  pairs = good, pairs.reference_free = 1;
  REFUSED(AOT_ORDER(&pairs, first, second), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  pairs = good, pairs.reserved = 1;
  REFUSED(AOT_ORDER(&pairs, first, second), PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW);
  pairs = good, pairs.length = SIZE_MAX;
  REFUSED(AOT_ORDER(&pairs, first, second), PREFLANE_ERROR_LENGTH, "policy_chosen_logps", PREFLANE_NO_ROW);
  for (i = 0; i < 2; i++) {
    int32_t (*const move)(const float *, const size_t *, size_t, float *, preflane_error *) =
        i ? preflane_aot_scatter : preflane_aot_gather;
    size_t order[N] = {2, 3, 0};
    REFUSED(move(pc, order, N, back, &error), PREFLANE_ERROR_OFFSETS, "order", 1);
    CHECK(strcmp(error.message, "element 1 of order is 3; it must be a row, 0 to 2") == 0);
    order[1] = SIZE_MAX;
    REFUSED(move(pc, order, N, back, &error), PREFLANE_ERROR_OFFSETS, "order", 1);
    order[1] = 1;
    REFUSED(move(NULL, order, N, back, &error), PREFLANE_ERROR_NULL, "from", PREFLANE_NO_ROW);
    REFUSED(move(pc, NULL, N, back, &error), PREFLANE_ERROR_NULL, "order", PREFLANE_NO_ROW);
    REFUSED(move(pc, order, N, NULL, &error), PREFLANE_ERROR_NULL, "to", PREFLANE_NO_ROW);
    REFUSED(move(pc, order, N, pc, &error), PREFLANE_ERROR_OVERLAP, "to", PREFLANE_NO_ROW);
    REFUSED(move(pc, order, SIZE_MAX, back, &error), PREFLANE_ERROR_LENGTH, "from", PREFLANE_NO_ROW);
    CHECK(back[0] == 7 && pc[0] == -12.5f);
    CHECK(move(NULL, NULL, 0, NULL, &error) == PREFLANE_OK);
  }
  CHECK(first[0] == 77 && second[0] == 78);
  memset(&pairs, 0, sizeof pairs);
  CHECK(AOT_ORDER(&pairs, NULL, NULL) == PREFLANE_OK);
}

/* Answers with a label. */
static void labelled_answers(void) {
  enum { N = 5 };
  float policy[N] = {-12.5f, -14, -9, -30, -2}, reference[N] = {-13, -13.25f, -9, -28, -2.5f}, weights[N] = {1, 2, 0, 1, 0.5f};
  uint8_t desirable[N] = {1, 0, 1, 0, 1};
  float losses[2][N], rewards[N], grads[N], grad_refs[N], by_beta[N];
  preflane_loss loss = preflane_kto(0.1, 1.5, 0.75);
  preflane_labelled good = {N, policy, reference, desirable, weights, 0.25f, 0, NULL}, answers;
  preflane_labelled_outputs outputs = {0};
  preflane_labelled_metrics whole = {0}, part = {0}, parts = {0}, damaged;
  preflane_labelled_report report;
  preflane_error error;
  uint8_t bytes[PREFLANE_LABELLED_METRICS_BYTES + 3];
  size_t i;
  outputs.losses = losses[0], outputs.rewards = rewards, outputs.grad_logps = grads, outputs.grad_ref_logps = grad_refs;
  outputs.grad_beta = by_beta;
  CHECK(preflane_evaluate_labelled(ONE, &loss, &good, &outputs, &whole, &error) == PREFLANE_OK);
  for (i = 0; i < N; i++) {
    double u = (double)policy[i] - reference[i], z = 0.1 * u - 0.1 * 0.25;
    double expected = desirable[i] ? 1.5 / (1 + exp(z)) : 0.75 / (1 + exp(-z));
    CHECK(fabs(losses[0][i] - weights[i] * expected) <= 1e-7 * (1 + expected));
    CHECK(rewards[i] == (float)(0.1 * u) && grads[i] == -grad_refs[i] && (desirable[i] ? grads[i] <= 0 : grads[i] >= 0));
  }
  CHECK(whole.desirable == 3 && whole.undesirable == 2 && whole.referenced == N && whole.nonfinite == 0);
  /* One by one and merged backwards: the same bits. */
  outputs.losses = losses[1];
  for (i = N; i-- > 0;) {
    preflane_labelled one = {1, NULL, NULL, NULL, NULL, 0.25f, 0, NULL};
    preflane_labelled_outputs to = {0};
    one.policy_logps = policy + i, one.ref_logps = reference + i, one.desirable = desirable + i, one.weights = weights + i;
    to.losses = losses[1] + i;
    memset(&part, 0, sizeof part);
    CHECK(preflane_evaluate_labelled(ONE, &loss, &one, &to, &part, &error) == PREFLANE_OK);
    CHECK(preflane_labelled_metrics_merge(&parts, &part, &error) == PREFLANE_OK);
  }
  CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0 && memcmp(&whole, &parts, sizeof whole) == 0);
  CHECK(preflane_labelled_metrics_report(&whole, &report, &error) == PREFLANE_OK && report.desirable == 3);
  CHECK(report.rewards_margins == report.rewards_chosen - report.rewards_rejected && report.logps_rejected == -22.0f);
  /* To bytes and back. */
  memset(bytes, 0xee, sizeof bytes);
  CHECK(preflane_labelled_metrics_save(&whole, bytes, sizeof bytes, &error) == PREFLANE_OK);
  CHECK(bytes[PREFLANE_LABELLED_METRICS_BYTES] == 0xee && bytes[PREFLANE_LABELLED_METRICS_BYTES - 1] != 0xee);
  memset(&part, 0, sizeof part);
  CHECK(preflane_labelled_metrics_restore(bytes, sizeof bytes, &part, &error) == PREFLANE_OK);
  CHECK(memcmp(&whole, &part, sizeof whole) == 0);
  CHECK(refused(preflane_labelled_metrics_save(&whole, bytes, PREFLANE_LABELLED_METRICS_BYTES - 1, &error), &error,
                PREFLANE_ERROR_LENGTH, "bytes", PREFLANE_NO_ROW));
  {
    preflane_metrics other;
    preflane_listed_metrics another;
    CHECK(refused(preflane_metrics_restore(bytes, sizeof bytes, &other, &error), &error, PREFLANE_ERROR_SAVED_STATE, "bytes",
                  PREFLANE_NO_ROW));
    CHECK(preflane_listed_metrics_restore(bytes, sizeof bytes, &another, &error) == PREFLANE_ERROR_SAVED_STATE);
  }
  for (i = 0; i < PREFLANE_LABELLED_METRICS_BYTES; i++) {
    bytes[i] ^= 4;
    CHECK(preflane_labelled_metrics_restore(bytes, sizeof bytes, &part, &error) == PREFLANE_ERROR_SAVED_STATE);
    bytes[i] ^= 4;
  }
  CHECK(memcmp(&whole, &part, sizeof whole) == 0);
  /* Refusals, and nothing is written. */
  losses[1][0] = 7;
#define LABELLED(answers, outputs, metrics) preflane_evaluate_labelled(ONE, &loss, answers, outputs, metrics, &error)
  REFUSED(LABELLED(NULL, &outputs, &whole), PREFLANE_ERROR_NULL, "answers", PREFLANE_NO_ROW);
  REFUSED(LABELLED(&good, NULL, &whole), PREFLANE_ERROR_NULL, "outputs", PREFLANE_NO_ROW);
  answers = good, answers.desirable = NULL;
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_NULL, "desirable", PREFLANE_NO_ROW);
  answers = good, answers.ref_logps = NULL;
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_NULL, "ref_logps", PREFLANE_NO_ROW);
  answers = good, answers.reference_free = 1;
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  answers = good, answers.reference_point = INFINITY;
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_PARAMETER, "reference_point", PREFLANE_NO_ROW);
  answers = good, answers.policy_logps = (const float *)((const char *)policy + 2);
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_ALIGNMENT, "policy_logps", PREFLANE_NO_ROW);
  answers = good, answers.length = SIZE_MAX / 2;
  REFUSED(LABELLED(&answers, &outputs, &whole), PREFLANE_ERROR_LENGTH, "policy_logps", PREFLANE_NO_ROW);
  desirable[3] = 2;
  REFUSED(LABELLED(&good, &outputs, &whole), PREFLANE_ERROR_PARAMETER, "desirable", 3);
  CHECK(strcmp(error.message, "element 3 of desirable is 2; it must be 0 or 1") == 0);
  desirable[3] = 0;
  weights[1] = -1;
  REFUSED(LABELLED(&good, &outputs, &whole), PREFLANE_ERROR_WEIGHT, "weights", 1);
  weights[1] = 2;
  outputs.rewards = losses[1] + 1;
  REFUSED(LABELLED(&good, &outputs, &whole), PREFLANE_ERROR_OVERLAP, "rewards", PREFLANE_NO_ROW);
  outputs.rewards = rewards;
  for (i = 0; i < 4; i++) {
    preflane_labelled_metrics before;
    damaged = whole;
    if (i == 0) damaged.referenced = N + 1;
    if (i == 1) damaged.nonfinite = N + 1;
    if (i == 2) damaged.loss.limbs[4] |= (uint64_t)1 << 63;
    if (i == 3) memset(&damaged, 0xa5, sizeof damaged);
    before = damaged;
    REFUSED(LABELLED(&good, &outputs, &damaged), PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW);
    REFUSED(preflane_labelled_metrics_merge(&damaged, &whole, &error), PREFLANE_ERROR_PARAMETER, "into", PREFLANE_NO_ROW);
    REFUSED(preflane_labelled_metrics_merge(&whole, &damaged, &error), PREFLANE_ERROR_PARAMETER, "from", PREFLANE_NO_ROW);
    REFUSED(preflane_labelled_metrics_report(&damaged, &report, &error), PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW);
    REFUSED(preflane_labelled_metrics_save(&damaged, bytes, sizeof bytes, &error), PREFLANE_ERROR_PARAMETER, "metrics",
            PREFLANE_NO_ROW);
    CHECK(memcmp(&damaged, &before, sizeof before) == 0);
  }
  CHECK(losses[1][0] == 7 && memcmp(&whole, &parts, sizeof whole) == 0);
  memset(&answers, 0, sizeof answers);
  CHECK(LABELLED(&answers, &outputs, NULL) == PREFLANE_OK);
}

/* The running means that losses compare with. */
static void mean_log_ratios(void) {
  enum { N = 4 };
  float policy[N] = {-40, -31.5f, -27, -NAN}, reference[N] = {-41, -32, -24, -1};
  float rejected[2] = {-2, -3}, values[3] = {7, 7, 7}, beta = 7;
  preflane_mean_log_ratio whole = {0}, part = {0}, parts = {0}, damaged;
  preflane_pairs pairs = {0};
  preflane_error error;
  uint8_t bytes[PREFLANE_MEAN_LOG_RATIO_BYTES + 1];
  size_t i;
  CHECK(preflane_mean_log_ratio_value(&whole, values, values + 1, values + 2, &error) == PREFLANE_OK);
  CHECK(isnan(values[0]) && values[1] == 0 && values[2] == 0);
  CHECK(preflane_mean_log_ratio_add(&whole, policy, reference, N, &error) == PREFLANE_OK);
  CHECK(whole.rows == 3 && whole.nonfinite == 1);
  for (i = N; i-- > 0;) {
    memset(&part, 0, sizeof part);
    CHECK(preflane_mean_log_ratio_add(&part, policy + i, reference + i, 1, &error) == PREFLANE_OK);
    CHECK(preflane_mean_log_ratio_merge(&parts, &part, &error) == PREFLANE_OK);
  }
  CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
  CHECK(preflane_mean_log_ratio_value(&whole, values, values + 1, values + 2, &error) == PREFLANE_OK);
  CHECK(values[0] == -0.5f && values[1] == 0 && values[2] == -0.5f);
  CHECK(preflane_mean_log_ratio_value(&whole, NULL, NULL, NULL, &error) == PREFLANE_OK);
  /* Pairs: (-40 + 2) - (-41 + 3) = 0 and (-31.5 + 3) - (-32 + 2) = 1.5. */
  pairs.length = 2, pairs.policy_chosen_logps = policy, pairs.policy_rejected_logps = rejected;
  pairs.ref_chosen_logps = reference, pairs.ref_rejected_logps = (float[]){-3, -2};
  memset(&part, 0, sizeof part);
  CHECK(preflane_mean_log_ratio_add_pairs(&part, &pairs, &error) == PREFLANE_OK && part.rows == 2);
  CHECK(preflane_mean_log_ratio_value(&part, values, NULL, NULL, &error) == PREFLANE_OK && values[0] == 0.75f);
  /* 0.1 (1 + 0.6 (0.75 + 0.5)) */
  CHECK(preflane_beta_of_batch(&part, &whole, 0.1, 0.6, &beta, &error) == PREFLANE_OK && beta == 0.175f);
  CHECK(preflane_beta_of_batch(&whole, &part, 0.1, 60, &beta, &error) == PREFLANE_OK && beta == 0.001f);
  CHECK(preflane_mean_log_ratio_save(&whole, bytes, sizeof bytes, &error) == PREFLANE_OK);
  memset(&part, 0, sizeof part);
  CHECK(preflane_mean_log_ratio_restore(bytes, sizeof bytes, &part, &error) == PREFLANE_OK);
  CHECK(memcmp(&whole, &part, sizeof whole) == 0);
  for (i = 0; i < PREFLANE_MEAN_LOG_RATIO_BYTES; i++) {
    bytes[i] ^= 4;
    CHECK(preflane_mean_log_ratio_restore(bytes, sizeof bytes, &part, &error) == PREFLANE_ERROR_SAVED_STATE);
    bytes[i] ^= 4;
  }
  /* Refusals, and nothing is written. */
  beta = 7;
  REFUSED(preflane_mean_log_ratio_add(NULL, policy, reference, N, &error), PREFLANE_ERROR_NULL, "state", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add(&whole, NULL, reference, N, &error), PREFLANE_ERROR_NULL, "policy_logps", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add(&whole, policy, NULL, N, &error), PREFLANE_ERROR_NULL, "ref_logps", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_merge(&whole, &whole, &error), PREFLANE_ERROR_OVERLAP, "into", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_save(&whole, bytes, PREFLANE_MEAN_LOG_RATIO_BYTES - 1, &error), PREFLANE_ERROR_LENGTH, "bytes",
          PREFLANE_NO_ROW);
  REFUSED(preflane_beta_of_batch(&whole, &part, 0, 0.5, &beta, &error), PREFLANE_ERROR_PARAMETER, "beta", PREFLANE_NO_ROW);
  REFUSED(preflane_beta_of_batch(&whole, &part, 0.1, -1, &beta, &error), PREFLANE_ERROR_PARAMETER, "strength", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add(&whole, policy, reference, SIZE_MAX, &error), PREFLANE_ERROR_LENGTH, "policy_logps",
          PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add(&whole, (const float *)((const char *)policy + 1), reference, 1, &error),
          PREFLANE_ERROR_ALIGNMENT, "policy_logps", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add(&whole, (const float *)(const void *)&whole, reference, 1, &error), PREFLANE_ERROR_OVERLAP,
          "state", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add_pairs(&whole, NULL, &error), PREFLANE_ERROR_NULL, "pairs", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_add_pairs(NULL, &pairs, &error), PREFLANE_ERROR_NULL, "state", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_merge(&whole, NULL, &error), PREFLANE_ERROR_NULL, "from", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_merge(NULL, &whole, &error), PREFLANE_ERROR_NULL, "into", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_value(NULL, values, NULL, NULL, &error), PREFLANE_ERROR_NULL, "state", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_value(&whole, values, values, NULL, &error), PREFLANE_ERROR_OVERLAP, "mismatched",
          PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_save(NULL, bytes, sizeof bytes, &error), PREFLANE_ERROR_NULL, "metrics", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_restore(NULL, 5, &whole, &error), PREFLANE_ERROR_NULL, "bytes", PREFLANE_NO_ROW);
  REFUSED(preflane_mean_log_ratio_restore(bytes, sizeof bytes, NULL, &error), PREFLANE_ERROR_NULL, "metrics", PREFLANE_NO_ROW);
  REFUSED(preflane_beta_of_batch(NULL, &part, 0.1, 0.5, &beta, &error), PREFLANE_ERROR_NULL, "batch", PREFLANE_NO_ROW);
  REFUSED(preflane_beta_of_batch(&whole, NULL, 0.1, 0.5, &beta, &error), PREFLANE_ERROR_NULL, "running", PREFLANE_NO_ROW);
  REFUSED(preflane_beta_of_batch(&whole, &part, 0.1, 0.5, NULL, &error), PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW);
  pairs.reserved = 1;
  REFUSED(preflane_mean_log_ratio_add_pairs(&whole, &pairs, &error), PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW);
  pairs.reserved = 0, pairs.reference_free = 1;
  REFUSED(preflane_mean_log_ratio_add_pairs(&whole, &pairs, &error), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  for (i = 0; i < 2; i++) {
    damaged = whole;
    if (i == 0) damaged.rows = 0;
    if (i == 1) damaged.log_ratios.limbs[4] |= (uint64_t)1 << 60;
    part = damaged;
    REFUSED(preflane_mean_log_ratio_add(&damaged, policy, reference, N, &error), PREFLANE_ERROR_PARAMETER, "state", PREFLANE_NO_ROW);
    REFUSED(preflane_mean_log_ratio_merge(&damaged, &whole, &error), PREFLANE_ERROR_PARAMETER, "into", PREFLANE_NO_ROW);
    REFUSED(preflane_mean_log_ratio_merge(&whole, &damaged, &error), PREFLANE_ERROR_PARAMETER, "from", PREFLANE_NO_ROW);
    REFUSED(preflane_mean_log_ratio_value(&damaged, values, NULL, NULL, &error), PREFLANE_ERROR_PARAMETER, "state", PREFLANE_NO_ROW);
    REFUSED(preflane_beta_of_batch(&damaged, &whole, 0.1, 0.5, &beta, &error), PREFLANE_ERROR_PARAMETER, "batch", PREFLANE_NO_ROW);
    CHECK(memcmp(&damaged, &part, sizeof part) == 0);
  }
  CHECK(beta == 7 && memcmp(&whole, &parts, sizeof whole) == 0);
}

/* Estimates of the divergence. */
static void divergences(void) {
  enum { N = 3, SEQUENCES = 2 };
  float policy[N] = {-1.5f, -0.25f, -3}, reference[N] = {-2, -0.5f, -3.5f};
  float estimates[N], grads[N], sums[SEQUENCES], means[SEQUENCES];
  size_t offsets[SEQUENCES + 1] = {0, 2, 3};
  preflane_kl_tokens good = {N, SEQUENCES, policy, reference, offsets, PREFLANE_KL_K3, 0}, tokens;
  preflane_kl_outputs outputs = {estimates, grads, sums, means};
  preflane_sum total = {0}, damaged;
  preflane_error error;
  float value;
  size_t i;
  CHECK(preflane_kl(ONE, &good, &outputs, &total, &error) == PREFLANE_OK);
  for (i = 0; i < N; i++) {
    double d = (double)policy[i] - reference[i];
    CHECK(fabs(estimates[i] - (exp(-d) - 1 + d)) <= 1e-7 && fabs(grads[i] - (1 - exp(-d))) <= 1e-7);
  }
  CHECK(fabs(sums[0] - (estimates[0] + estimates[1])) <= 1e-7 && means[1] == estimates[2] && sums[1] == estimates[2]);
  CHECK(preflane_sum_value(&total, N, &value, NULL, &error) == PREFLANE_OK && fabs(value - (sums[0] + sums[1])) <= 1e-7);
  good.estimate = PREFLANE_KL_K1;
  CHECK(preflane_kl(ONE, &good, &outputs, NULL, &error) == PREFLANE_OK && sums[0] == 0.75f && means[0] == 0.375f);
  good.estimate = PREFLANE_KL_K2;
  CHECK(preflane_kl(ONE, &good, &outputs, NULL, &error) == PREFLANE_OK && estimates[0] == 0.125f && grads[0] == 0.5f);
  /* Refusals, and nothing is written. */
#define DIVERGENCE(tokens, total) preflane_kl(ONE, tokens, &outputs, total, &error)
  REFUSED(DIVERGENCE(NULL, NULL), PREFLANE_ERROR_NULL, "tokens", PREFLANE_NO_ROW);
  for (i = 0; i < 3; i++) {
    tokens = good, tokens.estimate = i == 0 ? 0 : i == 1 ? 4 : -1;
    REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_PARAMETER, "estimate", PREFLANE_NO_ROW);
  }
  REFUSED(preflane_kl(ONE, &good, NULL, NULL, &error), PREFLANE_ERROR_NULL, "outputs", PREFLANE_NO_ROW);
  tokens = good, tokens.ref_logps = NULL;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_NULL, "ref_logps", PREFLANE_NO_ROW);
  tokens = good, tokens.policy_logps = NULL;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_NULL, "policy_logps", PREFLANE_NO_ROW);
  tokens = good, tokens.offsets = NULL;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_NULL, "offsets", PREFLANE_NO_ROW);
  tokens = good, tokens.tokens = SIZE_MAX / 2;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_LENGTH, "policy_logps", PREFLANE_NO_ROW);
  tokens = good, tokens.sequences = SIZE_MAX;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_LENGTH, "offsets", PREFLANE_NO_ROW);
  tokens = good, tokens.reserved = 1;
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW);
  tokens = good, tokens.policy_logps = (const float *)((const char *)policy + 2);
  REFUSED(DIVERGENCE(&tokens, NULL), PREFLANE_ERROR_ALIGNMENT, "policy_logps", PREFLANE_NO_ROW);
  offsets[1] = 3;
  REFUSED(DIVERGENCE(&good, NULL), PREFLANE_ERROR_EMPTY_SEQUENCE, "offsets", 1);
  offsets[1] = 2, offsets[2] = 2;
  REFUSED(DIVERGENCE(&good, NULL), PREFLANE_ERROR_OFFSETS, "offsets", 2);
  offsets[2] = 3;
  damaged = total, damaged.limbs[4] |= (uint64_t)1 << 63;
  REFUSED(DIVERGENCE(&good, &damaged), PREFLANE_ERROR_PARAMETER, "total", PREFLANE_NO_ROW);
  outputs.means = sums + 1;
  REFUSED(DIVERGENCE(&good, NULL), PREFLANE_ERROR_OVERLAP, "means", PREFLANE_NO_ROW);
  CHECK(estimates[0] == 0.125f && grads[0] == 0.5f);
  memset(&tokens, 0, sizeof tokens);
  tokens.estimate = PREFLANE_KL_K1;
  CHECK(DIVERGENCE(&tokens, NULL) == PREFLANE_OK);
}

/* Answers in lists: a list of two is a pair. */
static void listed_answers(void) {
  enum { ANSWERS = 6, LISTS = 4 };
  float policy[ANSWERS] = {-12.5f, -14, -9, -10, -8, -30}, reference[ANSWERS] = {-13, -13.25f, -9.5f, -10, -9, -28};
  float weights[LISTS] = {1, 0.5f, 1, 2}, losses[2][LISTS], by_beta[LISTS], rewards[ANSWERS], grads[ANSWERS], grad_refs[ANSWERS];
  size_t offsets[LISTS + 1] = {0, 2, 5, 5, 6};
  preflane_loss loss = preflane_plackett_luce(0.1), pair_loss = preflane_dpo(0.1);
  preflane_listed good = {ANSWERS, LISTS, policy, reference, offsets, weights, NULL, 0, 0}, lists;
  preflane_listed_outputs outputs = {0};
  preflane_list_scratch scratch[3];
  preflane_listed_metrics whole = {0}, part, parts = {0}, damaged;
  preflane_listed_report report;
  preflane_error error;
  uint8_t bytes[PREFLANE_LISTED_METRICS_BYTES];
  size_t i, j;
  outputs.losses = losses[0], outputs.grad_beta = by_beta, outputs.rewards = rewards, outputs.grad_logps = grads;
  outputs.grad_ref_logps = grad_refs;
  memset(scratch, 0xff, sizeof scratch);
#define LISTED(lists, outputs, metrics, length) \
  preflane_evaluate_listed(ONE, &loss, lists, outputs, metrics, scratch, length, &error)
  CHECK(LISTED(&good, &outputs, &whole, 3) == PREFLANE_OK);
  {
    float pair_results[3], weight = weights[0];
    preflane_pairs pair = {1, policy, policy + 1, reference, reference + 1, NULL, NULL, 0, 0};
    preflane_pair_outputs to = {0};
    pair.weights = &weight;
    to.losses = pair_results, to.grad_chosen_logps = pair_results + 1, to.grad_beta = pair_results + 2;
    CHECK(preflane_evaluate(ONE, &pair_loss, &pair, &to, NULL, &error) == PREFLANE_OK);
    CHECK(losses[0][0] == pair_results[0] && grads[0] == pair_results[1] && by_beta[0] == pair_results[2]);
  }
  {
    double z[3], sum = 0;
    for (i = 0; i < 3; i++) z[i] = 0.1 * ((double)policy[2 + i] - reference[2 + i]);
    for (i = 0; i < 3; i++) {
      double total = 0;
      for (j = i; j < 3; j++) total += exp(z[j]);
      sum += log(total) - z[i];
    }
    CHECK(fabs(losses[0][1] - 0.5 * sum) <= 1e-6 && losses[0][2] == 0 && losses[0][3] == 0 && grads[5] == 0);
    CHECK(rewards[4] == (float)(0.1 * 1.0) && grads[2] == -grad_refs[2]);
  }
  CHECK(whole.lists == LISTS && whole.filled == 3 && whole.answers == ANSWERS && whole.accurate == 1 && whole.skipped == 2);
  for (i = LISTS; i-- > 0;) {
    size_t of_one[2] = {0, 0};
    preflane_listed one = {0, 1, NULL, NULL, NULL, NULL, NULL, 0, 0};
    preflane_listed_outputs to = {0};
    of_one[1] = one.answers = offsets[i + 1] - offsets[i];
    one.policy_logps = policy + offsets[i], one.ref_logps = reference + offsets[i], one.offsets = of_one, one.weights = weights + i;
    to.losses = losses[1] + i;
    memset(&part, 0, sizeof part);
    CHECK(LISTED(&one, &to, &part, one.answers) == PREFLANE_OK);
    CHECK(preflane_listed_metrics_merge(&parts, &part, &error) == PREFLANE_OK);
  }
  CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0 && memcmp(&whole, &parts, sizeof whole) == 0);
  CHECK(preflane_listed_metrics_report(&whole, &report, &error) == PREFLANE_OK && report.lists == LISTS);
  CHECK(report.rewards_accuracies == 0.25f && report.logps_chosen == (float)((-12.5 - 9 - 30) / 3));
  CHECK(preflane_listed_metrics_save(&whole, bytes, sizeof bytes, &error) == PREFLANE_OK);
  CHECK(preflane_listed_metrics_restore(bytes, sizeof bytes, &part, &error) == PREFLANE_OK);
  CHECK(memcmp(&whole, &part, sizeof whole) == 0);
  losses[1][0] = 7;
  outputs.losses = losses[1];
  REFUSED(LISTED(&good, &outputs, &whole, 2), PREFLANE_ERROR_LENGTH, "scratch", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluate_listed(ONE, &loss, &good, &outputs, &whole, NULL, 3, &error), PREFLANE_ERROR_NULL, "scratch",
          PREFLANE_NO_ROW);
  REFUSED(preflane_evaluate_listed(ONE, &loss, &good, &outputs, &whole, (preflane_list_scratch *)(void *)&whole, 2, &error),
          PREFLANE_ERROR_OVERLAP, "scratch", PREFLANE_NO_ROW);
  for (i = 0; i < 4; i++) {
    static const size_t PLACES[] = {0, 1, 2, 4}, VALUES[] = {1, 6, 1, 7};
    size_t saved = offsets[PLACES[i]];
    offsets[PLACES[i]] = VALUES[i];
    REFUSED(LISTED(&good, &outputs, &whole, 3), PREFLANE_ERROR_OFFSETS, "offsets", i == 1 ? 2 : PLACES[i]);
    offsets[PLACES[i]] = saved;
  }
  lists = good, lists.offsets = NULL;
  REFUSED(LISTED(&lists, &outputs, &whole, 3), PREFLANE_ERROR_NULL, "offsets", PREFLANE_NO_ROW);
  lists = good, lists.lists = SIZE_MAX;
  REFUSED(LISTED(&lists, &outputs, &whole, 3), PREFLANE_ERROR_LENGTH, "offsets", PREFLANE_NO_ROW);
  lists = good, lists.reserved = 1;
  REFUSED(LISTED(&lists, &outputs, &whole, 3), PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW);
  lists = good, lists.reference_free = 1;
  REFUSED(LISTED(&lists, &outputs, &whole, 3), PREFLANE_ERROR_PARAMETER, "reference_free", PREFLANE_NO_ROW);
  weights[3] = INFINITY;
  REFUSED(LISTED(&good, &outputs, &whole, 3), PREFLANE_ERROR_WEIGHT, "weights", 3);
  weights[3] = 2;
  {
    /* What a loss takes of each answer: demanded, refused where it takes nothing, and looked at. */
    float rewards_given[ANSWERS] = {1, 0, 0.5f, -1, 2, 0};
    preflane_loss nca = preflane_nca(0.1, 1.0), sided = preflane_real(0.5);
    lists = good, lists.column = rewards_given;
    REFUSED(LISTED(&lists, &outputs, &whole, 3), PREFLANE_ERROR_LENGTH, "column", PREFLANE_NO_ROW);
    REFUSED(preflane_evaluate_listed(ONE, &nca, &good, &outputs, &whole, scratch, 3, &error), PREFLANE_ERROR_LENGTH, "column",
            PREFLANE_NO_ROW);
    REFUSED(preflane_evaluate_listed(ONE, &sided, &lists, &outputs, &whole, scratch, 3, &error), PREFLANE_ERROR_COLUMN, "column", 2);
    CHECK(losses[1][0] == 7);
    memset(&part, 0, sizeof part);
    CHECK(preflane_evaluate_listed(ONE, &nca, &lists, &outputs, &part, scratch, 3, &error) == PREFLANE_OK);
    CHECK(losses[1][3] > 0 && part.skipped == 1);
    losses[1][0] = 7;
  }
  for (i = 0; i < 5; i++) {
    damaged = whole;
    if (i == 4) damaged.skipped = LISTS + 1;
    if (i == 0) damaged.filled = LISTS + 1;
    if (i == 1) damaged.accurate = 4;
    if (i == 2) damaged.answers = 2;
    if (i == 3) damaged.weights.limbs[4] |= (uint64_t)1 << 63;
    REFUSED(LISTED(&good, &outputs, &damaged, 3), PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW);
    REFUSED(preflane_listed_metrics_merge(&damaged, &whole, &error), PREFLANE_ERROR_PARAMETER, "into", PREFLANE_NO_ROW);
    REFUSED(preflane_listed_metrics_report(&damaged, &report, &error), PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW);
    REFUSED(preflane_listed_metrics_save(&damaged, bytes, sizeof bytes, &error), PREFLANE_ERROR_PARAMETER, "metrics",
            PREFLANE_NO_ROW);
  }
  CHECK(losses[1][0] == 7 && memcmp(&whole, &parts, sizeof whole) == 0);
  memset(&lists, 0, sizeof lists);
  memset(&outputs, 0, sizeof outputs);
  CHECK(preflane_evaluate_listed(ONE, &loss, &lists, &outputs, NULL, NULL, 0, &error) == PREFLANE_OK);
}

/* Metrics of pairs as bytes. */
static void metrics_bytes(void) {
  float in[2] = {-1, -2};
  preflane_pairs pairs = {2, in, in, NULL, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs outputs = {0};
  preflane_loss loss = preflane_dpo(0.1);
  preflane_metrics metrics = {0}, back = {0};
  preflane_error error;
  uint8_t bytes[PREFLANE_METRICS_BYTES];
  CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, &metrics, &error) == PREFLANE_OK);
  CHECK(preflane_metrics_save(&metrics, bytes, sizeof bytes, &error) == PREFLANE_OK && memcmp(bytes, "PFLN", 4) == 0);
  CHECK(preflane_metrics_restore(bytes, sizeof bytes, &back, &error) == PREFLANE_OK);
  CHECK(memcmp(&metrics, &back, sizeof back) == 0);
  back.ties = 77;
  REFUSED(preflane_metrics_restore(bytes, sizeof bytes - 1, &back, &error), PREFLANE_ERROR_SAVED_STATE, "bytes", PREFLANE_NO_ROW);
  REFUSED(preflane_metrics_restore(NULL, 5, &back, &error), PREFLANE_ERROR_NULL, "bytes", PREFLANE_NO_ROW);
  REFUSED(preflane_metrics_restore((uint8_t *)&back, sizeof back, &back, &error), PREFLANE_ERROR_OVERLAP, "metrics",
          PREFLANE_NO_ROW);
  REFUSED(preflane_metrics_save(&back, bytes, sizeof bytes, &error), PREFLANE_ERROR_PARAMETER, "metrics", PREFLANE_NO_ROW);
  CHECK(back.ties == 77);
}

/* InfoNCE: with one negative it is DPO; its symmetric form; similarities of vectors. */
static void contrastive(void) {
  float pc[2] = {-1.5f, -3}, pr[2] = {-2, -2.5f}, zero[2] = {0, 0}, pair_losses[2], pair_grads[2];
  float losses[2], by_positive[2], by_negative[4], by_temperature[2];
  preflane_loss loss = preflane_dpo(1);
  preflane_pairs pairs = {2, pc, pr, zero, zero, NULL, NULL, 0, 0};
  preflane_pair_outputs of_pairs = {0};
  preflane_similarities rows = {pc, {pr, 2, 1, 1}, NULL}, given;
  preflane_info_nce_outputs outputs = {losses, by_positive, by_negative, 2, by_temperature};
  preflane_error error;
  uint64_t nonfinite = 9;
  size_t i;
  of_pairs.losses = pair_losses, of_pairs.grad_chosen_logps = pair_grads;
  by_negative[1] = by_negative[3] = 7;
  CHECK(preflane_evaluate(ONE, &loss, &pairs, &of_pairs, NULL, &error) == PREFLANE_OK);
  CHECK(preflane_info_nce(ONE, &rows, 1, &outputs, &nonfinite, &error) == PREFLANE_OK && nonfinite == 0);
  for (i = 0; i < 2; i++) {
    CHECK(fabsf(losses[i] - pair_losses[i]) <= 1.2e-7f && fabsf(by_positive[i] - pair_grads[i]) <= 6e-8f);
    CHECK(fabsf(by_positive[i] + by_negative[2 * i]) <= 6e-8f && by_negative[2 * i + 1] == 7);
  }
  {
    uint8_t mask[2] = {0, 1};
    given = rows, given.mask = mask;
    CHECK(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error) == PREFLANE_OK && losses[0] == 0 && losses[1] > 0);
    losses[0] = 7;
    mask[1] = 255;
    REFUSED(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error), PREFLANE_ERROR_PARAMETER, "mask", 1);
  }
  given = rows, given.negatives.columns = 0, given.negatives.data = NULL;
  CHECK(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error) == PREFLANE_OK && losses[1] == 0);
  losses[0] = 7;
  REFUSED(preflane_info_nce(ONE, &rows, 0, &outputs, NULL, &error), PREFLANE_ERROR_PARAMETER, "temperature", PREFLANE_NO_ROW);
  given = rows, given.negatives.stride = 0;
  REFUSED(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
  given = rows, given.positives = NULL;
  REFUSED(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error), PREFLANE_ERROR_NULL, "positives", PREFLANE_NO_ROW);
  given = rows, given.negatives.rows = SIZE_MAX / 8;
  REFUSED(preflane_info_nce(ONE, &given, 1, &outputs, NULL, &error), PREFLANE_ERROR_LENGTH, "grad_negatives", PREFLANE_NO_ROW);
  outputs.losses = pr;
  REFUSED(preflane_info_nce(ONE, &rows, 1, &outputs, NULL, &error), PREFLANE_ERROR_OVERLAP, "losses", PREFLANE_NO_ROW);
  outputs.grad_negatives_stride = 0, outputs.losses = losses;
  REFUSED(preflane_info_nce(ONE, &rows, 1, &outputs, NULL, &error), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
  CHECK(losses[0] == 7);
  {
    enum { M = 3, D = 2 };
    float queries[M * D] = {1, 0, 0.5f, 2, -1, 1}, keys[M * D] = {1, 0.25f, 0, 1, -2, 1}, similarities[M * M], grads[M * M];
    float mean_rows, mean_columns, by_row[M], grad_queries[M * D] = {0}, grad_keys[M * D] = {0};
    preflane_log_sum_exp row_sums[M], column_sums[M];
    preflane_vectors vectors = {{queries, M, D, D}, {keys, M, D, D}, 0, PREFLANE_SIMILARITY_DOT, PREFLANE_PAIRING_ALL}, other;
    preflane_matrix square = {similarities, M, M, M};
    preflane_matrix_mut to = {grads, M, M, M};
    double sum = 0;
    CHECK(preflane_vector_similarities(ONE, &vectors, similarities, &error) == PREFLANE_OK);
    CHECK(similarities[0] == 1 && similarities[4] == 2 && similarities[8] == 3 && similarities[3] == 1);
    CHECK(preflane_symmetric(ONE, &square, 0.5, row_sums, column_sums, &to, &mean_rows, &mean_columns, &error) == PREFLANE_OK);
    /* The rows' half is InfoNCE with the diagonal as positives and the others as negatives. */
    for (i = 0; i < M; i++) {
      preflane_similarities row = {NULL, {NULL, 1, M, M}, NULL};
      uint8_t mask[M] = {1, 1, 1};
      preflane_info_nce_outputs one = {0};
      mask[i] = 0;
      row.positives = &similarities[i * M + i], row.negatives.data = similarities + i * M, row.mask = mask;
      one.losses = &by_row[i];
      CHECK(preflane_info_nce(ONE, &row, 0.5, &one, NULL, &error) == PREFLANE_OK);
      sum += by_row[i];
    }
    CHECK(fabs(sum / M - mean_rows) <= 1e-6 && mean_columns > 0);
    sum = 0;
    for (i = 0; i < M * M; i++) sum += grads[i];
    CHECK(fabs(sum) <= 1e-6);
    CHECK(preflane_vector_similarities_grad(ONE, &vectors, grads, grad_queries, grad_keys, &error) == PREFLANE_OK);
    CHECK(fabsf(grad_queries[0] - (grads[0] * 1 + grads[1] * 0 + grads[2] * -2)) <= 1e-6f && grad_keys[1] != 0);
    other = vectors, other.pairing = PREFLANE_PAIRING_OWN, other.keys_per_query = 2;
    REFUSED(preflane_vector_similarities(ONE, &other, similarities, &error), PREFLANE_ERROR_LENGTH, "rows of keys",
            PREFLANE_NO_ROW);
    other = vectors, other.keys_per_query = 1;
    REFUSED(preflane_vector_similarities(ONE, &other, similarities, &error), PREFLANE_ERROR_PARAMETER, "keys_per_query",
            PREFLANE_NO_ROW);
    other = vectors, other.pairing = 0;
    REFUSED(preflane_vector_similarities(ONE, &other, similarities, &error), PREFLANE_ERROR_PARAMETER, "pairing", PREFLANE_NO_ROW);
    other = vectors, other.similarity = 3;
    REFUSED(preflane_vector_similarities(ONE, &other, similarities, &error), PREFLANE_ERROR_PARAMETER, "similarity",
            PREFLANE_NO_ROW);
    keys[2] = keys[3] = 0;
    other = vectors, other.similarity = PREFLANE_SIMILARITY_COSINE;
    REFUSED(preflane_vector_similarities(ONE, &other, similarities, &error), PREFLANE_ERROR_ZERO_VECTOR, "keys", 1);
    square.rows = 2;
    REFUSED(preflane_symmetric(ONE, &square, 0.5, row_sums, column_sums, NULL, &mean_rows, &mean_columns, &error),
            PREFLANE_ERROR_LENGTH, "columns of similarities", PREFLANE_NO_ROW);
    square.rows = M;
    REFUSED(preflane_symmetric(ONE, &square, 0.5, row_sums, column_sums, NULL, &mean_rows, NULL, &error), PREFLANE_ERROR_NULL,
            "mean_columns", PREFLANE_NO_ROW);
    REFUSED(preflane_symmetric(ONE, &square, 0.5, row_sums, row_sums + 1, NULL, &mean_rows, &mean_columns, &error),
            PREFLANE_ERROR_OVERLAP, "column_sums", PREFLANE_NO_ROW);
    memset(&square, 0, sizeof square);
    CHECK(preflane_symmetric(ONE, &square, 0.5, NULL, NULL, NULL, &mean_rows, &mean_columns, &error) == PREFLANE_OK);
    CHECK(isnan(mean_rows) && isnan(mean_columns));
  }
}

/* A step in phases, each in ranges that do not fit one another: the bits of the whole step. Its buffers are in one piece of memory. */
static void phases(void) {
  static float at_once[ROWS * STRIDE], in_phases[ROWS * STRIDE];
  static double memory[2][ROWS * 3 + PAIRS * 2];
  float ref_chosen[PAIRS] = {-9, -10, -11}, ref_rejected[PAIRS] = {-10, -10, -10}, weights[PAIRS] = {1, 0.5f, 2};
  float losses[2][PAIRS], margins[2][PAIRS];
  preflane_metrics metrics[2];
  preflane_token_counts counts, total = {0, 0, 0}, part;
  preflane_step step;
  preflane_step_buffers buffers[2], other;
  preflane_step_outputs outputs = {0};
  preflane_logits_mut first = matrix(at_once), second = matrix(in_phases);
  preflane_error error;
  size_t rows, pairs, bytes, row;
  int padding;
  CHECK(preflane_step_sizes(2 * PAIRS, TOKENS, &rows, &pairs, &bytes, &error) == PREFLANE_OK);
  CHECK(rows == ROWS && pairs == PAIRS && bytes == 24 * ROWS + 16 * PAIRS && bytes == sizeof memory[0]);
  CHECK(preflane_step_sizes(2 * PAIRS, TOKENS, NULL, NULL, NULL, &error) == PREFLANE_OK);
  rows = 7;
  REFUSED(preflane_step_sizes(3, TOKENS, &rows, NULL, NULL, &error), PREFLANE_ERROR_PARAMETER, "sequences", PREFLANE_NO_ROW);
  REFUSED(preflane_step_sizes(2, 0, &rows, NULL, NULL, &error), PREFLANE_ERROR_PARAMETER, "tokens", PREFLANE_NO_ROW);
  REFUSED(preflane_step_sizes(2, SIZE_MAX / 2, &rows, NULL, NULL, &error), PREFLANE_ERROR_LENGTH, "buffers", PREFLANE_NO_ROW);
  REFUSED(preflane_step_sizes(2, 2, &rows, &rows, NULL, &error), PREFLANE_ERROR_OVERLAP, "pairs", PREFLANE_NO_ROW);
  CHECK(rows == 7);
  CHECK(preflane_step_buffers_in(memory[0], bytes, 2 * PAIRS, TOKENS, &buffers[0], &error) == PREFLANE_OK);
  CHECK(preflane_step_buffers_in(memory[1], bytes, 2 * PAIRS, TOKENS, &buffers[1], &error) == PREFLANE_OK);
  CHECK((char *)(buffers[0].grad_rejected_logps + PAIRS) == (char *)memory[0] + bytes);
  REFUSED(preflane_step_buffers_in(memory[0], bytes - 1, 2 * PAIRS, TOKENS, &other, &error), PREFLANE_ERROR_LENGTH, "memory",
          PREFLANE_NO_ROW);
  REFUSED(preflane_step_buffers_in((char *)memory[0] + 4, bytes, 2 * PAIRS, TOKENS, &other, &error), PREFLANE_ERROR_ALIGNMENT,
          "memory", PREFLANE_NO_ROW);
  REFUSED(preflane_step_buffers_in(NULL, bytes, 2 * PAIRS, TOKENS, &other, &error), PREFLANE_ERROR_NULL, "memory",
          PREFLANE_NO_ROW);

  memset(&step, 0, sizeof step);
  step.loss = preflane_dpo(0.1);
  step.sequences.targets = preflane_targets_i64(labels64, ROWS);
  step.sequences.targets.shifted_tokens = TOKENS;
  step.sequences.tokens = TOKENS;
  step.sequences.layout = PREFLANE_LAYOUT_INTERLEAVED;
  step.sequences.reduction = PREFLANE_REDUCE_MEAN;
  step.ref_chosen_logps = ref_chosen, step.ref_rejected_logps = ref_rejected, step.weights = weights;
  step.grad_scale = 1.0 / PAIRS;
  for (padding = 0; padding < 2; padding++) {
    preflane_rows some = {0, 0};
    step.zero_padding = padding;
    memset(metrics, 0, sizeof metrics);
    memset(memory, padding ? 0xff : 0, sizeof memory);
    memset(&total, 0, sizeof total);
    memcpy(at_once, logits, sizeof logits);
    memcpy(in_phases, logits, sizeof logits);
    outputs.losses = losses[0], outputs.margins = margins[0];
    CHECK(preflane_step_run(ONE, &step, &first, &buffers[0], &outputs, &metrics[0], &counts, &error) == PREFLANE_OK);
    outputs.losses = losses[1], outputs.margins = margins[1];
    for (some.first = 0; some.first < ROWS; some.first += some.count) {
      some.count = some.first + 7 <= ROWS ? 7 : ROWS - some.first;
      CHECK(preflane_step_forward(ONE, &step, &second, some, &buffers[1], &part, &error) == PREFLANE_OK);
      total.tokens += part.tokens, total.masked += part.masked, total.nonfinite += part.nonfinite;
    }
    CHECK(memcmp(in_phases, logits, sizeof logits) == 0);
    CHECK(preflane_step_pairs(ONE, &step, &buffers[1], &outputs, &metrics[1], &error) == PREFLANE_OK);
    /* The last rows first. */
    for (some.first = ROWS; some.first > 0;) {
      some.count = some.first >= 11 ? 11 : some.first;
      some.first -= some.count;
      CHECK(preflane_step_backward(ONE, &step, &second, some, &buffers[1], &error) == PREFLANE_OK);
    }
    CHECK(memcmp(at_once, in_phases, sizeof at_once) == 0 && memcmp(memory[0], memory[1], sizeof memory[0]) == 0);
    CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0 && memcmp(margins[0], margins[1], sizeof margins[0]) == 0);
    CHECK(memcmp(&metrics[0], &metrics[1], sizeof metrics[0]) == 0 && memcmp(&counts, &total, sizeof total) == 0);
  }
  /* Whatever the whole step refuses, the first phase refuses, on rows that have nothing to do with it. */
  {
    const preflane_rows some = {2, 3};
    preflane_step bad;
    memcpy(in_phases, logits, sizeof logits);
    memset(memory[1], 0xcc, sizeof memory[1]);
#define FORWARD(step, buffers) preflane_step_forward(ONE, step, &second, some, buffers, NULL, &error)
    bad = step, bad.grad_scale = 0;
    REFUSED(FORWARD(&bad, &buffers[1]), PREFLANE_ERROR_PARAMETER, "grad_scale", PREFLANE_NO_ROW);
    bad = step, bad.loss.kind = PREFLANE_LOSS_KTO;
    REFUSED(FORWARD(&bad, &buffers[1]), PREFLANE_ERROR_PARAMETER, "kind", PREFLANE_NO_ROW);
    bad = step, bad.ref_chosen_logps = NULL;
    REFUSED(FORWARD(&bad, &buffers[1]), PREFLANE_ERROR_NULL, "ref_chosen_logps", PREFLANE_NO_ROW);
    weights[2] = -1;
    REFUSED(FORWARD(&step, &buffers[1]), PREFLANE_ERROR_WEIGHT, "weights", 2);
    REFUSED(preflane_step_pairs(ONE, &step, &buffers[1], NULL, NULL, &error), PREFLANE_ERROR_WEIGHT, "weights", 2);
    weights[2] = 2;
    labels64[23] = COLUMNS;
    REFUSED(FORWARD(&step, &buffers[1]), PREFLANE_ERROR_TARGET, "labels", 22);
    REFUSED(preflane_step_backward(ONE, &step, &second, some, &buffers[1], &error), PREFLANE_ERROR_TARGET, "labels", 22);
    labels64[23] = labels32[23];
    other = buffers[1], other.grad_chosen_logps = other.chosen_logps;
    REFUSED(FORWARD(&step, &other), PREFLANE_ERROR_OVERLAP, "grad_chosen_logps", PREFLANE_NO_ROW);
    other = buffers[1], other.token_grads = in_phases;
    REFUSED(FORWARD(&step, &other), PREFLANE_ERROR_OVERLAP, "token_grads", PREFLANE_NO_ROW);
    other = buffers[1], other.rejected_logps = NULL;
    REFUSED(FORWARD(&step, &other), PREFLANE_ERROR_NULL, "rejected_logps", PREFLANE_NO_ROW);
    {
      const preflane_rows beyond = {ROWS - 1, 2};
      REFUSED(preflane_step_forward(ONE, &step, &second, beyond, &buffers[1], NULL, &error), PREFLANE_ERROR_LENGTH, "rows",
              PREFLANE_NO_ROW);
    }
    metrics[1].ties = 9;
    REFUSED(preflane_step_pairs(ONE, &step, &buffers[1], NULL, &metrics[1], &error), PREFLANE_ERROR_PARAMETER, "metrics",
            PREFLANE_NO_ROW);
    buffers[1].log_sum_exps[3].reserved = 0, buffers[1].log_sum_exps[2].reserved = 0;
    buffers[1].log_sum_exps[2].rest = 1, buffers[1].log_sum_exps[2].max = 1, buffers[1].log_sum_exps[3].rest = -1;
    REFUSED(preflane_step_backward(ONE, &step, &second, some, &buffers[1], &error), PREFLANE_ERROR_PARAMETER, "log_sum_exps", 3);
    for (row = 0; row < ROWS; row++) CHECK(memcmp(&buffers[1].token_logps[row], "\xcc\xcc\xcc\xcc", 4) == 0);
    CHECK(memcmp(in_phases, logits, sizeof logits) == 0);
  }
}

/* Token by token: the bits of whole pairs, a monitor over them, and both as bytes. */
static void streaming(void) {
  enum { N = 40, WINDOW = 16 };
  preflane_evaluator evaluator, before;
  preflane_monitor monitor, restored;
  preflane_window_row window[WINDOW], other_window[WINDOW];
  preflane_limits limits;
  preflane_changes changes;
  preflane_window_report report, again;
  preflane_loss loss = preflane_dpo(0.1);
  preflane_metrics whole = {0}, seen;
  preflane_error error;
  preflane_scored scored;
  int32_t is_pair, raised = 0;
  size_t i, j, written;
  static uint8_t bytes[4096];
  static float in[4][N], losses[N], grads[N];
  memset(&evaluator, 0, sizeof evaluator);
  REFUSED(preflane_evaluator_begin(&evaluator, PREFLANE_SIDE_CHOSEN, &error), PREFLANE_ERROR_PARAMETER, "evaluator",
          PREFLANE_NO_ROW);
  memset(&evaluator, 0xff, sizeof evaluator);
  REFUSED(preflane_evaluator_abandon(&evaluator, &error), PREFLANE_ERROR_PARAMETER, "evaluator", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluator_init(&evaluator, &loss, PREFLANE_REDUCE_LENGTH_DESENSITIZED, &error), PREFLANE_ERROR_PARAMETER,
          "reduction", PREFLANE_NO_ROW);
  {
    preflane_loss kto = preflane_kto(0.1, 1, 1);
    REFUSED(preflane_evaluator_init(&evaluator, &kto, PREFLANE_REDUCE_SUM, &error), PREFLANE_ERROR_PARAMETER, "kind",
            PREFLANE_NO_ROW);
  }
  CHECK(preflane_evaluator_init(&evaluator, &loss, PREFLANE_REDUCE_SUM, &error) == PREFLANE_OK);
  /* Calls that do not fit, each of which changes nothing. */
  before = evaluator;
  REFUSED(preflane_evaluator_tokens(&evaluator, in[0], NULL, 1, &error), PREFLANE_ERROR_ORDER, "", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluator_end(&evaluator, NULL, &scored, &is_pair, &error), PREFLANE_ERROR_ORDER, "", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluator_begin(&evaluator, 0, &error), PREFLANE_ERROR_PARAMETER, "side", PREFLANE_NO_ROW);
  CHECK(memcmp(&before, &evaluator, sizeof before) == 0);
  CHECK(preflane_evaluator_begin(&evaluator, PREFLANE_SIDE_REJECTED, &error) == PREFLANE_OK);
  before = evaluator;
  REFUSED(preflane_evaluator_begin(&evaluator, PREFLANE_SIDE_CHOSEN, &error), PREFLANE_ERROR_ORDER, "", PREFLANE_NO_ROW);
  REFUSED(preflane_evaluator_end(&evaluator, NULL, &scored, &is_pair, &error), PREFLANE_ERROR_EMPTY_SEQUENCE, "", 1);
  REFUSED(preflane_evaluator_tokens(&evaluator, NULL, NULL, 1, &error), PREFLANE_ERROR_NULL, "policy_logps", PREFLANE_NO_ROW);
  {
    float row[4] = {0, 1, 2, 3};
    REFUSED(preflane_evaluator_logits(&evaluator, row, PREFLANE_F32, 4, 4, NULL, NULL, &error), PREFLANE_ERROR_TARGET, "target",
            PREFLANE_NO_ROW);
    REFUSED(preflane_evaluator_logits(&evaluator, row, PREFLANE_F32, 4, -1, NULL, NULL, &error), PREFLANE_ERROR_TARGET, "target",
            PREFLANE_NO_ROW);
    REFUSED(preflane_evaluator_logits(&evaluator, row, 0, 4, 1, NULL, NULL, &error), PREFLANE_ERROR_PARAMETER, "dtype",
            PREFLANE_NO_ROW);
  }
  CHECK(memcmp(&before, &evaluator, sizeof before) == 0);
  CHECK(preflane_evaluator_abandon(&evaluator, &error) == PREFLANE_OK);

  memset(&monitor, 0, sizeof monitor);
  memset(window, 0xab, sizeof window);
  memset(&limits, 0, sizeof limits);
  limits.least_pairs = 4;
  limits.thresholds[PREFLANE_ALARM_DISPLACEMENT].raise = 0.3f, limits.thresholds[PREFLANE_ALARM_DISPLACEMENT].clear = 0.2f;
  limits.thresholds[PREFLANE_ALARM_DISPLACEMENT].watched = 1;
  CHECK(preflane_monitor_report(&monitor, window, WINDOW, &report, &error) == PREFLANE_OK && report.pairs == 0);
  CHECK(isnan(report.median_margin) && report.raised == 0);
  for (i = 0; i < N; i++) {
    /* Multiples of 1/8, whose sums are exact. */
    for (j = 0; j < 4; j++) in[j][i] = -20 + (float)((i * 7 + j * 13) % 64) / 8;
    for (j = 0; j < 2; j++) {
      size_t side = i % 2 ? 1 - j : j;
      float halves[2], ref_halves[2];
      halves[0] = halves[1] = in[side][i] / 2;
      ref_halves[0] = in[2 + side][i] - 3, ref_halves[1] = 3;
      CHECK(preflane_evaluator_begin(&evaluator, side == 0 ? PREFLANE_SIDE_CHOSEN : PREFLANE_SIDE_REJECTED, &error) == PREFLANE_OK);
      if (i % 3 == 0) {
        CHECK(preflane_evaluator_tokens(&evaluator, halves, NULL, 2, &error) == PREFLANE_OK);
        CHECK(preflane_evaluator_end(&evaluator, &in[2 + side][i], &scored, &is_pair, &error) == PREFLANE_OK);
      } else {
        CHECK(preflane_evaluator_tokens(&evaluator, halves, ref_halves, 1, &error) == PREFLANE_OK);
        REFUSED(preflane_evaluator_tokens(&evaluator, halves, NULL, 1, &error), PREFLANE_ERROR_ORDER, "", PREFLANE_NO_ROW);
        CHECK(preflane_evaluator_tokens(&evaluator, halves + 1, ref_halves + 1, 1, &error) == PREFLANE_OK);
        CHECK(preflane_evaluator_end(&evaluator, NULL, &scored, &is_pair, &error) == PREFLANE_OK);
      }
      CHECK(is_pair == (int32_t)j);
    }
    CHECK(scored.chosen.logps == in[0][i] && scored.rejected.ref_logps == in[3][i] && scored.chosen.tokens == 2);
    CHECK(scored.chosen.reference == (i % 3 ? PREFLANE_REFERENCE_TOKENS : PREFLANE_REFERENCE_ANSWER));
    CHECK(i % 3 == 0 || scored.chosen.k1 == (in[0][i] - in[2][i]) / 2);
    losses[i] = scored.loss, grads[i] = scored.grad_chosen_logps;
    CHECK(preflane_monitor_push(&monitor, window, WINDOW, &scored, &limits, &changes, &error) == PREFLANE_OK);
    if (changes.raised & 1u << PREFLANE_ALARM_DISPLACEMENT) raised = 1;
  }
  CHECK(raised);
  {
    static float want[2][N];
    preflane_pairs pairs = {N, in[0], in[1], in[2], in[3], NULL, NULL, 0, 0};
    preflane_pair_outputs outputs = {0};
    outputs.losses = want[0], outputs.grad_chosen_logps = want[1];
    CHECK(preflane_evaluate(ONE, &loss, &pairs, &outputs, &whole, &error) == PREFLANE_OK);
    CHECK(memcmp(losses, want[0], sizeof losses) == 0 && memcmp(grads, want[1], sizeof grads) == 0);
    CHECK(preflane_monitor_metrics(&monitor, window, WINDOW, &seen, &error) == PREFLANE_OK);
    CHECK(memcmp(&whole, &seen, sizeof whole) == 0);
  }
  CHECK(preflane_monitor_report(&monitor, window, WINDOW, &report, &error) == PREFLANE_OK && report.pairs == WINDOW);
  {
    float quantile;
    CHECK(preflane_monitor_quantile(&monitor, window, WINDOW, 0.5f, &quantile, &error) == PREFLANE_OK);
    CHECK(quantile == report.median_margin);
    REFUSED(preflane_monitor_quantile(&monitor, window, WINDOW, 1.5f, &quantile, &error), PREFLANE_ERROR_PARAMETER, "q",
            PREFLANE_NO_ROW);
  }
  /* To bytes and back, in a window as large, and in a smaller one. */
  CHECK(preflane_monitor_size(WINDOW) <= sizeof bytes && preflane_monitor_size(0) == 0 && preflane_monitor_size(65536) == 0);
  CHECK(preflane_monitor_save(&monitor, window, WINDOW, bytes, sizeof bytes, &written, &error) == PREFLANE_OK);
  CHECK(written == preflane_monitor_size(WINDOW));
  memset(&restored, 0xff, sizeof restored);
  CHECK(preflane_monitor_restore(&restored, other_window, WINDOW, bytes, written, &error) == PREFLANE_OK);
  CHECK(preflane_monitor_report(&restored, other_window, WINDOW, &again, &error) == PREFLANE_OK);
  CHECK(memcmp(&report, &again, sizeof report) == 0);
  CHECK(preflane_monitor_restore(&restored, other_window, 5, bytes, written, &error) == PREFLANE_OK);
  CHECK(preflane_monitor_report(&restored, other_window, 5, &again, &error) == PREFLANE_OK && again.pairs == 5);
  {
    preflane_monitor kept = restored;
    bytes[40] ^= 1;
    REFUSED(preflane_monitor_restore(&restored, other_window, 5, bytes, written, &error), PREFLANE_ERROR_SAVED_STATE, "bytes",
            PREFLANE_NO_ROW);
    bytes[40] ^= 1;
    REFUSED(preflane_monitor_restore(&restored, other_window, 0, bytes, written, &error), PREFLANE_ERROR_PARAMETER, "capacity",
            PREFLANE_NO_ROW);
    REFUSED(preflane_monitor_save(&monitor, window, WINDOW, bytes, written - 1, &i, &error), PREFLANE_ERROR_LENGTH, "bytes",
            PREFLANE_NO_ROW);
    CHECK(memcmp(&kept, &restored, sizeof kept) == 0);
  }
  /* Refusals, and nothing is written. */
  {
    preflane_monitor kept = monitor;
    preflane_scored bad;
    preflane_limits wrong;
#define PUSH(monitor, capacity, scored, limits) \
  preflane_monitor_push(monitor, window, capacity, scored, limits, &changes, &error)
    REFUSED(PUSH(&monitor, WINDOW - 1, &scored, &limits), PREFLANE_ERROR_PARAMETER, "capacity", PREFLANE_NO_ROW);
    for (i = 0; i < 5; i++) {
      bad = scored;
      if (i == 0) bad.flags = PREFLANE_PAIR_ACCURATE | PREFLANE_PAIR_TIE;
      if (i == 1) bad.flags = PREFLANE_PAIR_BOTH_FELL;
      if (i == 2) bad.flags = 64;
      if (i == 3) bad.chosen.reference = PREFLANE_REFERENCE_NONE;
      if (i == 4) bad.rejected.reference = 3;
      REFUSED(PUSH(&monitor, WINDOW, &bad, &limits), PREFLANE_ERROR_PARAMETER, i == 4 ? "reference" : "scored", PREFLANE_NO_ROW);
    }
    for (i = 0; i < 6; i++) {
      static const char *const NAMES[] = {"least_pairs", "raise", "clear", "watched", "watched", "clear"};
      static const uint64_t ROWS_OF[] = {PREFLANE_NO_ROW, 2, 0, PREFLANE_NO_ROW, 7, 1};
      wrong = limits;
      if (i == 0) wrong.least_pairs = 0;
      if (i == 1) wrong.thresholds[2].watched = 1, wrong.thresholds[2].raise = NAN;
      if (i == 2) wrong.thresholds[0].clear = 0.5f;
      if (i == 3) wrong.thresholds[4].watched = 2;
      if (i == 4) wrong.thresholds[7].watched = 1;
      if (i == 5) wrong.thresholds[1].watched = 1, wrong.thresholds[1].raise = 1;
      REFUSED(PUSH(&monitor, WINDOW, &scored, &wrong), PREFLANE_ERROR_PARAMETER, NAMES[i], ROWS_OF[i]);
    }
    CHECK(memcmp(&kept, &monitor, sizeof kept) == 0);
    for (i = 0; i < 2; i++) {
      uint32_t saved[4];
      memcpy(saved, &window[3], sizeof saved);
      memset(&window[3], 0xff, sizeof window[3]);
      if (i == 0) {
        REFUSED(PUSH(&monitor, WINDOW, &scored, NULL), PREFLANE_ERROR_PARAMETER, "rows", PREFLANE_NO_ROW);
      } else {
        REFUSED(preflane_monitor_report(&monitor, window, WINDOW, &report, &error), PREFLANE_ERROR_PARAMETER, "rows",
                PREFLANE_NO_ROW);
      }
      memcpy(&window[3], saved, sizeof saved);
    }
    memset(&kept, 0xa5, sizeof kept);
    REFUSED(PUSH(&kept, WINDOW, &scored, NULL), PREFLANE_ERROR_PARAMETER, "monitor", PREFLANE_NO_ROW);
    REFUSED(preflane_monitor_push(&monitor, window, WINDOW, NULL, NULL, NULL, &error), PREFLANE_ERROR_NULL, "scored",
            PREFLANE_NO_ROW);
    REFUSED(preflane_monitor_push(&monitor, NULL, WINDOW, &scored, NULL, NULL, &error), PREFLANE_ERROR_NULL, "rows",
            PREFLANE_NO_ROW);
  }
  CHECK(preflane_k3(-1, -1) == 0 && preflane_k3(-1, -2) == (float)(exp(-1.0)) && isnan(preflane_k3(NAN, 0)));
  /* By logits: the bits of preflane_token_logps. */
  {
    float logp, row[3] = {0, 1, 2};
    preflane_log_sum_exp sum;
    preflane_logits view = {NULL, 1, 3, 3, PREFLANE_F32, 0};
    int32_t label = 2;
    preflane_targets targets = preflane_targets_i32(&label, 1);
    preflane_rows all = {0, SIZE_MAX};
    preflane_token_outputs to = {0};
    view.data = row, to.logps = &logp, to.log_sum_exps = &sum;
    CHECK(preflane_token_logps(ONE, &view, &targets, NULL, all, &to, NULL, &error) == PREFLANE_OK);
    for (j = 0; j < 2; j++) {
      CHECK(preflane_evaluator_begin(&evaluator, j ? PREFLANE_SIDE_REJECTED : PREFLANE_SIDE_CHOSEN, &error) == PREFLANE_OK);
      CHECK(preflane_evaluator_logits(&evaluator, row, PREFLANE_F32, 3, 2, NULL, NULL, &error) == PREFLANE_OK);
      CHECK(preflane_evaluator_end(&evaluator, NULL, &scored, &is_pair, &error) == PREFLANE_OK);
    }
    CHECK(is_pair == 1 && scored.chosen.logps == logp && scored.flags == PREFLANE_PAIR_TIE);
  }
}

/* Segments of trajectories, from steps to scores and back; ranked segments. */
static void segments(void) {
  float logps[5] = {-0.5f, -0.25f, -1, -2, -1.5f}, scores[2], by_score[2] = {1, -2}, by[5], by_ref[5];
  float start[2] = {-3, -2}, end[2] = {-2, 0}, by_start[2], by_end[2], nan = (float)NAN;
  size_t offsets[3] = {0, 3, 5};
  preflane_segments given = {5, 2, NULL, NULL, NULL, 0.5, NULL, NULL, PREFLANE_SEGMENT_SCORE_SUM, 0}, other;
  preflane_segment_outputs outputs = {0};
  preflane_error error;
  given.values = logps, given.offsets = offsets, outputs.values = by, outputs.ref_values = by_ref;
  CHECK(preflane_segment_scores(ONE, &given, scores, &error) == PREFLANE_OK && scores[0] == -0.875f && scores[1] == -2.75f);
  CHECK(preflane_segment_grads(ONE, &given, by_score, &outputs, &error) == PREFLANE_OK);
  CHECK(by[0] == 1 && by[2] == 0.25f && by[4] == -1 && by_ref[0] == -1 && by_ref[4] == 1);
  other = given, other.score = PREFLANE_SEGMENT_SCORE_REGRET;
  CHECK(preflane_segment_scores(ONE, &other, scores, &error) == PREFLANE_OK && scores[0] == 0.875f && scores[1] == 2.75f);
  CHECK(preflane_segment_grads(ONE, &other, by_score, &outputs, &error) == PREFLANE_OK && by[2] == -0.25f && by_ref[2] == 0.25f);
  given.ref_values = logps;
  CHECK(preflane_segment_scores(ONE, &given, scores, &error) == PREFLANE_OK && scores[0] == 0 && scores[1] == 0);
  given.ref_values = NULL;
  {
    float rewards[4] = {-1, -1, -1, -1};
    size_t pairs[3] = {0, 2, 4};
    other = given, other.steps = 4, other.values = rewards, other.offsets = pairs, other.discount = 1;
    other.score = PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET, other.start = start, other.end = end;
    CHECK(preflane_segment_scores(ONE, &other, scores, &error) == PREFLANE_OK && scores[0] == 1 && scores[1] == 0);
    outputs.start = by_start, outputs.end = by_end;
    CHECK(preflane_segment_grads(ONE, &other, by_score, &outputs, &error) == PREFLANE_OK);
    CHECK(by_start[0] == 1 && by_end[0] == -1 && by[3] == 2 && by_start[1] == -2);
    other.end = NULL;
    REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_NULL, "end", PREFLANE_NO_ROW);
  }
  scores[0] = by[0] = 7;
  REFUSED(preflane_segment_scores(ONE, NULL, scores, &error), PREFLANE_ERROR_NULL, "segments", PREFLANE_NO_ROW);
  REFUSED(preflane_segment_scores(ONE, &given, NULL, &error), PREFLANE_ERROR_NULL, "scores", PREFLANE_NO_ROW);
  REFUSED(preflane_segment_grads(ONE, NULL, by_score, &outputs, &error), PREFLANE_ERROR_NULL, "segments", PREFLANE_NO_ROW);
  REFUSED(preflane_segment_grads(ONE, &given, NULL, &outputs, &error), PREFLANE_ERROR_NULL, "grads", PREFLANE_NO_ROW);
  REFUSED(preflane_segment_grads(ONE, &given, by_score, NULL, &error), PREFLANE_ERROR_NULL, "outputs", PREFLANE_NO_ROW);
  other = given, other.values = NULL;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_NULL, "values", PREFLANE_NO_ROW);
  other = given, other.offsets = NULL;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_NULL, "offsets", PREFLANE_NO_ROW);
  other = given, other.values = (const float *)((const char *)logps + 1);
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_ALIGNMENT, "values", PREFLANE_NO_ROW);
  other = given, other.steps = SIZE_MAX / 2;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_LENGTH, "values", PREFLANE_NO_ROW);
  REFUSED(preflane_segment_grads(ONE, &given, by_score, &outputs, &error), PREFLANE_ERROR_LENGTH, "grads by start",
          PREFLANE_NO_ROW);
  other = given, other.start = start;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_LENGTH, "start", PREFLANE_NO_ROW);
  other = given, other.score = 4;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_PARAMETER, "score", PREFLANE_NO_ROW);
  other = given, other.discount = 1.5;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_PARAMETER, "discount", PREFLANE_NO_ROW);
  other = given, other.reserved = 1;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_PARAMETER, "reserved", PREFLANE_NO_ROW);
  other = given, other.segments = SIZE_MAX;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_LENGTH, "offsets", PREFLANE_NO_ROW);
  other = given, other.steps = 4;
  REFUSED(preflane_segment_scores(ONE, &other, scores, &error), PREFLANE_ERROR_OFFSETS, "offsets", 2);
  REFUSED(preflane_segment_scores(ONE, &given, logps, &error), PREFLANE_ERROR_OVERLAP, "scores", PREFLANE_NO_ROW);
  CHECK(scores[0] == 7 && by[0] == 7);

  {
    enum { STEPS = 3, D = 2 };
    float policy[STEPS * D] = {0, 0, 0.5f, 0.5f, 0, 0}, actions[STEPS * D] = {0.6f, 0.8f, 0.5f, 0.5f, 0, 0}, distances[2];
    float grads[STEPS * D], weights[2] = {4, 1};
    uint8_t mask[STEPS] = {1, 1, 0};
    size_t ends[3] = {0, 3, 3};
    uint64_t empty = 9;
    preflane_segment_actions acted = {{NULL, STEPS, D, D}, {NULL, STEPS, D, D}, NULL, NULL, 2}, wrong;
    preflane_matrix_mut to = {NULL, STEPS, D, D};
    policy[4] = nan, acted.policy.data = policy, acted.actions.data = actions, acted.mask = mask, acted.offsets = ends;
    to.data = grads;
    CHECK(preflane_segment_distances(ONE, &acted, distances, &empty, &error) == PREFLANE_OK);
    CHECK(distances[0] == 0.25f && distances[1] == 0 && empty == 1);
    CHECK(preflane_segment_distances_grad(ONE, &acted, weights, &to, &error) == PREFLANE_OK);
    CHECK(fabsf(grads[0] + 0.6f) < 1e-6f && fabsf(grads[1] + 0.8f) < 1e-6f && grads[2] == 0 && grads[4] == 0);
    distances[0] = grads[0] = 7;
    REFUSED(preflane_segment_distances(ONE, NULL, distances, &empty, &error), PREFLANE_ERROR_NULL, "actions", PREFLANE_NO_ROW);
    REFUSED(preflane_segment_distances(ONE, &acted, NULL, &empty, &error), PREFLANE_ERROR_NULL, "distances", PREFLANE_NO_ROW);
    REFUSED(preflane_segment_distances_grad(ONE, &acted, NULL, &to, &error), PREFLANE_ERROR_NULL, "grads", PREFLANE_NO_ROW);
    REFUSED(preflane_segment_distances_grad(ONE, &acted, weights, NULL, &error), PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW);
    REFUSED(preflane_segment_distances(ONE, &acted, policy, &empty, &error), PREFLANE_ERROR_OVERLAP, "distances", PREFLANE_NO_ROW);
    wrong = acted, wrong.policy.data = NULL;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_NULL, "policy", PREFLANE_NO_ROW);
    wrong = acted, wrong.actions.data = NULL;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_NULL, "actions", PREFLANE_NO_ROW);
    wrong = acted, wrong.offsets = NULL;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_NULL, "offsets", PREFLANE_NO_ROW);
    wrong = acted, wrong.segments = SIZE_MAX;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_LENGTH, "offsets", PREFLANE_NO_ROW);
    wrong = acted, wrong.policy.stride = 1;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
    to.rows = 2;
    REFUSED(preflane_segment_distances_grad(ONE, &acted, weights, &to, &error), PREFLANE_ERROR_LENGTH, "rows of the gradient",
            PREFLANE_NO_ROW);
    to.rows = STEPS;
    CHECK(distances[0] == 7 && grads[0] == 7 && empty == 1);
    mask[1] = 2;
    REFUSED(preflane_segment_distances(ONE, &acted, distances, &empty, &error), PREFLANE_ERROR_PARAMETER, "mask", 1);
    mask[1] = 1, wrong = acted, wrong.policy.rows = 2;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_LENGTH, "rows of policy",
            PREFLANE_NO_ROW);
    wrong = acted, wrong.segments = 1;
    CHECK(preflane_segment_distances(ONE, &wrong, distances, NULL, &error) == PREFLANE_OK && distances[0] == 0.25f);
    wrong = acted, wrong.actions.rows = wrong.policy.rows = 0, wrong.offsets = ends + 1, wrong.segments = 1;
    REFUSED(preflane_segment_distances(ONE, &wrong, distances, &empty, &error), PREFLANE_ERROR_OFFSETS, "offsets", 0);
    ends[1] = ends[2] = 0;
    wrong.offsets = ends, wrong.segments = 2;
    CHECK(preflane_segment_distances(ONE, &wrong, distances, &empty, &error) == PREFLANE_OK && empty == 2 && distances[0] == 0);
  }
  {
    float values[4] = {1, 2, 0, 0}, most[2], grads[4], one[2] = {1, 1};
    preflane_matrix rows = {NULL, 2, 2, 2};
    preflane_matrix_mut to = {NULL, 2, 2, 2};
    rows.data = values, to.data = grads;
    CHECK(preflane_soft_maximum(ONE, &rows, 0.001, most, &error) == PREFLANE_OK && most[0] == 2 && most[1] == 0);
    CHECK(preflane_soft_maximum_grad(ONE, &rows, 0.001, one, &to, &error) == PREFLANE_OK);
    CHECK(grads[0] == 0 && grads[1] == 1 && grads[2] == 0.5f && grads[3] == 0.5f);
    REFUSED(preflane_soft_maximum(ONE, &rows, 0, most, &error), PREFLANE_ERROR_PARAMETER, "temperature", PREFLANE_NO_ROW);
    CHECK(preflane_smoothness(ONE, 0.5, values, values + 2, 2, most, NULL, &error) == PREFLANE_OK && most[0] == 1.25f);
    CHECK(preflane_smoothness(ONE, 0.5, values, values + 2, 2, most, grads, &error) == PREFLANE_OK && grads[1] == 1);
    CHECK(preflane_smoothness(ONE, 0.5, NULL, NULL, 0, most, NULL, &error) == PREFLANE_OK && most[0] == 0);
    most[0] = grads[0] = 7;
    REFUSED(preflane_smoothness(ONE, -1, values, values, 2, most, NULL, &error), PREFLANE_ERROR_PARAMETER, "strength",
            PREFLANE_NO_ROW);
    REFUSED(preflane_smoothness(ONE, 1, NULL, values, 2, most, NULL, &error), PREFLANE_ERROR_NULL, "here", PREFLANE_NO_ROW);
    REFUSED(preflane_smoothness(ONE, 1, values, NULL, 2, most, NULL, &error), PREFLANE_ERROR_NULL, "there", PREFLANE_NO_ROW);
    REFUSED(preflane_smoothness(ONE, 1, values, values, 2, NULL, NULL, &error), PREFLANE_ERROR_NULL, "value", PREFLANE_NO_ROW);
    REFUSED(preflane_smoothness(ONE, 1, values, values, 2, most, values + 1, &error), PREFLANE_ERROR_OVERLAP, "grads",
            PREFLANE_NO_ROW);
    REFUSED(preflane_smoothness(ONE, 1, values, values, SIZE_MAX, most, NULL, &error), PREFLANE_ERROR_LENGTH, "here",
            PREFLANE_NO_ROW);
    REFUSED(preflane_soft_maximum(ONE, NULL, 1, most, &error), PREFLANE_ERROR_NULL, "values", PREFLANE_NO_ROW);
    REFUSED(preflane_soft_maximum(ONE, &rows, 1, NULL, &error), PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW);
    REFUSED(preflane_soft_maximum(ONE, &rows, 1, values, &error), PREFLANE_ERROR_OVERLAP, "out", PREFLANE_NO_ROW);
    REFUSED(preflane_soft_maximum_grad(ONE, &rows, 1, NULL, &to, &error), PREFLANE_ERROR_NULL, "grads", PREFLANE_NO_ROW);
    REFUSED(preflane_soft_maximum_grad(ONE, &rows, 1, one, NULL, &error), PREFLANE_ERROR_NULL, "out", PREFLANE_NO_ROW);
    rows.data = NULL;
    REFUSED(preflane_soft_maximum(ONE, &rows, 1, most, &error), PREFLANE_ERROR_NULL, "values", PREFLANE_NO_ROW);
    rows.data = values, rows.stride = 1;
    REFUSED(preflane_soft_maximum(ONE, &rows, 1, most, &error), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
    CHECK(most[0] == 7 && grads[0] == 7);
  }
  {
    float of[3] = {0, 2, 1}, values[3] = {-1.2f, -0.7f, -0.9f}, preferred[3], others[3], certain[3] = {1, 1, 1}, losses[3];
    float by_preferred[3], by_others[3], mean, grads[3];
    size_t ends[2] = {0, 3}, count = 0;
    preflane_ranked ranked = {NULL, NULL, 3, 1};
    preflane_sum scratch[3];
    preflane_loss loss = preflane_cpl(1, 0.5);
    preflane_pairs pairs = {3, NULL, NULL, NULL, NULL, NULL, NULL, 1, 0};
    preflane_pair_outputs results = {0};
    memset(scratch, 0xa5, sizeof scratch);
    ranked.scores = of, ranked.offsets = ends;
    CHECK(preflane_ranked_count(&ranked, &count, &error) == PREFLANE_OK && count == 3);
    CHECK(preflane_ranked_lay_out(&ranked, values, 3, preferred, others, &error) == PREFLANE_OK);
    CHECK(preferred[0] == -0.7f && others[0] == -1.2f && others[1] == -0.9f && preferred[2] == -0.9f);
    pairs.policy_chosen_logps = preferred, pairs.policy_rejected_logps = others, pairs.column = certain;
    results.losses = losses, results.grad_chosen_logps = by_preferred, results.grad_rejected_logps = by_others;
    CHECK(preflane_evaluate(ONE, &loss, &pairs, &results, NULL, &error) == PREFLANE_OK);
    CHECK(preflane_ranked_means(&ranked, losses, 3, &mean, &error) == PREFLANE_OK && fabs(mean - 0.808230441474) < 1e-7);
    CHECK(preflane_ranked_gather(&ranked, by_preferred, by_others, 3, scratch, 3, grads, &error) == PREFLANE_OK);
    CHECK(fabsf(grads[1] - (by_preferred[0] + by_preferred[1]) / 3) < 1e-7f && grads[0] > 0);
    grads[0] = 7;
    REFUSED(preflane_ranked_count(NULL, &count, &error), PREFLANE_ERROR_NULL, "ranked", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_count(&ranked, NULL, &error), PREFLANE_ERROR_NULL, "count", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_lay_out(&ranked, NULL, 3, preferred, others, &error), PREFLANE_ERROR_NULL, "values", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_lay_out(&ranked, values, 3, NULL, others, &error), PREFLANE_ERROR_NULL, "preferred", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_lay_out(&ranked, values, 3, preferred, preferred, &error), PREFLANE_ERROR_OVERLAP, "others",
            PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_means(&ranked, NULL, 3, &mean, &error), PREFLANE_ERROR_NULL, "losses", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_means(&ranked, losses, 3, NULL, &error), PREFLANE_ERROR_NULL, "means", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_means(&ranked, losses, 2, &mean, &error), PREFLANE_ERROR_LENGTH, "losses", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_gather(&ranked, NULL, by_others, 3, scratch, 3, grads, &error), PREFLANE_ERROR_NULL, "by_preferred",
            PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_gather(&ranked, by_preferred, by_others, 3, NULL, 3, grads, &error), PREFLANE_ERROR_NULL, "scratch",
            PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_gather(&ranked, by_preferred, by_others, 3, scratch, 3, NULL, &error), PREFLANE_ERROR_NULL, "grads",
            PREFLANE_NO_ROW);
    ends[1] = 2;
    REFUSED(preflane_ranked_count(&ranked, &count, &error), PREFLANE_ERROR_OFFSETS, "offsets", 1);
    ends[1] = 3, ranked.lists = SIZE_MAX;
    REFUSED(preflane_ranked_count(&ranked, &count, &error), PREFLANE_ERROR_LENGTH, "offsets", PREFLANE_NO_ROW);
    ranked.lists = 1;
    REFUSED(preflane_ranked_gather(&ranked, by_preferred, by_others, 3, scratch, 2, grads, &error), PREFLANE_ERROR_LENGTH,
            "scratch", PREFLANE_NO_ROW);
    REFUSED(preflane_ranked_lay_out(&ranked, values, 2, preferred, others, &error), PREFLANE_ERROR_LENGTH, "preferred",
            PREFLANE_NO_ROW);
    of[1] = nan;
    REFUSED(preflane_ranked_count(&ranked, &count, &error), PREFLANE_ERROR_COLUMN, "scores", 1);
    CHECK(grads[0] == 7 && count == 3);
  }
}

enum { SAMPLES = 5 };

/* The mean loss of groups in double, by the definition, with those of the anchors. */
static double loss_of_groups(double s[SAMPLES * SAMPLES], const int64_t *labels, double temperature, int32_t against, int32_t mean,
                             double losses[SAMPLES]) {
  double over_pairs = 0, over_anchors = 0;
  int pairs = 0, anchors = 0, i, j, p;
  for (i = 0; i < SAMPLES; i++) {
    double sum = 0;
    int positives = 0;
    for (p = 0; p < SAMPLES; p++) {
      double total = 0;
      if (p == i || labels[p] != labels[i]) continue;
      for (j = 0; j < SAMPLES; j++)
        if (j != i && (against == PREFLANE_AGAINST_OTHERS || j == p || labels[j] != labels[i]))
          total += exp((s[i * SAMPLES + j] - s[i * SAMPLES + p]) / temperature);
      sum += log(total);
      positives++;
    }
    losses[i] = positives ? sum / positives : 0;
    over_pairs += sum, over_anchors += losses[i], pairs += positives, anchors += positives > 0;
  }
  return mean == PREFLANE_MEAN_OVER_PAIRS     ? over_pairs / pairs
         : mean == PREFLANE_MEAN_OVER_ANCHORS ? over_anchors / SAMPLES
                                              : over_anchors / anchors;
}

/* NT-Xent and SupCon in each of their conventions: a group of three, a group of one and, by its label alone, another. */
static void groups_of_samples(void) {
  enum { N = SAMPLES, STRIDE_OF = N + 2 };
  float similarities[N * STRIDE_OF], loss, losses[N], grads[N * STRIDE_OF], nan = (float)NAN;
  double exact[N * N], expected, of_anchors[N];
  const int64_t labels[N] = {7, -1, 7, INT64_MIN, 7};
  uint64_t pairs, anchors;
  preflane_groups good = {{NULL, N, N, STRIDE_OF}, NULL, 0, 0}, wrong;
  preflane_groups_outputs outputs = {0}, bad;
  preflane_error error;
  int32_t against, mean;
  size_t i, j;
  for (i = 0; i < N * STRIDE_OF; i++) similarities[i] = nan;
  for (i = 0; i < N; i++)
    for (j = 0; j < N; j++) similarities[i * STRIDE_OF + j] = i == j ? nan : (float)((i * 5 + j * 3) % 7) / 8 - 0.25f;
  for (i = 0; i < N * N; i++) exact[i] = similarities[i / N * STRIDE_OF + i % N];
  good.similarities.data = similarities, good.labels = labels;
  outputs.loss = &loss, outputs.pairs = &pairs, outputs.anchors = &anchors, outputs.losses = losses;
  outputs.grads = grads, outputs.grads_stride = STRIDE_OF;
  for (against = PREFLANE_AGAINST_OTHERS; against <= PREFLANE_AGAINST_NEGATIVES; against++) {
    for (mean = PREFLANE_MEAN_OVER_PAIRS; mean <= PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES; mean++) {
      good.against = against, good.mean = mean, pairs = anchors = 0;
      for (i = 0; i < N * STRIDE_OF; i++) grads[i] = 7;
      CHECK(preflane_evaluate_groups(ONE, &good, 0.5, &outputs, &error) == PREFLANE_OK && pairs == 6 && anchors == 3);
      expected = loss_of_groups(exact, labels, 0.5, against, mean, of_anchors);
      CHECK(fabs(loss - expected) <= 2e-7);
      for (i = 0; i < N; i++) CHECK(fabs(losses[i] - of_anchors[i]) <= 2e-7);
      for (i = 0; i < N; i++) {
        for (j = 0; j < N; j++) {
          /* By differences, which are good to some eight digits. */
          const double step = 1e-4, at = exact[i * N + j];
          double slope = 0;
          if (i != j) {
            exact[i * N + j] = at + step;
            slope = loss_of_groups(exact, labels, 0.5, against, mean, of_anchors);
            exact[i * N + j] = at - step;
            slope = (slope - loss_of_groups(exact, labels, 0.5, against, mean, of_anchors)) / (2 * step);
            exact[i * N + j] = at;
          }
          CHECK(fabs(grads[i * STRIDE_OF + j] - slope) <= 1e-6);
        }
        CHECK(grads[i * STRIDE_OF + N] == 7);
      }
    }
  }
  /* The list's losses stand for two of these: those of SimCLR and of SupCon's authors. Two views of each of two samples. */
  {
    float views[16] = {1, 0.8f, 0.1f, 0.2f, 0.8f, 1, 0, 0.1f, 0.1f, 0, 1, 0.9f, 0.2f, 0.1f, 0.9f, 1};
    const int64_t of_views[4] = {0, 0, 1, 1};
    preflane_groups two = {{NULL, 4, 4, 4}, NULL, PREFLANE_AGAINST_OTHERS, PREFLANE_MEAN_OVER_PAIRS};
    preflane_groups_outputs one = {0};
    two.similarities.data = views, two.labels = of_views, one.loss = &loss;
    CHECK(preflane_evaluate_groups(ONE, &two, 0.5, &one, &error) == PREFLANE_OK && fabs(loss - 0.3726596) < 1e-6);
    two.mean = PREFLANE_MEAN_OVER_ANCHORS;
    CHECK(preflane_evaluate_groups(ONE, &two, 0.5, &one, &error) == PREFLANE_OK && fabs(loss - 0.3726596) < 1e-6);
  }
  /* Refusals, and nothing is written. */
  loss = losses[0] = grads[1] = 7, pairs = 7;
#define GROUPS(groups, temperature, outputs) preflane_evaluate_groups(ONE, groups, temperature, outputs, &error)
  REFUSED(GROUPS(NULL, 0.5, &outputs), PREFLANE_ERROR_NULL, "groups", PREFLANE_NO_ROW);
  REFUSED(GROUPS(&good, 0.5, NULL), PREFLANE_ERROR_NULL, "outputs", PREFLANE_NO_ROW);
  wrong = good, wrong.similarities.data = NULL;
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_NULL, "similarities", PREFLANE_NO_ROW);
  wrong = good, wrong.labels = NULL;
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_NULL, "labels", PREFLANE_NO_ROW);
  wrong = good, wrong.labels = (const int64_t *)(const void *)((const char *)labels + 4);
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_ALIGNMENT, "labels", PREFLANE_NO_ROW);
  for (i = 0; i < 3; i++) {
    static const int32_t NONE[] = {0, 4, -1};
    wrong = good, wrong.against = NONE[i];
    REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_PARAMETER, "against", PREFLANE_NO_ROW);
    wrong = good, wrong.mean = NONE[i];
    REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_PARAMETER, "mean", PREFLANE_NO_ROW);
  }
  wrong = good, wrong.similarities.rows = N - 1;
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_LENGTH, "columns of similarities", PREFLANE_NO_ROW);
  wrong = good, wrong.similarities.rows = wrong.similarities.columns = wrong.similarities.stride = SIZE_MAX / 2;
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_LENGTH, "similarities", PREFLANE_NO_ROW);
  wrong = good, wrong.similarities.stride = N - 1;
  REFUSED(GROUPS(&wrong, 0.5, &outputs), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
  for (i = 0; i < 4; i++) {
    static const double NONE[] = {0, -0.5, NAN, 1e13};
    REFUSED(GROUPS(&good, NONE[i], &outputs), PREFLANE_ERROR_PARAMETER, "temperature", PREFLANE_NO_ROW);
  }
  bad = outputs, bad.grads_stride = N - 1;
  REFUSED(GROUPS(&good, 0.5, &bad), PREFLANE_ERROR_PARAMETER, "stride", PREFLANE_NO_ROW);
  bad = outputs, bad.losses = grads + 3;
  REFUSED(GROUPS(&good, 0.5, &bad), PREFLANE_ERROR_OVERLAP, "grads", PREFLANE_NO_ROW);
  bad = outputs, bad.grads = similarities;
  REFUSED(GROUPS(&good, 0.5, &bad), PREFLANE_ERROR_OVERLAP, "grads", PREFLANE_NO_ROW);
  CHECK(loss == 7 && losses[0] == 7 && grads[1] == 7 && pairs == 7);
  wrong = good, wrong.similarities.rows = wrong.similarities.columns = 0;
  CHECK(GROUPS(&wrong, 0.5, &outputs) == PREFLANE_OK && loss == 0 && pairs == 0);
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
  loss_list();
  pair_errors();
  pair_bits();
  step_bits();
  phases();
  columns();
  distributions();
  labelled_answers();
  mean_log_ratios();
  divergences();
  listed_answers();
  metrics_bytes();
  contrastive();
  segments();
  groups_of_samples();
  streaming();
  shards();
  halves();
  reserved_fields();
  damaged_states();
  environment();
  threads(with_threads);
  printf("%d checks, %d failed\n", checks, failures);
  return failures != 0;
}
