"""ContextualAI/HALOs, from a checkout. halos_checkout.py CHECKOUT NAME

dpo, cdpo, ipo, simpo, slic, kto  its losses, of answers of one token (IPO's beta is its tau; slic without the likelihood)
logps                             its log-probabilities, summed, for --loss sum-logps
"""

import sys
from types import SimpleNamespace

from preflane_stress import labelled, pairs, sequences, shifted

from checkout import take

import torch

CLASSES = {
    "dpo": "DPOTrainer",
    "cdpo": "CDPOTrainer",
    "ipo": "IPOTrainer",
    "simpo": "SimPOTrainer",
    "slic": "SLiCTrainer",
    "kto": "KTOTrainer",
}
if len(sys.argv) != 3 or sys.argv[2] not in (*CLASSES, "logps"):
    sys.exit(__doc__)
names = ["BasicTrainer", "PairedPreferenceTrainer", "UnpairedPreferenceTrainer", *CLASSES.values()]
space = take(f"{sys.argv[1]}/train/trainers.py", names)


def trainer(name, p):
    this = object.__new__(space[name])
    parameters = SimpleNamespace(
        # The margin that SLiC is to reach is called beta too.
        beta=p["delta"] if "delta" in p else p.get("beta"),
        lambda_coef=0.0,
        desirable_weight=p.get("desirable_weight"),
        undesirable_weight=p.get("undesirable_weight"),
        tau=p.get("beta"),
        epsilon=p.get("label_smoothing"),
        # Its margin is scaled by beta.
        gamma_beta_ratio=p["gamma"] / p["beta"] if "gamma" in p else p.get("gamma_beta_ratio"),
    )
    this.config = SimpleNamespace(humanline=False, loss=parameters)
    this.policy_dtype = torch.float32
    this.accelerator = SimpleNamespace(device="cpu", reduce=lambda x, reduction: x)
    return this


def loss(pc, pr, rc, rr, p):
    # A sequence of one token each.
    tokens = [x.unsqueeze(1) for x in (pc, pr, rc, rr)]
    this = trainer(CLASSES[sys.argv[2]], p)
    if sys.argv[2] != "slic":
        return this.loss({}, *tokens)[0]
    # It adds what it has of each token to what it has of each answer, which broadcasts: pair by pair, that is the loss.
    rows = zip(*(x.split(1) for x in tokens))
    return torch.cat([this.loss({}, *row)[0].reshape(1) for row in rows])


def kto(labels, policy, reference, points, p):
    def one(label, policy, reference, point):
        # An answer and no other of the other label; the reference point is what a third one's log-ratio says.
        nothing = policy.new_zeros(0, 1)
        policies, references = ([policy, nothing], [reference, nothing]) if label else ([nothing, policy], [nothing, reference])
        return trainer("KTOTrainer", p).loss({}, *policies, point, *references, torch.zeros_like(point))[0]

    columns = [x.reshape(-1, 1, 1).unbind(0) for x in (policy, reference, points)]
    return torch.cat([one(*row) for row in zip(labels.tolist(), *columns)])


if sys.argv[2] == "logps":
    sequences(lambda logits, labels, mean: trainer("BasicTrainer", {}).get_batch_logps(*shifted(logits, labels)).sum(-1))
elif sys.argv[2] == "kto":
    labelled(kto)
else:
    pairs(loss)
