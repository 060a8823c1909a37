#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One command from a bare Debian to a verdict on a video.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<TXT
Usage: pipelines/flag-video.sh --model MODEL [--output DIR] [FILE|URI]... [-- OPTION OF cored-scan...]

Installs the Debian packages that are missing and says which, builds in build/ if needed, and judges
the videos. It prints a time line and a verdict, and writes into DIR (default: the current folder)
NAME-flagged.mp4 with boxes and probabilities for each video, and flag-video.jsonl for programs.

  --model PATH    the model, a file or the folder of a run; else what CORED_MODEL names
  --output DIR    where the files go; the folder is made if it does not exist
  --no-video      write no annotated video
  --append        add to the flag-video.jsonl of an earlier run, and give videos new names
  --overwrite     replace files of an earlier run (without either option they are left alone)
  -h, --help      this text
Without FILE a generated video is judged. It contains no face, so its verdict is "unknown".
Exit status: that of cored-scan: 0 judged, 1 some input failed, 2 wrong usage, 130 interrupted.
TXT
}

# generated FILE: four seconds of test picture.
generated() {
  gst-launch-1.0 -q videotestsrc num-buffers=100 ! video/x-raw,width=320,height=240,framerate=25/1 ! \
    jpegenc ! matroskamux ! filesink location="$1" >&2
}

out=.
annotate=yes
model=
outputs_option=
inputs=()
extra=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --model | --output | --out)
      [ $# -gt 1 ] || usage_error "$1 needs a value"
      if [ "$1" = --model ]; then model=$2; else out=$2; fi
      shift
      ;;
    --model=*) model=${1#*=} ;;
    --output=* | --out=*) out=${1#*=} ;;
    --no-video) annotate=no ;;
    --append | --overwrite) outputs_option=$1 ;;
    --) shift; extra=("$@"); break ;;
    -*) usage_error "unknown option $1" ;;
    *) inputs+=("$1") ;;
  esac
  shift
done

prepare
need_model
mkdir -p "$out" || die "cannot make the folder $out"
if [ ${#inputs[@]} -eq 0 ]; then
  sample=$(mktemp -d)/test-picture.mkv
  trap 'rm -rf "$(dirname "$sample")"' EXIT
  say "no video named: a generated one, without a face, is judged"
  generated "$sample" || die "cannot generate a video"
  inputs=("$sample")
fi
[ "$annotate" = no ] || extra+=(--annotate "$out")
[ -z "$outputs_option" ] || extra+=("$outputs_option")
cored-scan --model "$model" --json "$out/flag-video.jsonl" "${extra[@]}" -- "${inputs[@]}"
status=$?
[ "$status" = 2 ] || say "results for programs: $out/flag-video.jsonl"
exit "$status"
