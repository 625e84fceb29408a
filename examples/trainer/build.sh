#!/usr/bin/env bash
# Builds trainer and, where mpicc is there, trainer-mpi:
#
#   PREFLANE_INCLUDE=... PREFLANE_LIB=... examples/trainer/build.sh DIRECTORY
#
# Without the two variables pkg-config says where preflane is. CFLAGS adds flags of your own (not -ffast-math).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh DIRECTORY}
mkdir -p "$out"
if [ -n "${PREFLANE_INCLUDE:-}" ]; then
  library=("-I$PREFLANE_INCLUDE" "$PREFLANE_LIB/libpreflane.a")
else
  read -ra library <<<"$(pkg-config --cflags --libs preflane)"
fi
read -ra own <<<"${CFLAGS:-}"
# Contraction would fuse multiplications and additions where the CPU can, and give other bits than elsewhere.
flags=(-std=c99 -Wall -Wextra -Werror -pedantic -O3 -ffp-contract=off "${own[@]}" -pthread)
common=("$here"/{main,loss,model,team,data}.c)
system=(-lpthread -ldl -lm -lgcc_s)
gcc "${flags[@]}" "${common[@]}" "$here/comm_none.c" "${library[@]}" "${system[@]}" -o "$out/trainer"
if command -v mpicc >/dev/null; then
  # MPI's headers are its own affair.
  mpicc "${flags[@]}" -Wno-pedantic -Wno-error "${common[@]}" "$here/comm_mpi.c" "${library[@]}" "${system[@]}" -o "$out/trainer-mpi"
fi
