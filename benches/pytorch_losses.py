#!/usr/bin/env python3
"""PyTorch on the CPU against preflane: every loss of pairs with its gradients, by turns on the same machine, one thread.

Installation as `pytorch.py` says. Run, in the repository or anywhere else:

    python benches/pytorch_losses.py                                # everything; most of the time is torch.compile's
    python benches/pytorch_losses.py --losses dpo orpo --no-compile

PyTorch computes the textbook formula as trainers write it, in f32, the mean of 65,536 losses and its gradients by both policy
log-probabilities; preflane (`cargo bench --bench losses` with PREFLANE_BENCH_JSON=1, in a process of its own) every loss
and both gradients, on its fastest level, before and after every measurement of PyTorch. A ratio is the median over rounds
of PyTorch's time by the mean of the two. The other levels are timed once, beside them. Losses with a reference have the
data of `pytorch.py`, the others means over tokens in -4..0. PyTorch is timed whatever it gives, infinities too.
"""

import argparse
import keyword
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
import torch.nn.functional as F
from pytorch import Preflane, log_probabilities, time_torch

log_sigmoid, sigmoid, exp, relu, softplus = F.logsigmoid, torch.sigmoid, torch.exp, torch.relu, F.softplus


def smoothed(x, p):
    """Conservative DPO of x."""
    return -(1 - p.label_smoothing) * log_sigmoid(x) - p.label_smoothing * log_sigmoid(-x)


def soft(x, c):
    """The first answer is preferred with probability c."""
    return -c * log_sigmoid(x) - (1 - c) * log_sigmoid(-x)


def kl(x, y):
    """Of sigmoid(x) to sigmoid(y)."""
    return sigmoid(x) * (log_sigmoid(x) - log_sigmoid(y)) + sigmoid(-x) * (log_sigmoid(-x) - log_sigmoid(-y))


def exo(x, p):
    log_pw, log_pl = numpy.log1p(-p.label_smoothing), numpy.log(p.label_smoothing)
    return sigmoid(x) * (log_sigmoid(x) - log_pw) + sigmoid(-x) * (log_sigmoid(-x) - log_pl)


def robust(x, p):
    eps = p.label_smoothing
    return (-(1 - eps) * log_sigmoid(x) + eps * log_sigmoid(-x)) / (1 - 2 * eps)


def discopop(x, p):
    modulation = sigmoid(x / p.tau)
    return -log_sigmoid(x) * (1 - modulation) + exp(-x) * modulation


def ipo(x, p):
    return (x - 1 / (2 * p.beta)) ** 2


def odds(u, v):
    return (u - v) - (torch.log1p(-exp(u)) - torch.log1p(-exp(v)))


def shaped(x, p):
    return (1 - exp(-p.alpha * x)) / p.alpha


def tied(z, p, c):
    tie = softplus(z - p.theta) + softplus(-z - p.theta) - numpy.log(numpy.expm1(-2 * p.theta))
    return torch.where(c > 0.5, tie, softplus(-(z + p.theta)))


def clipped(u, v, clip, temperature):
    return torch.clamp((u - v) / temperature, max=clip)


def gumbel_rescaled(u, v, p):
    x = clipped(u, v, p.clip, p.temperature)
    return (exp(x - p.log_scale) - x * numpy.exp(-p.log_scale)) - numpy.exp(-p.log_scale)


# By the log-ratios u and v (of policy and reference; without a reference log-probabilities), the parameters and the column.
FORMULAS = {
    "dpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v)),
    "cdpo": lambda u, v, p, c: smoothed(p.beta * (u - v), p),
    "robust": lambda u, v, p, c: robust(p.beta * (u - v), p),
    "ipo": lambda u, v, p, c: ipo(u - v, p),
    "hinge": lambda u, v, p, c: relu(1 - p.beta * (u - v)),
    "simpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v) - p.gamma),
    "sppo_hard": lambda u, v, p, c: (u - 0.5 / p.beta) ** 2 + (v + 0.5 / p.beta) ** 2,
    "exo_pair": lambda u, v, p, c: exo(p.beta * (u - v), p),
    "simper": lambda u, v, p, c: exp(v) - exp(u),
    "rebel": lambda u, v, p, c: ((u - v) - p.eta * c) ** 2,
    "sigmoid_norm": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v)),
    "slic": lambda u, v, p, c: relu(p.delta - (u - v)),
    "nca_pair": lambda u, v, p, c: -log_sigmoid(p.beta * u) - 0.5 * log_sigmoid(-p.beta * u) - 0.5 * log_sigmoid(-p.beta * v),
    "bco_pair": lambda u, v, p, c: -log_sigmoid(p.beta * u - p.shift) - log_sigmoid(-(p.beta * v - p.shift)),
    "apo_zero": lambda u, v, p, c: 1 - sigmoid(p.beta * u) + sigmoid(p.beta * v),
    "apo_down": lambda u, v, p, c: sigmoid(p.beta * u) + 1 - sigmoid(p.beta * (u - v)),
    "discopop": lambda u, v, p, c: discopop(p.beta * (u - v), p),
    # Of values that stand in order.
    "aot": lambda u, v, p, c: smoothed(p.beta * (u - v), p),
    "aot_unpaired": lambda u, v, p, c: smoothed(p.beta * (u - v), p),
    "dpop": lambda u, v, p, c: -log_sigmoid(p.beta * ((u - v) - p.lambda_ * relu(-u))),
    "xpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v)) - p.alpha * (u + v),
    "r_dpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v) + p.alpha * c),
    "odpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v) - c),
    "soft_dpo": lambda u, v, p, c: soft(p.beta * (u - v), c),
    "soft_ipo": lambda u, v, p, c: ((u - v) - (2 * c - 1) / (2 * p.beta)) ** 2,
    "rpo_bwd": lambda u, v, p, c: kl(p.eta * c, p.beta * (u - v)),
    "rpo_fwd": lambda u, v, p, c: kl(p.beta * (u - v), p.eta * c),
    "rpo_sq": lambda u, v, p, c: (p.beta * (u - v) - p.eta * c) ** 2,
    "todo": lambda u, v, p, c: tied(p.beta * (u - v), p, c),
    "rpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v)) + p.alpha * c,
    "cpo": lambda u, v, p, c: smoothed(p.beta * (u - v), p) + p.alpha * c,
    "cpo_hinge": lambda u, v, p, c: relu(1 - p.beta * (u - v)) + p.alpha * c,
    "cpo_ipo": lambda u, v, p, c: ipo(u - v, p) + p.alpha * c,
    "cpo_simpo": lambda u, v, p, c: -log_sigmoid(p.beta * (u - v) - p.gamma) + p.alpha * c,
    "simpo_ratio": lambda u, v, p, c: -log_sigmoid(p.beta * ((u - v) - p.gamma_beta_ratio)),
    "orpo": lambda u, v, p, c: c - p.beta * log_sigmoid(odds(u, v)),
    "alphapo": lambda u, v, p, c: -log_sigmoid(p.beta * (shaped(u, p) - shaped(v, p)) - p.gamma),
    "reward_model": lambda u, v, p, c: -log_sigmoid(u - v - c) + p.centering * (u + v) ** 2,
    "nll": lambda u, v, p, c: -u,
    "sql": lambda u, v, p, c: relu(1 + (u - v) / (2 * p.alpha)) ** 2 + v / p.alpha,
    "eql": lambda u, v, p, c: exp((u - v) / p.alpha) + v / p.alpha,
    "eql_clipped": lambda u, v, p, c: exp(clipped(u, v, p.clip, p.alpha) - p.log_scale)
    + numpy.exp(-p.log_scale) * v / p.alpha,
    "gumbel": lambda u, v, p, c: exp((u - v) / p.temperature) - (u - v) / p.temperature - 1,
    "gumbel_rescaled": lambda u, v, p, c: gumbel_rescaled(u, v, p),
    "iql": lambda u, v, p, c: torch.abs(p.tau - (u < v).float()) * (u - v) ** 2,
    "cpl": lambda u, v, p, c: c * softplus(-p.beta * (u - p.contrastive_bias * v))
    + (1 - c) * softplus(-p.beta * (v - p.contrastive_bias * u)),
    "partial_return": lambda u, v, p, c: soft(u - v, c),
    "regret": lambda u, v, p, c: soft(v - u, c),
    "dppo": lambda u, v, p, c: softplus((u - p.contrastive_bias * v) / p.temperature),
}

# f-DPO: a loss of beta times the difference of scores (IPO: of the difference).
SCORES = {
    "forward_kl": lambda x, p: 1 - exp(-x),
    "js_divergence": lambda x, p: numpy.log(2) + log_sigmoid(x),
    "alpha_divergence": lambda x, p: (exp((p.alpha - 1) * x) - 1) / (p.alpha - 1),
}
LINKS = {
    "": lambda d, p: -log_sigmoid(p.beta * d),
    "_hinge": lambda d, p: relu(1 - p.beta * d),
    "_ipo": ipo,
    "_exo": lambda d, p: exo(p.beta * d, p),
    "_robust": lambda d, p: robust(p.beta * d, p),
    "_discopop": lambda d, p: discopop(p.beta * d, p),
}


def of_scores(score, link):
    return lambda u, v, p, c: link(score(u, p) - score(v, p), p)


FORMULAS |= {
    divergence + name: of_scores(score, link) for divergence, score in SCORES.items() for name, link in LINKS.items()
}


def spread(values):
    """Median and quartiles, to three digits."""
    low, middle, high = (f"{x:#.3g}".rstrip(".") for x in statistics.quantiles(values, n=4, method="inclusive"))
    return f"{middle} ({low}-{high})"


def subject(loss, rows, compiled):
    """A function that computes the loss and its gradients, and its inputs."""
    # One parameter has a keyword for a name.
    named = {name + "_" * keyword.iskeyword(name): value for name, value in loss["parameters"].items()}
    formula, p = FORMULAS[loss["name"]], SimpleNamespace(**named)
    if loss["reference"]:
        inputs = log_probabilities(rows)
    else:
        random = numpy.random.default_rng(20261101)
        columns = random.uniform(-4.0, 0.0, (2, rows)).astype(numpy.float32)
        inputs = [torch.from_numpy(column).requires_grad_() for column in columns]
    if loss["column"] is not None:
        inputs.append(torch.tensor(loss["column"], dtype=torch.float32).repeat(rows // 2))

    def mean(chosen, rejected, *others):
        if loss["reference"]:
            chosen, rejected = chosen - others[0], rejected - others[1]
        return formula(chosen, rejected, p, others[-1] if others else None).mean()

    if compiled:
        mean = torch.compile(mean, dynamic=False)

    def run(inputs):
        inputs[0].grad = inputs[1].grad = None
        mean(*inputs).backward()

    return run, inputs


def main():
    parser = argparse.ArgumentParser(description="PyTorch on the CPU against preflane: the losses of pairs.")
    parser.add_argument("--losses", nargs="+", default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-compile", action="store_true", help="eager only")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    preflane = Preflane("losses", greets=True)
    rows, levels = preflane.greeting["rows"], preflane.greeting["levels"]
    load = Path("/proc/loadavg")
    if load.exists():
        print(f"Load average: {load.read_text().strip()}")
    print(f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), {rows} pairs, one thread, ns a pair")
    print()
    kinds = ["eager"] if arguments.no_compile else ["eager", "compiled"]
    print("| loss |", " | ".join([*levels, *(f"{kind} | ratio" for kind in kinds)]), "|")
    print("|---|" + "---|" * (len(levels) + 2 * len(kinds)))
    why_not = []
    for loss in preflane.greeting["losses"]:
        name = loss["name"]
        if arguments.losses and name not in arguments.losses:
            continue
        if name not in FORMULAS:
            why_not.append(f"{name}: no formula here")
            continue
        cells, ours = [], []
        for kind in kinds:
            torch.compiler.reset()
            run, inputs = subject(loss, rows, kind == "compiled")
            try:
                for _ in range(3):
                    run(inputs)
            except Exception as error:  # Whatever the compiler's failure is called, its name is the result.
                if kind == "eager":
                    raise
                why_not.append(f"{name}: torch.compile failed with {type(error).__name__}: {str(error).strip().splitlines()[0]}")
                cells += ["-", "-"]
                continue
            theirs, ratios = [], []
            for _ in range(arguments.rounds):
                before = preflane.ask(name, levels[-1])["ns_per_pair"]
                theirs.append(time_torch(run, inputs) / rows)
                after = preflane.ask(name, levels[-1])["ns_per_pair"]
                ours.append((before + after) / 2)
                ratios.append(theirs[-1] / ours[-1])
            cells += [f"{statistics.median(theirs):.1f}", spread(ratios)]
        others = [preflane.ask(name, level)["ns_per_pair"] for level in levels[:-1]]
        print("|", " | ".join([name, *(f"{x:.1f}" for x in (*others, statistics.median(ours))), *cells]), "|", flush=True)
    preflane.close()
    for line in why_not:
        print(line, flush=True)


if __name__ == "__main__":
    main()
