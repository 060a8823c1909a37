#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The detector in a plain gst-launch pipeline: results as messages on the bus.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/print-metadata.sh --model MODEL [OPTION]... FILE|URI

Decodes the video, judges every frame and prints every result: the message "cored", whose fields are
those of the metadata on the buffer. A live stream (rtsp://...) that is lost is a failure.

  --every N       judge every Nth frame
$common_help
TXT
}

every=1
model=
input=
while [ $# -gt 0 ]; do
  common_option every "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    -*) usage_error "unknown option $1" ;;
    *) input=$1 ;;
  esac
  shift
done
[ -n "$input" ] || usage_error "no FILE or URI given"
need_input "$input"
need_model
prepare
mapfile -t source < <(decoded "$input")
read -ra stop < <(stop_after)
launch_input "$input" "${source[@]}" ! videoconvert ! "${stop[@]}" ! \
  coreddetect "model=$model" "inference-interval=$every" message-interval=0 ! fakesink sync=false
