#!/usr/bin/env python3
"""PyTorch on the CPU against preflane, by turns on the same machine.

Install, in a virtual environment (Python 3.10 or later, a Rust toolchain; a C++ compiler for torch.compile):

    pip install torch numpy

Run, in the repository or anywhere else:

    python benches/pytorch.py                    # everything: some 10 minutes, most of it torch.compile
    python benches/pytorch.py --pairs 64 --threads 1 --no-compile --rounds 5

The formula is that of TRL's DPOTrainer (loss type "sigmoid", reverse KL), in f32:

- forward: per-pair losses and both rewards, without a graph;
- backward: the same, the mean loss and its gradients by both policy log-probabilities (preflane: of each pair's loss);
- step: backward, and what TRL logs (accuracies, margins, means of rewards and log-probabilities, as Python floats).

preflane computes the same outputs by `cargo bench --bench pairs` with PREFLANE_BENCH_JSON=1, in a process of its own:
per-pair losses and both rewards; with backward, both gradients; with step, its exact metrics. It runs before and after
every measurement of PyTorch, while PyTorch waits; a ratio is the median over rounds of PyTorch's time by the mean of
the two. preflane writes to memory that stays; PyTorch allocates its results, as it does in training.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

BETA = 0.1
PAIRS = [8, 64, 1024, 65536, 1 << 20]
KINDS = ["forward", "backward", "step"]
GOALS = {64: 100, 1 << 20: 15}


class Preflane:
    """The benchmark binary, which answers requests on its standard input; one that greets says first what there is."""

    def __init__(self, bench="pairs", greets=False):
        root = Path(__file__).resolve().parent.parent
        build = ["cargo", "bench", "--bench", bench, "--no-run", "--message-format=json-render-diagnostics"]
        messages = subprocess.run(build, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
        binaries = [
            message["executable"]
            for message in map(json.loads, messages.splitlines())
            if message.get("executable") and message["target"]["name"] == bench
        ]
        self.process = subprocess.Popen(
            [binaries[-1]],
            env={**os.environ, "PREFLANE_BENCH_JSON": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = json.loads(self.process.stdout.readline()) if greets else None

    def ask(self, *request):
        print(*request, file=self.process.stdin)
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def time(self, pairs, threads, kind):
        """Nanoseconds a pair."""
        return self.ask(pairs, threads, kind)["ns_per_pair"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def dpo(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps):
    """TRL's formula: losses, chosen rewards, rejected rewards."""
    chosen_logratios = chosen_logps - ref_chosen_logps
    rejected_logratios = rejected_logps - ref_rejected_logps
    losses = -F.logsigmoid(BETA * (chosen_logratios - rejected_logratios))
    return losses, BETA * chosen_logratios.detach(), BETA * rejected_logratios.detach()


def dpo_mean(*logps):
    """The same with the mean of the losses."""
    losses, chosen_rewards, rejected_rewards = dpo(*logps)
    return losses.mean(), chosen_rewards, rejected_rewards


def metrics(chosen_logps, rejected_logps, chosen_rewards, rejected_rewards):
    """What TRL logs, but the loss."""
    return (
        (chosen_rewards > rejected_rewards).float().mean(),
        (chosen_rewards - rejected_rewards).mean(),
        chosen_rewards.mean(),
        rejected_rewards.mean(),
        chosen_logps.detach().mean(),
        rejected_logps.detach().mean(),
    )


def step_of(mean, logged):
    """Backward and what is logged, given the functions to use for each."""

    def step(logps):
        chosen_logps, rejected_logps, *_ = logps
        chosen_logps.grad = rejected_logps.grad = None
        loss, *rewards = mean(*logps)
        loss.backward()
        return [x.item() for x in (loss.detach(), *logged(chosen_logps, rejected_logps, *rewards))]

    return step


def backward_of(mean):
    def backward(logps):
        chosen_logps, rejected_logps, *_ = logps
        chosen_logps.grad = rejected_logps.grad = None
        loss, *rewards = mean(*logps)
        loss.backward()
        return loss, rewards

    return backward


def forward_of(function):
    def forward(logps):
        with torch.no_grad():
            return function(*logps)

    return forward


def subjects(compiled):
    """What PyTorch runs, by kind."""
    wrap = (lambda f: torch.compile(f, dynamic=False)) if compiled else (lambda f: f)
    mean = wrap(dpo_mean)
    return {"forward": forward_of(wrap(dpo)), "backward": backward_of(mean), "step": step_of(mean, wrap(metrics))}


def log_probabilities(pairs):
    """As the benchmark binary draws them: the reference in -500..0, the policy within 20 of it."""
    random = numpy.random.default_rng(20261101)
    reference = random.uniform(-500.0, 0.0, (2, pairs))
    policy = -numpy.abs(reference + random.uniform(-20.0, 20.0, (2, pairs)))
    tensors = [torch.from_numpy(x.astype(numpy.float32)) for x in (*policy, *reference)]
    for tensor in tensors[:2]:
        tensor.requires_grad_()
    return tensors


def time_torch(run, logps, seconds=0.005, turns=5):
    """Nanoseconds of one call: the median of a few batches of calls, after one that is not counted."""
    times = []
    calls = 1
    start = time.perf_counter_ns()
    run(logps)
    while time.perf_counter_ns() - start < seconds * 1e9:
        run(logps)
        calls += 1
    for _ in range(turns):
        start = time.perf_counter_ns()
        for _ in range(calls):
            run(logps)
        times.append((time.perf_counter_ns() - start) / calls)
    return statistics.median(times)


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def measure(preflane, run, logps, pairs, threads, kind, rounds):
    """The medians of both, in nanoseconds a pair, and every round's ratio."""
    ours, theirs, ratios = [], [], []
    for _ in range(rounds):
        before = preflane.time(pairs, threads, kind)
        torch_ns = time_torch(run, logps) / pairs
        after = preflane.time(pairs, threads, kind)
        mean = (before + after) / 2
        ours.append(mean)
        theirs.append(torch_ns)
        ratios.append(torch_ns / mean)
    return statistics.median(ours), statistics.median(theirs), ratios


def main():
    parser = argparse.ArgumentParser(description="PyTorch on the CPU against preflane.")
    parser.add_argument("--pairs", type=int, nargs="+", default=PAIRS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="eager only")
    arguments = parser.parse_args()

    preflane = Preflane()
    level = preflane.ask(8, 1, "forward")["level"]
    load = Path("/proc/loadavg")
    if load.exists():
        print(f"Load average: {load.read_text().strip()}")
    print(f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), preflane level {level}")
    print()
    print("| pairs | threads | what | PyTorch | PyTorch, ns a pair | preflane, ns a pair | ratio | goal | holds |")
    print("|---|---|---|---|---|---|---|---|---|")
    failures = {}
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for pairs in arguments.pairs:
            logps = log_probabilities(pairs)
            for compiled in [False] if arguments.no_compile else [False, True]:
                # Every shape and number of threads is compiled afresh.
                torch.compiler.reset()
                name = "compile" if compiled else "eager"
                for kind, run in subjects(compiled).items():
                    try:
                        for _ in range(3):
                            run(logps)
                    except Exception as error:  # Whatever the compiler's failure is called, its name is the result.
                        if not compiled:
                            raise
                        failures[f"{type(error).__name__} ({kind})"] = str(error).strip().splitlines()[0]
                        failed = f"failed: {type(error).__name__}"
                        print(f"| {pairs} | {threads} | {kind} | {name} | {failed} | - | - | - | - |")
                        continue
                    ours, theirs, ratios = measure(preflane, run, logps, pairs, threads, kind, arguments.rounds)
                    goal = GOALS.get(pairs) if threads == 1 else None
                    holds = "" if goal is None else "yes" if statistics.median(ratios) >= goal else "**no**"
                    print(
                        f"| {pairs} | {threads} | {kind} | {name} | {theirs:.2f} | {ours:.2f} | {quartiles(ratios)} "
                        f"| {goal or ''} | {holds} |",
                        flush=True,
                    )
    preflane.close()
    for name, message in failures.items():
        print(f"torch.compile failed with {name}: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
