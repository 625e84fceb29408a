#!/usr/bin/env python3
"""Computes digests from the definition alone and compares them with conformance/digests.txt.

    check.py            what takes about a minute: of losses by value the first set of parameters
    check.py --all      all of them, except those of `streaming`
    check.py NAME...    those whose names begin with one of these: core/dpo, wide/logits, ...
    check.py --rows NAME
                        reads what `preflane-conformance --rows NAME` prints of a loss of pairs, and prints what is to be different

Exit status 1 if one differs."""

import hashlib
import itertools
import pathlib
import sys
import time

import elementary
import exact
import floats
import inputs
import lists
import logits
import losses
import page

DIGESTS = pathlib.Path(__file__).resolve().parents[1] / "digests.txt"

#: What a run without arguments leaves out: more rows of what it has.
LONG = ("wide", "long")
#: What is not frozen yet: a difference is told, and no failure.
OPEN = page.block("open")


def committed():
    """The digests, in order."""
    lines = DIGESTS.read_text(encoding="utf-8").splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))


class Digest:
    """The first 64 bits of a SHA-256."""

    def __init__(self):
        self.sha = hashlib.sha256()

    def floats(self, values):
        self.sha.update(floats.pack(values))

    def option(self, value):
        self.sha.update(bytes([value is not None]))
        self.floats([0.0 if value is None else value])

    def integers(self, *values):
        for value in values:
            self.sha.update(value.to_bytes(8, "little"))

    def shorts(self, values):
        for value in values:
            self.sha.update(value.to_bytes(2, "little"))

    def sum(self, total, count):
        self.floats([total.sum(), total.mean(count)])

    def metrics(self, metrics):
        self.floats(metrics.means())
        for fell in (metrics.chosen_fell, metrics.rejected_fell, metrics.both_fell):
            self.option(exact.share(fell, metrics.referenced) if metrics.referenced else None)
        counts = metrics.pairs, metrics.ties, metrics.nonfinite
        self.integers(*counts, metrics.pairs, metrics.accurate, metrics.ties, metrics.nonfinite)
        self.integers(metrics.chosen_fell, metrics.rejected_fell, metrics.both_fell)
        for total in metrics.sums:
            self.sum(total, metrics.pairs)

    def hex(self):
        return self.sha.hexdigest()[:16]


def heads():
    """What the file's head says: of `dpo/1` and its like the parameters by name (`# dpo/1: beta 0.5`), and of a loss what its rows have beside
    log-probabilities in turn (`# rebel column reward_difference: 0.5 1.0`)
    and how far out they are (`# simper within: 65536`)."""
    cases, columns, within = {}, {}, {}
    for line in DIGESTS.read_text(encoding="utf-8").splitlines():
        name, colon, values = line.removeprefix("# ").partition(":")
        if not line.startswith("#") or not colon:
            continue
        if "/" in name:
            pairs = (value.split() for value in values.split(",") if value.strip())
            cases[name] = {parameter: float(value) for parameter, value in pairs}
        elif name.split()[1:2] == ["column"]:
            columns[name.split()[0]] = [floats.f32(float(value)) for value in values.split()]
        elif name.split()[1:2] == ["within"]:
            within[name.split()[0]] = float(values)
    return cases, columns, within


CASES, COLUMNS, WITHIN = heads()


def clamped(loss, row):
    """A row whose log-probabilities lie within what the file's head says (`# simper within: 65536`)."""
    reach = WITHIN.get(loss, floats.INFINITY)
    *logps, weight = row
    return *(x if x - x != 0.0 else min(max(x, -reach), reach) for x in logps), weight


def beside(loss, rows):
    """What each row has beside its log-probabilities."""
    grid = COLUMNS.get(loss, [0.0])
    return [grid[i % len(grid)] for i in range(len(rows))]


def pairs(loss, values, rows):
    """The digests `ref`, `free` and `metrics` of a loss on rows."""
    digests = {"ref": Digest(), "free": Digest(), "metrics": Digest()}
    for reference in (True, False):
        for weighted in (False, True):
            found = losses.evaluate(loss, values, rows, reference, weighted)
            form(rows, reference, *found, digests["ref" if reference else "free"], digests["metrics"])
    return {part: digest.hex() for part, digest in digests.items()}


def pairs_by_value(loss, values, rows):
    """The digest of a loss that is defined by its exact values: of each form the outputs, then the metrics."""
    digest = Digest()
    rows = [clamped(loss, row) for row in rows]
    for reference in (True, False):
        *found, accurate, ties = losses.evaluate_by_value(loss, values, rows, beside(loss, rows), reference)
        for raw in found:
            form(rows, reference, raw, accurate, ties, digest, digest)
    return {"pairs": digest.hex()}


def form(rows, reference, raw, accurate, ties, outputs, metrics):
    """Puts the results of a form and what its metrics are into digests."""
    rounded = floats.results(raw)
    sums = losses.Metrics()
    sums.add(rows, reference, rounded, accurate, ties)
    if reference:
        outputs.floats(rounded)
    else:
        kept = [rounded[i : i + 7] for i in range(0, len(rounded), 9)]
        outputs.floats([x for row in kept for x in row])
    metrics.metrics(sums)


#: Of labelled answers, row by row in turn.
POINTS = (0.0, 0.25, 1.5, -3.0)
#: Answers of the longest list.
LONGEST = 5


def labelled(loss, values, rows, reference):
    """The chosen answer of each row as a desirable one, the rejected one as another: what is hashed without weights, and with them, each
    with its metrics."""
    outputs, metrics = ([], []), (losses.LabelledMetrics(), losses.LabelledMetrics())
    columns = beside(loss, rows)
    for at, (pc, pr, rc, rr, w) in enumerate(rows):
        biases = [], []
        for p, r, desirable in ((pc, rc, True), (pr, rr, False)):
            row = p, r if reference else 0.0, desirable
            found = losses.labelled(loss, values, row, POINTS[at % 4], columns[at], (1.0, w))
            for output, bias, metric, weight, (*answer, by_bias) in zip(outputs, biases, metrics, (1.0, w), found):
                metric.add((*row, weight), reference, *answer[:2])
                output.extend(answer)
                bias.append(by_bias)
        if "bias" in values:
            for output, bias in zip(outputs, biases):
                output.extend(bias)
    return zip(outputs, metrics)


def listed(loss, values, rows, reference):
    """The chosen answers of none to five rows in turn as a list, with the weight of the first; likewise."""
    outputs, metrics = ([], []), (losses.ListMetrics(), losses.ListMetrics())
    columns = beside(loss, rows)
    first = at = 0
    while first < len(rows):
        last = min(first + at % (LONGEST + 1), len(rows))
        answers = [(pc, rc if reference else 0.0) for pc, _, rc, _, _ in rows[first:last]]
        weights = 1.0, rows[first][4]
        found = lists.listed(loss, values, answers, columns[first:last], weights)
        for output, metric, w, (value, by_beta, rewards, grads, skipped) in zip(outputs, metrics, weights, found):
            metric.add(answers, w, value, rewards, skipped)
            output.extend((value, by_beta))
            output.extend(x for reward, grad in zip(rewards, grads) for x in (reward, grad, 0.0 - grad))
        first, at = last, at + 1
    return zip(outputs, metrics)


def answers(evaluate):
    """The digest of a loss of labelled or listed answers."""

    def digests(loss, values, rows):
        digest = Digest()
        for reference in (True, False):
            for outputs, metrics in evaluate(loss, values, rows, reference):
                digest.floats(outputs)
                digest.integers(*metrics.counts())
                for total in metrics.sums:
                    digest.sum(total, metrics.of())
        return {"answers": digest.hex()}

    return digests


#: How each loss is digested.
LOSSES = {
    **dict.fromkeys(losses.PAIRS, pairs),
    **dict.fromkeys(losses.EXPRESSIONS, pairs_by_value),
    **dict.fromkeys(losses.LABELLED, answers(labelled)),
    **dict.fromkeys(lists.LISTED, answers(listed)),
}


def sums(arguments):
    """Running sums, and sums merged from seven parts."""
    digest, whole, parts = Digest(), exact.Sum(), [exact.Sum() for _ in range(7)]
    count = 0
    for at, value in enumerate(arguments):
        if value - value == 0.0:
            whole.add(value)
            parts[at % 7].add(value)
            count += 1
            if count % 32 == 0:
                digest.sum(whole, count)
    merged = exact.Sum()
    for part in reversed(parts):
        merged.merge(part)
    digest.sum(merged, count)
    for special in (floats.INFINITY, -floats.INFINITY, floats.NAN):
        merged.add(special)
        whole.merge(merged)
        digest.sum(merged, count)
        digest.sum(whole, count)
    return digest.hex()


def rows_of(name, set_name):
    return next((family, length) for family, length in inputs.ROWS[set_name] if family.__name__ == name)


def compute(group):
    """The digests of a group: names that differ in their last part alone."""
    set_name, what, *middle = group.split("/")
    if what in LOSSES:
        case, name = middle
        family, length = rows_of(name, set_name)
        return LOSSES[what](what, CASES[f"{what}/{case}"], [family(i) for i in range(length)])
    family = middle[0]
    if what == "logits":
        make, rows, columns = next(x for x in inputs.LOGITS[set_name] if x[0].__name__ == family)
        digest = Digest()
        logits.digest(make, rows, columns, digest)
        return {"rows": digest.hex()}
    _, argument, length = next(x for x in inputs.ARGUMENTS[set_name] if x[0] == family)
    arguments = [argument(i) for i in range(length)]
    if what == "exact-sum":
        return {"sums": sums(arguments)}
    digest = Digest()
    digest.floats(elementary.evaluate(what, arguments))
    return {"values": digest.hex()}


def known(group):
    what = group.split("/")[1]
    return what in LOSSES or what in elementary.FUNCTIONS or what in ("logits", "exact-sum")


def is_quick(group):
    """Whether a run without arguments has it."""
    set_name, what, case, *_ = group.split("/")
    return set_name not in LONG and (case == "0" or what not in LOSSES or what in losses.PAIRS)


def rows(name, lines):
    """Compares the outputs of rows, as the program prints them, with the right ones."""
    set_name, what, case, family, part = name.split("/")
    make, length = rows_of(family, set_name)
    inputs, values = [make(i) for i in range(length)], CASES[f"{what}/{case}"]
    lines = iter(lines)
    differ = 0
    for reference in (True, False):
        if part == ("free" if reference else "ref"):
            continue
        if part == "pairs":
            forms = losses.evaluate_by_value(what, values, inputs, beside(what, inputs), reference)[:2]
        else:
            forms = [losses.evaluate(what, values, inputs, reference, weighted)[0] for weighted in (False, True)]
        for raw in forms:
            results = floats.results(raw)
            for at in range(length):
                given, found = next(lines).split(" ->")
                right = results[9 * at : 9 * at + (9 if reference else 7)]
                found = [floats.from_bits(int(bits, 16)) for bits in found.split()]
                if floats.pack(found) != floats.pack(right):
                    differ += 1
                    print(f"{'with' if reference else 'without'} reference, {given}\n  is      {found}\n  must be {list(right)}")
    print(f"{differ} rows differ")
    return 1 if differ else 0


def main(arguments):
    if arguments[:1] == ["--rows"]:
        return rows(arguments[1], sys.stdin)
    wanted = committed()
    everything = "--all" in arguments
    prefixes = tuple(x for x in arguments if x != "--all")
    groups = list(dict.fromkeys(name.rsplit("/", 1)[0] for name in wanted))
    if prefixes:
        groups = [group for group in groups if group.startswith(prefixes)]
    elif not everything:
        groups = [group for group in groups if is_quick(group)]
    left_out = sum(1 for group in groups if not known(group))
    groups = [group for group in groups if known(group)]
    compared = same = opened = 0
    start = time.monotonic()
    for kind, of_kind in itertools.groupby(enumerate(groups), lambda group: "/".join(group[1].split("/")[:2])):
        began, count = time.monotonic(), 0
        for at, group in of_kind:
            progress(f"{at}/{len(groups)} {group}")
            count += 1
            try:
                digests = compute(group)
            except ArithmeticError as error:
                compared += 1
                print(f"FAILS   {group}: {error}")
                continue
            for part, digest in digests.items():
                name = f"{group}/{part}"
                compared += 1
                if digest == wanted.get(name):
                    same += 1
                elif group.split("/")[1] in OPEN:
                    opened += 1
                    print(f"open    {name} is {digest}, and {wanted.get(name)} in the file")
                else:
                    print(f"DIFFERS {name} is {digest}, must be {wanted.get(name)}")
        progress("")
        print(f"{kind:24} {count:4} groups {time.monotonic() - began:8.2f} s", flush=True)
    seconds = time.monotonic() - start
    print(f"{compared} digests compared in {seconds:.0f} s, {same} same, {opened} differ in what is open; {left_out} groups left out")
    return 0 if compared and same + opened == compared else 1


def progress(text):
    """What is done just now, where someone looks on."""
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
