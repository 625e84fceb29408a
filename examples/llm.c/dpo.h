// DPO for llm.c (train_gpt2.c, CPU, fp32), computed by preflane: from the policy's logits to the loss, and to dlogits. C99.
//
// A batch is 2 * pairs sequences of T tokens: all chosen ones, then all rejected ones in the same order. Targets stand beside the
// logits that predict them, as llm.c's dataloader has them; -100 masks prompts and padding. With OpenMP, each thread takes rows.

#ifndef DPO_H
#define DPO_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preflane.h"

typedef struct {
    preflane_loss loss;
    preflane_logits logits; // its shape; the data comes with each call
    preflane_sequences sequences;
    size_t rows, pairs;
    // one a row
    preflane_log_sum_exp *log_sum_exps;
    float *token_logps, *token_grads;
    // one a pair
    float *chosen_logps, *rejected_logps, *ref_chosen_logps, *ref_rejected_logps;
    float *grad_chosen_logps, *grad_rejected_logps;
} Dpo;

static inline void dpo_check(int32_t code, const preflane_error *error) {
    if (code != PREFLANE_OK) {
        fprintf(stderr, "preflane: %s\n", error->message);
        exit(EXIT_FAILURE);
    }
}

static inline void *dpo_memory(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fprintf(stderr, "dpo: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

// B sequences (an even number) of T tokens, V columns of which Vp are there.
static inline void dpo_init(Dpo *dpo, size_t B, size_t T, size_t V, size_t Vp, double beta) {
    preflane_error error;
    if (preflane_abi_version() != PREFLANE_ABI_VERSION) {
        fprintf(stderr, "preflane: the header and the library are of different versions\n");
        exit(EXIT_FAILURE);
    }
    // A program linked with -Ofast flushes subnormals to zero: the same bits everywhere are lost then.
    dpo_check(preflane_check_environment(&error), &error);

    memset(dpo, 0, sizeof *dpo);
    dpo->rows = B * T;
    dpo->pairs = B / 2;
    dpo->loss = preflane_dpo(beta);
    dpo->logits.rows = dpo->rows;
    dpo->logits.columns = V;
    dpo->logits.stride = Vp;
    dpo->logits.dtype = PREFLANE_F32;
    dpo->sequences.tokens = T;
    dpo->sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
    dpo->sequences.reduction = PREFLANE_REDUCE_SUM;
    dpo->log_sum_exps = (preflane_log_sum_exp *)dpo_memory(dpo->rows, sizeof(preflane_log_sum_exp));
    dpo->token_logps = (float *)dpo_memory(2 * dpo->rows, sizeof(float));
    dpo->token_grads = dpo->token_logps + dpo->rows;
    float *pair = (float *)dpo_memory(6 * dpo->pairs, sizeof(float));
    dpo->chosen_logps = pair;
    dpo->rejected_logps = pair + dpo->pairs;
    dpo->ref_chosen_logps = pair + 2 * dpo->pairs;
    dpo->ref_rejected_logps = pair + 3 * dpo->pairs;
    dpo->grad_chosen_logps = pair + 4 * dpo->pairs;
    dpo->grad_rejected_logps = pair + 5 * dpo->pairs;
}

static inline void dpo_free(Dpo *dpo) {
    free(dpo->log_sum_exps);
    free(dpo->token_logps);
    free(dpo->chosen_logps);
}

// Some rows for a thread.
static inline preflane_rows dpo_rows(const Dpo *dpo, int part) {
    preflane_rows rows = {(size_t)part * 16, 16};
    if (rows.count > dpo->rows - rows.first) rows.count = dpo->rows - rows.first;
    return rows;
}

static inline int dpo_parts(const Dpo *dpo) { return (int)((dpo->rows + 15) / 16); }

// token_logps, and the log_sum_exps for dpo_logits_grad.
static inline void dpo_token_logps(Dpo *dpo, const float *logits, const int *targets) {
    const preflane_run run = {0, 0};
    const int parts = dpo_parts(dpo);
    preflane_logits matrix = dpo->logits;
    preflane_token_outputs outputs = {NULL, NULL, NULL, NULL, NULL, NULL};
    matrix.data = logits;
    dpo->sequences.targets = preflane_targets_i32(targets, dpo->rows);
    outputs.logps = dpo->token_logps;
    outputs.log_sum_exps = dpo->log_sum_exps;
#ifdef _OPENMP
#pragma omp parallel for
#endif
    for (int part = 0; part < parts; part++) {
        preflane_error error;
        dpo_check(preflane_token_logps(run, &matrix, &dpo->sequences.targets, NULL, dpo_rows(dpo, part), &outputs, NULL, &error),
                  &error);
    }
}

// dlogits of the same logits from token_grads; also 0 in the padded columns.
static inline void dpo_logits_grad(const Dpo *dpo, const float *logits, float *dlogits) {
    const preflane_run run = {0, 0};
    const preflane_gradient overwrite = {0, 1};
    const int parts = dpo_parts(dpo);
    preflane_logits matrix = dpo->logits;
    preflane_logits_mut grads = {NULL, 0, 0, 0, PREFLANE_F32, 0};
    matrix.data = logits;
    grads.data = dlogits;
    grads.rows = matrix.rows;
    grads.columns = matrix.columns;
    grads.stride = matrix.stride;
#ifdef _OPENMP
#pragma omp parallel for
#endif
    for (int part = 0; part < parts; part++) {
        preflane_error error;
        dpo_check(preflane_logits_grad(run, &matrix, &dpo->sequences.targets, NULL, dpo_rows(dpo, part), dpo->log_sum_exps,
                                       dpo->token_grads, overwrite, &grads, &error),
                  &error);
    }
}

// The reference's log-probabilities of the answers, from the frozen model's logits of the same batch.
static inline void dpo_reference(Dpo *dpo, const float *ref_logits, const int *targets) {
    preflane_error error;
    dpo_token_logps(dpo, ref_logits, targets);
    dpo_check(preflane_sequence_logps(&dpo->sequences, dpo->token_logps, dpo->ref_chosen_logps, dpo->ref_rejected_logps, &error),
              &error);
}

// The mean loss, rewards and so on of the batch; keeps what dpo_backward needs.
static inline preflane_report dpo_forward(Dpo *dpo, const float *logits, const int *targets) {
    const preflane_run run = {0, 0};
    preflane_metrics metrics;
    preflane_pairs pairs = {0, NULL, NULL, NULL, NULL, NULL, 0, 0};
    preflane_pair_outputs outputs = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    preflane_report report;
    preflane_error error;
    dpo_token_logps(dpo, logits, targets);
    dpo_check(preflane_sequence_logps(&dpo->sequences, dpo->token_logps, dpo->chosen_logps, dpo->rejected_logps, &error), &error);
    memset(&metrics, 0, sizeof metrics);
    pairs.length = dpo->pairs;
    pairs.policy_chosen_logps = dpo->chosen_logps;
    pairs.policy_rejected_logps = dpo->rejected_logps;
    pairs.ref_chosen_logps = dpo->ref_chosen_logps;
    pairs.ref_rejected_logps = dpo->ref_rejected_logps;
    outputs.grad_chosen_logps = dpo->grad_chosen_logps;
    outputs.grad_rejected_logps = dpo->grad_rejected_logps;
    dpo_check(preflane_evaluate(run, &dpo->loss, &pairs, &outputs, &metrics, &error), &error);
    dpo_check(preflane_metrics_report(&metrics, &report, &error), &error);
    return report;
}

// The seeds, token_grads: the mean loss's derivatives by token_logps, after dpo_forward.
static inline void dpo_token_grads(Dpo *dpo) {
    preflane_error error;
    dpo_check(preflane_token_grads(&dpo->sequences, dpo->grad_chosen_logps, dpo->grad_rejected_logps, 1.0 / (double)dpo->pairs,
                                   dpo->token_grads, &error),
              &error);
}

// dlogits of the mean loss: after dpo_forward on the same logits and targets.
static inline void dpo_backward(Dpo *dpo, const float *logits, float *dlogits) {
    dpo_token_grads(dpo);
    dpo_logits_grad(dpo, logits, dlogits);
}

#endif
