#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A running detector takes over a retrained model: the generation on the screen changes.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/live-demo.sh --model MODEL [OPTION]... [FILE]

Plays the video over and over as if it were live, judges it and draws the results. The detector
watches a file, which is a copy of MODEL at first. A model that is published there (cored-train
--publish) is taken over between two frames, and its generation appears in the picture.

  --live FILE     the watched file (a temporary one); it is replaced by a copy of MODEL
  --next MODEL    publish this model there ...
  --after S       ... S seconds after the first result (4); if that does not come to pass, it is a failure
  --loops N       play FILE N times (10)
Without FILE a generated live picture is judged as a whole; --frames is for that one.
$output_help
$common_help
TXT
}

after=4
input=
live=
loops=10
model=
next=
while [ $# -gt 0 ]; do
  common_option 'live next after loops' "$@"
  [ "$used" -gt 0 ] || output_option "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    -*) usage_error "unknown option $1" ;;
    *) input=$1 ;;
  esac
  shift
done
case $loops in '' | *[!0-9]* | 0) usage_error "--loops needs a number" ;; esac
case $after in '' | *[!0-9.]*) usage_error "--after needs a number" ;; esac
[ -z "$input" ] || [ -z "${frames:-}" ] || # concat would go on to the next loop
  usage_error "--frames is for the generated picture; a file is played --loops times"
need_model
[ -z "$next" ] || next=$(model_file "$next") || exit 1
read -ra stop < <(stop_after)
source=(videotestsrc is-live=true pattern=smpte ! 'video/x-raw,width=640,height=360,framerate=25/1')
region=full-frame
if [ -n "$input" ]; then
  [ -r "$input" ] && [ -f "$input" ] || die "$input cannot be read"
  source=(concat name=all)
  # Decoders appear while the pipeline runs: what they link to must have its place by then.
  for ((i = 0; i < loops; i++)); do
    source+=(filesrc "location=$input" ! decodebin ! videoconvert ! "all.sink_$i")
  done
  source+=(all.)
  region=auto
fi
[ -z "$live" ] || outputs+=("$live")
prepare
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
live=${live:-$temporary/live.safetensors}

# publish FILE: as cored-train does it: whole or not at all.
publish() { cp "$1" "$live.part" && mv "$live.part" "$live"; }

# publish_next: after a while; $temporary/published says that it is done. TERM ends it before.
publish_next() {
  sleep "$after" >/dev/null 2>&1 &
  trap 'kill "$!"; exit 1' TERM
  wait "$!" && publish "$next" && : >"$temporary/published"
}

if [ "${dry_run:-no}" = no ]; then
  publish "$model" || die "cannot write $live"
  say "the detector watches $live"
fi
launch "${source[@]}" ! videoconvert ! "${stop[@]}" ! clocksync ! \
  coreddetect "model=$live" mode=latest "inference-region=$region" message-interval=500000000 ! \
  coredoverlay ! videoconvert ! "${sink[@]}" | (
  trap '' INT # it ends with the pipeline
  publisher=
  while read -r line; do
    printf '%s\n' "$line"
    case $line in *'element): cored,'*) ;; *) continue ;; esac
    [ -n "$next" ] && [ -z "$publisher" ] || continue
    publish_next &
    publisher=$!
  done
  [ -z "$publisher" ] || { kill "$publisher"; wait "$publisher"; } 2>/dev/null
)
status=${PIPESTATUS[0]}
if [ "$status" = 0 ] && [ -n "$next" ] && [ "${dry_run:-no}" = no ] && [ ! -e "$temporary/published" ]; then
  die "$next was not published"
fi
exit "$status"
