"""Liger kernel, as installed. liger_losses.py NAME

sigmoid, robust, hinge, discopop, exo_pair, nca_pair, bco_pair, sppo_hard, apo_zero, apo_down
                  its DPO loss of that name
kto               its KTO loss, which has no weights
orpo, cpo, simpo  its losses of that name
logps             its log-probabilities, for --loss sum-logps and mean-logps
"""

import sys

from preflane_stress import labelled, pairs, sequences

import torch


def one_by_one(function, parameters):
    """It returns the batch's mean: pair by pair, that is the loss. The target only says how many answers there are."""
    target = torch.zeros(2, 1, dtype=torch.long)

    def loss(pc, pr, rc, rr, p):
        rows = []
        for a, b, c, d in zip(pc.split(1), pr.split(1), rc.split(1), rr.split(1)):
            rows.append(function(a, b, c, d, target, {key: p[key] for key in parameters if key in p}))
        return torch.stack(rows)

    return loss


def dpo(loss_type):
    from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction as Function

    def loss(pc, pr, rc, rr, target, p):
        if "tau" in p:
            p["discopop_tau"] = p.pop("tau")
        return Function.preference_loss_fn(pc, pr, target, rc, rr, loss_type=loss_type, **p)[0]

    return one_by_one(loss, ("beta", "label_smoothing", "tau"))


def kto():
    from liger_kernel.chunked_loss.kto_loss import LigerFusedLinearKTOFunction as Function

    # As above, the target only says how many answers there are.
    target = torch.zeros(1, 1, dtype=torch.long)

    def loss(labels, policy, reference, points, p):
        rows = zip(policy.split(1), labels.split(1), reference.split(1), points.split(1))
        return torch.stack([Function.preference_loss_fn(a, b, target, c, p["beta"], d)[0] for a, b, c, d in rows])

    return loss


def orpo():
    from liger_kernel.chunked_loss.orpo_loss import LigerFusedLinearORPOFunction as Function

    return one_by_one(lambda pc, pr, rc, rr, target, p: Function.preference_loss_fn(pc, pr, target, **p)[0], ("beta",))


def cpo():
    from liger_kernel.chunked_loss.cpo_loss import LigerFusedLinearCPOFunction as Function

    def loss(pc, pr, rc, rr, target, p):
        return Function.preference_loss_fn(pc, pr, target, **p)[0]

    return one_by_one(loss, ("beta", "label_smoothing"))


def simpo():
    from liger_kernel.chunked_loss.simpo_loss import LigerFusedLinearSimPOFunction as Function

    def loss(pc, pr, rc, rr, target, p):
        return Function.preference_loss_fn(pc, pr, target, **p)[0]

    return one_by_one(loss, ("beta", "gamma"))


def logps(logits, labels, mean):
    from liger_kernel.chunked_loss.fused_linear_preference import LigerFusedLinearPreferenceBase as Base

    # The last layer's weights are the identity: its inputs are the logits. Rows come in pairs.
    twice, weights = torch.cat([logits, logits]), torch.eye(logits.shape[-1], dtype=logits.dtype)
    return Base.chunk_forward(twice, weights, labels.repeat(2, 1), compute_nll_loss=False, average_log_prob=mean)[0]


DPO = "sigmoid robust hinge discopop exo_pair nca_pair bco_pair sppo_hard apo_zero apo_down".split()
LOSSES = {"orpo": orpo, "cpo": cpo, "simpo": simpo}

name = sys.argv[1] if len(sys.argv) > 1 else ""
if name == "logps":
    sequences(logps)
elif name in LOSSES:
    pairs(LOSSES[name]())
elif name in DPO:
    pairs(dpo(name))
elif name == "kto":
    labelled(kto())
else:
    sys.exit(__doc__)
