"""TRL 0.24, from its unpacked source. trl_0_24_checkout.py SOURCE NAME

sigmoid, robust, hinge, ipo, exo_pair, nca_pair, bco_pair, sppo_hard, discopop, apo_zero, apo_down
                        DPOTrainer's loss of that name; bco_pair's running shift stands still
kto, apo_zero_unpaired  KTOTrainer's loss of that name
bco                     BCOTrainer's loss; its running shift stands still
simpo                   CPOTrainer's loss of that name
orpo                    ORPOTrainer's odds-ratio loss, with the sign of a loss
"""

import sys
from types import SimpleNamespace

from preflane_stress import labelled, pairs

from checkout import take

import torch

DPO = "sigmoid robust hinge ipo exo_pair nca_pair bco_pair sppo_hard discopop apo_zero apo_down".split()
TRAINERS = {
    "kto": "KTOTrainer",
    "apo_zero_unpaired": "KTOTrainer",
    "bco": "BCOTrainer",
    "simpo": "CPOTrainer",
    "orpo": "ORPOTrainer",
}
if len(sys.argv) != 3 or sys.argv[2] not in (*DPO, *TRAINERS):
    sys.exit(__doc__)
name = sys.argv[2]
trainer = TRAINERS.get(name, "DPOTrainer")
space = take(f"{sys.argv[1]}/trl/trainer/{trainer.removesuffix('Trainer').lower()}_trainer.py", [trainer])
space["FDivergenceType"] = SimpleNamespace(ALPHA_DIVERGENCE="alpha_divergence", JS_DIVERGENCE="js_divergence")
accelerator = SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x)


def still(shift):
    """A running mean that does not run."""
    return SimpleNamespace(update=lambda _: None, mean=shift)


def dpo(pc, pr, rc, rr, p):
    this = SimpleNamespace(
        accelerator=accelerator,
        reference_free=False,
        f_divergence_type="reverse_kl",
        f_divergence_params=None,
        beta=p["beta"],
        label_smoothing=p.get("label_smoothing", 0.0),
        args=SimpleNamespace(discopop_tau=p.get("tau", 0.05)),
        running=still(p.get("shift", 0.0)),
    )
    return space[trainer].dpo_loss(this, pc, pr, rc, rr, loss_type=name)[0]


def cpo(pc, pr, rc, rr, p):
    this = SimpleNamespace(
        accelerator=accelerator,
        # What it calls alpha shapes AlphaPO's reward, and with 0 does nothing.
        alpha=0.0,
        beta=p["beta"],
        simpo_gamma=p["gamma"],
        label_smoothing=p.get("label_smoothing", 0.0),
        loss_type="simpo",
    )
    return space[trainer].cpo_loss(this, pc, pr)[0]


def orpo(pc, pr, rc, rr, p):
    return -space[trainer].odds_ratio_loss(SimpleNamespace(beta=p["beta"], accelerator=accelerator), pc, pr)[0]


def by_class(loss):
    """Answers of a loss that takes the desirable ones and the others apart, one answer at a time."""

    def one(label, policy, reference, point, p):
        answer, nothing = (policy.reshape(1), reference.reshape(1)), (policy.new_zeros(0), reference.new_zeros(0))
        (pc, rc), (pr, rr) = (answer, nothing) if label else (nothing, answer)
        return loss(pc, pr, rc, rr, point.reshape(1), p).reshape(())

    return lambda labels, *rest: torch.stack([one(*row, rest[-1]) for row in zip(labels, *rest[:-1])])


def kto(pc, pr, rc, rr, point, p):
    this = SimpleNamespace(
        accelerator=accelerator,
        calculate_KL=name == "kto",
        loss_type=name,
        beta=p["beta"],
        desirable_weight=p["desirable_weight"],
        undesirable_weight=p["undesirable_weight"],
    )
    # The reference point is what another answer's log-ratio says.
    return space[trainer].kto_loss(this, pc, pr, point, rc, rr, torch.zeros_like(point))[0]


def bco(pc, pr, rc, rr, point, p):
    # Its shift is of rewards, the point of log-ratios.
    shift = p["beta"] * point.item()
    this = SimpleNamespace(beta=p["beta"], running=still(shift), match_underlying_distribution=False)
    return space[trainer].bco_loss(this, pc, pr, rc, rr, None, None)[0]


if trainer == "DPOTrainer":
    pairs(dpo)
elif name in ("simpo", "orpo"):
    pairs(cpo if name == "simpo" else orpo)
else:
    labelled(by_class(bco if name == "bco" else kto))
