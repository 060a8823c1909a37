# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scripts share (sourced by bash): messages, Debian packages, the build, finding a model.

cored_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cored_build=${CORED_BUILD_DIR:-$cored_root/build}

say() { printf '== %s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}
usage_error() {
  printf '%s: %s\nTry --help.\n' "$(basename "$0")" "$*" >&2
  exit 2
}

# packages_of SECTION...: the names under "#: SECTION" in tests/packages.txt; "all": every section.
packages_of() {
  awk -v want=" $* " '
    /^#:/ { use = (want == " all " || index(want, " " $2 " ")); next }
    { sub(/#.*/, ""); gsub(/[ \t]/, "") }
    use && $0 != "" { print }' "$cored_root/tests/packages.txt"
}

# install_packages SECTION...: install what is missing and say what; nothing is asked.
install_packages() {
  local missing=() root=() name
  command -v dpkg-query >/dev/null || die "this is no Debian: install by hand what tests/packages.txt lists"
  for name in $(packages_of "$@"); do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Debian packages missing: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "run as root or install sudo, or: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  say "installing them with apt-get"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2 ||
    say "apt-get update failed; trying with the package lists at hand"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
    install -y --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install them"
}

# build_tree DIR [MESON OPTION...]: configure when needed, then build.
build_tree() {
  local dir=$1
  shift
  if [ -f "$dir/build.ninja" ]; then
    meson configure "$dir" "$@" >/dev/null || die "meson configure $dir failed"
  else
    say "configuring ${dir#"$cored_root"/}"
    meson setup "$dir" "$cored_root" "$@" >&2 || die "meson setup $dir failed"
  fi
  say "building ${dir#"$cored_root"/}"
  ninja -C "$dir" >&2 || die "the build failed"
}

# use_build: put the tools and elements of the build folder in reach of this script.
use_build() {
  export PATH=$cored_build/tools:$PATH
  export GST_PLUGIN_PATH=$cored_build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
  export GST_REGISTRY=${GST_REGISTRY:-$cored_build/registry.bin}
  export LD_LIBRARY_PATH=$cored_build/engine${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}
