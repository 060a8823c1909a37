#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run tests/run.sh in a folder that holds a minimal Debian 13.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../pipelines/lib.sh"

usage() {
  cat <<TXT
Usage: tests/debian13.sh [--root DIR] [ARGUMENT OF tests/run.sh]...

Makes a minimal Debian 13 (trixie) with debootstrap in DIR (/srv/trixie) when there is none, copies
the tracked files of this tree to DIR/work/cored and runs tests/run.sh there in a chroot with CI set.
../shared, when there is one, is seen read-only. Build folder and packages stay for the next run.
Needs root, as mounts and chroot do; every mount is private to this run and goes with it.
Exit status: that of tests/run.sh.
TXT
}

folder=/srv/trixie
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --root) [ $# -gt 1 ] || usage_error "--root needs a folder"; folder=$2; shift 2 ;;
    *) break ;;
  esac
done
[ "$(id -u)" = 0 ] || die "needs root: sudo tests/debian13.sh"

if [ ! -x "$folder/usr/bin/apt-get" ]; then
  command -v debootstrap >/dev/null || die "apt-get install debootstrap first"
  say "making a minimal Debian 13 in $folder"
  debootstrap --variant=minbase trixie "$folder" http://deb.debian.org/debian >&2 || die "debootstrap failed"
fi
if [ -z "${CORED_UNSHARED:-}" ]; then
  CORED_UNSHARED=1 exec unshare --mount --propagation private "$0" --root "$folder" "$@"
fi

work=$folder/work
mkdir -p "$work/cored"
mount -t proc proc "$folder/proc" || die "cannot mount proc"
mount --rbind /dev "$folder/dev" || die "cannot mount dev"
if [ -d "$cored_root/../shared" ]; then
  mkdir -p "$work/shared"
  mount --rbind "$(realpath "$cored_root/../shared")" "$work/shared" &&
    mount -o remount,bind,ro "$work/shared" || die "cannot mount ../shared"
fi
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"

# Files that are tracked no more must go too, the build folder must stay.
find "$work/cored" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
git -C "$cored_root" ls-files -z | tar -C "$cored_root" --null -T - -cf - | tar -C "$work/cored" -xf - ||
  die "cannot copy the tree"
say "Debian $(cat "$folder/etc/debian_version") in $folder"
exec chroot "$folder" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
  CI=1 /work/cored/tests/run.sh "$@"
