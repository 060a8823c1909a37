#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh [SECONDS]: build fuzz-model with clang's libFuzzer, ASan and UBSan and let it run.
# Findings and the corpus stay in build-fuzz/; replay one with build/tests/fuzz/fuzz-model --replay.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
out=build-fuzz
mkdir -p "$out/corpus"
sources=(engine/error.c engine/model/*.c engine/layers/*.c engine/networks/*.c tests/fuzz/no-session.c)
flags=(-std=gnu11 -D_GNU_SOURCE -g -O1 -Iengine -Itests/fuzz
       -fsanitize=address,undefined -fno-sanitize-recover=undefined)
clang "${flags[@]}" -o "$out/seeds" tests/fuzz/fuzz-main.c tests/fuzz/fuzz-model.c "${sources[@]}" \
  -lsodium -lm -lpthread
clang "${flags[@]}" -fsanitize=fuzzer -o "$out/fuzz-model" tests/fuzz/fuzz-model.c "${sources[@]}" \
  -lsodium -lm -lpthread
"$out/seeds" --seeds "$out/corpus"
exec "$out/fuzz-model" -max_total_time="$seconds" -malloc_limit_mb=64 -rss_limit_mb=512 -timeout=5 \
  -max_len=200000 -artifact_prefix="$out/" -print_final_stats=1 "$out/corpus"
