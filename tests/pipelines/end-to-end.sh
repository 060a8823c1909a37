#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The whole loop, with real forgeries: a detector runs on pictures of a forgery that its model was not
# taught; cored-train teaches it beside, and publishes; the running pipeline takes the model over. From
# then on it tells this forgery apart better, and not one frame was lost.
#
#   end-to-end.sh [EPOCHS OF TASK 1 [EPOCHS OF TASK 2]]
#
# From meson: CORED_BUILD_DIR, CORED_TEST_TMP, CORED_SHARED. Needs minutes; 77: no material.
set -u
epochs1=${1:-6}
epochs2=${2:-4}
data=$CORED_SHARED/data/tasks
known=StarGAN
new=StableDiffusion
if [ ! -d "$data/$known" ] || [ ! -d "$data/$new" ]; then
  echo "skipped: no $known and $new in $data"
  exit 77
fi
tmp=$(mktemp -d "$CORED_TEST_TMP/end-to-end-XXXXXX")
player=
trap '[ -z "$player" ] || kill "$player" 2>/dev/null; rm -rf "$tmp"' EXIT
export GST_PLUGIN_PATH=$CORED_BUILD_DIR/plugin GST_REGISTRY=$tmp/registry.bin
live=$tmp/live.safetensors

fail() { echo "end-to-end.sh: $*" >&2; tail -n 20 "$tmp/train.log" >&2; exit 1; }

# train ARGUMENTS...: a small network, and publish it.
train() {
  "$CORED_BUILD_DIR/tools/cored-train" -d "$data" -n Compact --input-size 64 -nb 32 --optimizer adamw \
    --seed 1 --select auc --quiet --publish "$live" "$@" 2>&1 | tee -a "$tmp/train.log"
  return "${PIPESTATUS[0]}"
}

# The pictures that no training sees: fake and real in turns.
fakes=("$data/$new"/test/fake/*.jpg)
reals=("$data/$new"/test/real/*.jpg)
n=$((2 * (${#fakes[@]} < ${#reals[@]} ? ${#fakes[@]} : ${#reals[@]})))
for ((i = 0; i < n; i += 2)); do
  ln -s "${fakes[i / 2]}" "$tmp/$(printf %03d $i).jpg"
  ln -s "${reals[i / 2]}" "$tmp/$(printf %03d $((i + 1))).jpg"
done

# scores GENERATION: results, mean p-fake of the fakes and of the reals, and the AUC.
scores() {
  grep 'element): cored, ' "$tmp/play.log" |
    sed -E 's/.*cored, p-fake=\(double\)([^,]*),.*model-generation=\(guint64\)([0-9]*),.* timestamp=\(guint64\)([0-9]*),.*/\1 \2 \3/' |
    awk -v generation="$1" -v n="$n" '
      $2 == generation { i = int($3 / 40000000 + 0.5) % n; p[i % 2, c[i % 2]++] = $1; sum[i % 2] += $1 }
      END {
        for (a = 0; a < c[0]; a++)
          for (b = 0; b < c[1]; b++)
            wins += p[0, a] > p[1, b] ? 1 : p[0, a] == p[1, b] ? 0.5 : 0
        if (c[0] && c[1])
          printf "%d %.4f %.4f %.4f\n", c[0] + c[1], sum[0] / c[0], sum[1] / c[1], wins / c[0] / c[1]
        else
          print "0 0 0 0"
      }'
}
# wait_for GENERATION: until all pictures were judged by it once.
wait_for() {
  for _ in $(seq 300); do
    [ "$(grep -c "element): cored, .*model-generation=(guint64)$1," "$tmp/play.log")" -ge "$n" ] && return
    kill -0 "$player" || fail "the pipeline ended: $(tail -n 3 "$tmp/play.log")"
    sleep 1
  done
  fail "generation $1 never judged all pictures"
}

echo "== $known is learned"
train -t "$known" -me "$epochs1" -lr 0.003 -o "$tmp/one" || fail "task 1"
gst-launch-1.0 -e -m -v multifilesrc "location=$tmp/%03d.jpg" stop-index=$((n - 1)) loop=true \
  caps=image/jpeg,framerate=25/1 ! jpegdec ! videoconvert ! clocksync ! identity name=into silent=false ! \
  coreddetect "model=$live" mode=sync inference-region=full-frame smoothing=0 message-interval=0 ! \
  identity name=out silent=false ! fakesink >"$tmp/play.log" 2>&1 &
player=$!
wait_for 1
echo "== $new is learned beside the running pipeline"
train -s "$known" -t "$new" --full -w "$tmp/one" -me "$epochs2" -lr 0.0005 --max-forgetting 8 \
  --max-false-alarms 50 -o "$tmp/two" || # minutes of training cost the old task more than a real run may
  fail "task 2"
wait_for 2
kill -INT "$player"
wait "$player"
status=$?
player=
[ "$status" = 0 ] || fail "the pipeline ended with $status"

in=$(grep -c 'GstIdentity:into: last-message = chain' "$tmp/play.log")
out=$(grep -c 'GstIdentity:out: last-message = chain' "$tmp/play.log")
judged=$(grep -c 'element): cored, ' "$tmp/play.log")
grep 'element): cored-model' "$tmp/play.log" | sed 's/.*cored-model, /cored-model: /'
scores 1 >"$tmp/before"
scores 2 >"$tmp/after"
echo "results, p of fakes, p of reals, AUC on $new: before $(cat "$tmp/before"), after $(cat "$tmp/after")"
echo "frames in $in, out $out, judged $judged"
if [ "$in" != "$out" ] || [ "$in" != "$judged" ]; then fail "frames were lost"; fi
paste -d ' ' "$tmp/before" "$tmp/after" | awk '{ exit !($6 > $2) }' ||
  fail "the score of the new forgery did not rise"
paste -d ' ' "$tmp/before" "$tmp/after" | awk '{ exit !($6 - $7 > $2 - $3 + 0.05 && $8 > $4 + 0.1) }' ||
  fail "the new forgery is not told apart better"
