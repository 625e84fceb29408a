// The C++ wrapper: spans, checked lengths, errors as values and as exceptions.
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
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

  std::printf("C++ %ld: %d checks, %d failed\n", static_cast<long>(__cplusplus), checks, failures);
  return failures != 0;
}
