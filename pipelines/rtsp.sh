#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The detector on a network camera.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/rtsp.sh --model MODEL [OPTION]... rtsp://HOST[:PORT]/PATH

Receives an RTSP stream and prints the detector's results once a second. A camera that is lost is a
failure.

  --latency MS    jitter buffer of the receiver (200)
  --tcp           RTP over the RTSP connection, where UDP does not get through
  --reconnect     connect again whenever the camera is lost
$live_help
TXT
}

latency=200
protocols=udp+tcp
# shellcheck disable=SC2034 # for launch_live
reconnect=no
model=
url=
while [ $# -gt 0 ]; do
  common_option latency "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    --tcp) protocols=tcp ;;
    --reconnect) reconnect=yes ;;
    -*) usage_error "unknown option $1" ;;
    *) url=$1 ;;
  esac
  shift
done
case $url in
  rtsp://* | rtsps://*) ;;
  '') usage_error "no URL given" ;;
  *) usage_error "$url is no rtsp:// URL" ;;
esac
need_model
prepare
read -ra stop < <(stop_after)
launch_live rtspsrc "location=$url" "latency=$latency" "protocols=$protocols" ! decodebin ! videoconvert ! \
  "${stop[@]}" ! queue max-size-buffers=1 max-size-time=0 max-size-bytes=0 leaky=downstream ! \
  coreddetect "model=$model" message-interval=1000000000 ! fakesink sync=false
