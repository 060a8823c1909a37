#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The detector on a camera.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/camera.sh --model MODEL [OPTION]...

Shows the picture of a camera (v4l2src) with the detector's results drawn into it, and prints the
results once a second. The queue before the detector holds one frame and drops older ones, so that
always the newest frame is judged.

  --device FILE   the camera (/dev/video0)
  --test          a generated live picture in place of the camera
$output_help
$live_help
TXT
}

device=/dev/video0
test=no
model=
while [ $# -gt 0 ]; do
  common_option device "$@"
  [ "$used" -gt 0 ] || output_option "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    --test) test=yes ;;
    *) usage_error "unknown argument $1" ;;
  esac
  shift
done
source=(v4l2src "device=$device")
if [ "$test" = yes ]; then
  source=(videotestsrc is-live=true)
elif [ "${dry_run:-no}" = no ] && [ ! -c "$device" ]; then
  die "there is no camera at $device"
fi
need_model
prepare
read -ra stop < <(stop_after)
launch_live "${source[@]}" ! decodebin ! videoconvert ! "${stop[@]}" ! \
  queue max-size-buffers=1 max-size-time=0 max-size-bytes=0 leaky=downstream ! \
  coreddetect "model=$model" message-interval=1000000000 ! coredoverlay ! videoconvert ! "${sink[@]}"
