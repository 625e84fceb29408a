#!/bin/sh
# Builds the trainers: build.sh DIRECTORY
#
# PREFLANE_INCLUDE: directory of preflane.h. PREFLANE_LIB: directory of the library. Without them pkg-config is asked.
# CC, MPICC, CFLAGS: as usual. trainer-mpi is built where MPICC is to be had.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh DIRECTORY" >&2; exit 2; }
out=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"

if [ -n "${PREFLANE_INCLUDE:-}" ] && [ -n "${PREFLANE_LIB:-}" ]; then
    find="-I$PREFLANE_INCLUDE"
    link="-L$PREFLANE_LIB -Wl,-rpath,$PREFLANE_LIB -lpreflane"
else
    find=$(pkg-config --cflags preflane)
    link=$(pkg-config --libs preflane)
fi

# No fused multiply-adds: results are to have the same bits on every machine.
flags="-std=c99 -Wall -Wextra -Werror -pedantic -ffp-contract=off ${CFLAGS:--O2}"
shared=
for name in batch data dpo failure linear model optimiser options ranks softmax supervised threads training; do
    ${CC:-cc} $flags $find -c "$here/$name.c" -o "$out/$name.o"
    shared="$shared $out/$name.o"
done
${CC:-cc} $flags $find "$here/trainer.c" $shared $link -lm -lpthread -o "$out/trainer"
if command -v "${MPICC:-mpicc}" > /dev/null; then
    OMPI_CC=${CC:-cc} ${MPICC:-mpicc} $flags $find "$here/mpi.c" "$here/vocabulary.c" $shared $link -lm -lpthread -o "$out/trainer-mpi"
else
    echo "build.sh: no ${MPICC:-mpicc}: trainer-mpi is not built" >&2
fi
