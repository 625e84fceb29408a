"""The losses: pairs, labelled and listed answers."""

import keyword
import math
from fractions import Fraction

import elementary
from exact import Sum, nearest, share
from floats import INFINITY, MOST, NAN
from page import constants
from real import (
    HUGE, UNIT, Dual, Near, Nowhere, exp, expm1, ln, log1p, log_sigmoid, minimum, relu, settle, sigmoid, softplus, square,
)  # fmt: skip

CANCELLATION = constants("pairs")["CANCELLATION"]
#: Bits of an exact value that count.
COUNTED = 320
logistic = elementary.logistic


# The f64 sequences: each gives L, by_u, by_beta, and whether a checked sum cancels.


def dpo(h, beta):
    z = h * beta
    log1p, sigmoid_of_minus = logistic(z)
    g = 0.0 - sigmoid_of_minus
    return log1p + (abs(z) if z < 0.0 else 0.0), g * beta, g * h, False


def with_slope(h, beta, k):
    z = h * beta
    log1p, sigmoid_of_minus = logistic(z)
    loss = log1p + abs(z) * (1.0 - k if z < 0.0 else k)
    g = k - sigmoid_of_minus
    cancels = abs(loss) < abs(log1p) * CANCELLATION or abs(g) < abs(k) * CANCELLATION
    return loss, g * beta, g * h, cancels


def robust(h, beta, eps):
    return with_slope(h, beta, (0.0 - eps) / (1.0 - (eps + eps)))


def ipo(h, beta):
    t = h - 1.0 / (beta + beta)
    square = beta * beta
    return t * t, t + t, t * (1.0 / square if square else INFINITY), abs(t) < abs(h) * CANCELLATION


def hinge(h, beta):
    s = 1.0 - h * beta
    if 0.0 < s:
        return s, 0.0 - beta, 0.0 - h, s < CANCELLATION
    return 0.0, 0.0, 0.0, abs(s) < CANCELLATION


def simpo(h, beta, gamma):
    z = h * beta
    x = z - gamma
    log1p, sigmoid_of_minus = logistic(x)
    g = 0.0 - sigmoid_of_minus
    return log1p + (abs(x) if x < 0.0 else 0.0), g * beta, g * h, abs(x) < abs(z) * CANCELLATION


# The exact values: expressions of what a row has (`Pair`, `Labelled`, `List`) and of the parameters by their names. Gradients come by
# themselves.


def robust_value(t, z):
    eps = t.label_smoothing
    return ((1 - eps) * softplus(-z) - eps * softplus(z)) / (1 - 2 * eps)


def exo(t, z):
    eps = t.label_smoothing
    return sigmoid(z) * (log_sigmoid(z) - ln(1 - eps)) + sigmoid(-z) * (log_sigmoid(-z) - ln(eps))


def discopop(t, z):
    """(1 - m) softplus(-z) + m e^-z with m = sigmoid(z/tau), the last product as one exponential: ln m = z/tau - softplus(z/tau)."""
    return sigmoid(-z / t.tau) * softplus(-z) + exp(z * (1 / t.tau - 1) - softplus(z / t.tau))


def flipped(t):
    return softplus(-t.z) + t.label_smoothing * t.z


def divergence(y, z):
    """KL of sigmoid(y) to sigmoid(z)."""
    return sigmoid(y) * (log_sigmoid(y) - log_sigmoid(z)) + sigmoid(-y) * (log_sigmoid(-y) - log_sigmoid(-z))


def todo(t):
    if t.c > 0:
        return softplus(t.z - t.theta) + softplus(-t.z - t.theta) - ln(expm1(-2 * t.theta))
    return softplus(-(t.z + t.theta))


def orpo(t):
    """odds(x) = e^x/(1 - e^x) is 1/expm1(-x); it is of numbers up to 0, and where both are 0 the limit of equal ones."""
    if t.u > 0 or t.v > 0:
        raise Nowhere
    below = Fraction(1, 1 << 5000) if t.u == 0 and t.v == 0 else 0
    return t.c + t.beta * log1p(expm1(below - t.u) / expm1(below - t.v))


def alphapo(t):
    d = t.h if t.alpha == 0 else (expm1(-t.alpha * t.v) - expm1(-t.alpha * t.u)) / t.alpha
    return softplus(-(t.beta * d - t.gamma))


def alpha_divergence(t):
    a = t.alpha - 1
    return t.h if a == 0 else (expm1(a * t.u) - expm1(a * t.v)) / a


def eql_clipped(t):
    return exp(minimum(t.h / t.alpha, t.clip) - t.log_scale) + exp(-t.log_scale) * t.v / t.alpha


def gumbel_rescaled(t):
    x = minimum(t.h / t.temperature, t.clip)
    return (expm1(x) - x) * exp(-t.log_scale)


def kto_of(t, x):
    return t.desirable_weight * sigmoid(-x) if t.desirable else t.undesirable_weight * sigmoid(x)


def signed(t, x):
    return x if t.desirable else -x


#: Pairs whose bits are those of a sequence, but for rows that are settled.
PAIRS = {
    "dpo": (dpo, lambda t: softplus(-t.z)),
    "cdpo": (with_slope, flipped),
    "robust": (robust, lambda t: robust_value(t, t.z)),
    "ipo": (ipo, lambda t: square(t.h - 1 / (2 * t.beta))),
    "hinge": (hinge, lambda t: relu(1 - t.z)),
    "simpo": (simpo, lambda t: softplus(-(t.z - t.gamma))),
}

#: Pairs by their exact values.
EXPRESSIONS = {
    "sppo_hard": lambda t: square(t.u - 1 / (2 * t.beta)) + square(t.v + 1 / (2 * t.beta)),
    "exo_pair": lambda t: exo(t, t.z),
    "simper": lambda t: exp(t.v) - exp(t.u),
    "rebel": lambda t: square(t.h - t.eta * t.c),
    "sigmoid_norm": lambda t: softplus(-t.z),
    "slic": lambda t: relu(t.delta - t.h),
    "nca_pair": lambda t: softplus(-t.beta * t.u) + softplus(t.beta * t.u) / 2 + softplus(t.beta * t.v) / 2,
    "bco_pair": lambda t: softplus(-(t.beta * t.u - t.shift)) + softplus(t.beta * t.v - t.shift),
    "apo_zero": lambda t: 1 - sigmoid(t.beta * t.u) + sigmoid(t.beta * t.v),
    "apo_down": lambda t: sigmoid(t.beta * t.u) + 1 - sigmoid(t.z),
    "discopop": lambda t: discopop(t, t.z),
    # Of rows in order.
    "aot": flipped,
    "aot_unpaired": flipped,
    "dpop": lambda t: softplus(-t.beta * (t.h - t.lambda_ * relu(-t.u))),
    "xpo": lambda t: softplus(-t.z) - t.alpha * (t.u + t.v),
    "r_dpo": lambda t: softplus(-(t.z + t.alpha * t.c)),
    "odpo": lambda t: softplus(-(t.z - t.c)),
    "soft_dpo": lambda t: t.c * softplus(-t.z) + (1 - t.c) * softplus(t.z),
    "soft_ipo": lambda t: square(t.h - (2 * t.c - 1) / (2 * t.beta)),
    "rpo_bwd": lambda t: divergence(t.eta * t.c, t.z),
    "rpo_fwd": lambda t: divergence(t.z, t.eta * t.c),
    "rpo_sq": lambda t: square(t.z - t.eta * t.c),
    "todo": todo,
    "rpo": lambda t: softplus(-t.z) + t.alpha * t.c,
    "cpo": lambda t: flipped(t) + t.alpha * t.c,
    "cpo_hinge": lambda t: relu(1 - t.z) + t.alpha * t.c,
    "cpo_ipo": lambda t: square(t.h - 1 / (2 * t.beta)) + t.alpha * t.c,
    "cpo_simpo": lambda t: softplus(-(t.z - t.gamma)) + t.alpha * t.c,
    "simpo_ratio": lambda t: softplus(-t.beta * (t.h - t.gamma_beta_ratio)),
    "orpo": orpo,
    "alphapo": alphapo,
    "reward_model": lambda t: softplus(-(t.h - t.c)) + t.centering * square(t.u + t.v),
    "nll": lambda t: -t.u,
    "sql": lambda t: square(relu(1 + t.h / (2 * t.alpha))) + t.v / t.alpha,
    "eql": lambda t: exp(t.h / t.alpha) + t.v / t.alpha,
    "eql_clipped": eql_clipped,
    "gumbel": lambda t: expm1(t.h / t.temperature) - t.h / t.temperature,
    "gumbel_rescaled": gumbel_rescaled,
    "iql": lambda t: (1 - t.tau if t.h < 0 else t.tau) * square(t.h),
    "cpl": lambda t: t.c * softplus(-t.beta * (t.u - t.contrastive_bias * t.v))
    + (1 - t.c) * softplus(-t.beta * (t.v - t.contrastive_bias * t.u)),
    "partial_return": lambda t: t.c * softplus(-t.h) + (1 - t.c) * softplus(t.h),
    "regret": lambda t: t.c * softplus(t.h) + (1 - t.c) * softplus(-t.h),
    "dppo": lambda t: softplus((t.u - t.contrastive_bias * t.v) / t.temperature),
}

#: The losses of other divergences: differences of scores, and what becomes of them.
SCORES = {
    "forward_kl": lambda t: exp(-t.v) - exp(-t.u),
    "js_divergence": lambda t: log_sigmoid(t.u) - log_sigmoid(t.v),
    "alpha_divergence": alpha_divergence,
}
LINKS = {
    "": lambda t, d: softplus(-t.beta * d),
    "_hinge": lambda t, d: relu(1 - t.beta * d),
    "_ipo": lambda t, d: square(d - 1 / (2 * t.beta)),
    "_exo": lambda t, d: exo(t, t.beta * d),
    "_robust": lambda t, d: robust_value(t, t.beta * d),
    "_discopop": lambda t, d: discopop(t, t.beta * d),
}
for name, score in SCORES.items():
    for suffix, link in LINKS.items():
        EXPRESSIONS[name + suffix] = lambda t, score=score, link=link: link(t, score(t))

LABELLED = {
    "kto": lambda t: kto_of(t, t.beta * t.shifted),
    "bco": lambda t: softplus(-signed(t, t.beta * t.shifted)),
    "apo_zero_unpaired": lambda t: kto_of(t, t.z),
    "siglip": lambda t: softplus(-signed(t, t.z + t.bias)),
}


def difference(a, b):
    d = a - b
    t = a - d
    return d, (a - (d + t)) - (b - t)


def log_ratio(*terms):
    """The exact value of `p - r - ...`, whose f64 `rough` says what is not finite."""
    rough = terms[0]
    for term in terms[1:]:
        rough -= term
    if rough - rough != 0.0:
        return rough
    first, *others = map(Fraction, terms)
    return first - sum(others)


def times(beta, ratio):
    """A reward: `result` of beta times an exact log-ratio."""
    if not isinstance(ratio, Fraction):
        return ratio
    return nearest(beta * ratio)


def number(kind, ratio, *terms):
    """An exact log-ratio in a kind of number: the nearest binary64 is the sum of its terms, which says more than their difference in
    binary64 where they cancel."""
    if kind is Near:
        value = math.fsum(terms)
        return Near(value, abs(value) * UNIT)
    if isinstance(ratio, Fraction):
        return kind.of(ratio)
    return kind(Fraction(0), HUGE if ratio > 0 else -HUGE)


class Row:
    """What an expression may use: the parameters by their names, those that are asked for with derivatives, which come last; and what is there
    of a row."""

    def __init__(self, kind, parameters, variables, derived=("beta",)):
        self.given = parameters
        self.number = lambda x: Dual(kind.of(x))
        for name, value in parameters.items():
            dual = Dual(kind.of(value))
            # lambda_, for one
            setattr(self, name + "_" if keyword.iskeyword(name) else name, dual)
            if name in derived:
                dual.parts = unit(kind, variables - len(derived) + derived.index(name), variables)


def unit(kind, at, variables):
    parts = [None] * variables
    parts[at] = kind.of(1)
    return parts


def beta_of(parameters):
    """The scale of the rewards: 1 of a loss without."""
    return Fraction(parameters.get("beta", 1))


class Pair:
    """A pair with its exact log-ratios, infinities and NaN."""

    def __init__(self, pc, pr, rc, rr, column=0.0):
        self.given = pc, pr, rc, rr, column
        self.u, self.v = log_ratio(pc, rc), log_ratio(pr, rr)
        both = isinstance(self.u, Fraction) and isinstance(self.v, Fraction)
        self.h = self.u - self.v if both else (pc - rc) - (pr - rr)

    def rewards(self, beta):
        return times(beta, self.u), times(beta, self.v), times(beta, self.h)

    def results(self, expression, parameters, weights, bits=None):
        """All results with each of the weights: loss, rewards, margin, derivatives by u, v, beta and the reference's; of exact values so many bits."""
        rewards = self.rewards(beta_of(parameters))
        if self.h != self.h:
            return [(NAN, *rewards, NAN, NAN, NAN, NAN, NAN)] * len(weights)

        def row(kind):
            pc, pr, rc, rr, column = self.given
            t = Row(kind, parameters, 3)
            one = kind.of(1)
            u, v = number(kind, self.u, pc, -rc), number(kind, self.v, pr, -rr)
            h = number(kind, self.h, pc, -rc, -pr, rr) if kind is Near else u - v
            t.u, t.v, t.h = Dual(u, [one, None, None]), Dual(v, [None, one, None]), Dual(h, [one, -one, None])
            t.c = Dual(kind.of(column))
            if "beta" in parameters:
                t.z = t.beta * t.h
            return t

        found = settle(expression, row, weights, 3, bits)
        return [
            (value, *rewards, by_u, by_v, by_beta, 0.0 - by_u, 0.0 - by_v) for value, by_u, by_v, by_beta in found
        ]


def evaluate(loss, parameters, rows, reference, weighted):
    """Of a loss with a sequence, all results of pairs as a flat list of nine numbers a pair, to be rounded; and how many pairs are
    accurate and ties."""
    sequence, expression = PAIRS[loss]
    values = tuple(parameters.values())
    beta = values[0]
    out, accurate, ties = [], 0, 0
    put = out.extend
    for pc, pr, rc, rr, w in rows:
        if not reference:
            rc = rr = 0.0
        if not weighted:
            w = 1.0
        u, eu = difference(pc, rc)
        v, ev = difference(pr, rr)
        d, ed = difference(u, v)
        h = (d + ((eu - ev) + ed)) + 0.0
        chosen, rejected = beta * u, beta * v
        if h - h == 0.0:
            value, by_u, by_beta, cancels = sequence(h, *values)
            by_v = 0.0 - by_u
            value, by_u, by_v, by_beta = value * w, by_u * w, by_v * w, by_beta * w
            total = (by_u - by_v) + by_beta
            if not cancels and abs(value) + (abs(chosen) + abs(rejected)) < MOST and total == total:
                put((value, chosen, rejected, beta * h, by_u, by_v, by_beta, 0.0 - by_u, 0.0 - by_v))
                accurate += 0.0 < h
                ties += h == 0.0
                continue
        pair = Pair(pc, pr, rc, rr)
        put(pair.results(expression, parameters, (w,))[0])
        accurate += pair.h > 0
        ties += pair.h == 0
    return out, accurate, ties


def evaluate_by_value(loss, parameters, rows, columns, reference):
    """The same of a loss by its exact values: without weights, and with them."""
    expression = EXPRESSIONS[loss]
    plain, weighted, accurate, ties = [], [], 0, 0
    for (pc, pr, rc, rr, w), column in zip(rows, columns):
        pair = Pair(pc, pr, rc, rr, column) if reference else Pair(pc, pr, 0.0, 0.0, column)
        for out, found in zip((plain, weighted), pair.results(expression, parameters, (1.0, w), COUNTED)):
            out.extend(found)
        accurate += pair.h > 0
        ties += pair.h == 0
    return plain, weighted, accurate, ties


class Metrics:
    """What the metrics of pairs sum and count."""

    def __init__(self):
        self.pairs = self.accurate = self.ties = self.nonfinite = 0
        self.referenced = self.chosen_fell = self.rejected_fell = self.both_fell = 0
        # loss, chosen and rejected rewards, margins, the policy's chosen and rejected log-probabilities
        self.sums = [Sum() for _ in range(6)]

    def add(self, rows, reference, results, accurate, ties):
        """Rows, their rounded results (nine a row), and the counts."""
        self.pairs += len(rows)
        self.accurate += accurate
        self.ties += ties
        columns = [results[i::9] for i in range(4)]
        inputs = list(zip(*rows))
        for total, column in zip(self.sums, [*columns, inputs[0], inputs[1]]):
            total.add_all(column)
        for i, (pc, pr, rc, rr, _) in enumerate(rows):
            if not reference:
                rc = rr = 0.0
            seen = pc, pr, rc, rr, *results[9 * i : 9 * i + 4]
            self.nonfinite += any(x - x != 0.0 for x in seen)
            if reference:
                self.chosen_fell += pc < rc
                self.rejected_fell += pr < rr
                self.both_fell += pc < rc and pr < rr
        if reference:
            self.referenced += len(rows)

    def means(self):
        loss, chosen, rejected, margins, pc, pr = (total.mean(self.pairs) for total in self.sums)
        return loss, chosen, rejected, share(self.accurate, self.pairs), margins, pc, pr


# Labelled answers, and metrics of lists.


def labelled(loss, parameters, row, point, column, weights):
    """Of a row (p, r, desirable) and a reference point, with each of the weights: loss, reward, derivatives by p, r, beta, and by a bias."""
    p, r, desirable = row
    reward = times(beta_of(parameters), log_ratio(p, r))
    shifted = log_ratio(p, r, point)
    if shifted != shifted:
        return [(NAN, reward, NAN, NAN, NAN, NAN)] * len(weights)

    def numbers(kind):
        t = Row(kind, parameters, 3, ("beta", "bias"))
        t.desirable = desirable
        by_u = unit(kind, 0, 3)
        t.u, t.shifted = Dual(number(kind, log_ratio(p, r), p, -r), by_u), Dual(number(kind, shifted, p, -r, -point), by_u)
        t.c = Dual(kind.of(column))
        if "beta" in parameters:
            t.z = t.beta * t.u
        return t

    found = settle(LABELLED[loss], numbers, weights, 3, COUNTED)
    return [(value, reward, by_u, 0.0 - by_u, by_beta, by_bias) for value, by_u, by_beta, by_bias in found]


class LabelledMetrics:
    """What the metrics of labelled answers sum and count."""

    def __init__(self):
        self.desirable = self.undesirable = self.referenced = self.nonfinite = 0
        # weights, loss, rewards of desirable answers and of others, log-probabilities of both
        self.sums = [Sum() for _ in range(6)]

    def add(self, row, referenced, loss, reward):
        p, r, desirable, w = row
        self.desirable += desirable
        self.undesirable += not desirable
        self.referenced += referenced
        self.nonfinite += any(x - x != 0.0 for x in (p, r, loss, reward))
        for place, x in ((0, w), (1, loss), (2 if desirable else 3, reward), (4 if desirable else 5, p)):
            self.sums[place].add(x)

    def counts(self):
        return self.desirable, self.undesirable, self.referenced, self.nonfinite

    def of(self):
        """The count that digests divide by."""
        return self.desirable + self.undesirable


class ListMetrics:
    """What the metrics of lists sum and count."""

    def __init__(self):
        self.lists = self.filled = self.answers = self.accurate = self.nonfinite = self.skipped = 0
        # weights, loss, rewards of best answers and of all others, log-probabilities of both
        self.sums = [Sum() for _ in range(6)]

    def add(self, answers, w, loss, rewards, skipped):
        self.lists += 1
        self.filled += bool(answers)
        self.answers += len(answers)
        exact = [log_ratio(p, r) for p, r in answers]
        self.accurate += len(answers) > 1 and all(exact[0] > ratio for ratio in exact[1:])
        self.skipped += skipped
        seen = [loss, *rewards, *(x for answer in answers for x in answer)]
        self.nonfinite += any(x - x != 0.0 for x in seen)
        self.sums[0].add(w)
        self.sums[1].add(loss)
        for i, (reward, (p, _)) in enumerate(zip(rewards, answers)):
            self.sums[3 if i else 2].add(reward)
            self.sums[5 if i else 4].add(p)

    def counts(self):
        return self.lists, self.filled, self.answers, self.accurate, self.nonfinite, self.skipped

    def of(self):
        return self.lists
