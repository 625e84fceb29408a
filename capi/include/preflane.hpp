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

/// The fastest level, on the calling thread.
inline constexpr run default_run = {PREFLANE_LEVEL_BEST, 0};
inline constexpr rows all_rows = {0, static_cast<std::size_t>(-1)};
inline constexpr scaling no_scaling = {1.0, 1.0, 0.0};

inline constexpr loss dpo(double beta) { return {PREFLANE_LOSS_DPO, 0, beta, 0.0}; }
inline constexpr loss cdpo(double beta, double label_smoothing) {
  return {PREFLANE_LOSS_CDPO, 0, beta, label_smoothing};
}
inline constexpr loss robust(double beta, double label_smoothing) {
  return {PREFLANE_LOSS_ROBUST, 0, beta, label_smoothing};
}
inline constexpr loss ipo(double beta) { return {PREFLANE_LOSS_IPO, 0, beta, 0.0}; }
inline constexpr loss hinge(double beta) { return {PREFLANE_LOSS_HINGE, 0, beta, 0.0}; }

/// Number types of logits, whatever type holds the 16 bits of the latter two.
enum class dtype : std::int32_t { f32 = PREFLANE_F32, bf16 = PREFLANE_BF16, f16 = PREFLANE_F16 };

/// Logits [rows, columns] to read, rows `stride` elements apart (0: no padding).
inline preflane_logits logits(const float *data, std::size_t rows, std::size_t columns, std::size_t stride = 0) {
  return {data, rows, columns, stride ? stride : columns, PREFLANE_F32, 0};
}
/// The same of any type.
inline preflane_logits logits(const void *data, dtype type, std::size_t rows, std::size_t columns,
                              std::size_t stride = 0) {
  return {data, rows, columns, stride ? stride : columns, static_cast<std::int32_t>(type), 0};
}
/// Logits, or their gradient, to write.
inline preflane_logits_mut logits_mut(float *data, std::size_t rows, std::size_t columns, std::size_t stride = 0) {
  return {data, rows, columns, stride ? stride : columns, PREFLANE_F32, 0};
}
/// The same of any type.
inline preflane_logits_mut logits_mut(void *data, dtype type, std::size_t rows, std::size_t columns,
                                      std::size_t stride = 0) {
  return {data, rows, columns, stride ? stride : columns, static_cast<std::int32_t>(type), 0};
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

/// See preflane_evaluate.
inline result evaluate(const loss &loss, const pairs &in, const outputs &out, metrics *into = nullptr,
                           run how = default_run) noexcept {
  const std::size_t n = in.policy_chosen_logps.size();
  detail::lengths lengths(n);
  lengths.need("policy_rejected_logps", in.policy_rejected_logps);
  if (!in.reference_free) {
    lengths.need("ref_chosen_logps", in.ref_chosen_logps).need("ref_rejected_logps", in.ref_rejected_logps);
  }
  lengths.allow("weights", in.weights)
      .allow("losses", out.losses)
      .allow("chosen_rewards", out.chosen_rewards)
      .allow("rejected_rewards", out.rejected_rewards)
      .allow("margins", out.margins)
      .allow("grad_chosen_logps", out.grad_chosen_logps)
      .allow("grad_rejected_logps", out.grad_rejected_logps)
      .allow("grad_ref_chosen_logps", out.grad_ref_chosen_logps)
      .allow("grad_ref_rejected_logps", out.grad_ref_rejected_logps)
      .allow("grad_beta", out.grad_beta);
  if (!lengths.found()) return lengths.found();
  const preflane_pairs c_pairs = {n,
                                  in.policy_chosen_logps.data(),
                                  in.policy_rejected_logps.data(),
                                  in.ref_chosen_logps.data(),
                                  in.ref_rejected_logps.data(),
                                  in.weights.data(),
                                  in.reference_free ? 1 : 0,
                                  0};
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
      [&](preflane_error *error) { return preflane_evaluate(how, &loss, &c_pairs, &c_outputs, into, error); });
}

/// See preflane_metrics_merge.
inline result merge(metrics &into, const metrics &from) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_metrics_merge(&into, &from, error); });
}

/// See preflane_metrics_report.
inline result metrics_report(const metrics &from, report &out) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_metrics_report(&from, &out, error); });
}

/// See preflane_token_logps.
inline result token_logps(const preflane_logits &logits, const targets &targets, const token_outputs &out,
                              token_counts *counts = nullptr, const scaling &scaling = no_scaling,
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
    return preflane_token_logps(how, &logits, &targets, &scaling, some, &c_outputs, counts, error);
  });
}

/// See preflane_logits_grad.
inline result logits_grad(const preflane_logits &logits, const targets &targets,
                              span<const log_sum_exp> log_sum_exps, input grad_logps, const preflane_logits_mut &grads,
                              preflane_gradient gradient = {0, 0}, const scaling &scaling = no_scaling,
                              rows some = all_rows, run how = default_run) noexcept {
  detail::lengths lengths(logits.rows);
  lengths.need("log_sum_exps", log_sum_exps).need("grad_logps", grad_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_logits_grad(how, &logits, &targets, &scaling, some, log_sum_exps.data(), grad_logps.data(),
                                gradient, &grads, error);
  });
}

/// See preflane_logits_grad_in_place.
inline result logits_grad_in_place(const preflane_logits_mut &logits, const targets &targets,
                                       span<const log_sum_exp> log_sum_exps, input grad_logps,
                                       preflane_gradient gradient = {0, 0}, const scaling &scaling = no_scaling,
                                       rows some = all_rows, run how = default_run) noexcept {
  detail::lengths lengths(logits.rows);
  lengths.need("log_sum_exps", log_sum_exps).need("grad_logps", grad_logps);
  if (!lengths.found()) return lengths.found();
  return detail::run([&](preflane_error *error) {
    return preflane_logits_grad_in_place(how, &logits, &targets, &scaling, some, log_sum_exps.data(),
                                         grad_logps.data(), gradient, error);
  });
}

/// See preflane_sequence_logps.
inline result sequence_logps(const sequences &of, input token_logps, output chosen_logps,
                                 output rejected_logps) noexcept {
  const std::size_t pairs = of.tokens ? of.targets.length / of.tokens / 2 : 0;
  detail::lengths rows(of.targets.length), answers(pairs);
  rows.need("token_logps", token_logps);
  if (!rows.found()) return rows.found();
  answers.need("chosen_logps", chosen_logps).need("rejected_logps", rejected_logps);
  if (of.tokens && !answers.found()) return answers.found();
  return detail::run([&](preflane_error *error) {
    return preflane_sequence_logps(&of, token_logps.data(), chosen_logps.data(), rejected_logps.data(), error);
  });
}

/// See preflane_token_grads.
inline result token_grads(const sequences &of, input grad_chosen_logps, input grad_rejected_logps, double scale,
                              output token_grads) noexcept {
  const std::size_t pairs = of.tokens ? of.targets.length / of.tokens / 2 : 0;
  detail::lengths rows(of.targets.length), answers(pairs);
  rows.need("token_grads", token_grads);
  if (!rows.found()) return rows.found();
  answers.need("grad_chosen_logps", grad_chosen_logps).need("grad_rejected_logps", grad_rejected_logps);
  if (of.tokens && !answers.found()) return answers.found();
  return detail::run([&](preflane_error *error) {
    return preflane_token_grads(&of, grad_chosen_logps.data(), grad_rejected_logps.data(), scale, token_grads.data(),
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

/// See preflane_row_sum_init.
inline result begin(row_sum &state, const scaling &scaling = no_scaling) noexcept {
  return detail::run([&](preflane_error *error) { return preflane_row_sum_init(&state, &scaling, error); });
}

/// See preflane_row_sum_add.
inline result add(row_sum &state, input columns, std::int64_t target = -1, run how = default_run) noexcept {
  return detail::run([&](preflane_error *error) {
    return preflane_row_sum_add(how, &state, columns.data(), PREFLANE_F32, columns.size(), target, error);
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

/// See preflane_check_environment.
inline result check_environment() noexcept {
  return detail::run([](preflane_error *error) { return preflane_check_environment(error); });
}

}  // namespace preflane

#endif /* PREFLANE_HPP */
