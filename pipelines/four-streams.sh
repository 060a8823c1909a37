#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four streams side by side, judged by one model that lies in memory once.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/four-streams.sh --model MODEL [OPTION]... [FILE|URI]...

Judges up to four videos at once, each with its own results, and shows them in the four quarters of
one picture. All detectors share the weights, and take turns with the workers. Fewer than four videos
are repeated; without any, four generated live pictures are judged as whole frames.

  --width N       of a quarter, 16:9 (640)
  --offline       exact and as fast as it goes, not as if the videos were live
$output_help
$common_help
TXT
}

inputs=()
mode=latest
model=
pace=(clocksync)
width=640
while [ $# -gt 0 ]; do
  common_option width "$@"
  [ "$used" -gt 0 ] || output_option "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    --offline) mode=sync; pace=(identity) ;;
    -*) usage_error "unknown option $1" ;;
    *) inputs+=("$1") ;;
  esac
  shift
done
case $width in '' | *[!0-9]*) usage_error "--width needs a number" ;; esac
[ ${#inputs[@]} -le 4 ] || usage_error "more than four videos"
for input in "${inputs[@]}"; do need_input "$input"; done
need_model
prepare
read -ra stop < <(stop_after)
width=$((width / 16 * 16))
height=$((width * 9 / 16 / 2 * 2))
size=video/x-raw,format=I420,width=$width,height=$height,pixel-aspect-ratio=1/1
words=(compositor name=all background=black)
for i in 0 1 2 3; do
  words+=("sink_$i::xpos=$((i % 2 * width))" "sink_$i::ypos=$((i / 2 * height))")
done
words+=(! videoconvert ! "${sink[@]}")
for i in 0 1 2 3; do
  if [ ${#inputs[@]} -gt 0 ]; then
    mapfile -t source < <(decoded "${inputs[i % ${#inputs[@]}]}")
    region=auto
  else
    source=(videotestsrc is-live=true "pattern=$i")
    region=full-frame
  fi
  words+=("${source[@]}" ! videoconvert ! videoscale add-borders=true ! videorate ! "$size,framerate=25/1" !
    "${stop[@]/name=stop/name=stop$i}" ! "${pace[@]}" !
    coreddetect "model=$model" "mode=$mode" "inference-region=$region" "stream-id=stream $((i + 1))"
    message-interval=1000000000 ! coredoverlay ! queue ! "all.sink_$i")
done
launch "${words[@]}"
