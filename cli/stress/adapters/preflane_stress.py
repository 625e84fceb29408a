"""What a PyTorch loss needs to be tested by `preflane stress`: the protocol, autograd, types.

Give `pairs` a function of (policy_chosen, policy_rejected, ref_chosen, ref_rejected) and the parameters that returns the
losses of the pairs, `labelled` one of (is_desirable, policy, reference, reference_point) and the parameters that returns the
losses of the answers, or `sequences` one of (logits, labels, mean) that returns log-probabilities of sequences:

    import torch.nn.functional as F
    from preflane_stress import pairs

    pairs(lambda pc, pr, rc, rr, p: -F.logsigmoid(p["beta"] * ((pc - rc) - (pr - rr))))

    preflane stress --loss dpo -- python3 my_loss.py
    PREFLANE_STRESS_TYPE=bf16 preflane stress --loss dpo -- python3 my_loss.py
"""

import os
import sys
import warnings

# What others print, on being imported or later, must not stand among the answers.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
warnings.filterwarnings("ignore")

import torch  # noqa: E402

TYPES = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16, "f16": torch.float16}


def _type(name):
    name = name or os.environ.get("PREFLANE_STRESS_TYPE", "f32")
    if name not in TYPES:
        sys.exit(f"PREFLANE_STRESS_TYPE is {name!r}; one of {', '.join(TYPES)} is needed")
    return name, TYPES[name]


def _batches(what, name):
    """First lines and rows of numbers, batch by batch."""
    print("preflane-stress 1", what, name, file=_answers, flush=True)
    for head in sys.stdin:
        words = head.split()
        sizes = [int(word) for word in words[1:] if "=" not in word]
        parameters = {key: float(value) for key, value in (word.split("=") for word in words if "=" in word)}
        yield sizes, parameters, [[float(word) for word in sys.stdin.readline().split()] for _ in range(sizes[0])]


def _answer(columns):
    """A line a row; - for a gradient that does not exist."""
    columns = [column if column is None else column.detach().double().tolist() for column in columns]
    for row in range(len(columns[0])):
        print(*("-" if column is None else repr(column[row]) for column in columns), file=_answers)
    _answers.flush()


def pairs(loss, type=None, compute=None):
    """Answers for a loss of pairs. `compute` is the type it is given instead of the one of the inputs."""
    name, dtype = _type(type)
    for _, parameters, rows in _batches("pairs", name):
        inputs = [torch.tensor(column, dtype=dtype, requires_grad=True) for column in zip(*rows)]
        given = inputs if compute is None else [x.to(compute) for x in inputs]
        losses = loss(*given, parameters)
        gradients = torch.autograd.grad(losses.sum(), inputs, allow_unused=True) if losses.requires_grad else [None] * 4
        _answer([losses, *gradients])


def labelled(loss, type=None):
    """Answers for a loss of labelled answers. No gradient passes through the reference point."""
    name, dtype = _type(type)
    for _, parameters, rows in _batches("labelled", name):
        labels, *numbers = zip(*rows)
        policy, reference, point = (torch.tensor(column, dtype=dtype) for column in numbers)
        inputs = [policy.requires_grad_(), reference.requires_grad_()]
        losses = loss(torch.tensor(labels) == 1, *inputs, point, parameters)
        gradients = torch.autograd.grad(losses.sum(), inputs, allow_unused=True) if losses.requires_grad else [None] * 2
        _answer([losses, *gradients])


def sequences(logps, type=None):
    """Answers for log-probabilities of sequences. Labels stand beside the logits that predict them."""
    name, dtype = _type(type)
    for (count, positions, vocabulary), parameters, rows in _batches("logits", name):
        labels = torch.tensor([[int(x) for x in row[:positions]] for row in rows])
        logits = torch.tensor([row[positions:] for row in rows], dtype=dtype)
        logits = logits.reshape(count, positions, vocabulary).requires_grad_()
        results = logps(logits, labels, parameters["mean"] == 1)
        (gradient,) = torch.autograd.grad(results.sum(), [logits])
        _answer([results, *gradient.reshape(count, -1).unbind(1)])


def shifted(logits, labels):
    """Logits and labels as Hugging Face's models have them: a label stands one position after its logits."""
    last = torch.zeros_like(logits[:, :1])
    first = torch.full_like(labels[:, :1], -100)
    return torch.cat([logits, last], 1), torch.cat([first, labels], 1)
