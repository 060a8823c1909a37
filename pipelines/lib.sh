# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scripts share (sourced by bash): messages, Debian packages, the build, the model, options.

cored_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cored_build=${CORED_BUILD_DIR:-$cored_root/build}

# shown TEXT...: as a terminal may show it. Names hold what they like: control characters, what turns
# the direction of text or is not seen becomes "?"; bytes that are not UTF-8 are left out.
shown() {
  printf '%s' "$*" | iconv -c -f UTF-8 -t UTF-8 | LC_ALL=C sed -z 's/[\x01-\x1f\x7f]/?/g
    s/\xc2[\x80-\x9f\xad]/?/g; s/\xe2\x80[\x8b-\x8f\xa8-\xae]/?/g; s/\xe2\x81[\xa0-\xaf]/?/g
    s/\xd8\x9c/?/g; s/\xef\xbb\xbf/?/g; s/\xef\xb8[\x80-\x8f]/?/g; s/\xf3\xa0[\x80-\xbf]./?/g'
}
say() { printf '== %s\n' "$(shown "$@")" >&2; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$(shown "$@")" >&2
  exit 1
}
usage_error() {
  printf '%s: %s\nTry --help.\n' "$(basename "$0")" "$(shown "$@")" >&2
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
  local dir=$1 log
  shift
  if [ -f "$dir/build.ninja" ]; then
    [ $# -eq 0 ] || meson configure "$dir" "$@" >/dev/null || die "meson configure $dir failed"
  else
    say "configuring ${dir#"$cored_root"/}"
    meson setup "$dir" "$cored_root" "$@" >&2 || die "meson setup $dir failed"
  fi
  say "building ${dir#"$cored_root"/}"
  log=$(mktemp)
  ninja -C "$dir" >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    die "the build failed"
  }
  rm -f "$log"
}

# keep_outputs: nothing in $outputs that holds something is written over without --overwrite.
outputs=()
overwrite=no
keep_outputs() {
  local output
  [ "$overwrite" = no ] && [ "${dry_run:-no}" = no ] || return 0
  for output in "${outputs[@]}"; do
    if [ -d "$output" ]; then
      compgen -G "$output/*.png" >/dev/null || continue
      die "there are pictures in $output already: --overwrite replaces them"
    elif [ -f "$output" ] && [ -s "$output" ]; then
      die "$output is there already: --overwrite replaces it"
    fi
  done
}

# prepare: packages and a build, then the tools and elements of the build folder in reach of this
# script. With CORED_BUILD_DIR set that folder is used as it is.
prepare() {
  keep_outputs
  if [ -z "${CORED_BUILD_DIR:-}" ]; then
    install_packages build run
    if [ -f "$cored_build/build.ninja" ]; then
      build_tree "$cored_build"
    else
      build_tree "$cored_build" -Dtests=false
    fi
  fi
  export PATH=$cored_build/tools:$PATH
  export GST_PLUGIN_PATH=$cored_build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
  export GST_REGISTRY=${GST_REGISTRY:-$cored_build/registry.bin}
}

# need_model: $model holds a readable model file, or the script ends with the way to get one.
need_model() {
  model=${model:-${CORED_MODEL:-}}
  if [ -z "$model" ]; then
    cat >&2 <<TXT
$(basename "$0"): no model. There is no default one yet: name a file with --model, or in the
environment as CORED_MODEL. Published weights become a model file with cored-convert, for example
those of MesoNet (https://github.com/DariusAf/MesoNet, weights/Meso4_DF.h5):

  ${cored_build#"$PWD"/}/tools/cored-convert import Meso4_DF.h5 -o meso4.safetensors

(pipelines/flag-video.sh builds cored-convert, with or without a model.)
TXT
    exit 2
  fi
  model=$(model_file "$model") || exit 1
}

# plain_path PATH: of file:///... the path that it means; other texts as they are.
plain_path() {
  local rest=${1#file://} plain='' byte
  case $1 in file:///*) ;; *) printf '%s\n' "$1"; return ;; esac
  while [[ $rest == *%* ]]; do
    plain+=${rest%%\%*}
    rest=${rest#*%}
    if [[ $rest =~ ^[0-9a-fA-F]{2} ]]; then
      printf -v byte '%b' "\\x${rest:0:2}"
      plain+=$byte
      rest=${rest:2}
    else
      plain+=%
    fi
  done
  printf '%s\n' "$plain$rest"
}

# only_weights FOLDER: the weight file in it, if there is one only; else how many there are, and a failure.
only_weights() (
  shopt -s nullglob dotglob
  found=("$1"/?*.{safetensors,pth,pth.tar,pt,ckpt,h5})
  [ ${#found[@]} = 1 ] || { echo "${#found[@]}"; return 1; }
  printf '%s\n' "${found[0]}"
)

# model_file MODEL: the file meant, as all tools take it (tools/common/model-path.c).
model_file() {
  local file found name
  file=$(plain_path "$1")
  if [ -d "$file" ]; then
    for name in best model; do
      [ ! -f "$file/$name.safetensors" ] || { file=$file/$name.safetensors; break; }
    done
  fi
  if [ -d "$file" ]; then
    found=$(only_weights "$file") ||
      die "$file: expected best.safetensors, model.safetensors or one model file in this folder, found $found"
    file=$found
  fi
  [ -r "$file" ] || die "the model $file cannot be read"
  printf '%s\n' "$file"
}

# value_option NAMES ARG...: take "--NAME VALUE" off the front when it is one of NAMES, into $NAME
# (with _ for -); the number of arguments used is in $used, 0 when the first is none of them.
# shellcheck disable=SC2034 # used and common_help are for the scripts
value_option() {
  local names=" $1 " name=${2#--}
  used=0
  case $2 in --*) ;; *) return ;; esac
  case $names in *" $name "*) ;; *) return ;; esac
  [ $# -gt 2 ] || usage_error "$2 needs a value"
  printf -v "${name//-/_}" %s "$3"
  used=2
}

# common_option NAMES ARG...: the same for NAMES, --model, --frames, --overwrite, --dry-run and --help.
common_option() {
  value_option "model frames $1" "${@:2}"
  case $2 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry_run=yes; used=1 ;;
    --overwrite) overwrite=yes; used=1 ;;
  esac
  case ${frames:-1} in '' | *[!0-9]*) usage_error "--frames needs a number" ;; esac
}
options_help='  --model PATH    the model, a file or the folder of a run; else what CORED_MODEL names
  --frames N      stop after N frames (decoders may send a few more)
  --overwrite     replace files that are there already; without it they are left alone
  --dry-run       print the pipeline and do not run it
  -h, --help      this text'
# shellcheck disable=SC2034
common_help="$options_help
Exit status: 0 the pipeline ran to its end, 1 it failed, 2 wrong usage, 130 interrupted."
# shellcheck disable=SC2034
live_help="$options_help
Exit status: 0 --frames have come, 1 the source ended or something failed, 2 wrong usage, 130
interrupted (Ctrl-C)."

# output_option ARG...: also for --output (or --out), --pictures and --no-window, which choose $sink; what is
# written is the picture as it would be shown.
# shellcheck disable=SC2034
output_option() {
  used=0
  case $1 in
    --no-window) sink=(fakesink sync=false); used=1 ;;
    --output | --out | --pictures)
      [ $# -gt 1 ] || usage_error "$1 needs a value"
      used=2
      ;;
  esac
  case $1 in
    --output | --out)
      outputs+=("$2")
      sink=('video/x-raw,format=I420' ! x264enc speed-preset=veryfast ! h264parse ! matroskamux !
        filesink "location=$2")
      ;;
    --pictures)
      mkdir -p "$2" || die "cannot make the folder $2"
      outputs+=("$2")
      sink=(videorate drop-only=true ! 'video/x-raw,framerate=2/1' ! videoconvert ! pngenc !
        multifilesink "location=$2/%04d.png")
      ;;
  esac
}
# shellcheck disable=SC2034
sink=(autovideosink sync=false)
# shellcheck disable=SC2034
output_help='  --output FILE   write a Matroska file in place of the window
  --pictures DIR  write two pictures a second (PNG) in place of the window
  --no-window     show nothing'

# stop_after: an element that ends the stream after --frames frames, and counts them.
stop_after() {
  echo "identity name=stop eos-after=${frames:--1}${frames:+ silent=false}"
}

# decoded INPUT: elements that give the decoded video of a file or URI, one a line.
decoded() {
  case $1 in
    *://*) printf '%s\n' uridecodebin "uri=$1" ;;
    *) printf '%s\n' filesrc "location=$1" ! decodebin ;;
  esac
}

# need_input INPUT: a URI, or a file that can be read.
need_input() {
  case $1 in
    *://*) ;;
    *) [ -r "$1" ] && [ -f "$1" ] || die "$1 cannot be read" ;;
  esac
  # gst-launch-1.0 takes a line break or a quote in it for its own.
  case $1 in *[$'\n\t\r\\"']*) die "$1: a name without line breaks, tabs, \" and \\ is needed here" ;; esac
}

# is_live INPUT: no end of it is a good one.
is_live() {
  case $1 in
    rtsp://* | rtsps://* | rtspu://* | rtspt://* | rtp://* | udp://* | srt://* | v4l2://*) return 0 ;;
    *) return 1 ;;
  esac
}

# show_and_count FILE: of gst-launch's output what launch shows; into FILE how many frames passed the
# element of stop_after. It outlives an interrupt, as gst-launch does.
show_and_count() {
  local line n=0
  trap '' INT
  while IFS= read -r line; do
    case $line in
      *'last-message = chain '*'(stop:sink)'*) n=$((n + 1)) ;;
      /Gst*) ;;
      'Got message'*'(element): cored'*) printf '%s\n' "$line" ;;
      'Got message'*) ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
  echo "$n" >"$1"
}

# show_errors PID: what gst-launch, which is that process, writes as errors. It is ended when an error
# does not end it: some sources never come back from being stopped. Outlives an interrupt, too.
error_patience=10 # seconds
show_errors() {
  local line deadline='' wait=()
  trap '' INT
  while :; do
    if [ -n "$deadline" ] && [ "$SECONDS" -ge "$deadline" ]; then
      say "gst-launch-1.0 did not end after the error; ending it"
      kill -KILL "$1"
      deadline='' wait=()
    fi
    [ -z "$deadline" ] || wait=(-t $((deadline - SECONDS)))
    IFS= read -r "${wait[@]}" line || {
      [ $? -le 128 ] || continue # waited in vain
      break
    }
    printf '%s\n' "$line" >&2
    case $line in
      'ERROR: from element '*) deadline=${deadline:-$((SECONDS + error_patience))} ;;
    esac
  done
}

# run_for FRAMES ELEMENT...: run the pipeline for so many frames (empty: for ever); $seen are those
# that came. Fails when it fails.
run_for() {
  local wanted=$1 file status words=() word
  shift
  for word in "$@"; do
    case $word in eos-after=*) word=eos-after=${wanted:--1} ;; esac
    words+=("$word")
  done
  file=$(mktemp) || die "cannot make a temporary file"
  (
    pid=$BASHPID
    exec gst-launch-1.0 -e -m ${wanted:+-v} "${words[@]}" 2> >(show_errors "$pid")
  ) | show_and_count "$file"
  status=${PIPESTATUS[0]}
  seen=$(cat "$file")
  rm -f "$file"
  return "$status"
}

# launch_live ELEMENT...: as launch, for a source that has no end: whatever ends it but Ctrl-C and
# --frames is a failure. With reconnect=yes it is started again, after a pause that grows to 30 s.
launch_live() {
  local left=${frames:-} pause=1 seen=0 interrupted=no
  if [ "${dry_run:-no}" = yes ]; then launch "$@"; return; fi
  need_display "$@"
  trap 'interrupted=yes' INT
  while :; do
    run_for "$left" "$@"
    # The frame that ends it does not pass.
    if [ "$interrupted" = yes ]; then return 130; fi
    if [ -n "$left" ] && [ "$seen" -ge $((left - 1)) ]; then return 0; fi
    [ "${reconnect:-no}" = yes ] || die "the source ended"
    [ "${seen:-0}" -eq 0 ] || pause=1
    [ -z "$left" ] || left=$((left - seen))
    say "the source ended; connecting again in $pause s"
    sleep "$pause"
    if [ "$interrupted" = yes ]; then return 130; fi
    pause=$((pause < 15 ? pause * 2 : 30))
  done
}

# launch_input INPUT ELEMENT...: launch or launch_live.
launch_input() {
  if is_live "$1"; then launch_live "${@:2}"; else launch "${@:2}"; fi
}

# need_display ELEMENT...: without a display some of the sinks that autovideosink tries crash.
need_display() {
  case " $* " in
    *' autovideosink '*)
      [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] ||
        die "there is no display for a window; see --output, --pictures and --no-window"
      ;;
  esac
}

# launch ELEMENT...: run the pipeline, with messages printed; with --dry-run print it. Elements are
# one argument a word, as gst-launch-1.0 takes them; -e makes Ctrl-C finish files well.
launch() {
  if [ "${dry_run:-no}" = yes ]; then
    printf 'gst-launch-1.0 -e -m'
    local word
    for word in "$@"; do
      case $word in
        *[!A-Za-z0-9_./:=,+@%!-]*) printf ' %s' "${word@Q}" ;;
        *) printf ' %s' "$word" ;;
      esac
    done
    echo
    return 0
  fi
  need_display "$@"
  # Not awk: mawk, Debian's, reads a pipe in blocks and shows results late.
  local status interrupted=no
  trap 'interrupted=yes' INT
  # sed outlives an interrupt, as gst-launch does.
  gst-launch-1.0 -e -m "$@" | (trap '' INT && exec sed -u '/^Got message/{/(element): cored/!d}')
  status=${PIPESTATUS[0]}
  trap - INT
  [ "$interrupted" = no ] || status=130
  return "$status"
}
