#!/bin/sh
# Builds the trainers and checks that threads and ranks give the bits of expected.txt, and that bad input is told.
#
# test.sh [--quick] [DIRECTORY]: --quick leaves out 4 ranks. PREFLANE_INCLUDE, PREFLANE_LIB, CC, MPICC, CFLAGS: see build.sh.
set -u

quick=
[ "${1:-}" = --quick ] && { quick=1; shift; }
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 0 ]; then out=$1; mkdir -p "$out"; else out=$(mktemp -d); trap 'rm -rf "$out"' EXIT; fi
out=$(cd "$out" && pwd)
pairs=$here/pairs.jsonl
passed=0
failed=0

pass() { passed=$((passed + 1)); echo "ok: $1"; }
# fail NAME WHY: with the end of what the command printed.
fail() {
    failed=$((failed + 1))
    echo "FAILED: $1: $2"
    [ ! -s "$out/stderr" ] || tail -n 5 "$out/stderr" | sed 's/^/    /'
}
# run COMMAND...: status, $out/stdout, $out/stderr. Nothing may hang.
run() {
    timeout 300 "$@" > "$out/stdout" 2> "$out/stderr"
    status=$?
}
ranks() {
    count=$1
    shift
    run mpirun --allow-run-as-root --oversubscribe -np "$count" "$out/trainer-mpi" "$@"
}
expected() { sed -n "s/^$1 //p" "$here/expected.txt"; }

# digest NAME KEY: of the run before.
digest() {
    found=$(sed -n 's/^digest //p' "$out/stdout")
    if [ "$status" -ne 0 ]; then fail "$1" "status $status"
    elif [ -z "$found" ] || [ "$found" != "$(expected "$2")" ]; then
        fail "$1" "digest ${found:-missing}, expected.txt has $(expected "$2")"
    else pass "$1: digest $found"
    fi
}
# told NAME STATUS MESSAGE [LINES]: the run before ended with the status and that many lines (1) with the message.
told() {
    lines=$(grep -cF -- "$3" "$out/stderr")
    if [ "$status" -ne "$2" ]; then fail "$1" "status $status, not $2"
    elif [ "$lines" -ne "${4:-1}" ]; then fail "$1" "$lines lines, not ${4:-1}, say: $3"
    else pass "$1"
    fi
}
# bad NAME MESSAGE OPTIONS...: one line on stderr and status 2.
bad() {
    name=$1 message=$2
    shift 2
    run "$out/trainer" --short "$@"
    if [ "$(wc -l < "$out/stderr")" -ne 1 ]; then fail "$name" "not one line on stderr"
    else told "$name" 2 "$message"
    fi
}
# line NAME MESSAGE LINE: a file whose third line is that one.
line() {
    { head -n 2 "$pairs"; printf '%s\n' "$3"; tail -n 2 "$pairs"; } > "$out/bad.jsonl"
    bad "$1" "bad.jsonl:3: $2" "$out/bad.jsonl"
}

run "$here/build.sh" "$out"
if [ "$status" -ne 0 ]; then
    fail build "status $status"
    exit 1
fi
pass build

for threads in 1 2 4; do
    run "$out/trainer" --short --threads "$threads" "$pairs"
    digest "threads $threads" short
done
# A batch of fewer pairs than shards.
run "$out/trainer" --short --batch 2 --steps 2 --threads 4 "$pairs"
if [ "$status" -eq 0 ]; then pass "batch of 2 pairs"; else fail "batch of 2 pairs" "status $status"; fi
run "$out/trainer" --short --steps 2 --softmax handwritten "$pairs"
if [ "$status" -eq 0 ] && grep -q '^time: .*handwritten' "$out/stderr"; then pass "handwritten softmax"
else fail "handwritten softmax" "status $status, or no time"; fi
run "$out/trainer" --help
if [ "$status" -eq 0 ] && grep -q '^usage:' "$out/stdout"; then pass help; else fail help "status $status"; fi

# -ffast-math makes the whole process flush subnormals to zero.
run env CFLAGS=-ffast-math MPICC=no-ranks "$here/build.sh" "$out/fast-math"
run "$out/fast-math/trainer" --short "$pairs"
told "-ffast-math" 1 "preflane_check_environment: the floating-point environment is not the default one"

bad "unknown option" "unknown option --treads" --treads 2
bad "option without a value" "--threads must be a whole number from 1 to 64, not \"\"" --threads
bad "threads 0" "--threads must be a whole number from 1 to 64, not \"0\"" --threads 0
bad "beta nan" "--beta must be a number above 0" --beta nan
bad "softmax" "--softmax must be preflane or handwritten" --softmax fast
bad "two files" "one file of pairs at most" "$pairs" "$pairs"
bad "no file" "give the file of pairs as the argument" "$out/none.jsonl"
bad "a directory" "Is a directory" "$out"
: > "$out/empty.jsonl"
bad "empty file" "0 train and 0 test pairs; at least one of each is needed" "$out/empty.jsonl"
good='"split":"train","prompt":[1],"chosen":[2],"rejected":[3]'
line "no object" "a pair must begin with {" 'id,split'
line "cut off" "\"rejected\", token 1: a whole number and then , or ] must stand there" \
    '{"split":"train","prompt":[1],"chosen":[2],"rejected":[3,4'
line "not closed" "a pair must end with }" "{$good"
line "token too large" "\"chosen\", token 1: id 4096 is outside the vocabulary, 0 to 4095" \
    '{"split":"train","prompt":[1],"chosen":[2,4096],"rejected":[3]}'
line "negative token" "\"prompt\", token 0: id -1 is outside" '{"split":"train","prompt":[-1],"chosen":[2],"rejected":[3]}'
line "token no integer" "\"chosen\", token 0: a whole number" '{"split":"train","prompt":[1],"chosen":[2.5],"rejected":[3]}'
line "no tokens" "\"chosen\", token 0: a whole number" '{"split":"train","prompt":[1],"chosen":[],"rejected":[3]}'
line "no array" "\"chosen\" must be an array" '{"split":"train","prompt":[1],"chosen":2,"rejected":[3]}'
line "key missing" "a key is missing" '{"split":"train","prompt":[1],"chosen":[2]}'
line "key twice" "\"chosen\" is there twice" "{$good,\"chosen\":[2]}"
line "key unknown" "unknown key" "{$good,\"reject\":[2]}"
line "split unknown" "\"split\" must be \"train\" or \"test\"" '{"split":"dev","prompt":[1],"chosen":[2],"rejected":[3]}'
line "two in a line" "there is more after the pair" "{$good}{$good}"

if [ ! -x "$out/trainer-mpi" ] || ! command -v mpirun > /dev/null; then
    fail ranks "trainer-mpi was not built or there is no mpirun: install libopenmpi-dev and openmpi-bin"
else
    counts="1 2 4"
    [ -z "$quick" ] || { counts="1 2"; echo "left out (--quick): 4 ranks"; }
    for count in $counts; do
        ranks "$count" --short "$pairs"
        digest "ranks $count" short
    done
    ranks 2 --short --threads 2 "$pairs"
    digest "ranks 2 with threads 2" short
    for count in $counts; do
        ranks "$count" --short --steps 3 --vocabulary-parallel "$pairs"
        digest "vocabulary-parallel, ranks $count" vocabulary-parallel
    done

    ranks 3 --short "$pairs"
    told "3 ranks" 2 "3 ranks; it must be 1, 2 or 4" 3
    ranks 2 --short --ranks 2
    told "unknown option on ranks" 2 "unknown option --ranks" 2
    ranks 2 --short --steps 3 --fail-on-rank 1 "$pairs"
    told "label out of range on rank 1" 2 "on rank 1: forward: preflane_token_logps: the target of row" 2
    ranks 2 --short --steps 3 --die-on-rank 1 "$pairs"
    if [ "$status" -ne 0 ] && [ "$status" -ne 124 ]; then pass "a rank that dies ends the run"
    else fail "a rank that dies ends the run" "status $status"; fi
    # Rank 1 has another file than rank 0.
    each="mpirun --allow-run-as-root --oversubscribe -np 1 $out/trainer-mpi --short $pairs : -np 1 $out/trainer-mpi --short"
    { head -n 130 "$pairs"; echo '{"split":'; } > "$out/bad.jsonl"
    run $each "$out/bad.jsonl"
    told "corrupt line on rank 1" 2 "on rank 1: $out/bad.jsonl:131:" 2
    head -n 130 "$pairs" > "$out/other.jsonl"
    run $each "$out/other.jsonl"
    told "other pairs on rank 1" 2 "rank 1 has other pairs or options than rank 0" 2
fi

if [ "$failed" -ne 0 ]; then
    echo "$failed checks FAILED, $passed passed"
    exit 1
fi
echo "$passed checks passed"
