#!/usr/bin/env bash
# Builds every fuzz target and runs each for a while: fuzz/smoke.sh [SECONDS], 10 by default. One line a target; the exit
# status is not 0 if one does not build, cannot run, executes nothing, or finds something.
#
# It builds without cargo-fuzz, whose flags instrument every dependency: here only the crates under test count edges, which takes a
# fraction of the time; those of the judge's arithmetic would say nothing about them. The same seed each time, for CI to mean the same
# each time: PREFLANE_FUZZ_SEED is another.
# PREFLANE_FUZZ_FEATURES=mpfr runs the judge in lockstep with MPFR.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-10}
# As many at a time as there are cores; each is one process.
jobs=${PREFLANE_FUZZ_JOBS:-$(nproc)}
toolchain=${PREFLANE_FUZZ_TOOLCHAIN:-nightly}
seed=${PREFLANE_FUZZ_SEED:-1}
host=$(rustc "+$toolchain" --version --verbose | sed -n 's/^host: //p')
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/smoke
export RUSTFLAGS='--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Zshare-generics=yes'

edges='["-Cpasses=sancov-module", "-Cllvm-args=-sanitizer-coverage-level=4", "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table", "-Cllvm-args=-sanitizer-coverage-trace-compares"]'
options=(-Zprofile-rustflags)
for package in preflane preflane-cli preflane-fuzz; do
  options+=(--config "profile.release.package.$package.rustflags=${edges//$'\n'/}")
done
cargo "+$toolchain" build --release --locked --target "$host" --bins --features "${PREFLANE_FUZZ_FEATURES:-}" "${options[@]}"

built=$CARGO_TARGET_DIR/$host/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One target: its log and its status go into the work folder.
run() {
  local target=$1 seeds=seeds/choices status=0
  [ -d "seeds/$target" ] && seeds=seeds/$target
  mkdir -p "$work/$target" "artifacts/$target"
  # Threads that end while leaks are looked for are taken for leaks, of the C library's.
  "$built/$target" "$work/$target" "$seeds" -seed="$seed" -max_total_time="$seconds" -dict=preflane.dict -max_len=2048 \
    -timeout=20 -rss_limit_mb=3000 -detect_leaks=0 -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
    >"$work/$target.log" 2>&1 || status=$?
  echo "$status" >"$work/$target.status"
}

targets=()
for target in targets/*.rs; do
  target=${target#targets/}
  targets+=("${target%.rs}")
done
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  run "$target" &
done
wait

failed=0
for target in "${targets[@]}"; do
  log=$work/$target.log
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | cut -d' ' -f2 || true)
  if [ "$(cat "$work/$target.status")" = 0 ] && [ "${runs:-0}" -gt 0 ] && [ "${coverage:-0}" -gt 0 ]; then
    result=ok
  else
    result=FAILED
    failed=1
  fi
  printf '%-12s %9s executions %7s a second %6s edges  %s\n' \
    "$target" "${runs:-0}" "$((${runs:-0} / (seconds > 0 ? seconds : 1)))" "${coverage:-0}" "$result"
  [ "$result" = ok ] || tail -n 60 "$log"
done
exit "$failed"
