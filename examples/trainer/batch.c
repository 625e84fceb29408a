#include "batch.h"

#include <stdlib.h>
#include <string.h>

int batch_new(struct batch *batch, const struct model *model, struct pool *pool, size_t room, int handwritten,
              struct failure *failure)
{
    const size_t inputs = model->context * model->embedding;
    memset(batch, 0, sizeof *batch);
    batch->model = model;
    batch->pool = pool;
    batch->room = room;
    batch->softmax.handwritten = handwritten;
    batch->softmax.columns = model->vocabulary;
    struct activations *rows = &batch->activations;
    batch->ids = malloc(room * sizeof *batch->ids);
    batch->labels = malloc(room * sizeof *batch->labels);
    batch->active = malloc(room * sizeof *batch->active);
    rows->inputs = malloc(room * inputs * sizeof *rows->inputs);
    rows->hidden = malloc(room * model->hidden * sizeof *rows->hidden);
    rows->logits = malloc(room * model->vocabulary * sizeof *rows->logits);
    rows->hidden_grad = malloc(room * model->hidden * sizeof *rows->hidden_grad);
    rows->inputs_grad = malloc(room * inputs * sizeof *rows->inputs_grad);
    batch->softmax.logits = rows->logits;
    batch->softmax.token_logps = malloc(room * sizeof *batch->softmax.token_logps);
    batch->softmax.log_sum_exps = malloc(room * sizeof *batch->softmax.log_sum_exps);
    batch->softmax.token_grads = malloc(room * sizeof *batch->softmax.token_grads);
    if (!batch->ids || !batch->labels || !batch->active || !rows->inputs || !rows->hidden || !rows->logits ||
        !rows->hidden_grad || !rows->inputs_grad || !batch->softmax.token_logps || !batch->softmax.log_sum_exps ||
        !batch->softmax.token_grads)
        return fail_memory(failure);
    return DONE;
}

void batch_free(struct batch *batch)
{
    free(batch->ids);
    free(batch->labels);
    free(batch->active);
    free(batch->activations.inputs);
    free(batch->activations.hidden);
    free(batch->activations.logits);
    free(batch->activations.hidden_grad);
    free(batch->activations.inputs_grad);
    free(batch->softmax.token_logps);
    free(batch->softmax.log_sum_exps);
    free(batch->softmax.token_grads);
}

static size_t longest(const struct dataset *data, const size_t *places, size_t pairs, enum answers answers)
{
    size_t most = 0;
    for (size_t i = 0; i < pairs; i++) {
        const struct pair *pair = &data->pairs[places ? places[i] : i];
        const size_t prompt = pair->prompt.length;
        if (prompt + pair->chosen.length > most)
            most = prompt + pair->chosen.length;
        if (answers == CHOSEN_AND_REJECTED && prompt + pair->rejected.length > most)
            most = prompt + pair->rejected.length;
    }
    return most;
}

size_t batch_rows(const struct dataset *data, size_t pairs)
{
    return 2 * pairs * longest(data, NULL, data->length, CHOSEN_AND_REJECTED);
}

static void fill_answer(struct batch *batch, size_t sequence, const struct tokens *prompt, const struct tokens *answer)
{
    const size_t first = sequence * batch->tokens;
    int32_t *ids = batch->ids + first, *labels = batch->labels + first;
    for (size_t t = 0; t < batch->tokens; t++) {
        ids[t] = 0;
        labels[t] = PREFLANE_IGNORE_INDEX;
    }
    memcpy(ids, prompt->ids, prompt->length * sizeof *ids);
    memcpy(ids + prompt->length, answer->ids, answer->length * sizeof *ids);
    memcpy(labels + prompt->length, answer->ids, answer->length * sizeof *labels);
    /* The row before a token predicts it. */
    for (size_t t = 0; t < answer->length; t++)
        batch->active[batch->actives++] = (uint32_t)(first + prompt->length - 1 + t);
}

void batch_fill(struct batch *batch, const struct dataset *data, const size_t *places, size_t pairs, enum answers answers)
{
    batch->pairs = pairs;
    /* An answer has at least one row, even where there is no answer. */
    batch->tokens = pairs ? longest(data, places, pairs, answers) : 1;
    batch->rows = pairs * batch->tokens * (answers == CHOSEN_AND_REJECTED ? 2 : 1);
    batch->actives = 0;
    for (size_t i = 0; i < pairs; i++)
        fill_answer(batch, i, &data->pairs[places[i]].prompt, &data->pairs[places[i]].chosen);
    for (size_t i = 0; i < pairs && answers == CHOSEN_AND_REJECTED; i++)
        fill_answer(batch, pairs + i, &data->pairs[places[i]].prompt, &data->pairs[places[i]].rejected);
    batch->softmax.targets = preflane_targets_i32(batch->labels, batch->rows);
    batch->softmax.targets.shifted_tokens = batch->tokens;
}

preflane_sequences batch_sequences(const struct batch *batch)
{
    preflane_sequences sequences = { 0 };
    sequences.targets = batch->softmax.targets;
    sequences.tokens = batch->tokens;
    sequences.layout = PREFLANE_LAYOUT_CHOSEN_FIRST;
    sequences.reduction = PREFLANE_REDUCE_SUM;
    return sequences;
}

/* A thread's rows: as many with a target as the others', and all rows up to the next thread's. */
static preflane_rows rows_of(const struct batch *batch, size_t thread, size_t threads, struct row_list *list)
{
    const size_t begin = part_begin(batch->actives, thread, threads), end = part_begin(batch->actives, thread + 1, threads);
    preflane_rows rows;
    list->rows = batch->active + begin;
    list->count = end - begin;
    rows.first = thread == 0 ? 0 : begin < batch->actives ? batch->active[begin] : batch->rows;
    rows.count = (end < batch->actives ? batch->active[end] : batch->rows) - rows.first;
    return rows;
}

struct pass {
    struct batch *batch;
    const float *parameters;
    float *grad;
};

static void forward_job(void *context, size_t thread, size_t threads)
{
    const struct pass *pass = context;
    struct batch *batch = pass->batch;
    struct row_list list;
    const preflane_rows rows = rows_of(batch, thread, threads, &list);
    model_hidden(batch->model, pass->parameters, batch->ids, batch->tokens, list, &batch->activations);
    model_logits(batch->model, pass->parameters, list, &batch->activations);
    const double begin = thread_seconds();
    softmax_logps(&batch->softmax, rows, &batch->failures[thread]);
    batch->loss_seconds[thread] += thread_seconds() - begin;
}

static void rows_grad_job(void *context, size_t thread, size_t threads)
{
    const struct pass *pass = context;
    struct batch *batch = pass->batch;
    struct row_list list;
    const preflane_rows rows = rows_of(batch, thread, threads, &list);
    const double begin = thread_seconds();
    softmax_grads(&batch->softmax, rows, &batch->failures[thread]);
    batch->loss_seconds[thread] += thread_seconds() - begin;
    model_rows_grad(batch->model, pass->parameters, list, &batch->activations);
}

static void parameters_grad_job(void *context, size_t thread, size_t threads)
{
    const struct pass *pass = context;
    const struct batch *batch = pass->batch;
    const struct row_list list = { batch->active, batch->actives };
    model_parameters_grad(batch->model, pass->parameters, batch->ids, batch->tokens, list, &batch->activations, thread,
                          threads, pass->grad);
}

/* Runs the job; the failure of the first thread that has one is the batch's. */
static int run(struct pass *pass, pool_job job, struct failure *failure)
{
    struct batch *batch = pass->batch;
    const size_t threads = pool_threads(batch->pool);
    memset(batch->failures, 0, sizeof batch->failures);
    pool_run(batch->pool, job, pass);
    for (size_t thread = 0; thread < threads; thread++)
        if (batch->failures[thread].status != DONE && failure->status == DONE)
            *failure = batch->failures[thread];
    return failure->status;
}

int batch_forward(struct batch *batch, const float *parameters, struct failure *failure)
{
    struct pass pass = { batch, parameters, NULL };
    return run(&pass, forward_job, failure);
}

int batch_backward(struct batch *batch, const float *parameters, float *grad, struct failure *failure)
{
    struct pass pass = { batch, parameters, grad };
    memset(grad, 0, model_layout(batch->model).length * sizeof *grad);
    if (run(&pass, rows_grad_job, failure))
        return failure->status;
    return run(&pass, parameters_grad_job, failure);
}

double batch_loss_seconds(const struct batch *batch)
{
    double sum = 0.0;
    for (size_t thread = 0; thread < MAX_THREADS; thread++)
        sum += batch->loss_seconds[thread];
    return sum;
}
