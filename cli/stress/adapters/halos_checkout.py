"""ContextualAI/HALOs, from a checkout. halos_checkout.py CHECKOUT NAME

dpo, cdpo, ipo, simpo  its losses, of answers of one token (IPO's beta is its tau)
logps                  its log-probabilities, summed, for --loss sum-logps
"""

import sys
from types import SimpleNamespace

from preflane_stress import pairs, sequences, shifted

from checkout import take

import torch

CLASSES = {"dpo": "DPOTrainer", "cdpo": "CDPOTrainer", "ipo": "IPOTrainer", "simpo": "SimPOTrainer"}
if len(sys.argv) != 3 or sys.argv[2] not in (*CLASSES, "logps"):
    sys.exit(__doc__)
names = ["BasicTrainer", "PairedPreferenceTrainer", *CLASSES.values()]
space = take(f"{sys.argv[1]}/train/trainers.py", names)


def trainer(name, p):
    this = object.__new__(space[name])
    parameters = SimpleNamespace(
        beta=p.get("beta"),
        tau=p.get("beta"),
        epsilon=p.get("label_smoothing"),
        # Its margin is scaled by beta.
        gamma_beta_ratio=p["gamma"] / p["beta"] if "gamma" in p else None,
    )
    this.config = SimpleNamespace(humanline=False, loss=parameters)
    this.policy_dtype = torch.float32
    this.accelerator = SimpleNamespace(device="cpu")
    return this


def loss(pc, pr, rc, rr, p):
    # A sequence of one token each.
    tokens = [x.unsqueeze(1) for x in (pc, pr, rc, rr)]
    return trainer(CLASSES[sys.argv[2]], p).loss({}, *tokens)[0]


if sys.argv[2] == "logps":
    sequences(lambda logits, labels, mean: trainer("BasicTrainer", {}).get_batch_logps(*shifted(logits, labels)).sum(-1))
else:
    pairs(loss)
