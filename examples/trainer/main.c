/* A small language model that learns from preference pairs, in C: a supervised phase, a frozen reference, then DPO. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm.h"
#include "loss.h"

/* A batch is so many shards, whatever the number of ranks: each shard's gradient is one rank's, and they are added in order. */
enum { SHORT_TRAIN = 20, SHORT_TEST = 10 };

enum { SHARDS = 4, BATCH_PAIRS = SHARDS * SHARD_PAIRS, BATCH_ANSWERS = SHARDS * SHARD_ANSWERS };

typedef struct {
  const char *pairs;
  unsigned threads;
  uint64_t seed;
  double beta;
  unsigned supervised_epochs, preference_epochs;
  float supervised_rate, preference_rate;
  method how;
  int is_short, vocabulary_parallel, fail_on_rank, die_on_rank;
} options;

typedef struct {
  options o;
  dataset data;
  team *t;
  workspace *w;
  parameters *policy, *reference, *grad, *shard_grads[SHARDS];
  adam *optimiser;
  /* The frozen model's log-probabilities: of the training pairs and of the held-out ones. */
  float *ref_chosen, *ref_rejected, *test_ref_chosen, *test_ref_rejected;
} trainer;

static const char HELP[] =
    "usage: trainer [options]\n"
    "\n"
    "  --pairs FILE           JSON lines with split, prompt, chosen, rejected [examples/trainer/pairs.jsonl]\n"
    "  --threads N            1 to 256 [2]\n"
    "  --seed N               of the parameters and the order of the data [1]\n"
    "  --beta B               [0.1]\n"
    "  --supervised-epochs N  [6]\n"
    "  --preference-epochs N  [2]\n"
    "  --short                one epoch each on a few pairs\n"
    "  --softmax NAME         preflane, or handwritten: a C loop with expf, to compare the time [preflane]\n"
    "  --vocabulary-parallel  log-probabilities from shards of the vocabulary, one a rank, and no training\n"
    "  --fail-on-rank R       give that rank a label outside the vocabulary\n"
    "  --die-on-rank R        abort that rank in the middle\n";

/* One line, on the rank that is asked; then the end. Only for what all ranks see alike. */
static void die(const char *what, const char *name) {
  if (comm_rank() == 0) fprintf(stderr, "trainer: %s%s\n", what, name);
  comm_stop();
  exit(2);
}

static double number(const char *name, const char *text, double least, double most, int whole) {
  char *end, message[160];
  double value;
  errno = 0;
  value = text ? strtod(text, &end) : 0.0;
  if (text && *text && !*end && !errno && value >= least && value <= most && (!whole || value == floor(value))) return value;
  snprintf(message, sizeof message, "%s needs %s from %g to %g, not ", name, whole ? "a whole number" : "a number", least, most);
  die(message, text ? text : "nothing");
  return 0.0;
}

static options parse(int argc, char **argv) {
  options o = {"examples/trainer/pairs.jsonl", 2, 1, 0.1, 6, 2, 2e-3f, 3e-4f, BY_PREFLANE, 0, 0, -1, -1};
  int i;
  for (i = 1; i < argc; i++) {
    const char *name = argv[i], *next = argv[i + 1]; /* argv ends with NULL. */
    if (!strcmp(name, "--help")) {
      if (comm_rank() == 0) fputs(HELP, stdout);
      comm_stop();
      exit(0);
    } else if (!strcmp(name, "--short")) {
      o.is_short = 1, o.supervised_epochs = o.preference_epochs = 1;
    } else if (!strcmp(name, "--vocabulary-parallel")) {
      o.vocabulary_parallel = 1;
    } else {
      if (!strcmp(name, "--pairs")) {
        if (!next) die("--pairs needs a file", "");
        o.pairs = next;
      } else if (!strcmp(name, "--threads")) {
        o.threads = (unsigned)number(name, next, 1, 256, 1);
      } else if (!strcmp(name, "--seed")) {
        o.seed = (uint64_t)number(name, next, 0, 9007199254740992.0, 1);
      } else if (!strcmp(name, "--beta")) {
        o.beta = number(name, next, 1e-6, 1e3, 0);
      } else if (!strcmp(name, "--supervised-epochs")) {
        o.supervised_epochs = (unsigned)number(name, next, 0, 1000, 1);
      } else if (!strcmp(name, "--preference-epochs")) {
        o.preference_epochs = (unsigned)number(name, next, 0, 1000, 1);
      } else if (!strcmp(name, "--fail-on-rank")) {
        o.fail_on_rank = (int)number(name, next, 0, 4096, 1);
      } else if (!strcmp(name, "--die-on-rank")) {
        o.die_on_rank = (int)number(name, next, 0, 4096, 1);
      } else if (!strcmp(name, "--softmax")) {
        if (next && !strcmp(next, "handwritten")) o.how = BY_HAND;
        else if (!next || strcmp(next, "preflane")) die("--softmax is preflane or handwritten, not ", next ? next : "nothing");
      } else {
        die("there is no option of that name; see --help: ", name);
      }
      i++;
    }
  }
  return o;
}

static void *memory(size_t count, size_t size) {
  void *made = calloc(count ? count : 1, size);
  comm_agree(!made, "out of memory");
  return made;
}

/* --- data in an order that the seed fixes */

static void shuffle(size_t *order, size_t count, uint64_t seed) {
  size_t i;
  for (i = 0; i < count; i++) order[i] = i;
  for (i = count; i > 1; i--) {
    size_t j, kept;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    j = (size_t)((seed >> 33) % i);
    kept = order[i - 1], order[i - 1] = order[j], order[j] = kept;
  }
}

/* The pairs of a shard of a batch: at most `most`, fewer at the end. */
static size_t shard_pairs(const trainer *r, const size_t *order, size_t first, size_t most, const pair **pairs) {
  size_t i, count = r->data.train.count;
  for (i = 0; i < most && first + i < count; i++) pairs[i] = &r->data.train.pairs[order[first + i]];
  return i;
}

/* --- what ranks do together */

static void share_gradients(trainer *r) {
  size_t shard;
  for (shard = 0; shard < SHARDS; shard++) {
    comm_share_gradient(r->shard_grads[shard], comm_owner(shard));
    if (shard == 0) memcpy(r->grad, r->shard_grads[0], sizeof *r->grad);
    else add_gradient(r->grad, r->shard_grads[shard], r->t);
  }
}

static void merge_metrics(preflane_metrics *metrics) {
  int rank, size = comm_size();
  preflane_metrics *all = memory((size_t)size, sizeof *all);
  comm_gather(metrics, all, sizeof *metrics);
  memset(metrics, 0, sizeof *metrics);
  for (rank = 0; rank < size; rank++) preflane_metrics_merge(metrics, &all[rank], NULL);
  free(all);
}

static float merge_mean(const preflane_sum *sum, uint64_t count) {
  int rank, size = comm_size();
  preflane_sum *all = memory((size_t)size, sizeof *all), merged;
  float mean = 0.0f;
  memset(&merged, 0, sizeof merged);
  comm_gather(sum, all, sizeof *sum);
  for (rank = 0; rank < size; rank++) preflane_sum_merge(&merged, &all[rank], NULL);
  preflane_sum_value(&merged, count, NULL, &mean, NULL);
  free(all);
  return mean;
}

/* --- phases */

static int is_reported(size_t batch, size_t batches) { return batch + 1 == batches || (batch + 1) % 5 == 0; }

static void supervised_phase(trainer *r) {
  size_t count = r->data.train.count, batches = (count + BATCH_ANSWERS - 1) / BATCH_ANSWERS, batch, shard, i;
  size_t *order = memory(count, sizeof *order);
  unsigned epoch;
  adam_start(r->optimiser);
  for (epoch = 0; epoch < r->o.supervised_epochs; epoch++) {
    shuffle(order, count, r->o.seed + epoch);
    for (batch = 0; batch < batches; batch++) {
      const pair *pairs[BATCH_ANSWERS];
      size_t first = batch * BATCH_ANSWERS, here = shard_pairs(r, order, first, BATCH_ANSWERS, pairs), tokens = 0;
      preflane_sum sum;
      float mean;
      int32_t code = PREFLANE_OK;
      memset(&sum, 0, sizeof sum);
      for (i = 0; i < here; i++) tokens += pairs[i]->chosen.count;
      for (shard = 0; shard < SHARDS && !code; shard++) {
        size_t start = shard * SHARD_ANSWERS, n = start < here ? here - start : 0;
        if (comm_owner(shard) != comm_rank()) continue;
        if (n > SHARD_ANSWERS) n = SHARD_ANSWERS;
        load_answers(r->w, pairs + start, n, 1);
        if (comm_rank() == r->o.fail_on_rank) r->w->labels[0] = VOCABULARY;
        if (comm_rank() == r->o.die_on_rank && epoch == 0 && batch == 1) abort();
        code = supervised(r->w, r->policy, tokens, &sum, r->shard_grads[shard]);
      }
      comm_agree(code, r->w->error.message);
      mean = merge_mean(&sum, tokens);
      share_gradients(r);
      adam_step(r->policy, r->grad, r->optimiser, r->o.supervised_rate, r->t);
      if (comm_rank() == 0 && is_reported(batch, batches))
        printf("supervised  epoch %u  batch %3lu/%lu  loss/token %.6f\n", epoch + 1, (unsigned long)batch + 1,
               (unsigned long)batches, (double)-mean);
    }
  }
  free(order);
}

/* Every rank computes all of it: there are few. */
static void list_logps(trainer *r, const parameters *p, const pair_list *list, float *chosen, float *rejected) {
  size_t i;
  int32_t code = PREFLANE_OK;
  for (i = 0; i < list->count && !code; i++) {
    const pair *one = &list->pairs[i];
    load_answers(r->w, &one, 1, 0);
    code = answer_logps(r->w, p, &chosen[i], &rejected[i]);
  }
  comm_agree(code, r->w->error.message);
}

/* TRL's names over the columns. */
static void print_header(void) {
  if (comm_rank() != 0) return;
  printf("%-28s %9s %9s %9s %10s %9s %10s %10s %7s %8s %6s\n", "", "loss", "rewards/", "rewards/", "rewards/", "rewards/",
         "logps/", "logps/", "chosen", "rejected", "both");
  printf("%-28s %9s %9s %9s %10s %9s %10s %10s %7s %8s %6s\n", "", "", "chosen", "rejected", "accuracies", "margins",
         "chosen", "rejected", "fell", "fell", "fell");
}

static void print_report(const char *what, const preflane_metrics *metrics) {
  preflane_report m;
  if (preflane_metrics_report(metrics, &m, NULL) || comm_rank() != 0) return;
  printf("%-28s %9.6f %9.4f %9.4f %10.4f %9.4f %10.3f %10.3f %7.3f %8.3f %6.3f\n", what, (double)m.loss,
         (double)m.rewards_chosen, (double)m.rewards_rejected, (double)m.rewards_accuracies, (double)m.rewards_margins,
         (double)m.logps_chosen, (double)m.logps_rejected, (double)m.chosen_fell, (double)m.rejected_fell,
         (double)m.both_fell);
}

/* The policy against the reference on the held-out pairs. */
static preflane_metrics held_out(trainer *r, const char *what) {
  size_t n = r->data.test.count;
  float *chosen = memory(n, sizeof *chosen), *rejected = memory(n, sizeof *rejected);
  preflane_metrics metrics;
  preflane_pairs pairs = {0};
  preflane_pair_outputs outputs = {0};
  preflane_loss loss = {PREFLANE_LOSS_DPO, 0, 0.0, 0.0};
  preflane_run run = {PREFLANE_LEVEL_BEST, 1};
  int32_t code;
  memset(&metrics, 0, sizeof metrics);
  list_logps(r, r->policy, &r->data.test, chosen, rejected);
  loss.beta = r->o.beta;
  pairs.length = n;
  pairs.policy_chosen_logps = chosen, pairs.policy_rejected_logps = rejected;
  pairs.ref_chosen_logps = r->test_ref_chosen, pairs.ref_rejected_logps = r->test_ref_rejected;
  code = preflane_evaluate(run, &loss, &pairs, &outputs, &metrics, &r->w->error);
  comm_agree(code, r->w->error.message);
  print_report(what, &metrics);
  free(chosen);
  free(rejected);
  return metrics;
}

static void preference_phase(trainer *r) {
  size_t count = r->data.train.count, batches = (count + BATCH_PAIRS - 1) / BATCH_PAIRS, batch, shard, i;
  size_t *order = memory(count, sizeof *order);
  unsigned epoch;
  double start = seconds(), in_loss = r->w->seconds_in_loss;
  size_t steps = 0;
  adam_start(r->optimiser);
  for (epoch = 0; epoch < r->o.preference_epochs; epoch++) {
    shuffle(order, count, r->o.seed + 1000 + epoch);
    for (batch = 0; batch < batches; batch++, steps++) {
      const pair *pairs[BATCH_PAIRS];
      size_t first = batch * BATCH_PAIRS, here = shard_pairs(r, order, first, BATCH_PAIRS, pairs);
      preflane_metrics metrics;
      int32_t code = PREFLANE_OK;
      char what[96];
      memset(&metrics, 0, sizeof metrics);
      for (shard = 0; shard < SHARDS && !code; shard++) {
        size_t begin = shard * SHARD_PAIRS, n = begin < here ? here - begin : 0;
        float ref_chosen[SHARD_PAIRS], ref_rejected[SHARD_PAIRS];
        if (comm_owner(shard) != comm_rank()) continue;
        if (n > SHARD_PAIRS) n = SHARD_PAIRS;
        for (i = 0; i < n; i++) {
          ref_chosen[i] = r->ref_chosen[order[first + begin + i]];
          ref_rejected[i] = r->ref_rejected[order[first + begin + i]];
        }
        load_answers(r->w, pairs + begin, n, 0);
        code = preference(r->w, r->policy, r->o.beta, ref_chosen, ref_rejected, here, &metrics, r->shard_grads[shard]);
      }
      comm_agree(code, r->w->error.message);
      merge_metrics(&metrics);
      share_gradients(r);
      adam_step(r->policy, r->grad, r->optimiser, r->o.preference_rate, r->t);
      snprintf(what, sizeof what, "dpo  epoch %u  batch %lu/%lu", epoch + 1, (unsigned long)batch + 1, (unsigned long)batches);
      if (is_reported(batch, batches)) print_report(what, &metrics);
    }
  }
  if (comm_rank() == 0 && steps)
    fprintf(stderr, "timing  softmax %s  step %.1f ms  loss and softmax %.1f ms, %.1f %% of it\n",
            r->o.how == BY_PREFLANE ? "preflane" : "handwritten", 1e3 * (seconds() - start) / (double)steps,
            1e3 * (r->w->seconds_in_loss - in_loss) / (double)steps,
            100 * (r->w->seconds_in_loss - in_loss) / (seconds() - start));
  free(order);
}

/* --- log-probabilities from shards of the vocabulary */

static void vocabulary_parallel(trainer *r) {
  int rank = comm_rank(), size = comm_size(), part;
  size_t first = (size_t)VOCABULARY * (size_t)rank / (size_t)size;
  size_t end = (size_t)VOCABULARY * ((size_t)rank + 1) / (size_t)size, i, row, rows = 0;
  preflane_run run = {PREFLANE_LEVEL_BEST, 1};
  preflane_row_sum *own = memory(SHARD_ROWS, sizeof *own), *all = memory(SHARD_ROWS * (size_t)size, sizeof *all);
  float *merged = memory(SHARD_ROWS, sizeof *merged), chosen, rejected;
  int32_t code = PREFLANE_OK;
  unsigned long differ = 0;
  for (i = 0; i < r->data.test.count; i++) {
    const pair *one = &r->data.test.pairs[i];
    preflane_error *error = &r->w->error;
    load_answers(r->w, &one, 1, 0);
    if (rank == r->o.fail_on_rank && i == 1) r->w->labels[0] = VOCABULARY;
    if (rank == r->o.die_on_rank && i == 1) abort();
    /* This rank's columns; the others' hold what was there before. */
    forward(r->policy, &r->w->a, first, end - first, r->t);
    for (row = 0; row < r->w->a.rows && !code; row++) {
      int32_t label = r->w->labels[row];
      int here = label >= (int32_t)first && (label < (int32_t)end || rank + 1 == size);
      code = preflane_row_sum_init(&own[row], NULL, error);
      if (!code && label >= 0)
        code = preflane_row_sum_add(run, &own[row], &r->w->a.logits[row][first], PREFLANE_F32, end - first,
                                    here ? label - (int64_t)first : -1, error);
    }
    comm_agree(code, error->message);
    comm_gather(own, all, r->w->a.rows * sizeof *own);
    for (row = 0; row < r->w->a.rows && !code; row++) {
      merged[row] = 0.0f;
      if (r->w->labels[row] < 0) continue;
      for (part = 1; part < size && !code; part++)
        code = preflane_row_sum_merge(&all[row], &all[(size_t)part * r->w->a.rows + row], error);
      if (!code) code = preflane_row_sum_value(&all[row], NULL, &merged[row], error);
    }
    comm_agree(code, error->message);
    /* The same by whole rows. */
    code = answer_logps(r->w, r->policy, &chosen, &rejected);
    comm_agree(code, error->message);
    for (row = 0; row < r->w->a.rows; row++) {
      differ += memcmp(&merged[row], &r->w->token_logps[row], sizeof merged[row]) != 0;
      rows += r->w->labels[row] >= 0;
    }
  }
  if (rank == 0)
    printf("vocabulary-parallel  %d shards  %lu token log-probs  %lu differ from those of whole rows\n", size,
           (unsigned long)rows, differ);
  free(own);
  free(all);
  free(merged);
  if (differ) {
    comm_stop();
    exit(1);
  }
}

static uint64_t digest(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  while (size--) hash = (hash ^ *at++) * 0x100000001b3u;
  return hash;
}

int main(int argc, char **argv) {
  trainer r;
  char message[400] = "";
  preflane_metrics before, after;
  size_t shard;
  preflane_error error;
  comm_start(&argc, &argv);
  memset(&r, 0, sizeof r);
  r.o = parse(argc, argv);
  if (preflane_abi_version() != PREFLANE_ABI_VERSION) die("compiled for another version of preflane than ", preflane_version());
  comm_agree(preflane_check_environment(&error), error.message);
  comm_agree(!load_pairs(r.o.pairs, &r.data, message, sizeof message), message);
  if (r.o.is_short) keep_pairs(&r.data, SHORT_TRAIN, SHORT_TEST);
  r.t = team_start(r.o.threads);
  comm_agree(!r.t, "the threads cannot be started");
  r.w = workspace_make(r.t, r.o.how);
  comm_agree(!r.w, "out of memory");
  r.policy = memory(1, sizeof *r.policy), r.reference = memory(1, sizeof *r.reference);
  r.grad = memory(1, sizeof *r.grad), r.optimiser = memory(1, sizeof *r.optimiser);
  for (shard = 0; shard < SHARDS; shard++) r.shard_grads[shard] = memory(1, sizeof *r.grad);
  r.ref_chosen = memory(r.data.train.count, sizeof(float)), r.ref_rejected = memory(r.data.train.count, sizeof(float));
  r.test_ref_chosen = memory(r.data.test.count, sizeof(float));
  r.test_ref_rejected = memory(r.data.test.count, sizeof(float));
  initialise(r.policy, r.o.seed);
  if (comm_rank() == 0)
    printf("%lu training pairs, %lu held out, %lu parameters\n", (unsigned long)r.data.train.count,
           (unsigned long)r.data.test.count, (unsigned long)(sizeof *r.policy / sizeof(float)));

  if (r.o.vocabulary_parallel) {
    vocabulary_parallel(&r);
  } else {
    supervised_phase(&r);
    memcpy(r.reference, r.policy, sizeof *r.policy);
    list_logps(&r, r.reference, &r.data.train, r.ref_chosen, r.ref_rejected);
    list_logps(&r, r.reference, &r.data.test, r.test_ref_chosen, r.test_ref_rejected);
    print_header();
    before = held_out(&r, "held out, before");
    preference_phase(&r);
    after = held_out(&r, "held out, after");
    if (comm_rank() == 0 && r.o.how == BY_PREFLANE) {
      uint64_t hash = digest(0xcbf29ce484222325u, r.policy, sizeof *r.policy);
      hash = digest(digest(hash, &before, sizeof before), &after, sizeof after);
      printf("digest %016llx\n", (unsigned long long)hash);
    }
  }

  for (shard = 0; shard < SHARDS; shard++) free(r.shard_grads[shard]);
  free(r.policy), free(r.reference), free(r.grad), free(r.optimiser);
  free(r.ref_chosen), free(r.ref_rejected), free(r.test_ref_chosen), free(r.test_ref_rejected);
  workspace_free(r.w);
  team_stop(r.t);
  free_pairs(&r.data);
  comm_stop();
  return 0;
}
