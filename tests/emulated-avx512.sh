#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run test programs on an emulated CPU with AVX-512 (Bochs, Skylake-X), for machines without it.
#
#   tests/emulated-avx512.sh [--timeout SECONDS] PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...
#
# Boots Debian's kernel in Bochs with an initramfs that holds only the programs and the shared
# libraries they need; prints what they print; exits 0 when all of them did. It installs the
# Debian packages it needs. Emulation is about 500 times slower than the real thing: give it unit
# tests, not benchmarks.
set -eu

limit=1500
usage() { sed -n '3,11s/^# \{0,1\}//p' "$0"; }
case "${1-}" in
  -h|--help) usage; exit 0 ;;
  --timeout) limit=$2; shift 2 ;;
esac
[ $# -gt 0 ] || { usage >&2; exit 2; }

packages=(bochs bochsbios vgabios bochs-term isolinux syslinux-common xorriso busybox-static cpio)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/tmp" "$work/iso/isolinux"

# The kernel is taken out of Debian's package; it is not installed.
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
(cd "$work" && apt-get download -qq "$kernel" 2>/dev/null && dpkg-deb -x linux-image-*.deb kernel)
cp "$work"/kernel/boot/vmlinuz-* "$work/iso/vmlinuz"

copy_program() { # with the libraries that ldd names
  local file=$1
  mkdir -p "$root$(dirname "$file")"
  cp -L "$file" "$root$file"
  ldd "$file" 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' |
    while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
}

{
  echo '#!/bin/busybox sh'
  echo '/bin/busybox mkdir -p /proc /dev /tmp'
  echo '/bin/busybox mount -t proc none /proc'
  echo '/bin/busybox mount -t devtmpfs none /dev'
  echo 'exec >/dev/ttyS0 2>&1'
  echo 'failed=0'
  while [ $# -gt 0 ]; do
    program=$(realpath "$1")
    shift
    command=("$program")
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
      command+=("$1")
      shift
    done
    [ $# -eq 0 ] || shift
    copy_program "$program"
    printf 'echo "== %s"\n' "${command[*]}"
    printf '%q ' "${command[@]}"
    printf '|| { echo "exit status $?"; failed=1; }\n'
  done
  # shellcheck disable=SC2016 # expanded in the emulated machine
  echo 'echo "== emulated run: failed=$failed"'
  echo '/bin/busybox sleep 1'
  echo '/bin/busybox poweroff -f'
} > "$root/init"
chmod +x "$root/init"
cp /bin/busybox "$root/bin/"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1 > "$work/iso/initrd.gz")

# Bochs reports the size of the standard XSAVE area only, so the kernel must not choose the
# compacted one: without clearcpuid it switches AVX off altogether.
cat > "$work/iso/isolinux/isolinux.cfg" <<'CFG'
default test
label test
 kernel /vmlinuz
 append initrd=/initrd.gz console=ttyS0 quiet clearcpuid=xsaves,xsavec nokaslr nosmp tsc=unstable mitigations=off lpj=1000000 no_timer_check
CFG
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
xorriso -as mkisofs -quiet -o "$work/test.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso" 2>/dev/null

cat > "$work/bochsrc" <<CFG
megs: 1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=1
ata0-master: type=cdrom, path=$work/test.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial.txt
display_library: term
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
clock: sync=none
CFG
echo continue > "$work/rc"
: > "$work/serial.txt"
TERM=xterm timeout "$limit" script -qc "bochs -q -f '$work/bochsrc' -rc '$work/rc'" /dev/null \
  > "$work/bochs.out" 2>&1 < /dev/null || true # it never exits 0 after a power-off
tr -d '\r' < "$work/serial.txt" | grep -av -e '^\[ ' || true
if grep -aq '== emulated run: failed=0' "$work/serial.txt"; then
  exit 0
fi
grep -aq '== emulated run' "$work/serial.txt" || {
  echo "the emulated machine did not finish within $limit s" >&2
  tail -n 5 "$work/bochs.log" >&2
}
exit 1
