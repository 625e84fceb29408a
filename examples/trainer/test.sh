#!/usr/bin/env bash
# Checks what the trainer promises: the same bits for 1, 2 and 4 threads and ranks, whole rows and shards of the
# vocabulary, and a clear end for bad input. PREFLANE_INCLUDE and PREFLANE_LIB as for build.sh; needs Open MPI.
#
#   examples/trainer/test.sh DIRECTORY [--quick]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: test.sh DIRECTORY [--quick]}
quick=${2:-}
pairs=$here/pairs.jsonl
passed=0 failed=0

say() {
  if [ "$1" = 0 ]; then
    passed=$((passed + 1)) && printf 'ok      %s\n' "$2"
  else
    failed=$((failed + 1)) && printf 'FAILED  %s\n' "$2" && sed 's/^/    /' "$out/log" | tail -n 12
  fi
}
# digest NAME COMMAND...: that the run ends well with the digest expected.
digest() {
  local name=$1
  shift
  "$@" >"$out/log" 2>&1 && grep -qxF "digest $(cat "$here/expected.txt")" "$out/log"
  say $? "$name"
}
# refused NAME STATUS TEXT COUNT COMMAND...: that it ends with the status (0: any failure) and says TEXT so many times.
refused() {
  local name=$1 status=$2 text=$3 count=$4 got
  shift 4
  timeout 60 "$@" >"$out/log" 2>&1
  got=$?
  [ $got -ne 0 ] && [ $got -ne 124 ] && { [ "$status" = 0 ] || [ $got = "$status" ]; } && [ "$(grep -cF -- "$text" "$out/log")" = "$count" ]
  say $? "$name"
}
ranks() { timeout 300 mpirun --allow-run-as-root --oversubscribe -np "$@"; }

mkdir -p "$out"
"$here/build.sh" "$out" >"$out/log" 2>&1
say $? "builds"
[ -x "$out/trainer-mpi" ]
say $? "builds over MPI"
run=("$out/trainer" --pairs "$pairs") run_mpi=("$out/trainer-mpi" --pairs "$pairs" --threads 1)

for threads in 1 2 4; do
  [ "$quick" != --quick ] || [ $threads != 4 ] || continue
  digest "$threads threads" "${run[@]}" --short --threads $threads
done
for n in 1 2 4; do
  [ "$quick" != --quick ] || [ $n = 2 ] || continue
  digest "$n ranks" ranks $n "${run_mpi[@]}" --short
done
ranks 2 "${run_mpi[@]}" --short --vocabulary-parallel >"$out/log" 2>&1 && grep -q ' 0 differ ' "$out/log"
say $? "shards of the vocabulary on 2 ranks"
[ "$quick" = --quick ] || { ranks 3 "${run_mpi[@]}" --short --vocabulary-parallel >"$out/log" 2>&1 && grep -q ' 0 differ ' "$out/log" && say 0 "on 3 ranks"; } || say 1 "on 3 ranks"

text='the target of row 0 is 4096; the columns are 0 to 4095'
refused "a label outside the vocabulary" 2 "$text" 1 "${run[@]}" --short --fail-on-rank 0
refused "the same on one of 2 ranks: both say so" 2 "for rank 1 found: $text" 2 timeout 60 mpirun --allow-run-as-root --oversubscribe -np 2 "${run_mpi[@]}" --short --fail-on-rank 1
refused "the same in a shard of the vocabulary" 2 "for rank 1 found: " 2 timeout 60 mpirun --allow-run-as-root --oversubscribe -np 2 "${run_mpi[@]}" --short --vocabulary-parallel --fail-on-rank 1
refused "a rank that dies ends the run" 0 "exited on signal 6" 1 timeout 60 mpirun --allow-run-as-root --oversubscribe -np 2 "${run_mpi[@]}" --short --die-on-rank 1

bad() {
  printf '%s\n' "$2" >"$out/bad.jsonl"
  refused "$1" 2 "$3" 1 "$out/trainer" --pairs "$out/bad.jsonl"
}
good='{"id":"a","split":"train","prompt":[1],"chosen":[2],"rejected":[3]}'
bad "no test pair" "$good" "bad.jsonl: has 1 train and 0 test pairs"
bad "a token beyond the vocabulary" "$good"$'\n''{"split":"test","prompt":[],"chosen":[4096],"rejected":[3]}' "bad.jsonl:2: a token id lies outside"
bad "a fraction" '{"split":"test","prompt":[],"chosen":[1.5],"rejected":[3]}' "bad.jsonl:1: a token id is not an integer"
bad "an empty answer" '{"split":"test","prompt":[],"chosen":[],"rejected":[3]}' "chosen and rejected need 1 to 256 tokens"
bad "a line cut off" '{"split":"test","prompt":[1],"chosen":[1,2' "an array that does not end"
bad "no split" '{"prompt":[1],"chosen":[1],"rejected":[3]}' "split is missing"
refused "no file" 2 "nowhere.jsonl: No such file" 1 "$out/trainer" --pairs nowhere.jsonl
refused "an option that is none" 2 "there is no option of that name" 1 "$out/trainer" --fast
refused "a number that is none" 2 "--threads needs a whole number from 1 to 256, not zero" 1 "$out/trainer" --threads zero

printf '%d checks passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
