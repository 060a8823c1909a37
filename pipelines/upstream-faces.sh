#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faces found by another element, judged by the detector.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/upstream-faces.sh --model MODEL [OPTION]... FILE|URI

OpenCV's facedetect (Debian's gstreamer1.0-opencv) marks faces as regions of interest; coreddetect
judges those regions and looks for none itself. Every result is printed.

  --min-size N    smallest face in pixels (80); facedetect's time hangs on it
$common_help
TXT
}

min_size=80
model=
input=
while [ $# -gt 0 ]; do
  common_option min-size "$@"
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
[ -n "${CORED_BUILD_DIR:-}" ] || install_packages opencv
prepare
mapfile -t source < <(decoded "$input")
read -ra stop < <(stop_after)
launch "${source[@]}" ! videoconvert ! video/x-raw,format=RGB ! "${stop[@]}" ! \
  facedetect display=false updates=none "min-size-width=$min_size" "min-size-height=$min_size" ! \
  coreddetect "model=$model" inference-region=roi-list object-class=face message-interval=0 ! \
  fakesink sync=false
