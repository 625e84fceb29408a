#!/usr/bin/env bash
# Shows that C and C++ programs link the library in every way that is promised, and that what they link holds to the
# contract: no panic path, no foreign symbol, no allocation, nothing for valgrind or the sanitizers to find.
#
#   tests/linkage.sh             installs the library by capi/install.sh, twice: with std, and without
#   tests/linkage.sh --cargo-c   installs the one with std by cargo-c instead (which it installs first if it is missing)
#
# Needs rustup's stable toolchain, gcc, and Linux (Debian or a relative); what is missing of g++, clang, cmake, pkg-config,
# valgrind and Open MPI is installed with apt-get, as root, and what cannot be is named. CARGO_TARGET_DIR is respected.
#
# Takes some ten minutes of CPU; on two cores, beside other work, it took eight minutes.
set -uo pipefail
cd "$(dirname "$0")/.."

CARGO_C=0.10.24+cargo-0.98.0

die() {
  printf 'linkage.sh: %s\n' "$*" >&2
  exit 2
}
case ${1:-} in
  "") by_cargo_c=0 ;;
  --cargo-c) by_cargo_c=1 ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
  *) die "unknown option $1; there is --cargo-c" ;;
esac

target=${CARGO_TARGET_DIR:-$PWD/target}
work=$(mkdir -p "$target/linkage" && cd "$target/linkage" && pwd) || die "cannot write to the target directory"
rm -rf "$work/std" "$work/bare" "$work/programs" "$work/cmake"
mkdir -p "$work/programs"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS PREFLANE_LEVEL

passed=0 failed=0
# attempt NAME COMMAND...: one line a test; the output only of those that fail.
attempt() {
  local name=$1 log=$work/attempt.log
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s%s\n' "$name" "$(sed -n 's/^\(.*checks, 0 failed\|[0-9]* checks passed\)$/: \1/p' "$log" | tail -n 1)"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$name"
    tail -n 25 "$log" | sed 's/^/    /'
  fi
}
finish() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
  exit
}

missing=()
for package in gcc g++ clang libc6-dev binutils cmake pkg-config valgrind libopenmpi-dev openmpi-bin; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" && die "cannot install ${missing[*]}"; }
fi

# --- the two libraries, side by side: each is one crate's worth of code generation

install_std() {
  if [ "$by_cargo_c" = 0 ]; then
    CARGO_TARGET_DIR=$work/target-std capi/install.sh --prefix "$work/std"
    return
  fi
  if ! cargo cinstall --version 2>/dev/null | grep -q "${CARGO_C%%+*}"; then
    cargo install cargo-c --version "$CARGO_C" --locked --root "$work/cargo-c" || return 1
    PATH=$work/cargo-c/bin:$PATH
  fi
  cargo cinstall --locked -p preflane --profile capi --prefix "$work/std" --libdir lib --target-dir "$work/target-std"
}
install_std >"$work/std.log" 2>&1 &
std_job=$!
attempt "library without std" env CARGO_TARGET_DIR="$work/target-bare" capi/install.sh --prefix "$work/bare" --no-std --static-only
wait "$std_job"
status=$?
attempt "library with std$([ "$by_cargo_c" = 1 ] && echo ", by cargo-c")" sh -c "cat '$work/std.log'; exit $status"
[ "$failed" -eq 0 ] || finish

bare="-I$work/bare/include $work/bare/lib/libpreflane.a"
static="-I$work/std/include $work/std/lib/libpreflane.a -lpthread -ldl -lm"
shared="-I$work/std/include -L$work/std/lib -Wl,-rpath,$work/std/lib -lpreflane"

# --- what the libraries hold

# The one object that is not of the compiler's own support library.
own_object() {
  rm -rf "$work/members" && mkdir "$work/members" && (cd "$work/members" && ar x "$work/bare/lib/libpreflane.a") 2>/dev/null
  ls "$work"/members/preflane-*.o
}
no_panic_path() {
  local symbols
  symbols=$(nm -C "$(own_object)" 2>/dev/null) || return 1
  # First that there is something to look at.
  grep -q ' T preflane_step_run' <<<"$symbols" || { echo "no preflane_step_run in it" && return 1; }
  ! grep -E 'panick|unwind|rust_begin|__rust|alloc::' <<<"$symbols"
}
static_symbols() { ! nm -g --defined-only "$(own_object)" 2>/dev/null | awk 'NF == 3 {print $3}' | grep -v '^preflane_'; }
shared_symbols() {
  local symbols
  symbols=$(nm -D --defined-only "$work/std/lib/libpreflane.so" | awk '{print $NF}')
  grep -q '^preflane_step_run' <<<"$symbols" && ! grep -v '^preflane_' <<<"$symbols"
}
# Nothing of the system but what copies and clears memory.
needs_nothing() { ! nm -u "$(own_object)" 2>/dev/null | awk '{print $NF}' | grep -vE '^(memcpy|memmove|memset|memcmp|bcmp|__[a-z]+[dsthx]i[0-9df]*|.*:)?$'; }
soname() { readelf -d "$work/std/lib/libpreflane.so" | grep -F 'SONAME' | grep -F 'libpreflane.so.0.1'; }
versions() {
  local version
  version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
  grep -F "set(PACKAGE_VERSION \"$version\")" capi/cmake/preflaneConfigVersion.cmake && [ "$(PKG_CONFIG_PATH=$work/std/lib/pkgconfig pkg-config --modversion preflane)" = "$version" ]
}
attempt "no panic path, no allocation without std" no_panic_path
attempt "only preflane_ is global in the static library" static_symbols
attempt "only preflane_ is exported by the shared library" shared_symbols
attempt "the library without std needs nothing of the system" needs_nothing
attempt "soname" soname
attempt "one version in Cargo.toml, CMake and pkg-config" versions

# --- programs

strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
C="gcc $strict"
CXX="g++ $strict"
count=0
# program NAME COMPILE LINK ARGUMENTS [RUNNER]: compiles, links and runs a test program.
program() {
  count=$((count + 1))
  # Words are meant to be split.
  # shellcheck disable=SC2086
  attempt "$1" bash -c "$2 -o '$work/programs/$count' $3 && ${5:-} '$work/programs/$count' $4"
}
for how in "-O0 -g" "-O2"; do
  program "C99, static without std, $how" "$C -std=c99 $how capi/tests/contract.c" "$bare -lm" ""
  program "C99, static with std, $how" "$C -std=c99 $how capi/tests/contract.c" "$static" --threads
  program "C99, shared, $how" "$C -std=c99 $how capi/tests/contract.c" "$shared -lm" --threads
  for standard in 17 20; do
    program "C++$standard, static without std, $how" "$CXX -std=c++$standard $how capi/tests/wrapper.cpp" "$bare" ""
    program "C++$standard, shared, $how" "$CXX -std=c++$standard $how capi/tests/wrapper.cpp" "$shared" ""
  done
done
# Each compiler in each standard: the two headers, and what the tests make of them, without a warning.
for standard in 99 11 17; do
  for compiler in gcc clang; do
    program "C$standard by $compiler" "$compiler $strict -std=c$standard -O1 capi/tests/contract.c" "$bare -lm" ""
  done
done
for standard in 17 20; do
  for compiler in g++ clang++; do
    program "C++$standard by $compiler" "$compiler $strict -std=c++$standard -O1 capi/tests/wrapper.cpp" "$bare" ""
  done
done
program "C++17 without exceptions" "$CXX -std=c++17 -fno-exceptions -fno-rtti capi/tests/wrapper.cpp" "$bare" ""

export PKG_CONFIG_PATH=$work/std/lib/pkgconfig
program "pkg-config, shared" "$C -std=c99 capi/tests/contract.c" \
  "$(pkg-config --cflags --libs preflane) -Wl,-rpath,$work/std/lib -lm" --threads
program "pkg-config, static library and dynamic libc" "$C -std=c99 capi/tests/contract.c" \
  "$(pkg-config --static --cflags --libs preflane | sed 's/-lpreflane/-l:libpreflane.a/') -lm" --threads
# cargo-c writes what rustc names, -lgcc_s among it, which has no static form.
if [ "$by_cargo_c" = 0 ]; then
  program "pkg-config, all static" "$C -std=c99 -static capi/tests/contract.c" \
    "$(pkg-config --static --cflags --libs preflane) -lm" --threads
  program "pkg-config, all static, C++" "$CXX -std=c++17 -static capi/tests/wrapper.cpp" \
    "$(pkg-config --static --cflags --libs preflane)" ""
fi
export PKG_CONFIG_PATH=$work/bare/lib/pkgconfig
program "pkg-config, all static without std" "$C -std=c99 -static capi/tests/contract.c" \
  "$(pkg-config --static --cflags --libs preflane) -lm" ""
export PKG_CONFIG_PATH=$work/std/lib/pkgconfig

# The program of capi/README.md, by the commands that stand there.
first_program() {
  local folder=$work/programs/first
  rm -rf "$folder" && mkdir "$folder" && sed -n '/^```c$/,/^```$/{/^```/d;p}' capi/README.md >"$folder/first.c"
  grep -q 'int main' "$folder/first.c" || { echo "no program in capi/README.md" && return 1; }
  # shellcheck disable=SC2016
  local commands='/^cc first.c /p'
  (cd "$folder" && sed -n "$commands" "$OLDPWD/capi/README.md" | while IFS= read -r command; do
    rm -f first && bash -c "$command" && env -u LD_LIBRARY_PATH ./first | tee out && grep -q '^loss 0.632599, ' out || exit 1
    echo "$command" >>done
  done && [ "$(wc -l <done)" -eq 3 ])
}
[ "$by_cargo_c" = 1 ] || attempt "the program of capi/README.md, linked as it says" first_program

attempt "another Rust library" rustc --edition 2024 -O --crate-type staticlib capi/tests/other.rs -o "$work/libother.a"
beside="$C -std=c99 -DBESIDE_ANOTHER_RUST_LIBRARY capi/tests/contract.c"
program "beside another Rust library, first" "$beside" "$bare $work/libother.a -lpthread -ldl -lm" ""
program "beside another Rust library, second" "$beside" "$work/libother.a $bare -lpthread -ldl -lm" ""
program "shared, beside another Rust library" "$beside" "$work/libother.a $shared -lpthread -ldl -lm" --threads

cmake_project() {
  cmake -S capi/tests -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/std" -DCONTRACT_ARGUMENTS=--threads -DCMAKE_BUILD_TYPE="$1" &&
    cmake --build "$work/cmake" && ctest --test-dir "$work/cmake" --output-on-failure --no-tests=error
}
attempt "CMake, debug" cmake_project Debug
attempt "CMake, release" cmake_project Release

# -Ofast links code that flushes subnormals to zero for the whole process: the check must say so.
cat >"$work/programs/fast.c" <<'C'
#include "preflane.h"
int main(void) { return preflane_check_environment(0) == PREFLANE_ERROR_ENVIRONMENT ? 0 : 1; }
C
program "-Ofast is noticed" "$C -std=c99 -Ofast $work/programs/fast.c" "$bare" ""

# --- what a host's environment may hold against the library: traps, and little stack

inputs="conformance/data/pairs.f32le cli/tests/data/logits_f32.safetensors"
program "no exception is raised, without std" "$C -std=c99 -O1 capi/tests/exceptions.c" "$bare -lm" "$inputs"
program "no exception is raised, with std" "$C -std=c99 -O1 capi/tests/exceptions.c" "$static" "$inputs"
program "a stack of PREFLANE_STACK_SIZE, without std" "$C -std=c99 -O1 capi/tests/stack.c" "$bare -lpthread -lm" "$inputs"
program "a stack of PREFLANE_STACK_SIZE, with std" "$C -std=c99 -O1 capi/tests/stack.c" "$static" "$inputs"

# --- memory

memcheck="valgrind -q --error-exitcode=9 --suppressions=capi/tests/valgrind.supp --leak-check=full --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect"
program "valgrind, static without std" "$C -std=c99 -g capi/tests/contract.c -DWITHOUT_MODES" "$bare -lm" "" "$memcheck"
program "valgrind, shared" "$C -std=c99 -g capi/tests/contract.c -DWITHOUT_MODES" "$shared -lm" --threads "$memcheck"
program "valgrind, C++" "$CXX -std=c++17 -g capi/tests/wrapper.cpp" "$bare" "" "$memcheck"
sanitize="-g -fsanitize=address,undefined -fno-sanitize-recover=all"
program "sanitizers, static without std" "$C -std=c99 $sanitize capi/tests/contract.c" "$bare -lm" ""
program "sanitizers, shared" "$C -std=c99 $sanitize capi/tests/contract.c" "$shared -lm" --threads
program "sanitizers, C++" "$CXX -std=c++20 $sanitize capi/tests/wrapper.cpp" "$bare" ""

# --- a trainer that uses all of it

export PREFLANE_INCLUDE=$work/bare/include PREFLANE_LIB=$work/bare/lib
attempt "the example trainer, on threads and over MPI" examples/trainer/test.sh --quick "$work/programs/trainer"

finish
