#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run tests/run.sh in a folder that holds a minimal Debian 13.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../pipelines/lib.sh"

usage() {
  cat <<TXT
Usage: tests/debian13.sh [--root DIR] [ARGUMENT OF tests/run.sh]...

Makes a minimal Debian 13 (trixie) in DIR (/srv/trixie) when there is none, with debootstrap, which is
installed when it is missing, from the mirror that apt uses on this machine; copies the tracked files
of this tree to DIR/work/cored and runs tests/run.sh there in a chroot with CI set. The machine's
proxies, certificates and pip settings hold there too. ../shared, when there is one, is seen read-only.
Build folder and packages stay for the next run.
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

# Where apt gets Debian from; it knows once its lists have been read.
mirror() {
  # shellcheck disable=SC2016 # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 == "Debian" && $4 == "main" { print $1; exit }'
}

make_root() {
  local from
  from=$(mirror)
  [ -n "$from" ] || { apt-get -qq update >&2; from=$(mirror); }
  [ -n "$from" ] || die "apt has no source of Debian on this machine"
  command -v debootstrap >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends debootstrap >&2 ||
    die "apt-get could not install debootstrap"
  eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
  export http_proxy https_proxy
  say "making a minimal Debian 13 in $folder"
  debootstrap --variant=minbase --include=ca-certificates trixie "$folder" "$from" >&2 || die "debootstrap failed"
}

# How this machine reaches its registries: apt's transport settings, certificates, pip's index.
copy_settings() {
  apt-config dump | grep -E '^Acquire::(https?|ftp|Retries)' >"$folder/etc/apt/apt.conf.d/90machine"
  [ ! -f /etc/pip.conf ] || cp -L /etc/pip.conf "$folder/etc/pip.conf"
  find -L /usr/local/share/ca-certificates -name '*.crt' -exec cp -L -t "$folder/usr/local/share/ca-certificates" {} +
  chroot "$folder" update-ca-certificates >/dev/null 2>&1 || die "update-ca-certificates failed"
}

[ -x "$folder/usr/sbin/update-ca-certificates" ] || make_root
if [ -z "${CORED_UNSHARED:-}" ]; then
  CORED_UNSHARED=1 exec unshare --mount --propagation private "$0" --root "$folder" "$@"
fi

work=$folder/work
mkdir -p "$work/cored"
mount -t proc proc "$folder/proc" || die "cannot mount proc"
mount --rbind /dev "$folder/dev" || die "cannot mount dev"
# Where Open MPI looks for processors.
mount --rbind /sys "$folder/sys" || die "cannot mount sys"
if [ -d "$cored_root/../shared" ]; then
  mkdir -p "$work/shared"
  mount --rbind "$(realpath "$cored_root/../shared")" "$work/shared" &&
    mount -o remount,bind,ro "$work/shared" || die "cannot mount ../shared"
fi
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
copy_settings

# update_tree: the tracked files, no others but the build folders'. Only what differs is written, at
# its time of now: a file that is new here but older than its object there would not be compiled.
update_tree() {
  local new=$work/new old=$work/cored file
  rm -rf "$new"
  mkdir "$new"
  git -C "$cored_root" ls-files -z | tar -C "$cored_root" --null -T - -cf - | tar -C "$new" -xf - || return 1
  find "$old" -path "$old/build*" -prune -o ! -type d -printf '%P\0' | while IFS= read -r -d '' file; do
    [ -e "$new/$file" ] || rm -f "$old/$file"
  done
  find "$new" ! -type d -printf '%P\0' | while IFS= read -r -d '' file; do
    if ! cmp -s "$new/$file" "$old/$file"; then
      mkdir -p "$(dirname "$old/$file")" && cp -P "$new/$file" "$old/$file" || exit 1
    fi
    chmod --reference="$new/$file" "$old/$file" || exit 1
  done || return 1
  rm -rf "$new"
}
update_tree || die "cannot copy the tree"

settings=()
for name in http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
  [ -z "${!name:-}" ] || settings+=("$name=${!name}")
done
say "Debian $(cat "$folder/etc/debian_version") in $folder"
exec chroot "$folder" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
  PIP_CERT=/etc/ssl/certs/ca-certificates.crt "${settings[@]}" CI=1 /work/cored/tests/run.sh "$@"
