#!/usr/bin/env python3
"""PyTorch on the CPU against preflane from logits to log-probabilities and back, by turns on the same machine.

Installation as `pytorch.py` says. 256 rows; f32 and bf16:

- forward: the targets' log-probabilities, by log_softmax and gather, and by gather less logsumexp;
- step: cross_entropy forward and backward, the logits' gradient included (preflane: `token_logps` and
  `logits_grad_in_place`).

A ratio is the median over rounds of PyTorch's time by the mean of preflane's before and after it.
"""

import argparse
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from pytorch import Preflane, quartiles, time_torch

ROWS = 256
COLUMNS = [32000, 128256, 151936]
GOALS = {"forward": 4, "step": 10}


def log_softmax(logits, labels):
    with torch.no_grad():
        return torch.gather(F.log_softmax(logits, -1), 1, labels[:, None])


def logsumexp(logits, labels):
    with torch.no_grad():
        return torch.gather(logits, 1, labels[:, None])[:, 0] - torch.logsumexp(logits, -1)


def cross_entropy(logits, labels):
    logits.grad = None
    F.cross_entropy(logits, labels).backward()
    return logits.grad


SUBJECTS = [("log_softmax, gather", "forward", log_softmax), ("gather, logsumexp", "forward", logsumexp),
            ("cross_entropy, backward", "step", cross_entropy)]


def main():
    parser = argparse.ArgumentParser(description="PyTorch on the CPU against preflane, from logits.")
    parser.add_argument("--columns", type=int, nargs="+", default=COLUMNS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    preflane = Preflane("logits")
    load = Path("/proc/loadavg")
    if load.exists():
        print(f"Load average: {load.read_text().strip()}")
    level = preflane.ask(COLUMNS[0], 1, "f32", "forward")["level"]
    print(f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), preflane level {level}")
    print()
    print("| columns | threads | type | PyTorch | PyTorch, us a row | preflane, us a row | ratio | goal | holds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for columns in arguments.columns:
            generator = torch.Generator().manual_seed(1)
            single = torch.rand(ROWS, columns, generator=generator) * 20 - 10
            labels = torch.arange(ROWS) * 7919 % columns
            for name, kind in [("f32", torch.float32), ("bf16", torch.bfloat16)]:
                logits = single.to(kind).detach().clone().requires_grad_()
                for title, what, run in SUBJECTS:
                    ours, theirs, ratios = [], [], []
                    for _ in range(arguments.rounds):
                        before = preflane.ask(columns, threads, name, what)["ns"]
                        torch_ns = time_torch(lambda x: run(x, labels), logits, seconds=0.1, turns=3) / ROWS
                        after = preflane.ask(columns, threads, name, what)["ns"]
                        ours.append((before + after) / 2)
                        theirs.append(torch_ns)
                        ratios.append(torch_ns / ours[-1])
                    middle = [statistics.median(x) / 1000 for x in (theirs, ours)]
                    holds = "yes" if statistics.median(ratios) >= GOALS[what] else "**no**"
                    print(f"| {columns} | {threads} | {name} | {title} | {middle[0]:.1f} | {middle[1]:.1f} "
                          f"| {quartiles(ratios)} | {GOALS[what]} | {holds} |", flush=True)
    preflane.close()


if __name__ == "__main__":
    main()
