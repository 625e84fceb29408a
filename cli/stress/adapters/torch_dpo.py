"""PyTorch's own functions, put together as everyone does. torch_dpo.py NAME

dpo, cdpo    -logsigmoid
log-sigmoid  log(sigmoid(z))
softplus     log(1 + exp(-z))
log_softmax  log_softmax and gather, for --loss sum-logps and mean-logps
"""

import sys

from preflane_stress import pairs, sequences

import torch
import torch.nn.functional as F


def z(pc, pr, rc, rr, p):
    return p["beta"] * ((pc - pr) - (rc - rr))


def cdpo(*inputs):
    eps = inputs[4]["label_smoothing"]
    return -F.logsigmoid(z(*inputs)) * (1 - eps) - F.logsigmoid(-z(*inputs)) * eps


def log_softmax(logits, labels, mean):
    mask = labels >= 0
    logps = logits.log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1) * mask
    # A mean over no tokens is 0 here, by choice.
    return logps.sum(-1) / mask.sum(-1).clamp(min=1) if mean else logps.sum(-1)


PAIRS = {
    "dpo": lambda *inputs: -F.logsigmoid(z(*inputs)),
    "cdpo": cdpo,
    "log-sigmoid": lambda *inputs: -torch.log(torch.sigmoid(z(*inputs))),
    "softplus": lambda *inputs: torch.log(1 + torch.exp(-z(*inputs))),
}

name = sys.argv[1] if len(sys.argv) > 1 else "dpo"
if name == "log_softmax":
    sequences(log_softmax)
elif name in PAIRS:
    pairs(PAIRS[name])
else:
    sys.exit(__doc__)
