/*
 * preflane for C++17 and later: the C interface with spans, checked lengths and errors by choice.
 *
 * Every call returns a `preflane::result`, which must be looked at: `if (!result)`, or `.or_throw()` for an exception
 * (where the compiler has them on).
 *
 * Header only. Nothing is owned: all types are values or views, and nothing has to be freed.
 */
#ifndef PREFLANE_HPP
#define PREFLANE_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#if __cplusplus >= 202002L
#include <span>
#endif
#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

#include "preflane.h"

namespace preflane {

// --- views

#if defined(__cpp_lib_span)
template <class T>
using span = std::span<T>;
#else
/// A view of contiguous elements, as std::span of C++20.
template <class T>
class span {
 public:
  constexpr span() noexcept = default;
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  /// A span of anything with data() and size(): std::vector, std::array, another span.
  template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
  constexpr span(C &&container) noexcept : data_(container.data()), size_(container.size()) {}
  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};
#endif

using input = span<const float>;
using output = span<float>;

// --- errors

#if defined(__cpp_exceptions)
class error;
#endif

/// Success, or what was wrong: code, row, argument, message.
class [[nodiscard]] result {
 public:
  result() noexcept = default;
  explicit result(const preflane_error &error) noexcept : error_(error) {}
  /// That the call was done.
  explicit operator bool() const noexcept { return error_.code == PREFLANE_OK; }
  std::int32_t code() const noexcept { return error_.code; }
  /// The row that is wrong, or PREFLANE_NO_ROW.
  std::uint64_t row() const noexcept { return error_.row; }
  const char *argument() const noexcept { return error_.argument; }
  const char *message() const noexcept { return error_.message; }
  /// The plain bytes.
  const preflane_error &details() const noexcept { return error_; }
#if defined(__cpp_exceptions)
  /// Throws preflane::error unless the call was done.
  void or_throw() const;
#endif

 private:
  preflane_error error_ = {PREFLANE_OK, 0, PREFLANE_NO_ROW, {0}, {0}};
};

#if defined(__cpp_exceptions)
/// What result::or_throw throws.
class error : public std::runtime_error {
 public:
  explicit error(const result &what) : std::runtime_error(what.message()), details_(what.details()) {}
  std::int32_t code() const noexcept { return details_.code; }
  std::uint64_t row() const noexcept { return details_.row; }
  const char *argument() const noexcept { return details_.argument; }

 private:
  preflane_error details_;
};

inline void result::or_throw() const {
  if (error_.code != PREFLANE_OK) throw error(*this);
}
#endif

namespace detail {

/// Runs a C call that takes the error last.
template <class Call>
result run(Call call) noexcept {
  preflane_error error = {PREFLANE_OK, 0, PREFLANE_NO_ROW, {0}, {0}};
  return call(&error) == PREFLANE_OK ? result() : result(error);
}

/// A length that differs from the others', as the C interface would say it.
inline result wrong_length(const char *argument, std::size_t got, std::size_t expected) noexcept {
  preflane_error error = {PREFLANE_ERROR_LENGTH, 0, PREFLANE_NO_ROW, {0}, {0}};
  std::strncpy(error.argument, argument, sizeof error.argument - 1);
  std::string message;
#if defined(__cpp_exceptions)
  try {
#endif
    message = std::string(argument) + " has " + std::to_string(got) + " elements where " + std::to_string(expected) +
              " are needed";
#if defined(__cpp_exceptions)
  } catch (...) {
    // Without memory for the text, the code and the argument still say it.
  }
#endif
  std::strncpy(error.message, message.c_str(), sizeof error.message - 1);
  return result(error);
}

/// The first of some lengths that is not the expected one. An empty optional span counts as left out.
class lengths {
 public:
  explicit lengths(std::size_t expected) noexcept : expected_(expected) {}
  template <class T>
  lengths &need(const char *name, span<T> what) noexcept {
    if (found_ && what.size() != expected_) found_ = wrong_length(name, what.size(), expected_);
    return *this;
  }
  template <class T>
  lengths &allow(const char *name, span<T> what) noexcept {
    return what.data() == nullptr ? *this : need(name, what);
  }
  const result &found() const noexcept { return found_; }

 private:
  std::size_t expected_;
  result found_;
};

}  // namespace detail

// --- parameters

using run = preflane_run;
using loss = preflane_loss;
using metrics = preflane_metrics;
using report = preflane_report;
using scaling = preflane_scaling;
using rows = preflane_rows;
using targets = preflane_targets;
using sequences = preflane_sequences;
using log_sum_exp = preflane_log_sum_exp;
using token_counts = preflane_token_counts;
using row_sum = preflane_row_sum;
using exact_sum = preflane_sum;
using loss_description = preflane_loss_description;
using loss_parameter = preflane_loss_parameter;
using labelled_metrics = preflane_labelled_metrics;
using labelled_report = preflane_labelled_report;
using mean_log_ratio = preflane_mean_log_ratio;
using listed_metrics = preflane_listed_metrics;
using listed_report = preflane_listed_report;
using list_scratch = preflane_list_scratch;
using matrix = preflane_matrix;
using matrix_mut = preflane_matrix_mut;
using vectors = preflane_vectors;
using segment_actions = preflane_segment_actions;
using evaluator = preflane_evaluator;
using scored = preflane_scored;
using monitor = preflane_monitor;
using window_row = preflane_window_row;
using limits = preflane_limits;
using changes = preflane_changes;
using window_report = preflane_window_report;
using step_buffers = preflane_step_buffers;

/// The fastest level, on the calling thread.
inline constexpr run default_run = {PREFLANE_LEVEL_BEST, 0};
inline constexpr rows all_rows = {0, static_cast<std::size_t>(-1)};
inline constexpr scaling no_scaling = {1.0, 1.0, 0.0};

/// The losses, each by a function of its name: dpo(beta) and its relatives. See the functions of preflane.h of the same names, with
/// preflane_ before them.
#define PREFLANE_NAME_LOSS(name, declared, given) \
  inline constexpr loss name declared noexcept { return preflane_##name given; }
PREFLANE_FOR_EACH_LOSS(PREFLANE_NAME_LOSS)
#undef PREFLANE_NAME_LOSS

/// See preflane_loss_by_name.
inline result loss_by_name(const char *name, loss &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_loss_by_name(name, &out, error); });
}

/// See preflane_loss_count.
inline std::size_t loss_count() noexcept { return preflane_loss_count(); }

/// See preflane_loss_describe.
inline result describe(std::size_t index, loss_description &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_loss_describe(index, &out, error); });
}

/// What a loss takes beside log-probabilities, which `column` of its arguments holds: null for a loss that takes nothing.
inline const loss_parameter *column_of(const loss_description &about) noexcept {
  return about.column.name == nullptr ? nullptr : &about.column;
}

/// Estimates of the divergence of policy and reference.
enum class kl_estimate : std::int32_t { k1 = PREFLANE_KL_K1, k2 = PREFLANE_KL_K2, k3 = PREFLANE_KL_K3 };
/// Which two distributions a loss of AOT compares.
enum class compared : std::int32_t { margins = PREFLANE_COMPARED_MARGINS, log_ratios = PREFLANE_COMPARED_LOG_RATIOS };
/// What is made of the numbers of a segment's steps.
enum class segment_score : std::int32_t {
  sum = PREFLANE_SEGMENT_SCORE_SUM,
  regret = PREFLANE_SEGMENT_SCORE_REGRET,
  deterministic_regret = PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET
};
/// What an anchor's positive is compared with.
enum class against : std::int32_t { others = PREFLANE_AGAINST_OTHERS, negatives = PREFLANE_AGAINST_NEGATIVES };
/// What the mean over groups is taken over.
enum class mean_over : std::int32_t {
  pairs = PREFLANE_MEAN_OVER_PAIRS,
  anchors = PREFLANE_MEAN_OVER_ANCHORS,
  anchors_with_positives = PREFLANE_MEAN_OVER_ANCHORS_WITH_POSITIVES
};
/// Number types of logits, whatever type holds the 16 bits of the latter two.
enum class dtype : std::int32_t { f32 = PREFLANE_F32, bf16 = PREFLANE_BF16, f16 = PREFLANE_F16 };

/// Logits [rows, columns] to read, rows `stride` elements apart (0: no padding).
inline preflane_logits logits(const float *data, std::size_t row_count, std::size_t columns, std::size_t stride = 0) {
  return {data, row_count, columns, stride ? stride : columns, PREFLANE_F32, 0};
}
/// The same of any type.
inline preflane_logits logits(const void *data, dtype type, std::size_t row_count, std::size_t columns,
                              std::size_t stride = 0) {
  return {data, row_count, columns, stride ? stride : columns, static_cast<std::int32_t>(type), 0};
}
/// Logits, or their gradient, to write.
inline preflane_logits_mut logits_mut(float *data, std::size_t row_count, std::size_t columns, std::size_t stride = 0) {
  return {data, row_count, columns, stride ? stride : columns, PREFLANE_F32, 0};
}
/// The same of any type.
inline preflane_logits_mut logits_mut(void *data, dtype type, std::size_t row_count, std::size_t columns,
                                      std::size_t stride = 0) {
  return {data, row_count, columns, stride ? stride : columns, static_cast<std::int32_t>(type), 0};
}

/// A label for each row, -100 for those that do not count.
inline targets aligned(span<const std::int32_t> labels) { return preflane_targets_i32(labels.data(), labels.size()); }
inline targets aligned(span<const std::int64_t> labels) { return preflane_targets_i64(labels.data(), labels.size()); }
/// Labels [sequences, tokens] as Hugging Face has them: the logits of position t predict the label of t + 1.
template <class T>
targets shifted(span<const T> labels, std::size_t tokens) {
  targets made = aligned(labels);
  made.shifted_tokens = tokens;
  return made;
}

/// Log-probabilities of answers, one a pair.
struct pairs {
  input policy_chosen_logps;
  input policy_rejected_logps;
  input ref_chosen_logps = {};
  input ref_rejected_logps = {};
  input weights = {};
  /// Said, not guessed: without it the two reference columns are needed.
  bool reference_free = false;
  /// What the loss takes beside log-probabilities; empty where it takes nothing.
  input column = {};
};

/// Results, one a pair; what stays empty is left out.
struct outputs {
  output losses = {};
  output chosen_rewards = {};
  output rejected_rewards = {};
  output margins = {};
  output grad_chosen_logps = {};
  output grad_rejected_logps = {};
  output grad_ref_chosen_logps = {};
  output grad_ref_rejected_logps = {};
  output grad_beta = {};
};

/// Log-probabilities of labelled answers, one an answer.
struct labelled {
  input policy_logps;
  input ref_logps = {};
  /// 1 where the answer is a desirable one, 0 where it is not.
  span<const std::uint8_t> desirable = {};
  float reference_point = 0.0f;
  input weights = {};
  /// Said, not guessed: without it the reference's column is needed.
  bool reference_free = false;
  /// What the loss takes beside log-probabilities; empty where it takes nothing.
  input column = {};
};

/// Results, one an answer; what stays empty is left out.
struct labelled_outputs {
  output losses = {};
  output rewards = {};
  output grad_logps = {};
  output grad_ref_logps = {};
  output grad_beta = {};
  output grad_bias = {};
};

/// Log-probabilities of tokens, sequence after sequence.
struct kl_tokens {
  input policy_logps;
  input ref_logps;
  /// Where each sequence begins among the tokens, and the number of tokens last.
  span<const std::size_t> offsets = {};
};

/// Estimates of the divergence and their derivatives, one a token, then sums and means, one a sequence; what stays empty is left out.
struct kl_outputs {
  output estimates = {};
  output grad_logps = {};
  output sums = {};
  output means = {};
};

/// Log-probabilities of answers, list after list.
struct listed {
  input policy_logps;
  input ref_logps = {};
  /// Where each list begins among the answers, and the number of answers last.
  span<const std::size_t> offsets = {};
  input weights = {};
  /// Said, not guessed: without it the reference's column is needed.
  bool reference_free = false;
  /// What the loss takes beside log-probabilities, one number an answer; empty where it takes nothing.
  input column = {};
};

/// Results, the first two one a list, the others one an answer; what stays empty is left out.
struct listed_outputs {
  output losses = {};
  output grad_beta = {};
  output rewards = {};
  output grad_logps = {};
  output grad_ref_logps = {};
};

/// Numbers of steps, segment after segment, and the score that is made of them.
struct segments {
  input values;
  /// What is subtracted from each; empty: nothing.
  input ref_values = {};
  /// Where each segment begins among the steps, and the number of steps last.
  span<const std::size_t> offsets = {};
  /// What a step counts after one that counts 1.
  double discount = 1;
  segment_score score = segment_score::sum;
  /// The values of the states in which segments begin and end, one a segment, for the deterministic regret alone.
  input start = {};
  input end = {};
};

/// Gradients by steps, then by states, one a segment; what stays empty is left out.
struct segment_outputs {
  output values = {};
  output ref_values = {};
  output start = {};
  output end = {};
};

/// Lists of segments with a given score each.
struct ranked {
  input scores;
  /// Where each list begins among the segments, and the number of segments last.
  span<const std::size_t> offsets = {};
};

/// Samples in groups.
struct groups {
  /// Square, the similarity of every sample to every other.
  matrix similarities = {nullptr, 0, 0, 0};
  /// The group of each sample.
  span<const std::int64_t> labels = {};
  preflane::against against = preflane::against::others;
  mean_over mean = mean_over::pairs;
};

/// Results of groups; what stays empty or null is left out.
struct groups_outputs {
  float *loss = nullptr;
  std::uint64_t *pairs = nullptr;
  std::uint64_t *anchors = nullptr;
  /// One a sample.
  output losses = {};
  /// [samples, samples] without padding.
  output grads = {};
};

/// Similarities of rows to their positives and negatives.
struct similarities {
  input positives;
  /// [rows, columns]; with 0 columns there are none.
  matrix negatives = {nullptr, 0, 0, 0};
  /// 1 where a negative counts, [rows, columns] without padding; empty: all count.
  span<const std::uint8_t> mask = {};
};

/// Results of InfoNCE, one a row but for the gradient by the negatives; what stays empty is left out.
struct info_nce_outputs {
  output losses = {};
  output grad_positives = {};
  /// [rows, columns] without padding.
  output grad_negatives = {};
  output grad_temperature = {};
};

/// A matrix [rows, columns] to read, rows `stride` elements apart (0: no padding).
inline matrix matrix_of(const float *data, std::size_t row_count, std::size_t columns, std::size_t stride = 0) noexcept {
  return {data, row_count, columns, stride ? stride : columns};
}
/// A matrix [rows, columns] to write, rows `stride` elements apart (0: no padding).
inline matrix_mut matrix_mut_of(float *data, std::size_t row_count, std::size_t columns, std::size_t stride = 0) noexcept {
  return {data, row_count, columns, stride ? stride : columns};
}

/// Results, one a row; what stays empty is left out.
struct token_outputs {
  output logps = {};
  span<log_sum_exp> log_sum_exps = {};
  output entropies = {};
  output log_sum_squares = {};
  output mean_logits = {};
  span<std::uint8_t> top1 = {};
};

// --- calls

namespace detail {
/// That all columns of pairs are as long.
inline result lengths_of(const pairs &in) noexcept {
  lengths found(in.policy_chosen_logps.size());
  found.need("policy_rejected_logps", in.policy_rejected_logps);
  if (!in.reference_free) {
    found.need("ref_chosen_logps", in.ref_chosen_logps).need("ref_rejected_logps", in.ref_rejected_logps);
  }
  return found.allow("weights", in.weights).allow("column", in.column).found();
}

inline preflane_pairs c_pairs(const pairs &in) noexcept {
  return {in.policy_chosen_logps.size(),
          in.policy_chosen_logps.data(),
          in.policy_rejected_logps.data(),
          in.ref_chosen_logps.data(),
          in.ref_rejected_logps.data(),
          in.weights.data(),
          in.column.data(),
          in.reference_free ? 1 : 0,
          0};
}
}  // namespace detail

/// See preflane_evaluate.
inline result evaluate(const loss &which, const pairs &in, const outputs &out, metrics *into = nullptr,
                           run how = default_run) noexcept {
  const result wrong = detail::lengths_of(in);
  if (!wrong) return wrong;
  detail::lengths lengths(in.policy_chosen_logps.size());
  lengths.allow("losses", out.losses)
      .allow("chosen_rewards", out.chosen_rewards)
      .allow("rejected_rewards", out.rejected_rewards)
      .allow("margins", out.margins)
      .allow("grad_chosen_logps", out.grad_chosen_logps)
      .allow("grad_rejected_logps", out.grad_rejected_logps)
      .allow("grad_ref_chosen_logps", out.grad_ref_chosen_logps)
      .allow("grad_ref_rejected_logps", out.grad_ref_rejected_logps)
      .allow("grad_beta", out.grad_beta);
  if (!lengths.found()) return lengths.found();
  const preflane_pairs c_pairs = detail::c_pairs(in);
  const preflane_pair_outputs c_outputs = {out.losses.data(),
                                           out.chosen_rewards.data(),
                                           out.rejected_rewards.data(),
                                           out.margins.data(),
                                           out.grad_chosen_logps.data(),
                                           out.grad_rejected_logps.data(),
                                           out.grad_ref_chosen_logps.data(),
                                           out.grad_ref_rejected_logps.data(),
                                           out.grad_beta.data()};
  return detail::run(
      [&](preflane_error *error) { return preflane_evaluate(how, &which, &c_pairs, &c_outputs, into, error); });
}

/// See preflane_aot_order.
inline result aot_order(const pairs &in, compared which, span<std::size_t> first, span<std::size_t> second) noexcept {
  const result wrong = detail::lengths_of(in);
  if (!wrong) return wrong;
  detail::lengths lengths(in.policy_chosen_logps.size());
  lengths.need("first", first).need("second", second);
  if (!lengths.found()) return lengths.found();
  const preflane_pairs c_pairs = detail::c_pairs(in);
  return detail::run([&](preflane_error *error) {
    return preflane_aot_order(&c_pairs, static_cast<std::int32_t>(which), first.data(), second.data(), error);
  });
}

/// See preflane_aot_gather.
inline result aot_gather(input from, span<const std::size_t> order, output to) noexcept {
  detail::lengths lengths(from.size());
  lengths.need("order", order).need("to", to);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_aot_gather(from.data(), order.data(), from.size(), to.data(), error);
  });
}

/// See preflane_aot_scatter.
inline result aot_scatter(input from, span<const std::size_t> order, output to) noexcept {
  detail::lengths lengths(from.size());
  lengths.need("order", order).need("to", to);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_aot_scatter(from.data(), order.data(), from.size(), to.data(), error);
  });
}

/// See preflane_evaluate_labelled.
inline result evaluate_labelled(const loss &which, const labelled &in, const labelled_outputs &out,
                                labelled_metrics *into = nullptr, run how = default_run) noexcept {
  const std::size_t n = in.policy_logps.size();
  detail::lengths lengths(n);
  lengths.need("desirable", in.desirable);
  if (!in.reference_free) lengths.need("ref_logps", in.ref_logps);
  lengths.allow("weights", in.weights)
      .allow("losses", out.losses)
      .allow("rewards", out.rewards)
      .allow("grad_logps", out.grad_logps)
      .allow("grad_ref_logps", out.grad_ref_logps)
      .allow("grad_beta", out.grad_beta)
      .allow("grad_bias", out.grad_bias)
      .allow("column", in.column);
  if (!lengths.found()) return lengths.found();
  const preflane_labelled answers = {n,
                                     in.policy_logps.data(),
                                     in.ref_logps.data(),
                                     in.desirable.data(),
                                     in.weights.data(),
                                     in.reference_point,
                                     in.reference_free ? 1 : 0,
                                     in.column.data()};
  const preflane_labelled_outputs c_outputs = {out.losses.data(),         out.rewards.data(),   out.grad_logps.data(),
                                               out.grad_ref_logps.data(), out.grad_beta.data(), out.grad_bias.data()};
  return detail::run(
      [&](preflane_error *error) { return preflane_evaluate_labelled(how, &which, &answers, &c_outputs, into, error); });
}

/// See preflane_kl.
inline result kl(kl_estimate estimate, const kl_tokens &in, const kl_outputs &out, exact_sum *total = nullptr,
                 run how = default_run) noexcept {
  const std::size_t n = in.policy_logps.size(), sequence_count = in.offsets.empty() ? 0 : in.offsets.size() - 1;
  detail::lengths lengths(n), each(sequence_count);
  lengths.need("ref_logps", in.ref_logps).allow("estimates", out.estimates).allow("grad_logps", out.grad_logps);
  each.allow("sums", out.sums).allow("means", out.means);
  if (!lengths.found()) return lengths.found();
  if (!each.found()) return each.found();
  const preflane_kl_tokens tokens = {
      n, sequence_count, in.policy_logps.data(), in.ref_logps.data(), in.offsets.data(), static_cast<std::int32_t>(estimate), 0};
  const preflane_kl_outputs c_outputs = {out.estimates.data(), out.grad_logps.data(), out.sums.data(), out.means.data()};
  return detail::run([&](preflane_error *error) { return preflane_kl(how, &tokens, &c_outputs, total, error); });
}

/// See preflane_evaluate_listed. `scratch` has as many elements as the longest list has answers, or more.
inline result evaluate_listed(const loss &which, const listed &in, const listed_outputs &out, span<list_scratch> scratch,
                              listed_metrics *into = nullptr, run how = default_run) noexcept {
  const std::size_t n = in.policy_logps.size(), lists = in.offsets.empty() ? 0 : in.offsets.size() - 1;
  detail::lengths answers(n), by_list(lists);
  if (!in.reference_free) answers.need("ref_logps", in.ref_logps);
  answers.allow("column", in.column)
      .allow("rewards", out.rewards)
      .allow("grad_logps", out.grad_logps)
      .allow("grad_ref_logps", out.grad_ref_logps);
  by_list.allow("weights", in.weights).allow("losses", out.losses).allow("grad_beta", out.grad_beta);
  if (!answers.found()) return answers.found();
  if (!by_list.found()) return by_list.found();
  const preflane_listed c_lists = {n,
                                   lists,
                                   in.policy_logps.data(),
                                   in.ref_logps.data(),
                                   in.offsets.data(),
                                   in.weights.data(),
                                   in.column.data(),
                                   in.reference_free ? 1 : 0,
                                   0};
  const preflane_listed_outputs c_outputs = {out.losses.data(), out.grad_beta.data(), out.rewards.data(),
                                             out.grad_logps.data(), out.grad_ref_logps.data()};
  return detail::run([&](preflane_error *error) {
    return preflane_evaluate_listed(how, &which, &c_lists, &c_outputs, into, scratch.data(), scratch.size(), error);
  });
}

/// See preflane_info_nce.
inline result info_nce(const similarities &in, double temperature, const info_nce_outputs &out,
                       std::uint64_t *nonfinite = nullptr, run how = default_run) noexcept {
  const std::size_t n = in.positives.size(), m = in.negatives.columns;
  detail::lengths by_row(n), elements(n * m);
  by_row.allow("losses", out.losses)
      .allow("grad_positives", out.grad_positives)
      .allow("grad_temperature", out.grad_temperature);
  elements.allow("mask", in.mask).allow("grad_negatives", out.grad_negatives);
  if (!by_row.found()) return by_row.found();
  if (m > 0 && in.negatives.rows != n) return detail::wrong_length("rows of negatives", in.negatives.rows, n);
  if (!elements.found()) return elements.found();
  preflane_similarities c_rows = {in.positives.data(), in.negatives, in.mask.data()};
  c_rows.negatives.rows = n;
  const preflane_info_nce_outputs c_outputs = {out.losses.data(), out.grad_positives.data(), out.grad_negatives.data(), m,
                                               out.grad_temperature.data()};
  return detail::run(
      [&](preflane_error *error) { return preflane_info_nce(how, &c_rows, temperature, &c_outputs, nonfinite, error); });
}

/// See preflane_symmetric.
inline result symmetric(const matrix &similarities, double temperature, span<log_sum_exp> row_sums,
                        span<log_sum_exp> column_sums, float &mean_rows, float &mean_columns,
                        const matrix_mut *grads = nullptr, run how = default_run) noexcept {
  detail::lengths lengths(similarities.rows);
  lengths.need("row_sums", row_sums).need("column_sums", column_sums);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_symmetric(how, &similarities, temperature, row_sums.data(), column_sums.data(), grads, &mean_rows,
                              &mean_columns, error);
  });
}

/// See preflane_evaluate_groups.
inline result evaluate_groups(const groups &in, double temperature, const groups_outputs &out, run how = default_run) noexcept {
  const std::size_t n = in.similarities.rows;
  detail::lengths lengths(n), elements(n * n);
  lengths.need("labels", in.labels).allow("losses", out.losses);
  elements.allow("grads", out.grads);
  if (!lengths.found()) return lengths.found();
  if (!elements.found()) return elements.found();
  const preflane_groups c_groups = {in.similarities, in.labels.data(), static_cast<std::int32_t>(in.against),
                                    static_cast<std::int32_t>(in.mean)};
  const preflane_groups_outputs c_outputs = {out.loss, out.pairs, out.anchors, out.losses.data(), out.grads.data(), n};
  return detail::run(
      [&](preflane_error *error) { return preflane_evaluate_groups(how, &c_groups, temperature, &c_outputs, error); });
}

namespace detail {
inline preflane_segments c_segments(const segments &in) noexcept {
  return {in.values.size(),
          in.offsets.empty() ? 0 : in.offsets.size() - 1,
          in.values.data(),
          in.ref_values.data(),
          in.offsets.data(),
          in.discount,
          in.start.data(),
          in.end.data(),
          static_cast<std::int32_t>(in.score),
          0};
}

/// That the columns of segments have an element for each step or segment, and that `by_segment` has one for each segment.
inline result lengths_of(const segments &in, const char *name, input by_segment) noexcept {
  const std::size_t count = in.offsets.empty() ? 0 : in.offsets.size() - 1;
  lengths values(in.values.size()), states(count);
  values.allow("ref_values", in.ref_values);
  states.allow("start", in.start).allow("end", in.end).need(name, by_segment);
  return !values.found() ? values.found() : states.found();
}

inline preflane_ranked c_ranked(const ranked &in) noexcept {
  return {in.scores.data(), in.offsets.data(), in.scores.size(), in.offsets.empty() ? 0 : in.offsets.size() - 1};
}
}  // namespace detail

/// See preflane_segment_scores.
inline result segment_scores(const segments &in, output scores, run how = default_run) noexcept {
  const result wrong = detail::lengths_of(in, "scores", {scores.data(), scores.size()});
  if (!wrong) return wrong;
  const preflane_segments c_segments = detail::c_segments(in);
  return detail::run(
      [&](preflane_error *error) { return preflane_segment_scores(how, &c_segments, scores.data(), error); });
}

/// See preflane_segment_grads.
inline result segment_grads(const segments &in, input grads, const segment_outputs &out, run how = default_run) noexcept {
  const std::size_t count = in.offsets.empty() ? 0 : in.offsets.size() - 1;
  const result wrong = detail::lengths_of(in, "grads", grads);
  if (!wrong) return wrong;
  detail::lengths steps(in.values.size()), states(count);
  steps.allow("grads by values", out.values).allow("grads by ref_values", out.ref_values);
  states.allow("grads by start", out.start).allow("grads by end", out.end);
  if (!steps.found()) return steps.found();
  if (!states.found()) return states.found();
  const preflane_segments c_segments = detail::c_segments(in);
  const preflane_segment_outputs c_outputs = {out.values.data(), out.ref_values.data(), out.start.data(), out.end.data()};
  return detail::run([&](preflane_error *error) {
    return preflane_segment_grads(how, &c_segments, grads.data(), &c_outputs, error);
  });
}

/// See preflane_segment_distances.
inline result segment_distances(const segment_actions &in, output distances, std::uint64_t *empty = nullptr,
                                run how = default_run) noexcept {
  detail::lengths lengths(in.segments);
  lengths.need("distances", distances);
  if (!lengths.found()) return lengths.found();
  return detail::run(
      [&](preflane_error *error) { return preflane_segment_distances(how, &in, distances.data(), empty, error); });
}

/// See preflane_segment_distances_grad.
inline result segment_distances_grad(const segment_actions &in, input grads, const matrix_mut &out,
                                     run how = default_run) noexcept {
  detail::lengths lengths(in.segments);
  lengths.need("grads", grads);
  if (!lengths.found()) return lengths.found();
  return detail::run(
      [&](preflane_error *error) { return preflane_segment_distances_grad(how, &in, grads.data(), &out, error); });
}

/// See preflane_soft_maximum.
inline result soft_maximum(const matrix &values, double temperature, output out, run how = default_run) noexcept {
  detail::lengths lengths(values.rows);
  lengths.need("out", out);
  if (!lengths.found()) return lengths.found();
  return detail::run(
      [&](preflane_error *error) { return preflane_soft_maximum(how, &values, temperature, out.data(), error); });
}

/// See preflane_soft_maximum_grad.
inline result soft_maximum_grad(const matrix &values, double temperature, input grads, const matrix_mut &out,
                                run how = default_run) noexcept {
  detail::lengths lengths(values.rows);
  lengths.need("grads", grads);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_soft_maximum_grad(how, &values, temperature, grads.data(), &out, error);
  });
}

/// See preflane_smoothness. Without gradients their span stays empty.
inline result smoothness(double strength, input here, input there, float &out, output grads = {},
                         run how = default_run) noexcept {
  detail::lengths lengths(here.size());
  lengths.need("there", there).allow("grads", grads);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_smoothness(how, strength, here.data(), there.data(), here.size(), &out, grads.data(), error);
  });
}

/// See preflane_ranked_count.
inline result ranked_count(const ranked &in, std::size_t &count) noexcept {
  const preflane_ranked c_ranked = detail::c_ranked(in);
  return detail::run([&](preflane_error *error) { return preflane_ranked_count(&c_ranked, &count, error); });
}

/// See preflane_ranked_lay_out.
inline result ranked_lay_out(const ranked &in, input values, output preferred, output others) noexcept {
  detail::lengths segments(in.scores.size()), pairs(preferred.size());
  segments.need("values", values);
  pairs.need("others", others);
  if (!segments.found()) return segments.found();
  if (!pairs.found()) return pairs.found();
  const preflane_ranked c_ranked = detail::c_ranked(in);
  return detail::run([&](preflane_error *error) {
    return preflane_ranked_lay_out(&c_ranked, values.data(), preferred.size(), preferred.data(), others.data(), error);
  });
}

/// See preflane_ranked_means.
inline result ranked_means(const ranked &in, input losses, output means) noexcept {
  detail::lengths lengths(in.offsets.empty() ? 0 : in.offsets.size() - 1);
  lengths.need("means", means);
  if (!lengths.found()) return lengths.found();
  const preflane_ranked c_ranked = detail::c_ranked(in);
  return detail::run([&](preflane_error *error) {
    return preflane_ranked_means(&c_ranked, losses.data(), losses.size(), means.data(), error);
  });
}

/// See preflane_ranked_gather.
inline result ranked_gather(const ranked &in, input by_preferred, input by_others, span<exact_sum> scratch,
                            output grads) noexcept {
  detail::lengths segments(in.scores.size()), pairs(by_preferred.size());
  segments.need("grads", grads);
  pairs.need("by_others", by_others);
  if (!segments.found()) return segments.found();
  if (!pairs.found()) return pairs.found();
  const preflane_ranked c_ranked = detail::c_ranked(in);
  return detail::run([&](preflane_error *error) {
    return preflane_ranked_gather(&c_ranked, by_preferred.data(), by_others.data(), by_preferred.size(), scratch.data(),
                                  scratch.size(), grads.data(), error);
  });
}

namespace detail {
/// How many similarities vectors have; what cannot be is refused by the call.
inline std::size_t similarities_of(const vectors &of) noexcept {
  const std::size_t each = of.pairing == PREFLANE_PAIRING_EACH  ? 1
                           : of.pairing == PREFLANE_PAIRING_ALL ? of.keys.rows
                                                                : of.keys_per_query;
  return of.queries.rows * each;
}
}  // namespace detail

/// See preflane_vector_similarities.
inline result vector_similarities(const vectors &of, output out, run how = default_run) noexcept {
  detail::lengths lengths(detail::similarities_of(of));
  lengths.need("similarities", out);
  if (!lengths.found()) return lengths.found();
  return detail::run(
      [&](preflane_error *error) { return preflane_vector_similarities(how, &of, out.data(), error); });
}

/// See preflane_vector_similarities_grad.
inline result vector_similarities_grad(const vectors &of, input grad_similarities, output grad_queries, output grad_keys,
                                       run how = default_run) noexcept {
  detail::lengths lengths(detail::similarities_of(of)), queries(of.queries.rows * of.queries.columns),
      keys(of.keys.rows * of.keys.columns);
  lengths.need("grad_similarities", grad_similarities);
  queries.need("grad_queries", grad_queries);
  keys.need("grad_keys", grad_keys);
  if (!lengths.found()) return lengths.found();
  if (!queries.found()) return queries.found();
  if (!keys.found()) return keys.found();
  return detail::run([&](preflane_error *error) {
    return preflane_vector_similarities_grad(how, &of, grad_similarities.data(), grad_queries.data(), grad_keys.data(),
                                             error);
  });
}

/// See preflane_metrics_merge.
inline result merge(metrics &into, const metrics &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_metrics_merge(&into, &from, error); });
}

/// See preflane_metrics_report.
inline result metrics_report(const metrics &from, report &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_metrics_report(&from, &out, error); });
}

/// See preflane_metrics_save.
inline result save(const metrics &from, span<std::uint8_t> bytes) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_metrics_save(&from, bytes.data(), bytes.size(), error); });
}

/// See preflane_metrics_restore.
inline result restore(span<const std::uint8_t> bytes, metrics &into) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_metrics_restore(bytes.data(), bytes.size(), &into, error); });
}

/// See preflane_labelled_metrics_merge.
inline result merge(labelled_metrics &into, const labelled_metrics &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_labelled_metrics_merge(&into, &from, error); });
}

/// See preflane_labelled_metrics_report.
inline result metrics_report(const labelled_metrics &from, labelled_report &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_labelled_metrics_report(&from, &out, error); });
}

/// See preflane_labelled_metrics_save.
inline result save(const labelled_metrics &from, span<std::uint8_t> bytes) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_labelled_metrics_save(&from, bytes.data(), bytes.size(), error); });
}

/// See preflane_labelled_metrics_restore.
inline result restore(span<const std::uint8_t> bytes, labelled_metrics &into) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_labelled_metrics_restore(bytes.data(), bytes.size(), &into, error); });
}

/// See preflane_mean_log_ratio_add.
inline result add(mean_log_ratio &into, input policy_logps, input ref_logps) noexcept {
  detail::lengths lengths(policy_logps.size());
  lengths.need("ref_logps", ref_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_mean_log_ratio_add(&into, policy_logps.data(), ref_logps.data(), policy_logps.size(), error);
  });
}

/// See preflane_mean_log_ratio_add_pairs.
inline result add(mean_log_ratio &into, const pairs &in) noexcept {
  const result wrong = detail::lengths_of(in);
  if (!wrong) return wrong;
  const preflane_pairs c_pairs = detail::c_pairs(in);
  return detail::run([&](preflane_error *error) { return preflane_mean_log_ratio_add_pairs(&into, &c_pairs, error); });
}

/// See preflane_mean_log_ratio_merge.
inline result merge(mean_log_ratio &into, const mean_log_ratio &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_mean_log_ratio_merge(&into, &from, error); });
}

/// See preflane_mean_log_ratio_value: the mean, NaN without rows.
inline result mean_of(const mean_log_ratio &of, float &out) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_mean_log_ratio_value(&of, &out, nullptr, nullptr, error); });
}

/// See preflane_mean_log_ratio_value: the reference point of KTO, from mismatched pairs of prompt and answer.
inline result mismatched_reference_point(const mean_log_ratio &of, float &out) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_mean_log_ratio_value(&of, nullptr, &out, nullptr, error); });
}

/// See preflane_mean_log_ratio_value: the reference point of BCO, from all answers.
inline result reference_point_of_all(const mean_log_ratio &of, float &out) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_mean_log_ratio_value(&of, nullptr, nullptr, &out, error); });
}

/// See preflane_beta_of_batch.
inline result beta_of_batch(const mean_log_ratio &batch, const mean_log_ratio &running, double beta, double strength,
                            float &out) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_beta_of_batch(&batch, &running, beta, strength, &out, error); });
}

/// See preflane_mean_log_ratio_save.
inline result save(const mean_log_ratio &from, span<std::uint8_t> bytes) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_mean_log_ratio_save(&from, bytes.data(), bytes.size(), error); });
}

/// See preflane_mean_log_ratio_restore.
inline result restore(span<const std::uint8_t> bytes, mean_log_ratio &into) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_mean_log_ratio_restore(bytes.data(), bytes.size(), &into, error); });
}

/// See preflane_listed_metrics_merge.
inline result merge(listed_metrics &into, const listed_metrics &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_listed_metrics_merge(&into, &from, error); });
}

/// See preflane_listed_metrics_report.
inline result metrics_report(const listed_metrics &from, listed_report &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_listed_metrics_report(&from, &out, error); });
}

/// See preflane_listed_metrics_save.
inline result save(const listed_metrics &from, span<std::uint8_t> bytes) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_listed_metrics_save(&from, bytes.data(), bytes.size(), error); });
}

/// See preflane_listed_metrics_restore.
inline result restore(span<const std::uint8_t> bytes, listed_metrics &into) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_listed_metrics_restore(bytes.data(), bytes.size(), &into, error); });
}

/// See preflane_sum_add.
inline result add(exact_sum &to, input values) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_sum_add(&to, values.data(), values.size(), error); });
}

/// See preflane_sum_merge.
inline result merge(exact_sum &into, const exact_sum &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_sum_merge(&into, &from, error); });
}

/// See preflane_sum_value.
inline result value(const exact_sum &of, std::uint64_t count, float *total, float *mean = nullptr) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_sum_value(&of, count, total, mean, error); });
}

/// See preflane_token_logps.
inline result token_logps(const preflane_logits &logits, const targets &labels, const token_outputs &out,
                              token_counts *counts = nullptr, const scaling &scaled = no_scaling,
                              rows some = all_rows, run how = default_run) noexcept {
  detail::lengths lengths(logits.rows);
  lengths.allow("logps", out.logps)
      .allow("log_sum_exps", out.log_sum_exps)
      .allow("entropies", out.entropies)
      .allow("log_sum_squares", out.log_sum_squares)
      .allow("mean_logits", out.mean_logits)
      .allow("top1", out.top1);
  if (!lengths.found()) return lengths.found();
  const preflane_token_outputs c_outputs = {out.logps.data(),           out.log_sum_exps.data(),
                                            out.entropies.data(),       out.log_sum_squares.data(),
                                            out.mean_logits.data(),     out.top1.data()};
  return detail::run([&](preflane_error *error) {
    return preflane_token_logps(how, &logits, &labels, &scaled, some, &c_outputs, counts, error);
  });
}

/// See preflane_logits_grad.
inline result logits_grad(const preflane_logits &logits, const targets &labels,
                              span<const log_sum_exp> log_sum_exps, input grad_logps, const preflane_logits_mut &grads,
                              preflane_gradient gradient = {0, 0}, const scaling &scaled = no_scaling,
                              rows some = all_rows, run how = default_run) noexcept {
  detail::lengths lengths(logits.rows);
  lengths.need("log_sum_exps", log_sum_exps).need("grad_logps", grad_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_logits_grad(how, &logits, &labels, &scaled, some, log_sum_exps.data(), grad_logps.data(),
                                gradient, &grads, error);
  });
}

/// See preflane_logits_grad_in_place.
inline result logits_grad_in_place(const preflane_logits_mut &logits, const targets &labels,
                                       span<const log_sum_exp> log_sum_exps, input grad_logps,
                                       preflane_gradient gradient = {0, 0}, const scaling &scaled = no_scaling,
                                       rows some = all_rows, run how = default_run) noexcept {
  detail::lengths lengths(logits.rows);
  lengths.need("log_sum_exps", log_sum_exps).need("grad_logps", grad_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_logits_grad_in_place(how, &logits, &labels, &scaled, some, log_sum_exps.data(),
                                         grad_logps.data(), gradient, error);
  });
}

/// See preflane_sequence_logps.
inline result sequence_logps(const sequences &of, input token_logps, output chosen_logps,
                                 output rejected_logps) noexcept {
  const std::size_t pair_count = of.tokens ? of.targets.length / of.tokens / 2 : 0;
  detail::lengths by_row(of.targets.length), answers(pair_count);
  by_row.need("token_logps", token_logps);
  if (!by_row.found()) return by_row.found();
  answers.need("chosen_logps", chosen_logps).need("rejected_logps", rejected_logps);
  if (of.tokens && !answers.found()) return answers.found();
  return detail::run([&](preflane_error *error) {
    return preflane_sequence_logps(&of, token_logps.data(), chosen_logps.data(), rejected_logps.data(), error);
  });
}

/// See preflane_token_grads.
inline result token_grads(const sequences &of, input grad_chosen_logps, input grad_rejected_logps, double scale,
                              output grads) noexcept {
  const std::size_t pair_count = of.tokens ? of.targets.length / of.tokens / 2 : 0;
  detail::lengths by_row(of.targets.length), answers(pair_count);
  by_row.need("token_grads", grads);
  if (!by_row.found()) return by_row.found();
  answers.need("grad_chosen_logps", grad_chosen_logps).need("grad_rejected_logps", grad_rejected_logps);
  if (of.tokens && !answers.found()) return answers.found();
  return detail::run([&](preflane_error *error) {
    return preflane_token_grads(&of, grad_chosen_logps.data(), grad_rejected_logps.data(), scale, grads.data(),
                                error);
  });
}

/// See preflane_step_run; the buffers' sizes are the caller's word.
inline result step(const preflane_step &step, const preflane_logits_mut &logits,
                       const preflane_step_buffers &buffers, const preflane_step_outputs *out = nullptr,
                       metrics *into = nullptr, token_counts *counts = nullptr, run how = default_run) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_step_run(how, &step, &logits, &buffers, out, into, counts, error);
  });
}

/// See preflane_step_sizes.
inline result step_sizes(std::size_t sequence_count, std::size_t tokens, std::size_t *row_count, std::size_t *pair_count,
                         std::size_t *bytes) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_step_sizes(sequence_count, tokens, row_count, pair_count, bytes, error); });
}

/// See preflane_step_buffers_in.
inline result step_buffers_in(void *memory, std::size_t bytes, std::size_t sequence_count, std::size_t tokens,
                              step_buffers &out) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_step_buffers_in(memory, bytes, sequence_count, tokens, &out, error);
  });
}

/// See preflane_step_forward; the buffers' sizes are the caller's word.
inline result step_forward(const preflane_step &step, const preflane_logits_mut &logits, rows some,
                           const step_buffers &buffers, token_counts *counts = nullptr, run how = default_run) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_step_forward(how, &step, &logits, some, &buffers, counts, error);
  });
}

/// See preflane_step_pairs; the buffers' sizes are the caller's word.
inline result step_pairs(const preflane_step &step, const step_buffers &buffers,
                         const preflane_step_outputs *out = nullptr, metrics *into = nullptr,
                         run how = default_run) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_step_pairs(how, &step, &buffers, out, into, error); });
}

/// See preflane_step_backward; the buffers' sizes are the caller's word.
inline result step_backward(const preflane_step &step, const preflane_logits_mut &logits, rows some,
                            const step_buffers &buffers, run how = default_run) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_step_backward(how, &step, &logits, some, &buffers, error); });
}

/// See preflane_row_sum_init.
inline result begin(row_sum &state, const scaling &scaled = no_scaling) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_row_sum_init(&state, &scaled, error); });
}

/// See preflane_row_sum_add.
inline result add(row_sum &state, input columns, std::int64_t target = -1, run how = default_run) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_row_sum_add(how, &state, columns.data(), PREFLANE_F32, columns.size(), target, error);
  });
}

/// Columns of any type. See preflane_row_sum_add.
inline result add(row_sum &state, const void *columns, dtype type, std::size_t length, std::int64_t target = -1,
                  run how = default_run) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_row_sum_add(how, &state, columns, static_cast<std::int32_t>(type), length, target, error);
  });
}

/// See preflane_row_sum_merge.
inline result merge(row_sum &into, const row_sum &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_row_sum_merge(&into, &from, error); });
}

/// See preflane_row_sum_value.
inline result value(const row_sum &state, log_sum_exp *sum, float *logp = nullptr) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_row_sum_value(&state, sum, logp, error); });
}

// --- token by token

/// Which answer of a pair.
enum class side : std::int32_t { chosen = PREFLANE_SIDE_CHOSEN, rejected = PREFLANE_SIDE_REJECTED };

/// See preflane_evaluator_init.
inline result begin(evaluator &state, const loss &which, std::int32_t reduction = PREFLANE_REDUCE_SUM) noexcept {
  return detail::run(
      [&](preflane_error *error) { return preflane_evaluator_init(&state, &which, reduction, error); });
}

/// See preflane_evaluator_begin.
inline result begin_answer(evaluator &state, side which) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_evaluator_begin(&state, static_cast<std::int32_t>(which), error);
  });
}

/// See preflane_evaluator_tokens. Without a reference its span stays empty.
inline result add_tokens(evaluator &state, input policy_logps, input ref_logps = {}) noexcept {
  detail::lengths lengths(policy_logps.size());
  lengths.allow("ref_logps", ref_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_evaluator_tokens(&state, policy_logps.data(), ref_logps.data(), policy_logps.size(), error);
  });
}

/// See preflane_evaluator_logits.
inline result add_logits(evaluator &state, input row, std::int64_t target, const float *ref_logp = nullptr,
                         const scaling &scaled = no_scaling) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_evaluator_logits(&state, row.data(), PREFLANE_F32, row.size(), target, &scaled, ref_logp, error);
  });
}

/// A row of any type. See preflane_evaluator_logits.
inline result add_logits(evaluator &state, const void *row, dtype type, std::size_t columns, std::int64_t target,
                         const float *ref_logp = nullptr, const scaling &scaled = no_scaling) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_evaluator_logits(&state, row, static_cast<std::int32_t>(type), columns, target, &scaled, ref_logp,
                                     error);
  });
}

/// See preflane_evaluator_end.
inline result end_answer(evaluator &state, scored &out, bool &is_pair, const float *ref_logp = nullptr) noexcept {
  std::int32_t found = 0;
  const result done = detail::run(
      [&](preflane_error *error) { return preflane_evaluator_end(&state, ref_logp, &out, &found, error); });
  if (done) is_pair = found == 1;
  return done;
}

/// See preflane_evaluator_abandon.
inline result abandon(evaluator &state) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_evaluator_abandon(&state, error); });
}

/// See preflane_k3.
inline float k3(float policy_logp, float reference_logp) noexcept { return preflane_k3(policy_logp, reference_logp); }

/// See preflane_monitor_push.
inline result push(monitor &state, span<window_row> window, const scored &pair, const limits *watched = nullptr,
                   changes *changed = nullptr) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_push(&state, window.data(), window.size(), &pair, watched, changed, error);
  });
}

/// See preflane_monitor_report.
inline result monitor_report(const monitor &state, span<const window_row> window, window_report &out) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_report(&state, window.data(), window.size(), &out, error);
  });
}

/// See preflane_monitor_quantile.
inline result quantile(const monitor &state, span<const window_row> window, float q, float &out) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_quantile(&state, window.data(), window.size(), q, &out, error);
  });
}

/// See preflane_monitor_metrics.
inline result monitor_metrics(const monitor &state, span<const window_row> window, metrics &out) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_metrics(&state, window.data(), window.size(), &out, error);
  });
}

/// See preflane_monitor_size.
inline std::size_t monitor_size(std::size_t capacity) noexcept { return preflane_monitor_size(capacity); }

/// See preflane_monitor_save.
inline result save(const monitor &state, span<const window_row> window, span<std::uint8_t> bytes,
                   std::size_t &written) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_save(&state, window.data(), window.size(), bytes.data(), bytes.size(), &written, error);
  });
}

/// See preflane_monitor_restore.
inline result restore(span<const std::uint8_t> bytes, monitor &state, span<window_row> window) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_monitor_restore(&state, window.data(), window.size(), bytes.data(), bytes.size(), error);
  });
}

// --- the library and the machine

/// See preflane_version.
inline const char *version() noexcept { return preflane_version(); }

/// Whether the library is one that this header is of; a program must not go on if it is not.
inline bool is_compatible() noexcept { return preflane_abi_version() == PREFLANE_ABI_VERSION; }

/// See preflane_code_text.
inline const char *code_text(std::int32_t code) noexcept { return preflane_code_text(code); }

/// See preflane_best_level.
inline std::int32_t best_level() noexcept { return preflane_best_level(); }

/// See preflane_level_name.
inline const char *level_name(std::int32_t level) noexcept { return preflane_level_name(level); }

/// See preflane_check_level.
inline result check_level(std::int32_t level) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_check_level(level, error); });
}

/// See preflane_level_from_environment.
inline result level_from_environment(std::int32_t &level) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_level_from_environment(&level, error); });
}

/// See preflane_check_environment.
inline result check_environment() noexcept {
  return detail::run([](preflane_error *error) { return preflane_check_environment(error); });
}

}  // namespace preflane

#endif /* PREFLANE_HPP */
