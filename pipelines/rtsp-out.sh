#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A network camera in, the same picture with the detector's results drawn into it out.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/rtsp-out.sh --model MODEL [OPTION]... FILE|URI

Serves the judged and annotated video of a file or URI (rtsp://...) over RTSP and prints its address.
The source is opened when the first viewer comes; all viewers share one decoder and one detector.
Without --user there is no authentication: whoever reaches the address may watch.

  --listen ADDR   where to listen (127.0.0.1: this machine alone; 0.0.0.0: everywhere)
  --port N        (8554); 0: any free one
  --user NAME     ask viewers for this name and a password
  --password-file FILE     its first line is the password; else the environment's CORED_RTSP_PASSWORD
  --tls-certificate FILE   encrypt (rtsps://), as the owner of this certificate (PEM)
  --tls-key FILE  its private key, if it is not in the same file
  --allow-anyone  other addresses than this machine's own without --user and --tls-certificate
  --model PATH    the model, a file or the folder of a run; else what CORED_MODEL names
  -h, --help      this text
Ends with Ctrl-C. Exit status: 130 interrupted, 1 it failed, 2 wrong usage.
TXT
}

listen=127.0.0.1
model=
options=()
port=8554
uri=
while [ $# -gt 0 ]; do
  value_option 'model listen port' "$@"
  if [ "$used" -gt 0 ]; then shift "$used"; continue; fi
  value_option 'user password-file tls-certificate tls-key' "$@"
  if [ "$used" -gt 0 ]; then options+=("$1" "$2"); shift "$used"; continue; fi
  case $1 in
    --allow-anyone) options+=("$1") ;;
    -h | --help) usage; exit 0 ;;
    -*) usage_error "unknown option $1" ;;
    *) uri=$1 ;;
  esac
  shift
done
[ -n "$uri" ] || usage_error "no FILE or URI given"
need_model
prepare
command -v cored-rtsp >/dev/null || die "built without gst-rtsp-server (libgstrtspserver-1.0-dev)"
exec cored-rtsp --model "$model" --listen "$listen" --port "$port" "${options[@]}" "$uri"
