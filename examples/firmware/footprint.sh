#!/usr/bin/env bash
# Measures what the streaming evaluator costs a microcontroller, and checks that against the file `limits`.
#
#   examples/firmware/footprint.sh                    all, and writes the table into README.md
#   examples/firmware/footprint.sh --check [BOARDS]   checks alone, the boards that `limits` is about
#
# Flash: sections of an image less those of one that only starts up. Stack: painted, and looked through after the deepest
# call; and a bound from the frames of all functions along the calls in the image. Instructions: QEMU's -icount.
set -uo pipefail
cd "$(dirname "$0")" || exit 2
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
. ./boards.sh

# One board of each kind of code: without FPU, with one of f32, with one of f64, and RISC-V.
MEASURED='microbit mps2-an386 mps2-an500 virt'
# What `limits` speaks of: the smallest core, and the one that it has figures for.
CHECKED='microbit mps2-an386'
IMAGES='startup dpo pairs monitor logits measure'

write=yes boards=$MEASURED
case ${1:-} in
  '') ;;
  --check)
    write=
    boards=$(for board in ${2:-$CHECKED}; do [[ " $CHECKED " == *" $board "* ]] && echo "$board"; done | xargs)
    ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
esac
[ -n "$boards" ] || exit 0

install_packages
build preflane-example-footprint "$boards" $IMAGES
# As small as the compiler can, at some cost in speed. For a check alone, only where there is a limit: it builds all anew.
smallest=$boards
[ -n "$write" ] || smallest=$(for board in $boards; do grep -q "^$board flash_pairs_z" limits && echo "$board"; done | xargs)
(
  target=$target/opt-z
  mkdir -p "$target"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=z build preflane-example-footprint "$smallest" startup pairs
)

# Bytes in flash.
flash() { llvm-size "$1" | awk 'NR == 2 {print $1 + $2}'; }

# The deepest sum of frames along the calls from where a pair is scored; a name for each call that cannot be followed.
static_stack() {
  { llvm-readelf --stack-sizes "$1" && echo CODE && llvm-objdump -d --no-show-raw-insn ${2:+--mcpu=$2} "$1"; } |
    awk -v root='7measure3end$' -f stack.awk
}

# measure BOARD: `NAME VALUE`, one a line.
measure() {
  local start image dir=$target/boards/$1 small=$target/opt-z/boards/$1
  start=$(flash "$dir/startup") || return
  for image in dpo pairs monitor logits; do echo "flash_$image $(($(flash "$dir/$image") - start))"; done
  [[ " $smallest " != *" $1 "* ]] || echo "flash_pairs_z $(($(flash "$small/pairs") - $(flash "$small/startup")))"
  for image in $IMAGES; do
    [ "$image" = measure ] || echo "panics_$image $(llvm-nm -C "$dir/$image" | grep -cE 'core::panicking|core::fmt|panic_fmt')"
  done
  static_stack "$dir/measure" "$(sed -n 's/.*target-cpu=//p' <<<"$(field "$1" 5)")"
  emulate "$1" "$dir/measure" -icount shift=10 || echo "run_failed $?"
}

failed=0 rows=
for board in $boards; do
  say "$board: measuring"
  file=$target/boards/$board/footprint
  measure "$board" >"$file" 2>&1 || { say "FAILED: $board: $(tail -n 1 "$file")" && failed=1 && continue; }
  value() { awk -v name="$1" '$1 == name {print $2; found = 1} END {if (!found) print "?"}' "$file"; }
  # The limits of this board and of all.
  while read -r limited name most; do
    [ "$limited" = "$board" ] || [ "$limited" = all ] || continue
    got=$(value "$name")
    if ! [[ $got =~ ^[0-9]+$ ]] || [ "$got" -gt "$most" ]; then
      say "FAILED: $board: $name is $got; at most $most (examples/firmware/limits)"
      failed=1
    fi
  done < <(sed 's/#.*//' limits)
  row="| $(field "$board" 2) |"
  for name in flash_dpo flash_pairs flash_pairs_z flash_monitor flash_logits stack_ordinary stack_pairs stack_static stack_push stack_logits stack_save stack_restore \
    instructions_token instructions_pair instructions_push instructions_logit; do
    row+=" $(value "$name" | sed ':a;s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta') |"
  done
  rows+=$row$'\n'
  state="State: evaluator $(value state_evaluator) bytes; monitor $(value state_monitor) with a window of 32 pairs, $(value state_window_row) of them a pair; saved $(value state_saved)."
done

table="| | flash: one loss | any loss | with opt-level z | any loss and monitor | any loss and logits | stack: ordinary pair | any pair | any pair, bound | push | logits | save | restore | instructions: token | pair | push | logit |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
$rows
${state:-}"
printf '\n%s\n' "$table"
if [ -n "$write" ] && [ $failed -eq 0 ]; then
  TABLE=$table awk '/<!-- footprint end -->/ {skip = 0} !skip {print} /<!-- footprint -->/ {print "\n" ENVIRON["TABLE"] "\n"; skip = 1}' \
    README.md >"$target/README.md" && cp "$target/README.md" README.md
fi
[ $failed -eq 0 ]
