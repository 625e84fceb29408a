# The boards, and how to build for them. Sourced by test.sh and footprint.sh, in the directory of this file.
#
# Needs rustup's stable toolchain on Debian or a relative. Cross targets are built from the library sources that Debian
# ships with its rustc-web, for rustup has no such targets offline; what is missing is installed with apt-get, as root.

# name | core, as the table has it | target | memory map in boards/ | compiler flags | emulator and machine
BOARDS='
microbit|Cortex-M0, no FPU|thumbv6m-none-eabi|microbit||qemu-system-arm -machine microbit
mps2-an386|Cortex-M4F|thumbv7em-none-eabihf|mps2||qemu-system-arm -machine mps2-an386
mps2-an500|Cortex-M7, FPU of f64|thumbv7em-none-eabihf|mps2|-Ctarget-cpu=cortex-m7|qemu-system-arm -machine mps2-an500
mps2-an505|Cortex-M33|thumbv8m.main-none-eabihf|mps2-an505||qemu-system-arm -machine mps2-an505
mps3-an547|Cortex-M55|thumbv8m.main-none-eabihf|mps3-an547|-Ctarget-cpu=cortex-m55|qemu-system-arm -machine mps3-an547
virt|RISC-V, RV32IMAC|riscv32imac-unknown-none-elf|virt|-Ctarget-feature=+relax|qemu-system-riscv32 -machine virt -bios none
'
# Boards whose targets differ are built together; of one target one kind of flags at a time.
ROUNDS=('microbit mps2-an386 mps2-an505' 'mps2-an500 mps3-an547' 'virt')
ALL=$(cut -d'|' -f1 <<<"$BOARDS" | xargs)

# Seconds after which an emulated run counts as locked up.
LIMIT=120

target=${CARGO_TARGET_DIR:-$PWD/target}
target=$(mkdir -p "$target" && cd "$target" && pwd) || exit 2
# Flags of the caller would make other code.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS PREFLANE_LEVEL CARGO_TARGET_DIR

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# field BOARD NUMBER
field() { awk -F'|' -v board="$1" -v n="$2" '$1 == board {print $n}' <<<"$BOARDS"; }

# chosen ARGUMENT...: the boards meant, all of them by default.
chosen() {
  local board
  for board in "$@"; do
    [[ " $ALL " == *" $board "* ]] || die "no board '$board'; there are: $ALL"
  done
  echo "${*:-$ALL}"
}

install_packages() {
  local package missing=()
  for package in rustc-web rust-web-src qemu-system-arm qemu-system-misc llvm; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$target/apt.log" 2>&1 || { tail -n 20 "$target/apt.log" && die "cannot install ${missing[*]}"; }
}

# build PACKAGE "BOARD..." FILE...: builds a package for boards and leaves its files in $target/boards/BOARD.
# What cannot be built is told on the way; its files are missing then.
build() {
  local package=$1 boards=$2 round board triple variable targets names lld log=$target/build.log
  shift 2
  lld=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
  for round in "${ROUNDS[@]}"; do
    targets=() names=()
    for board in $round; do
      [[ " $boards " == *" $board "* ]] || continue
      triple=$(field "$board" 3)
      variable=CARGO_TARGET_$(tr a-z.- A-Z__ <<<"$triple")
      export "${variable}_LINKER=$lld"
      export "${variable}_RUSTFLAGS=-Clink-arg=-L$PWD/boards/$(field "$board" 4) -Zemit-stack-sizes $(field "$board" 5)"
      targets+=(--target "$triple") names+=("$board")
      mkdir -p "$target/boards/$board"
      (cd "$target/boards/$board" && rm -f "$@")
    done
    [ ${#targets[@]} -gt 0 ] || continue
    say "$package: building for ${names[*]}"
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo build --locked --release -Zbuild-std=core -Zbuild-std-features= \
      "${targets[@]}" --target-dir "$target" -p "$package" >"$log" 2>&1 || { tail -n 25 "$log" && say "$package: not built for ${names[*]}"; }
    for board in $round; do
      [[ " $boards " == *" $board "* ]] || continue
      (cd "$target/$(field "$board" 3)/release" && cp "$@" "$target/boards/$board/")
    done
  done
}

# emulate BOARD FILE OPTION...: runs an image; what it says goes to the standard output.
emulate() {
  local board=$1 file=$2 machine
  shift 2
  read -ra machine <<<"$(field "$board" 6)"
  timeout --kill-after=5 "$LIMIT" "${machine[@]}" "$@" -display none -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "$file" </dev/null
}
