"""Listed answers: every result is a sum of terms, of which 320 bits count from the largest one on."""

from decimal import Decimal, localcontext
from fractions import Fraction

from exact import context, nearest
from floats import INFINITY, NAN, results
from losses import beta_of, evaluate, log_ratio, times

#: Digits of a term: far more than 320 bits, the largest term's size among them.
C = context(180)
ONE, ZERO = Decimal(1), Decimal(0)
#: A stand-in for an infinite log-ratio, and what exponentials of finite numbers are not below.
ENDLESS = Decimal("1e100000000000000000")
FAINT = Decimal("1e-90000000000000000")
#: From here on a number is infinite or 0 for every result.
FAR = 5000
#: Bits of the largest term that count.
CERTAIN = 320


def decimal(x):
    """A Fraction, or an infinite log-ratio."""
    if isinstance(x, Fraction):
        return C.divide(Decimal(x.numerator), Decimal(x.denominator))
    return ENDLESS if x > 0 else -ENDLESS


def times_of(a, b):
    return C.multiply(a, b) if a and b else ZERO


def exp(x):
    """e^x; of a number that stands for infinity the limit."""
    if x < -(10**16):
        return ZERO if x.adjusted() > 10**16 else FAINT
    return C.exp(x)


def expm1(x):
    """e^x - 1 for x <= 0."""
    if x < Decimal("-1e-20"):
        return C.subtract(exp(x), ONE)
    term = total = x
    for n in range(2, 12):
        term = C.divide(C.multiply(term, x), Decimal(n))
        total = C.add(total, term)
    return total


def log1p(x):
    """ln(1 + x)."""
    if abs(x) > Decimal("1e-30"):
        return C.ln(C.add(ONE, x))
    power, total = x, x
    for n in range(2, 9):
        power = C.multiply(power, -x)
        total = C.add(total, C.divide(power, Decimal(n)))
    return total


def softplus(x):
    tail = log1p(exp(-abs(x)))
    return C.add(x, tail) if x > 0 else tail


def sigmoid(x):
    e = exp(-abs(x))
    return C.divide(ONE if x > 0 else e, C.add(ONE, e))


def as_fraction(x):
    """A term that is neither infinite nor nothing."""
    return Fraction(x) if x and x.adjusted() > -FAR else Fraction(0)


def rounded(terms, w):
    """`result` of the terms' sum times w."""
    terms = [x for x in terms if x]
    if not w or not terms:
        return 0.0
    if max(x.adjusted() for x in terms) > FAR:
        total = ZERO
        for x in terms:
            total = C.add(total, x)
        if total and total.adjusted() > FAR:
            return INFINITY if total > 0 else -INFINITY
        return 0.0
    terms = [as_fraction(x) * Fraction(w) for x in terms]
    largest = max(abs(x) for x in terms)
    if not largest:
        return 0.0
    # The least power of two above the largest.
    power = largest.numerator.bit_length() - largest.denominator.bit_length()
    while Fraction(2) ** power <= largest:
        power += 1
    while Fraction(2) ** (power - 1) > largest:
        power -= 1
    unit = Fraction(2) ** (power - CERTAIN)
    total = sum(terms)
    multiple = (abs(total) / unit + Fraction(1, 2)) // 1 * unit
    return nearest(-multiple if total < 0 else multiple)


class Given:
    """What a loss may use of a list: log-ratios, columns and parameters."""

    def __init__(self, ratios, columns, parameters):
        self.n, self.ratios = len(ratios), ratios
        self.columns = [Fraction(x) for x in columns]
        self.exact = {name: Fraction(value) for name, value in parameters.items()}
        self.beta = decimal(self.exact.get("beta", Fraction(1)))
        self.u = [decimal(x) for x in ratios]

    def h(self, i, j):
        """The difference of two log-ratios."""
        a, b = self.ratios[i], self.ratios[j]
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return decimal(a - b)
        return ZERO if i == j else ENDLESS if a > b else -ENDLESS

    def scaled(self, i, j):
        return times_of(self.h(i, j), self.beta)

    def more(self, i, j, over="one"):
        """The difference of two columns over a parameter."""
        return decimal((self.columns[i] - self.columns[j]) / self.exact.get(over, Fraction(1)))

    def highest(self, of):
        return max(of, key=lambda i: (self.ratios[i], -i))

    def shares(self, over):
        most = max(range(self.n), key=lambda i: self.columns[i])
        return divided([exp(self.more(i, most, over)) for i in range(self.n)])


def total(numbers):
    found = ZERO
    for x in numbers:
        found = C.add(found, x)
    return found


def divided(numbers):
    whole = total(numbers)
    return [C.divide(x, whole) for x in numbers]


# Each loss: the value, the terms of the derivatives by u and the terms of that by beta.


def first_choices(t, ranked):
    n, last = t.n, t.n - 1
    d = []
    for k in range(last):
        m = t.highest(range(k + 1, n))
        rest = total(exp(t.scaled(j, m)) for j in range(k + 1, n) if j != m)
        d.append(C.add(t.scaled(m, k), log1p(rest)))
    loss = total(softplus(x) for x in d[:ranked])
    b, by_u, by_beta = ZERO, [], []
    for j in range(n):
        if j:
            by_beta.append(times_of(b, t.h(j, j - 1)))
        if j == last:
            terms = [b]
        elif j < ranked:
            left = sigmoid(d[j])
            terms = [C.multiply(sigmoid(-d[j]), b), -left]
            b = C.multiply(left, C.add(ONE, b))
        else:
            terms = [C.multiply(sigmoid(-d[j]), b)]
            b = C.multiply(sigmoid(d[j]), b)
        by_u.append([C.multiply(x, t.beta) for x in terms])
    return loss, by_u, by_beta


def info_nca(t):
    wanted, m = t.shares("alpha"), t.highest(range(t.n))
    shares = divided([exp(t.scaled(i, m)) for i in range(t.n)])
    rest = log1p(total(exp(t.scaled(i, m)) for i in range(t.n) if i != m))
    below = [t.h(m, i) for i in range(t.n)]
    loss = total(times_of(p, C.add(times_of(x, t.beta), rest)) for p, x in zip(wanted, below))
    by_u = [[C.multiply(a, t.beta), -C.multiply(p, t.beta)] for a, p in zip(shares, wanted)]
    by_beta = [times_of(p, x) for p, x in zip(wanted, below)] + [-times_of(a, x) for a, x in zip(shares, below)]
    return loss, by_u, by_beta


def nca(t):
    n, loss, by_u, by_beta = Decimal(t.n), ZERO, [], []
    for u, p in zip(t.u, t.shares("alpha")):
        z = times_of(u, t.beta)
        loss = C.add(loss, C.add(times_of(p, softplus(-z)), C.divide(softplus(z), n)))
        terms = C.divide(sigmoid(z), n), -times_of(p, sigmoid(-z))
        by_u.append([times_of(x, t.beta) for x in terms])
        by_beta += [times_of(x, u) for x in terms]
    return loss, by_u, by_beta


def lipo(t):
    n, ln_2 = t.n, C.ln(Decimal(2))
    order = sorted(range(n), key=lambda i: (-t.ratios[i], i))
    discount = [C.divide(ONE, C.ln(Decimal(2 + order.index(i)))) for i in range(n)]
    loss, by_u, by_beta = ZERO, [[] for _ in range(n)], []
    for i in range(n):
        for j in range(n):
            if t.columns[i] > t.columns[j]:
                gain = C.multiply(C.exp(C.multiply(decimal(t.columns[i]), ln_2)), -expm1(C.multiply(t.more(j, i), ln_2)))
                weight = C.multiply(gain, abs(C.subtract(discount[i], discount[j])))
                z = t.scaled(i, j)
                loss = C.add(loss, times_of(weight, softplus(-z)))
                wrong = times_of(weight, sigmoid(-z))
                by_u[i].append(-times_of(wrong, t.beta))
                by_u[j].append(times_of(wrong, t.beta))
                by_beta.append(-times_of(wrong, t.h(i, j)))
    return loss, by_u, by_beta


def real(t):
    tau, loss, by_u = decimal(t.exact["tau"]), ZERO, [None] * t.n
    for side in (0, 1):
        sign = -1 if side else 1
        of = [i for i in range(t.n) if t.columns[i] == side]
        m = max(of, key=lambda i: (sign * t.ratios[i], -i))
        is_above = sign * t.ratios[m] > 0
        base = C.divide(sign * t.u[m], tau) if is_above else ZERO

        def term(i):
            if is_above:
                return exp(C.divide(sign * t.h(i, m), tau))
            return exp(C.divide(sign * t.u[i], tau))

        terms = {i: ONE if is_above and i == m else term(i) for i in of}
        rest = C.add(total(x for i, x in terms.items() if not (is_above and i == m)), exp(-base) if is_above else ZERO)
        loss = C.add(loss, C.add(base, log1p(rest)))
        for i in of:
            by_u[i] = [C.divide(sign * C.divide(terms[i], C.add(ONE, rest)), tau)]
    return loss, by_u, []


def a2po(t):
    n, m = Decimal(t.n), max(range(t.n), key=lambda i: t.columns[i])
    less = C.divide(total(expm1(t.more(i, m, "beta1")) for i in range(t.n)), n)
    value = C.multiply(decimal(t.exact["beta1"]), log1p(less))
    loss, by_u, by_beta = ZERO, [], []
    for i, u in enumerate(t.u):
        terms = times_of(u, t.beta), -t.more(i, m), value
        if isinstance(t.ratios[i], Fraction):
            # Exactly, but for the value.
            error = C.add(decimal(t.exact["beta"] * t.ratios[i] - (t.columns[i] - t.columns[m])), value)
        else:
            error = terms[0]
        loss = C.add(loss, times_of(error, error))
        by_reward = [C.divide(2 * x, n) for x in terms]
        by_u.append([times_of(x, t.beta) for x in by_reward])
        by_beta += [times_of(x, u) for x in by_reward]
    return C.divide(loss, n), by_u, by_beta


def mdpo(t):
    z = C.subtract(times_of(t.u[0], t.beta), decimal(t.exact["delta"]))
    if isinstance(t.ratios[0], Fraction):
        z = decimal(t.exact["beta"] * t.ratios[0] - t.exact["delta"])
    loss, wrong = softplus(-z), sigmoid(-z)
    by_beta, others = [-times_of(wrong, t.u[0])], []
    for j in range(1, t.n):
        x = t.scaled(0, j)
        loss, one = C.add(loss, softplus(-x)), sigmoid(-x)
        wrong = C.add(wrong, one)
        by_beta.append(-times_of(one, t.h(0, j)))
        others.append([times_of(one, t.beta)])
    return loss, [[-times_of(wrong, t.beta)], *others], by_beta


LISTED = {
    "plackett_luce": lambda t: first_choices(t, t.n),
    "plackett_luce_top": lambda t: first_choices(t, int(t.exact["top"])),
    "s_dpo": lambda t: first_choices(t, 1),
    "info_nca": info_nca,
    "nca": nca,
    "lipo": lipo,
    "real": real,
    "a2po": a2po,
    "mdpo": mdpo,
}
#: Of two answers, a pair of dpo.
OF_CHOICES = ("plackett_luce", "plackett_luce_top", "s_dpo")
#: One answer is enough.
ALONE = ("nca", "a2po", "mdpo")
#: Not of differences: log-ratios may be infinite alike.
APART = ("nca", "a2po")


def listed(loss, parameters, answers, columns, weights):
    """Of a list of (p, r) from best to worst, with each of the weights: loss, derivative by beta, rewards and derivatives by the policy, and whether
    it is skipped."""
    beta, n = beta_of(parameters), len(answers)
    ratios = [log_ratio(p, r) for p, r in answers]
    rewards = [times(beta, ratio) for ratio in ratios]
    if loss in OF_CHOICES and n == 2:
        (pc, rc), (pr, rr) = answers
        only = {"beta": parameters["beta"]}
        pairs = [results(evaluate("dpo", only, [(pc, pr, rc, rr, w)], True, True)[0]) for w in weights]
        return [(x[0], x[6], [x[1], x[2]], [x[4], x[5]], False) for x in pairs]
    nothing = [(0.0, 0.0, rewards, [0.0] * n, True)] * len(weights)
    if n < (1 if loss in ALONE else 2):
        return nothing
    infinite = [ratio for ratio in ratios if not isinstance(ratio, Fraction)]
    if any(x != x for x in infinite) or loss not in APART and len(set(infinite)) != len(infinite):
        return [(NAN, NAN, rewards, [NAN] * n, False)] * len(weights)
    if loss == "real" and len(set(columns)) == 1:
        return nothing
    # For signs and magnitudes too.
    with localcontext(C):
        value, by_u, by_beta = LISTED[loss](Given(ratios, columns, parameters))
        return [
            (rounded([value], w), rounded(by_beta, w), rewards, [rounded(terms, w) for terms in by_u], False)
            for w in weights
        ]
