#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Record and judge at the same time.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/record.sh --model MODEL --output OUT.mp4 [OPTION]... [FILE|URI]

Splits the stream with a tee: one branch records the untouched video as H.264, the other judges it
and prints the results. Both see the same memory; nothing is copied. Ctrl-C finishes the recording
properly.

A camera or stream that is lost is a failure; what was recorded until then is kept.

  --output FILE   the recording
  --device FILE   the camera to record when no FILE or URI is given (/dev/video0)
$live_help
TXT
}

device=/dev/video0
model=
input=
output=
while [ $# -gt 0 ]; do
  common_option 'output device' "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    -*) usage_error "unknown option $1" ;;
    *) input=$1 ;;
  esac
  shift
done
[ -n "$output" ] || usage_error "no --output given"
source=(v4l2src "device=$device" ! decodebin)
if [ -n "$input" ]; then
  need_input "$input"
  mapfile -t source < <(decoded "$input")
fi
outputs+=("$output")
need_model
prepare
read -ra stop < <(stop_after)
launch_input "${input:-v4l2://$device}" "${source[@]}" ! videoconvert ! video/x-raw,format=I420 ! "${stop[@]}" ! tee name=t \
  t. ! queue ! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink "location=$output" \
  t. ! queue ! coreddetect "model=$model" message-interval=1000000000 ! fakesink sync=false
