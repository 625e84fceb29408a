// The C++ wrapper: spans, checked lengths, errors as values and as exceptions.
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "preflane.hpp"

static int failures, checks;
#define CHECK(condition)                                           \
  do {                                                             \
    checks++;                                                      \
    if (!(condition)) {                                            \
      failures++;                                                  \
      std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
    }                                                              \
  } while (0)

// A loss by the function of its name, whatever parameters that takes: each 0.25.
template <class... Parameters>
preflane::loss made(preflane::loss (*function)(Parameters...) noexcept) {
  return function(static_cast<Parameters>(0.25)...);
}

int main() {
  const std::vector<float> chosen = {-12.5f, -30.0f}, rejected = {-14.0f, -28.0f};
  const std::array<float, 2> ref_chosen = {-13.0f, -29.0f}, ref_rejected = {-13.25f, -29.5f};
  std::vector<float> losses(2), gradients(2);
  preflane::metrics metrics = {};
  preflane::pairs pairs = {chosen, rejected, ref_chosen, ref_rejected};
  preflane::outputs outputs;
  outputs.losses = losses;
  outputs.grad_chosen_logps = gradients;
  CHECK(preflane::evaluate(preflane::dpo(0.1), pairs, outputs, &metrics));
  CHECK(losses[0] == 0.632599035317f);
  CHECK(gradients[0] == -0.0468790626626f);
  preflane::report report;
  CHECK(preflane::metrics_report(metrics, report) && report.pairs == 2 && report.rewards_accuracies == 0.5f);

  // A length that the C interface could not know of.
  std::vector<float> short_column(1);
  pairs.ref_rejected_logps = short_column;
  preflane::result refused = preflane::evaluate(preflane::dpo(0.1), pairs, outputs);
  CHECK(!refused && refused.code() == PREFLANE_ERROR_LENGTH);
  CHECK(std::strcmp(refused.message(), "ref_rejected_logps has 1 elements where 2 are needed") == 0);
  pairs.ref_rejected_logps = {};
  refused = preflane::evaluate(preflane::dpo(0.1), pairs, outputs);
  CHECK(!refused && std::strcmp(refused.argument(), "ref_rejected_logps") == 0);
  pairs.ref_rejected_logps = ref_rejected;
#if defined(__cpp_exceptions)
  bool thrown = false;
  try {
    preflane::evaluate(preflane::dpo(-1), pairs, outputs).or_throw();
  } catch (const preflane::error &error) {
    thrown = error.code() == PREFLANE_ERROR_PARAMETER && std::strcmp(error.argument(), "beta") == 0 &&
             std::strcmp(error.what(), "beta is -1; it must be finite and greater than 0") == 0;
  }
  CHECK(thrown);
  preflane::check_environment().or_throw();
#endif

  // Logits to log-probabilities and back; a row in two shards.
  std::vector<float> logits(4 * 6);
  for (std::size_t i = 0; i < logits.size(); i++) logits[i] = static_cast<float>((i * 7) % 11) - 5.0f;
  const std::vector<std::int32_t> labels = {3, -100, 0, 5};
  std::vector<float> logps(4), seeds = {1, 1, -1, 0.5f}, dlogits(4 * 6);
  std::vector<preflane::log_sum_exp> sums(4);
  preflane::token_outputs tokens;
  tokens.logps = logps;
  tokens.log_sum_exps = sums;
  preflane::token_counts counts;
  const auto view = preflane::logits(logits.data(), 4, 6);
  const auto targets = preflane::aligned(preflane::span<const std::int32_t>(labels));
  CHECK(preflane::token_logps(view, targets, tokens, &counts) && counts.tokens == 3 && counts.masked == 1);
  CHECK(preflane::logits_grad(view, targets, sums, seeds, preflane::logits_mut(dlogits.data(), 4, 6)));
  CHECK(preflane::logits_grad_in_place(preflane::logits_mut(logits.data(), 4, 6), targets, sums, seeds));
  CHECK(logits == dlogits && dlogits[6] == 0.0f && dlogits[3] > 0.0f);
  preflane::row_sum left, right;
  std::vector<float> row = {-2, 5, 1, 4, 0, 3};
  preflane::log_sum_exp whole, merged;
  CHECK(preflane::begin(left) && preflane::add(left, row) && preflane::value(left, &whole));
  CHECK(preflane::begin(left) && preflane::begin(right));
  CHECK(preflane::add(left, preflane::input(row.data(), 4)) && preflane::add(right, preflane::input(row.data() + 4, 2), 1));
  float logp;
  CHECK(preflane::merge(left, right) && preflane::value(left, &merged, &logp));
  CHECK(std::memcmp(&whole, &merged, sizeof whole) == 0 && logp < 0.0f);

  // Every loss by its name, as the list has it.
#define CHECK_LOSS(name, declared, given)                                       \
  {                                                                             \
    preflane::loss by_name;                                                     \
    CHECK(preflane::loss_by_name(#name, by_name) && by_name.kind == KIND_OF(name)); \
  }
#define KIND_OF(name) kind_of(#name)
  const auto kind_of = [](const char *name) {
    preflane::loss_description about;
    for (std::size_t i = 0; i < preflane::loss_count(); i++) {
      if (preflane::describe(i, about) && std::strcmp(about.name, name) == 0) return about.kind;
    }
    return std::int32_t{0};
  };
  PREFLANE_FOR_EACH_LOSS(CHECK_LOSS)
  // By the function of its name it is the same loss, and evaluates with the column that the list says it takes.
#define OF_ONE(name, declared, given) {#name, made(preflane::name)},
  const std::vector<std::pair<const char *, preflane::loss>> by_function = {PREFLANE_FOR_EACH_LOSS(OF_ONE)};
  for (const auto &[name, loss] : by_function) CHECK(loss.kind == kind_of(name));
  std::size_t with_column = 0;
  for (std::size_t i = 0; i < preflane::loss_count(); i++) {
    preflane::loss_description about;
    preflane::loss loss;
    CHECK(preflane::describe(i, about) && preflane::loss_by_name(about.name, loss));
    if (about.shape != PREFLANE_SHAPE_PAIRWISE) continue;
    std::vector<float> column;
    if (const preflane::loss_parameter *beside = preflane::column_of(about)) {
      column.assign(2, static_cast<float>(beside->grid[0]));
      with_column++;
    }
    preflane::pairs of_loss = pairs;
    if (about.reference == 0) of_loss = {chosen, rejected, {}, {}, {}, true};
    if (!column.empty()) of_loss.column = column;
    CHECK(preflane::evaluate(loss, of_loss, outputs));
    of_loss.column = column.empty() ? preflane::input(chosen) : preflane::input();
    refused = preflane::evaluate(loss, of_loss, outputs);
    CHECK(!refused && refused.code() == PREFLANE_ERROR_LENGTH && std::strcmp(refused.argument(), "column") == 0);
  }
  CHECK(with_column >= 19);
  const std::vector<float> rewards = {0.5f, -3}, wrong_rewards = {0.5f};
  preflane::pairs with_rewards = pairs;
  with_rewards.column = rewards;
  CHECK(preflane::evaluate(preflane::rebel(2), with_rewards, outputs) && losses[0] == 0.0625f && losses[1] == 12.25f);
  with_rewards.column = wrong_rewards;
  CHECK(preflane::evaluate(preflane::rebel(2), with_rewards, outputs).code() == PREFLANE_ERROR_LENGTH);
  with_rewards.column = rewards;
  refused = preflane::evaluate(preflane::soft_dpo(0.1), with_rewards, outputs);
  CHECK(!refused && refused.code() == PREFLANE_ERROR_COLUMN && refused.row() == 1);
  constexpr preflane::loss with_margin = preflane::simpo(2.5, 0.5);
  static_assert(with_margin.kind == PREFLANE_LOSS_SIMPO && with_margin.parameters[1] == 0.5, "made when compiled");

  // Labelled and listed answers.
  const std::vector<std::uint8_t> desirable = {1, 0};
  preflane::labelled labelled;
  labelled.policy_logps = chosen, labelled.ref_logps = ref_chosen, labelled.desirable = desirable;
  preflane::labelled_outputs by_answer;
  by_answer.losses = losses;
  preflane::labelled_metrics of_labelled = {}, more_labelled = {};
  CHECK(preflane::evaluate_labelled(preflane::kto(0.1, 1, 1), labelled, by_answer, &of_labelled) && of_labelled.desirable == 1);
  labelled.desirable = preflane::span<const std::uint8_t>(desirable.data(), 1);
  refused = preflane::evaluate_labelled(preflane::kto(0.1, 1, 1), labelled, by_answer);
  CHECK(!refused && refused.code() == PREFLANE_ERROR_LENGTH && std::strcmp(refused.argument(), "desirable") == 0);
  std::array<std::uint8_t, PREFLANE_LABELLED_METRICS_BYTES> labelled_bytes;
  CHECK(preflane::save(of_labelled, labelled_bytes) && preflane::restore(labelled_bytes, more_labelled));
  CHECK(std::memcmp(&of_labelled, &more_labelled, sizeof of_labelled) == 0);
  preflane::labelled_report labelled_report;
  CHECK(preflane::merge(more_labelled, of_labelled) && preflane::metrics_report(more_labelled, labelled_report));
  CHECK(labelled_report.desirable == 2 && labelled_report.undesirable == 2);

  // Running means, and estimates of the divergence.
  preflane::mean_log_ratio baseline = {}, other_rank = {};
  CHECK(preflane::add(baseline, chosen, ref_chosen) && preflane::add(other_rank, chosen, ref_chosen));
  CHECK(preflane::merge(baseline, other_rank) && baseline.rows == 2 * chosen.size());
  float mean = 0, mismatched = 0, of_all = 0, batch_beta = 0;
  CHECK(preflane::mean_of(baseline, mean) && preflane::mismatched_reference_point(baseline, mismatched));
  CHECK(preflane::reference_point_of_all(baseline, of_all) && of_all == mean && mismatched == (mean > 0 ? mean : 0));
  CHECK(preflane::beta_of_batch(other_rank, baseline, 0.25, 0.5, batch_beta) && batch_beta == 0.25f);
  std::array<std::uint8_t, PREFLANE_MEAN_LOG_RATIO_BYTES> mean_bytes;
  CHECK(preflane::save(baseline, mean_bytes) && preflane::restore(mean_bytes, other_rank));
  CHECK(std::memcmp(&baseline, &other_rank, sizeof baseline) == 0);
  const std::vector<std::size_t> sequences = {0, 1, chosen.size()};
  std::vector<float> kl_means(2), kl_estimates(chosen.size());
  preflane::kl_outputs kl_outputs;
  kl_outputs.means = kl_means, kl_outputs.estimates = kl_estimates;
  CHECK(preflane::kl(preflane::kl_estimate::k1, {chosen, ref_chosen, sequences}, kl_outputs) && kl_means[0] == kl_estimates[0]);
  kl_outputs.sums = kl_estimates;
  refused = preflane::kl(preflane::kl_estimate::k3, {chosen, ref_chosen, {sequences.data(), 2}}, kl_outputs);
  CHECK(!refused && refused.code() == PREFLANE_ERROR_LENGTH);

  CHECK(preflane::add(baseline, pairs) && baseline.rows == 3 * chosen.size());
  preflane::pairs short_pairs = pairs;
  short_pairs.ref_chosen_logps = short_column;
  CHECK(preflane::add(baseline, short_pairs).code() == PREFLANE_ERROR_LENGTH && baseline.rows == 3 * chosen.size());

  // AOT: two distributions in order, and back.
  std::array<std::size_t, 2> first, second;
  std::vector<float> in_order(2), back(2);
  CHECK(preflane::aot_order(pairs, preflane::compared::margins, first, second) && first[0] == 1 && second[0] == 0);
  CHECK(preflane::aot_order(pairs, preflane::compared::log_ratios, first, second) && first[0] == 1 && second[1] == 1);
  CHECK(preflane::aot_gather(chosen, first, in_order) && in_order[0] == chosen[first[0]]);
  CHECK(preflane::aot_scatter(in_order, first, back) && back == chosen);
  first[1] = 2;
  refused = preflane::aot_gather(chosen, first, in_order);
  CHECK(!refused && refused.code() == PREFLANE_ERROR_OFFSETS && refused.row() == 1);
  CHECK(preflane::aot_scatter(chosen, first, preflane::output(back.data(), 1)).code() == PREFLANE_ERROR_LENGTH);
  CHECK(preflane::aot_order(pairs, preflane::compared::margins, first, {second.data(), 1}).code() == PREFLANE_ERROR_LENGTH);

  const std::vector<std::size_t> offsets = {0, 2};
  preflane::listed listed;
  listed.policy_logps = chosen, listed.ref_logps = ref_chosen, listed.offsets = offsets;
  preflane::listed_outputs by_list;
  std::vector<float> list_loss(1);
  by_list.losses = list_loss;
  std::array<preflane::list_scratch, 2> scratch;
  preflane::listed_metrics of_listed = {}, more_listed = {};
  CHECK(preflane::evaluate_listed(preflane::plackett_luce(0.1), listed, by_list, scratch, &of_listed) && list_loss[0] > 0);
  std::array<std::uint8_t, PREFLANE_LISTED_METRICS_BYTES> listed_bytes;
  CHECK(preflane::save(of_listed, listed_bytes) && preflane::restore(listed_bytes, more_listed));
  preflane::listed_report listed_report;
  CHECK(preflane::merge(more_listed, of_listed) && preflane::metrics_report(more_listed, listed_report));
  CHECK(listed_report.lists == 2 && listed_report.answers == 4);
  by_list.losses = preflane::output(losses.data(), 2);
  refused = preflane::evaluate_listed(preflane::plackett_luce(0.1), listed, by_list, scratch);
  CHECK(!refused && std::strcmp(refused.argument(), "losses") == 0);
  std::array<std::uint8_t, PREFLANE_METRICS_BYTES> metrics_bytes;
  preflane::metrics more = {};
  CHECK(preflane::save(metrics, metrics_bytes) && preflane::restore(metrics_bytes, more) && preflane::merge(more, metrics));
  CHECK(more.pairs == 2 * metrics.pairs);

  // InfoNCE, its symmetric form, and the similarities of vectors.
  const std::vector<float> queries = {1, 0, 0.5f, 2}, keys = {1, 0.25f, 0, 1};
  std::vector<float> square(4), square_grads(4), to_queries(4), to_keys(4);
  const preflane::vectors vectors = {preflane::matrix_of(queries.data(), 2, 2), preflane::matrix_of(keys.data(), 2, 2), 0,
                                     PREFLANE_SIMILARITY_DOT, PREFLANE_PAIRING_ALL};
  CHECK(preflane::vector_similarities(vectors, square) && square[3] == 2);
  std::array<preflane::log_sum_exp, 2> row_sums, column_sums;
  float mean_rows = 0, mean_columns = 0;
  const auto to_square = preflane::matrix_mut_of(square_grads.data(), 2, 2);
  CHECK(preflane::symmetric(preflane::matrix_of(square.data(), 2, 2), 1, row_sums, column_sums, mean_rows, mean_columns,
                            &to_square));
  CHECK(mean_rows > 0 && mean_columns > 0);
  CHECK(preflane::vector_similarities_grad(vectors, square_grads, to_queries, to_keys) && to_keys[0] != 0);
  refused = preflane::vector_similarities(vectors, preflane::output(square.data(), 3));
  CHECK(!refused && std::strcmp(refused.argument(), "similarities") == 0);
  preflane::similarities to_negatives;
  to_negatives.positives = chosen, to_negatives.negatives = preflane::matrix_of(square.data(), 2, 2);
  preflane::info_nce_outputs info_nce;
  info_nce.losses = losses, info_nce.grad_negatives = square_grads;
  CHECK(preflane::info_nce(to_negatives, 0.5, info_nce) && losses[0] > 0);
  to_negatives.negatives.rows = 1;
  CHECK(!preflane::info_nce(to_negatives, 0.5, info_nce));

  // Samples in groups; segments of trajectories; ranked segments.
  const std::vector<float> views = {1, 0.8f, 0.1f, 0.2f, 0.8f, 1, 0, 0.1f, 0.1f, 0, 1, 0.9f, 0.2f, 0.1f, 0.9f, 1};
  const std::vector<std::int64_t> of_views = {0, 0, 1, 1};
  float nt_xent = 0;
  std::vector<float> view_grads(16);
  std::uint64_t positives = 0;
  preflane::groups groups = {preflane::matrix_of(views.data(), 4, 4), of_views};
  preflane::groups_outputs of_groups;
  of_groups.loss = &nt_xent, of_groups.pairs = &positives, of_groups.grads = view_grads;
  CHECK(preflane::evaluate_groups(groups, 0.5, of_groups) && std::fabs(nt_xent - 0.3726596f) < 1e-6f && positives == 4);
  groups.against = preflane::against::negatives, groups.mean = preflane::mean_over::anchors;
  CHECK(preflane::evaluate_groups(groups, 0.5, of_groups) && view_grads[1] < 0);
  groups.labels = {of_views.data(), 3};
  CHECK(preflane::evaluate_groups(groups, 0.5, of_groups).code() == PREFLANE_ERROR_LENGTH);
  const std::vector<float> actions = {-0.5f, -0.25f, -1, -2, -1.5f}, by_score = {1, -2};
  const std::vector<std::size_t> segment_offsets = {0, 3, 5};
  std::vector<float> scores(2), by_step(5);
  preflane::segments segments = {actions, {}, segment_offsets, 0.5};
  CHECK(preflane::segment_scores(segments, scores) && scores[0] == -0.875f && scores[1] == -2.75f);
  preflane::segment_outputs of_segments;
  of_segments.values = by_step;
  CHECK(preflane::segment_grads(segments, by_score, of_segments) && by_step[2] == 0.25f && by_step[4] == -1);
  segments.score = preflane::segment_score::deterministic_regret, segments.start = by_score, segments.end = by_score;
  CHECK(preflane::segment_scores(segments, scores) && scores[0] == 1 + 0.875f - 0.125f);
  segments.end = preflane::input(by_score.data(), 1);
  CHECK(preflane::segment_scores(segments, scores).code() == PREFLANE_ERROR_LENGTH);
  CHECK(preflane::segment_scores({actions, {}, segment_offsets}, preflane::output(by_step)).code() == PREFLANE_ERROR_LENGTH);
  const std::vector<float> taken = {0.6f, 0.8f, 0, 0}, by_policy = {0, 0, 0, 0};
  const std::vector<std::size_t> of_steps = {0, 2, 2};
  std::uint64_t without_steps = 0;
  preflane::segment_actions acted = {preflane::matrix_of(by_policy.data(), 2, 2), preflane::matrix_of(taken.data(), 2, 2), nullptr,
                                     of_steps.data(), 2};
  CHECK(preflane::segment_distances(acted, scores, &without_steps) && scores[0] == 0.25f && without_steps == 1);
  std::vector<float> by_action(4), most(2);
  CHECK(preflane::segment_distances_grad(acted, by_score, preflane::matrix_mut_of(by_action.data(), 2, 2)) && by_action[0] < 0);
  CHECK(preflane::segment_distances(acted, preflane::output(scores.data(), 1)).code() == PREFLANE_ERROR_LENGTH);
  const auto policies = preflane::matrix_of(taken.data(), 2, 2);
  CHECK(preflane::soft_maximum(policies, 0.001, most) && most[0] == 0.8f && most[1] == 0);
  CHECK(preflane::soft_maximum_grad(policies, 0.001, by_score, preflane::matrix_mut_of(by_action.data(), 2, 2)));
  CHECK(by_action[1] == 1 && by_action[2] == -1);
  float smooth = 0;
  CHECK(preflane::smoothness(0.5, by_score, most, smooth) && smooth > 0);
  CHECK(preflane::smoothness(0.5, by_score, by_step, smooth).code() == PREFLANE_ERROR_LENGTH);
  const std::vector<float> given_scores = {0, 2, 1}, values = {-1.2f, -0.7f, -0.9f};
  const std::vector<std::size_t> of_lists = {0, 3};
  const preflane::ranked ranked = {given_scores, of_lists};
  std::size_t ranked_pairs = 0;
  CHECK(preflane::ranked_count(ranked, ranked_pairs) && ranked_pairs == 3);
  std::vector<float> preferred(3), others(3), list_mean(1), by_segment(3);
  std::array<preflane::exact_sum, 3> sums_of_list;
  CHECK(preflane::ranked_lay_out(ranked, values, preferred, others) && preferred[0] == -0.7f && others[0] == -1.2f);
  CHECK(preflane::ranked_means(ranked, preferred, list_mean) && list_mean[0] < 0);
  CHECK(preflane::ranked_gather(ranked, preferred, others, sums_of_list, by_segment) && by_segment[0] < 0);
  CHECK(preflane::ranked_lay_out(ranked, values, preferred, {others.data(), 2}).code() == PREFLANE_ERROR_LENGTH);
  CHECK(preflane::ranked_gather(ranked, preferred, others, sums_of_list, {by_segment.data(), 2}).code() == PREFLANE_ERROR_LENGTH);

  // A step in phases, its buffers in one piece of memory.
  std::size_t row_count = 0, pair_count = 0, bytes = 0;
  CHECK(preflane::step_sizes(2, 2, &row_count, &pair_count, &bytes) && row_count == 4 && pair_count == 1);
  std::vector<double> memory(bytes / sizeof(double)), other_memory(bytes / sizeof(double));
  preflane::step_buffers buffers, other_buffers;
  CHECK(preflane::step_buffers_in(memory.data(), bytes, 2, 2, buffers));
  CHECK(preflane::step_buffers_in(other_memory.data(), bytes, 2, 2, other_buffers));
  preflane_step step = {};
  step.loss = preflane::simpo(2, 0.5);
  step.sequences.targets = targets, step.sequences.tokens = 2;
  step.sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST, step.sequences.reduction = PREFLANE_REDUCE_MEAN;
  step.grad_scale = 1, step.reference_free = 1;
  for (std::size_t i = 0; i < logits.size(); i++) logits[i] = static_cast<float>((i * 5) % 7) - 3.0f;
  dlogits = logits;
  const auto in_place = preflane::logits_mut(logits.data(), 4, 6), apart = preflane::logits_mut(dlogits.data(), 4, 6);
  CHECK(preflane::step(step, in_place, buffers));
  CHECK(preflane::step_forward(step, apart, {2, 2}, other_buffers) && preflane::step_forward(step, apart, {0, 2}, other_buffers));
  CHECK(preflane::step_pairs(step, other_buffers));
  CHECK(preflane::step_backward(step, apart, preflane::all_rows, other_buffers) && logits == dlogits && memory == other_memory);

  // Token by token, and a monitor.
  preflane::evaluator evaluator;
  preflane::scored scored;
  preflane::monitor monitor = {}, monitor_too = {};
  std::array<preflane::window_row, 4> window, window_too;
  bool is_pair = false;
  CHECK(preflane::begin(evaluator, preflane::dpo(0.1)));
  CHECK(!preflane::add_tokens(evaluator, chosen));
  CHECK(preflane::begin_answer(evaluator, preflane::side::rejected));
  CHECK(preflane::add_tokens(evaluator, rejected, ref_rejected) && preflane::end_answer(evaluator, scored, is_pair) && !is_pair);
  CHECK(preflane::begin_answer(evaluator, preflane::side::chosen));
  CHECK(preflane::add_logits(evaluator, row, 1, &ref_chosen[0]) && preflane::end_answer(evaluator, scored, is_pair) && is_pair);
  CHECK(scored.chosen.tokens == 1 && scored.rejected.logps == -42.0f);
  CHECK(preflane::push(monitor, window, scored) && preflane::abandon(evaluator));
  std::vector<std::uint8_t> saved(preflane::monitor_size(window.size()));
  std::size_t written = 0;
  preflane::window_report window_report, window_report_too;
  CHECK(preflane::save(monitor, window, saved, written) && preflane::restore(saved, monitor_too, window_too));
  CHECK(preflane::monitor_report(monitor, window, window_report) && window_report.pairs == 1);
  CHECK(preflane::monitor_report(monitor_too, window_too, window_report_too));
  CHECK(std::memcmp(&window_report, &window_report_too, sizeof window_report) == 0);
  float margin = 0;
  CHECK(preflane::quantile(monitor, window, 0.5f, margin) && margin == scored.margin);
  CHECK(preflane::monitor_metrics(monitor, window, more) && more.pairs == 1 && preflane::k3(-1, -1) == 0);
  preflane::exact_sum sum = {};
  float total = 0;
  CHECK(preflane::add(sum, chosen) && preflane::value(sum, 2, &total) && total == -42.5f);
  CHECK(preflane::is_compatible() && preflane::check_level(preflane::best_level()) && preflane::version()[0] == '0');

  std::printf("C++ %ld: %d checks, %d failed\n", static_cast<long>(__cplusplus), checks, failures);
  return failures != 0;
}
