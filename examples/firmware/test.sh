#!/usr/bin/env bash
# Runs the example on every board, in QEMU, and compares every number that it logs with what this machine computes; then
# checks the footprint against its limits.
#
#   examples/firmware/test.sh                       every board
#   examples/firmware/test.sh mps2-an386 virt       some (names: test.sh --list)
#
# CARGO_TARGET_DIR is respected. A board that cannot be run fails by name.
set -uo pipefail
cd "$(dirname "$0")" || exit 2
. ./boards.sh

case ${1:-} in
  --list) printf '%s\n' $ALL && exit 0 ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
esac
boards=$(chosen "$@") || exit 2

install_packages
say "the host program, and its tests"
cargo test --locked -p preflane-example-host --target-dir "$target" >"$target/host.log" 2>&1 &&
  cargo build --locked -p preflane-example-host --target-dir "$target" >>"$target/host.log" 2>&1 ||
  { tail -n 25 "$target/host.log" && die "the host program fails its tests"; }
build preflane-example-device "$boards" preflane-example-device

# one BOARD: prints the result.
one() {
  local elf=$target/boards/$1/preflane-example-device log=$target/boards/$1/log status said
  [ -f "$elf" ] || { echo "FAILED: not built" && return; }
  emulate "$1" "$elf" >"$log" 2>"$log.errors"
  status=$?
  said=$("$target/debug/preflane-example-host" "$elf" "$log" 2>&1) || said="FAILED: $said"
  case $status in
    0) ;;
    124 | 137) said="FAILED: no end after $LIMIT s" ;;
    *) said="FAILED: status $status; $said" ;;
  esac
  echo "$said"
}

failed=0 table=
for board in $boards; do
  result=$(one "$board")
  say "$board: $(head -n 1 <<<"$result")"
  case $result in
    *same) ;;
    *)
      failed=$((failed + 1))
      tail -n +2 <<<"$result"
      cat "$target/boards/$board/log.errors" 2>/dev/null
      ;;
  esac
  table+=$(printf '%-11s | %-21s | %s' "$board" "$(field "$board" 2)" "$(head -n 1 <<<"$result")")$'\n'
done

CARGO_TARGET_DIR=$target ./footprint.sh --check "$boards" || failed=$((failed + 1))

printf '\n%-11s | %-21s | %s\n' board core result
printf -- '------------|-----------------------|-------\n%s' "$table"
[ "$failed" -eq 0 ] && echo "all passed" || echo "$failed failed"
[ "$failed" -eq 0 ]
