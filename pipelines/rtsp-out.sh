#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A network camera in, the same picture with the detector's results drawn into it out.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/rtsp-out.sh --model MODEL [OPTION]... URI

Serves the judged and annotated video of URI (rtsp://..., file://...) over RTSP and prints its address.
The source is opened when the first viewer comes; all viewers share one decoder and one detector.

  --listen ADDR   where to listen (127.0.0.1); 0.0.0.0 is everywhere, and nobody is asked for a password
  --port N        (8554); 0: any free one
  --model FILE    the model; else the file CORED_MODEL names
  -h, --help      this text
Ends with Ctrl-C. Exit status: 0 interrupted, 1 it failed, 2 wrong usage.
TXT
}

listen=127.0.0.1
model=
port=8554
uri=
while [ $# -gt 0 ]; do
  value_option 'model listen port' "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  case $1 in
    -h | --help) usage; exit 0 ;;
    -*) usage_error "unknown option $1" ;;
    *) uri=$1 ;;
  esac
  shift
done
[ -n "$uri" ] || usage_error "no URI given"
need_model
prepare
command -v cored-rtsp >/dev/null || die "built without gst-rtsp-server (libgstrtspserver-1.0-dev)"
exec cored-rtsp --model "$model" --listen "$listen" --port "$port" "$uri"
