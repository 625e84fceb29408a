#!/usr/bin/env python3
"""Writes `expected.json`: what every loss is on the real data, by the expressions and the exact arithmetic of `conformance/python`, which has no
code in common with what is tested. Each loss has the first set of parameters of its grids; what it takes beside log-probabilities is its grid's
numbers in turn, of lists the file's.

    python3 cli/tests/data/expected.py
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "conformance" / "python"))

import check
import exact
import floats
import lists
import losses

#: Losses of a batch in order, which no file is.
OF_BATCHES = ("aot", "aot_unpaired")


def rows(name):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def f32(row, *names):
    return [floats.f32(row[name]) for name in names]


def text(x):
    """The shortest decimal number that binary32 reads as x."""
    return next(shortest for digits in range(1, 18) if floats.f32(float(shortest := f"{x:.{digits}g}")) == x or x != x)


def of(found, parameters, extra=None):
    """An entry: the mean, which is that of the rounded losses, and the first losses."""
    total = exact.Sum()
    total.add_all(found)
    return {**parameters, **(extra or {}), "mean_loss": text(total.mean(len(found))), "first": [text(x) for x in found[:5]]}


def pairs(name, parameters, reference):
    names = "policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"
    given = [(*f32(row, *names), 1.0) for row in rows("pairs.jsonl")]
    if name in losses.PAIRS:
        found, *_ = losses.evaluate(name, parameters, given, reference, False)
    else:
        found, *_ = losses.evaluate_by_value(name, parameters, given, check.beside(name, given), reference)
    return of(floats.results(found)[::9], parameters)


def labelled(name, parameters, reference):
    given = rows("labelled.jsonl")
    extra, point = {}, 0.0
    shift = {"kto": ("policy_KL_logps", "ref_KL_logps"), "bco": ("policy_logps", "ref_logps")}.get(name)
    if shift:
        ratios = [losses.log_ratio(*f32(row, *shift)) for row in given]
        mean = sum(ratios) / len(ratios)
        point = exact.nearest(max(mean, 0) if name == "kto" else mean)
        extra = {"reference_point": point}
    found = []
    for row in given:
        policy, ref = f32(row, "policy_logps", "ref_logps")
        answer = policy, ref if reference else 0.0, row["label"]
        found.append(losses.labelled(name, parameters, answer, point, 0.0, (1.0,))[0][0])
    return of(floats.results(found), parameters, extra)


def listed(name, parameters):
    column = {"info_nca": "reward", "nca": "reward", "a2po": "reward", "lipo": "relevance", "real": "right"}.get(name)
    found = []
    for row in rows("lists.jsonl"):
        answers = [(floats.f32(p), floats.f32(r)) for p, r in zip(row["policy_logps"], row["ref_logps"])]
        beside = [floats.f32(x) for x in row[column]] if column else [0.0] * len(answers)
        found.append(lists.listed(name, parameters, answers, beside, (1.0,))[0][0])
    return of(floats.results(found), parameters)


def main():
    path = HERE / "expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))
    described = (HERE.parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
    # | `name`, .. | formula | parameters | column | reference | source |
    cells = [line.replace("\\|", "").split(" | ") for line in described.splitlines() if line.startswith("| `")]
    free = {row[0].split("`")[1] for row in cells if len(row) == 6 and row[4] == "no"}
    entries = {}
    for name in check.LOSSES:
        parameters = check.CASES[name + "/0"]
        if name in OF_BATCHES:
            continue
        if name in lists.LISTED:
            entries[name] = listed(name, parameters)
        elif name in losses.LABELLED:
            entries[name] = labelled(name, parameters, name not in free)
        else:
            entries[name] = pairs(name, parameters, name not in free)
    expected["losses"] = entries
    path.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


main()
