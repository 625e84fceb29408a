#!/usr/bin/env bash
# Installs the C library with cargo alone: static and shared library, headers, pkg-config file, CMake package.
#
#   capi/install.sh --prefix DIRECTORY [--no-std] [--static-only]
#
# --no-std       no threads, no allocation, no standard library: for any host, and for microcontrollers
# --static-only  no shared library
#
# The same with cargo-c, which also knows other systems' ways: see capi/README.md. CARGO_TARGET_DIR is respected.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 2
}

prefix= std=1 shared=1
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || die "--prefix needs a directory" && prefix=$2 && shift ;;
    --no-std) std=0 ;;
    --static-only) shared=0 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    *) die "unknown option $1; there are --prefix, --no-std and --static-only" ;;
  esac
  shift
done
[ -n "$prefix" ] || die "--prefix is needed: where to install"
mkdir -p "$prefix" && prefix=$(cd "$prefix" && pwd) || die "cannot make $prefix"

value() { sed -n "/^\[workspace.package\]/,/^\[/s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml; }
version=$(value version)
# Versions below 1 are compatible within their second number.
soname=libpreflane.so.${version%.*}
features=(--features capi)
[ "$std" = 1 ] || features+=(--no-default-features)

target=${CARGO_TARGET_DIR:-$PWD/target}

# Asked for here and not in the manifest: a crate that is always all kinds of library does not link beside other Rust code.
kinds=staticlib
[ "$shared" = 0 ] || kinds=staticlib,cdylib
cargo rustc --locked -p preflane --lib --profile capi "${features[@]}" --crate-type "$kinds" -- \
  -C "link-arg=-Wl,-soname,$soname"
install -d "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/share/preflane/cmake"
install -m 644 "$target/capi/libpreflane.a" "$prefix/lib/"
if [ "$shared" = 1 ]; then
  install -m 755 "$target/capi/libpreflane.so" "$prefix/lib/libpreflane.so.$version"
  ln -sf "libpreflane.so.$version" "$prefix/lib/$soname"
  ln -sf "$soname" "$prefix/lib/libpreflane.so"
fi
install -m 644 capi/include/preflane.h capi/include/preflane.hpp "$prefix/include/"
install -m 644 capi/cmake/*.cmake "$prefix/share/preflane/cmake/"
# Not -lgcc_s, which has no static form: compilers add what they have of it by themselves.
[ "$std" = 1 ] && private="-lpthread -ldl -lm" || private=
cat >"$prefix/lib/pkgconfig/preflane.pc" <<PC
prefix=$prefix
includedir=\${prefix}/include
libdir=\${prefix}/lib

Name: preflane
Description: The numeric core of preference optimisation
Version: $version
Libs: -L\${libdir} -lpreflane
Libs.private: $private
Cflags: -I\${includedir}
PC
printf 'installed preflane %s in %s\n' "$version" "$prefix"
