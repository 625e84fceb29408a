/* Every function of the interface that computes, on ordinary and on real inputs: what programs need that watch the calls.
 *
 * The program that includes this defines what is done around each call:
 *   static void before(const char *function);
 *   static void after(const char *function, int32_t code, const char *message);
 * and what is done before and after a call that is not watched:
 *   static void aside(int begins);
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
static void aside(int begins);

static preflane_error call_error;
/* The loss that is evaluated, if the call evaluates one of the list. */
static const char *current_loss = "";
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

/* What a loss is given: those rows, but for others where they would make results beyond the ordinary, and its column. */
static float given[4][MOST_PAIRS], given_column[MOST_PAIRS];

/* Pairs as labelled answers, chosen and rejected by turns, and as lists of four. */
static uint8_t desirable[MOST_PAIRS];
static size_t list_offsets[MOST_PAIRS / 4 + 2];
static preflane_list_scratch list_scratch[4];

/* One evaluation of a loss of the list, into all results. */
typedef struct {
  preflane_run run;
  preflane_loss loss;
  const preflane_loss_description *about;
  size_t rows;
  int weighted, reference_free;
} evaluation;

static int32_t evaluate_pairs(const evaluation *of, preflane_metrics *metrics) {
  preflane_pairs in = {0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0};
  preflane_pair_outputs out;
  in.length = of->rows, in.reference_free = of->reference_free;
  in.policy_chosen_logps = given[0], in.policy_rejected_logps = given[1];
  if (!of->reference_free) in.ref_chosen_logps = given[2], in.ref_rejected_logps = given[3];
  if (of->weighted) in.weights = pair_weights;
  if (of->about->column.name) in.column = given_column;
  out.losses = pair_results[0], out.chosen_rewards = pair_results[1], out.rejected_rewards = pair_results[2];
  out.margins = pair_results[3], out.grad_chosen_logps = pair_results[4], out.grad_rejected_logps = pair_results[5];
  out.grad_ref_chosen_logps = pair_results[6], out.grad_ref_rejected_logps = pair_results[7];
  out.grad_beta = pair_results[8];
  return preflane_evaluate(of->run, &of->loss, &in, &out, metrics, &call_error);
}

static int32_t evaluate_labelled(const evaluation *of, preflane_labelled_metrics *metrics) {
  preflane_labelled in = {0, NULL, NULL, NULL, NULL, 0.125f, 0, NULL};
  preflane_labelled_outputs out;
  in.length = of->rows, in.policy_logps = given[0], in.desirable = desirable, in.reference_free = of->reference_free;
  if (!of->reference_free) in.ref_logps = given[2];
  if (of->weighted) in.weights = pair_weights;
  if (of->about->column.name) in.column = given_column;
  if (of->about->reference_point == PREFLANE_REFERENCE_POINT_NONE) in.reference_point = 0;
  out.losses = pair_results[0], out.rewards = pair_results[1], out.grad_logps = pair_results[2];
  out.grad_ref_logps = pair_results[3], out.grad_beta = pair_results[4], out.grad_bias = pair_results[5];
  return preflane_evaluate_labelled(of->run, &of->loss, &in, &out, metrics, &call_error);
}

static int32_t evaluate_listed(const evaluation *of, preflane_listed_metrics *metrics) {
  preflane_listed in = {0, 0, NULL, NULL, NULL, NULL, NULL, 0, 0};
  preflane_listed_outputs out;
  in.answers = of->rows, in.lists = (of->rows + 3) / 4, in.policy_logps = given[0], in.offsets = list_offsets;
  in.reference_free = of->reference_free;
  if (!of->reference_free) in.ref_logps = given[2];
  if (of->weighted) in.weights = pair_weights;
  if (of->about->column.name) in.column = given_column;
  out.losses = pair_results[0], out.grad_beta = pair_results[1], out.rewards = pair_results[2];
  out.grad_logps = pair_results[3], out.grad_ref_logps = pair_results[4];
  return preflane_evaluate_listed(of->run, &of->loss, &in, &out, metrics, list_scratch, 4, &call_error);
}

/* Puts ordinary rows where the results were beyond the ordinary, and tells how many. Of a list, all of it. */
static size_t mend_rows(const evaluation *of) {
  const float ORDINARY[4] = {-2, -2.5f, -1.5f, -1.25f};
  size_t row, mended = 0, i;
  for (row = 0; row < of->rows; row++) {
    int ordinary = 1;
    for (i = 0; i < 9; i++) {
      int by_list = of->about->shape == PREFLANE_SHAPE_LISTED && i < 2;
      ordinary &= fabsf(pair_results[i][by_list ? row / 4 : row]) < 1e30f;
    }
    if (of->about->shape == PREFLANE_SHAPE_LISTED) {
      /* The others of the list too. */
      for (i = row / 4 * 4; i < row / 4 * 4 + 4 && i < of->rows; i++)
        ordinary &= fabsf(pair_results[2][i]) < 1e30f && fabsf(pair_results[3][i]) < 1e30f;
    }
    if (ordinary) continue;
    for (i = 0; i < 4; i++) given[i][row] = ORDINARY[i];
    mended++;
  }
  return mended;
}

static int32_t evaluate_any(const evaluation *of) {
  memset(pair_results, 0, sizeof pair_results);
  return of->about->shape == PREFLANE_SHAPE_PAIRWISE   ? evaluate_pairs(of, NULL)
         : of->about->shape == PREFLANE_SHAPE_LABELLED ? evaluate_labelled(of, NULL)
                                                       : evaluate_listed(of, NULL);
}

/* Every loss of the list, with everyday parameters and others; or one in so many of them, others the next time. */
static void some_losses(preflane_run run, size_t rows, int weighted, int reference_free, size_t one_in) {
  static size_t turn;
  static preflane_metrics total, part;
  static preflane_labelled_metrics labelled_total, labelled_part;
  static preflane_listed_metrics listed_total, listed_part;
  static uint8_t bytes[PREFLANE_METRICS_BYTES + PREFLANE_LABELLED_METRICS_BYTES + PREFLANE_LISTED_METRICS_BYTES];
  static preflane_sum sum;
  size_t i, j;
  float value, mean;
  memset(&total, 0, sizeof total);
  memset(&labelled_total, 0, sizeof labelled_total);
  memset(&listed_total, 0, sizeof listed_total);
  memset(&sum, 0, sizeof sum);
  for (i = 0; i < rows; i++) desirable[i] = i % 2 == 0;
  for (i = 0; i <= (rows + 3) / 4; i++) list_offsets[i] = 4 * i < rows ? 4 * i : rows;
  for (i = 0; i < 2 * preflane_loss_count(); i++) {
    preflane_loss_description about;
    evaluation of;
    int mended = 0;
    if (i % one_in != turn % one_in) continue;
    CALL(preflane_loss_describe, (i / 2, &about, &call_error));
    CALL(preflane_loss_by_name, (about.name, &of.loss, &call_error));
    /* Those of samples have functions of their own. */
    if (about.shape == PREFLANE_SHAPE_CONTRASTIVE) continue;
#ifdef NO_EXPONENTIALS
    /* See Traps in the README. */
    if (about.shape == PREFLANE_SHAPE_PAIRWISE && strstr(about.formula, "e^")) {
      static char told[1024];
      if (i / 2 < sizeof told && !told[i / 2]++) printf("not watched: %s\n", about.name);
      continue;
    }
#endif
    /* Values of the grids that make results of ordinary size: the ends of the ranges come last in them. */
    for (j = 0; i % 2 && j < about.parameter_count; j++)
      of.loss.parameters[j] = about.parameters[j].grid[1 % about.parameters[j].grid_length];
    for (j = 0; about.column.name && j < rows; j++) given_column[j] = (float)about.column.grid[j % 2];
    memcpy(given, pair_inputs, sizeof given);
    of.run = run, of.about = &about, of.rows = rows, of.weighted = 0, of.reference_free = reference_free;
    /* What is beyond the ordinary may raise, whatever weight takes it away. */
    aside(1);
    while (evaluate_any(&of) == PREFLANE_OK && mend_rows(&of) > 0 && mended < 2) mended++;
    aside(0);
    of.weighted = weighted;
    current_loss = about.name;
    if (mended == 2) {
      before("preflane_evaluate");
      after("preflane_evaluate", PREFLANE_ERROR_OTHER, "results of ordinary rows are beyond the ordinary");
    } else if (about.shape == PREFLANE_SHAPE_PAIRWISE) {
      preflane_report report;
      memset(&part, 0, sizeof part);
      before("preflane_evaluate");
      after("preflane_evaluate", evaluate_pairs(&of, &part), call_error.message);
      current_loss = "";
      CALL(preflane_metrics_merge, (&total, &part, &call_error));
      CALL(preflane_metrics_report, (&total, &report, &call_error));
      CALL(preflane_sum_add, (&sum, pair_results[0], rows, &call_error));
      CALL(preflane_sum_merge, (&sum, &part.margins, &call_error));
      CALL(preflane_sum_value, (&sum, rows, &value, &mean, &call_error));
      CALL(preflane_metrics_save, (&part, bytes, sizeof bytes, &call_error));
      CALL(preflane_metrics_restore, (bytes, sizeof bytes, &part, &call_error));
    } else if (about.shape == PREFLANE_SHAPE_LABELLED) {
      preflane_labelled_report report;
      memset(&labelled_part, 0, sizeof labelled_part);
      before("preflane_evaluate_labelled");
      after("preflane_evaluate_labelled", evaluate_labelled(&of, &labelled_part), call_error.message);
      current_loss = "";
      CALL(preflane_labelled_metrics_merge, (&labelled_total, &labelled_part, &call_error));
      CALL(preflane_labelled_metrics_report, (&labelled_part, &report, &call_error));
      CALL(preflane_labelled_metrics_save, (&labelled_part, bytes, sizeof bytes, &call_error));
      CALL(preflane_labelled_metrics_restore, (bytes, sizeof bytes, &labelled_part, &call_error));
    } else {
      preflane_listed_report report;
      memset(&listed_part, 0, sizeof listed_part);
      before("preflane_evaluate_listed");
      after("preflane_evaluate_listed", evaluate_listed(&of, &listed_part), call_error.message);
      current_loss = "";
      CALL(preflane_listed_metrics_merge, (&listed_total, &listed_part, &call_error));
      CALL(preflane_listed_metrics_report, (&listed_part, &report, &call_error));
      CALL(preflane_listed_metrics_save, (&listed_part, bytes, sizeof bytes, &call_error));
      CALL(preflane_listed_metrics_restore, (bytes, sizeof bytes, &listed_part, &call_error));
    }
    current_loss = "";
  }
  if (one_in > 1) turn++;
}

static void every_loss(preflane_run run, size_t rows, int weighted, int reference_free) {
  some_losses(run, rows, weighted, reference_free, 1);
}

/* The log-ratios of pairs and of their answers as running means, and the answers' as those of tokens. */
static void means_and_divergences(preflane_run run, size_t pairs, int reference_free) {
  static preflane_mean_log_ratio total, part;
  static uint8_t bytes[PREFLANE_MEAN_LOG_RATIO_BYTES];
  static preflane_sum sum;
  preflane_pairs in = {0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0};
  preflane_kl_tokens tokens = {0, 0, NULL, NULL, NULL, 0, 0};
  preflane_kl_outputs out;
  float values[3], beta;
  static size_t orders[2][MOST_PAIRS];
  size_t i, sequences = (pairs + 3) / 4;
  in.length = pairs, in.reference_free = reference_free;
  in.policy_chosen_logps = pair_inputs[0], in.policy_rejected_logps = pair_inputs[1];
  if (!reference_free) in.ref_chosen_logps = pair_inputs[2], in.ref_rejected_logps = pair_inputs[3];
  memset(&total, 0, sizeof total);
  memset(&part, 0, sizeof part);
  CALL(preflane_mean_log_ratio_add, (&part, pair_inputs[0], pair_inputs[2], pairs, &call_error));
  CALL(preflane_mean_log_ratio_add_pairs, (&total, &in, &call_error));
  CALL(preflane_mean_log_ratio_merge, (&total, &part, &call_error));
  CALL(preflane_mean_log_ratio_value, (&total, values, values + 1, values + 2, &call_error));
  CALL(preflane_beta_of_batch, (&part, &total, 0.1, 0.5, &beta, &call_error));
  CALL(preflane_mean_log_ratio_save, (&total, bytes, sizeof bytes, &call_error));
  CALL(preflane_mean_log_ratio_restore, (bytes, sizeof bytes, &part, &call_error));
  for (i = 0; i <= sequences; i++) list_offsets[i] = 4 * i < pairs ? 4 * i : pairs;
  /* Those of tokens are not so far apart that their estimates are beyond floats. */
  for (i = 0; i < pairs; i++) {
    given[0][i] = fmaxf(0.125f * pair_inputs[0][i], -40.0f);
    given[2][i] = fmaxf(0.125f * pair_inputs[2][i], -40.0f);
  }
  tokens.tokens = pairs, tokens.sequences = sequences, tokens.offsets = list_offsets;
  tokens.policy_logps = given[0], tokens.ref_logps = given[2];
  out.estimates = pair_results[0], out.grad_logps = pair_results[1], out.sums = pair_results[2], out.means = pair_results[3];
  memset(&sum, 0, sizeof sum);
  for (tokens.estimate = PREFLANE_KL_K1; tokens.estimate <= PREFLANE_KL_K3; tokens.estimate++)
    CALL(preflane_kl, (run, &tokens, &out, &sum, &call_error));
  for (i = PREFLANE_COMPARED_MARGINS; i <= PREFLANE_COMPARED_LOG_RATIOS; i++) {
    CALL(preflane_aot_order, (&in, (int32_t)i, orders[0], orders[1], &call_error));
    CALL(preflane_aot_gather, (pair_inputs[0], orders[0], pairs, pair_results[0], &call_error));
    CALL(preflane_aot_scatter, (pair_results[0], orders[0], pairs, pair_results[1], &call_error));
  }
}

/* The same numbers as those of steps: segments of four, their distances, ranks and states. */
static void trajectories(preflane_run run, size_t steps) {
  static preflane_sum scratch[4];
  static float preferred[8 * MOST_PAIRS], others[8 * MOST_PAIRS];
  static uint8_t counted[MOST_PAIRS];
  preflane_segments in = {0, 0, NULL, NULL, NULL, 0.97, NULL, NULL, 0, 0};
  preflane_segment_outputs out = {NULL, NULL, NULL, NULL};
  preflane_segment_actions actions = {{NULL, 0, 2, 2}, {NULL, 0, 2, 2}, NULL, NULL, 0};
  preflane_matrix rows = {NULL, 0, 2, 2};
  preflane_matrix_mut to = {NULL, 0, 2, 2};
  preflane_ranked ranked = {NULL, NULL, 0, 0};
  uint64_t empty;
  size_t i, segments = (steps + 3) / 4, count = 0;
  float value;
  for (i = 0; i <= segments; i++) list_offsets[i] = 4 * i < steps ? 4 * i : steps;
  for (i = 0; i < steps; i++) counted[i] = i % 3 != 1;
  in.steps = steps, in.segments = segments, in.offsets = list_offsets;
  in.values = pair_inputs[0], in.ref_values = pair_inputs[2];
  out.values = pair_results[1], out.ref_values = pair_results[2];
  for (in.score = PREFLANE_SEGMENT_SCORE_SUM; in.score <= PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET; in.score++) {
    if (in.score == PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET) {
      in.start = pair_inputs[1], in.end = pair_inputs[3], out.start = pair_results[3], out.end = pair_results[4];
    }
    CALL(preflane_segment_scores, (run, &in, pair_results[0], &call_error));
    CALL(preflane_segment_grads, (run, &in, pair_weights, &out, &call_error));
  }
  /* Two numbers a step. */
  actions.policy.data = pair_inputs[0], actions.actions.data = pair_inputs[1], rows.data = pair_inputs[0];
  actions.policy.rows = actions.actions.rows = rows.rows = to.rows = steps / 2;
  to.data = pair_results[5];
  for (i = 0; i <= segments; i++) list_offsets[i] = 4 * i < steps / 2 ? 4 * i : steps / 2;
  actions.offsets = list_offsets, actions.segments = segments;
  CALL(preflane_segment_distances, (run, &actions, pair_results[0], &empty, &call_error));
  actions.mask = counted;
  CALL(preflane_segment_distances, (run, &actions, pair_results[0], &empty, &call_error));
  CALL(preflane_segment_distances_grad, (run, &actions, pair_weights, &to, &call_error));
  CALL(preflane_soft_maximum, (run, &rows, 0.5, pair_results[0], &call_error));
  CALL(preflane_soft_maximum_grad, (run, &rows, 0.5, pair_weights, &to, &call_error));
  CALL(preflane_smoothness, (run, 0.5, pair_inputs[0], pair_inputs[1], steps, &value, pair_results[0], &call_error));
  for (i = 0; i <= segments; i++) list_offsets[i] = 4 * i < steps ? 4 * i : steps;
  ranked.scores = pair_inputs[2], ranked.offsets = list_offsets, ranked.segments = steps, ranked.lists = segments;
  CALL(preflane_ranked_count, (&ranked, &count, &call_error));
  CALL(preflane_ranked_lay_out, (&ranked, pair_inputs[0], count, preferred, others, &call_error));
  CALL(preflane_ranked_means, (&ranked, preferred, count, pair_results[0], &call_error));
  CALL(preflane_ranked_gather, (&ranked, preferred, others, count, scratch, 4, pair_results[0], &call_error));
}

/* The same pairs token by token, two tokens an answer, into a monitor. */
static void streamed(preflane_run run, size_t pairs, int referenced) {
  enum { WINDOW = 64 };
  static preflane_evaluator evaluator;
  static preflane_monitor monitor;
  static preflane_window_row window[WINDOW];
  static preflane_limits limits;
  static preflane_metrics metrics;
  static uint8_t bytes[4096];
  const preflane_loss loss = preflane_dpo(0.1);
  preflane_scored scored;
  preflane_changes changes;
  preflane_window_report report;
  size_t i, j, written;
  int32_t is_pair;
  float quantile;
  float row[16];
  (void)run;
  for (i = 0; i < 16; i++) row[i] = 0.01f * pair_inputs[0][i];
  memset(&monitor, 0, sizeof monitor);
  limits.least_pairs = 8;
  for (i = 0; i < 5; i++) limits.thresholds[i].watched = 1, limits.thresholds[i].raise = 0.25f, limits.thresholds[i].clear = 0.25f;
  CALL(preflane_evaluator_init, (&evaluator, &loss, PREFLANE_REDUCE_MEAN, &call_error));
  for (i = 0; i < pairs; i++) {
    for (j = 0; j < 2; j++) {
      float policy[2], reference[2];
      policy[0] = policy[1] = 0.01f * pair_inputs[j][i];
      reference[0] = reference[1] = 0.01f * pair_inputs[2 + j][i];
      CALL(preflane_evaluator_begin,
           (&evaluator, j ? PREFLANE_SIDE_REJECTED : PREFLANE_SIDE_CHOSEN, &call_error));
      CALL(preflane_evaluator_tokens, (&evaluator, policy, referenced ? reference : NULL, 2, &call_error));
      CALL(preflane_evaluator_logits,
           (&evaluator, row, PREFLANE_F32, 16, 3, NULL, referenced ? reference : NULL, &call_error));
      CALL(preflane_evaluator_end, (&evaluator, NULL, &scored, &is_pair, &call_error));
    }
    CALL(preflane_monitor_push, (&monitor, window, WINDOW, &scored, &limits, &changes, &call_error));
  }
  CALL(preflane_evaluator_abandon, (&evaluator, &call_error));
  CALL(preflane_monitor_report, (&monitor, window, WINDOW, &report, &call_error));
  CALL(preflane_monitor_quantile, (&monitor, window, WINDOW, 0.75f, &quantile, &call_error));
  CALL(preflane_monitor_metrics, (&monitor, window, WINDOW, &metrics, &call_error));
  CALL(preflane_monitor_save, (&monitor, window, WINDOW, bytes, sizeof bytes, &written, &call_error));
  CALL(preflane_monitor_restore, (&monitor, window, WINDOW, bytes, written, &call_error));
}

/* Their log-probabilities as similarities: 32 rows of 16 negatives, a square of 32, and vectors of 16. */
static void similarities(preflane_run run) {
  enum { N = 32, M = 16 };
  static float values[2][N * N], losses[N], by_positive[N], by_negative[N * M], by_temperature[N], grads[N * N], to[2][N * M];
  static uint8_t mask[N * M];
  static preflane_log_sum_exp sums[2][N];
  preflane_similarities rows = {NULL, {NULL, N, M, M}, NULL};
  preflane_info_nce_outputs out;
  preflane_matrix square = {NULL, N, N, N};
  preflane_matrix_mut to_square = {NULL, N, N, N};
  preflane_vectors vectors = {{NULL, N, M, M}, {NULL, N, M, M}, 0, 0, PREFLANE_PAIRING_ALL};
  preflane_groups groups;
  preflane_groups_outputs of_groups;
  static int64_t labels[N];
  float mean_rows, mean_columns;
  uint64_t nonfinite, anchors;
  size_t i;
  /* Groups of three, and two alone. */
  for (i = 0; i < N; i++) labels[i] = (int64_t)i / 3 - (i == N - 1);
  for (i = 0; i < N * N; i++) values[0][i] = uniform(), values[1][i] = uniform();
  for (i = 0; i < N * M; i++) mask[i] = i % 3 != 0;
  rows.positives = values[1], rows.negatives.data = values[0];
  out.losses = losses, out.grad_positives = by_positive, out.grad_negatives = by_negative, out.grad_negatives_stride = M;
  out.grad_temperature = by_temperature;
  square.data = values[0], to_square.data = grads;
  CALL(preflane_info_nce, (run, &rows, 0.07, &out, &nonfinite, &call_error));
  rows.mask = mask;
  CALL(preflane_info_nce, (run, &rows, 0.07, &out, &nonfinite, &call_error));
  CALL(preflane_symmetric, (run, &square, 0.07, sums[0], sums[1], &to_square, &mean_rows, &mean_columns, &call_error));
  groups.similarities = square, groups.labels = labels;
  of_groups.loss = &mean_rows, of_groups.pairs = &nonfinite, of_groups.anchors = &anchors, of_groups.losses = losses;
  of_groups.grads = grads, of_groups.grads_stride = N;
  for (i = 0; i < 6; i++) {
    groups.against = i % 2 ? PREFLANE_AGAINST_OTHERS : PREFLANE_AGAINST_NEGATIVES;
    groups.mean = (int32_t)i / 2 + PREFLANE_MEAN_OVER_PAIRS;
    CALL(preflane_evaluate_groups, (run, &groups, 0.07, &of_groups, &call_error));
  }
  vectors.queries.data = values[0], vectors.keys.data = values[1];
  for (vectors.similarity = PREFLANE_SIMILARITY_DOT; vectors.similarity <= PREFLANE_SIMILARITY_COSINE; vectors.similarity++) {
    CALL(preflane_vector_similarities, (run, &vectors, grads, &call_error));
    CALL(preflane_vector_similarities_grad, (run, &vectors, grads, to[0], to[1], &call_error));
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
          case 3: pair_inputs[j][i] = j == 0 ? base + 10.0f : base; break;     /* where some losses are 0 */
          default: pair_inputs[j][i] = j % 2 ? -1e-6f * (float)i : -1e5f; break; /* sizes apart */
        }
      }
    }
    /* Long batches are where the time goes: there the losses take turns, each in one length and kind at least. */
    for (i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++)
      some_losses(run, LENGTHS[i], i % 2 == 0, i % 3 == 0, LENGTHS[i] > 33 ? 13 : 1);
    for (i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
      means_and_divergences(run, LENGTHS[i], i % 3 == 0);
      trajectories(run, LENGTHS[i]);
    }
    streamed(run, 40, kind % 2 == 0);
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
    float reference[2] = {-20, -21};
    preflane_step step;
    preflane_step_buffers buffers;
    preflane_step_outputs results;
    memset(&step, 0, sizeof step);
    step.loss = preflane_dpo(0.1), step.sequences = sequences, step.scaling = scaling, step.grad_scale = 1;
    step.ref_chosen_logps = reference, step.ref_rejected_logps = reference + 1;
    buffers.token_logps = row_results[0], buffers.log_sum_exps = row_sums, buffers.token_grads = row_results[4];
    buffers.chosen_logps = by_pair, buffers.rejected_logps = by_pair + 1;
    buffers.grad_chosen_logps = by_pair + 2, buffers.grad_rejected_logps = by_pair + 3;
    results.losses = by_pair + 4, results.chosen_rewards = by_pair + 5, results.rejected_rewards = by_pair + 6;
    results.margins = by_pair + 7;
    memcpy(grads, data, size * (CALL_ROWS * stride));
    memset(&metrics, 0, sizeof metrics);
    CALL(preflane_step_run, (run, &step, &out, &buffers, &results, &metrics, &counts, &call_error));
    memcpy(grads, data, size * (CALL_ROWS * stride));
    CALL(preflane_step_forward, (run, &step, &out, rows, &buffers, &counts, &call_error));
    CALL(preflane_step_pairs, (run, &step, &buffers, &results, &metrics, &call_error));
    CALL(preflane_step_backward, (run, &step, &out, rows, &buffers, &call_error));
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
  preflane_pairs in = {0, NULL, NULL, NULL, NULL, NULL, NULL, 1, 0};
  preflane_pair_outputs out;
  preflane_loss loss = preflane_dpo(0);
  size_t i;
  memset(&out, 0, sizeof out);
  for (i = 0; i < sizeof BETAS / sizeof BETAS[0]; i++) {
    loss.parameters[0] = BETAS[i];
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
  similarities(run);
  refusals(run);
  n = real_pairs(pairs);
  if (n == 0 || real_rows(logits, REAL_COLUMNS) != CALL_ROWS) return 0;
  every_loss(run, n, 0, 0);
  every_loss(run, n, 1, 1);
  every_type(run, REAL_COLUMNS, REAL_COLUMNS);
  return 1;
}

#endif
