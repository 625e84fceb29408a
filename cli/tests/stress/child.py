"""The protocol in Python's standard library alone. child.py BEHAVIOUR"""

import math
import sys
import time

behaviour = sys.argv[1]
if behaviour == "silent":
    time.sleep(60)
if behaviour == "talks first":
    print("Loading the model ...")
print("preflane-stress 1", "logits" if behaviour == "logits" else "pairs", "f80" if behaviour == "odd type" else "f64", flush=True)
if behaviour == "leaves":
    sys.exit("out of memory\nor of patience")
answered = 0
for head in sys.stdin:
    words = head.split()
    beta = float(words[2].split("=")[1])
    for _ in range(int(words[1])):
        pc, pr, rc, rr = map(float, sys.stdin.readline().split())
        z = beta * ((pc - rc) - (pr - rr))
        e = math.exp(-abs(z))
        g = -beta * (1 / (1 + e) if z < 0 else e / (1 + e))
        print(max(-z, 0) + math.log1p(e), g, -g, -g, *([] if behaviour == "four numbers" else [g]))
    answered += 1
    if behaviour == "talks" and answered == 3:
        print("step 3 done")
    if behaviour == "words":
        print("tensor(0.69)")
    if behaviour == "raises" and answered == 2:
        raise ArithmeticError("what now?")
    if behaviour == "hangs" and answered == 2:
        sys.stdin.readline()
        time.sleep(60)
    sys.stdout.flush()
