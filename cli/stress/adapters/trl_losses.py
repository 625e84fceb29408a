"""TRL, as installed. trl_losses.py NAME [F_DIVERGENCE]

sigmoid, robust, hinge, ipo, discopop, exo_pair, nca_pair, bco_pair, sppo_hard, aot, aot_unpaired, apo_zero, apo_down,
sigmoid_norm, sft       DPOTrainer's loss of that name, of answers of one token; the f-divergence is reverse_kl unless named:
                        forward_kl, js_divergence or alpha_divergence
kto, apo_zero_unpaired  KTOTrainer's loss of that name
orpo                    ORPOTrainer's odds-ratio loss, with the sign of a loss
cpo, cpo_hinge, cpo_ipo, simpo, alphapo
                        CPOTrainer's loss, without the likelihood that it adds
logps                   CPOTrainer's log-probabilities, for --loss sum-logps and mean-logps
"""

import sys
from collections import defaultdict
from types import SimpleNamespace

from preflane_stress import labelled, pairs, sequences, shifted

import torch


class Accelerator:
    """One process."""

    device = "cpu"

    def gather(self, x):
        return x

    gather_for_metrics = gather


def trainer(loss_type, divergence, p):
    """What DPOTrainer's loss looks at in its trainer."""
    return SimpleNamespace(
        model=SimpleNamespace(training=False),
        accelerator=Accelerator(),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type=divergence,
        f_alpha_divergence_coef=p.get("alpha", 0.5),
        loss_types=[loss_type],
        loss_weights=[1.0],
        # The likelihood alone has none.
        beta=p.get("beta", 0.0),
        label_smoothing=p.get("label_smoothing", 0.0),
        args=SimpleNamespace(discopop_tau=p.get("tau", 0.05)),
        use_weighting=False,
        _metrics={"eval": defaultdict(list)},
        _total_train_tokens=0,
    )


def dpo(loss_type, divergence):
    from trl import DPOTrainer

    def one(pc, pr, rc, rr, p):
        # Two answers of one token, whose log-probabilities the model gives.
        tokens = torch.stack([pc, pr]).unsqueeze(1)
        nothing = torch.zeros_like(tokens).detach()
        outputs = SimpleNamespace(log_probs=tokens, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())
        ones = torch.ones(2, 2, dtype=torch.long)
        inputs = {
            "input_ids": ones,
            "attention_mask": ones,
            "completion_mask": torch.tensor([[0, 1], [0, 1]]),
            "ref_chosen_logps": rc.unsqueeze(0),
            "ref_rejected_logps": rr.unsqueeze(0),
        }
        return DPOTrainer._compute_loss(trainer(loss_type, divergence, p), lambda **_: outputs, inputs, False)

    # It returns the mean over the batch: pair by pair, that is the loss.
    return lambda pc, pr, rc, rr, p: torch.stack([one(*row, p) for row in zip(pc, pr, rc, rr)])


def kto(loss_type):
    from trl import KTOTrainer

    def one(label, policy, reference, point, p):
        # An answer of one token; the reference point is what another answer's log-ratio says.
        token = policy.reshape(1, 1)
        nothing = torch.zeros_like(token).detach()
        outputs = SimpleNamespace(log_probs=token, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())
        this = SimpleNamespace(
            model=SimpleNamespace(training=False),
            accelerator=Accelerator(),
            aux_loss_enabled=False,
            precompute_ref_logps=True,
            calculate_KL=loss_type == "kto",
            _compute_kl_logps=lambda *_: point.reshape(1),
            loss_type=loss_type,
            beta=p["beta"],
            desirable_weight=p["desirable_weight"],
            undesirable_weight=p["undesirable_weight"],
            _metrics={"eval": defaultdict(list)},
            _total_train_tokens=0,
        )
        ones = torch.ones(1, 2, dtype=torch.long)
        inputs = {
            "label": label.reshape(1),
            "input_ids": ones,
            "attention_mask": ones,
            "completion_mask": torch.tensor([[0, 1]]),
            "ref_logps": reference.reshape(1),
            "ref_KL_logps": torch.zeros(1, dtype=policy.dtype),
        }
        return KTOTrainer._compute_loss(this, lambda **_: outputs, inputs, False)

    return lambda *columns: torch.stack([one(*row, columns[-1]) for row in zip(*columns[:-1])])


def orpo(pc, pr, rc, rr, p):
    from trl.experimental.orpo import ORPOTrainer

    this = SimpleNamespace(beta=p["beta"], accelerator=Accelerator())
    return -ORPOTrainer.odds_ratio_loss(this, pc, pr)[0]


def cpo(loss_type):
    from trl.experimental.cpo import CPOTrainer

    def loss(pc, pr, rc, rr, p):
        this = SimpleNamespace(
            # What it calls alpha shapes AlphaPO's reward, and with 0 does nothing.
            alpha=p["alpha"] if name == "alphapo" else 0.0,
            beta=p["beta"],
            simpo_gamma=p.get("gamma", 0.0),
            label_smoothing=p.get("label_smoothing", 0.0),
            loss_type=loss_type,
            accelerator=Accelerator(),
        )
        return CPOTrainer.cpo_loss(this, pc, pr)[0]

    return loss


def logps(logits, labels, mean):
    from trl.experimental.cpo import CPOTrainer

    return CPOTrainer.get_batch_logps(*shifted(logits, labels), average_log_prob=mean)


DPO = (
    "sigmoid robust hinge ipo discopop exo_pair nca_pair bco_pair sppo_hard aot aot_unpaired apo_zero apo_down sigmoid_norm sft"
).split()
CPO = {"cpo": "sigmoid", "cpo_hinge": "hinge", "cpo_ipo": "ipo", "simpo": "simpo", "alphapo": "simpo"}

name = sys.argv[1] if len(sys.argv) > 1 else ""
if name == "logps":
    sequences(logps)
elif name == "orpo":
    pairs(orpo)
elif name in CPO:
    pairs(cpo(CPO[name]))
elif name in DPO:
    pairs(dpo(name, sys.argv[2] if len(sys.argv) > 2 else "reverse_kl"))
elif name in ("kto", "apo_zero_unpaired"):
    labelled(kto(name))
else:
    sys.exit(__doc__)
