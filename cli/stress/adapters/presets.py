"""Whether presets mean what trainers compute: every loss of a preset over real pairs, by `preflane score --preset` and by the trainer's own function.

    presets.py [--preflane COMMAND] [--trl-0.24 SOURCE] [--openrlhf SOURCE] [--halos CHECKOUT]

TRL 1.16 and Liger kernel 0.8 are taken as installed, the others from the unpacked source of their packages or a checkout. The trainer computes in f64, so
that what differs is the formula. Likelihood terms are left out (a column of zeros), running shifts stand still, and the reference point of labelled
answers is 0.75 nats. A trainer that is not there is named, and the exit status is 1 unless every loss was compared and is the same.
"""

import argparse
import csv
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
POINT = 0.75
SUMS = "dpo cdpo hinge robust exo_pair nca_pair bco_pair sppo_hard apo_zero apo_down discopop".split()
TRL = {name: name for name in SUMS} | {"dpo": "sigmoid", "ipo": "ipo", "kto": "kto", "apo_zero_unpaired": "apo_zero_unpaired", "orpo": "orpo", "simpo": "simpo"}
# By preset, what an adapter calls its losses; what is not there is told.
ADAPTERS = {
    "trl-1.16": (
        ["trl_losses.py"],
        TRL
        | {"sigmoid_norm": "sigmoid_norm", "nll": "sft", "cpo": "cpo", "alphapo": "alphapo"}
        | {name: f"sigmoid {name}" for name in ("forward_kl", "js_divergence", "alpha_divergence")},
    ),
    "trl-0.24": (["trl_0_24_checkout.py", "--trl-0.24"], TRL | {"bco": "bco"}),
    "liger-0.8": (["liger_losses.py"], TRL | {"cpo": "cpo"}),
    "openrlhf-0.11": (["openrlhf_checkout.py", "--openrlhf"], {"dpo": "dpo", "ipo": "ipo"}),
    "halos": (["halos_checkout.py", "--halos"], {name: name for name in ("dpo", "cdpo", "ipo", "simpo", "slic", "kto")}),
}
# Beside the defaults, where a preset's meaning shows.
OPTIONS = {
    ("trl-0.24", "dpo"): ["--label-smoothing", "0.1"],
    ("openrlhf-0.11", "dpo"): ["--label-smoothing", "0.1"],
    ("trl-1.16", "robust"): ["--label-smoothing", "0.1"],
    ("trl-0.24", "robust"): ["--label-smoothing", "0.1"],
    ("halos", "cdpo"): ["--label-smoothing", "0.1"],
    ("trl-0.24", "bco_pair"): ["--shift", "0.25"],
    ("trl-1.16", "alphapo"): ["--alpha", "0.1"],
}


def rows(means):
    """Log-probabilities of real pairs, of answers or of their tokens; odds need means below 0."""
    for line in open(HERE / "../../../examples/pairs.jsonl"):
        row = json.loads(line)
        tokens = {"chosen": row["chosen_tokens"], "rejected": row["rejected_tokens"]}
        exact = [row[f"{model}_{of}_logps"] / (tokens[of] if means else 1) for model in ("policy", "ref") for of in tokens]
        # Both sides take the same numbers, which are f32.
        yield list(struct.unpack("4f", struct.pack("4f", *exact)))


def presets(command):
    """Each preset's name with what it makes of names: (name, loss, what it says)."""
    text = subprocess.run([*command, "losses", "--presets"], capture_output=True, text=True, check=True).stdout
    for block in text.split("--preset ")[1:]:
        block = re.sub(r"\n {4,}", " ", block)
        yield block.split()[0], re.findall(r"^  (\w+) +(\w+): (.*)$", block, re.MULTILINE)


def write(path, names, table):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *table])


def scored(command, preset, name, table, labelled, folder):
    """What preflane says: the losses, the parameters by which they are, and what the preset chose."""
    source, out = folder / "in.csv", folder / "out.csv"
    options = [*OPTIONS.get((preset, name), [])]
    if labelled:
        write(source, ["label", "policy_logps", "ref_logps"], [row[:3] for row in table])
        options += [] if name == "apo_zero_unpaired" else ["--reference-point", str(POINT)]
    else:
        names = [f"{model}_{of}_logps" for model in ("policy", "ref") for of in ("chosen", "rejected")]
        write(source, [*names, "nll"], [[*row, -row[0] if name == "nll" else 0] for row in table])
    command = [*command, "score", source, "--preset", preset, "--loss", name, *options, "--out", out]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{preset} {name}: {run.stderr.strip()}")
    head = " ".join(run.stdout.split("\n\n")[0].split()).split(", ")
    words = [re.fullmatch(r"(\D+) (-?[\d.e-]+)", part) for part in head[2:]]
    parameters = {word[1].replace(" ", "_"): word[2] for word in words if word}
    losses = [float(row["loss"]) for row in csv.DictReader(open(out))]
    return losses, parameters, head[1].removeprefix("loss ")


def computed(argv, parameters, table, labelled):
    """What the trainer's function says of the same rows."""
    shape = "labelled" if labelled else "pairs"
    head = " ".join([shape, str(len(table)), *(f"{key}={value}" for key, value in parameters.items())])
    lines = "\n".join([head, *(" ".join(map(repr, row)) for row in table)]) + "\n"
    # TRL's alpha-divergence has no f64.
    environment = os.environ | {"PREFLANE_STRESS_TYPE": "f32" if "alpha_divergence" in argv else "f64"}
    run = subprocess.run([sys.executable, *argv], input=lines, capture_output=True, text=True, env=environment, cwd=HERE)
    answers = run.stdout.splitlines()[1:]
    if run.returncode != 0 or len(answers) != len(table):
        return None, run.stderr.strip().splitlines()[-1:] or answers[:1]
    return [float(line.split()[0]) for line in answers], None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preflane", default="preflane", help="the command")
    for of in ("--trl-0.24", "--openrlhf", "--halos"):
        parser.add_argument(of, metavar="SOURCE", dest=of)
    given = vars(parser.parse_args())
    command = given["preflane"].split()
    print("| preset | loss | is | parameters | largest relative difference |\n|---|---|---|---|---|")
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for preset, conventions in presets(command):
            if preset not in ADAPTERS:
                continue
            (script, *where), names = ADAPTERS[preset]
            source = [given[of] for of in where]
            for name, means, says in conventions:
                cells = [preset, name]
                if name not in names or None in source:
                    same = False
                    why = "its source was not given" if name in names else "no adapter has it"
                    print("|", " | ".join([*cells, means, "", f"not compared: {why}"]), "|")
                    continue
                table = [list(row) for row in rows("means over" in says or "are means" in says)]
                labelled = name in ("kto", "bco", "apo_zero_unpaired")
                if labelled:
                    table = [[label, row[i], row[i + 2], POINT] for row in table for i, label in ((0, 1), (1, 0))]
                losses, parameters, chosen = scored(command, preset, name, table, labelled, Path(folder))
                theirs, failed = computed([script, *source, *names[name].split()], parameters, table, labelled)
                if failed is not None:
                    same = False
                    print("|", " | ".join([*cells, chosen, "", f"FAILED: {failed}"]), "|")
                    continue
                # A loss is the nearest f32, 6e-8 of itself away at most; trainers keep some constants in f32, which costs 2e-6 here.
                worst = max(abs(a - b) / max(abs(b), 1e-4) for a, b in zip(losses, theirs))
                same = same and worst < 1e-5
                told = ", ".join(f"{key} {value}" for key, value in parameters.items())
                print("|", " | ".join([*cells, chosen, told, f"{worst:.1e}" + ("" if worst < 1e-5 else " DIFFERS")]), "|", flush=True)
    sys.exit(not same)


main()
