#!/usr/bin/env bash
# Shows that the same bits come out everywhere: runs the conformance suite on each platform and compares the digests
# of all outputs with conformance/digests.txt.
#
#   tests/platforms.sh                     every platform
#   tests/platforms.sh aarch64 thumbv6m    some (names: tests/platforms.sh --list; x86_64 stands for all of x86_64-*)
#   tests/platforms.sh --tools [NAME...]   only installs what these need
#
# Needs rustup's stable toolchain on x86-64 Linux (Debian or a relative). What is missing of the cross compilers and
# emulators is installed with apt-get, as root. Cross targets are built from the library sources that Debian ships with
# its rustc-web, because rustup has no std for some of them.
#
# On a CPU without AVX-512, x86_64-avx512 boots a Linux on Bochs's model of a Skylake-X and runs the core of the suite there, without the
# ways of cutting the input that cost much (--core): some eight minutes of one core.
#
# CARGO_TARGET_DIR is respected.
set -uo pipefail
cd "$(dirname "$0")/.."

PLATFORMS=(x86_64-scalar x86_64-wide x86_64-avx2 x86_64-avx512 x86_64-native aarch64 riscv64 s390x
  thumbv7em thumbv7em-m7 thumbv6m wasm32 wasm32-simd128)

# Seconds after which an emulated run counts as locked up.
DEVICE_LIMIT=900
USER_LIMIT=1800
PC_LIMIT=2400

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
die() {
  printf 'platforms.sh: %s\n' "$*" >&2
  exit 2
}

selected=() tools_only=0
for argument in "$@"; do
  case $argument in
    --list) printf '%s\n' "${PLATFORMS[@]}" && exit 0 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    --tools) tools_only=1 ;;
    x86_64) selected+=(x86_64-scalar x86_64-wide x86_64-avx2 x86_64-avx512 x86_64-native) ;;
    *)
      [[ " ${PLATFORMS[*]} " == *" $argument "* ]] || die "no platform '$argument'; there are: ${PLATFORMS[*]}"
      selected+=("$argument")
      ;;
  esac
done
[ ${#selected[@]} -gt 0 ] || selected=("${PLATFORMS[@]}")
[ "$(uname -m)" = x86_64 ] || die "the host must be x86-64, this one is $(uname -m)"

# One directory a platform: their flags differ, and two build at the same time.
target=${CARGO_TARGET_DIR:-$PWD/target}
target=$(mkdir -p "$target/platforms" && cd "$target/platforms" && pwd) || die "cannot write to the target directory"
# Flags of the caller would make other code than the one promised here.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS PREFLANE_LEVEL

# --- tools

has_avx512() { grep -qw avx512f /proc/cpuinfo; }

packages_for() {
  local cross="rustc-web rust-web-src"
  case $1 in
    x86_64-avx512) has_avx512 || echo "bochs isolinux syslinux-common xorriso cpio busybox-static" ;;
    aarch64) echo "$cross qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    riscv64) echo "$cross qemu-user gcc-riscv64-linux-gnu libc6-dev-riscv64-cross" ;;
    s390x) echo "$cross qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross" ;;
    thumb*) echo "$cross qemu-system-arm binutils-arm-none-eabi" ;;
    wasm32*) command -v node >/dev/null && echo "$cross" || echo "$cross nodejs" ;;
  esac
}

install_packages() {
  local wanted missing=() package
  wanted=$(for platform in "${selected[@]}"; do packages_for "$platform"; done | tr ' ' '\n' | sort -u)
  for package in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  local log=$target/apt.log
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 || { tail -n 20 "$log" && die "cannot install ${missing[*]}"; }
}

# --- building and running; each function's output is the platform's log, its status the result

# The suite for the host, built once before all else: it judges the digests of devices too. As the tests are built, for most of
# it to be there.
suite=$target/../release/preflane-conformance
build_host() { cargo build --locked --release --workspace --bin preflane-conformance --target-dir "$target/.."; }
judge() { "$suite" --compare-stdin; }

# cross PLATFORM TARGET CRATES ARGUMENT...: cargo build with Debian's compiler and library sources.
cross() {
  local platform=$1 triple=$2 crates=$3
  shift 3
  RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo build --release -Zbuild-std="$crates" -Zbuild-std-features= \
    --target "$triple" --target-dir "$target/$platform" "$@"
}

run_level() { PREFLANE_LEVEL=$1 "$suite" --require "$1"; }

# The kernel that the emulated PC boots: Debian's, unpacked and not installed. Prints its path.
linux_kernel() {
  local package
  compgen -G "$target/linux/boot/vmlinuz-*" && return
  apt-get update -qq >&2
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
  [ -n "$package" ] || { echo "no package linux-image-cloud-amd64" >&2 && return 1; }
  rm -rf "$target/linux" && mkdir "$target/linux" &&
    (cd "$target/linux" && apt-get download -qq -o APT::Sandbox::User=root "$package" && dpkg -x ./*.deb . && rm ./*.deb) >&2 &&
    compgen -G "$target/linux/boot/vmlinuz-*"
}

# run_emulated LEVEL CPU: the suite at that level, on Bochs's model of that CPU. The binary is the one that runs on this machine, with the
# libraries that it is linked to; a script beside it is the whole user space.
run_emulated() {
  local pc=$target/x86_64-$1 kernel library
  rm -rf "$pc" && mkdir -p "$pc/root" "$pc/disc/isolinux" || return 1
  kernel=$(linux_kernel)
  cp "$suite" "$pc/root/suite" && cp "$(command -v busybox)" "$pc/root/busybox" || return 1
  for library in $(ldd "$suite" | grep -o '/[^ )]*'); do
    install -D "$library" "$pc/root$library" || return 1
  done
  # The pause lets the serial port take the last lines.
  cat >"$pc/root/init" <<END
#!/busybox sh
PREFLANE_LEVEL=$1 /suite --core --require $1
echo "status \$?"
/busybox sleep 1
/busybox poweroff -f
END
  chmod +x "$pc/root/init"
  # The model's compacted XSAVE states are of a size that Linux does not trust, and then it enables neither AVX nor AVX-512.
  cat >"$pc/disc/isolinux/isolinux.cfg" <<END
DEFAULT suite
LABEL suite
 KERNEL /linux
 INITRD /initrd
 APPEND console=ttyS0 quiet panic=-1 reboot=t nokaslr mitigations=off clearcpuid=xsaves,xsavec tsc=reliable apparmor=0 audit=0 cryptomgr.notests
END
  cp "$kernel" "$pc/disc/linux" &&
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$pc/disc/isolinux/" &&
    (cd "$pc/root" && find . | cpio --quiet -o -H newc) >"$pc/disc/initrd" &&
    xorriso -as mkisofs -quiet -o "$pc/disc.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
      -boot-info-table "$pc/disc" || return 1
  cat >"$pc/bochsrc" <<END
display_library: rfb, options="timeout=0"
cpu: model=$2, ips=50000000, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$pc/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$pc/serial
sound: driver=dummy
log: $pc/log
panic: action=fatal
error: action=ignore
END
  # Debian builds Bochs with its debugger, which waits to be told to go on, and with a screen for whoever asks by network: there is none
  # where it runs.
  printf 'c\nquit\n' >"$pc/commands"
  timeout --kill-after=5 "$PC_LIMIT" unshare --net bochs-bin -q -f "$pc/bochsrc" -rc "$pc/commands" </dev/null >"$pc/screen" 2>&1
  [ $? -ne 124 ] || echo "no end after $PC_LIMIT s"
  tr -d '\r' <"$pc/serial" | tee "$pc/lines"
  grep -qx 'status 0' "$pc/lines" || { tail -n 5 "$pc/log" "$pc/screen"; return 1; }
  echo "how: on Bochs's $2, --core"
}

# All that this CPU has, in the compiler's hands: wide then emits other instructions.
run_native() {
  RUSTFLAGS=-Ctarget-cpu=native cargo build --release -p preflane-conformance --target-dir "$target/native" &&
    "$target/native/release/preflane-conformance"
}

# run_linux NAME TRIPLE: with std, under QEMU's user mode.
run_linux() {
  local linker
  linker=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$2")_LINKER
  export "$linker=$1-linux-gnu-gcc"
  cross "$1" "$2" std -p preflane-conformance &&
    timeout "$USER_LIMIT" "qemu-$1" -L "/usr/$1-linux-gnu" \
      "$target/$1/$2/release/preflane-conformance" --brief --require scalar,wide
}

# run_device PLATFORM TRIPLE CPU MACHINE: firmware, under QEMU's system mode.
run_device() {
  local linker digests=$target/$1.digests status
  linker=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$2")_LINKER
  export "$linker=arm-none-eabi-ld"
  (cd tests/firmware && cross "$1" "$2" core) || return 1
  timeout --kill-after=5 "$DEVICE_LIMIT" qemu-system-arm -cpu "$3" -machine "$4" -nographic \
    -semihosting-config enable=on,target=native -kernel "$target/$1/$2/release/preflane-firmware" \
    </dev/null >"$digests" 2>&1
  status=$?
  [ $status -ne 124 ] || echo "no end after $DEVICE_LIMIT s: the firmware locked up"
  judge <"$digests" && [ $status -eq 0 ]
}

# run_wasm PLATFORM LEVEL...: a module without std, in Node.js.
run_wasm() {
  local platform=$1 level sysroot lines
  shift
  sysroot=$(rustc --print sysroot)
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld
  cross "$platform" wasm32-unknown-unknown core,panic_abort -p preflane-conformance \
    --no-default-features --example wasm || return 1
  for level in "$@"; do
    lines=$(timeout "$DEVICE_LIMIT" node conformance/wasm/host.mjs \
      "$target/$platform/wasm32-unknown-unknown/release/examples/wasm.wasm" "$level") || echo "level $level did not end well"
    judge <<<"$lines" || return 1
  done
}

run_platform() {
  case $1 in
    x86_64-native) run_native ;;
    x86_64-avx512) if has_avx512; then run_level avx512; else run_emulated avx512 corei7_skylake_x; fi ;;
    x86_64-*) run_level "${1#x86_64-}" ;;
    aarch64) run_linux aarch64 aarch64-unknown-linux-gnu ;;
    riscv64) run_linux riscv64 riscv64gc-unknown-linux-gnu ;;
    s390x) run_linux s390x s390x-unknown-linux-gnu ;;
    thumbv7em) run_device thumbv7em thumbv7em-none-eabihf cortex-m4 mps2-an386 ;;
    thumbv7em-m7)
      CARGO_TARGET_THUMBV7EM_NONE_EABIHF_RUSTFLAGS=-Ctarget-cpu=cortex-m7 run_device thumbv7em-m7 thumbv7em-none-eabihf cortex-m7 mps2-an500
      ;;
    thumbv6m) run_device thumbv6m thumbv6m-none-eabi cortex-m3 mps2-an385 ;;
    wasm32) run_wasm wasm32 0 1 ;;
    wasm32-simd128) CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=-Ctarget-feature=+simd128 run_wasm wasm32-simd128 0 1 ;;
  esac
}

# Runs one platform and leaves `digests|result` in its row file.
one() {
  local platform=$1 log=$target/$1.log start=$SECONDS status digests result
  say "$platform: started"
  run_platform "$platform" >"$log" 2>&1
  status=$?
  digests=$(awk '/ digests compared in /{n += $1} END {print n + 0}' "$log")
  if grep -q '^DIFFERS' "$log"; then
    result="FAILED: $(grep -m1 '^DIFFERS' "$log" | sed 's/.*first: //')"
  elif [ $status -ne 0 ]; then
    result="FAILED: did not run to its end (status $status)"
  elif [ "$digests" -eq 0 ]; then
    result="FAILED: nothing was compared"
  else
    result=same$(sed -n 's/^how:/,/p' "$log")
  fi
  echo "$digests|$result" >"$target/$platform.row"
  say "$platform: $result ($((SECONDS - start)) s)"
  case $result in
    FAILED*) tail -n 25 "$log" | sed "s/^/    /" ;;
  esac
}

install_packages
[[ " ${selected[*]} " != *" x86_64-avx512 "* ]] || has_avx512 || linux_kernel >/dev/null || die "no Linux for the emulated PC"
[ "$tools_only" = 0 ] || exit 0
for platform in "${selected[@]}"; do rm -f "$target/$platform.row"; done
say "building the suite for this machine"
build_host >"$target/host.log" 2>&1 || { tail -n 25 "$target/host.log" && die "the suite does not build"; }

# Two at a time: building a std is mostly one crate after another.
for platform in "${selected[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n; done
  one "$platform" &
done
wait

# --- the table

passed=0 failed=0
printf '\n%-16s | %16s | %s\n' platform 'digests compared' result
printf -- '-----------------|------------------|--------\n'
for platform in "${selected[@]}"; do
  row=$(cat "$target/$platform.row" 2>/dev/null || echo "0|FAILED: no result")
  printf '%-16s | %16s | %s\n' "$platform" "${row%%|*}" "${row#*|}"
  case ${row#*|} in
    same*) passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
