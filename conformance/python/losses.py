"""The losses: pairs, labelled and listed answers."""

from decimal import Decimal
from fractions import Fraction

import elementary
from exact import HUGE, Sum, Transcendental, context, decimal, log1p_exp, nearest, nearest_sum, share, sigmoid
from floats import INFINITY, MOST, NAN, results
from page import constants

CANCELLATION = constants("pairs")["CANCELLATION"]
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


# The exact values: each gives L, dL/dh and dL/dbeta as (rational, factor, number), for rational + factor * number.


def exact_logistic(h, beta, infinite, k=Fraction(0), gamma=Fraction(0)):
    x = h * beta - gamma
    if infinite:
        softplus, s = Fraction(0), Fraction(0 if x > 0 else 1)
    else:
        softplus, s = log1p_exp(x), sigmoid(-x)
    # softplus(-x) + k x = ln(1 + e^-|x|) + |x| (x < 0 ? 1 - k : k)
    loss = abs(x) * (1 - k if x < 0 else k)
    return (loss, Fraction(1), softplus), (beta * k, -beta, s), (h * k, -h, s)


def exact_dpo(h, infinite, beta):
    return exact_logistic(h, beta, infinite)


def exact_cdpo(h, infinite, beta, eps):
    return exact_logistic(h, beta, infinite, eps)


def exact_robust(h, infinite, beta, eps):
    return exact_logistic(h, beta, infinite, -eps / (1 - 2 * eps))


def exact_simpo(h, infinite, beta, gamma):
    return exact_logistic(h, beta, infinite, gamma=gamma)


def rational(x):
    return x, Fraction(0), Fraction(0)


def exact_ipo(h, _, beta):
    t = h - 1 / (2 * beta)
    return rational(t * t), rational(2 * t), rational(t / (beta * beta))


def exact_hinge(h, _, beta):
    s = 1 - h * beta
    if s > 0:
        return rational(s), rational(-beta), rational(-h)
    return (rational(Fraction(0)),) * 3


PAIRS = {
    "dpo": (dpo, exact_dpo),
    "cdpo": (with_slope, exact_cdpo),
    "robust": (robust, exact_robust),
    "ipo": (ipo, exact_ipo),
    "hinge": (hinge, exact_hinge),
    "simpo": (simpo, exact_simpo),
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


def evaluate(loss, parameters, rows, reference, weighted):
    """All results of pairs, as a flat list of nine numbers a pair, to be rounded; and which pairs are accurate or ties."""
    sequence, exact = PAIRS[loss]
    beta = parameters[0]
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
            value, by_u, by_beta, cancels = sequence(h, *parameters)
            by_v = 0.0 - by_u
            value, by_u, by_v, by_beta = value * w, by_u * w, by_v * w, by_beta * w
            total = (by_u - by_v) + by_beta
            if not cancels and abs(value) + (abs(chosen) + abs(rejected)) < MOST and total == total:
                put((value, chosen, rejected, beta * h, by_u, by_v, by_beta, 0.0 - by_u, 0.0 - by_v))
                accurate += 0.0 < h
                ties += h == 0.0
                continue
        settled, sign = settle(exact, parameters, pc, pr, rc, rr, w)
        put(settled)
        accurate += sign > 0
        ties += sign == 0
    return out, accurate, ties


def settle(exact, parameters, pc, pr, rc, rr, w):
    """The exact values of a pair, rounded, and the sign of h or NaN."""
    exact_parameters = [Fraction(x) for x in parameters]
    beta = exact_parameters[0]
    u, v = log_ratio(pc, rc), log_ratio(pr, rr)
    h = u - v if isinstance(u, Fraction) and isinstance(v, Fraction) else (pc - rc) - (pr - rr)
    rewards = times(beta, u), times(beta, v), times(beta, h)
    if h != h:
        return (NAN, *rewards, NAN, NAN, NAN, NAN, NAN), NAN
    infinite = not isinstance(h, Fraction)
    if infinite:
        h = HUGE if h > 0 else -HUGE
    w = Fraction(w)
    value, by_u, by_beta = (
        nearest_sum(w * a, w * b, number) for a, b, number in exact(h, infinite, *exact_parameters)
    )
    return (value, *rewards, by_u, 0.0 - by_u, by_beta, 0.0 - by_u, by_u), h


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


# Labelled and listed answers.


def kto(beta, desirable_weight, undesirable_weight, row, z0):
    """Loss, reward, gradients by p, r and beta of a row (p, r, desirable, weight)."""
    p, r, desirable, w = row
    beta = Fraction(beta)
    reward = times(beta, log_ratio(p, r))
    shifted = log_ratio(p, r, z0)
    if shifted != shifted:
        return NAN, reward, NAN, NAN, NAN
    infinite = not isinstance(shifted, Fraction)
    if infinite:
        shifted = HUGE if shifted > 0 else -HUGE
    x = beta * shifted
    y = x if desirable else -x
    w = Fraction(w) * Fraction(desirable_weight if desirable else undesirable_weight)
    if infinite:
        loss, slope = Fraction(0 if y > 0 else 1), Fraction(0)
    else:
        loss, slope = sigmoid(-y), bell(x)
    sign = -1 if desirable else 1
    by_p = nearest_sum(Fraction(0), sign * w * beta, slope)
    by_beta = nearest_sum(Fraction(0), sign * w * shifted, slope)
    return nearest_sum(Fraction(0), w, loss), reward, by_p, 0.0 - by_p, by_beta


def bell(x):
    """sigmoid(x) sigmoid(-x)."""
    tail = sigmoid(-abs(x))
    if isinstance(tail, Fraction):
        return tail * (1 - tail)
    near = tail.near * (1.0 - tail.near)
    return Transcendental(near, lambda c: c.multiply(tail.at(c), c.subtract(1, tail.at(c))))


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
        self.lists = self.filled = self.answers = self.accurate = self.nonfinite = 0
        # weights, loss, rewards of best answers and of all others, log-probabilities of both
        self.sums = [Sum() for _ in range(6)]

    def add(self, answers, w, loss, rewards):
        self.lists += 1
        self.filled += bool(answers)
        self.answers += len(answers)
        exact = [log_ratio(p, r) for p, r in answers]
        self.accurate += len(answers) > 1 and all(exact[0] > ratio for ratio in exact[1:])
        seen = [loss, *rewards, *(x for answer in answers for x in answer)]
        self.nonfinite += any(x - x != 0.0 for x in seen)
        self.sums[0].add(w)
        self.sums[1].add(loss)
        for i, (reward, (p, _)) in enumerate(zip(rewards, answers)):
            self.sums[3 if i else 2].add(reward)
            self.sums[5 if i else 4].add(p)

    def counts(self):
        return self.lists, self.filled, self.answers, self.accurate, self.nonfinite

    def of(self):
        return self.lists


def plackett_luce(beta, answers, w):
    """Loss, derivative by beta, rewards and gradients of a list of (p, r) from best to worst."""
    if len(answers) == 2:
        (pc, rc), (pr, rr) = answers
        out, _, _ = evaluate("dpo", (beta,), [(pc, pr, rc, rr, w)], True, True)
        loss, chosen, rejected, _, by_u, by_v, by_beta, _, _ = results(out)
        return loss, by_beta, [chosen, rejected], [by_u, by_v]
    beta = Fraction(beta)
    ratios = [log_ratio(p, r) for p, r in answers]
    rewards = [times(beta, ratio) for ratio in ratios]
    if len(answers) < 2:
        return 0.0, 0.0, rewards, [0.0] * len(answers)
    infinite = [ratio for ratio in ratios if not isinstance(ratio, Fraction)]
    if any(x != x for x in infinite) or len(set(infinite)) != len(infinite):
        return NAN, NAN, rewards, [NAN] * len(answers)
    return listed(beta, ratios, Fraction(w), rewards)


def listed(beta, ratios, w, rewards):
    """In decimal numbers, with ever more digits until they decide every rounding."""
    digits = 60
    found = [None] * (len(ratios) + 2)
    while None in found:
        for place, (value, error) in enumerate(list_values(beta, ratios, context(digits))):
            if found[place] is not None:
                continue
            if not value.is_finite():
                found[place] = NAN if w == 0 and value.is_nan() else float(value) if w else 0.0
                continue
            if digits > DEEP:
                # What is undecided this deep is a tie: a rational value, from which the last digits differ.
                value, error = context(digits // 2).plus(value), Decimal(0)
            value, error = w * Fraction(value), w * Fraction(error)
            low, high = nearest(value - error), nearest(value + error)
            if low == high:
                found[place] = low
        digits *= 2
    return found[0], found[1], rewards, found[2:]


#: Digits at which a value that they leave open is a tie; more than twice those of TAIL.
DEEP = 1800
#: Differences from which e^-d is TAIL: beside a rational number or in a product it says which side a sum lies on, as the
#: true one would.
CLAMP = 2000
TAIL = Decimal("1e-880")


def list_values(beta, ratios, c):
    """Loss, derivative by beta and gradients, each with a bound of its error."""
    n = len(ratios)
    last = n - 1

    def gap(j, k):
        """z_j - z_k, and infinities."""
        a, b = ratios[j], ratios[k]
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return decimal(beta * (a - b), c)
        return Decimal("Infinity") if a > b else Decimal("-Infinity")

    def tail(x):
        """e^-x for x >= 0."""
        if x.is_infinite():
            return Decimal(0)
        return c.exp(x.copy_negate()) if x < CLAMP else TAIL

    def softplus(x):
        e = tail(x.copy_abs())
        # ln(1 + e) of a small e is e, to e^2
        log = e if e < Decimal("1e-400") else c.ln(c.add(1, e))
        return c.add(log, x) if x > 0 else log

    def sigmoid_at(x):
        e = tail(x.copy_abs())
        return c.divide(1 if x > 0 else e, c.add(1, e))

    most = Decimal(1)
    loss = Decimal(0)
    shares = [Decimal(0)] * n
    rest = [Decimal(0)] * n
    # The largest z so far from the end, and Z - that.
    m, s = last, Decimal(0)
    for k in range(last - 1, -1, -1):
        step = gap(m, k)
        if step.is_finite():
            most = max(most, step.copy_abs())
        d = c.add(step, s)
        loss = c.add(loss, softplus(d))
        shares[k], rest[k] = sigmoid_at(d.copy_negate()), sigmoid_at(d)
        if step > 0:
            s = c.add(s, softplus(d.copy_negate()))
        else:
            m, s = k, softplus(d)
    error = most * 100 * n * n * Decimal(10) ** (1 - c.prec)
    by_z = []
    b = Decimal(0)
    for j in range(n):
        if j < last:
            by_z.append(c.subtract(c.multiply(shares[j], b), rest[j]))
            b = c.multiply(rest[j], c.add(1, b))
        else:
            by_z.append(b)
    by_beta, size = by_beta_of(ratios, by_z, c)
    by_u = [(c.multiply(decimal(beta, c), x), error * decimal(beta, c)) for x in by_z]
    return [(loss, error), (by_beta, error * size), *by_u]


def by_beta_of(ratios, by_z, c):
    """The sum of by_z times the log-ratios, with infinite ones in the limit, and the sum of the magnitudes of the finite ones."""
    finite = [(x, ratio) for x, ratio in zip(by_z, ratios) if isinstance(ratio, Fraction)]
    slope = Decimal(0)
    for x, ratio in zip(by_z, ratios):
        if not isinstance(ratio, Fraction):
            slope = c.add(slope, x) if ratio > 0 else c.subtract(slope, x)
    if slope.copy_abs() > Decimal("1e-30"):
        return Decimal("Infinity").copy_sign(slope), Decimal(0)
    total, size = Decimal(0), Decimal(1)
    # By differences: the derivatives add up to 0, so that what is common to the log-ratios is left out.
    base = finite[0][1]
    for x, ratio in finite:
        difference = decimal(ratio - base, c)
        total = c.add(total, c.multiply(x, difference))
        size = c.add(size, difference.copy_abs())
    return total, size
