// Compares preflane_dpo.h with torch's own operations: values, gradients, refusals, time.
//
//   preflane-libtorch [logits.safetensors]
//
// Exit status 1 if a difference is larger than the bound that is printed with it, 2 if it cannot run.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "preflane_dpo.h"

namespace {

using at::Tensor;

constexpr double BETA = 0.1;
bool failed = false;

void expect(bool good, const char *what) {
    if (!good) {
        std::printf("FAILED: %s\n", what);
        failed = true;
    }
}

struct Example {
    Tensor logits, labels, ref_chosen, ref_rejected;
};

struct Answer {
    Tensor loss, grads;
};

// The labels beside the logits that predict them: the last position predicts nothing.
Tensor shifted(const Tensor &labels) {
    return at::cat({labels.slice(1, 1), at::full({labels.size(0), 1}, -100, labels.options())}, 1);
}

// Log-probabilities of the answers, in the dtype of the logits.
Tensor sequence_logps(const Tensor &logits, const Tensor &labels) {
    const Tensor targets = labels.slice(1, 1), mask = targets != -100;
    const Tensor logps = at::log_softmax(logits.slice(1, 0, -1), -1).gather(2, targets.clamp_min(0).unsqueeze(2)).squeeze(2);
    return (logps * mask).sum(1);
}

Tensor loss_of(const Tensor &logps, const Example &example) {
    const auto halves = logps.chunk(2);
    const Tensor u = halves[0] - example.ref_chosen.to(logps.dtype()), v = halves[1] - example.ref_rejected.to(logps.dtype());
    return -at::log_sigmoid(BETA * (u - v)).mean();
}

Answer by_torch(const Example &example, at::ScalarType type) {
    const Tensor logits = example.logits.detach().to(type, false, true).requires_grad_();
    const Tensor loss = loss_of(sequence_logps(logits, example.labels), example);
    loss.backward();
    return {loss.detach(), logits.grad()};
}

Answer by_preflane(const Example &example, const Tensor &logits_given) {
    const Tensor logits = logits_given.detach().requires_grad_();
    const auto [loss, chosen, rejected] =
        preflane_torch::dpo(logits, example.labels, example.ref_chosen, example.ref_rejected, BETA);
    loss.backward();
    return {loss.detach(), logits.grad()};
}

// References near the policy's log-probabilities, as in training.
void add_references(Example &example) {
    const auto halves = sequence_logps(example.logits.to(at::kDouble), example.labels).chunk(2);
    example.ref_chosen = (halves[0] + 5 * at::randn(halves[0].sizes())).to(at::kFloat);
    example.ref_rejected = (halves[1] + 5 * at::randn(halves[1].sizes())).to(at::kFloat);
}

Example random_example(int64_t pairs, int64_t tokens, int64_t columns, double spread) {
    Example example;
    example.logits = spread * at::randn({2 * pairs, tokens, columns});
    example.labels = at::randint(columns, {2 * pairs, tokens}, at::kLong);
    // Prompts, and answers of different lengths.
    for (int64_t i = 0; i < 2 * pairs; i++) {
        example.labels[i].slice(0, 0, tokens / 4) = -100;
        example.labels[i].slice(0, tokens - i % (tokens / 2)) = -100;
    }
    add_references(example);
    return example;
}

struct Difference {
    double loss;        // of the float64 loss
    double gradient;    // of the largest element
    double by_element;  // of each element, where float64 itself is good to 8 digits
};

Difference difference(const Answer &answer, const Answer &exact) {
    const Tensor loss = exact.loss, grads = exact.grads, got = answer.grads.to(at::kDouble);
    const double scale = grads.abs().max().item<double>();
    const Tensor apart = (got - grads).abs();
    // 1 - p has lost digits in float64 too where it is small; what is below a type's normal numbers is rounded coarsely.
    const double smallest = answer.grads.scalar_type() == at::kHalf ? std::ldexp(1.0, -14) : 1.2e-38;
    const Tensor counts = grads.abs() > std::max(1e-8 * scale, smallest);
    return {((answer.loss.to(at::kDouble) - loss).abs() / loss.abs()).item<double>(), apart.max().item<double>() / scale,
            (apart / grads.abs()).masked_select(counts).max().item<double>()};
}

void print(const char *name, const Answer &answer, const Answer &exact) {
    const Difference found = difference(answer, exact);
    std::printf("  %-34s loss %.9f (%.1e)   gradient %.1e of the largest, %.1e of each element\n", name,
                answer.loss.to(at::kDouble).item<double>(), found.loss, found.gradient, found.by_element);
}

// What preflane's steps of rounding may add up to: token_logps and their sums to float (0.51 ULP each), times beta, move the
// margin; the loss and the gradient follow it with a slope of at most 1 (as a share of themselves), and are rounded themselves.
void compare(const char *title, const Example &example) {
    const at::ScalarType type = example.logits.scalar_type();
    const bool single_precision = type == at::kFloat;
    const Answer exact = by_torch(example, at::kDouble), ours = by_preflane(example, example.logits);
    const auto sums = sequence_logps(example.logits.to(at::kDouble), example.labels).abs().chunk(2);
    const double ulp = std::ldexp(1.0, -23);
    const double margin = BETA * 1.02 * ulp * (sums[0] + sums[1]).max().item<double>();
    const double loss_bound = margin / exact.loss.item<double>() + 1.1 * ulp;
    const double last_place = single_precision ? 0 : std::ldexp(1.0, type == at::kHalf ? -10 : -7);
    const double gradient_bound = margin + 1.6 * ulp + 0.501 * last_place;

    std::printf("%s\n  %-34s loss %.9f\n", title, "torch, float64", exact.loss.item<double>());
    print("preflane", ours, exact);
    const Answer single = by_torch(example, at::kFloat);
    if (single_precision) {
        print("torch, float32", single, exact);
    } else {
        print("torch, upcast to float32", {single.loss, single.grads.to(type)}, exact);
        print("torch, without upcast", by_torch(example, type), exact);
    }
    const Difference found = difference(ours, exact);
    std::printf("  bounds for preflane: loss %.1e, gradient %.1e of each element\n", loss_bound, gradient_bound);
    expect(found.loss <= loss_bound && found.by_element <= gradient_bound, title);
}

// Every token of the answers has logit `lead`, the rest of its row 0: its probability is 1 - (columns - 1) e^-lead, nearly.
void nearly_certain(double lead) {
    Example example = random_example(1, 32, 32000, 0);
    const Tensor targets = shifted(example.labels);
    example.logits.scatter_(2, targets.clamp_min(0).unsqueeze(2), lead);
    example.logits.masked_fill_((targets == -100).unsqueeze(2), 0);
    const double q = 31999 * std::exp(-lead), logp = -std::log1p(q);
    const Tensor tokens = (targets != -100).sum(1).to(at::kDouble);
    example.ref_chosen = example.ref_rejected = at::zeros({1});
    const double margin = BETA * logp * (tokens[0] - tokens[1]).item<double>();
    const double exact = -BETA / (1 + std::exp(margin)) * q / (1 + q);  // by the logit of a chosen token
    const int64_t row = 16;                                             // an answer's token, which no mask covers
    const auto gradient = [&](const Answer &answer) {
        return answer.grads[0][row][targets[0][row].item<int64_t>()].to(at::kDouble).item<double>();
    };
    const double ours = gradient(by_preflane(example, example.logits));
    std::printf("lead %2.0f: exact %.9e   preflane %.9e   torch float32 %.9e   torch float64 %.9e\n", lead, exact, ours,
                gradient(by_torch(example, at::kFloat)), gradient(by_torch(example, at::kDouble)));
    expect(std::fabs(ours / exact - 1) <= 3e-7, "gradient of a nearly certain token");
}

void same_bits() {
    const Example example = random_example(3, 40, 5000, 3);
    const Answer one = by_preflane(example, example.logits);
    const auto same = [&](const Answer &other) { return at::equal(one.loss, other.loss) && at::equal(one.grads, other.grads); };

    const int threads = at::get_num_threads();
    at::set_num_threads(2);
    expect(same(by_preflane(example, example.logits)), "same bits on 2 threads");
    at::set_num_threads(threads);

    const Tensor padded = at::full({6, 40, 5056}, NAN);
    padded.slice(2, 0, 5000) = example.logits;
    const Tensor view = padded.slice(2, 0, 5000);
    expect(preflane_torch::rows_evenly_spaced(view).data_ptr() == view.data_ptr(), "a padded vocabulary is not copied");
    expect(same(by_preflane(example, view)), "same bits for a padded vocabulary");
    expect(same(by_preflane(example, example.logits.transpose(0, 1).contiguous().transpose(0, 1))), "same bits, tokens first");
    expect(same(by_preflane(example, example.logits.transpose(1, 2).contiguous().transpose(1, 2))), "same bits, columns apart");

    // Autograd's chain goes on through the loss.
    const Tensor logits = example.logits.detach().requires_grad_();
    const auto [loss, chosen, rejected] =
        preflane_torch::dpo(logits, example.labels, example.ref_chosen, example.ref_rejected, BETA);
    (loss * 4).backward();
    expect(at::equal(logits.grad(), one.grads * 4), "four times the loss, four times the gradient");
    expect(!chosen.requires_grad() && !rejected.requires_grad(), "rewards are not differentiable");
    std::printf("same bits: 1 and 2 threads, padded vocabulary without a copy, permuted tensors, scaled loss\n");
}

void refusals() {
    const Example good = random_example(1, 8, 100, 1);
    const auto refused = [&](const char *what, const std::function<void(Example &)> &spoil, double beta = BETA) {
        Example example = good;
        example.logits = good.logits.clone();
        example.labels = good.labels.clone();
        spoil(example);
        try {
            preflane_torch::dpo(example.logits, example.labels, example.ref_chosen, example.ref_rejected, beta);
            expect(false, what);
        } catch (const c10::Error &error) {
            std::printf("  %s\n", error.what_without_backtrace());
        }
    };
    std::printf("refused:\n");
    refused("float64 logits", [](Example &e) { e.logits = e.logits.to(at::kDouble); });
    refused("logits of two dimensions", [](Example &e) { e.logits = e.logits[0]; });
    refused("logits on another device", [](Example &e) { e.logits = e.logits.to(at::kMeta); });
    refused("int32 labels", [](Example &e) { e.labels = e.labels.to(at::kInt); });
    refused("labels of another shape", [](Example &e) { e.labels = e.labels.slice(1, 1); });
    refused("a label beyond the vocabulary", [](Example &e) { e.labels[1][3] = 100; });
    refused("an answer without tokens", [](Example &e) { e.labels[1].fill_(-100); });
    refused("references of another length", [](Example &e) { e.ref_chosen = at::zeros({2}); });
    refused("references in float64", [](Example &e) { e.ref_rejected = e.ref_rejected.to(at::kDouble); });
    refused("beta 0", [](Example &) {}, 0);

    const Tensor leaf = good.logits.detach().requires_grad_();
    const auto backward_refused = [&](const char *what, const std::function<void(Tensor &, const Tensor &)> &act) {
        Tensor logits = leaf * 1;
        const Tensor loss = std::get<0>(preflane_torch::dpo(logits, good.labels, good.ref_chosen, good.ref_rejected, BETA));
        try {
            act(logits, loss);
            expect(false, what);
        } catch (const c10::Error &error) {
            const std::string message = error.what_without_backtrace();
            std::printf("  %s\n", message.substr(0, message.find(':')).c_str());
        }
    };
    backward_refused("a second derivative", [&](Tensor &, const Tensor &loss) {
        torch::autograd::grad({loss}, {leaf}, {}, true, true);
    });
    backward_refused("logits changed before backward", [](Tensor &logits, const Tensor &loss) {
        logits.add_(1);
        loss.backward();
    });
}

// Reads one tensor of a safetensors file: its own small subset of JSON, as the format's writers print it.
Tensor read_safetensor(const std::string &path, const std::string &name) {
    std::ifstream file(path, std::ios::binary);
    uint64_t length = 0;
    file.read(reinterpret_cast<char *>(&length), sizeof length);
    TORCH_CHECK(file && length < (1 << 20), path, ": not a safetensors file");
    std::string header(length, ' ');
    file.read(header.data(), std::streamsize(length));
    const size_t entry = header.find('"' + name + "\":{");
    TORCH_CHECK(file && entry != std::string::npos, path, ": no tensor ", name);
    const auto numbers = [&](const char *key) {
        const size_t at = header.find(key, entry);
        TORCH_CHECK(at != std::string::npos, path, ": no ", key);
        std::vector<int64_t> found;
        const char *next = header.c_str() + header.find('[', at) + 1;
        for (char *end = nullptr; found.size() < 8; next = end + 1) {
            found.push_back(std::strtoll(next, &end, 10));
            if (*end != ',') return found;
        }
        return found;
    };
    const size_t dtype = header.find("\"dtype\":\"", entry) + 9;
    const auto is = [&](const char *wanted) { return header.compare(dtype, std::strlen(wanted), wanted) == 0; };
    TORCH_CHECK(is("F32\"") || is("BF16\"") || is("I64\""), path, ": ", name, " has a type that this program does not read");
    const at::ScalarType type = is("F32\"") ? at::kFloat : is("BF16\"") ? at::kBFloat16 : at::kLong;
    const Tensor tensor = at::empty(numbers("\"shape\":"), type);
    const auto offsets = numbers("\"data_offsets\":");
    TORCH_CHECK(offsets.size() == 2 && uint64_t(offsets[1] - offsets[0]) == tensor.nbytes(), path, ": ", name, " has a wrong size");
    file.seekg(std::streamoff(8 + length) + offsets[0]);
    file.read(static_cast<char *>(tensor.mutable_data_ptr()), std::streamsize(tensor.nbytes()));
    TORCH_CHECK(file, path, ": too short");
    return tensor;
}

double median(std::vector<double> &times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

// Freed memory is kept: else malloc gives blocks of some sizes back, and the kernel's zeroing of new pages is what is measured.
void keep_memory() {
#ifdef __GLIBC__
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 2147483647);
    mallopt(M_TOP_PAD, 1 << 28);
#endif
}

void timing(at::ScalarType type, bool masked) {
    at::set_num_threads(1);
    Example example = random_example(2, 64, 32000, 2);
    if (!masked) example.labels = at::randint(32000, {4, 64}, at::kLong);
    example.logits = example.logits.to(type);
    const Tensor logits = example.logits.detach().requires_grad_(), targets = shifted(example.labels).flatten();
    const std::vector<std::pair<const char *, std::function<Tensor()>>> ways = {
        {"preflane",
         [&] {
             return std::get<0>(preflane_torch::dpo(logits, example.labels, example.ref_chosen, example.ref_rejected, BETA));
         }},
        {"torch: log_softmax, gather, sum", [&] { return loss_of(sequence_logps(logits.to(at::kFloat), example.labels), example); }},
        {"torch: cross_entropy, sum",
         [&] {
             namespace F = torch::nn::functional;
             const auto options = F::CrossEntropyFuncOptions().ignore_index(-100).reduction(torch::kNone);
             const Tensor flat = logits.view({-1, logits.size(2)}).to(at::kFloat);
             return loss_of(-F::cross_entropy(flat, targets, options).view({logits.size(0), -1}).sum(1), example);
         }},
    };
    std::vector<std::vector<double>> times(ways.size());
    for (int turn = 0; turn < 16; turn++) {
        for (size_t way = 0; way < ways.size(); way++) {
            logits.mutable_grad() = Tensor();
            const auto start = std::chrono::steady_clock::now();
            ways[way].second().backward();
            const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
            if (turn > 0) times[way].push_back(took.count());
        }
    }
    std::printf("time, 256 rows (%lld that count) of 32,000 %s logits, forward and backward, 1 thread, median of 15 by turns\n",
                static_cast<long long>((targets != -100).sum().item<int64_t>()), type == at::kFloat ? "float" : "bf16");
    const double ours = median(times[0]);
    for (size_t way = 0; way < ways.size(); way++) {
        const double took = median(times[way]);
        std::printf("  %-34s %7.2f ms   %.2f x preflane's\n", ways[way].first, took, took / ours);
    }
}

int run(int count, char **arguments) {
    preflane_error error{};
    if (preflane_abi_version() != PREFLANE_ABI_VERSION || preflane_check_environment(&error) != PREFLANE_OK) {
        std::fprintf(stderr, "preflane %s: %s\n", preflane_version(), error.message);
        return 2;
    }
    std::printf("preflane %s (%s), torch %s\n\n", preflane_version(), preflane_level_name(preflane_best_level()), TORCH_VERSION);
    at::manual_seed(1);

    std::printf("Differences from torch's float64 in parentheses and for the gradient by the logits\n\n");
    Example example = random_example(4, 64, 32000, 3);
    compare("random float logits [8, 64, 32000]", example);
    example.logits = example.logits.to(at::kBFloat16);
    add_references(example);
    compare("the same in bf16", example);
    example = random_example(4, 64, 3000, 3);
    example.logits = example.logits.to(at::kHalf);
    add_references(example);
    compare("random half logits [8, 64, 3000]", example);
    if (count > 1) {
        Example real;
        real.logits = read_safetensor(arguments[1], "logits");
        real.labels = read_safetensor(arguments[1], "labels");
        add_references(real);
        compare("the file's logits", real);
        real.logits = real.logits.to(at::kBFloat16);
        add_references(real);
        compare("the same in bf16", real);
    }

    std::printf("\ngradient by the logit of a chosen token that leads its row of 32,000\n");
    for (const double lead : {10.0, 20.0, 30.0, 40.0, 60.0}) nearly_certain(lead);
    std::printf("\n");
    same_bits();
    refusals();
    std::printf("\n");
    std::fflush(stdout);
    keep_memory();
    timing(at::kFloat, false);
    timing(at::kFloat, true);
    timing(at::kBFloat16, false);
    std::printf(failed ? "\nFAILED\n" : "\nall within their bounds\n");
    return failed ? 1 : 0;
}

}  // namespace

int main(int count, char **arguments) {
    try {
        return run(count, arguments);
    } catch (const c10::Error &error) {
        std::fprintf(stderr, "%s\n", error.what_without_backtrace());
        return 2;
    }
}
