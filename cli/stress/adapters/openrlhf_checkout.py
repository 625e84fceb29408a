"""OpenRLHF, from its unpacked source. openrlhf_checkout.py SOURCE NAME

dpo, ipo  its DPOLoss, with label smoothing if it is given one
"""

import sys

from preflane_stress import pairs

from checkout import take

import torch

if len(sys.argv) != 3 or sys.argv[2] not in ("dpo", "ipo"):
    sys.exit(__doc__)
Loss = take(f"{sys.argv[1]}/openrlhf/models/loss.py", ["DPOLoss"])["DPOLoss"]


def loss(pc, pr, rc, rr, p):
    # It returns the batch's mean: pair by pair, that is the loss.
    function = Loss(p["beta"], p.get("label_smoothing", 0.0), sys.argv[2] == "ipo")
    return torch.stack([function(*row)[0] for row in zip(*(x.split(1) for x in (pc, pr, rc, rr)))])


pairs(loss)
