#!/bin/sh
# Builds the example against the torch of PYTHON and runs it, on Linux. From the environment: PREFLANE_LIB (libpreflane.a, or its
# folder), PREFLANE_INCLUDE (the folder of preflane.h), PYTHON, CXX, OUT (the program). Arguments go to the program.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
include=${PREFLANE_INCLUDE:-$here/../../capi/include}
library=${PREFLANE_LIB:?libpreflane.a, or its folder}
[ -d "$library" ] && library=$library/libpreflane.a
out=${OUT:-${TMPDIR:-/tmp}/preflane-libtorch}

prefix=$("$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')
torch=${prefix%/share/cmake}
abi=$("$python" -c 'import torch; print(int(torch._C._GLIBCXX_USE_CXX11_ABI))')

# The header of the example is C++17; torch's own, from 2.15 on, want C++20. OpenMP is torch's copy of it: two in one program would
# each have threads of their own.
"${CXX:-c++}" -std=c++20 -O2 -Wall -Wextra -fopenmp -D_GLIBCXX_USE_CXX11_ABI="$abi" \
    -I"$include" -isystem "$torch/include" -isystem "$torch/include/torch/csrc/api/include" -c "$here/main.cpp" -o "$out.o"
"${CXX:-c++}" "$out.o" "$library" -o "$out" \
    -L"$torch/lib" -Wl,-rpath,"$torch/lib" -Wl,--no-as-needed -ltorch -ltorch_cpu -lc10 \
    "$(ls "$torch"/lib/libgomp*.so* | head -n 1)" -lpthread -ldl -lm
exec "$out" "$@"
