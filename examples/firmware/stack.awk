# The deepest sum of stack frames along the calls from the function that the variable `root` is a pattern of.
# Input: llvm-readelf --stack-sizes, a line CODE, llvm-objdump -d. Output: `stack_static BYTES`, after what is not in that sum.

$0 == "CODE" { code = 1; next }
!code && $1 ~ /^[0-9]+$/ { for (i = 2; i <= NF; i++) { gsub(",", "", $i); frame[$i] = $1 }; next }
!code { next }
# Marks inside a function are no functions.
/^[0-9a-f]+ <(\$|\.L).*>:$/ { next }
/^[0-9a-f]+ <.*>:$/ { from = $2; gsub(/^<|>:$/, "", from); if (from ~ root) roots[from]; next }
# Assembly tells no frame: what it pushes and what it takes from the stack pointer.
!(from in frame) && /\tpush/ { taken[from] += 4 * gsub(/,/, ",") + 4 }
!(from in frame) && /\tsub(\.w)?\t(sp, )?sp, #/ { amount = $0; sub(/.*#/, "", amount); taken[from] += amount + 0 }
# A call or jump into another function.
match($0, /<[^$>+][^>+]*>/) {
  to = substr($0, RSTART + 1, RLENGTH - 2)
  if (to != from && !((from, to) in edge)) { edge[from, to] = 1; calls[from] = calls[from] " " to }
}
# The one pointer that is called leads to what rounds a result or adds it up.
/\t(blx|bx|jalr|jr)\t/ && !/\t(bx|jr)\t(lr|ra)/ && !/<[^>]+>/ && from ~ /ExactResults3put$/ { sinks[from]; next }
/\t(blx|bx|jalr|jr)\t/ && !/\t(bx|jr)\t(lr|ra)/ && !/<[^>]+>/ { indirect[from] = 1 }

function depth(name,   list, n, i, most, below) {
  if (name in done) return done[name]
  if (name in open) { print "stack_recursion " name; return 0 }
  open[name] = 1
  n = split(calls[name], list, " ")
  for (i = 1; i <= n; i++) { below = depth(list[i]); if (below > most) most = below }
  delete open[name]
  if (!(name in frame)) { if (name in taken) frame[name] = taken[name]; else print "stack_frame_unknown " name }
  if (name in indirect) print "stack_call_unknown " name
  return done[name] = frame[name] + most
}
END {
  for (from in sinks) for (to in frame) if (to ~ /ExactSink3put$/) { calls[from] = calls[from] " " to }
  for (name in roots) { found = depth(name); if (found > most) most = found }
  print "stack_static " (most ? most : "?")
}
