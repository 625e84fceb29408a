# The deepest sum of stack frames along the calls from `main`. Input: llvm-readelf --stack-sizes, a line CODE, llvm-objdump -d.
# Output: `stack_static BYTES`, then what is not in that sum.

$0 == "CODE" { code = 1; next }
!code && $1 ~ /^[0-9]+$/ { for (i = 2; i <= NF; i++) { gsub(",", "", $i); frame[$i] = $1 }; next }
!code { next }
# Marks of data and code inside a function are no functions.
/^[0-9a-f]+ <\$.*>:$/ { next }
/^[0-9a-f]+ <.*>:$/ { from = $2; gsub(/^<|>:$/, "", from); next }
# A call or jump into another function.
match($0, /<[^$>+][^>+]*>/) {
  to = substr($0, RSTART + 1, RLENGTH - 2)
  if (to != from && !((from, to) in edge)) { edge[from, to] = 1; calls[from] = calls[from] " " to }
}
/\t(blx|bx|jalr|jr)\t/ && !/\t(bx|jr)\t(lr|ra)/ && !/<[^>]+>/ { indirect[from] = 1 }

function depth(name,   list, n, i, most, below) {
  if (name in done) return done[name]
  if (name in open) { print "stack_recursion " name; return 0 }
  open[name] = 1
  n = split(calls[name], list, " ")
  for (i = 1; i <= n; i++) { below = depth(list[i]); if (below > most) most = below }
  delete open[name]
  if (!(name in frame)) print "stack_frame_unknown " name
  if (name in indirect) print "stack_call_unknown " name
  return done[name] = frame[name] + most
}
END { most = depth("main"); print "stack_static " most }
