"""eric-mitchell/direct-preference-optimization, from a checkout. dpo_checkout.py CHECKOUT NAME

dpo, cdpo, ipo  its preference_loss
logps           its log-probabilities, for --loss sum-logps and mean-logps
"""

import sys

from preflane_stress import pairs, sequences, shifted

from checkout import take

if len(sys.argv) != 3 or sys.argv[2] not in ("dpo", "cdpo", "ipo", "logps"):
    sys.exit(__doc__)
names = ["preference_loss", "_get_batch_logps"]
space = take(f"{sys.argv[1]}/trainers.py", names)
loss, logps = (space[name] for name in names)

if sys.argv[2] == "logps":
    sequences(lambda logits, labels, mean: logps(*shifted(logits, labels), average_log_prob=mean))
else:
    ipo = sys.argv[2] == "ipo"
    pairs(lambda pc, pr, rc, rr, p: loss(pc, pr, rc, rr, p["beta"], p.get("label_smoothing", 0.0), ipo)[0])
