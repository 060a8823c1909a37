#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# case.sh CASE: run one script of pipelines/, or cored-scan, on generated video and check what it says
# and leaves.
# From meson: CORED_BUILD_DIR, CORED_TEST_BIN (helpers), CORED_TEST_MODEL, CORED_TEST_TMP, and with
# a sanitizer CORED_TEST_PRELOAD, which programs that are not ours need to load our plugin.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scripts=$here/../../pipelines
tmp=$(mktemp -d "$CORED_TEST_TMP/case-XXXXXX")
server=
relay=
trap 'for pid in $server $relay; do kill "$pid" 2>/dev/null; done; rm -rf "$tmp"' EXIT
export GST_REGISTRY=$tmp/registry.bin GST_REGISTRY_FORK=no
export CORED_MODEL=$CORED_TEST_MODEL
log=$tmp/log

# GStreamer's own programs load our plugin with the sanitizer's runtime, but are not asked for leaks:
# loading all plugins of the system leaks in many of them. Ours find the registry already made, and
# keep whole stacks of allocations, as GLib has no frame pointers and suppressions need names.
# GIO's proxy module (libproxy, C++) throws, which the runtime cannot pass on in a program of C.
if [ -n "${CORED_TEST_PRELOAD:-}" ]; then
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}fast_unwind_on_malloc=0
  export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$here/../lsan.supp:print_suppressions=0}
  export GIO_USE_PROXY_RESOLVER=dummy
  mkdir "$tmp/bin"
  for name in gst-launch-1.0 gst-inspect-1.0; do
    printf '#!/bin/sh\nASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0:fast_unwind_on_malloc=1 LD_PRELOAD=%q exec %q "$@"\n' \
      "$CORED_TEST_PRELOAD" "$(command -v $name)" >"$tmp/bin/$name"
    chmod +x "$tmp/bin/$name"
  done
  export PATH=$tmp/bin:$PATH
  GST_PLUGIN_PATH=$CORED_BUILD_DIR/plugin gst-inspect-1.0 >/dev/null 2>&1
fi

fail() {
  echo "case.sh: $*" >&2
  sed 's/^/  | /' "$log" >&2
  exit 1
}
# runs STATUS COMMAND...: the command ends with that status within a minute and a half. Whole stacks make
# each allocation many times as slow: leaks are looked for in a case's first run of a program to a status.
declare -A leaks_looked_for
runs() {
  local want=$1 status run
  shift
  run="${1##*/} $want"
  if [ -n "${CORED_TEST_PRELOAD:-}" ] && [ -n "${leaks_looked_for[$run]:-}" ]; then
    set -- env "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0:fast_unwind_on_malloc=1" "$@"
  fi
  leaks_looked_for[$run]=yes
  timeout 90 "$@" >"$log" 2>&1
  status=$?
  [ "$status" = "$want" ] || fail "status $status, not $want: $*"
}
# says PATTERN [TIMES]: that many lines at least match.
says() {
  local found
  found=$(grep -cE "$1" "$log")
  [ "$found" -ge "${2:-1}" ] || fail "$found lines match, not ${2:-1}: $1"
}
needs() {
  local element
  for element in "$@"; do
    gst-inspect-1.0 --exists "$element" || {
      echo "skipped: no element $element"
      exit 77
    }
  done
}
# picture FILE [ELEMENT...]: two seconds of test picture, 25 frames a second, in Matroska.
picture() {
  local file=$1
  shift
  gst-launch-1.0 -q videotestsrc num-buffers=50 ! video/x-raw,width=320,height=240,framerate=25/1 "$@" ! \
    jpegenc ! matroskamux ! filesink "location=$file" >"$log" 2>&1 || fail "cannot make a video"
}

case_flag-video() {
  needs x264enc
  picture "$tmp/a b.mkv"
  runs 0 "$scripts/flag-video.sh" --out "$tmp/out" "$tmp/a b.mkv"
  says '^  unknown  no face in 50 frames$'
  says '^  annotated: .*/out/a b-flagged.mp4$'
  says '"type":' 0
  [ "$(wc -l <"$tmp/out/flag-video.jsonl")" = 1 ] || fail "not one JSON line"
  grep -q '"type":"verdict".*"verdict":"unknown".*"frames":50' "$tmp/out/flag-video.jsonl" ||
    fail "no verdict in JSON"
  runs 0 gst-launch-1.0 -q filesrc "location=$tmp/out/a b-flagged.mp4" ! decodebin ! fakesink
  # What is there stays there; the options say what else may be.
  cp -r "$tmp/out" "$tmp/first"
  runs 2 "$scripts/flag-video.sh" --out "$tmp/out" "$tmp/a b.mkv"
  says 'flag-video.jsonl is there already: --append adds to it, --overwrite replaces it'
  rm "$tmp/out/flag-video.jsonl"
  runs 2 "$scripts/flag-video.sh" --out "$tmp/out" "$tmp/a b.mkv"
  says 'a b-flagged.mp4 is there already: --overwrite replaces it'
  cp "$tmp/first/flag-video.jsonl" "$tmp/out"
  runs 0 "$scripts/flag-video.sh" --out "$tmp/out" --append "$tmp/a b.mkv"
  [ "$(wc -l <"$tmp/out/flag-video.jsonl")" = 2 ] || fail "not one JSON line more"
  [ -s "$tmp/out/a b-flagged-2.mp4" ] || fail "no second video"
  cmp -s "$tmp/out/a b-flagged.mp4" "$tmp/first/a b-flagged.mp4" || fail "the first video was changed"
  # The picture as a whole, judged; every 5th frame.
  runs 0 "$scripts/flag-video.sh" --out "$tmp/out" --no-video --overwrite "$tmp/a b.mkv" -- \
    --set inference-region=full-frame --every 5
  says '^  frame +[^ ]+ +[01]\.[0-9][0-9]$'
  [ "$(grep -c '"type":"frame"' "$tmp/out/flag-video.jsonl")" = 10 ] || fail "not 10 judged frames"
  # No video named, no model named.
  runs 0 "$scripts/flag-video.sh" --out "$tmp/out" --no-video --overwrite
  says 'unknown  no face in 100 frames'
  runs 2 env -u CORED_MODEL "$scripts/flag-video.sh" "$tmp/a b.mkv"
  says 'cored-convert import'
  runs 1 "$scripts/flag-video.sh" --out "$tmp/out" --no-video --append "$tmp/none.mkv"
  says 'failed: cannot be read: No such file'
}

# A model is named in the ways in which the tools take it (tools/common/model-path.c).
case_model-names() {
  local script=("$scripts/print-metadata.sh" --dry-run --model) name
  picture "$tmp/a.mkv"
  mkdir "$tmp/a run"
  for name in 'any 100%.safetensors' .hidden.pth model.safetensors best.safetensors; do
    [ "$name" != .hidden.pth ] || rm "$tmp/a run/any 100%.safetensors"
    cp "$CORED_MODEL" "$tmp/a run/$name"
    runs 0 "${script[@]}" "$tmp/a run" "$tmp/a.mkv"
    says "'model=$tmp/a run/$name'"
    runs 0 "${script[@]}" "file://${tmp//_/%5f}/a%20run" "$tmp/a.mkv"
    says "'model=$tmp/a run/$name'"
  done
  runs 0 "${script[@]}" "file://$tmp/a%20run/best.safetensors" "$tmp/a.mkv"
  says "'model=$tmp/a run/best.safetensors'"
  cp "$CORED_MODEL" "$tmp/a%20b%.safetensors" # no URI: as it stands
  runs 0 "${script[@]}" "$tmp/a%20b%.safetensors" "$tmp/a.mkv"
  says "model=$tmp/a%20b%.safetensors"
  rm "$tmp/a run/best.safetensors"
  mv "$tmp/a run/model.safetensors" "$tmp/a run/other.safetensors"
  runs 1 "${script[@]}" "$tmp/a run" "$tmp/a.mkv"
  says 'expected best.safetensors, model.safetensors or one model file in this folder, found 2'
}

case_print-metadata() {
  picture "$tmp/a b.mkv"
  runs 0 "$scripts/print-metadata.sh" "$tmp/a b.mkv"
  says 'cored, .*verdict=\(string\)unknown' 50
  runs 0 "$scripts/print-metadata.sh" --every 10 "$tmp/a b.mkv"
  [ "$(grep -c 'inferred=(boolean)true' "$log")" = 5 ] || fail "not every 10th of 50 frames"
  # The frame that ends it does not pass; of those that the queue behind the demuxer holds some may.
  runs 0 "$scripts/print-metadata.sh" --frames 20 "$tmp/a b.mkv"
  says 'cored, .*inferred=\(boolean\)true' 19
  [ "$(grep -c 'inferred=(boolean)true' "$log")" -lt 50 ] || fail "all 50 frames"
  runs 1 "$scripts/print-metadata.sh" "$tmp/none.mkv"
}

# The metadata in Python, with nothing that Python or GLib call deprecated.
case_read-metadata() {
  local script=(/usr/bin/python3 -W error::DeprecationWarning "$scripts/read-metadata.py")
  [ -z "${CORED_TEST_PRELOAD:-}" ] ||
    script=(env "LD_PRELOAD=$CORED_TEST_PRELOAD" "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0" "${script[@]}")
  export GST_PLUGIN_PATH=$CORED_BUILD_DIR/plugin G_ENABLE_DIAGNOSTIC=1
  /usr/bin/python3 -c 'from gi.repository import Gst; assert "overrides" in Gst.ValueArray.__module__' 2>/dev/null || { echo "skipped: no python3-gst-1.0"; exit 77; }
  picture "$tmp/a b.mkv"
  runs 0 "${script[@]}" "$tmp/a b.mkv"
  says '^ +[01]\.[0-9]{3} s  unknown \(no-face\)$' 50
  runs 0 "${script[@]}" --model "$CORED_MODEL" --whole-frame "file://$tmp/a%20b.mkv"
  says '^   1\.000 s  (real|fake)  face [0-9]+ at 0,0 320x240 p-fake [01]\.[0-9]{3}$'
  ! grep -i 'deprecat' "$log" || fail "a deprecated call"
  # Pictures without time stamps: no time is made up.
  gst-launch-1.0 -q videotestsrc num-buffers=5 ! video/x-raw,width=320,height=240,framerate=25/1 ! \
    jpegenc ! filesink "location=$tmp/a.mjpeg" >"$log" 2>&1 || fail "cannot make a.mjpeg"
  runs 0 "${script[@]}" "$tmp/a.mjpeg"
  says '^ +([0-9]\.[0-9]{3}|-) s  unknown' 5
  runs 1 "${script[@]}" "$tmp/none.mkv"
  runs 1 "${script[@]}" --model "$tmp/none.safetensors" "$tmp/a b.mkv"
  says '^read-metadata.py: The model cannot be used: .*none.safetensors'
  runs 2 "${script[@]}"
  runs 1 env -u GST_PLUGIN_PATH GST_REGISTRY="$tmp/other.bin" "${script[@]}" "$tmp/a b.mkv"
  says 'meson devenv'
}

case_camera() {
  runs 0 "$scripts/camera.sh" --test --no-window --frames 40
  says 'cored, .*stream-time'
  runs 0 "$scripts/camera.sh" --dry-run
  says 'v4l2src device=/dev/video0 ! .* ! coreddetect .* ! coredoverlay .* ! autovideosink'
  runs 0 "$scripts/camera.sh" --test --pictures "$tmp/pictures" --frames 40
  [ -s "$tmp/pictures/0001.png" ] || fail "no pictures"
  runs 1 "$scripts/camera.sh" --test --pictures "$tmp/pictures" --frames 40
  says 'there are pictures in .*: --overwrite replaces them'
  runs 1 env -u DISPLAY -u WAYLAND_DISPLAY "$scripts/camera.sh" --test
  says 'camera.sh: there is no display'
  runs 1 "$scripts/camera.sh" --device "$tmp/none"
  says 'no camera'
}

# camera [PORT]: the test server as $server, its port in $port; lost: it is gone.
camera() {
  [ -x "$CORED_TEST_BIN/rtsp-server" ] || { echo "skipped: built without gst-rtsp-server"; exit 77; }
  rm -f "$tmp/stdin" "$tmp/port"
  mkfifo "$tmp/stdin" "$tmp/port"
  "$CORED_TEST_BIN/rtsp-server" "$@" <"$tmp/stdin" >"$tmp/port" &
  server=$!
  exec 3>"$tmp/stdin"
  read -r port <"$tmp/port"
}
lost() {
  exec 3>&-
  wait "$server" || fail "the server ended badly"
  server=
}
# watch_camera OPTION...: rtsp.sh in the background as $relay, until it shows results.
watch_camera() {
  timeout 80 "$scripts/rtsp.sh" "$@" --tcp "rtsp://127.0.0.1:$port/test" >"$log" 2>&1 3>&- &
  relay=$!
  for _ in $(seq 300); do grep -q 'cored, ' "$log" && break; sleep 0.1; done
  says 'cored, '
}

case_rtsp() {
  local was
  needs rtspsrc rtpjpegpay jpegdec
  camera
  runs 0 "$scripts/rtsp.sh" --frames 40 --tcp "rtsp://127.0.0.1:$port/test"
  says 'cored, .*frame-width=\(uint\)320'
  runs 2 "$scripts/rtsp.sh" http://127.0.0.1/
  # A camera that is lost is a failure, also where so many frames were wanted.
  watch_camera --frames 100000
  lost
  wait "$relay"
  was=$?
  [ "$was" = 1 ] || fail "status $was after the camera was lost"
  says '^rtsp.sh: the source ended'
  runs 1 "$scripts/rtsp.sh" --tcp "rtsp://127.0.0.1:$port/test"
  # Unless it may connect again.
  camera "$port"
  watch_camera --frames 150 --reconnect
  lost
  for _ in $(seq 300); do grep -q 'connecting again' "$log" && break; sleep 0.1; done
  camera "$port"
  wait "$relay"
  was=$?
  [ "$was" = 0 ] || fail "status $was after the camera was back"
  says 'connecting again in 1 s'
  relay=
  # Ctrl-C is no failure.
  timeout -s INT 8 "$scripts/rtsp.sh" --tcp "rtsp://127.0.0.1:$port/test" >"$log" 2>&1
  says 'cored, '
  ! grep -q 'the source ended' "$log" || fail "an interrupt was taken for a loss"
  # Other scripts that read it.
  timeout 80 "$scripts/print-metadata.sh" "rtsp://127.0.0.1:$port/test" >"$log" 2>&1 3>&- &
  relay=$!
  for _ in $(seq 300); do grep -q 'cored, ' "$log" && break; sleep 0.1; done
  lost
  wait "$relay"
  was=$?
  [ "$was" = 1 ] || fail "status $was of print-metadata.sh after the camera was lost"
  relay=
}

# gst-launch-1.0 does not end after an error, as it may when rtspsrc finds no camera: the script ends it.
case_rtsp-stuck() {
  local begun=$SECONDS
  mkdir -p "$tmp/stuck"
  cat >"$tmp/stuck/gst-launch-1.0" <<'SH'
#!/bin/sh
echo 'ERROR: from element /GstPipeline:pipeline0/GstRTSPSrc:source: Could not open resource.' >&2
trap '' INT TERM
exec sleep 80
SH
  chmod +x "$tmp/stuck/gst-launch-1.0"
  PATH=$tmp/stuck:$PATH runs 1 "$scripts/rtsp.sh" rtsp://127.0.0.1:1/none
  says '^ERROR: from element '
  says '^== gst-launch-1.0 did not end after the error; ending it$'
  says '^rtsp.sh: the source ended$'
  [ $((SECONDS - begun)) -ge 9 ] || fail "ended after $((SECONDS - begun)) s already"
  [ $((SECONDS - begun)) -le 40 ] || fail "ended after $((SECONDS - begun)) s only"
}

# sees FRAMES CLIENT-OPTION...: the client gets so many of the served video.
sees() {
  local want=$1 found
  shift
  timeout 40 gst-launch-1.0 rtspsrc "location=$url" protocols=tcp "$@" ! decodebin ! \
    identity name=stop eos-after=6 silent=false ! fakesink -v >"$log" 2>&1
  found=$(grep -c 'last-message = chain.*(stop:sink)' "$log")
  [ "$found" = "$want" ] || fail "$found frames, not $want, with: $*"
}
# ended: the served video is interrupted.
ended() {
  kill -INT "$relay"
  wait "$relay"
  [ $? = 130 ] || fail "not status 130 after an interrupt: $(cat "$tmp/relay.log")"
  relay=
}

# Who may watch: nobody is asked, a password, TLS; other addresses only with one of them.
case_rtsp-access() {
  local url
  [ -x "$CORED_BUILD_DIR/tools/cored-rtsp" ] || { echo "skipped: built without gst-rtsp-server"; exit 77; }
  needs rtspsrc jpegdec
  picture "$tmp/a b.mkv"
  echo geheim >"$tmp/password"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --listen 0.0.0.0 "$tmp/a b.mkv"
  says 'whoever reaches 0.0.0.0 could watch'
  runs 2 "$scripts/rtsp-out.sh" --port 0 --listen :: "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --user me "$tmp/a b.mkv"
  says 'needs a password'
  runs 2 "$scripts/rtsp-out.sh" --port 0 --user me:you --password-file "$tmp/password" "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --user me --password-file "$tmp/none" "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --password-file "$tmp/password" "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --tls-certificate "$tmp/password" "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 --tls-key "$tmp/password" "$tmp/a b.mkv"
  runs 2 "$scripts/rtsp-out.sh" --port 0 "$tmp/none.mkv"
  says 'none.mkv cannot be read: No such file'
  runs 2 "$scripts/rtsp-out.sh" --port 0 "$tmp"
  says 'is a folder; name the files in it'
  runs 2 env -u CORED_MODEL "$CORED_BUILD_DIR/tools/cored-rtsp" --port 0 "$tmp/a b.mkv"
  says 'no model: name one with --model'
  says 'Try --help'
  # Far from the build folder, and with the plugin nowhere, it says what to do.
  cp "$CORED_BUILD_DIR/tools/cored-rtsp" "$tmp/"
  runs 1 env -u GST_PLUGIN_PATH "GST_REGISTRY=$tmp/bare.bin" "$tmp/cored-rtsp" --port 0 "$tmp/a b.mkv"
  says 'coreddetect is not installed; set GST_PLUGIN_PATH to'
  runs 0 "$CORED_BUILD_DIR/tools/cored-rtsp" --help
  says 'there is no authentication'
  runs 0 "$CORED_BUILD_DIR/tools/cored-rtsp" --version
  [ -z "${CORED_TEST_PRELOAD:-}" ] || return 0

  served --user me --password-file "$tmp/password" "$tmp/a b.mkv"
  sees 0
  sees 0 user-id=me user-pw=falsch
  sees 0 user-id=you user-pw=geheim
  sees 5 user-id=me user-pw=geheim
  # Memory for what is announced is not reserved before it comes.
  python3 - "$url" "$relay" <<'PY' >"$log" 2>&1 || fail "announced"
import re, socket, sys
url, pid = sys.argv[1:]
def size():
    return int(re.search(r'VmSize:\s+(\d+)', open(f'/proc/{pid}/status').read()).group(1))
before = size()
with socket.create_connection(('127.0.0.1', int(re.search(r':(\d+)/', url).group(1))), 30) as s:
    s.sendall(f'SET_PARAMETER {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n'.encode())
    answer = s.recv(100)
print(answer, before, size())
assert b' 413 ' in answer and size() < before + 1000000
PY
  ended
  if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 2 \
      -subj /CN=localhost >"$log" 2>&1 || fail "no certificate"
    runs 2 "$scripts/rtsp-out.sh" --port 0 --tls-certificate "$tmp/cert.pem" "$tmp/a b.mkv"
    says 'holds no private key'
    CORED_RTSP_PASSWORD=geheim served --listen 0.0.0.0 --user me --tls-certificate "$tmp/cert.pem" \
      --tls-key "$tmp/key.pem" "$tmp/a b.mkv"
    [[ $url == rtsps://* ]] || fail "not encrypted: $url"
    sees 0 tls-validation-flags=0
    sees 5 tls-validation-flags=0 user-id=me user-pw=geheim
    ended
  fi
  served --listen 0.0.0.0 --allow-anyone "$tmp/a b.mkv"
  sees 5
  ended
  # A pipe is watched as it is written.
  mkfifo "$tmp/pipe"
  cat "$tmp/a b.mkv" >"$tmp/pipe" &
  served "$tmp/pipe"
  sees 5
  ended
}

case_upstream-faces() {
  needs facedetect
  picture "$tmp/a.mkv"
  runs 0 "$scripts/upstream-faces.sh" --frames 5 "$tmp/a.mkv"
  says 'cored, .*verdict=\(string\)unknown.*n-faces=\(uint\)0' 4
}

# frames FILE: how many can be decoded.
frames() {
  gst-launch-1.0 filesrc "location=$1" ! decodebin ! videoconvert ! identity silent=false ! \
    fakesink sync=false -v 2>&1 | grep -c 'last-message = chain'
}

# A model is published while the picture goes on: both judge, and no frame is missing.
case_live-demo() {
  local frames=150
  [ -z "${CORED_TEST_PRELOAD:-}" ] || frames=300 # a model takes longer then
  needs x264enc
  "$CORED_TEST_BIN/make-model" meso4 8 "$tmp/first.safetensors" 1 || fail "no model"
  "$CORED_TEST_BIN/make-model" meso4 9 "$tmp/next.safetensors" 2 || fail "no model"
  runs 0 "$scripts/live-demo.sh" --model "$tmp/first.safetensors" --next "$tmp/next.safetensors" --after 1 \
    --frames "$frames" --live "$tmp/live.safetensors" --out "$tmp/out.mkv"
  says 'cored-model, status=\(string\)loaded.*generation=\(guint64\)2'
  says 'cored, .*model-generation=\(guint64\)1'
  says 'cored, .*model-generation=\(guint64\)2'
  # eos-after lets one less pass.
  [ "$(frames "$tmp/out.mkv")" = $((frames - 1)) ] || fail "not $((frames - 1)) frames"
  # A file, played twice.
  picture "$tmp/a.mkv"
  runs 0 "$scripts/live-demo.sh" --loops 2 --pictures "$tmp/pictures" "$tmp/a.mkv"
  [ "$(find "$tmp/pictures" -name '*.png' | wc -l)" -ge 7 ] || fail "not two pictures a second of 4 s"
  runs 2 "$scripts/live-demo.sh" --frames 60 --no-window "$tmp/a.mkv"
  says 'frames is for the generated picture'
  runs 1 "$scripts/live-demo.sh" --next "$tmp/none" --no-window
  # What is to be published is found as any model, and is published or that is an error.
  mkdir "$tmp/next run" "$tmp/none here"
  cp "$tmp/next.safetensors" "$tmp/next run/of another name.safetensors"
  runs 0 "$scripts/live-demo.sh" --next "file://$tmp/next%20run" --after 0 --frames 60 --no-window \
    --live "$tmp/live.safetensors" --overwrite
  cmp -s "$tmp/live.safetensors" "$tmp/next.safetensors" || fail "the next model was not published"
  runs 1 "$scripts/live-demo.sh" --next "$tmp/next.safetensors" --after 60 --frames 20 --no-window
  says 'next.safetensors was not published'
  runs 1 "$scripts/live-demo.sh" --next "$tmp/none here" --no-window
  says 'expected best.safetensors, model.safetensors or one model file in this folder, found 0'
  # A rehearsal writes nothing.
  echo mine >"$tmp/live.safetensors"
  runs 0 "$scripts/live-demo.sh" --dry-run --live "$tmp/live.safetensors" --no-window
  [ "$(cat "$tmp/live.safetensors")" = mine ] || fail "--dry-run wrote a file"
  runs 2 "$scripts/live-demo.sh" --loops 0
  runs 2 "$scripts/live-demo.sh" --after soon
  runs 2 "$scripts/live-demo.sh" --no-window --next
  says '^live-demo.sh: --next needs a value'
}

case_four-streams() {
  needs x264enc compositor
  picture "$tmp/a.mkv"
  runs 0 "$scripts/four-streams.sh" --offline --width 320 --out "$tmp/out.mkv" "$tmp/a.mkv"
  [ "$(frames "$tmp/out.mkv")" -ge 49 ] || fail "not 50 frames"
  runs 0 "$scripts/four-streams.sh" --width 320 --frames 50 --no-window
  for i in 1 2 3 4; do says "cored, .*stream-id=\\(string\\)\"?stream..?$i"; done
  runs 2 "$scripts/four-streams.sh" 1 2 3 4 5
}

# served [OPTION]... INPUT: rtsp-out.sh in the background as $relay, its address in $url.
served() {
  rm -f "$tmp/url"
  "$scripts/rtsp-out.sh" --port 0 "$@" >"$tmp/url" 2>"$tmp/relay.log" &
  relay=$!
  for _ in $(seq 300); do [ -s "$tmp/url" ] && break; sleep 0.1; done
  url=$(head -n 1 "$tmp/url")
}

# Camera (a test server) in, annotated video out, read by a client.
case_rtsp-out() {
  local url client
  needs rtspsrc rtpjpegpay jpegdec
  camera
  served "rtsp://127.0.0.1:$port/test"
  # rtspsrc takes long to end by itself.
  gst-launch-1.0 rtspsrc "location=$url" protocols=tcp ! decodebin ! videoconvert ! pngenc ! \
    multifilesink "location=$tmp/%02d.png" >"$log" 2>&1 &
  client=$!
  for _ in $(seq 600); do [ -s "$tmp/08.png" ] && break; sleep 0.1; done
  kill -INT "$client"
  wait "$client"
  [ -s "$tmp/08.png" ] || fail "no pictures"
  kill -INT "$relay"
  wait "$relay"
  [ $? = 130 ] || fail "not status 130 after an interrupt: $(cat "$tmp/relay.log")"
  relay=
  if [ -z "${CORED_TEST_PRELOAD:-}" ]; then
    # A file is served as it plays, not as fast as it is read.
    picture "$tmp/a.mkv"
    served "$tmp/a.mkv"
    timeout 60 gst-launch-1.0 rtspsrc "location=$url" protocols=tcp ! decodebin ! \
      fakesink silent=false sync=false -v >"$log" 2>&1
    says 'last-message = chain' 25
    kill -INT "$relay"
    wait "$relay"
    [ $? = 130 ] || fail "not status 130 after an interrupt: $(cat "$tmp/relay.log")"
    relay=
  fi
  runs 2 "$scripts/rtsp-out.sh"
  runs 2 "$scripts/rtsp-out.sh" --port 99999 rtsp://127.0.0.1/
  echo 'no model' >"$tmp/bad.safetensors"
  runs 1 "$scripts/rtsp-out.sh" --model "$tmp/bad.safetensors" --port 0 rtsp://127.0.0.1/
  says 'The model cannot be used: .*bad.safetensors'
  lost
}

# verdicts FILE: "verdict complete error" of each closing object, one a line.
verdicts() {
  python3 - "$1" <<'PY'
import json, sys
for line in open(sys.argv[1], encoding='utf-8'):
    entry = json.loads(line)
    if entry['type'] == 'verdict':
        print(entry['verdict'], entry['complete'], entry.get('error', '-'))
PY
}

# Everything that is no video is said plainly and does not keep the rest from being judged.
case_scan-bad-input() {
  local cut
  picture "$tmp/good.mkv"
  gst-launch-1.0 -q audiotestsrc num-buffers=50 ! vorbisenc ! oggmux ! filesink "location=$tmp/sound.ogg"
  gst-launch-1.0 -q videotestsrc num-buffers=50 ! video/x-raw,width=320,height=240,framerate=10/1 ! \
    jpegenc ! avimux ! filesink "location=$tmp/whole.avi"
  cut=$(($(stat -c %s "$tmp/whole.avi") / 3))
  head -c "$cut" "$tmp/whole.avi" >"$tmp/cut.avi"
  gst-launch-1.0 -q videotestsrc num-buffers=0 ! jpegenc ! matroskamux ! filesink "location=$tmp/none.mkv"
  : >"$tmp/empty.mp4"
  echo "no video" >"$tmp/text.mp4"
  mkdir "$tmp/folder.mp4"
  mkfifo "$tmp/fifo.mp4"
  runs 1 "$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --json "$tmp/out.jsonl" -q \
    "$tmp/missing.mp4" "$tmp/folder.mp4" "$tmp/fifo.mp4" "$tmp/empty.mp4" "$tmp/text.mp4" \
    "$tmp/sound.ogg" "$tmp/none.mkv" "$tmp/cut.avi" "nonsense://x" "$tmp/good.mkv"
  says 'failed: cannot be read: No such file or directory'
  says 'failed: is a folder'
  says 'failed: is no regular file'
  says 'failed: is empty'
  says 'failed: .*type of stream'
  says 'failed: no video in it'
  says 'failed: ' 8
  says 'unknown  no face in 50 frames'
  verdicts "$tmp/out.jsonl" >"$tmp/verdicts" || fail "the JSON file is no JSON"
  [ "$(wc -l <"$tmp/verdicts")" = 10 ] || fail "not one verdict per input"
  [ "$(tail -n 1 "$tmp/verdicts")" = "unknown True -" ] || fail "the good one: $(tail -n 1 "$tmp/verdicts")"
  [ "$(head -n 7 "$tmp/verdicts" | grep -c 'unknown False')" = 7 ] || fail "$(cat "$tmp/verdicts")"
}

# A file's name cannot forge a verdict, hide one or steer the terminal, however it comes out.
case_scan-names() {
  local scan=$CORED_BUILD_DIR/tools/cored-scan name forged='  real  p-fake 0.01, threshold 0.50'
  picture "$tmp/a.mkv"
  for name in $'clip.mkv\n'"$forged"$'\033[8m' $'a\xe2\x80\xaevkm.mkv' $'a\xff\xc2\x9b8m.mkv' $'a\rb.mkv'; do
    cp "$tmp/a.mkv" "$tmp/$name"
    runs 0 "$scan" --model "$CORED_MODEL" --ascii --json "$tmp/out.jsonl" "$tmp/$name"
    says '^  unknown  no face in 50 frames$'
    says '^/.*  \(0:02, 50 frames, 0 judged\)$'
    [ "$(grep -c . "$log")" = 2 ] || fail "not two lines for one file"
    ! grep -qxF -- "$forged" "$log" || fail "a verdict was forged"
    LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae|\xc2\x9b|\xff' "$log" "$tmp/out.jsonl" &&
      fail "what a terminal obeys came through"
    verdicts "$tmp/out.jsonl" >/dev/null || fail "the JSON file is no JSON"
    rm "$tmp/out.jsonl"
    runs 1 "$scan" --model "$CORED_MODEL" -q "$tmp/none/$name"
    says '^  failed: cannot be read'
    ! grep -qxF -- "$forged" "$log" || fail "a verdict was forged"
  done
  # Programs that put pipelines together from names do not take a name for elements.
  name=$'x\n!\nfilesink\nlocation=made.mkv'
  cp "$tmp/a.mkv" "$tmp/$name"
  (cd "$tmp" && runs 1 "$scripts/print-metadata.sh" "$name" && says 'without line breaks' 1) || exit 1
  [ ! -e "$tmp/made.mkv" ] || fail "a name was taken for elements"
}

# made FILE ELEMENT...: four seconds of picture, encoded and written by the elements.
made() {
  local file=$1
  shift
  gst-launch-1.0 -q videotestsrc num-buffers=100 pattern=ball ! \
    video/x-raw,width=320,height=240,framerate=25/1 ! "$@" ! filesink "location=$file" >"$log" 2>&1 ||
    fail "cannot make $file"
}
# half FILE: its first half, as half-FILE beside it.
half() { head -c $(($(stat -c %s "$tmp/$1") / 2)) "$tmp/$1" >"$tmp/half-$1"; }

# Half a file is never "real", whatever the demuxer says; a whole one is judged to its end.
case_scan-cut-off() {
  local file judge=("$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --set inference-region=full-frame
    --set threshold=0.99 -q)
  local h264=(x264enc key-int-max=25 bframes=0 ! h264parse)
  [ -z "${CORED_TEST_PRELOAD:-}" ] || judge+=(--set inference-interval=4) # a sanitizer takes its time
  needs x264enc mp4mux avimux mpegtsmux flvmux oggmux theoraenc avdec_h264
  made "$tmp/start.mp4" "${h264[@]}" ! mp4mux faststart=true
  made "$tmp/fragments.mp4" "${h264[@]}" ! mp4mux fragment-duration=500
  made "$tmp/end.mp4" "${h264[@]}" ! mp4mux
  made "$tmp/a.avi" jpegenc ! avimux
  made "$tmp/a.mkv" "${h264[@]}" ! matroskamux
  made "$tmp/a.flv" "${h264[@]}" ! flvmux
  made "$tmp/a.ogv" theoraenc ! oggmux
  made "$tmp/a.ts" "${h264[@]}" ! mpegtsmux
  for file in start.mp4 fragments.mp4 a.avi a.mkv a.flv a.ogv; do
    half "$file"
    runs 0 "${judge[@]}" --json "$tmp/whole.jsonl" "$tmp/$file"
    [ "$(verdicts "$tmp/whole.jsonl")" = "real True -" ] || fail "$file: $(tail -n 1 "$tmp/whole.jsonl")"
    rm "$tmp/whole.jsonl"
    runs 1 "${judge[@]}" --json "$tmp/half.jsonl" "$tmp/half-$file"
    says '^  failed: the file is cut off: .* bytes, [0-9]+ are there$'
    says '^  unknown  the rest was not seen; until then p-fake 0'
    verdicts "$tmp/half.jsonl" | grep -q '^unknown False the file is cut off' || fail "half of $file"
    ! tail -n 1 "$tmp/half.jsonl" | grep -q '"verdict":"unknown","p-fake"' || fail "an unknown with p-fake"
    rm "$tmp/half.jsonl"
  done
  # The index at the end: there is nothing to be read.
  half end.mp4
  runs 1 "${judge[@]}" "$tmp/half-end.mp4"
  # A forgery that was seen stays one.
  runs 1 "${judge[@]}" --set threshold=0.01 --json "$tmp/fake.jsonl" "$tmp/half-start.mp4"
  verdicts "$tmp/fake.jsonl" | grep -q '^fake False the file is cut off' || fail "fake until the cut"
  # Nothing in a transport stream says how long it is, and that is said.
  half a.ts
  runs 0 "${judge[@]}" "$tmp/half-a.ts"
  says '^  note: nothing in it says how long it is'
}

# GStreamer's own element for ONNX models takes what is exported, as docs/tools.md has it.
case_onnxinference() {
  needs pngenc pngdec onnxinference
  gst-launch-1.0 -q videotestsrc num-buffers=1 ! video/x-raw,width=256,height=256 ! videoconvert ! pngenc ! \
    filesink "location=$tmp/a.png" || fail "no picture"
  runs 0 "$CORED_BUILD_DIR/tools/cored-convert" export "$CORED_MODEL" -o "$tmp/model.onnx"
  runs 0 gst-launch-1.0 -v filesrc "location=$tmp/a.png" ! pngdec ! videoconvertscale ! \
    video/x-raw,format=RGB,width=256,height=256 ! onnxinference "model-file=$tmp/model.onnx" \
    input-image-format=chw input-tensor-scale=255 ! identity silent=false ! fakesink
  says 'chain .*meta: .*GstTensorMeta'
}

# good FILE: it is whole, and nothing in it is damaged.
good() {
  rm -f "$tmp/good.jsonl"
  runs 0 "$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --set inference-region=full-frame \
    --set threshold=0.99 -q --json "$tmp/good.jsonl" "$tmp/$1"
  tail -n 1 "$tmp/good.jsonl" | grep -q '"verdict":"real".*"complete":true,"damaged":0' ||
    fail "$1: $(tail -n 1 "$tmp/good.jsonl")"
}

# leading FILE: of its pictures of HEVC all that have a time are shown, or told as not decoded, for the
# decoder of Debian 13 now and then loses one behind pictures that it cannot decode.
leading() {
  local pictures frames damaged
  gst-launch-1.0 -v filesrc "location=$1" ! matroskademux ! h265parse ! identity silent=false ! fakesink \
    >"$log" 2>&1 || fail "cannot read $1"
  pictures=$(grep 'chain ' "$log" | grep -c 'pts: [0-9]')
  rm -f "$tmp/good.jsonl"
  runs 0 "$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --set inference-region=full-frame \
    --set threshold=0.99 -q --json "$tmp/good.jsonl" "$1"
  frames=$(tail -n 1 "$tmp/good.jsonl" | grep -o '"frames":[0-9]*')
  damaged=$(tail -n 1 "$tmp/good.jsonl" | grep -o '"damaged":[0-9]*')
  [ "$((${frames#*:} + ${damaged#*:}))" = "$pictures" ] && [ "${damaged#*:}" -le 1 ] &&
    grep -q '"verdict":"real".*"complete":true' "$tmp/good.jsonl" ||
    fail "$1 with $pictures pictures: $(tail -n 1 "$tmp/good.jsonl")"
}

# What is cut out of a longer video, streamed or written to a pipe is neither cut off nor damaged.
case_scan-whole() {
  local ff=(ffmpeg -v error -y)
  command -v ffmpeg >/dev/null || {
    echo "skipped: no ffmpeg"
    exit 77
  }
  needs x264enc mp4mux avdec_h264 avdec_h265 avdec_mpeg4
  made "$tmp/a.mp4" x264enc key-int-max=25 bframes=2 ! h264parse ! mp4mux
  # An edit list that begins and ends between key frames.
  "${ff[@]}" -ss 1.5 -t 1.3 -i "$tmp/a.mp4" -c copy "$tmp/edited.mp4" || fail "cannot make edited.mp4"
  good edited.mp4
  # Fragments whose times do not begin at 0.
  (cd "$tmp" && "${ff[@]}" -i a.mp4 -c copy -f hls -hls_time 1 -hls_segment_type fmp4 \
    -hls_segment_filename 'part%d.m4s' list.m3u8 && cat init.mp4 part2.m4s part3.m4s >late.mp4) ||
    fail "cannot make late.mp4"
  good late.mp4
  head -c $(($(stat -c %s "$tmp/late.mp4") * 3 / 4)) "$tmp/late.mp4" >"$tmp/half-late.mp4"
  runs 1 "$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" -q "$tmp/half-late.mp4"
  # Pictures in front of the first one that could be decoded.
  if "${ff[@]}" -i "$tmp/a.mp4" -c:v libx265 -x265-params \
    log-level=none:open-gop=1:keyint=23:min-keyint=23:scenecut=0:bframes=3:b-adapt=0 "$tmp/open.mp4"; then
    "${ff[@]}" -ss 1.5 -i "$tmp/open.mp4" -c copy "$tmp/leading.mkv" || fail "cannot make leading.mkv"
    leading "$tmp/leading.mkv"
  fi
  # Pictures that are not coded, as the one before is shown on.
  "${ff[@]}" -i "$tmp/a.mp4" -c:v mpeg4 -f m4v "$tmp/a.m4v" || fail "cannot make a.m4v"
  python3 - "$tmp/a.m4v" "$tmp/still.m4v" <<'PY'
import sys
first, *pictures = open(sys.argv[1], "rb").read().split(b"\0\0\1\xb6")
out = first
for n, picture in enumerate(pictures):
    out += b"\0\0\1\xb6" + picture
    if n % 10 == 9:  # the same time again (25 a second: 5 bits)
        bits = f"{int.from_bytes(picture[:4], 'big'):032b}"
        bits = "01" + bits[2:bits.index("0", 2) + 8] + "00"
        bits += "1" * (-len(bits) % 8)
        out += b"\0\0\1\xb6" + int(bits, 2).to_bytes(len(bits) // 8, "big")
open(sys.argv[2], "wb").write(out)
PY
  good still.m4v
  # A header that was never filled in, and one that gives the time of the longest stream only.
  "${ff[@]}" -i "$tmp/a.mp4" -c:v mjpeg -f avi - 2>"$log" | cat >"$tmp/pipe.avi"
  good pipe.avi
  if gst-inspect-1.0 --exists asfdemux; then
    "${ff[@]}" -i "$tmp/a.mp4" -f lavfi -i sine=d=7 -c:v wmv2 -c:a wmav2 "$tmp/sound.wmv" ||
      fail "cannot make sound.wmv"
    good sound.wmv
  fi
}

# Frames that cannot be decoded are counted; times count from the first frame, as in the annotated video.
case_scan-streams() {
  local judge=("$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --set inference-region=full-frame -q)
  needs x264enc mpegtsmux avdec_h264 jpegparse
  made "$tmp/a.mp4" x264enc key-int-max=25 bframes=0 ! h264parse ! mp4mux faststart=true
  python3 - "$tmp/a.mp4" "$tmp/damaged.mp4" <<'PY'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
for part in range(4, 8):  # holes in the coded pictures, none in the boxes
    at = len(data) * part // 9
    data[at:at + 400] = bytes(b ^ 0xa5 for b in data[at:at + 400])
open(sys.argv[2], 'wb').write(data)
PY
  runs 0 "${judge[@]}" --json "$tmp/a.jsonl" "$tmp/a.mp4" "$tmp/damaged.mp4"
  [ "$(grep -o '"damaged":[0-9]*' "$tmp/a.jsonl" | head -n 1)" = '"damaged":0' ] || fail "a good file is damaged"
  says '^  note: [1-9][0-9]* frames? could not be decoded rightly$'
  grep -q '"damaged":[1-9].*"note":"[1-9]' "$tmp/a.jsonl" || fail "no number of damaged frames"
  # A transport stream begins where its muxer likes.
  made "$tmp/a.ts" x264enc key-int-max=25 bframes=0 ! h264parse ! mpegtsmux
  runs 0 "${judge[@]}" --json "$tmp/ts.jsonl" --annotate "$tmp/ts.mp4" "$tmp/a.ts"
  head -n 1 "$tmp/ts.jsonl" | grep -q '"time":0.0,' || fail "begins at $(head -n 1 "$tmp/ts.jsonl")"
  grep -q '"duration":4.0,' "$tmp/ts.jsonl" || fail "no 4 s: $(tail -n 1 "$tmp/ts.jsonl")"
  # Pictures one behind the other, without time stamps.
  gst-launch-1.0 -q videotestsrc num-buffers=100 ! video/x-raw,width=320,height=240,framerate=25/1 ! \
    jpegenc quality=95 ! filesink "location=$tmp/a.mjpeg" >"$log" 2>&1 || fail "cannot make a.mjpeg"
  runs 0 "${judge[@]}" --json "$tmp/jpeg.jsonl" --annotate "$tmp/jpeg.mp4" "$tmp/a.mjpeg"
  says '^/.*  \(0:04, 100 frames, 100 judged\)$'
  grep -q '"duration":4.0,"frames":100,.*"damaged":0' "$tmp/jpeg.jsonl" ||
    fail "$(tail -n 1 "$tmp/jpeg.jsonl")"
  # Of a stream without a rate the muxer does not know how long the last frame is shown.
  [ "$(frames "$tmp/jpeg.mp4")" -ge 99 ] || fail "not 100 annotated frames"
  # The box that says "full range" is one that GStreamer 1.22's demuxer leaves unread.
  if command -v ffmpeg >/dev/null && [ "$(gst-launch-1.0 --version | grep -oE '1\.[0-9]+' | head -n 1)" = 1.22 ]; then
    ffmpeg -v error -i "$tmp/a.mp4" -c:v mpeg4 -color_range pc -colorspace smpte170m -color_primaries smpte170m \
      -color_trc smpte170m -movflags +write_colr "$tmp/full.mp4" || fail "cannot make a file of full range"
    runs 0 "${judge[@]}" "$tmp/full.mp4"
    says '^  note: its header says that the colours have full range, GStreamer reads them as limited'
  fi
}

# Wrong options end with 2 before anything is read, wrong models with 1 and a reason.
case_scan-bad-options() {
  local scan=$CORED_BUILD_DIR/tools/cored-scan
  picture "$tmp/a.mkv"
  runs 0 "$scan" --help
  says '^Exit status: 0 '
  runs 0 "$scan" --version
  runs 2 "$scan"
  runs 2 "$scan" --model "$CORED_MODEL"
  runs 2 "$scan" --nonsense "$tmp/a.mkv"
  runs 2 env -u CORED_MODEL "$scan" "$tmp/a.mkv"
  says 'name one with --model'
  runs 0 "$scan" -q "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --every 0 "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --annotate "$tmp/x.mp4" "$tmp/a.mkv" "$tmp/a.mkv"
  says 'x.mp4 is no folder, and 2 inputs need a file each'
  runs 2 "$scan" --model "$CORED_MODEL" --append --overwrite "$tmp/a.mkv"
  says 'exclude each other'
  # No output may fall on an input.
  cp "$tmp/a.mkv" "$tmp/keep.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --json "$tmp/a.mkv" "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --annotate "$tmp/a.mkv" "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --json "$CORED_MODEL" "$tmp/a.mkv"
  cmp -s "$tmp/a.mkv" "$tmp/keep.mkv" || fail "an input was overwritten"
  # A file that the detector goes on without is told with the verdict; its name does not reach the terminal raw.
  local file=$tmp/$'no\n\e[31mfaces'
  for file in "cascade --set face-cascade=$file" "network --set face-model=$file"; do
    rm -f "$tmp/note.jsonl"
    runs 0 "$scan" --model "$CORED_MODEL" -q --json "$tmp/note.jsonl" --set "face-detector=${file%% *}" \
      --set "${file#* --set }" "$tmp/a.mkv"
    says '^  note: No face detector, so the whole frame is evaluated .*no\\x0a\\x1b\[31mfaces'
    tail -n 1 "$tmp/note.jsonl" | grep -q '"note":"No face detector' || fail "no note in the JSON lines"
  done
  runs 2 "$scan" --model "$CORED_MODEL" --set nonsense=1 "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --set roi-padding=77 "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --set roi-padding "$tmp/a.mkv"
  runs 2 "$scan" --model "$CORED_MODEL" --json "$tmp/none/x.jsonl" "$tmp/a.mkv"
  says 'cannot write'
  runs 1 "$scan" --model "$tmp/none.safetensors" --json "$tmp/x.jsonl" "$tmp/a.mkv" "$tmp/a.mkv"
  says "$tmp/none.safetensors"
  head -c 5000 "$CORED_MODEL" >"$tmp/cut.safetensors"
  runs 1 "$scan" --model "$tmp/cut.safetensors" "$tmp/a.mkv"
  says 'failed: .*cut.safetensors'
  runs 1 "$scan" --model "$CORED_MODEL" --json /dev/full "$tmp/a.mkv"
  says 'JSON file is not complete: No space left'
  runs 1 "$scan" --model "$CORED_MODEL" --annotate "$tmp/none/x.mp4" "$tmp/a.mkv"
  says 'cannot write beside .*/none/x.mp4: No such file'
}

# Nothing that an earlier run left is touched unasked, and inputs of one name do not meet.
case_scan-outputs() {
  local scan=$CORED_BUILD_DIR/tools/cored-scan
  needs x264enc
  mkdir "$tmp/one" "$tmp/two" "$tmp/out"
  picture "$tmp/one/a.mkv"
  cp "$tmp/one/a.mkv" "$tmp/two/a.mkv"
  runs 0 "$scan" --model "$CORED_MODEL" -q --json "$tmp/out/a.jsonl" --annotate "$tmp/out" "$tmp/one/a.mkv" \
    "$tmp/two/a.mkv"
  [ "$(find "$tmp/out" -type f | sort | xargs -n 1 basename | xargs)" = "a-flagged-2.mp4 a-flagged.mp4 a.jsonl" ] ||
    fail "$(ls "$tmp/out")"
  grep -q '"annotated":"[^"]*/out/a-flagged-2.mp4"' "$tmp/out/a.jsonl" || fail "JSON does not name the video"
  cp -r "$tmp/out" "$tmp/before"
  runs 2 "$scan" --model "$CORED_MODEL" -q --json "$tmp/out/a.jsonl" "$tmp/one/a.mkv"
  says 'a.jsonl is there already: --append adds to it, --overwrite replaces it'
  runs 2 "$scan" --model "$CORED_MODEL" -q --annotate "$tmp/out/a-flagged.mp4" "$tmp/one/a.mkv"
  says 'a-flagged.mp4 is there already: --overwrite replaces it'
  diff -r "$tmp/out" "$tmp/before" || fail "an output was touched"
  # Nor is the file behind a link that lies where the video is written.
  : >"$tmp/victim"
  ln -s "$tmp/victim" "$tmp/link.mp4"
  runs 1 "$scan" --model "$CORED_MODEL" -q --annotate "$tmp/link.mp4" "$tmp/one/a.mkv"
  says 'failed: cannot write .*link.mp4: File exists'
  [ ! -s "$tmp/victim" ] && [ -L "$tmp/link.mp4" ] || fail "a link was followed"
  runs 1 "$scan" --model "$CORED_MODEL" -q --json "$tmp/link.jsonl" --annotate "$tmp/link.mp4" "$tmp/one/a.mkv"
  ! grep -q '"annotated"' "$tmp/link.jsonl" || fail "JSON names a video that is not there"
  ! grep -q '^  annotated: ' "$log" || fail "a video that is not there is named"
  rm "$tmp/link.jsonl"
  # The names of the longest inputs still make names of videos.
  local long
  long=$(printf 'x%.0s' $(seq 247))
  cp "$tmp/one/a.mkv" "$tmp/two/$long.mkv"
  mkdir "$tmp/long"
  runs 0 "$scan" --model "$CORED_MODEL" -q --annotate "$tmp/long" "$tmp/two/$long.mkv" "$tmp/one/a.mkv"
  says '^  annotated: .*/long/.*-flagged.mp4$' 2
  # A file that is cut off has its video up to there.
  head -c $(($(stat -c %s "$tmp/one/a.mkv") / 2)) "$tmp/one/a.mkv" >"$tmp/one/half.mkv"
  runs 1 "$scan" --model "$CORED_MODEL" -q --annotate "$tmp/long" "$tmp/one/half.mkv"
  says '^  annotated: .*/long/half-flagged.mp4$'
  # No two outputs, and no output and the model or an input, are one file.
  runs 2 "$scan" --model "$CORED_MODEL" -q --json "$tmp/new" --annotate "$tmp/long/../new" "$tmp/one/a.mkv"
  says '^cored-scan: --json and --annotate would both write'
  cp "$CORED_MODEL" "$tmp/model.safetensors"
  runs 2 "$scan" --model "$tmp/model.safetensors" -q --overwrite --annotate "$tmp/model.safetensors" "$tmp/one/a.mkv"
  says '^cored-scan: --annotate would overwrite'
  runs 2 "$scan" --model "$CORED_MODEL" -q --overwrite --json "$tmp/one/a.mkv" "file://$tmp/one/a.mkv"
  says '^cored-scan: --json would overwrite'
  cmp -s "$CORED_MODEL" "$tmp/model.safetensors" || fail "the model was overwritten"
  # An empty file is nothing to lose.
  : >"$tmp/empty.jsonl"
  runs 0 "$scan" --model "$CORED_MODEL" -q --json "$tmp/empty.jsonl" "$tmp/one/a.mkv"
  runs 0 "$scan" --model "$CORED_MODEL" -q --append --json "$tmp/empty.jsonl" "$tmp/one/a.mkv"
  [ "$(wc -l <"$tmp/empty.jsonl")" = 2 ] || fail "nothing was added"
  runs 0 "$scan" --model "$CORED_MODEL" -q --overwrite --json "$tmp/empty.jsonl" --annotate "$tmp/out" \
    "$tmp/one/a.mkv"
  [ "$(wc -l <"$tmp/empty.jsonl")" = 1 ] || fail "not replaced"
  echo precious >"$tmp/precious"
  ln -s precious "$tmp/link.jsonl"
  runs 0 "$scan" --model "$CORED_MODEL" -q --overwrite --json "$tmp/link.jsonl" "$tmp/one/a.mkv"
  [ "$(cat "$tmp/precious")" = precious ] && [ ! -L "$tmp/link.jsonl" ] || fail "written through a link"
  [ -z "$(find "$tmp" -name '*.part')" ] || fail "a part was left behind"
}

# Ctrl-C in the middle: a verdict on what was seen, a video that plays, whole JSON lines.
case_scan-interrupt() {
  local pid status
  needs x264enc
  gst-launch-1.0 -q videotestsrc num-buffers=3000 ! video/x-raw,width=640,height=480,framerate=25/1 ! \
    jpegenc ! matroskamux ! filesink "location=$tmp/long.mkv" || fail "cannot make a video"
  "$CORED_BUILD_DIR/tools/cored-scan" --model "$CORED_MODEL" --set inference-region=full-frame \
    --json "$tmp/out.jsonl" --annotate "$tmp/out.mp4" "$tmp/long.mkv" >"$log" 2>&1 &
  pid=$!
  for _ in $(seq 600); do
    [ -s "$tmp/out.jsonl" ] && [ "$(wc -l <"$tmp/out.jsonl")" -gt 20 ] && break
    sleep 0.1
  done
  kill -INT "$pid"
  wait "$pid"
  status=$?
  [ "$status" = 130 ] || fail "status $status, not 130, after an interrupt"
  says 'failed: interrupted'
  says '^  (unknown  the rest was not seen; until then|fake ) p-fake [01]'
  [ "$(verdicts "$tmp/out.jsonl" | grep -cE '^(unknown|fake) False interrupted$')" = 1 ] ||
    fail "no closing object: $(tail -n 1 "$tmp/out.jsonl")"
  [ -z "$(find "$tmp" -name '*.part')" ] || fail "the part file was left behind"
  runs 0 gst-launch-1.0 -q filesrc "location=$tmp/out.mp4" ! decodebin ! fakesink
}

case_record() {
  needs x264enc
  picture "$tmp/a.mkv"
  runs 0 "$scripts/record.sh" --output "$tmp/rec.mp4" "$tmp/a.mkv"
  says 'cored, '
  runs 1 "$scripts/record.sh" --output "$tmp/rec.mp4" "$tmp/a.mkv"
  says 'rec.mp4 is there already: --overwrite replaces it'
  runs 0 gst-launch-1.0 filesrc "location=$tmp/rec.mp4" ! decodebin ! videoconvert ! \
    identity name=i silent=false ! fakesink sync=false -v
  says 'GstIdentity:i: last-message = chain' 50
}

"case_$1"
