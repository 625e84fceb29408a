// DPO from logits as a torch::autograd::Function, computed by preflane. CPU; float, bfloat16 or half logits.
//
//   auto [loss, chosen_rewards, rejected_rewards] = preflane_torch::dpo(logits, labels, ref_chosen_logps, ref_rejected_logps, beta);
//   loss.backward();

#ifndef PREFLANE_DPO_H
#define PREFLANE_DPO_H

#include <tuple>
#include <utility>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "preflane.h"

namespace preflane_torch {

inline void check(int32_t code, const preflane_error &error) {
    TORCH_CHECK(code == PREFLANE_OK, "preflane: ", error.message);
}

// What a call to preflane needs to know about the tensors. They must outlive it.
struct Batch {
    preflane_logits logits;
    preflane_sequences sequences;
    int64_t rows, pairs;
};

inline int32_t dtype_of(at::ScalarType type) {
    switch (type) {
        case at::kFloat: return PREFLANE_F32;
        case at::kBFloat16: return PREFLANE_BF16;
        case at::kHalf: return PREFLANE_F16;
        default: TORCH_CHECK(false, "logits: expected float, bfloat16 or half, got ", type);
    }
}

// One stride must lead from each row to the next. A vocabulary cut out of a padded one has it, and needs no copy.
inline at::Tensor rows_evenly_spaced(const at::Tensor &logits) {
    const int64_t tokens = logits.size(1), columns = logits.size(2);
    const bool even = (columns == 1 || logits.stride(2) == 1) && logits.stride(1) >= columns &&
                      (logits.size(0) == 1 || logits.stride(0) == tokens * logits.stride(1));
    return even ? logits : logits.contiguous();
}

// `logits` and `labels` as rows_evenly_spaced and contiguous() gave them.
inline Batch batch_of(const at::Tensor &logits, const at::Tensor &labels) {
    const int64_t tokens = logits.size(1), rows = logits.size(0) * tokens;
    Batch batch{};
    batch.rows = rows;
    batch.pairs = logits.size(0) / 2;
    batch.logits.data = logits.const_data_ptr();
    batch.logits.rows = size_t(rows);
    batch.logits.columns = size_t(logits.size(2));
    batch.logits.stride = size_t(logits.stride(1));
    batch.logits.dtype = dtype_of(logits.scalar_type());
    batch.sequences.targets = preflane_targets_i64(labels.const_data_ptr<int64_t>(), size_t(rows));
    batch.sequences.targets.shifted_tokens = size_t(tokens);
    batch.sequences.tokens = size_t(tokens);
    batch.sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
    batch.sequences.reduction = PREFLANE_REDUCE_SUM;
    return batch;
}

// The threads are torch's: each gets some rows. The bits do not depend on how many there are.
template <typename F>
void for_rows(const Batch &batch, const F &call) {
    constexpr int64_t elements_a_task = 1 << 16;
    const int64_t grain = 1 + elements_a_task / int64_t(batch.logits.columns);
    at::parallel_for(0, batch.rows, grain, [&](int64_t begin, int64_t end) {
        preflane_error error{};
        check(call(preflane_rows{size_t(begin), size_t(end - begin)}, &error), error);
    });
}

class Dpo : public torch::autograd::Function<Dpo> {
  public:
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext *context, const at::Tensor &logits_given,
                                                  const at::Tensor &labels_given, const at::Tensor &ref_chosen_given,
                                                  const at::Tensor &ref_rejected_given, double beta) {
        check_arguments(logits_given, labels_given, ref_chosen_given, ref_rejected_given);
        const at::Tensor logits = rows_evenly_spaced(logits_given), labels = labels_given.contiguous();
        const at::Tensor ref_chosen = ref_chosen_given.contiguous(), ref_rejected = ref_rejected_given.contiguous();
        const Batch batch = batch_of(logits, labels);
        const auto floats = logits.options().dtype(at::kFloat).requires_grad(false);
        const auto one_a_pair = [&] { return at::empty({batch.pairs}, floats); };

        const at::Tensor token_logps = at::empty({batch.rows}, floats);
        // Two doubles are as large as a preflane_log_sum_exp, and aligned for it.
        static_assert(sizeof(preflane_log_sum_exp) == 2 * sizeof(double) && alignof(preflane_log_sum_exp) <= alignof(double));
        const at::Tensor log_sum_exps = at::empty({batch.rows, 2}, floats.dtype(at::kDouble));
        preflane_token_outputs tokens{};
        tokens.logps = token_logps.mutable_data_ptr<float>();
        tokens.log_sum_exps = static_cast<preflane_log_sum_exp *>(log_sum_exps.mutable_data_ptr());
        for_rows(batch, [&](preflane_rows rows, preflane_error *error) {
            return preflane_token_logps({}, &batch.logits, &batch.sequences.targets, nullptr, rows, &tokens, nullptr, error);
        });

        preflane_error error{};
        const at::Tensor chosen_logps = one_a_pair(), rejected_logps = one_a_pair();
        check(preflane_sequence_logps(&batch.sequences, token_logps.const_data_ptr<float>(),
                                      chosen_logps.mutable_data_ptr<float>(), rejected_logps.mutable_data_ptr<float>(), &error),
              error);

        const preflane_loss dpo = preflane_dpo(beta);
        preflane_pairs pairs{};
        pairs.length = size_t(batch.pairs);
        pairs.policy_chosen_logps = chosen_logps.const_data_ptr<float>();
        pairs.policy_rejected_logps = rejected_logps.const_data_ptr<float>();
        pairs.ref_chosen_logps = ref_chosen.const_data_ptr<float>();
        pairs.ref_rejected_logps = ref_rejected.const_data_ptr<float>();
        const at::Tensor losses = one_a_pair(), chosen_rewards = one_a_pair(), rejected_rewards = one_a_pair();
        const at::Tensor grad_chosen = one_a_pair(), grad_rejected = one_a_pair();
        preflane_pair_outputs outputs{};
        outputs.losses = losses.mutable_data_ptr<float>();
        outputs.chosen_rewards = chosen_rewards.mutable_data_ptr<float>();
        outputs.rejected_rewards = rejected_rewards.mutable_data_ptr<float>();
        outputs.grad_chosen_logps = grad_chosen.mutable_data_ptr<float>();
        outputs.grad_rejected_logps = grad_rejected.mutable_data_ptr<float>();
        check(preflane_evaluate({}, &dpo, &pairs, &outputs, nullptr, &error), error);

        preflane_sum sum{};
        const at::Tensor loss = at::empty({}, floats);
        check(preflane_sum_add(&sum, losses.const_data_ptr<float>(), size_t(batch.pairs), &error), error);
        check(preflane_sum_value(&sum, uint64_t(batch.pairs), nullptr, loss.mutable_data_ptr<float>(), &error), error);

        // The logits are kept, not copied: autograd refuses a backward after they were changed in place.
        context->save_for_backward({logits, labels, log_sum_exps, grad_chosen, grad_rejected});
        context->mark_non_differentiable({chosen_rewards, rejected_rewards});
        return {loss, chosen_rewards, rejected_rewards};
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                   const torch::autograd::variable_list &grad_outputs) {
        TORCH_CHECK(!at::GradMode::is_enabled(), "preflane's DPO has no second derivative (create_graph)");
        const auto saved = context->get_saved_variables();
        const at::Tensor &logits = saved[0], &labels = saved[1], &log_sum_exps = saved[2];
        const Batch batch = batch_of(logits, labels);

        preflane_error error{};
        const at::Tensor token_grads = at::empty({batch.rows}, log_sum_exps.options().dtype(at::kFloat));
        const double scale = grad_outputs[0].item<double>() / double(batch.pairs);
        check(preflane_token_grads(&batch.sequences, saved[3].const_data_ptr<float>(), saved[4].const_data_ptr<float>(), scale,
                                   token_grads.mutable_data_ptr<float>(), &error),
              error);

        const at::Tensor grads = at::empty(logits.sizes(), logits.options().memory_format(at::MemoryFormat::Contiguous));
        const preflane_logits_mut out{grads.mutable_data_ptr(), batch.logits.rows, batch.logits.columns, batch.logits.columns,
                                      batch.logits.dtype, 0};
        for_rows(batch, [&](preflane_rows rows, preflane_error *error) {
            return preflane_logits_grad({}, &batch.logits, &batch.sequences.targets, nullptr, rows,
                                        static_cast<const preflane_log_sum_exp *>(log_sum_exps.const_data_ptr()),
                                        token_grads.const_data_ptr<float>(), {}, &out, error);
        });
        return {grads, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
    }

  private:
    static void check_arguments(const at::Tensor &logits, const at::Tensor &labels, const at::Tensor &ref_chosen,
                                const at::Tensor &ref_rejected) {
        const auto on_cpu = [](const at::Tensor &tensor, const char *name) {
            TORCH_CHECK(tensor.defined(), name, ": undefined tensor");
            TORCH_CHECK(tensor.device().is_cpu(), name, ": expected a CPU tensor, got ", tensor.device());
            TORCH_CHECK(tensor.layout() == at::kStrided, name, ": expected a dense tensor, got ", tensor.layout());
        };
        on_cpu(logits, "logits");
        dtype_of(logits.scalar_type());
        TORCH_CHECK(logits.dim() == 3 && logits.size(0) % 2 == 0 && logits.numel() > 0,
                    "logits: expected [2 * pairs, tokens, vocabulary], all chosen first, got ", logits.sizes());
        on_cpu(labels, "labels");
        TORCH_CHECK(labels.scalar_type() == at::kLong, "labels: expected int64, got ", labels.scalar_type());
        TORCH_CHECK(labels.sizes() == logits.sizes().slice(0, 2), "labels: expected ", logits.sizes().slice(0, 2), ", got ",
                    labels.sizes());
        for (const auto &[tensor, name] : {std::pair{&ref_chosen, "ref_chosen_logps"}, {&ref_rejected, "ref_rejected_logps"}}) {
            on_cpu(*tensor, name);
            TORCH_CHECK(tensor->scalar_type() == at::kFloat, name, ": expected float, got ", tensor->scalar_type());
            TORCH_CHECK(tensor->dim() == 1 && tensor->size(0) == logits.size(0) / 2, name, ": expected [", logits.size(0) / 2,
                        "], got ", tensor->sizes());
            TORCH_CHECK(!tensor->requires_grad(), name, ": the reference is not trained; detach it");
        }
    }
};

// The mean DPO loss of the pairs, and their rewards, which are not differentiable.
//
// logits [2 * pairs, tokens, vocabulary]: all chosen answers, then all rejected ones. labels int64 [2 * pairs, tokens], as Hugging
// Face has them: position t's logits predict label t + 1, and -100 masks a label.
inline std::tuple<at::Tensor, at::Tensor, at::Tensor> dpo(const at::Tensor &logits, const at::Tensor &labels,
                                                          const at::Tensor &ref_chosen_logps,
                                                          const at::Tensor &ref_rejected_logps, double beta) {
    auto results = Dpo::apply(logits, labels, ref_chosen_logps, ref_rejected_logps, beta);
    return {results[0], results[1], results[2]};
}

}  // namespace preflane_torch

#endif
